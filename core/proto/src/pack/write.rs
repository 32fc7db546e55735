//! Writing packs.
use std::collections::BTreeMap;

use super::columns::{
    CONTROL, KINDS, NUMBERS, OPS, PLACES, STREAMS, put_signed, put_varint, zigzag,
};
use super::{
    ChainEntry, ChainKey, DICTIONARY, Item, PackContext, Place, VERSION, certificate, control, dictionary, flag,
    reference,
};
use crate::{Entry, EntryId, Hash, Heads, Kind, Lane, Op, Salts, Signer, SpaceId};

/// How much work to spend on compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Live batches: sent once, at once.
    Live,
    /// Everything else.
    Full,
}

impl Effort {
    /// The zstd level for columns of a length. Beyond 64 KiB the highest
    /// levels cost a weak relay more than they save.
    fn level(self, len: usize) -> i32 {
        match self {
            Self::Live => 3,
            Self::Full if len <= 64 * 1024 => 19,
            Self::Full => 12,
        }
    }
}

/// Builds one pack.
pub struct PackWriter<'a> {
    context: &'a dyn PackContext,
    explicit: bool,
    places: bool,
    effort: Effort,
    raw: Vec<u8>,
    streams: [Vec<u8>; STREAMS],
    ids: BTreeMap<[u8; 16], u64>,
    hashes: BTreeMap<[u8; 32], u64>,
    chains: BTreeMap<ChainKey, (u64, ChainEntry)>,
    certificates: BTreeMap<Signer, Hash>,
    index: BTreeMap<EntryId, u64>,
    last: Option<Last>,
    sequences: BTreeMap<SpaceId, u64>,
    received_ms: u64,
    count: u64,
}

/// The entry before, as far as the next one may be like it.
struct Last {
    space: SpaceId,
    lane: Lane,
    signer: (crate::AccountId, Signer),
    kinds: Vec<Kind>,
    heads: Heads,
}

impl<'a> PackWriter<'a> {
    /// An empty pack for a receiver of that context. With `explicit` the pack
    /// names the school and uses nothing of the context.
    #[must_use]
    pub fn new(context: &'a dyn PackContext, explicit: bool, places: bool, effort: Effort) -> Self {
        Self {
            context,
            explicit,
            places,
            effort,
            raw: if explicit {
                context.school().0.to_vec()
            } else {
                Vec::new()
            },
            streams: Default::default(),
            ids: BTreeMap::new(),
            hashes: BTreeMap::new(),
            chains: BTreeMap::new(),
            certificates: BTreeMap::new(),
            index: BTreeMap::new(),
            last: None,
            sequences: BTreeMap::new(),
            received_ms: 0,
            count: 0,
        }
    }

    /// Entries in the pack.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// About how long the pack will be: columns are taken to compress to half.
    #[must_use]
    pub fn estimate(&self) -> usize {
        self.raw.len() + self.columns_len() / 2
    }

    /// Length of the columns before compression, bytes.
    #[must_use]
    pub fn columns_len(&self) -> usize {
        self.streams.iter().map(Vec::len).sum()
    }

    fn id(&mut self, stream: usize, id: &[u8; 16]) {
        let next = self.ids.len() as u64;
        let index = *self.ids.entry(*id).or_insert(next);
        put_varint(&mut self.streams[stream], index);
        if index == next {
            self.raw.extend_from_slice(id);
        }
    }

    fn hash(&mut self, hash: &[u8; 32]) {
        let next = self.hashes.len() as u64;
        let index = *self.hashes.entry(*hash).or_insert(next);
        put_varint(&mut self.streams[NUMBERS], index);
        if index == next {
            self.raw.extend_from_slice(hash);
        }
    }

    fn number(&mut self, value: u64) {
        put_varint(&mut self.streams[NUMBERS], value);
    }

    fn lane(&mut self, stream: usize, lane: &Lane) {
        self.streams[stream].push(lane.kind());
        if let Some(id) = lane.id() {
            self.id(stream, &id);
        }
    }

    /// A reference to an entry cited as a head. `before`: what the entry before
    /// in the pack cites in the same role.
    fn reference(&mut self, space: SpaceId, id: &EntryId, before: Option<&EntryId>) {
        if before == Some(id) {
            self.number(reference::AS_BEFORE);
        } else if let Some(index) = self.index.get(id) {
            let back = self.count - index;
            self.number(reference::IN_PACK);
            self.number(back);
        } else if let Some(sequence) = self.known_sequence(space, id) {
            self.number(reference::BY_SEQUENCE);
            self.number(sequence);
        } else {
            self.number(reference::EXPLICIT);
            self.hash(&id.0);
        }
    }

    fn known_sequence(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        if self.explicit {
            return None;
        }
        self.context.sequence_of(space, id)
    }

    fn known_certificate(&self, signer: Signer) -> Option<Hash> {
        if let Some(hash) = self.certificates.get(&signer) {
            return Some(*hash);
        }
        if self.explicit {
            return None;
        }
        self.context.certificate(signer)
    }

    fn predecessor(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        let wanted = sequence.checked_sub(1)?;
        match self.chains.get(chain) {
            Some((sequence, entry)) if *sequence == wanted => Some(entry.clone()),
            _ if self.explicit || wanted == 0 => None,
            _ => self.context.chain_entry(chain, wanted),
        }
    }

    /// Appends an entry. Entries of one chain must come in order.
    pub fn push(&mut self, item: &Item) {
        let entry = &item.entry;
        let header = entry.header();
        let chain = ChainKey::of(entry);
        let predecessor = self.predecessor(&chain, header.sequence);
        let brought = self.context.certificates_in(&header.kinds, entry.body());
        let certificate_known = self.known_certificate(header.signer) == Some(header.certificate);
        let certificate_code = if certificate_known {
            certificate::KNOWN
        } else if !self.explicit && brought.contains(&(header.signer, header.certificate)) {
            certificate::IN_BODY
        } else {
            certificate::EXPLICIT
        };
        let computed = certificate_known
            && predecessor
                .as_ref()
                .is_some_and(|p| Some(p.id) == header.previous && p.heads == header.heads);
        let sequence_before = self.chains.get(&chain).map(|(sequence, _)| *sequence);

        let last = self.last.take();
        let mut bits = 0;
        let mut same = |bit, is: bool| {
            if is {
                bits |= bit;
            }
            is
        };
        let like = last.as_ref();
        let same_space = same(
            control::SAME_SPACE,
            like.is_some_and(|l| l.space == header.space),
        );
        let same_lane = same(
            control::SAME_LANE,
            like.is_some_and(|l| l.lane == header.lane),
        );
        let signer = (header.author, header.signer);
        let same_signer = same(
            control::SAME_SIGNER,
            like.is_some_and(|l| l.signer == signer),
        );
        let same_kinds = same(
            control::SAME_KINDS,
            like.is_some_and(|l| l.kinds == header.kinds),
        );
        same(control::COMPUTED, computed);
        same(control::SEALED, header.seal.is_some());
        let erased = matches!(entry.body().salts, Salts::Each(_));
        same(control::ERASED, erased);
        self.streams[CONTROL].push(bits);

        if !same_space {
            self.id(NUMBERS, &header.space.0);
        }
        if !same_lane {
            self.lane(NUMBERS, &header.lane);
        }
        if !same_signer {
            self.id(NUMBERS, &header.author.0);
            self.number(u64::from(header.signer.kind()));
            self.id(NUMBERS, &header.signer.id());
        }
        self.number(u64::from(header.incarnation));
        self.number(match sequence_before {
            Some(before) => header.sequence.wrapping_sub(before),
            None => header.sequence,
        });
        if !computed {
            self.references(entry, predecessor.as_ref(), certificate_code, like);
        }
        if let Some(seal) = header.seal {
            self.number(u64::from(seal.suite));
            self.id(NUMBERS, &seal.key.0);
        }
        if !same_kinds {
            self.kinds(&header.kinds);
        }
        self.raw.extend_from_slice(&entry.signature.0);
        self.body(entry);
        if self.places
            && let Some(place) = &item.place
        {
            self.place(place, header.space, header.lane);
        }

        self.certificates.insert(header.signer, header.certificate);
        if !self.explicit {
            self.certificates.extend(brought);
        }
        self.index.insert(entry.id(), self.count);
        let remembered = ChainEntry {
            id: entry.id(),
            heads: header.heads.clone(),
        };
        self.chains.insert(chain, (header.sequence, remembered));
        self.last = Some(Last {
            space: header.space,
            lane: header.lane,
            signer,
            kinds: header.kinds.clone(),
            heads: header.heads.clone(),
        });
        self.count += 1;
    }

    fn references(
        &mut self,
        entry: &Entry,
        predecessor: Option<&ChainEntry>,
        certificate_code: u64,
        last: Option<&Last>,
    ) {
        let header = entry.header();
        if let Some(previous) = header.previous {
            let known = predecessor.is_some_and(|p| p.id == previous);
            self.number(u64::from(!known));
            if !known {
                self.hash(&previous.0);
            }
        }
        self.number(certificate_code);
        if certificate_code == certificate::EXPLICIT {
            self.hash(&header.certificate.0);
        }
        match &header.heads.account {
            None => self.number(reference::NULL),
            Some(id) => {
                let before = last.and_then(|l| l.heads.account);
                self.reference(header.space, id, before.as_ref());
            }
        }
        self.number(header.heads.membership.len() as u64);
        for (index, id) in header.heads.membership.iter().enumerate() {
            let before = last.and_then(|l| l.heads.membership.get(index).copied());
            self.reference(header.space, id, before.as_ref());
        }
    }

    fn kinds(&mut self, kinds: &[Kind]) {
        put_varint(&mut self.streams[KINDS], kinds.len() as u64);
        for kind in kinds {
            match kind {
                Kind::Change { doc_type, doc } => {
                    put_varint(&mut self.streams[KINDS], 0);
                    put_varint(&mut self.streams[KINDS], u64::from(*doc_type));
                    self.id(KINDS, &doc.0);
                }
                Kind::Manifest => put_varint(&mut self.streams[KINDS], 1),
                Kind::Handshake => put_varint(&mut self.streams[KINDS], 2),
                Kind::Event(event) => {
                    put_varint(&mut self.streams[KINDS], u64::from(*event) + 3);
                }
            }
        }
    }

    fn body(&mut self, entry: &Entry) {
        let body = entry.body();
        if let Salts::Master(salt) = &body.salts {
            self.raw.extend_from_slice(salt);
        }
        for (index, op) in body.ops.iter().enumerate() {
            match op {
                Op::Present(bytes) => {
                    if let Salts::Each(salts) = &body.salts {
                        self.streams[CONTROL].push(1);
                        self.raw
                            .extend_from_slice(&salts[index].unwrap_or_default());
                    }
                    put_varint(&mut self.streams[OPS], bytes.len() as u64);
                    self.streams[OPS].extend_from_slice(bytes);
                }
                Op::Erased(hash) => {
                    self.streams[CONTROL].push(0);
                    self.raw.extend_from_slice(&hash.0);
                }
            }
        }
    }

    fn place(&mut self, place: &Place, space: SpaceId, lane: Lane) {
        let elsewhere = place.space != space || place.lane != lane;
        let before = self
            .sequences
            .insert(place.space, place.sequence)
            .unwrap_or_default();
        let delta = zigzag(place.sequence.wrapping_sub(before) as i64);
        // One bit more than a signed integer has: a sequence stays below 2^62.
        put_varint(&mut self.streams[PLACES], delta << 1 | u64::from(elsewhere));
        if elsewhere {
            self.id(PLACES, &place.space.0);
            self.lane(PLACES, &place.lane);
        }
        let ms = place.received_ms.wrapping_sub(self.received_ms) as i64;
        put_signed(&mut self.streams[PLACES], ms);
        self.received_ms = place.received_ms;
    }

    /// The pack's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut columns = Vec::with_capacity(self.columns_len() + 16);
        put_varint(&mut columns, self.count);
        for stream in &self.streams {
            put_varint(&mut columns, stream.len() as u64);
            columns.extend_from_slice(stream);
        }
        let compressed = compress(&columns, self.effort.level(columns.len()));
        let mut flags = 0;
        if self.places {
            flags |= flag::PLACES;
        }
        if self.explicit {
            flags |= flag::EXPLICIT;
        }
        let (number, columns_out) = match &compressed {
            Some(compressed) if compressed.len() < columns.len() => (DICTIONARY, compressed),
            _ => {
                flags |= flag::STORED;
                (0, &columns)
            }
        };
        let mut out = vec![VERSION, flags];
        put_varint(&mut out, columns.len() as u64);
        put_varint(&mut out, self.raw.len() as u64);
        put_varint(&mut out, number);
        out.extend_from_slice(&self.raw);
        out.extend_from_slice(columns_out);
        out
    }
}

/// The columns compressed, or none if zstd fails for want of memory: then they
/// are stored as they are.
fn compress(columns: &[u8], level: i32) -> Option<Vec<u8>> {
    let dictionary = dictionary(DICTIONARY)?;
    let mut compressor = zstd::bulk::Compressor::with_dictionary(level, dictionary).ok()?;
    // The pack states the length; four bytes of frame header less.
    compressor.include_contentsize(false).ok()?;
    compressor.compress(columns).ok()
}
