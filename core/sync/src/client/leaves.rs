//! The leaves of a receipt, as both sides build them.
use stunity_proto::frame::ResultItem;
use stunity_proto::receipt::{Leaf, sha256};
use stunity_proto::{EntryId, Hash, Lane, SpaceId};

use crate::cursors::Numbered;
use crate::replica::Outcome;
use crate::{Cursor, Position};

/// The leaves of a receipt, in order.
pub(super) struct Leaves {
    epoch: u64,
    pub hashes: Vec<Hash>,
    pub entries: Vec<(u32, EntryId)>,
    pub own: Vec<Numbered>,
}

impl Leaves {
    pub fn new(epoch: u64) -> Self {
        Self {
            epoch,
            hashes: Vec::new(),
            entries: Vec::new(),
            own: Vec::new(),
        }
    }

    pub fn push(&mut self, leaf: &Leaf) {
        self.hashes.push(leaf.hash());
    }

    pub fn entry(&mut self, position: &Position, id: EntryId) {
        self.entries.push((self.hashes.len() as u32, id));
        self.push(&entry_leaf(position, id));
    }

    pub fn result(&mut self, item: ResultItem, id: EntryId, space: SpaceId, lane: Lane) -> Outcome {
        let mut accepted = |sequence, received_ms| {
            let position = Position {
                space,
                lane,
                epoch: self.epoch,
                sequence,
                received_ms,
            };
            self.entry(&position, id);
            self.own.push(Numbered::new(&position, id));
            position
        };
        match item {
            ResultItem::Accepted {
                sequence,
                received_ms,
            } => Outcome::Accepted(accepted(sequence, received_ms)),
            ResultItem::Pending {
                sequence,
                received_ms,
                code,
            } => Outcome::Pending {
                position: accepted(sequence, received_ms),
                code,
            },
            ResultItem::Refused { code, tombstone } => {
                self.push(&Leaf::Tombstone(sha256(&tombstone)));
                Outcome::Refused { code, tombstone }
            }
        }
    }
}

/// The leaf of an entry at a position.
pub(crate) fn entry_leaf(position: &Position, id: EntryId) -> Leaf {
    Leaf::Entry {
        space: position.space,
        lane: position.lane,
        epoch: position.epoch,
        sequence: position.sequence,
        id,
        received_ms: position.received_ms,
    }
}

/// The leaf of a cursor.
pub(crate) fn cursor_leaf(cursor: &Cursor) -> Leaf {
    Leaf::Cursor {
        space: cursor.target.space,
        lane: cursor.target.lane,
        epoch: cursor.at.epoch,
        sequence: cursor.at.sequence,
        hash: cursor.at.hash,
    }
}
