//! Reading packs. Every length is checked before memory is asked for.
use std::collections::BTreeMap;

use super::columns::{CONTROL, KINDS, NUMBERS, OPS, PLACES, STREAMS, Stream, unzigzag};
use super::{
    ChainEntry, ChainKey, Item, PackContext, Place, VERSION, certificate, control, dictionary, flag, reference,
};
use crate::{
    AccountId, Body, DecodeError, DocId, Entry, EntryId, Hash, Header, Heads, KeyId, Kind, Lane,
    Op, Salts, SchoolId, Seal, Signature, Signer, SpaceId, limits,
};

struct Decoder<'a> {
    context: &'a dyn PackContext,
    explicit: bool,
    school: SchoolId,
    places: bool,
    raw: Stream<'a>,
    streams: [Stream<'a>; STREAMS],
    ids: Vec<[u8; 16]>,
    hashes: Vec<[u8; 32]>,
    chains: BTreeMap<ChainKey, (u64, ChainEntry)>,
    certificates: BTreeMap<Signer, Hash>,
    entries: Vec<EntryId>,
    last: Option<Header>,
    sequences: BTreeMap<SpaceId, u64>,
    received_ms: u64,
}

/// Restores the entries of a pack.
///
/// # Errors
/// Bytes that are not a pack, a limit exceeded, or
/// [`DecodeError::MissingContext`] if the pack names something that `context`
/// does not hold: then it is asked for in explicit form.
pub fn decode_pack(bytes: &[u8], context: &dyn PackContext) -> Result<Vec<Item>, DecodeError> {
    if bytes.len() > limits::MAX_PACK {
        return Err(DecodeError::TooLarge("pack"));
    }
    let mut r = Stream(bytes);
    if r.byte()? != VERSION {
        return Err(DecodeError::Unknown("pack version"));
    }
    let flags = r.byte()?;
    if flags & !flag::ALL != 0 {
        return Err(DecodeError::Unknown("pack flag"));
    }
    let columns_len = r.count(limits::MAX_PACK_COLUMNS, "columns of a pack")?;
    let raw_len = r.count(limits::MAX_PACK, "pack")?;
    let number = r.varint()?;
    let mut raw = Stream(r.take(raw_len)?);
    let columns = if flags & flag::STORED == 0 {
        decompress(r.0, columns_len, number)?
    } else if r.0.len() == columns_len && number == 0 {
        r.0.to_vec()
    } else {
        return Err(DecodeError::Unexpected("length of the columns"));
    };
    let explicit = flags & flag::EXPLICIT != 0;
    let school = if explicit {
        SchoolId(raw.array()?)
    } else {
        context.school()
    };
    let mut columns = Stream(&columns);
    let count = columns.count(limits::MAX_PACK_ENTRIES, "entries of a pack")?;
    let mut streams = [Stream(&[]); STREAMS];
    for stream in &mut streams {
        let len = columns.count(limits::MAX_PACK_COLUMNS, "stream of a pack")?;
        *stream = Stream(columns.take(len)?);
    }
    let mut decoder = Decoder {
        context,
        explicit,
        school,
        places: flags & flag::PLACES != 0,
        raw,
        streams,
        ids: Vec::new(),
        hashes: Vec::new(),
        chains: BTreeMap::new(),
        certificates: BTreeMap::new(),
        entries: Vec::new(),
        last: None,
        sequences: BTreeMap::new(),
        received_ms: 0,
    };
    let items = (0..count)
        .map(|_| decoder.item())
        .collect::<Result<Vec<_>, _>>()?;
    if !columns.is_empty()
        || !decoder.raw.is_empty()
        || decoder.streams.iter().any(|stream| !stream.is_empty())
    {
        return Err(DecodeError::Trailing);
    }
    Ok(items)
}

fn decompress(bytes: &[u8], len: usize, number: u64) -> Result<Vec<u8>, DecodeError> {
    let dictionary = dictionary(number).ok_or(DecodeError::Unknown("dictionary"))?;
    let columns = zstd::bulk::Decompressor::with_dictionary(dictionary)
        .and_then(|mut decompressor| decompressor.decompress(bytes, len))
        .map_err(|_| DecodeError::Unexpected("compressed columns"))?;
    if columns.len() == len {
        Ok(columns)
    } else {
        Err(DecodeError::Unexpected("length of the columns"))
    }
}

impl Decoder<'_> {
    fn number(&mut self) -> Result<u64, DecodeError> {
        self.streams[NUMBERS].varint()
    }

    fn id(&mut self, stream: usize) -> Result<[u8; 16], DecodeError> {
        let index = self.streams[stream].varint()?;
        match index.cmp(&(self.ids.len() as u64)) {
            std::cmp::Ordering::Less => Ok(self.ids[index as usize]),
            std::cmp::Ordering::Equal => {
                let id = self.raw.array()?;
                self.ids.push(id);
                Ok(id)
            }
            std::cmp::Ordering::Greater => Err(DecodeError::Unexpected("index of an id")),
        }
    }

    fn hash(&mut self) -> Result<[u8; 32], DecodeError> {
        let index = self.number()?;
        match index.cmp(&(self.hashes.len() as u64)) {
            std::cmp::Ordering::Less => Ok(self.hashes[index as usize]),
            std::cmp::Ordering::Equal => {
                let hash = self.raw.array()?;
                self.hashes.push(hash);
                Ok(hash)
            }
            std::cmp::Ordering::Greater => Err(DecodeError::Unexpected("index of a hash")),
        }
    }

    fn lane(&mut self, stream: usize) -> Result<Lane, DecodeError> {
        let kind = self.streams[stream].byte()?;
        let id = match kind {
            2 | 3 => Some(self.id(stream)?),
            _ => None,
        };
        Lane::from_parts(kind, id)
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Unexpected(what)),
        }
    }

    fn reference(
        &mut self,
        space: SpaceId,
        before: Option<EntryId>,
    ) -> Result<Option<EntryId>, DecodeError> {
        Ok(Some(match self.number()? {
            reference::NULL => return Ok(None),
            reference::EXPLICIT => EntryId(self.hash()?),
            reference::IN_PACK => {
                let back = self.number()?;
                usize::try_from(back)
                    .ok()
                    .and_then(|back| self.entries.len().checked_sub(back))
                    .and_then(|index| self.entries.get(index).copied())
                    .ok_or(DecodeError::Unexpected("reference in a pack"))?
            }
            reference::BY_SEQUENCE if !self.explicit => {
                let sequence = self.number()?;
                self.context
                    .entry_at(space, sequence)
                    .ok_or(DecodeError::MissingContext("entry by sequence"))?
            }
            reference::AS_BEFORE => before.ok_or(DecodeError::Unexpected("reference"))?,
            _ => return Err(DecodeError::Unknown("reference")),
        }))
    }

    fn predecessor(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        match self.chains.get(chain) {
            Some((at, entry)) if *at + 1 == sequence => Some(entry.clone()),
            _ if self.explicit => None,
            _ => self.context.chain_entry(chain, sequence.checked_sub(1)?),
        }
    }

    fn item(&mut self) -> Result<Item, DecodeError> {
        let bits = self.streams[CONTROL].byte()?;
        if bits & !control::ALL != 0 {
            return Err(DecodeError::Unknown("control bit"));
        }
        let has = |bit: u8| bits & bit != 0;
        let last = self.last.take();
        let like = || {
            last.as_ref()
                .ok_or(DecodeError::Unexpected("first entry like another"))
        };
        let space = if has(control::SAME_SPACE) {
            like()?.space
        } else {
            SpaceId(self.id(NUMBERS)?)
        };
        let lane = if has(control::SAME_LANE) {
            like()?.lane
        } else {
            self.lane(NUMBERS)?
        };
        let (author, signer) = if has(control::SAME_SIGNER) {
            (like()?.author, like()?.signer)
        } else {
            let author = AccountId(self.id(NUMBERS)?);
            let kind = u8::try_from(self.number()?).map_err(|_| DecodeError::Unknown("signer"))?;
            (author, Signer::from_parts(kind, self.id(NUMBERS)?)?)
        };
        let incarnation =
            u32::try_from(self.number()?).map_err(|_| DecodeError::TooLarge("incarnation"))?;
        let chain = ChainKey {
            signer,
            incarnation,
            space,
            lane,
        };
        let sequence = self
            .number()?
            .checked_add(self.chains.get(&chain).map_or(0, |(at, _)| *at))
            .ok_or(DecodeError::TooLarge("sequence"))?;
        let (previous, stated, heads) = if has(control::COMPUTED) {
            let predecessor = self
                .predecessor(&chain, sequence)
                .ok_or(DecodeError::MissingContext("entry before in the chain"))?;
            (
                Some(predecessor.id),
                Some(self.known_certificate(signer)?),
                predecessor.heads,
            )
        } else {
            self.references(&chain, sequence, last.as_ref())?
        };
        let seal = if has(control::SEALED) {
            let suite = u16::try_from(self.number()?).map_err(|_| DecodeError::Unknown("suite"))?;
            Some(Seal {
                suite,
                key: KeyId(self.id(NUMBERS)?),
            })
        } else {
            None
        };
        let kinds = if has(control::SAME_KINDS) {
            like()?.kinds.clone()
        } else {
            self.kinds()?
        };
        let signature = Signature(self.raw.array()?);
        let body = self.body(kinds.len(), has(control::ERASED))?;
        let brought = self.context.certificates_in(&kinds, &body);
        let certificate = match stated {
            Some(hash) => hash,
            None => {
                brought
                    .iter()
                    .find(|(whose, _)| *whose == signer)
                    .ok_or(DecodeError::Unexpected("certificate in a body"))?
                    .1
            }
        };
        let header = Header {
            school: self.school,
            space,
            lane,
            author,
            signer,
            certificate,
            incarnation,
            sequence,
            previous,
            heads,
            kinds,
            seal,
            body_root: body.root()?,
        };
        let entry = Entry::from_parts(header.encode(), signature, body)?;
        let place = if self.places {
            Some(self.place(space, lane)?)
        } else {
            None
        };
        self.certificates.insert(signer, certificate);
        if !self.explicit {
            self.certificates.extend(brought);
        }
        self.entries.push(entry.id());
        let remembered = ChainEntry {
            id: entry.id(),
            heads: header.heads.clone(),
        };
        self.chains.insert(chain, (sequence, remembered));
        self.last = Some(header);
        Ok(Item { entry, place })
    }

    fn known_certificate(&self, signer: Signer) -> Result<Hash, DecodeError> {
        if let Some(hash) = self.certificates.get(&signer) {
            return Ok(*hash);
        }
        self.context
            .certificate(signer)
            .filter(|_| !self.explicit)
            .ok_or(DecodeError::MissingContext("certificate"))
    }

    fn references(
        &mut self,
        chain: &ChainKey,
        sequence: u64,
        last: Option<&Header>,
    ) -> Result<(Option<EntryId>, Option<Hash>, Heads), DecodeError> {
        let previous = if sequence == 1 {
            None
        } else if self.flag("previous")? {
            Some(EntryId(self.hash()?))
        } else {
            Some(
                self.predecessor(chain, sequence)
                    .ok_or(DecodeError::MissingContext("entry before in the chain"))?
                    .id,
            )
        };
        let certificate = match self.number()? {
            certificate::KNOWN => Some(self.known_certificate(chain.signer)?),
            certificate::EXPLICIT => Some(Hash(self.hash()?)),
            certificate::IN_BODY if !self.explicit => None,
            _ => return Err(DecodeError::Unknown("certificate")),
        };
        let account = self.reference(chain.space, last.and_then(|l| l.heads.account))?;
        let count =
            self.streams[NUMBERS].count(limits::MAX_MEMBERSHIP_HEADS, "membership heads")?;
        let membership = (0..count)
            .map(|index| {
                let before = last.and_then(|l| l.heads.membership.get(index).copied());
                self.reference(chain.space, before)?
                    .ok_or(DecodeError::Unexpected("membership head"))
            })
            .collect::<Result<_, _>>()?;
        Ok((
            previous,
            certificate,
            Heads {
                account,
                membership,
            },
        ))
    }

    fn kinds(&mut self) -> Result<Vec<Kind>, DecodeError> {
        let count = self.streams[KINDS].count(limits::MAX_OPS, "operations")?;
        (0..count)
            .map(|_| {
                Ok(match self.streams[KINDS].varint()? {
                    0 => {
                        let doc_type = u16::try_from(self.streams[KINDS].varint()?)
                            .map_err(|_| DecodeError::Unknown("document type"))?;
                        Kind::Change {
                            doc_type,
                            doc: DocId(self.id(KINDS)?),
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

    fn body(&mut self, count: usize, erased: bool) -> Result<Body, DecodeError> {
        if !erased {
            let salt = self.raw.array()?;
            let ops = (0..count)
                .map(|_| self.op())
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(Body::new(salt, ops));
        }
        let (mut salts, mut ops) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            match self.streams[CONTROL].byte()? {
                0 => {
                    salts.push(None);
                    ops.push(Op::Erased(Hash(self.raw.array()?)));
                }
                1 => {
                    salts.push(Some(self.raw.array()?));
                    ops.push(Op::Present(self.op()?));
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

    fn op(&mut self) -> Result<Vec<u8>, DecodeError> {
        let len = self.streams[OPS].count(limits::MAX_SINGLE_OP_BODY, "operation")?;
        Ok(self.streams[OPS].take(len)?.to_vec())
    }

    fn place(&mut self, space: SpaceId, lane: Lane) -> Result<Place, DecodeError> {
        let first = self.streams[PLACES].varint()?;
        let (space, lane) = if first & 1 == 0 {
            (space, lane)
        } else {
            (SpaceId(self.id(PLACES)?), self.lane(PLACES)?)
        };
        let before = self.sequences.get(&space).copied().unwrap_or_default();
        let sequence = before.wrapping_add(unzigzag(first >> 1) as u64);
        if sequence == 0 || sequence > 1 << 62 {
            return Err(DecodeError::Unexpected("sequence"));
        }
        let delta = self.streams[PLACES].signed()?;
        self.received_ms = self.received_ms.wrapping_add(delta as u64);
        self.sequences.insert(space, sequence);
        Ok(Place {
            space,
            lane,
            sequence,
            received_ms: self.received_ms,
        })
    }
}
