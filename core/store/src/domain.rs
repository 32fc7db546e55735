//! What judging looks up: courses, staff, chains. Caches what is held, so that
//! an entry is judged without reading a course again.
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use rusqlite::{Connection, OptionalExtension, params};
use stunity_identity::{Certificate, SchoolAnchor, StaffAdmission, StaffRoles};
use stunity_model::events::{ConversationStart, CourseGenesis};
use stunity_model::judge::CutOff;
use stunity_model::permit::SpaceKind;
use stunity_model::{Event, JudgeView, Membership, judge};
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, ActorId, Entry, EntryId, Heads, Lane, SchoolId, SpaceId};

use crate::entries::{Class, EntryRow};
use crate::{Store, StoreError, decode, entries, trust};

/// What is held of one course or conversation.
#[derive(Default)]
pub(crate) struct Course {
    pub membership: Membership,
    pub genesis: Option<(EntryId, CourseGenesis)>,
    pub start: Option<(EntryId, ConversationStart)>,
}

impl Course {
    fn insert(&mut self, entry: &Entry) {
        for fact in judge::facts(entry) {
            self.membership.insert(fact);
        }
        if !is_genesis(entry) {
            return;
        }
        match entry
            .ops()
            .next()
            .and_then(|(_, op)| Event::decode(op?).ok())
        {
            Some(Event::CourseGenesis(genesis)) if self.genesis.is_none() => {
                self.genesis = Some((entry.id(), genesis));
            }
            Some(Event::ConversationStart(start)) if self.start.is_none() => {
                self.start = Some((entry.id(), start));
            }
            _ => {}
        }
    }

    /// The entry by which the course or the conversation began that has this lane.
    pub fn begun_by(&self, lane: Lane) -> Option<EntryId> {
        match lane {
            Lane::Talk => self.start.as_ref().map(|(id, _)| *id),
            _ => self.genesis.as_ref().map(|(id, _)| *id),
        }
    }
}

/// What was read since opening.
#[derive(Default)]
pub(crate) struct Facts {
    courses: HashMap<SpaceId, Course>,
    staff: HashMap<AccountId, StaffRoles>,
    anchor: Option<SchoolAnchor>,
}

impl Facts {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn course(&mut self, conn: &Connection, space: SpaceId) -> Result<&mut Course, StoreError> {
        Ok(match self.courses.entry(space) {
            Slot::Occupied(held) => held.into_mut(),
            Slot::Vacant(slot) => slot.insert(load_course(conn, space)?),
        })
    }

    pub fn insert(&mut self, conn: &Connection, entry: &Entry) -> Result<(), StoreError> {
        self.course(conn, entry.header().space)?.insert(entry);
        Ok(())
    }

    pub fn forget_course(&mut self, space: SpaceId) {
        self.courses.remove(&space);
    }

    pub fn forget_staff(&mut self, account: AccountId) {
        self.staff.remove(&account);
    }

    /// The offices of an account by every admission held. Validity does not end
    /// with an office: what was stated in it stays, and effect is cut off by
    /// revoking keys.
    pub fn staff(
        &mut self,
        conn: &Connection,
        account: AccountId,
    ) -> Result<StaffRoles, StoreError> {
        if let Some(roles) = self.staff.get(&account) {
            return Ok(*roles);
        }
        let mut statement = conn.prepare_cached("SELECT roles FROM staff WHERE account = ?1")?;
        let mut roles = StaffRoles::default();
        for bits in statement.query_map([&account.0], |row| row.get::<_, u8>(0))? {
            roles = roles.and(StaffRoles::from_bits(bits?));
        }
        self.staff.insert(account, roles);
        Ok(roles)
    }

    pub fn anchor(&mut self, conn: &Connection) -> Result<&SchoolAnchor, StoreError> {
        if self.anchor.is_none() {
            self.anchor = Some(trust::load_anchor(conn)?);
        }
        self.anchor
            .as_ref()
            .ok_or(StoreError::Damaged("school anchor"))
    }
}

/// From the entries that count: own ones as soon as they are sealed, also where the
/// course itself is still to come.
fn load_course(conn: &Connection, space: SpaceId) -> Result<Course, StoreError> {
    let rows = conn
        .prepare_cached(
            "SELECT e.entry FROM entries e JOIN chains c USING (chain)
             WHERE c.space = ?1 AND e.class = ?2
             AND (e.state = 1 OR (e.send IN (0, 1)
             AND (e.state = 0 OR (e.state = 2 AND e.code = 'space.unknown'))))",
        )?
        .query_map(params![&space.0, Class::Membership as i64], |row| {
            row.get::<_, EntryRow>(0)
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut course = Course::default();
    for row in rows {
        course.insert(&entries::load(conn, row)?);
    }
    Ok(course)
}

/// An admission to the staff inside an operation, if the school root signed it.
pub(crate) fn admission(anchor: &SchoolAnchor, certificate: &[u8]) -> Option<StaffAdmission> {
    let certificate = Certificate::<StaffAdmission>::decode(certificate).ok()?;
    anchor.verify_staff(&certificate).ok().cloned()
}

/// What is looked up for one entry, read before it is judged: judging itself
/// cannot fail on a database.
pub(crate) struct View<'a> {
    pub school: SchoolId,
    /// The entry before it in its chain.
    pub before: Option<(u64, ChainEntry)>,
    pub course: Option<&'a Course>,
    pub staff: StaffRoles,
    pub anchor: &'a SchoolAnchor,
    pub is_cut_off: bool,
    /// The author was removed before the entry was numbered.
    pub is_removed: bool,
    /// It lies beyond what a removal says counts of the author.
    pub is_beyond: bool,
    /// The relay has numbered it, by a receipt.
    pub is_numbered: bool,
    pub is_accepted: bool,
}

impl JudgeView for View<'_> {
    fn school(&self) -> SchoolId {
        self.school
    }

    fn chain_head(&self, _: &ChainKey) -> Option<(u64, ChainEntry)> {
        self.before.clone()
    }

    fn chain_entry(&self, _: &ChainKey, _: u64) -> Option<EntryId> {
        None
    }

    fn membership(&self, _: SpaceId) -> Option<&Membership> {
        self.course.map(|course| &course.membership)
    }

    fn genesis(&self, _: SpaceId) -> Option<&CourseGenesis> {
        self.course
            .and_then(|course| course.genesis.as_ref())
            .map(|(_, genesis)| genesis)
    }

    fn conversation(&self, _: SpaceId) -> Option<&ConversationStart> {
        self.course
            .and_then(|course| course.start.as_ref())
            .map(|(_, start)| start)
    }

    fn teaches_at_school(&self, _: AccountId) -> bool {
        let staff = self.staff;
        staff.contains(StaffRoles::TEACHER) || staff.contains(StaffRoles::ADMIN)
    }

    fn registers(&self, _: AccountId) -> bool {
        let staff = self.staff;
        staff.contains(StaffRoles::REGISTRAR) || staff.contains(StaffRoles::ADMIN)
    }

    fn is_root_signed(&self, certificate: &[u8]) -> bool {
        admission(self.anchor, certificate).is_some()
    }

    fn change_actor(&self, change: &[u8]) -> Option<ActorId> {
        decode::actor(change)
    }

    fn is_cut_off(&self, _: &Entry) -> bool {
        self.is_cut_off
    }

    fn is_removed_before(&self, _: &Entry, _: &[EntryId]) -> bool {
        self.is_removed
    }

    fn is_beyond(&self, _: &Entry, _: &[CutOff]) -> bool {
        self.is_beyond
    }

    fn takes_membership_on_trust(&self, _: &Entry) -> bool {
        self.is_numbered
    }

    fn is_accepted(&self, _: &Entry) -> bool {
        self.is_accepted
    }
}

/// The place before an entry in its chain. What is not held counts as there if
/// the relay has numbered the entry, or this device wrote it: the relay checked
/// the chain, and a refused entry's content stays with its author. In a parcel
/// without receipts a gap is one.
pub(crate) fn place_before(
    conn: &Connection,
    entry: &Entry,
    vouched_for: bool,
) -> Result<Option<(u64, ChainEntry)>, StoreError> {
    let header = entry.header();
    let Some(previous) = header.previous else {
        return Ok(None);
    };
    let sequence = header.sequence - 1;
    let heads: Option<Vec<u8>> = conn
        .prepare_cached("SELECT header FROM entries WHERE id = ?1 AND state <> 3")?
        .query_row([&previous.0], |row| row.get(0))
        .optional()?;
    Ok(match heads {
        Some(bytes) => Some((
            sequence,
            ChainEntry {
                id: previous,
                heads: stunity_proto::Header::decode(&bytes)?.heads,
            },
        )),
        None if vouched_for => Some((
            sequence,
            ChainEntry {
                id: previous,
                heads: Heads::default(),
            },
        )),
        None => None,
    })
}

/// Whether an entry is of a course or a conversation, whose beginning everything
/// needs.
pub(crate) fn is_of_members(entry: &Entry) -> bool {
    let header = entry.header();
    SpaceKind::of(header.school, header.space, header.lane).has_members()
}

pub(crate) fn is_genesis(entry: &Entry) -> bool {
    entry
        .header()
        .kinds
        .first()
        .is_some_and(|kind| judge::begins(*kind))
}

impl Store {
    /// The head of the own account log that a new entry cites.
    pub(crate) fn account_head(&self, conn: &Connection) -> Result<Option<EntryId>, StoreError> {
        let mut logs = self.logs.borrow_mut();
        Ok(logs
            .get(conn, self.owner.account)?
            .and_then(stunity_identity::AccountLog::head))
    }

    /// The membership heads that a new entry of a lane cites.
    pub(crate) fn membership_heads(
        &self,
        conn: &Connection,
        space: SpaceId,
        lane: Lane,
    ) -> Result<Vec<EntryId>, StoreError> {
        if !SpaceKind::of(self.owner.school, space, lane).has_members() {
            return Ok(Vec::new());
        }
        let mut facts = self.facts.borrow_mut();
        Ok(facts
            .course(conn, space)?
            .membership
            .heads_for(lane, self.owner.account))
    }

    /// What a freshly sealed entry states, the next one already cites.
    pub(crate) fn note_sealed(
        &self,
        conn: &Connection,
        row: EntryRow,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        match Class::of(entry.header()) {
            Class::Membership => self.facts.borrow_mut().insert(conn, entry),
            Class::AccountLog => {
                let mut logs = self.logs.borrow_mut();
                let own = [(row, entry.clone())];
                logs.extend(conn, self.owner.account, &own).map(|_| ())
            }
            Class::Content => Ok(()),
        }
    }
}
