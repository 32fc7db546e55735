//! Files: manifests, chunks, what is held of them
//! (docs/protocol/09-blobs.md).
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{BlobId, DecodeError, Hash, labels, limits};

use crate::database::{Durability, int, uint};
use crate::entries::EntryRow;
use crate::{Store, StoreError};

/// What a file is, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Hash over the chunk hashes.
    pub blob: BlobId,
    /// Bytes.
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
    #[must_use]
    pub fn of(bytes: &[u8], media: &str, name: Option<&str>) -> Self {
        let chunks: Vec<Hash> = bytes.chunks(limits::CHUNK).map(chunk_hash).collect();
        Self {
            blob: blob_id(&chunks),
            size: bytes.len() as u64,
            media: media.to_owned(),
            name: name.map(str::to_owned),
            chunks,
        }
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
    /// Any other bytes, an id or a number of chunks that does not fit, a limit.
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
        let len = r.array()?;
        if media.len() > 127
            || name.as_ref().is_some_and(|name| name.len() > 255)
            || len > limits::MAX_CHUNKS
        {
            return Err(DecodeError::TooLarge("manifest"));
        }
        let chunks: Vec<Hash> = (0..len)
            .map(|_| r.fixed().map(Hash))
            .collect::<Result<_, _>>()?;
        r.finish()?;
        if size.div_ceil(limits::CHUNK as u64) != len as u64 {
            return Err(DecodeError::Unexpected("size of a blob"));
        }
        if blob_id(&chunks) != blob {
            return Err(DecodeError::HashMismatch("blob"));
        }
        Ok(Self {
            blob,
            size,
            media,
            name,
            chunks,
        })
    }
}

fn chunk_hash(chunk: &[u8]) -> Hash {
    Hash(Sha256::digest(chunk).into())
}

fn blob_id(chunks: &[Hash]) -> BlobId {
    let mut hasher = Sha256::new();
    hasher.update(labels::BLOB.as_bytes());
    for chunk in chunks {
        hasher.update(chunk.0);
    }
    BlobId(hasher.finalize().into())
}

/// How much of a file is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobState {
    /// Bytes in all.
    pub size: u64,
    /// Media type.
    pub media: String,
    /// File name.
    pub name: Option<String>,
    /// Chunks that are not held.
    pub missing: Vec<Hash>,
    /// Chunks in all.
    pub chunks: u64,
}

pub(crate) fn save_manifest(
    conn: &Connection,
    manifest: &Manifest,
    own: bool,
) -> Result<(), StoreError> {
    let inserted = conn
        .prepare_cached(
            "INSERT OR IGNORE INTO blobs (blob, size, media, name, own)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            &manifest.blob.0,
            int(manifest.size),
            manifest.media,
            manifest.name,
            own
        ])?;
    if inserted > 0 {
        let mut insert = conn
            .prepare_cached("INSERT INTO blob_chunks (blob, place, chunk) VALUES (?1, ?2, ?3)")?;
        for (place, chunk) in manifest.chunks.iter().enumerate() {
            insert.execute(params![&manifest.blob.0, place as i64, &chunk.0])?;
        }
    }
    Ok(())
}

pub(crate) fn note_use(
    conn: &Connection,
    blob: &BlobId,
    entry: EntryRow,
) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO blob_uses (blob, entry) VALUES (?1, ?2)")?
        .execute(params![&blob.0, entry])?;
    Ok(())
}

/// A mention was erased. With the last one the file goes, also one that was
/// written here and that the relay lacks.
pub(crate) fn drop_use(
    conn: &Connection,
    blob: &BlobId,
    entry: EntryRow,
) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM blob_uses WHERE blob = ?1 AND entry = ?2")?
        .execute(params![&blob.0, entry])?;
    conn.prepare_cached(
        "UPDATE blobs SET own = 0 WHERE blob = ?1
         AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob = ?1)",
    )?
    .execute([&blob.0])?;
    Ok(())
}

pub(crate) fn drop_uses(conn: &Connection, entry: EntryRow) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM blob_uses WHERE entry = ?1")?
        .execute([entry])?;
    Ok(())
}

/// Drops blobs that nothing mentions, and chunks of no blob. What is written
/// here and waits for its entry stays.
pub(crate) fn drop_unused(conn: &Connection) -> Result<(), StoreError> {
    conn.execute(
        "DELETE FROM blobs WHERE own = 0 AND blob NOT IN (SELECT blob FROM blob_uses)",
        [],
    )?;
    conn.execute(
        "DELETE FROM chunks WHERE chunk NOT IN (SELECT chunk FROM blob_chunks)",
        [],
    )?;
    Ok(())
}

/// Frees chunks that can be fetched again, the longest unused first, until
/// `bytes` are freed. Never a chunk of an own blob that the relay may lack.
pub(crate) fn evict(conn: &Connection, bytes: u64) -> Result<u64, StoreError> {
    let victims = conn
        .prepare(
            "SELECT chunk, length(bytes) FROM chunks WHERE chunk NOT IN
             (SELECT c.chunk FROM blob_chunks c JOIN blobs b USING (blob) WHERE b.own = 1)
             ORDER BY used_ms",
        )?
        .query_map([], |row| Ok((row.get(0)?, uint(row.get(1)?))))?
        .collect::<Result<Vec<([u8; 32], u64)>, _>>()?;
    let mut freed = 0;
    for (chunk, length) in victims {
        if freed >= bytes {
            break;
        }
        conn.prepare_cached("DELETE FROM chunks WHERE chunk = ?1")?
            .execute([chunk])?;
        freed += length;
    }
    Ok(freed)
}

impl Store {
    /// Keeps a file written here. Its manifest is queued by the caller as an
    /// operation; until [`Store::release_blob`] nothing of it is evicted.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::NoSpace`].
    pub fn save_blob(
        &mut self,
        bytes: &[u8],
        media: &str,
        name: Option<&str>,
        now_ms: u64,
    ) -> Result<Manifest, StoreError> {
        if bytes.len() > limits::MAX_CHUNKS * limits::CHUNK {
            return Err(StoreError::TooLarge("file"));
        }
        let manifest = Manifest::of(bytes, media, name);
        self.write(Durability::Sealed, |conn| {
            save_manifest(conn, &manifest, true)?;
            conn.prepare_cached("UPDATE blobs SET own = 1 WHERE blob = ?1")?
                .execute([&manifest.blob.0])?;
            for (hash, chunk) in manifest.chunks.iter().zip(bytes.chunks(limits::CHUNK)) {
                save_chunk(conn, hash, chunk, now_ms)?;
            }
            Ok(())
        })?;
        Ok(manifest)
    }

    /// The relay holds the whole file: it may be evicted from now on.
    ///
    /// # Errors
    /// A database error.
    pub fn release_blob(&mut self, blob: BlobId) -> Result<(), StoreError> {
        self.write(Durability::Draft, |conn| {
            conn.prepare_cached("UPDATE blobs SET own = 0 WHERE blob = ?1")?
                .execute([&blob.0])?;
            Ok(())
        })
    }

    /// Keeps a chunk that came down.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] if no manifest mentions it or its hash is
    /// another, [`StoreError::NoSpace`].
    pub fn save_chunk(&mut self, hash: Hash, bytes: &[u8], now_ms: u64) -> Result<(), StoreError> {
        if chunk_hash(bytes) != hash {
            return Err(StoreError::NotAllowed("hash of a chunk"));
        }
        self.write(Durability::Draft, |conn| {
            let wanted: bool = conn
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM blob_chunks WHERE chunk = ?1)")?
                .query_row([&hash.0], |row| row.get(0))?;
            if !wanted {
                return Err(StoreError::NotAllowed("chunk of no file"));
            }
            save_chunk(conn, &hash, bytes, now_ms)
        })
    }

    /// What is known and held of a file.
    ///
    /// # Errors
    /// A database error.
    pub fn blob(&self, blob: BlobId) -> Result<Option<BlobState>, StoreError> {
        let found = self
            .conn
            .prepare_cached("SELECT size, media, name FROM blobs WHERE blob = ?1")?
            .query_row([&blob.0], |row| {
                Ok((uint(row.get(0)?), row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((size, media, name)) = found else {
            return Ok(None);
        };
        let missing = self
            .conn
            .prepare_cached(
                "SELECT chunk FROM blob_chunks WHERE blob = ?1
                 AND chunk NOT IN (SELECT chunk FROM chunks) ORDER BY place",
            )?
            .query_map([&blob.0], |row| Ok(Hash(row.get(0)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(BlobState {
            size,
            media,
            name,
            missing,
            chunks: size.div_ceil(limits::CHUNK as u64),
        }))
    }

    /// One chunk, for sending or showing.
    ///
    /// # Errors
    /// A database error.
    pub fn chunk(&self, hash: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT bytes FROM chunks WHERE chunk = ?1")?
            .query_row([&hash.0], |row| row.get(0))
            .optional()?)
    }

    /// A whole file, or none while chunks are missing.
    ///
    /// # Errors
    /// A database error.
    pub fn blob_bytes(&self, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(state) = self.blob(blob)? else {
            return Ok(None);
        };
        if !state.missing.is_empty() {
            return Ok(None);
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT chunks.bytes FROM blob_chunks JOIN chunks USING (chunk)
             WHERE blob = ?1 ORDER BY place",
        )?;
        let rows = statement.query_map([&blob.0], |row| row.get::<_, Vec<u8>>(0))?;
        let mut bytes = Vec::new();
        for row in rows {
            bytes.extend_from_slice(&row?);
        }
        Ok(Some(bytes))
    }
}

fn save_chunk(conn: &Connection, hash: &Hash, bytes: &[u8], now_ms: u64) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO chunks (chunk, bytes, used_ms) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![&hash.0, bytes, int(now_ms)])?;
    Ok(())
}
