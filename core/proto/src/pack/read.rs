//! Reading packs. Every length is checked before memory is asked for.
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::columns::{CONTROL, NUMBERS, PLACES, STREAMS, STREAMS_APART, Stream, unzigzag};
use super::read_names::Table;
use super::read_ops::Around;
use super::strings::Recent;
use super::write_names::{BASES, CONTINUED, HELD};
use super::{
    ChainEntry, ChainKey, ChainPosition, IdRole, Item, PackContext, Place, VERSION, ZSTD_MAGIC,
    apart, certificate, control, covered, dictionary, flag, signer,
};
use crate::{
    AccountId, DecodeError, Entry, EntryId, Hash, Header, Heads, KeyId, Lane, SchoolId, Seal,
    Signature, Signer, SpaceId, limits,
};

pub(super) struct Decoder<'a> {
    pub(super) context: &'a dyn PackContext,
    pub(super) explicit: bool,
    pub(super) short: bool,
    school: SchoolId,
    places: bool,
    pub(super) raw: Stream<'a>,
    pub(super) streams: [Stream<'a>; STREAMS],
    pub(super) apart: apart::Reader<'a>,
    pub(super) ids: Table<16>,
    pub(super) recent: Recent,
    pub(super) hashes: Table<32>,
    /// Index of each chain's last entry.
    chains: BTreeMap<ChainKey, usize>,
    certificates: BTreeMap<Signer, Hash>,
    pub(super) entries: Vec<ChainPosition>,
    pub(super) items: Vec<Item>,
    /// If signatures come last.
    covered: Option<covered::Reader>,
    /// Which item is numbered so.
    placed: BTreeMap<(SpaceId, u64), usize>,
    pub(super) bases: [u64; BASES],
    last: Option<Header>,
    sequences: BTreeMap<SpaceId, u64>,
    received_ms: u64,
    ops: usize,
    restored: usize,
}

/// What is known of an entry before its references and body are read.
struct Start {
    space: SpaceId,
    lane: Lane,
    author: AccountId,
    /// None if the body brings the signer.
    signer: Option<Signer>,
    incarnation: u32,
    sequence: u64,
    /// The chain's entry before, if that is what named the chain.
    follows: Option<ChainEntry>,
}

impl Start {
    fn chain(&self) -> Option<ChainKey> {
        self.signer.map(|signer| ChainKey {
            signer,
            incarnation: self.incarnation,
            space: self.space,
            lane: self.lane,
        })
    }
}

/// Restores the entries of a pack.
///
/// # Errors
/// Bytes that are not a pack, a limit exceeded, or
/// [`DecodeError::MissingContext`] if the pack names something that `context`
/// does not hold: then it is asked for in explicit form.
pub fn decode_pack(bytes: &[u8], context: &dyn PackContext) -> Result<Vec<Item>, DecodeError> {
    let opened = open(bytes)?;
    let mut raw = Stream(opened.raw);
    let explicit = opened.flags & flag::EXPLICIT != 0;
    let short = opened.flags & flag::SHORT_NAMES != 0;
    if explicit && short {
        return Err(DecodeError::Unexpected("short names in explicit form"));
    }
    let school = if explicit {
        SchoolId(raw.array()?)
    } else {
        context.school()
    };
    let mut columns = Stream(&opened.columns);
    let (count, all) = streams(&mut columns, opened.flags)?;
    let mut streams = [Stream(&[]); STREAMS];
    streams.copy_from_slice(&all[..STREAMS]);
    let mut decoder = Decoder {
        context,
        explicit,
        short,
        school,
        places: opened.flags & flag::PLACES != 0,
        raw,
        streams,
        apart: apart::Reader::new(&all)?,
        ids: Table::new(),
        recent: Recent::default(),
        hashes: Table::new(),
        chains: BTreeMap::new(),
        certificates: BTreeMap::new(),
        entries: Vec::new(),
        items: Vec::new(),
        covered: (opened.flags & flag::COVERED != 0).then(Default::default),
        placed: BTreeMap::new(),
        bases: [0; BASES],
        last: None,
        sequences: BTreeMap::new(),
        received_ms: 0,
        ops: 0,
        restored: 0,
    };
    for _ in 0..count {
        let item = decoder.item()?;
        if let Some(place) = &item.place {
            let at = (place.space, place.sequence);
            decoder.placed.entry(at).or_insert(decoder.items.len());
        }
        decoder.items.push(item);
    }
    if let Some(covered) = &decoder.covered {
        covered.signatures(&mut decoder.raw, &mut decoder.items)?;
    }
    if !columns.is_empty()
        || !decoder.apart.is_empty()
        || !decoder.raw.is_empty()
        || decoder.streams.iter().any(|stream| !stream.is_empty())
    {
        return Err(DecodeError::Trailing);
    }
    Ok(decoder.items)
}

/// A pack's parts, its columns decompressed.
pub(super) struct Opened<'a> {
    pub flags: u8,
    pub raw: &'a [u8],
    pub columns: Vec<u8>,
    /// Bytes that the columns take in the pack.
    pub compressed: usize,
}

pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
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
    let raw = r.take(raw_len)?;
    let columns = if flags & flag::STORED == 0 {
        decompress(r.0, raw, columns_len, number)?
    } else if r.0.len() == columns_len && number == 0 {
        r.0.to_vec()
    } else {
        return Err(DecodeError::Unexpected("length of the columns"));
    };
    Ok(Opened {
        flags,
        raw,
        columns,
        compressed: r.0.len(),
    })
}

/// How many entries the columns hold, and their streams.
pub(super) fn streams<'a>(
    columns: &mut Stream<'a>,
    flags: u8,
) -> Result<(usize, Vec<Stream<'a>>), DecodeError> {
    let count = columns.count(limits::MAX_PACK_ENTRIES, "entries of a pack")?;
    let streams = if flags & flag::APART == 0 {
        STREAMS
    } else {
        STREAMS_APART
    };
    let streams = (0..streams)
        .map(|_| {
            let len = columns.count(limits::MAX_PACK_COLUMNS, "stream of a pack")?;
            columns.take(len).map(Stream)
        })
        .collect::<Result<_, _>>()?;
    Ok((count, streams))
}

thread_local! {
    /// Kept from pack to pack, some 100 KB: to make one takes as long as to read a small
    /// pack. Nothing of a pack stays in it.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

fn decompress(bytes: &[u8], raw: &[u8], len: usize, number: u64) -> Result<Vec<u8>, DecodeError> {
    let dictionary = dictionary(number).ok_or(DecodeError::Unknown("dictionary"))?;
    let dictionary = [dictionary, raw].concat();
    let frame = [&ZSTD_MAGIC, bytes].concat();
    let columns = DECOMPRESSOR
        .with_borrow_mut(|kept| {
            let mut decompressor = match kept.take() {
                Some(decompressor) => decompressor,
                None => zstd::bulk::Decompressor::new()?,
            };
            decompressor.set_dictionary(&dictionary)?;
            let columns = decompressor.decompress(&frame, len)?;
            *kept = Some(decompressor);
            Ok::<_, std::io::Error>(columns)
        })
        .map_err(|_| DecodeError::Unexpected("compressed columns"))?;
    if columns.len() == len {
        Ok(columns)
    } else {
        Err(DecodeError::Unexpected("length of the columns"))
    }
}

impl Decoder<'_> {
    fn predecessor(&self, start: &Start) -> Result<ChainEntry, DecodeError> {
        let missing = DecodeError::MissingContext("entry before in the chain");
        if let Some(entry) = &start.follows {
            return Ok(entry.clone());
        }
        let chain = start.chain().ok_or(missing)?;
        let wanted = start.sequence.checked_sub(1).ok_or(missing)?;
        let in_pack = self.chains.get(&chain).map(|index| &self.entries[*index]);
        match in_pack {
            Some(last) if last.sequence == wanted => Ok(last.entry.clone()),
            _ if self.explicit => Err(missing),
            _ => self.context.chain_entry(&chain, wanted).ok_or(missing),
        }
    }

    /// An entry whose chain is that of the one before it.
    fn continued(&mut self, bits: u8) -> Result<Start, DecodeError> {
        if bits & (control::SAME_LANE | control::SAME_SIGNER) != 0 {
            return Err(DecodeError::Unexpected("control bits"));
        }
        let number = self.number()?;
        let position = if number & 1 == 0 {
            self.entry_before(number >> 1)?.clone()
        } else {
            let space = self.space(bits)?;
            let sequence = self.relative(CONTINUED, number >> 1);
            self.context
                .position_at(space, sequence)
                .filter(|_| !self.explicit)
                .ok_or(DecodeError::MissingContext("entry before in the chain"))?
        };
        Ok(Start {
            space: position.chain.space,
            lane: position.chain.lane,
            author: position.author,
            signer: Some(position.chain.signer),
            incarnation: position.chain.incarnation,
            sequence: position
                .sequence
                .checked_add(1)
                .ok_or(DecodeError::TooLarge("sequence"))?,
            follows: Some(position.entry),
        })
    }

    fn like(&self) -> Result<&Header, DecodeError> {
        self.last
            .as_ref()
            .ok_or(DecodeError::Unexpected("first entry like another"))
    }

    fn space(&mut self, bits: u8) -> Result<SpaceId, DecodeError> {
        if bits & control::SAME_SPACE != 0 {
            return Ok(self.like()?.space);
        }
        self.id(NUMBERS, IdRole::Space).map(SpaceId)
    }

    /// An entry whose chain is named in full.
    fn stated(&mut self, bits: u8) -> Result<Start, DecodeError> {
        let space = self.space(bits)?;
        let lane = if bits & control::SAME_LANE != 0 {
            self.like()?.lane
        } else {
            self.lane(NUMBERS, space, None)?
        };
        let (author, signer) = if bits & control::SAME_SIGNER != 0 {
            (self.like()?.author, Some(self.like()?.signer))
        } else {
            let author = AccountId(self.id(NUMBERS, IdRole::Author)?);
            match self.number()? {
                signer::IN_BODY if !self.explicit => (author, None),
                kind => {
                    let kind = u8::try_from(kind).map_err(|_| DecodeError::Unknown("signer"))?;
                    let id = self.id(NUMBERS, IdRole::Signer)?;
                    (author, Some(Signer::from_parts(kind, id)?))
                }
            }
        };
        let incarnation =
            u32::try_from(self.number()?).map_err(|_| DecodeError::TooLarge("incarnation"))?;
        let mut start = Start {
            space,
            lane,
            author,
            signer,
            incarnation,
            sequence: 0,
            follows: None,
        };
        let before = start
            .chain()
            .and_then(|chain| self.chains.get(&chain))
            .map_or(0, |index| self.entries[*index].sequence);
        // A chain may come in any order, though only its own order is small.
        start.sequence = self.number()?.wrapping_add(before);
        Ok(start)
    }

    fn item(&mut self) -> Result<Item, DecodeError> {
        let bits = self.streams[CONTROL].byte()?;
        if bits == control::HELD {
            return self.held();
        }
        let has = |bit: u8| bits & bit != 0;
        let start = if has(control::CONTINUES) {
            self.continued(bits)?
        } else {
            self.stated(bits)?
        };
        let (previous, stated, heads) = if has(control::COMPUTED) {
            let predecessor = self.predecessor(&start)?;
            (
                Some(predecessor.id),
                Some(self.known_certificate(start.signer)?),
                predecessor.heads,
            )
        } else {
            self.references(&start)?
        };
        let seal = if has(control::SEALED) {
            let suite = u16::try_from(self.number()?).map_err(|_| DecodeError::Unknown("suite"))?;
            Some(Seal {
                suite,
                key: KeyId(self.id(NUMBERS, IdRole::Key)?),
            })
        } else {
            None
        };
        let kinds = if has(control::SAME_KINDS) {
            self.like()?.kinds.clone()
        } else {
            self.kinds()?
        };
        self.count_ops(kinds.len())?;
        let signature = match self.covered {
            Some(_) => Signature::ZERO,
            None => Signature(self.raw.array()?),
        };
        let around = Around {
            space: start.space,
            lane: start.lane,
            author: start.author,
            chain: start.chain(),
        };
        let body = self.body(around, &kinds, has(control::ERASED))?;
        let brought = self.context.certificates_in(&kinds, &body);
        let (signer, certificate) = match (start.signer, stated, brought.first()) {
            (Some(signer), Some(hash), _) => (signer, hash),
            (None, None, Some(first)) => *first,
            (Some(signer), None, _) => *brought
                .iter()
                .find(|(whose, _)| *whose == signer)
                .ok_or(DecodeError::Unexpected("certificate in a body"))?,
            (None, _, _) => return Err(DecodeError::Unexpected("signer in a body")),
        };
        let header = Header {
            school: self.school,
            space: start.space,
            lane: start.lane,
            author: start.author,
            signer,
            certificate,
            incarnation: start.incarnation,
            sequence: start.sequence,
            previous,
            heads,
            kinds,
            seal,
            body_root: body.root()?,
        };
        let entry = Entry::from_parts(header.encode(), signature, body)?;
        self.count_restored(&entry)?;
        let place = if self.places {
            Some(self.place(&entry)?)
        } else {
            None
        };
        self.certificates.insert(signer, certificate);
        if !self.explicit {
            for (whose, hash) in brought {
                self.certificates.insert(whose, hash);
                self.bring_id(whose.id());
            }
        }
        self.chains.insert(ChainKey::of(&entry), self.entries.len());
        self.entries.push(ChainPosition::of(&entry));
        if let Some(covered) = &mut self.covered {
            covered.note(&entry, self.items.len());
        }
        self.last = Some(header);
        Ok(Item { entry, place })
    }

    fn count_ops(&mut self, count: usize) -> Result<(), DecodeError> {
        self.ops += count;
        if self.ops > limits::MAX_PACK_OPS {
            return Err(DecodeError::TooLarge("operations of a pack"));
        }
        Ok(())
    }

    fn count_restored(&mut self, entry: &Entry) -> Result<(), DecodeError> {
        self.restored += entry.len();
        if self.restored > limits::MAX_PACK_RESTORED {
            return Err(DecodeError::TooLarge("entries of a pack"));
        }
        Ok(())
    }

    /// An entry of this pack or of the receiver's, at one more place.
    fn held(&mut self) -> Result<Item, DecodeError> {
        if self.explicit || !self.places {
            return Err(DecodeError::Unexpected("entry that is held"));
        }
        let space = SpaceId(self.id(NUMBERS, IdRole::Space)?);
        let delta = self.number()?;
        let sequence = self.relative(HELD, delta);
        let entry = match self.placed.get(&(space, sequence)) {
            Some(index) => {
                if let Some(covered) = &mut self.covered {
                    covered.note_copy(self.items.len(), *index);
                }
                self.items[*index].entry.clone()
            }
            None => self.held_at(space, sequence)?,
        };
        self.count_ops(entry.header().kinds.len())?;
        self.count_restored(&entry)?;
        let place = self.place(&entry)?;
        self.entries.push(ChainPosition::of(&entry));
        Ok(Item {
            entry,
            place: Some(place),
        })
    }

    fn known_certificate(&self, signer: Option<Signer>) -> Result<Hash, DecodeError> {
        let signer = signer.ok_or(DecodeError::Unexpected("signer in a body"))?;
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
        start: &Start,
    ) -> Result<(Option<EntryId>, Option<Hash>, Heads), DecodeError> {
        let previous = if start.sequence == 1 {
            None
        } else if start.follows.is_none() && self.flag("previous")? {
            Some(EntryId(self.hash(None)?))
        } else {
            Some(self.predecessor(start)?.id)
        };
        let certificate = match self.number()? {
            certificate::KNOWN => Some(self.known_certificate(start.signer)?),
            certificate::EXPLICIT => Some(Hash(self.hash(None)?)),
            certificate::IN_BODY if !self.explicit => None,
            _ => return Err(DecodeError::Unknown("certificate")),
        };
        let last = self.last.as_ref().map(|last| last.heads.clone());
        let last = last.unwrap_or_default();
        let account = self.reference(start.space, last.account)?;
        let count =
            self.streams[NUMBERS].count(limits::MAX_MEMBERSHIP_HEADS, "membership heads")?;
        let membership = (0..count)
            .map(|index| {
                let before = last.membership.get(index).copied();
                self.reference(start.space, before)?
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

    fn place(&mut self, entry: &Entry) -> Result<Place, DecodeError> {
        let first = self.streams[PLACES].varint()?;
        let (space, lane) = if first & 1 == 0 {
            (entry.header().space, entry.header().lane)
        } else {
            let space = SpaceId(self.id(PLACES, IdRole::Space)?);
            (space, self.lane(PLACES, space, Some(entry))?)
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
