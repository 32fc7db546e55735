//! What a pack is made of, for accounts of bytes. Nothing is restored or verified.
use super::columns::{OPS, STREAMS, Stream};
use super::flag;
use super::read::open;
use crate::DecodeError;

/// A pack taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Entries.
    pub entries: usize,
    /// What does not compress: new ids and hashes, signatures, salts.
    pub raw: Vec<u8>,
    /// Bytes of the compressed columns.
    pub compressed: usize,
    /// The streams before compression: control, numbers, kinds, operations, places; and
    /// shapes, lengths and pieces of changes that lie apart.
    pub streams: Vec<Vec<u8>>,
}

impl Anatomy {
    /// The bytes of operations.
    #[must_use]
    pub fn operations(&self) -> Vec<u8> {
        let apart = self.streams.iter().skip(STREAMS);
        let streams: Vec<&[u8]> = [&self.streams[OPS]]
            .into_iter()
            .chain(apart)
            .map(Vec::as_slice)
            .collect();
        streams.concat()
    }
}

/// Whether a pack is for those alone who read short names.
#[must_use]
pub fn has_short_names(pack: &[u8]) -> bool {
    pack.get(1)
        .is_some_and(|flags| flags & flag::SHORT_NAMES != 0)
}

/// Takes a pack apart.
///
/// # Errors
/// Bytes that are not a pack, or a limit exceeded.
pub fn inspect(bytes: &[u8]) -> Result<Anatomy, DecodeError> {
    let opened = open(bytes)?;
    let mut columns = Stream(&opened.columns);
    let (entries, streams) = super::read::streams(&mut columns, opened.flags)?;
    Ok(Anatomy {
        entries,
        raw: opened.raw.to_vec(),
        compressed: opened.compressed,
        streams: streams.iter().map(|stream| stream.0.to_vec()).collect(),
    })
}
