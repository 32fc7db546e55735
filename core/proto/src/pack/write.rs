//! Writing packs.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::apart;
use super::columns::{CONTROL, NUMBERS, PLACES, STREAMS, put_signed, put_varint, zigzag};
use super::covered::Covered;
use super::strings::{Recent, Strings};
use super::write_names::{BASES, HELD, Told};
use super::{
    ChainEntry, ChainKey, DICTIONARY, IdRole, Item, PackContext, Place, VERSION, ZSTD_MAGIC,
    certificate, control, dictionary, flag, reference, signer,
};
use crate::{
    AccountId, Entry, EntryId, Hash, Heads, Kind, Lane, Salts, Signature, Signer, SpaceId,
};

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
#[derive(Clone)]
pub struct PackWriter<'a> {
    pub(super) context: &'a dyn PackContext,
    pub(super) explicit: bool,
    pub(super) places: bool,
    /// Names are short, as a receiver takes them that says so.
    pub(super) short: bool,
    effort: Effort,
    pub(super) raw: Vec<u8>,
    /// The signatures, if they come last and covered ones are left out.
    covered: Option<(Covered, Vec<Signature>)>,
    pub(super) streams: [Vec<u8>; STREAMS],
    pub(super) apart: apart::Writer,
    pub(super) ids: BTreeMap<[u8; 16], u64>,
    pub(super) recent: Recent,
    /// What the entries of this pack tell, if names are short.
    pub(super) strings: Vec<Arc<Strings>>,
    pub(super) hashes: BTreeMap<[u8; 32], u64>,
    pub(super) chains: BTreeMap<ChainKey, (u64, AccountId, ChainEntry)>,
    pub(super) bases: [u64; BASES],
    certificates: BTreeMap<Signer, Hash>,
    pub(super) index: BTreeMap<EntryId, u64>,
    /// Where the entries of this pack are numbered, each at its first place.
    pub(super) placed: BTreeMap<EntryId, (SpaceId, u64)>,
    last: Option<Last>,
    sequences: BTreeMap<SpaceId, u64>,
    received_ms: u64,
    pub(super) count: u64,
    ops: usize,
    restored: usize,
}

/// The entry before, as far as the next one may be like it.
#[derive(Clone)]
struct Last {
    space: SpaceId,
    lane: Lane,
    signer: (AccountId, Signer),
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
            short: !explicit && context.reads_short_names(),
            effort,
            raw: if explicit {
                context.school().0.to_vec()
            } else {
                Vec::new()
            },
            covered: None,
            streams: Default::default(),
            apart: apart::Writer::default(),
            ids: BTreeMap::new(),
            recent: Recent::default(),
            strings: Vec::new(),
            hashes: BTreeMap::new(),
            chains: BTreeMap::new(),
            bases: [0; BASES],
            certificates: BTreeMap::new(),
            index: BTreeMap::new(),
            placed: BTreeMap::new(),
            last: None,
            sequences: BTreeMap::new(),
            received_ms: 0,
            count: 0,
            ops: 0,
            restored: 0,
        }
    }

    /// Leaves out the signatures of entries that others of the pack cover; for receivers
    /// who take entries without.
    #[must_use]
    pub fn leave_out_covered(mut self) -> Self {
        self.covered = Some(Default::default());
        self
    }

    /// Entries in the pack.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// About how long the pack will be: columns are taken to compress to half.
    #[must_use]
    pub fn estimate(&self) -> usize {
        self.raw_len() + self.columns_len() / 2
    }

    /// Length of what does not compress, bytes.
    #[must_use]
    pub fn raw_len(&self) -> usize {
        self.raw.len() + self.signatures().count() * Signature::LEN
    }

    /// The signatures that come last.
    fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.covered.iter().flat_map(|(covered, all)| {
            let all = all.iter().zip(covered.left_out());
            all.filter_map(|(signature, left_out)| (!left_out).then_some(signature))
        })
    }

    /// Length of the columns before compression, bytes.
    #[must_use]
    pub fn columns_len(&self) -> usize {
        self.streams.iter().map(Vec::len).sum::<usize>() + self.apart.len()
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
            Some((sequence, _, entry)) if *sequence == wanted => Some(entry.clone()),
            _ if self.explicit || wanted == 0 => None,
            _ => self.context.chain_entry(chain, wanted),
        }
    }

    /// Appends an entry. Entries of one chain are small if they come in order.
    pub fn push(&mut self, item: &Item) {
        let strings = match self.short {
            true => Some(Arc::new(Strings::of(&item.entry))),
            false => None,
        };
        match self.held(item) {
            Some((place, at)) => self.push_held(&item.entry, &place, at, strings.as_deref()),
            None => self.push_whole(item, strings.as_deref()),
        }
        self.strings.extend(strings);
        self.index.insert(item.entry.id(), self.count);
        if let Some(place) = &item.place {
            let at = (place.space, place.sequence);
            self.placed.entry(item.entry.id()).or_insert(at);
        }
        self.count += 1;
        self.ops += item.entry.header().kinds.len();
        self.restored += item.entry.len();
    }

    /// An entry that the receiver finds by a number; here only its place is new.
    fn push_held(
        &mut self,
        entry: &Entry,
        place: &Place,
        (space, sequence): (SpaceId, u64),
        strings: Option<&Strings>,
    ) {
        self.streams[CONTROL].push(control::HELD);
        self.id(NUMBERS, IdRole::Space, &space.0);
        let delta = self.relative(HELD, sequence);
        self.number(delta);
        let header = entry.header();
        self.place(place, (header.space, header.lane), strings);
    }

    fn push_whole(&mut self, item: &Item, strings: Option<&Strings>) {
        let entry = &item.entry;
        let header = entry.header();
        let chain = ChainKey::of(entry);
        let predecessor = self.predecessor(&chain, header.sequence);
        let brought = self.context.certificates_in(&header.kinds, entry.body());
        let certificate_known = self.known_certificate(header.signer) == Some(header.certificate);
        let own = brought.iter().find(|(whose, _)| *whose == header.signer);
        let certificate_code = if certificate_known {
            certificate::KNOWN
        } else if !self.explicit && own.is_some_and(|(_, hash)| *hash == header.certificate) {
            certificate::IN_BODY
        } else {
            certificate::EXPLICIT
        };
        let computed = certificate_known
            && predecessor
                .as_ref()
                .is_some_and(|p| Some(p.id) == header.previous && p.heads == header.heads);
        let sequence_before = self.chains.get(&chain).map(|(sequence, _, _)| *sequence);

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
        let is_lane = like.is_some_and(|l| l.lane == header.lane);
        let signer = (header.author, header.signer);
        let is_signer = like.is_some_and(|l| l.signer == signer);
        let continued = if same_space && is_lane && is_signer {
            None
        } else {
            self.continued(entry, predecessor.as_ref())
        };
        same(control::CONTINUES, continued.is_some());
        let same_lane = same(control::SAME_LANE, is_lane && continued.is_none());
        let same_signer = same(control::SAME_SIGNER, is_signer && continued.is_none());
        let same_kinds = same(
            control::SAME_KINDS,
            like.is_some_and(|l| l.kinds == header.kinds),
        );
        same(control::COMPUTED, computed);
        same(control::SEALED, header.seal.is_some());
        let erased = matches!(entry.body().salts, Salts::Each(_));
        same(control::ERASED, erased);
        self.streams[CONTROL].push(bits);

        if let Some(number) = continued {
            self.number(number);
        }
        if !same_space && continued.is_none_or(|number| number & 1 == 1) {
            self.id(NUMBERS, IdRole::Space, &header.space.0);
        }
        if continued.is_none() {
            if !same_lane {
                let told = self.told_before(entry);
                self.lane(NUMBERS, &header.lane, told);
            }
            if !same_signer {
                self.id(NUMBERS, IdRole::Author, &header.author.0);
                let first = brought.first().map(|(signer, _)| *signer);
                if certificate_code == certificate::IN_BODY
                    && first == Some(header.signer)
                    && sequence_before.is_none()
                    && header.previous.is_none()
                {
                    self.number(signer::IN_BODY);
                } else {
                    self.number(u64::from(header.signer.kind()));
                    self.id(NUMBERS, IdRole::Signer, &header.signer.id());
                }
            }
            self.number(u64::from(header.incarnation));
            self.number(match sequence_before {
                Some(before) => header.sequence.wrapping_sub(before),
                None => header.sequence,
            });
        }
        if !computed {
            let previous = if continued.is_some() {
                None
            } else {
                header.previous
            };
            self.references(
                entry,
                previous,
                predecessor.as_ref(),
                certificate_code,
                like,
            );
        }
        if let Some(seal) = header.seal {
            self.number(u64::from(seal.suite));
            self.id(NUMBERS, IdRole::Key, &seal.key.0);
        }
        if !same_kinds {
            self.kinds(&header.kinds);
        }
        match &mut self.covered {
            Some((covered, signatures)) => {
                covered.note(entry);
                signatures.push(entry.signature);
            }
            None => self.raw.extend_from_slice(&entry.signature.0),
        }
        self.body(entry);
        if self.places
            && let Some(place) = &item.place
        {
            self.place(place, (header.space, header.lane), strings);
        }

        self.certificates.insert(header.signer, header.certificate);
        if !self.explicit {
            for (whose, hash) in brought {
                self.certificates.insert(whose, hash);
                self.bring_id(whose.id());
            }
        }
        let remembered = ChainEntry {
            id: entry.id(),
            heads: header.heads.clone(),
        };
        self.chains
            .insert(chain, (header.sequence, header.author, remembered));
        self.last = Some(Last {
            space: header.space,
            lane: header.lane,
            signer,
            kinds: header.kinds.clone(),
            heads: header.heads.clone(),
        });
    }

    fn references(
        &mut self,
        entry: &Entry,
        previous: Option<EntryId>,
        predecessor: Option<&ChainEntry>,
        certificate_code: u64,
        last: Option<&Last>,
    ) {
        let header = entry.header();
        if let Some(previous) = previous {
            let known = predecessor.is_some_and(|p| p.id == previous);
            self.number(u64::from(!known));
            if !known {
                self.hash(None, &previous.0);
            }
        }
        self.number(certificate_code);
        if certificate_code == certificate::EXPLICIT {
            self.hash(None, &header.certificate.0);
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

    fn place(&mut self, place: &Place, (space, lane): (SpaceId, Lane), strings: Option<&Strings>) {
        let elsewhere = place.space != space || place.lane != lane;
        let before = self
            .sequences
            .insert(place.space, place.sequence)
            .unwrap_or_default();
        let delta = zigzag(place.sequence.wrapping_sub(before) as i64);
        // One bit more than a signed integer has: a sequence stays below 2^62.
        put_varint(&mut self.streams[PLACES], delta << 1 | u64::from(elsewhere));
        if elsewhere {
            self.id(PLACES, IdRole::Space, &place.space.0);
            let told = place.lane.id().and_then(|id| strings?.number(&id));
            self.lane(PLACES, &place.lane, told.map(Told::Near));
        }
        let ms = place.received_ms.wrapping_sub(self.received_ms) as i64;
        put_signed(&mut self.streams[PLACES], ms);
        self.received_ms = place.received_ms;
    }

    /// Operations in the pack.
    #[must_use]
    pub fn ops(&self) -> usize {
        self.ops
    }

    /// Length of the entries restored, bytes.
    #[must_use]
    pub fn restored_len(&self) -> usize {
        self.restored
    }

    /// The pack's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.encode()
    }

    /// The bytes of the pack as it is now.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut raw = self.raw.clone();
        for signature in self.signatures() {
            raw.extend_from_slice(&signature.0);
        }
        let mut columns = Vec::with_capacity(self.columns_len() + 16);
        put_varint(&mut columns, self.count);
        let apart = (!self.apart.is_empty()).then(|| self.apart.streams());
        for stream in self.streams.iter().chain(apart.iter().flatten()) {
            put_varint(&mut columns, stream.len() as u64);
            columns.extend_from_slice(stream);
        }
        let compressed = compress(&columns, &raw, self.effort.level(columns.len()))
            .filter(|_| !crate::sabotage::skips_compression());
        let mut flags = 0;
        if self.places {
            flags |= flag::PLACES;
        }
        if self.explicit {
            flags |= flag::EXPLICIT;
        }
        if apart.is_some() {
            flags |= flag::APART;
        }
        if self.covered.is_some() {
            flags |= flag::COVERED;
        }
        if self.short {
            flags |= flag::SHORT_NAMES;
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
        put_varint(&mut out, raw.len() as u64);
        put_varint(&mut out, number);
        out.extend_from_slice(&raw);
        out.extend_from_slice(columns_out);
        out
    }
}

/// The columns compressed, or none if zstd fails for want of memory: then they
/// are stored as they are. What is raw helps: operations repeat its ids.
fn compress(columns: &[u8], raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let dictionary = [dictionary(DICTIONARY)?, raw].concat();
    let mut compressor = zstd::bulk::Compressor::with_dictionary(level, &dictionary).ok()?;
    // The pack states the length; four bytes of frame header less.
    compressor.include_contentsize(false).ok()?;
    let mut frame = compressor.compress(columns).ok()?;
    if !frame.starts_with(&ZSTD_MAGIC) {
        return None;
    }
    Some(frame.split_off(ZSTD_MAGIC.len()))
}
