//! What earlier batches read or wrote and later ones ask for again: ends, chains,
//! where entries are numbered. Forgotten when a batch was rolled back or another
//! process has written: the database is the truth.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, EntryId, Lane, SpaceId};

use super::End;

/// Items of one kind that are kept, some 200 bytes each: those of a busy hour.
const MOST: usize = 8_192;

/// Kept from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Ends of spaces (no lane) and lanes.
    pub ends: BTreeMap<(SpaceId, Vec<u8>), End>,
    /// The last entry of each chain, and its sequence in it; none if it has not begun.
    pub chains: BTreeMap<ChainKey, Option<(u64, ChainEntry)>>,
    /// Where an entry is numbered for the readers of a lane, if it is.
    pub sequences: BTreeMap<(SpaceId, Lane, EntryId), Option<i64>>,
    /// In which lanes the keys of an account are numbered; some of them.
    pub mirrored: BTreeSet<(SpaceId, AccountId, Lane)>,
}

impl Memory {
    /// Keeps memory bounded between batches.
    pub(super) fn trim(&mut self) {
        if self.ends.len() > MOST {
            self.ends.clear();
        }
        if self.chains.len() > MOST {
            self.chains.clear();
        }
        if self.sequences.len() > MOST {
            self.sequences.clear();
        }
        if self.mirrored.len() > MOST {
            self.mirrored.clear();
        }
    }
}
