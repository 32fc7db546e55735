//! Who is in a course no longer, and what staff give effect to.
use stunity_model::Roles;
use stunity_model::events::{AcceptPending, MemberCutOff, MemberRemove};
use stunity_proto::{AccountId, EntryId, Lane, SpaceId};
use stunity_store::PendingOp;

use crate::commands::op;
use crate::{Client, ClientError};

/// Every role.
const ANY: Roles = Roles(u64::MAX >> 1);

impl Client {
    /// Removes somebody from a course. What is held of theirs keeps its effect; what
    /// is not waits for staff, whatever order a relay states.
    ///
    /// # Errors
    /// `member.oneself`, `member.unknown`, or the store's.
    pub fn remove_member(
        &mut self,
        course: SpaceId,
        account: AccountId,
    ) -> Result<(), ClientError> {
        let removal = self.removal(course, account)?;
        self.enqueue(&[removal]).map(|_| ())
    }

    pub(crate) fn removal(
        &self,
        course: SpaceId,
        account: AccountId,
    ) -> Result<PendingOp, ClientError> {
        if account == self.me() {
            return Err(ClientError::Invalid("member.oneself"));
        }
        let members = self.store.class_list(course, ANY)?;
        if members.iter().all(|member| member.account != account) {
            return Err(ClientError::Invalid("member.unknown"));
        }
        // Also of a pupil: in `all` the others must know where what counts ends. They see
        // an id, and no name.
        let lane = Lane::All;
        Ok(match self.store.last_entries(course, account)? {
            Some(last) => op(course, lane, MemberCutOff { account, last }, None),
            None => op(course, lane, MemberRemove { account }, None),
        })
    }

    /// As staff, gives effect to an entry that waits for it, see
    /// [`stunity_store::Store::pending`].
    ///
    /// # Errors
    /// `pending.unknown`, or the store's.
    pub fn accept_pending(&mut self, entry: EntryId) -> Result<(), ClientError> {
        let waiting = self.store.pending(None)?;
        let found = waiting.iter().find(|row| row.entry == entry);
        let row = found.ok_or(ClientError::Invalid("pending.unknown"))?;
        // Whoever reads the entry is to know that it counts.
        let (course, lane) = match row.lane {
            lane @ (Lane::All | Lane::One(_)) => (row.course, lane),
            _ => (row.course, Lane::Staff),
        };
        self.state(course, lane, AcceptPending { entry })
    }
}
