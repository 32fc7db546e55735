//! What the account reads: looked at when a session starts and when it changes.
use stunity_proto::{Lane, SpaceId};

use super::{Effect, Peer, Session};
use crate::relay_store::Advance;
use crate::{Cursor, Position, RelayStore, SyncError, Target, cursors};

/// What the session knows of what its account reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// All of it: what the view lacked is sent or in `todo`.
    Known,
    /// What it reads, not how far that goes: asked once the driver listens, so that
    /// nothing falls in between.
    Listening,
    /// Neither.
    Unknown,
}

/// What an entry of a lane may be read by.
pub(super) fn targets_of(space: SpaceId, lane: Lane) -> [Target; 2] {
    [None, Some(lane)].map(|lane| Target { space, lane })
}

impl Session {
    /// What the account reads has changed, or what was told was missed: the next flush
    /// looks again.
    pub fn on_rights_changed(&mut self) {
        if self.flying && !self.upload_only {
            self.outlook = Outlook::Unknown;
        }
    }

    /// Reads what the account may read now; gives what the driver is to listen to.
    pub(super) async fn look<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
    ) -> Result<Vec<Effect>, SyncError> {
        self.view = store.view(peer.account).await?;
        if !self.talks {
            // It could not read the lane's name.
            self.view.retain(|target| target.lane != Some(Lane::Talk));
        }
        self.outlook = Outlook::Listening;
        let view = &self.view;
        self.advanced.retain(|cursor| view.contains(&cursor.target));
        for cursor in &self.list {
            if !self.view.contains(&cursor.target) && !self.removed.contains(&cursor.target) {
                self.removed.push(cursor.target);
            }
        }
        Ok(match self.live {
            true => vec![Effect::Subscribe(self.view.clone())],
            false => Vec::new(),
        })
    }

    /// Reads how far each target goes. What comes later, the driver tells.
    pub(super) async fn look_for_more<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
    ) -> Result<(), SyncError> {
        let ends = store.ends(&self.view).await?;
        let behind: Vec<(Target, u64)> = (self.view.iter().zip(&ends))
            .map(|(target, end)| {
                let at = cursors::position(&self.list, *target).sequence;
                (*target, end.sequence.saturating_sub(at))
            })
            .filter(|(_, behind)| *behind > 0)
            .collect();
        self.line_up(store.school(), peer.account, &behind);
        self.outlook = Outlook::Known;
        Ok(())
    }

    /// Own entries were numbered: where nothing else came and the device has what was
    /// before, its cursor moves over them unread.
    pub(super) fn advance(&mut self, advances: &[Advance]) {
        if self.outlook != Outlook::Known {
            return;
        }
        for Advance { target, from, to } in advances.iter().copied() {
            let known = self.advanced.iter().find(|cursor| cursor.target == target);
            let at = known.map_or_else(|| cursors::position(&self.list, target), |c| c.at);
            if self.view.binary_search(&target).is_ok()
                && !self.todo.contains(&target)
                && at.sequence == from
            {
                self.advanced.retain(|cursor| cursor.target != target);
                self.advanced.push(Cursor { target, at: to });
            }
        }
    }

    /// An own entry was numbered: where its target's cursor does not pass it, the entry
    /// is read and left out.
    pub(super) fn note_own(&mut self, position: &Position) {
        let is_past = |cursor: &Cursor| {
            targets_of(position.space, position.lane).contains(&cursor.target)
                && cursor.at.sequence >= position.sequence
        };
        if self.advanced.iter().any(is_past) {
            return;
        }
        let at = (position.space, position.sequence);
        self.own.insert(at, position.lane);
        if self.outlook != Outlook::Known {
            return;
        }
        for target in targets_of(position.space, position.lane) {
            if self.view.binary_search(&target).is_ok() && !self.todo.contains(&target) {
                self.todo.push_back(target);
            }
        }
    }

    /// Whether own entries lie past the cursor of a target.
    pub(super) fn has_own_in(&self, target: Target) -> bool {
        (self.own.iter()).any(|((space, _), lane)| targets_of(*space, *lane).contains(&target))
    }
}
