//! What came between two receipts: verified, then handed to the replica.
use stunity_proto::frame::{CursorRef, ResultItem, SignedRoot};
use stunity_proto::pack::{Item, decode_pack};
use stunity_proto::receipt::{Leaf, merkle_root};

use super::downloads::Incoming;
use super::leaves::{Leaves, cursor_leaf};
use super::{Effect, Event, Session};
use crate::cursors::{self, Numbered};
use crate::replica::{Delivered, Flush, FlushReceipt, Upload};
use crate::{Cursor, Position, Replica, Running, SyncError, Target};

/// What came since the last receipt.
#[derive(Debug, Default)]
pub(super) struct Building {
    pub results: Vec<(Upload, Vec<ResultItem>)>,
    pub packs: Vec<Incoming>,
    pub moved: Vec<(CursorRef, u64)>,
    pub removed: Vec<Target>,
}

impl Session {
    pub(super) fn end_flush(
        &mut self,
        replica: &mut dyn Replica,
        root: SignedRoot,
        nonce: &[u8; 32],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let flush = std::mem::take(&mut self.flush);
        let mut packs = Vec::new();
        for incoming in &flush.packs {
            let bytes = match &incoming.whole {
                Some(bytes) => bytes.clone(),
                None => replica.load_partial(incoming.pack)?,
            };
            if stunity_proto::frame::pack_id(&bytes) != incoming.pack {
                replica.drop_partial(incoming.pack)?;
                return Err(SyncError::NotAuthentic("name of a pack"));
            }
            packs.push(decode_pack(&bytes, replica.pack_context())?);
        }
        self.apply(replica, flush, packs, root, nonce, effects)
    }

    pub(super) fn live(
        &mut self,
        replica: &mut dyn Replica,
        target: Target,
        (from, to): (u64, u64),
        pack: Vec<u8>,
        root: SignedRoot,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        if cursors::position(&self.cursors, target).sequence != from {
            return Err(SyncError::Protocol("live batch after a gap"));
        }
        let items = decode_pack(&pack, replica.pack_context())?;
        // It may be what was missing.
        self.waits_for_others = false;
        let flush = Building {
            moved: vec![(self.cursor_ref(target), to)],
            ..Building::default()
        };
        self.apply(replica, flush, vec![items], root, &[0; 32], effects)
    }

    fn cursor_ref(&self, target: Target) -> CursorRef {
        match self.cursors.binary_search_by_key(&target, |c| c.target) {
            Ok(index) => CursorRef::Known(index as u32),
            Err(_) => CursorRef::New(target.space, target.lane),
        }
    }

    /// Rebuilds the leaves, verifies the receipt and hands the flush over.
    fn apply(
        &mut self,
        replica: &mut dyn Replica,
        building: Building,
        packs: Vec<Vec<Item>>,
        root: SignedRoot,
        nonce: &[u8; 32],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let mut leaves = Leaves::new(root.epoch);
        let mut results = Vec::new();
        for (upload, items) in building.results {
            let mut outcomes = Vec::with_capacity(items.len());
            for (item, (id, space, lane)) in items.into_iter().zip(&upload.entries) {
                outcomes.push(leaves.result(item, *id, *space, *lane));
            }
            results.push((upload.pack, outcomes));
        }
        let mut delivered = Vec::new();
        let mut own = std::mem::take(&mut self.own);
        own.append(&mut leaves.own);
        let mut numbered = own.clone();
        for item in packs.into_iter().flatten() {
            let place = item
                .place
                .ok_or(SyncError::Protocol("download without places"))?;
            let position = Position {
                space: place.space,
                lane: place.lane,
                epoch: root.epoch,
                sequence: place.sequence,
                received_ms: place.received_ms,
            };
            leaves.entry(&position, item.entry.id());
            numbered.push(Numbered::new(&position, item.entry.id()));
            delivered.push(Delivered {
                entry: item.entry,
                position: Some(position),
            });
        }
        numbered.sort_by_key(|entry| (entry.space, entry.sequence));
        numbered.dedup();
        let moved = self.moved(&building.moved, root.epoch, &numbered)?;
        for cursor in &moved {
            leaves.push(&cursor_leaf(cursor));
        }
        leaves.push(&Leaf::Time {
            nonce: *nonce,
            relay_ms: root.relay_ms,
        });
        let tree = merkle_root(&leaves.hashes);
        if !replica.verify_receipt(root.node, root.relay_ms, &tree, &root.signature)? {
            return Err(SyncError::NotAuthentic("receipt"));
        }
        cursors::update(&mut self.cursors, &moved, &building.removed);
        own.retain(|entry| !self.is_passed(entry));
        self.own = own;
        self.relay_ms = root.relay_ms;
        self.unacknowledged |= !moved.is_empty();
        let applied = replica.apply(Flush {
            results,
            delivered,
            finished: building.packs.iter().map(|pack| pack.pack).collect(),
            cursors: moved,
            removed: building.removed,
            receipt: Some(FlushReceipt {
                node: root.node,
                epoch: root.epoch,
                signature: root.signature,
                leaves: leaves.hashes,
                entries: leaves.entries,
                relay_ms: root.relay_ms,
            }),
        })?;
        effects.push(Effect::Event(Event::Applied(applied)));
        Ok(())
    }

    /// The cursors after a flush, with running hashes computed here.
    fn moved(
        &self,
        moved: &[(CursorRef, u64)],
        epoch: u64,
        numbered: &[Numbered],
    ) -> Result<Vec<Cursor>, SyncError> {
        moved
            .iter()
            .map(|(cursor, to)| {
                let (target, from) = match cursor {
                    CursorRef::Known(index) => {
                        let known = self
                            .cursors
                            .get(*index as usize)
                            .ok_or(SyncError::Protocol("index of a cursor"))?;
                        (known.target, known.at)
                    }
                    CursorRef::New(space, lane) => (
                        Target {
                            space: *space,
                            lane: *lane,
                        },
                        Running::START,
                    ),
                };
                let at = cursors::advance(target, from, *to, epoch, numbered)
                    .ok_or(SyncError::NotAuthentic("gap in the relay's order"))?;
                Ok(Cursor { target, at })
            })
            .collect()
    }

    fn is_passed(&self, entry: &Numbered) -> bool {
        [None, Some(entry.lane)].into_iter().any(|lane| {
            let target = Target {
                space: entry.space,
                lane,
            };
            cursors::position(&self.cursors, target).sequence >= entry.sequence
        })
    }
}
