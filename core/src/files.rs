//! Files: attached to work, shared in a lane, fetched when somebody asks
//! (docs/protocol/09-blobs.md).
use std::io::Read;

use stunity_model::events::{Content, MAX_INLINE};
use stunity_model::metered::Network;
use stunity_proto::blob::Manifest;
use stunity_proto::{BlobId, Kind, Lane, SpaceId};
use stunity_store::{ItemId, PendingOp};

use crate::{Client, ClientError};

/// Of text that is too long to stand in an event.
const TEXT: &str = "text/plain; charset=utf-8";

fn manifest_op(space: SpaceId, lane: Lane, manifest: &Manifest) -> PendingOp {
    PendingOp {
        space,
        lane,
        kind: Kind::Manifest,
        bytes: manifest.encode(),
        object: None,
    }
}

impl Client {
    /// Keeps a file in the local database, to be shared or attached. A chunk of it is
    /// in memory at a time.
    ///
    /// # Errors
    /// The store's, and what reading gives.
    pub fn keep_file(
        &mut self,
        file: &mut dyn Read,
        media: &str,
        name: Option<&str>,
    ) -> Result<Manifest, ClientError> {
        let now_ms = self.wall_ms();
        Ok(self.store.save_blob_from(file, media, name, now_ms)?)
    }

    /// Shares a file with the readers of a lane: its manifest goes first, with its
    /// hash and time, and its chunks after all text.
    ///
    /// # Errors
    /// The store's.
    pub fn share_file(
        &mut self,
        space: SpaceId,
        lane: Lane,
        file: &Manifest,
    ) -> Result<ItemId, ClientError> {
        let items = self.enqueue(&[manifest_op(space, lane, file)])?;
        items
            .first()
            .copied()
            .ok_or(ClientError::Invalid("item.missing"))
    }

    /// Says which network is in use: what is not meant for it waits.
    pub fn set_network(&mut self, network: Network) {
        self.store.set_network(network);
    }

    /// The content of an event with the manifests that must be queued before it. Text
    /// beyond 48 KiB becomes a file.
    pub(crate) fn content(
        &mut self,
        (space, lane): (SpaceId, Lane),
        mut text: String,
        mut blobs: Vec<BlobId>,
    ) -> Result<(Content, Vec<PendingOp>), ClientError> {
        if text.len() > MAX_INLINE {
            let whole = std::mem::take(&mut text);
            blobs.insert(0, self.keep_file(&mut whole.as_bytes(), TEXT, None)?.blob);
        }
        let mut manifests = Vec::with_capacity(blobs.len());
        for blob in &blobs {
            let manifest = self.store.manifest(*blob)?;
            manifests.push(manifest_op(space, lane, &manifest));
        }
        Ok((Content { text, blobs }, manifests))
    }
}
