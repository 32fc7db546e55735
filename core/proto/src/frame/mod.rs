//! The frames of a session, one a WebSocket message
//! (docs/protocol/06-session.md). A frame is a CBOR array that begins with its
//! type; a receiver skips further elements.
mod cursors;
mod decode;
mod encode;
mod flight;
mod results;
#[cfg(test)]
mod tests;

pub use cursors::{FullCursor, cursors_hash, encode_cursors};
pub use flight::{Flight, capabilities, flags};
pub use results::ResultItem;

use crate::ids::hash_labelled;
use crate::{
    AccountId, BlobId, DecodeError, Hash, Lane, NodeId, PackId, Signature, SpaceId, labels,
};

/// The version of the session that this build speaks.
pub const VERSION: u16 = 1;

/// A part of a pack or chunk with its name and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The pack's name, or a chunk's hash.
    pub pack: PackId,
    /// Its length, bytes.
    pub total: u32,
    /// Where the bytes stand in it.
    pub offset: u32,
    /// The bytes, at most [`crate::limits::SLICE`].
    pub bytes: Vec<u8>,
}

/// What an offered stream of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A pack of entries.
    Entries,
    /// A pack of snapshots: not used (ADR 0006).
    Snapshots,
    /// A chunk of a blob.
    Chunk,
}

impl Content {
    fn code(self) -> u64 {
        match self {
            Self::Entries => 0,
            Self::Snapshots => 1,
            Self::Chunk => 2,
        }
    }

    fn of_code(code: u64) -> Result<Self, DecodeError> {
        Ok(match code {
            0 => Self::Entries,
            1 => Self::Snapshots,
            2 => Self::Chunk,
            _ => return Err(DecodeError::Unknown("content of an offer")),
        })
    }
}

/// Which cursor moves: by its index in the receiver's list, or one not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorRef {
    /// Index in the list before this flush.
    Known(u32),
    /// A target that was not in the list.
    New(SpaceId, Option<Lane>),
}

/// A relay's signature over what a flush says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRoot {
    /// The node.
    pub node: NodeId,
    /// The relay's epoch, of every position in the flush.
    pub epoch: u64,
    /// The relay's time, milliseconds since 1970.
    pub relay_ms: u64,
    /// Over the Merkle root.
    pub signature: Signature,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 0, relay: the nonce and the versions spoken.
    Hello {
        /// Random, of this session.
        nonce: [u8; 32],
        /// Least version that may download.
        min_version: u16,
        /// Newest version spoken.
        max_version: u16,
    },
    /// 1, client.
    Flight(Flight),
    /// 2: begins or resumes a stream.
    Offer {
        /// Chosen by the sender, unused before in the session.
        stream: u32,
        /// What it is.
        content: Content,
        /// The first part.
        part: Part,
    },
    /// 3: continues a stream.
    Slice {
        /// The stream.
        stream: u32,
        /// Where the bytes stand.
        offset: u32,
        /// At most [`crate::limits::SLICE`].
        bytes: Vec<u8>,
    },
    /// 4: the receiver holds a stream up to the offset.
    Stored {
        /// The stream.
        stream: u32,
        /// Bytes held from the start.
        offset: u32,
    },
    /// 5, relay: what became of a pack's entries, in order.
    Results {
        /// The first 8 bytes of the pack's name.
        pack: [u8; 8],
        /// One an entry.
        items: Vec<ResultItem>,
    },
    /// 6, relay: ends a flush.
    Receipt(SignedRoot),
    /// 7, relay: cursors after this flush.
    Cursors(Vec<(CursorRef, u64)>),
    /// 8, relay: the cursor list's hash is unknown.
    NeedCursors,
    /// 9, client: the cursor list.
    CursorList(Vec<FullCursor>),
    /// 10, relay: targets that the account reads no longer.
    Removed(Vec<(SpaceId, Option<Lane>)>),
    /// 11, relay: a live batch; a flush of its own, the same for all readers of
    /// one target.
    Live {
        /// The space.
        space: SpaceId,
        /// The lane; none for readers of the whole space.
        lane: Option<Lane>,
        /// The cursor before the batch.
        from: u64,
        /// The cursor after it.
        to: u64,
        /// The pack.
        pack: Vec<u8>,
        /// The receipt.
        root: SignedRoot,
    },
    /// 12, client: account logs wanted.
    KeysWanted(Vec<AccountId>),
    /// 13, client: chunks of a blob wanted, of which the device reads a manifest.
    BlobWanted {
        /// The blob.
        blob: BlobId,
        /// Indexes of chunks, rising.
        chunks: Vec<u32>,
        /// Bytes held of the first of them, from its start.
        held: u32,
    },
    /// 14: presence or typing, never stored.
    Ephemeral {
        /// The space.
        space: SpaceId,
        /// The lane.
        lane: Lane,
        /// At most 256 bytes.
        bytes: Vec<u8>,
    },
    /// 15: the session ends.
    Error {
        /// A stable code.
        code: String,
        /// When to come back, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// 16: the sender leaves.
    Goodbye,
    /// 17: a pack could not be restored; send its entries in explicit form.
    ResendExplicit(PackId),
    /// 18, relay: flight two is complete.
    Done,
    /// 19, client: the hash of its cursor list now.
    Acknowledge([u8; 8]),
    /// 20, relay: chunks that were wanted and are not here, or not for the device
    /// to read.
    BlobAbsent {
        /// The blob.
        blob: BlobId,
        /// Indexes of chunks, rising.
        chunks: Vec<u32>,
    },
    /// A type that this build does not know.
    Unknown(u64),
}

/// The name of a pack.
#[must_use]
pub fn pack_id(bytes: &[u8]) -> PackId {
    let Hash(hash) = hash_labelled(labels::PACK, &[bytes]);
    PackId(hash)
}
