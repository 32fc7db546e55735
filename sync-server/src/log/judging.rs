//! What the judge looks up, gathered before an entry is judged.
use stunity_identity::{Certificate, SchoolAnchor, StaffAdmission, StaffRoles, Standing};
use stunity_model::events::{ConversationStart, CourseGenesis};
use stunity_model::judge::CutOff;
use stunity_model::{JudgeView, Membership};
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, ActorId, Entry, EntryId, SchoolId, SpaceId};

use super::authority::{Authority, Beginning};

pub(crate) struct View<'a> {
    pub anchor: &'a SchoolAnchor,
    pub authority: &'a Authority,
    pub chain_head: Option<(u64, ChainEntry)>,
    /// The entry at the judged entry's own place, if one is stored.
    pub at_place: Option<EntryId>,
    pub standing: Standing,
    /// Of an entry that is here already.
    pub stored: Option<Stored>,
}

/// How an entry that is here already stands to the removals of its author.
pub(crate) struct Stored {
    pub is_beyond: bool,
    pub is_removed: bool,
}

impl View<'_> {
    fn staff(&self, account: AccountId, offices: StaffRoles) -> bool {
        self.authority
            .account(account)
            .is_some_and(|standing| standing.staff_roles & offices.bits() != 0)
    }
}

impl JudgeView for View<'_> {
    fn school(&self) -> SchoolId {
        self.anchor.school
    }
    fn chain_head(&self, _: &ChainKey) -> Option<(u64, ChainEntry)> {
        self.chain_head.clone()
    }
    fn chain_entry(&self, _: &ChainKey, _: u64) -> Option<EntryId> {
        self.at_place
    }
    fn membership(&self, space: SpaceId) -> Option<&Membership> {
        self.authority
            .course(space)
            .map(|course| &course.membership)
    }
    fn genesis(&self, space: SpaceId) -> Option<&CourseGenesis> {
        match &self.authority.course(space)?.beginning {
            Beginning::Course(genesis) => Some(genesis),
            Beginning::Conversation(_) => None,
        }
    }
    fn conversation(&self, space: SpaceId) -> Option<&ConversationStart> {
        match &self.authority.course(space)?.beginning {
            Beginning::Conversation(start) => Some(start),
            Beginning::Course(_) => None,
        }
    }
    fn teaches_at_school(&self, account: AccountId) -> bool {
        self.staff(account, StaffRoles::TEACHER.and(StaffRoles::ADMIN))
    }
    fn registers(&self, account: AccountId) -> bool {
        self.staff(account, StaffRoles::REGISTRAR.and(StaffRoles::ADMIN))
    }
    fn is_root_signed(&self, certificate: &[u8]) -> bool {
        Certificate::<StaffAdmission>::decode(certificate)
            .is_ok_and(|admission| self.anchor.verify_staff(&admission).is_ok())
    }
    fn change_actor(&self, change: &[u8]) -> Option<ActorId> {
        stunity_documents::change_actor(change)
    }
    fn is_cut_off(&self, _: &Entry) -> bool {
        self.standing == Standing::BeyondCutOff
    }
    // Whatever is known here was numbered before.
    fn is_removed_before(&self, _: &Entry, removals: &[EntryId]) -> bool {
        (self.stored.as_ref()).map_or(!removals.is_empty(), |stored| stored.is_removed)
    }
    // A new entry is at the end of its chain.
    fn is_beyond(&self, entry: &Entry, cut_offs: &[CutOff]) -> bool {
        match &self.stored {
            Some(stored) => stored.is_beyond,
            None => (cut_offs.iter()).any(|cut_off| !cut_off.last.contains(&entry.id())),
        }
    }
    fn takes_membership_on_trust(&self, _: &Entry) -> bool {
        false
    }
    // Staff accept what is here already: see the writer.
    fn is_accepted(&self, _: &Entry) -> bool {
        false
    }
}
