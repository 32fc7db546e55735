//! Packs: whole entries, encoded against what the receiver holds
//! (docs/protocol/03-packs.md).
//!
//! [`PackWriter`] leaves out what the receiver can compute, keeps what does not
//! compress apart from what does, and compresses the rest across entries.
//! [`decode_pack`] restores every entry's signed bytes exactly; verifying the
//! signatures is the identity crate's.

mod columns;
mod read;
mod write;

pub use read::decode_pack;
pub use write::{Effort, PackWriter};

use crate::{Body, Entry, EntryId, Hash, Heads, Kind, Lane, SchoolId, Signer, SpaceId};

/// One chain of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainKey {
    /// Who signs it.
    pub signer: Signer,
    /// The signer's incarnation.
    pub incarnation: u32,
    /// The space.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
}

impl ChainKey {
    /// The chain that an entry belongs to.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let header = entry.header();
        Self {
            signer: header.signer,
            incarnation: header.incarnation,
            space: header.space,
            lane: header.lane,
        }
    }
}

/// What is remembered of an entry in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// Its id.
    pub id: EntryId,
    /// The heads that it cites.
    pub heads: Heads,
}

/// What the receiver of a pack holds. The sender asks what it believes the
/// receiver to hold; where it errs, the receiver cannot restore the pack and
/// asks for the explicit form.
pub trait PackContext {
    /// The school.
    fn school(&self) -> SchoolId;
    /// An entry of a chain by its sequence.
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry>;
    /// The certificate of a signer.
    fn certificate(&self, signer: Signer) -> Option<Hash>;
    /// The entry that the relay numbered so.
    fn entry_at(&self, space: SpaceId, sequence: u64) -> Option<EntryId>;
    /// The relay's number of an entry.
    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64>;
    /// The certificates that an entry brings: in an account log a device's
    /// first entry comes with its certificate in the same pack, or in the same
    /// body. Depends on the operations alone.
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        let _ = (kinds, body);
        Vec::new()
    }
}

/// The context of a receiver of whom nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Explicit(pub SchoolId);

impl PackContext for Explicit {
    fn school(&self) -> SchoolId {
        self.0
    }
    fn chain_entry(&self, _: &ChainKey, _: u64) -> Option<ChainEntry> {
        None
    }
    fn certificate(&self, _: Signer) -> Option<Hash> {
        None
    }
    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }
    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }
}

/// Where the relay numbered an entry, within the epoch of the flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The space of the numbering.
    pub space: SpaceId,
    /// The lane of the numbering.
    pub lane: Lane,
    /// The sequence.
    pub sequence: u64,
    /// When it was received, milliseconds since 1970.
    pub received_ms: u64,
}

/// An entry in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Where it stands; all items of a pack have a place or none has.
    pub place: Option<Place>,
}

/// The format's version.
const VERSION: u8 = 1;

/// Flags of a pack.
mod flag {
    pub const PLACES: u8 = 1;
    pub const STORED: u8 = 2;
    pub const EXPLICIT: u8 = 4;
    pub const ALL: u8 = 7;
}

/// Bits of the control byte of an entry.
mod control {
    pub const SAME_SPACE: u8 = 1;
    pub const SAME_LANE: u8 = 2;
    pub const SAME_SIGNER: u8 = 4;
    pub const SAME_KINDS: u8 = 8;
    pub const COMPUTED: u8 = 16;
    pub const SEALED: u8 = 32;
    pub const ERASED: u8 = 64;
    pub const ALL: u8 = 127;
}

/// How a certificate is written.
mod certificate {
    pub const KNOWN: u64 = 0;
    pub const EXPLICIT: u64 = 1;
    pub const IN_BODY: u64 = 2;
}

/// How a reference to an entry is written.
mod reference {
    pub const NULL: u64 = 0;
    pub const EXPLICIT: u64 = 1;
    pub const IN_PACK: u64 = 2;
    pub const BY_SEQUENCE: u64 = 3;
    pub const AS_BEFORE: u64 = 4;
}

/// The static dictionaries by number; a shipped one never changes.
fn dictionary(number: u64) -> Option<&'static [u8]> {
    match number {
        0 => Some(&[]),
        _ => None,
    }
}

/// The dictionary that writers use.
const DICTIONARY: u64 = 0;
