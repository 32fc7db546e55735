//! Packs of what a client lacks.
use std::collections::BTreeSet;

use stunity_proto::frame::{Content, Frame, Part, pack_id};
use stunity_proto::pack::Effort;
use stunity_proto::{Hash, PackId, limits};

use super::flush::{encode, item_leaves};
use super::{Effect, Session, send};
use crate::client::entry_leaf;
use crate::reader::Reader;
use crate::relay_store::{Download, LogItem};
use crate::{Cursor, RelayStore, Running, SyncError, cursors};

/// How much of a target is read at a time, uncompressed bytes.
const READ_BYTES: usize = 128 * 1024;

impl Session {
    /// Reads past the cursors until a pack is full. An empty pack may still
    /// move cursors: over the device's own entries.
    pub(super) async fn next_download<S: RelayStore>(
        &mut self,
        store: &S,
        base: [u8; 8],
    ) -> Result<Download, SyncError> {
        let mut context = self.reader(store);
        let mut chosen: Vec<LogItem> = Vec::new();
        let mut moved: Vec<Cursor> = Vec::new();
        let mut size = 0;
        // Uncompressed entries are about half of a header that the pack leaves
        // out; the writer's own estimate below decides.
        while let Some(target) = self.todo.front().copied() {
            if size >= READ_BYTES || chosen.len() >= limits::MAX_PACK_ENTRIES / 2 {
                break;
            }
            let mut at = cursors::position(&self.list, target);
            if let Some(cursor) = moved.iter().find(|c| c.target == target) {
                at = cursor.at;
            }
            let page = store.read(target, at.sequence, READ_BYTES - size).await?;
            for item in page.items {
                at = Running {
                    epoch: item.position.epoch,
                    sequence: item.position.sequence,
                    hash: if target.lane.is_some() {
                        item.lane_hash
                    } else {
                        item.space_hash
                    },
                };
                let place = (item.position.space, item.position.sequence);
                if !self.own.contains_key(&place) {
                    size += item.entry.len();
                    context.note(&item);
                    chosen.push(item);
                }
            }
            if at.sequence > cursors::position(&self.list, target).sequence {
                moved.retain(|cursor| cursor.target != target);
                moved.push(Cursor { target, at });
            }
            if !page.more {
                self.todo.pop_front();
            }
        }
        moved.sort_by_key(|cursor| cursor.target);
        if chosen.is_empty() {
            return Ok(Download {
                pack: PackId::ZERO,
                bytes: Vec::new(),
                leaves: Vec::new(),
                cursors: moved,
                base,
            });
        }
        let bytes = encode(&context, &chosen, self.explicit, Effort::Full);
        Ok(Download {
            pack: pack_id(&bytes),
            leaves: item_leaves(&chosen),
            bytes,
            cursors: moved,
            base,
        })
    }

    /// The client as a reader: of a target that it reads it holds the space's id at least.
    fn reader<S: RelayStore>(&self, store: &S) -> Reader {
        let spaces = self.list.iter().map(|cursor| cursor.target.space);
        Reader::new(store.school(), spaces)
    }

    /// What a resumed pack leaves out, though its cursors pass over it: own entries
    /// whose results went with the pack before the cut, and were lost with its
    /// receipt.
    pub(super) async fn left_out<S: RelayStore>(
        &self,
        store: &S,
        download: &Download,
    ) -> Result<Vec<LogItem>, SyncError> {
        let known: BTreeSet<&Hash> = download.leaves.iter().collect();
        let mut left_out = Vec::new();
        for cursor in &download.cursors {
            let mut at = cursors::position(&self.list, cursor.target).sequence;
            while at < cursor.at.sequence {
                let page = store.read(cursor.target, at, READ_BYTES).await?;
                for item in page.items {
                    at = item.position.sequence;
                    let leaf = entry_leaf(&item.position, item.entry.id()).hash();
                    let has_result = self.own.contains_key(&(item.position.space, at));
                    if at <= cursor.at.sequence && !has_result && !known.contains(&leaf) {
                        left_out.push(item);
                    }
                }
                if !page.more {
                    break;
                }
            }
        }
        Ok(left_out)
    }

    /// A pack of these items, which moves no cursor.
    pub(super) fn pack_of<S: RelayStore>(&self, store: &S, items: &[LogItem]) -> Download {
        let mut context = self.reader(store);
        items.iter().for_each(|item| context.note(item));
        let bytes = encode(&context, items, self.explicit, Effort::Full);
        Download {
            pack: pack_id(&bytes),
            bytes,
            leaves: Vec::new(),
            cursors: Vec::new(),
            base: [0; 8],
        }
    }

    pub(super) fn send_pack(&mut self, download: &Download, held: u32, effects: &mut Vec<Effect>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        // Whole or not, at least the last slice crosses again.
        let held = (held as usize).min(download.bytes.len().saturating_sub(1));
        let start = held - held % limits::SLICE;
        let mut slices = download.bytes[start..].chunks(limits::SLICE);
        let mut offset = start as u32;
        if let Some(first) = slices.next() {
            effects.push(send(&Frame::Offer {
                stream,
                content: Content::Entries,
                part: Part {
                    pack: download.pack,
                    total: download.bytes.len() as u32,
                    offset,
                    bytes: first.to_vec(),
                },
            }));
            offset += first.len() as u32;
        }
        for bytes in slices {
            effects.push(send(&Frame::Slice {
                stream,
                offset,
                bytes: bytes.to_vec(),
            }));
            offset += bytes.len() as u32;
        }
    }
}
