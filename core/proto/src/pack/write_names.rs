//! Writing names: ids, hashes, lanes and entries that a pack refers to.
use super::columns::{NUMBERS, put_varint, zigzag};
use super::strings;
use super::{ChainEntry, ChainKey, IdRole, Item, PackWriter, Place, reference};
use crate::{DocId, Entry, EntryId, Lane, SpaceId};

/// Numbers of entries are relative to the one named before, of four sorts.
pub(super) const CITED: usize = 0;
pub(super) const CONTINUED: usize = 1;
pub(super) const IN_OPERATION: usize = 2;
pub(super) const HELD: usize = 3;
pub(super) const BASES: usize = 4;
/// The relay's numbers stay below this, so that a difference and a bit fit.
pub(super) const MAX_SEQUENCE: u64 = 1 << 61;

/// An entry that can be named by a number.
#[derive(Clone, Copy)]
pub(super) enum Found {
    /// So many before in the pack.
    InPack(u64),
    /// The relay's number.
    BySequence(u64),
}

/// Where an id that is new to a pack stands already.
#[derive(Clone, Copy)]
pub(super) enum Told {
    /// In the entry next to it: the number of the string.
    Near(u64),
    /// In an entry that the relay numbered: its number, and that of the string.
    Far(u64, u64),
}

impl PackWriter<'_> {
    pub(super) fn id(&mut self, stream: usize, role: IdRole, id: &[u8; 16]) {
        self.id_from(0, stream, role, id, None);
    }

    /// An id whose numbers begin at `first`.
    pub(super) fn id_from(
        &mut self,
        first: u64,
        stream: usize,
        role: IdRole,
        id: &[u8; 16],
        told: Option<Told>,
    ) {
        let next = self.ids.len() as u64;
        let index = self.ids.get(id).copied();
        let expands = index.is_none()
            && told.is_none()
            && !self.explicit
            && self.context.expands_id(role, id);
        let number = match (index, told) {
            (Some(index), _) if self.short => (self.recent.rank(id))
                .map_or_else(|| strings::id::of_table(index), strings::id::recent),
            (Some(index), _) => index,
            (None, Some(_)) => strings::id::TOLD,
            (None, None) if self.short && expands => strings::id::ABBREVIATED,
            (None, None) if self.short => strings::id::WHOLE,
            (None, None) => next + u64::from(expands),
        };
        put_varint(&mut self.streams[stream], first + number);
        if self.short {
            self.recent.note(*id);
        }
        if index.is_some() {
            return;
        }
        self.ids.insert(*id, next);
        match told {
            Some(Told::Near(string)) => {
                put_varint(&mut self.streams[stream], 0);
                put_varint(&mut self.streams[stream], string);
            }
            Some(Told::Far(sequence, string)) => {
                let delta = self.relative(IN_OPERATION, sequence);
                put_varint(&mut self.streams[stream], 1 + delta);
                put_varint(&mut self.streams[stream], string);
            }
            None if expands => self.raw.extend_from_slice(&id[..4]),
            None => self.raw.extend_from_slice(id),
        }
    }

    /// An id that the operations just written tell.
    pub(super) fn bring_id(&mut self, id: [u8; 16]) {
        let next = self.ids.len() as u64;
        self.ids.entry(id).or_insert(next);
        if self.short {
            self.recent.note(id);
        }
    }

    /// A hash; `doc` if it is that of a change of this document.
    pub(super) fn hash(&mut self, doc: Option<DocId>, hash: &[u8; 32]) {
        let next = self.hashes.len() as u64;
        if let Some(index) = self.hashes.get(hash) {
            let index = *index;
            self.number(index);
            return;
        }
        self.hashes.insert(*hash, next);
        if !self.explicit && doc.is_some_and(|doc| self.context.expands_change(doc, hash)) {
            self.number(next + 1);
            self.raw.extend_from_slice(&hash[..4]);
        } else {
            self.number(next);
            self.raw.extend_from_slice(hash);
        }
    }

    pub(super) fn number(&mut self, value: u64) {
        put_varint(&mut self.streams[NUMBERS], value);
    }

    pub(super) fn lane(&mut self, stream: usize, lane: &Lane, told: Option<Told>) {
        self.streams[stream].push(lane.kind());
        if let Some(id) = lane.id() {
            self.id_from(0, stream, IdRole::Lane, &id, told);
        }
    }

    /// A reference to an entry cited as a head. `before`: what the entry before
    /// in the pack cites in the same role.
    pub(super) fn reference(&mut self, space: SpaceId, id: &EntryId, before: Option<&EntryId>) {
        if before == Some(id) {
            self.number(reference::AS_BEFORE);
        } else if let Some(found) = self.find(space, id) {
            self.found(CITED, found);
        } else {
            self.number(reference::EXPLICIT);
            self.hash(None, &id.0);
        }
    }

    /// How an entry can be named by a number.
    pub(super) fn find(&self, space: SpaceId, id: &EntryId) -> Option<Found> {
        if let Some(index) = self.index.get(id) {
            return Some(Found::InPack(self.count - index));
        }
        if self.explicit {
            return None;
        }
        let sequence = self.context.sequence_of(space, id)?;
        (sequence <= MAX_SEQUENCE).then_some(Found::BySequence(sequence))
    }

    /// Names an entry that was found; `base`: relative to which number before.
    pub(super) fn found(&mut self, base: usize, found: Found) {
        match found {
            Found::InPack(back) => {
                self.number(reference::IN_PACK);
                self.number(back);
            }
            Found::BySequence(sequence) => {
                self.number(reference::BY_SEQUENCE);
                let delta = self.relative(base, sequence);
                self.number(delta);
            }
        }
    }

    /// Where the receiver finds an entry that is numbered here once more.
    pub(super) fn held(&self, item: &Item) -> Option<(Place, (SpaceId, u64))> {
        let place = item.place.filter(|_| self.places && !self.explicit)?;
        let id = item.entry.id();
        let at = match self.placed.get(&id) {
            Some(at) => *at,
            None if place.space == item.entry.header().space => return None,
            None => self.context.holds(&id)?,
        };
        (at.1 <= MAX_SEQUENCE && at != (place.space, place.sequence)).then_some((place, at))
    }

    pub(super) fn relative(&mut self, base: usize, sequence: u64) -> u64 {
        let before = std::mem::replace(&mut self.bases[base], sequence);
        zigzag(sequence.wrapping_sub(before) as i64)
    }

    /// What the chain's entry before is called, if that says all of the chain:
    /// even for one in the pack, odd for one that the receiver holds.
    pub(super) fn continued(
        &mut self,
        entry: &Entry,
        predecessor: Option<&ChainEntry>,
    ) -> Option<u64> {
        let header = entry.header();
        let previous = header.previous?;
        if let Some((sequence, author, last)) = self.chains.get(&ChainKey::of(entry)) {
            let follows = *author == header.author
                && last.id == previous
                && sequence.checked_add(1) == Some(header.sequence);
            let index = self.index.get(&previous).filter(|_| follows)?;
            return Some((self.count - index) << 1);
        }
        // A node signs for many authors, in one chain.
        if self.explicit || header.signer.is_vouched() || predecessor?.id != previous {
            return None;
        }
        let number = self.context.continues_at(header.space, &previous)?;
        (number <= MAX_SEQUENCE).then(|| self.relative(CONTINUED, number) << 1 | 1)
    }
}
