//! Changes apart, by column: what is alike in many changes lies together and
//! compresses better.
use std::collections::BTreeMap;

use super::change::{self, Columns};
use super::columns::{LENGTHS, PIECES, SHAPES, STREAMS_APART, Stream, put_varint};
use crate::{DecodeError, limits};

/// How a change's columns are named: as those of the change before, or by count.
const AS_BEFORE: u64 = 0;

/// The changes written so far.
#[derive(Clone, Default)]
pub(super) struct Writer {
    shapes: Vec<u8>,
    /// By specification: lengths, bytes.
    columns: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
    before: Vec<u64>,
}

impl Writer {
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Length of the streams, about.
    pub fn len(&self) -> usize {
        let of = |(lengths, bytes): &(Vec<u8>, Vec<u8>)| lengths.len() + bytes.len();
        self.shapes.len() + self.columns.values().map(of).sum::<usize>()
    }

    pub fn push(&mut self, parts: &Columns<'_>) {
        let specs: Vec<u64> = parts.columns.iter().map(|(spec, _)| *spec).collect();
        if specs == self.before && !self.is_empty() {
            put_varint(&mut self.shapes, AS_BEFORE);
        } else {
            put_varint(&mut self.shapes, specs.len() as u64 + 1);
            for spec in &specs {
                put_varint(&mut self.shapes, *spec);
            }
            self.before = specs;
        }
        self.shapes.extend_from_slice(parts.head);
        for (spec, piece) in &parts.columns {
            let (lengths, bytes) = self.columns.entry(*spec).or_default();
            put_varint(lengths, piece.len() as u64);
            bytes.extend_from_slice(piece);
        }
    }

    /// The three streams.
    pub fn streams(&self) -> [Vec<u8>; 3] {
        let (mut lengths, mut pieces) = (Vec::new(), Vec::new());
        for (spec, (length, piece)) in &self.columns {
            for (out, bytes) in [(&mut lengths, length), (&mut pieces, piece)] {
                put_varint(out, *spec);
                put_varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
        }
        [self.shapes.clone(), lengths, pieces]
    }
}

/// The changes still to be read.
pub(super) struct Reader<'a> {
    shapes: Stream<'a>,
    lengths: BTreeMap<u64, Stream<'a>>,
    pieces: BTreeMap<u64, Stream<'a>>,
    before: Vec<u64>,
}

impl<'a> Reader<'a> {
    /// Of the streams of a pack; without these it has no such changes.
    pub fn new(streams: &[Stream<'a>]) -> Result<Self, DecodeError> {
        let stream = |index: usize| streams.get(index).copied().unwrap_or(Stream(&[]));
        debug_assert!(streams.len() <= STREAMS_APART);
        Ok(Self {
            shapes: stream(SHAPES),
            lengths: sections(stream(LENGTHS))?,
            pieces: sections(stream(PIECES))?,
            before: Vec::new(),
        })
    }

    /// The bytes of the next change after its actors.
    pub fn next(&mut self) -> Result<Vec<u8>, DecodeError> {
        let count = self
            .shapes
            .count(change::MAX_COLUMNS + 1, "columns of a change")?;
        if count as u64 != AS_BEFORE {
            self.before = (1..count)
                .map(|_| self.shapes.varint())
                .collect::<Result<_, _>>()?;
        }
        let head = change::head(&mut self.shapes)?;
        let mut columns = Vec::with_capacity(self.before.len());
        for spec in &self.before {
            let missing = DecodeError::Unexpected("column of a change");
            let lengths = self.lengths.get_mut(spec).ok_or(missing)?;
            let len = lengths.count(limits::MAX_SINGLE_OP_BODY, "column of a change")?;
            let pieces = self.pieces.get_mut(spec).ok_or(missing)?;
            columns.push((*spec, pieces.take(len)?));
        }
        Ok(change::join_columns(&Columns { head, columns }))
    }

    pub fn is_empty(&self) -> bool {
        let mut sections = self.lengths.values().chain(self.pieces.values());
        self.shapes.is_empty() && sections.all(Stream::is_empty)
    }
}

/// The sections of a stream, by specification, rising.
fn sections<'a>(mut stream: Stream<'a>) -> Result<BTreeMap<u64, Stream<'a>>, DecodeError> {
    let mut sections = BTreeMap::new();
    while !stream.is_empty() {
        let spec = stream.varint()?;
        let len = stream.count(limits::MAX_PACK_COLUMNS, "column of a pack")?;
        if sections
            .last_key_value()
            .is_some_and(|(before, _)| *before >= spec)
        {
            return Err(DecodeError::NotCanonical);
        }
        sections.insert(spec, Stream(stream.take(len)?));
    }
    Ok(sections)
}
