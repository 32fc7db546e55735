//! Reading kinds and bodies.
use super::columns::{CONTROL, KINDS, NUMBERS, OPS};
use super::read::Decoder;
use super::strings::{Strings, source};
use super::write_names::{Found, IN_OPERATION};
use super::{ChainKey, IdRole, actor, change, reference};
use crate::{
    AccountId, ActorId, Body, DecodeError, DeviceId, DocId, EntryId, Hash, Kind, Lane, Op, Salts,
    SpaceId, limits,
};

/// What the operations of an entry may refer to.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub space: SpaceId,
    pub lane: Lane,
    pub author: AccountId,
    /// None while the signer is to be learnt from the body: then it has no
    /// actors of its own.
    pub chain: Option<ChainKey>,
}

impl Around {
    /// What the entry itself tells before its operations are read.
    fn own(&self, number: u64) -> Option<[u8; 16]> {
        match number {
            0 => Some(self.author.0),
            1 => self.lane.id(),
            _ => None,
        }
    }
}

/// What was cut out of an operation.
enum What {
    /// The id of an entry, by its place among those named.
    Entry(usize),
    /// By source and number.
    String(u64, u64),
}

impl Decoder<'_> {
    pub(super) fn kinds(&mut self) -> Result<Vec<Kind>, DecodeError> {
        let count = self.streams[KINDS].count(limits::MAX_OPS, "operations")?;
        (0..count)
            .map(|_| {
                Ok(match self.streams[KINDS].varint()? {
                    0 => {
                        let doc_type = u16::try_from(self.streams[KINDS].varint()?)
                            .map_err(|_| DecodeError::Unknown("document type"))?;
                        Kind::Change {
                            doc_type,
                            doc: DocId(self.id(KINDS, IdRole::Document)?),
                        }
                    }
                    1 => Kind::Manifest,
                    2 => Kind::Handshake,
                    event => Kind::Event(
                        u16::try_from(event - 3).map_err(|_| DecodeError::Unknown("event"))?,
                    ),
                })
            })
            .collect()
    }

    pub(super) fn body(
        &mut self,
        around: Around,
        kinds: &[Kind],
        erased: bool,
    ) -> Result<Body, DecodeError> {
        if !erased {
            let salt = self.raw.array()?;
            let ops = kinds
                .iter()
                .map(|kind| self.op(around, *kind))
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(Body::new(salt, ops));
        }
        let (mut salts, mut ops) = (Vec::new(), Vec::new());
        for kind in kinds {
            match self.streams[CONTROL].byte()? {
                0 => {
                    salts.push(None);
                    ops.push(Op::Erased(Hash(self.raw.array()?)));
                }
                1 => {
                    salts.push(Some(self.raw.array()?));
                    ops.push(Op::Present(self.op(around, *kind)?));
                }
                _ => return Err(DecodeError::Unexpected("operation")),
            }
        }
        if salts.iter().all(Option::is_some) {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Body {
            salts: Salts::Each(salts),
            ops,
        })
    }

    fn op(&mut self, around: Around, kind: Kind) -> Result<Vec<u8>, DecodeError> {
        let head = self.streams[OPS].count(2 * limits::MAX_SINGLE_OP_BODY + 1, "operation")?;
        let bytes = self.streams[OPS].take(head >> 1)?;
        match kind {
            _ if head & 1 == 0 => Ok(bytes.to_vec()),
            Kind::Change { doc, .. } if bytes.is_empty() => {
                let rest = self.apart.next()?;
                self.change(around, doc, &rest)
            }
            Kind::Change { doc, .. } => self.change(around, doc, bytes),
            _ => self.other(around, bytes),
        }
    }

    /// An operation whose ids of entries, and what these tell, were cut out.
    fn other(&mut self, around: Around, kept: &[u8]) -> Result<Vec<u8>, DecodeError> {
        // Each stands after its head: of two bytes, or of one before a string of 16.
        let most = if self.short {
            kept.len()
        } else {
            kept.len() / 2
        };
        let count = self.streams[NUMBERS].count(most, "references of an operation")?;
        let mut holes = Vec::with_capacity(count);
        let mut named = Vec::new();
        if self.short {
            let beside = self.streams[NUMBERS].count(source::MOST_NAMED, "entries beside")?;
            for _ in 0..beside {
                let how = self.number()?;
                named.push((self.found(IN_OPERATION, how)?, false));
            }
        }
        for _ in 0..count {
            let since = self.streams[NUMBERS].count(kept.len(), "reference of an operation")?;
            let what = match self.number()? {
                how if self.short && how >= reference::STRING => {
                    What::String(how - reference::STRING, self.number()?)
                }
                how => {
                    named.push((self.found(IN_OPERATION, how)?, false));
                    What::Entry(named.len() - 1)
                }
            };
            holes.push((since, what));
        }
        for (_, what) in &holes {
            if let What::String(source, _) = what
                && let Some(of) = source.checked_sub(source::NAMED)
            {
                let of = usize::try_from(of)
                    .ok()
                    .filter(|of| *of < source::MOST_NAMED);
                let of = of.and_then(|of| named.get_mut(of));
                of.ok_or(DecodeError::Unexpected("source of a string"))?.1 = true;
            }
        }
        let named = (named.into_iter())
            .map(|(found, tells)| self.named(around.space, found, tells))
            .collect::<Result<Vec<_>, _>>()?;
        let mut before = None;
        let (mut bytes, mut rest) = (Vec::with_capacity(kept.len() + 32), kept);
        for (since, what) in holes {
            let kept = rest.split_at_checked(since);
            let (kept, after) = kept.ok_or(DecodeError::TooLarge("reference of an operation"))?;
            bytes.extend_from_slice(kept);
            rest = after;
            match what {
                What::Entry(index) => bytes.extend_from_slice(&named[index].0.0),
                What::String(source, number) => {
                    let own;
                    let string = match source {
                        source::OWN => {
                            own = around.own(number);
                            own.as_ref().map(<[u8; 16]>::as_slice)
                        }
                        source::BEFORE => {
                            let last = self.items.last();
                            let last = last.ok_or(DecodeError::Unexpected("source of a string"))?;
                            before
                                .get_or_insert_with(|| Strings::of(&last.entry))
                                .get(number)
                        }
                        source => {
                            let of = named.get((source - source::NAMED) as usize);
                            of.and_then(|(_, strings)| strings.get(number))
                        }
                    };
                    let string = string.ok_or(DecodeError::MissingContext("string"))?;
                    bytes.extend_from_slice(string);
                }
            }
            if bytes.len() > limits::MAX_SINGLE_OP_BODY {
                return Err(DecodeError::TooLarge("operation"));
            }
        }
        bytes.extend_from_slice(rest);
        Ok(bytes)
    }

    /// The id of an entry that an operation names, and its strings if they are told.
    fn named(
        &self,
        space: SpaceId,
        found: Found,
        tells: bool,
    ) -> Result<(EntryId, Strings), DecodeError> {
        if !tells {
            return Ok((self.entry_found(found, space)?, Strings::default()));
        }
        match found {
            Found::InPack(back) => {
                let entry = self.item_before(back)?;
                Ok((entry.id(), Strings::of(entry)))
            }
            Found::BySequence(sequence) => {
                let entry = self.held_at(space, sequence)?;
                Ok((entry.id(), Strings::of(&entry)))
            }
        }
    }

    fn change(&mut self, around: Around, doc: DocId, rest: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let chain = around
            .chain
            .ok_or(DecodeError::Unexpected("change beside its certificate"))?;
        let count = self.streams[NUMBERS].count(limits::MAX_CHANGE_DEPS, "dependencies")?;
        let deps = (0..count)
            .map(|_| self.hash(Some(doc)))
            .collect::<Result<_, _>>()?;
        let own = self.actor(&chain)?;
        let count = self.streams[NUMBERS].count(limits::MAX_CHANGE_DEPS, "actors")?;
        let others = (0..count)
            .map(|_| self.actor(&chain))
            .collect::<Result<_, _>>()?;
        let (chunk, hash) = change::join(&change::Parts {
            deps,
            actor: own,
            others,
            rest: rest.to_vec(),
        })?;
        self.name_hash(hash);
        Ok(chunk)
    }

    fn actor(&mut self, chain: &ChainKey) -> Result<ActorId, DecodeError> {
        Ok(match self.number()? {
            actor::SIGNER => {
                let slot = u8::try_from(self.number()?)
                    .map_err(|_| DecodeError::TooLarge("slot of an actor"))?;
                ActorId::new(DeviceId(chain.signer.id()), chain.incarnation, slot)
            }
            actor::GENESIS => ActorId::GENESIS,
            index => ActorId(self.id_of(index - actor::IDS, IdRole::Actor)?),
        })
    }
}
