//! Which entries of a pack leave out their signature (docs/protocol/03-packs.md,
//! "Covered").
use std::collections::BTreeMap;

use super::columns::Stream;
use super::{ChainKey, ChainLink, Item};
use crate::{DecodeError, Entry, Signature};

/// The entries that came in full, in order: whether the pack has the next one of its
/// chain, which covers it. Both sides find that by the entries alone.
#[derive(Clone, Default)]
pub(super) struct Covered {
    left_out: Vec<bool>,
    /// Each chain's last entry.
    last: BTreeMap<ChainKey, (usize, Option<ChainLink>)>,
}

impl Covered {
    pub fn note(&mut self, entry: &Entry) {
        let next = (self.left_out.len(), ChainLink::of(entry));
        let before = self.last.insert(ChainKey::of(entry), next);
        if let Some((place, Some(link))) = before
            && Some(link) == ChainLink::before(entry)
        {
            self.left_out[place] = true;
        }
        self.left_out.push(false);
    }

    /// For each entry whether its signature is left out.
    pub fn left_out(&self) -> &[bool] {
        &self.left_out
    }
}

/// What a reader needs to give the signatures that come last to their items.
#[derive(Default)]
pub(super) struct Reader {
    covered: Covered,
    /// The items of entries that came in full.
    whole: Vec<usize>,
    /// Items that are the same entry as one before: each with that one.
    copies: Vec<(usize, usize)>,
}

impl Reader {
    pub fn note(&mut self, entry: &Entry, item: usize) {
        self.covered.note(entry);
        self.whole.push(item);
    }

    pub fn note_copy(&mut self, item: usize, of: usize) {
        self.copies.push((item, of));
    }

    /// Reads them.
    pub fn signatures(&self, raw: &mut Stream<'_>, items: &mut [Item]) -> Result<(), DecodeError> {
        for (item, left_out) in self.whole.iter().zip(self.covered.left_out()) {
            if !left_out {
                items[*item].entry.signature = Signature(raw.array()?);
            }
        }
        for (copy, of) in &self.copies {
            items[*copy].entry.signature = items[*of].entry.signature;
        }
        Ok(())
    }
}
