//! A flush: results, a pack, cursors and the receipt over all of it.
use stunity_proto::frame::{Frame, SignedRoot};
use stunity_proto::pack::{Effort, Item, PackWriter, Place};
use stunity_proto::receipt::{Leaf, merkle_root};
use stunity_proto::{Hash, limits};

use super::outlook::{Outlook, targets_of};
use super::{Effect, Session, send};
use crate::client::{cursor_leaf, entry_leaf};
use crate::reader::Reader;
use crate::relay_store::LogItem;
use crate::sabotage::never_says_done;
use crate::{RelayStore, SyncError, cursors};

impl Session {
    /// Makes the next flush: results, one pack at most, cursors, receipt, and
    /// `done` when nothing is left.
    ///
    /// # Errors
    /// As [`Session::on_frame`].
    pub async fn pump<S: RelayStore>(&mut self, store: &S) -> Result<Vec<Effect>, SyncError> {
        let Some(peer) = self.peer.filter(|_| self.wants_pump()) else {
            return Ok(Vec::new());
        };
        if !self.wants_flush() {
            let stream = &mut self.next_stream;
            return self.files.pump(store, peer.account, stream).await;
        }
        if self.outlook == Outlook::Unknown {
            let effects = self.look(store, peer).await?;
            if !effects.is_empty() {
                return Ok(effects);
            }
        }
        if self.outlook == Outlook::Listening {
            self.look_for_more(store, peer).await?;
            // Another look may have found nothing new.
            if !self.wants_flush() {
                return Ok(Vec::new());
            }
        }
        let mut effects = Vec::new();
        let mut leaves = std::mem::take(&mut self.result_leaves);
        for (pack, items) in std::mem::take(&mut self.results) {
            let mut name = [0; 8];
            name.copy_from_slice(&pack.0[..8]);
            effects.push(send(&Frame::Results { pack: name, items }));
        }
        let base = cursors::list_hash(&self.list);
        let resumed = self.resumed.take();
        let left_out = match &resumed {
            Some((download, _)) => self.left_out(store, download).await?,
            None => Vec::new(),
        };
        let is_kept = resumed.is_some();
        let (download, held) = match resumed {
            Some(resumed) => resumed,
            None => {
                let download = self.next_download(store, base).await?;
                let held = self.held_of(&download);
                (download, held)
            }
        };
        if !download.bytes.is_empty() {
            leaves.extend_from_slice(&download.leaves);
            self.send_pack(&download, held, &mut effects);
            if !left_out.is_empty() {
                leaves.extend(item_leaves(&left_out));
                self.send_pack(&self.pack_of(store, &left_out), 0, &mut effects);
            }
            if download.bytes.len() > limits::SLICE && !is_kept {
                store.save_download(peer.device, download.clone()).await?;
            }
        }
        let removed = std::mem::take(&mut self.removed);
        if !removed.is_empty() {
            let targets = removed.iter().map(|t| (t.space, t.lane)).collect();
            effects.push(send(&Frame::Removed(targets)));
        }
        if !download.cursors.is_empty() {
            let moved = download
                .cursors
                .iter()
                .map(|cursor| {
                    let name = cursors::reference(&self.list, &removed, cursor.target);
                    (name, cursor.at.sequence)
                })
                .collect();
            effects.push(send(&Frame::Cursors(moved)));
            leaves.extend(download.cursors.iter().map(|c| cursor_leaf(c).hash()));
        }
        let relay_ms = store.now_ms();
        leaves.push(
            Leaf::Time {
                nonce: self.nonce,
                relay_ms,
            }
            .hash(),
        );
        effects.push(send(&Frame::Receipt(signed_root(store, &leaves, relay_ms))));
        cursors::update(&mut self.list, &download.cursors, &removed);
        let list = &self.list;
        self.own.retain(|(space, sequence), lane| {
            targets_of(*space, *lane)
                .into_iter()
                .all(|target| cursors::position(list, target).sequence < *sequence)
        });
        if !download.cursors.is_empty() || !removed.is_empty() {
            self.log.note(download.cursors, removed);
            store.save_cursor_log(peer.device, self.log.clone()).await?;
        }
        if !self.done_sent && self.todo.is_empty() && self.uploads.is_empty() {
            self.done_sent = true;
            self.rest();
            if !never_says_done() {
                effects.push(send(&Frame::Done));
            }
        }
        Ok(effects)
    }

    /// Gives back memory of what was under way: most sessions are silent from now on.
    fn rest(&mut self) {
        self.todo.shrink_to_fit();
        self.shared = std::mem::take(&mut self.shared).into_iter().collect();
        self.view.shrink_to_fit();
        self.list.shrink_to_fit();
        self.log.sent.shrink_to_fit();
        for (changed, _) in &mut self.log.sent {
            changed.shrink_to_fit();
        }
    }
}

pub(super) fn signed_root<S: RelayStore>(store: &S, leaves: &[Hash], relay_ms: u64) -> SignedRoot {
    SignedRoot {
        node: store.node(),
        epoch: store.epoch(),
        relay_ms,
        signature: store.sign_receipt(&merkle_root(leaves)),
    }
}

pub(super) fn item_leaves(items: &[LogItem]) -> Vec<Hash> {
    items
        .iter()
        .map(|item| entry_leaf(&item.position, item.entry.id()).hash())
        .collect()
}

/// How a pack is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing of the reader's context is used.
    Explicit,
    /// What the reader can compute is left out.
    InContext,
    /// And signatures of covered entries.
    Covered,
}

pub(super) fn encode(context: &Reader, items: &[LogItem], form: Form, effort: Effort) -> Vec<u8> {
    let mut writer = PackWriter::new(context, form == Form::Explicit, true, effort);
    if form == Form::Covered {
        writer = writer.leave_out_covered();
    }
    for item in items {
        writer.push(&Item {
            entry: item.entry.clone(),
            place: Some(Place {
                space: item.position.space,
                lane: item.position.lane,
                sequence: item.position.sequence,
                received_ms: item.position.received_ms,
            }),
        });
    }
    writer.finish()
}
