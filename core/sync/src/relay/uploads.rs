//! Packs that a client sends: kept slice by slice, stored when whole.
use stunity_proto::frame::{Frame, Part, ResultItem, pack_id};
use stunity_proto::pack::is_explicit;
use stunity_proto::receipt::{Leaf, sha256};
use stunity_proto::{EntryId, PackId, limits};

use super::{Effect, Peer, Session, send};
use crate::client::entry_leaf;
use crate::relay_store::Appended;
use crate::replica::Outcome;
use crate::{RelayStore, SyncError, uploader};

#[derive(Debug)]
pub(super) struct Upload {
    stream: u32,
    pack: PackId,
    total: u32,
    held: u32,
    whole: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn check_stream(&self, stream: u32) -> Result<(), SyncError> {
        let is_used = self.uploads.iter().any(|upload| upload.stream == stream);
        if stream % 2 == 1 || is_used || self.files.receives(stream) {
            return Err(SyncError::Protocol("stream of an offer"));
        }
        Ok(())
    }

    pub(super) async fn upload<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        stream: u32,
        part: Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.check_stream(stream)?;
        if self.uploads.len() >= limits::MAX_OPEN_UPLOADS {
            return Err(SyncError::Protocol("too many open uploads"));
        }
        let mut upload = Upload {
            stream,
            pack: part.pack,
            total: part.total,
            held: 0,
            whole: None,
        };
        if part.offset == 0 && part.bytes.len() == part.total as usize {
            upload.held = part.total;
            upload.whole = Some(part.bytes);
            return self.complete(store, peer, upload, effects).await;
        }
        upload.held = store.upload_held(peer.device, part.pack).await?;
        if upload.held == upload.total {
            // Everything came, but its results were cut off: they are the same.
            return self.complete(store, peer, upload, effects).await;
        }
        self.uploads.push(upload);
        // A part beyond what is held is dropped: the client believes that more is here
        // than is.
        self.slice(store, peer, stream, part.offset, part.bytes, effects)
            .await?;
        // A client that was cut off waits for this, also when nothing had arrived.
        if let Some(upload) = self.uploads.iter().find(|u| u.stream == stream) {
            store.keep_upload(peer.device, upload.pack).await?;
            effects.push(send(&Frame::Stored {
                stream,
                offset: upload.held,
            }));
        }
        Ok(())
    }

    pub(super) async fn slice<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        stream: u32,
        offset: u32,
        bytes: Vec<u8>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let index = self
            .uploads
            .iter()
            .position(|u| u.stream == stream)
            .ok_or(SyncError::Protocol("slice of no stream"))?;
        let upload = &mut self.uploads[index];
        let end = offset + bytes.len() as u32;
        if end > upload.total {
            return Err(SyncError::Protocol("slice beyond its pack"));
        }
        // What is held came before a cut and crosses again; what lies beyond a
        // gap was sent before the client heard where to continue.
        if offset <= upload.held && end > upload.held {
            let new = bytes[(upload.held - offset) as usize..].to_vec();
            let (pack, total, held) = (upload.pack, upload.total, upload.held);
            upload.held = end;
            store
                .save_upload_slice(peer.device, pack, total, held, new)
                .await?;
        }
        if self.uploads[index].held == self.uploads[index].total {
            let upload = self.uploads.remove(index);
            self.complete(store, peer, upload, effects).await?;
        }
        Ok(())
    }

    /// A whole pack is here: stores its entries and notes their results.
    async fn complete<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        upload: Upload,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let bytes = match upload.whole {
            Some(bytes) => bytes,
            None => store.load_upload(peer.device, upload.pack).await?,
        };
        if pack_id(&bytes) != upload.pack {
            return Err(SyncError::NotAuthentic("name of a pack"));
        }
        let from = (peer.device, peer.account);
        let restored = uploader::restore(store, from, &bytes, &mut self.uploader).await?;
        let Some(items) = restored else {
            effects.push(send(&Frame::ResendExplicit(upload.pack)));
            return Ok(());
        };
        let entries: Vec<_> = items.into_iter().map(|item| item.entry).collect();
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id()).collect();
        let known = (self.uploader.take()).map(|known| known.after(&entries));
        let Appended {
            outcomes,
            rights_changed,
            advances,
        } = store.append(peer.device, entries).await?;
        // Of a device that has a copy, what is left out may be restored by what the copy
        // sent: then no signature fits. What was stored is known when it comes again.
        let is_spoilt = |outcome: &Outcome| matches!(outcome, Outcome::Refused { code, .. } if code == "signature.bad");
        if !is_explicit(&bytes) && outcomes.iter().any(is_spoilt) {
            effects.push(send(&Frame::ResendExplicit(upload.pack)));
            if rights_changed {
                self.on_rights_changed();
            }
            return Ok(());
        }
        // A refused entry may move its chain or not: the store knows.
        let is_refused = |outcome| matches!(outcome, &Outcome::Refused { .. });
        if !outcomes.iter().any(is_refused) {
            self.uploader = known.flatten();
        }
        self.advance(&advances);
        let mut results = Vec::with_capacity(outcomes.len());
        for (outcome, id) in outcomes.into_iter().zip(ids) {
            let (result, leaf) = match outcome {
                Outcome::Accepted(position) => {
                    self.note_own(&position);
                    let result = ResultItem::Accepted {
                        sequence: position.sequence,
                        received_ms: position.received_ms,
                    };
                    (result, entry_leaf(&position, id))
                }
                Outcome::Pending { position, code } => {
                    self.note_own(&position);
                    let result = ResultItem::Pending {
                        sequence: position.sequence,
                        received_ms: position.received_ms,
                        code,
                    };
                    (result, entry_leaf(&position, id))
                }
                Outcome::Refused { code, tombstone } => {
                    let leaf = Leaf::Tombstone(sha256(&tombstone));
                    (ResultItem::Refused { code, tombstone }, leaf)
                }
            };
            results.push(result);
            self.result_leaves.push(leaf.hash());
        }
        self.results.push((upload.pack, results));
        if rights_changed {
            self.on_rights_changed();
        }
        Ok(())
    }
}
