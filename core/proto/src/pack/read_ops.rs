//! Reading kinds and bodies.
use super::columns::{CONTROL, KINDS, NUMBERS, OPS};
use super::read::Decoder;
use super::write_names::IN_OPERATION;
use super::{ChainKey, IdRole, actor, change};
use crate::{ActorId, Body, DecodeError, DeviceId, DocId, Hash, Kind, Op, Salts, SpaceId, limits};

/// What the operations of an entry may refer to.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub space: SpaceId,
    /// None while the signer is to be learnt from the body: then it has no
    /// actors of its own.
    pub chain: Option<ChainKey>,
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
            _ => self.other(around.space, bytes),
        }
    }

    /// An operation whose ids of entries were cut out.
    fn other(&mut self, space: SpaceId, kept: &[u8]) -> Result<Vec<u8>, DecodeError> {
        // Each stands after the two bytes of its head.
        let most = kept.len() / 2;
        let count = self.streams[NUMBERS].count(most, "references of an operation")?;
        let (mut bytes, mut rest) = (Vec::with_capacity(kept.len() + 32), kept);
        for _ in 0..count {
            let since = self.streams[NUMBERS].count(rest.len(), "reference of an operation")?;
            let (before, after) = rest.split_at(since);
            bytes.extend_from_slice(before);
            rest = after;
            let how = self.number()?;
            bytes.extend_from_slice(&self.found(IN_OPERATION, how, space)?.0);
        }
        bytes.extend_from_slice(rest);
        Ok(bytes)
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
