//! What makes an entry cover the one before it in its chain (docs/protocol/02-entries.md,
//! "Covered").
use super::ChainKey;
use crate::{AccountId, Entry, EntryId, Hash};

/// An entry, and everything in which the one that covers it must agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainLink {
    id: EntryId,
    chain: ChainKey,
    author: AccountId,
    certificate: Hash,
    sequence: u64,
}

impl ChainLink {
    /// That of an entry which may go without its signature; none of any other.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let header = entry.header();
        header.may_be_covered().then(|| Self {
            id: entry.id(),
            chain: ChainKey::of(entry),
            author: header.author,
            certificate: header.certificate,
            sequence: header.sequence,
        })
    }

    /// That of the entry before it in the chain, as this one states it: whoever signed
    /// this one signed that. None at the start of a chain.
    #[must_use]
    pub fn before(entry: &Entry) -> Option<Self> {
        let header = entry.header();
        Some(Self {
            id: header.previous?,
            chain: ChainKey::of(entry),
            author: header.author,
            certificate: header.certificate,
            sequence: header.sequence - 1,
        })
    }
}
