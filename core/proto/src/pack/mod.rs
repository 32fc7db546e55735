//! Packs: whole entries, encoded against what the receiver holds
//! (docs/protocol/03-packs.md).
//!
//! [`PackWriter`] leaves out what the receiver can compute, keeps what does not
//! compress apart from what does, and compresses the rest across entries.
//! [`decode_pack`] restores every entry's signed bytes exactly; verifying the
//! signatures is the identity crate's.

mod apart;
mod builder;
mod change;
mod columns;
mod covered;
mod inspect;
mod link;
mod read;
mod read_names;
mod read_ops;
mod strings;
mod write;
mod write_names;
mod write_ops;
mod write_strings;

pub use builder::{PackOptions, encode_packs};
pub use change::change_names;
pub use inspect::{Anatomy, has_short_names, inspect};
pub use link::ChainLink;
pub use read::decode_pack;
pub use strings::Strings;
pub use write::{Effort, PackWriter};
pub use write_ops::entries_named;

use crate::{
    AccountId, Body, DocId, Entry, EntryId, Hash, Heads, Kind, Lane, SchoolId, Signer, SpaceId,
};

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

/// An entry with its place in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPosition {
    /// The chain.
    pub chain: ChainKey,
    /// The account whose entry it is.
    pub author: AccountId,
    /// Its sequence in the chain.
    pub sequence: u64,
    /// What is remembered of it.
    pub entry: ChainEntry,
}

impl ChainPosition {
    /// That of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let header = entry.header();
        Self {
            chain: ChainKey::of(entry),
            author: header.author,
            sequence: header.sequence,
            entry: ChainEntry {
                id: entry.id(),
                heads: header.heads.clone(),
            },
        }
    }
}

/// In what role an abbreviated id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdRole {
    /// A space.
    Space,
    /// The account or group of a lane.
    Lane,
    /// An author.
    Author,
    /// A device or node.
    Signer,
    /// A document.
    Document,
    /// A lane key.
    Key,
    /// An Automerge actor.
    Actor,
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
    /// The entry that the relay numbered so, with its place in its chain.
    fn position_at(&self, space: SpaceId, sequence: u64) -> Option<ChainPosition> {
        let _ = (space, sequence);
        None
    }
    /// The relay's number of an entry if the receiver's [`position_at`] knows
    /// it: the entry after it in the chain then names neither lane nor signer.
    ///
    /// [`position_at`]: PackContext::position_at
    fn continues_at(&self, space: SpaceId, previous: &EntryId) -> Option<u64> {
        let _ = (space, previous);
        None
    }
    /// The entry that the relay numbered so, whole.
    fn held_at(&self, space: SpaceId, sequence: u64) -> Option<Entry> {
        let _ = (space, sequence);
        None
    }
    /// A space and a number by which the receiver's [`held_at`] finds this entry.
    ///
    /// [`held_at`]: PackContext::held_at
    fn holds(&self, id: &EntryId) -> Option<(SpaceId, u64)> {
        let _ = id;
        None
    }
    /// Whether the receiver reads packs with short names.
    fn reads_short_names(&self) -> bool {
        false
    }
    /// The strings of an entry that the receiver's [`held_at`] finds by the number that
    /// [`sequence_of`] gives.
    ///
    /// [`held_at`]: PackContext::held_at
    /// [`sequence_of`]: PackContext::sequence_of
    fn strings(&self, id: &EntryId) -> Option<Strings> {
        let _ = id;
        None
    }
    /// An entry that tells this string of the entry's operations, though they do not
    /// name it.
    fn teller(&self, entry: &EntryId, string: &[u8; 16]) -> Option<EntryId> {
        let _ = (entry, string);
        None
    }
    /// The only id in this role that begins so, of those held.
    fn expand_id(&self, role: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        let _ = (role, prefix);
        None
    }
    /// Whether the receiver expands the first four bytes of `id` to it. False
    /// costs twelve bytes, a wrong true costs a round trip.
    fn expands_id(&self, role: IdRole, id: &[u8; 16]) -> bool {
        let _ = (role, id);
        false
    }
    /// The only change of a document whose hash begins so, of those held.
    fn expand_change(&self, doc: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        let _ = (doc, prefix);
        None
    }
    /// Whether the receiver expands the first four bytes of this change's hash.
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        let _ = (doc, hash);
        false
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
    pub const APART: u8 = 8;
    pub const COVERED: u8 = 16;
    pub const SHORT_NAMES: u8 = 32;
    pub const ALL: u8 = 63;
}

/// Whether a pack says that it uses nothing of a context. Bytes that are no pack do not.
#[must_use]
pub fn is_explicit(bytes: &[u8]) -> bool {
    matches!(bytes, [VERSION, flags, ..] if flags & flag::EXPLICIT != 0)
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
    pub const CONTINUES: u8 = 128;
    /// All of the byte, of an entry that the receiver holds: who continues a chain
    /// names no lane.
    pub const HELD: u8 = CONTINUES | SAME_LANE;
}

/// How a signer is written.
mod signer {
    pub const IN_BODY: u64 = 2;
}

/// How an actor is written; further numbers are ids.
mod actor {
    pub const SIGNER: u64 = 0;
    pub const GENESIS: u64 = 1;
    pub const IDS: u64 = 2;
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
    /// In operations, with short names: a string, by its source.
    pub const STRING: u64 = 5;
}

/// The static dictionaries by number; a shipped one never changes. What is raw
/// follows it, so that it must not be empty: zstd would read a format into raw
/// bytes that begin like one.
fn dictionary(number: u64) -> Option<&'static [u8]> {
    match number {
        0 => Some(&[0]),
        1 => Some(include_bytes!("../../dictionary/1.zdict")),
        _ => None,
    }
}

/// What every zstd frame begins with (RFC 8878 §3.1.1): not sent.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The dictionary that writers use.
const DICTIONARY: u64 = 1;
