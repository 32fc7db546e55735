//! Reading names: ids, hashes, lanes and entries that a pack refers to.
use std::collections::BTreeSet;

use super::columns::{NUMBERS, unzigzag};
use super::read::Decoder;
use super::write_names::CITED;
use super::{ChainPosition, IdRole, reference};
use crate::{DecodeError, DocId, EntryId, Lane, SpaceId};

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
        let index = self.streams[stream].varint()?;
        self.id_of(index, role)
    }

    pub(super) fn id_of(&mut self, index: u64, role: IdRole) -> Result<[u8; 16], DecodeError> {
        let next = self.ids.list.len() as u64;
        if index < next {
            return Ok(self.ids.list[index as usize]);
        }
        let id = if index == next {
            self.raw.array()?
        } else if index == next + 1 && !self.explicit {
            let prefix: [u8; 4] = self.raw.array()?;
            self.context
                .expand_id(role, prefix)
                .filter(|id| id.starts_with(&prefix))
                .ok_or(DecodeError::MissingContext("abbreviated id"))?
        } else {
            return Err(DecodeError::Unexpected("index of an id"));
        };
        self.ids.push(id);
        Ok(id)
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

    pub(super) fn lane(&mut self, stream: usize) -> Result<Lane, DecodeError> {
        let kind = self.streams[stream].byte()?;
        let id = match kind {
            2 | 3 => Some(self.id(stream, IdRole::Lane)?),
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

    pub(super) fn entry_before(&self, back: u64) -> Result<&ChainPosition, DecodeError> {
        usize::try_from(back)
            .ok()
            .and_then(|back| self.entries.len().checked_sub(back))
            .and_then(|index| self.entries.get(index))
            .ok_or(DecodeError::Unexpected("reference in a pack"))
    }

    pub(super) fn relative(&mut self, base: usize, delta: u64) -> u64 {
        let base = &mut self.bases[base];
        *base = base.wrapping_add(unzigzag(delta) as u64);
        *base
    }

    /// An entry named by a number.
    pub(super) fn found(
        &mut self,
        base: usize,
        how: u64,
        space: SpaceId,
    ) -> Result<EntryId, DecodeError> {
        let number = self.number()?;
        match how {
            reference::IN_PACK => Ok(self.entry_before(number)?.entry.id),
            reference::BY_SEQUENCE if !self.explicit => {
                let sequence = self.relative(base, number);
                self.context
                    .entry_at(space, sequence)
                    .ok_or(DecodeError::MissingContext("entry by sequence"))
            }
            _ => Err(DecodeError::Unknown("reference")),
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
            how => self.found(CITED, how, space)?,
        }))
    }
}
