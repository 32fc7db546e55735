//! Reading names: ids, hashes, lanes and entries that a pack refers to.
use std::collections::BTreeSet;

use super::columns::{NUMBERS, unzigzag};
use super::read::Decoder;
use super::strings::{self, Strings};
use super::write_names::{CITED, Found, IN_OPERATION};
use super::{ChainPosition, IdRole, reference};
use crate::{DecodeError, DocId, Entry, EntryId, Lane, SpaceId};

/// The ids or hashes that a pack has named so far, in order.
pub(super) struct Table<const N: usize> {
    pub list: Vec<[u8; N]>,
    set: BTreeSet<[u8; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new() -> Self {
        Self {
            list: Vec::new(),
            set: BTreeSet::new(),
        }
    }

    pub fn push(&mut self, id: [u8; N]) {
        self.list.push(id);
        self.set.insert(id);
    }

    pub fn push_new(&mut self, id: [u8; N]) {
        if self.set.insert(id) {
            self.list.push(id);
        }
    }
}

impl Decoder<'_> {
    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        self.streams[NUMBERS].varint()
    }

    pub(super) fn id(&mut self, stream: usize, role: IdRole) -> Result<[u8; 16], DecodeError> {
        let number = self.streams[stream].varint()?;
        self.id_of(number, role)
    }

    pub(super) fn id_of(&mut self, number: u64, role: IdRole) -> Result<[u8; 16], DecodeError> {
        let next = self.ids.list.len() as u64;
        let (held, is_whole, is_abbreviated) = match number.checked_sub(strings::id::NAMED) {
            _ if !self.short => (
                (number < next).then_some(number),
                number == next,
                number == next + 1 && !self.explicit,
            ),
            None => (
                None,
                number == strings::id::WHOLE,
                number == strings::id::ABBREVIATED,
            ),
            Some(recent) if recent & 1 == 0 => {
                let id = self.recent.get(recent >> 1);
                let id = id.ok_or(DecodeError::Unexpected("index of an id"))?;
                self.recent.note(id);
                return Ok(id);
            }
            Some(of_table) => (Some(of_table >> 1), false, false),
        };
        let id = if let Some(index) = held {
            let found = usize::try_from(index).ok();
            let found = found.and_then(|index| self.ids.list.get(index));
            *found.ok_or(DecodeError::Unexpected("index of an id"))?
        } else if is_whole {
            self.raw.array()?
        } else if is_abbreviated {
            let prefix: [u8; 4] = self.raw.array()?;
            self.context
                .expand_id(role, prefix)
                .filter(|id| id.starts_with(&prefix))
                .ok_or(DecodeError::MissingContext("abbreviated id"))?
        } else {
            return Err(DecodeError::Unexpected("index of an id"));
        };
        if held.is_none() {
            self.ids.push(id);
        }
        if self.short {
            self.recent.note(id);
        }
        Ok(id)
    }

    /// An id that the operations just read tell.
    pub(super) fn bring_id(&mut self, id: [u8; 16]) {
        self.ids.push_new(id);
        if self.short {
            self.recent.note(id);
        }
    }

    /// The account or group of a lane, which an entry may tell: that `near` it, or one
    /// that the relay numbered in the space.
    fn id_of_lane(
        &mut self,
        stream: usize,
        space: SpaceId,
        near: Option<&Entry>,
    ) -> Result<[u8; 16], DecodeError> {
        let number = self.streams[stream].varint()?;
        if !self.short || number != strings::id::TOLD {
            return self.id_of(number, IdRole::Lane);
        }
        let strings = match self.streams[stream].varint()?.checked_sub(1) {
            None => {
                let before = self.items.last().map(|item| &item.entry);
                let near = near.or(before).ok_or(DecodeError::Unexpected("string"))?;
                Strings::of(near)
            }
            Some(delta) => {
                let sequence = self.relative(IN_OPERATION, delta);
                Strings::of(&self.held_at(space, sequence)?)
            }
        };
        let string = strings.get(self.streams[stream].varint()?);
        let id = string.and_then(|string| string.try_into().ok());
        let id = id.ok_or(DecodeError::MissingContext("string of an entry"))?;
        self.ids.push(id);
        self.recent.note(id);
        Ok(id)
    }

    pub(super) fn held_at(&self, space: SpaceId, sequence: u64) -> Result<Entry, DecodeError> {
        (self.context.held_at(space, sequence))
            .ok_or(DecodeError::MissingContext("entry that is held"))
    }

    pub(super) fn hash(&mut self, doc: Option<DocId>) -> Result<[u8; 32], DecodeError> {
        let (index, next) = (self.number()?, self.hashes.list.len() as u64);
        if index < next {
            return Ok(self.hashes.list[index as usize]);
        }
        let hash = match doc {
            _ if index == next => self.raw.array()?,
            Some(doc) if index == next + 1 && !self.explicit => {
                let prefix: [u8; 4] = self.raw.array()?;
                self.context
                    .expand_change(doc, prefix)
                    .filter(|hash| hash.starts_with(&prefix))
                    .ok_or(DecodeError::MissingContext("abbreviated change"))?
            }
            _ => return Err(DecodeError::Unexpected("index of a hash")),
        };
        self.hashes.push(hash);
        Ok(hash)
    }

    /// A hash that the pack has told without writing it.
    pub(super) fn name_hash(&mut self, hash: [u8; 32]) {
        self.hashes.push_new(hash);
    }

    /// A lane in a space; `near`: the entry whose place it is.
    pub(super) fn lane(
        &mut self,
        stream: usize,
        space: SpaceId,
        near: Option<&Entry>,
    ) -> Result<Lane, DecodeError> {
        let kind = self.streams[stream].byte()?;
        let id = match kind {
            2 | 3 => Some(self.id_of_lane(stream, space, near)?),
            _ => None,
        };
        Lane::from_parts(kind, id)
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Unexpected(what)),
        }
    }

    fn index_before(&self, back: u64) -> Result<usize, DecodeError> {
        usize::try_from(back)
            .ok()
            .and_then(|back| self.entries.len().checked_sub(back))
            .filter(|index| *index < self.entries.len())
            .ok_or(DecodeError::Unexpected("reference in a pack"))
    }

    pub(super) fn entry_before(&self, back: u64) -> Result<&ChainPosition, DecodeError> {
        Ok(&self.entries[self.index_before(back)?])
    }

    pub(super) fn item_before(&self, back: u64) -> Result<&Entry, DecodeError> {
        Ok(&self.items[self.index_before(back)?].entry)
    }

    pub(super) fn relative(&mut self, base: usize, delta: u64) -> u64 {
        let base = &mut self.bases[base];
        *base = base.wrapping_add(unzigzag(delta) as u64);
        *base
    }

    /// Which entry is named by a number.
    pub(super) fn found(&mut self, base: usize, how: u64) -> Result<Found, DecodeError> {
        let number = self.number()?;
        match how {
            reference::IN_PACK => Ok(Found::InPack(number)),
            reference::BY_SEQUENCE if !self.explicit => {
                Ok(Found::BySequence(self.relative(base, number)))
            }
            _ => Err(DecodeError::Unknown("reference")),
        }
    }

    /// The id of an entry that is named.
    pub(super) fn entry_found(&self, found: Found, space: SpaceId) -> Result<EntryId, DecodeError> {
        match found {
            Found::InPack(back) => Ok(self.entry_before(back)?.entry.id),
            Found::BySequence(sequence) => (self.context.entry_at(space, sequence))
                .ok_or(DecodeError::MissingContext("entry by sequence")),
        }
    }

    pub(super) fn reference(
        &mut self,
        space: SpaceId,
        before: Option<EntryId>,
    ) -> Result<Option<EntryId>, DecodeError> {
        Ok(Some(match self.number()? {
            reference::NULL => return Ok(None),
            reference::EXPLICIT => EntryId(self.hash(None)?),
            reference::AS_BEFORE => before.ok_or(DecodeError::Unexpected("reference"))?,
            how => {
                let found = self.found(CITED, how)?;
                self.entry_found(found, space)?
            }
        }))
    }
}
