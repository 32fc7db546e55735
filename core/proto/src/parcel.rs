//! The file around a parcel, and what a parcel contains
//! (docs/protocol/08-parcels.md). Sealing is the identity crate's.
use crate::{DecodeError, Signature, limits};

/// What every `.stunity` file begins with; the last byte is the version.
pub const MAGIC: [u8; 8] = *b"STUNITY\x01";
/// Longest receipt, or chain of a node's certificates, bytes.
const MAX_STATEMENT: usize = 8 * 1024;
/// Kind and length of a part.
const HEAD: usize = 5;

/// The parcel in a file.
///
/// # Errors
/// A file that is none of ours, or of a version that this build does not know.
pub fn open_file(file: &[u8]) -> Result<&[u8], DecodeError> {
    let (magic, parcel) = file
        .split_first_chunk::<{ MAGIC.len() }>()
        .ok_or(DecodeError::Truncated)?;
    if magic[..7] != MAGIC[..7] {
        return Err(DecodeError::Unexpected("beginning of a file"));
    }
    if magic[7] != MAGIC[7] {
        return Err(DecodeError::Unknown("version of a file"));
    }
    Ok(parcel)
}

/// A part of a parcel's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A pack of entries in explicit form.
    Pack(Vec<u8>),
    /// A chunk of a blob, named by its hash.
    Chunk(Vec<u8>),
    /// A receipt as kept and passed on.
    Receipt(Vec<u8>),
    /// A tombstone with its signature.
    Tombstone(Vec<u8>),
    /// The certificates of a node that signed receipts or tombstones.
    Node(Vec<u8>),
    /// A kind that this build does not know.
    Unknown(u8),
}

impl Part {
    fn most(kind: u8) -> usize {
        match kind {
            1 => limits::MAX_PACK,
            2 => limits::CHUNK,
            3 | 5 => MAX_STATEMENT,
            4 => limits::MAX_TOMBSTONE,
            // Room for what is to come.
            _ => limits::MAX_PACK,
        }
    }

    /// Appends the part to a content. Of an unknown kind an empty one is
    /// written.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Pack(bytes) => (1, bytes),
            Self::Chunk(bytes) => (2, bytes),
            Self::Receipt(bytes) => (3, bytes),
            Self::Tombstone(bytes) => (4, bytes),
            Self::Node(bytes) => (5, bytes),
            Self::Unknown(kind) => (*kind, &[]),
        };
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(bytes);
    }

    /// A tombstone's bytes and signature.
    ///
    /// # Errors
    /// Fewer bytes than a signature has.
    pub fn split_tombstone(bytes: &[u8]) -> Result<(&[u8], Signature), DecodeError> {
        let (tombstone, signature) = bytes
            .split_last_chunk::<{ Signature::LEN }>()
            .ok_or(DecodeError::Truncated)?;
        Ok((tombstone, Signature(*signature)))
    }
}

/// Reads the parts of a content that arrives piece by piece. Holds one part at
/// a time.
#[derive(Debug, Default)]
pub struct Parts {
    buffer: Vec<u8>,
    read: usize,
}

impl Parts {
    /// At the start of a content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the content.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next part; none until more bytes are pushed. To be called until
    /// then after each push.
    ///
    /// # Errors
    /// A part over its limit: the content cannot be read on.
    pub fn next_part(&mut self) -> Result<Option<Part>, DecodeError> {
        let Some((head, rest)) = self.buffer[self.read..].split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, len @ ..] = *head;
        let len = u32::from_be_bytes(len) as usize;
        if len > Part::most(kind) {
            return Err(DecodeError::TooLarge("part of a parcel"));
        }
        let Some(bytes) = rest.get(..len) else {
            return Ok(None);
        };
        let bytes = bytes.to_vec();
        self.read += HEAD + len;
        Ok(Some(match kind {
            1 => Part::Pack(bytes),
            2 => Part::Chunk(bytes),
            3 => Part::Receipt(bytes),
            4 => Part::Tombstone(bytes),
            5 => Part::Node(bytes),
            other => Part::Unknown(other),
        }))
    }

    /// Ends the content.
    ///
    /// # Errors
    /// A part is cut short.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.read == self.buffer.len() {
            Ok(())
        } else {
            Err(DecodeError::Truncated)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_whole_however_the_content_is_cut() {
        let parts = [
            Part::Pack(vec![1; 3000]),
            Part::Node(vec![2; 10]),
            Part::Unknown(77),
            Part::Receipt(Vec::new()),
            Part::Tombstone(vec![4; 70]),
            Part::Chunk(vec![5; limits::CHUNK]),
        ];
        let mut content = Vec::new();
        parts.iter().for_each(|part| part.encode(&mut content));
        for step in [1, 7, 4096, content.len()] {
            let mut reader = Parts::new();
            let mut read = Vec::new();
            for piece in content.chunks(step) {
                reader.push(piece);
                while let Some(part) = reader.next_part().unwrap() {
                    read.push(part);
                }
            }
            assert_eq!(read, parts);
            assert_eq!(reader.finish(), Ok(()));
        }
        let mut reader = Parts::new();
        reader.push(&content[..content.len() - 1]);
        while reader.next_part().unwrap().is_some() {}
        assert_eq!(reader.finish(), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_length_over_its_limit_is_refused_before_its_bytes_come() {
        let mut reader = Parts::new();
        reader.push(&[2, 0, 1, 0, 1]);
        assert!(reader.next_part().is_err());
    }

    #[test]
    fn a_file_of_a_later_version_is_named_so() {
        let mut file = MAGIC.to_vec();
        file.push(9);
        assert_eq!(open_file(&file), Ok(&[9][..]));
        file[7] = 2;
        assert_eq!(
            open_file(&file),
            Err(DecodeError::Unknown("version of a file"))
        );
        assert!(open_file(b"STUNI").is_err());
        assert!(open_file(b"PK\x03\x04....").is_err());
    }
}
