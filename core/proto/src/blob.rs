//! Blobs: files by the hash of their list of chunks
//! (docs/protocol/09-blobs.md).
use crate::cbor::{Reader, Writer};
use crate::ids::hash_labelled;
use crate::receipt::sha256;
use crate::{BlobId, DecodeError, Hash, labels, limits};

/// Longest media type, bytes.
const MAX_MEDIA: usize = 127;
/// Longest file name, bytes.
const MAX_NAME: usize = 255;

/// The hash of a chunk.
#[must_use]
pub fn chunk_hash(chunk: &[u8]) -> Hash {
    sha256(chunk)
}

/// The id of a blob with these chunks.
#[must_use]
pub fn blob_id(chunks: &[Hash]) -> BlobId {
    let hashes: Vec<u8> = chunks.iter().flat_map(|hash| hash.0).collect();
    BlobId(hash_labelled(labels::BLOB, &[&hashes]).0)
}

/// What a blob is, without its bytes: the operation by which a lane's readers
/// may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The id: the hash over the chunk hashes.
    pub blob: BlobId,
    /// Length, bytes.
    pub size: u64,
    /// Media type, at most 127 bytes.
    pub media: String,
    /// File name, at most 255 bytes.
    pub name: Option<String>,
    /// Hash of each chunk of [`limits::CHUNK`] bytes; the last may be shorter.
    pub chunks: Vec<Hash>,
}

impl Manifest {
    /// The manifest of some bytes.
    ///
    /// # Errors
    /// A media type or name over its limit, or more than
    /// [`limits::MAX_CHUNKS`] chunks.
    pub fn of(bytes: &[u8], media: &str, name: Option<&str>) -> Result<Self, DecodeError> {
        let chunks: Vec<Hash> = bytes.chunks(limits::CHUNK).map(chunk_hash).collect();
        let manifest = Self {
            blob: blob_id(&chunks),
            size: bytes.len() as u64,
            media: media.to_owned(),
            name: name.map(str::to_owned),
            chunks,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Length of chunk `index` in bytes; none out of range.
    #[must_use]
    pub fn chunk_len(&self, index: usize) -> Option<usize> {
        if index >= self.chunks.len() {
            return None;
        }
        let before = index as u64 * limits::CHUNK as u64;
        let rest = self.size.saturating_sub(before);
        Some(rest.min(limits::CHUNK as u64) as usize)
    }

    /// Whether these bytes are chunk `index`.
    #[must_use]
    pub fn is_chunk(&self, index: usize, bytes: &[u8]) -> bool {
        self.chunk_len(index) == Some(bytes.len()) && self.chunks[index] == chunk_hash(bytes)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let name = self.name.as_ref().map_or(0, String::len);
        if self.media.len() > MAX_MEDIA || name > MAX_NAME || self.chunks.len() > limits::MAX_CHUNKS
        {
            return Err(DecodeError::TooLarge("manifest"));
        }
        if self.size.div_ceil(limits::CHUNK as u64) != self.chunks.len() as u64 {
            return Err(DecodeError::Unexpected("size of a blob"));
        }
        if blob_id(&self.chunks) != self.blob {
            return Err(DecodeError::HashMismatch("blob"));
        }
        Ok(())
    }

    /// The operation's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6)
            .uint(1)
            .bytes(&self.blob.0)
            .uint(self.size)
            .text(&self.media)
            .option(self.name.as_deref(), |w, name| {
                w.text(name);
            })
            .array(self.chunks.len());
        for chunk in &self.chunks {
            w.bytes(&chunk.0);
        }
        w.into_bytes()
    }

    /// Reads [`Manifest::encode`].
    ///
    /// # Errors
    /// Any other bytes, a limit exceeded, or an id or number of chunks that
    /// does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        r.array_of(6)?;
        if r.uint()? != 1 {
            return Err(DecodeError::Unknown("manifest"));
        }
        let blob = BlobId(r.fixed()?);
        let size = r.uint()?;
        let media = r.text()?.to_owned();
        let name = r.option(|r| r.text().map(str::to_owned))?;
        let count = r.array()?;
        if count > limits::MAX_CHUNKS {
            return Err(DecodeError::TooLarge("manifest"));
        }
        let chunks = (0..count)
            .map(|_| r.fixed().map(Hash))
            .collect::<Result<_, _>>()?;
        r.finish()?;
        let manifest = Self {
            blob,
            size,
            media,
            name,
            chunks,
        };
        manifest.check()?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_knows_its_chunks() {
        let bytes = vec![7; limits::CHUNK + 5];
        let manifest = Manifest::of(&bytes, "image/png", Some("a.png")).unwrap();
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!(manifest.chunk_len(0), Some(limits::CHUNK));
        assert_eq!(manifest.chunk_len(1), Some(5));
        assert_eq!(manifest.chunk_len(2), None);
        assert!(manifest.is_chunk(1, &[7; 5]));
        assert!(!manifest.is_chunk(1, &[7; 6]) && !manifest.is_chunk(2, &[]));
    }

    #[test]
    fn a_manifest_that_does_not_fit_is_refused() {
        let manifest = Manifest::of(&[1; 9], "text/plain", None).unwrap();
        let mut other = manifest.clone();
        other.size = limits::CHUNK as u64 + 1;
        assert!(Manifest::decode(&other.encode()).is_err());
        other = manifest.clone();
        other.chunks[0] = Hash([0; 32]);
        assert!(Manifest::decode(&other.encode()).is_err());
        other = manifest;
        other.media = "x".repeat(128);
        assert!(Manifest::decode(&other.encode()).is_err());
        assert!(Manifest::of(&[], "x", Some(&"n".repeat(256))).is_err());
        let empty = Manifest::of(&[], "", None).unwrap();
        assert_eq!(Manifest::decode(&empty.encode()), Ok(empty));
    }
}
