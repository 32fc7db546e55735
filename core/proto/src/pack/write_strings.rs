//! Writing short names: what need not be written since an entry tells it.
use std::sync::Arc;

use super::PackWriter;
use super::strings::{Strings, scan, source};
use super::write_names::{Found, Told};
use super::write_ops::{Hole, What};
use crate::{Entry, EntryId};

/// What tells strings of one operation.
struct Tellers<'a> {
    own: [Option<[u8; 16]>; 2],
    before: Option<&'a Strings>,
    named: Vec<Arc<Strings>>,
}

impl Tellers<'_> {
    /// By source and number.
    fn tell(&self, string: &[u8]) -> Option<(u64, u64)> {
        let own = (self.own.iter()).position(|id| id.is_some_and(|id| id == string));
        if let Some(number) = own {
            return Some((source::OWN, number as u64));
        }
        if let Some(number) = self.before.and_then(|before| before.number(string)) {
            return Some((source::BEFORE, number));
        }
        (source::NAMED..)
            .zip(&self.named)
            .find_map(|(source, strings)| Some((source, strings.number(string)?)))
    }

    fn is_full(&self) -> bool {
        self.named.len() == source::MOST_NAMED
    }
}

impl PackWriter<'_> {
    fn strings_of(&self, id: &EntryId, found: Found) -> Arc<Strings> {
        match found {
            Found::InPack(back) => self.strings[(self.count - back) as usize].clone(),
            Found::BySequence(_) => Arc::new(self.context.strings(id).unwrap_or_default()),
        }
    }

    /// Entries that an operation does not name, though they tell strings of it; and the
    /// ids of entries in it, and strings that are told, in the order of the bytes.
    pub(super) fn short_holes(&self, entry: &Entry, bytes: &[u8]) -> (Vec<Found>, Vec<Hole>) {
        let header = entry.header();
        let mut tellers = Tellers {
            own: [Some(header.author.0), header.lane.id()],
            before: self.strings.last().map(Arc::as_ref),
            named: Vec::new(),
        };
        let mut beside = Vec::new();
        for (_, string) in scan(bytes) {
            if let Ok(string) = string.try_into()
                && let Some(teller) = self.context.teller(&entry.id(), string)
                && !tellers.is_full()
                && tellers.tell(string).is_none()
                && let Some(found) = self.find(header.space, &teller)
            {
                let strings = self.strings_of(&teller, found);
                if strings.number(string).is_some() {
                    tellers.named.push(strings);
                    beside.push(found);
                }
            }
        }
        let mut holes = Vec::new();
        // Ids of entries before other strings, which these may tell.
        for len in [32, 16] {
            for (begin, string) in scan(bytes).filter(|(_, string)| string.len() == len) {
                let what = match (tellers.tell(string), string.try_into().map(EntryId)) {
                    (Some((source, number)), _) => What::String(source, number),
                    (None, Ok(id)) => match self.find(header.space, &id) {
                        Some(found) => {
                            if !tellers.is_full() {
                                tellers.named.push(self.strings_of(&id, found));
                            }
                            What::Entry(found)
                        }
                        None => continue,
                    },
                    (None, Err(_)) => continue,
                };
                holes.push(Hole { begin, len, what });
            }
        }
        holes.sort_by_key(|hole| hole.begin);
        if holes.is_empty() {
            beside.clear();
        }
        (beside, holes)
    }

    /// Where the account or group of an entry's lane stands already: in the entry
    /// before, or in one that is numbered and tells of its operations.
    pub(super) fn told_before(&self, entry: &Entry) -> Option<Told> {
        let id = (entry.header().lane.id()).filter(|id| !self.ids.contains_key(id))?;
        let before = self.strings.last();
        if let Some(string) = before.and_then(|before| before.number(&id)) {
            return Some(Told::Near(string));
        }
        let strings = entry.ops().filter_map(|(_, op)| op).flat_map(scan);
        let tellers = strings.filter_map(|(_, string)| match string.try_into() {
            Ok(string) => self.context.teller(&entry.id(), string),
            Err(_) => string.try_into().ok().map(EntryId),
        });
        let mut told = (tellers.take(source::MOST_NAMED)).filter_map(|teller| {
            let string = self.context.strings(&teller)?.number(&id)?;
            match self.find(entry.header().space, &teller)? {
                Found::InPack(_) => None,
                Found::BySequence(sequence) => Some(Told::Far(sequence, string)),
            }
        });
        told.next()
    }
}
