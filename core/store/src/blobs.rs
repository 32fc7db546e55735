//! Files: manifests, chunks, what is held of them
//! (docs/protocol/09-blobs.md).
use std::io::Read;

use rusqlite::{Connection, OptionalExtension, params};
use stunity_proto::blob::{Manifest, blob_id, chunk_hash};
use stunity_proto::{BlobId, EntryId, Hash, Lane, SpaceId, limits};

use crate::database::{Durability, int, uint};
use crate::entries::EntryRow;
use crate::{Store, StoreError};

/// A file that some lane names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRow {
    /// The file.
    pub blob: BlobId,
    /// Bytes in all.
    pub size: u64,
    /// Media type.
    pub media: String,
    /// File name.
    pub name: Option<String>,
    /// Where it was first named; none while that waits in the outbox.
    pub place: Option<(SpaceId, Lane)>,
    /// Bytes held here.
    pub held: u64,
    /// Whether a relay may still lack some of it: it was written here.
    pub is_own: bool,
    /// Bytes of an own file that a relay holds.
    pub sent: u64,
    /// Whether it was asked for and is not all here.
    pub is_wanted: bool,
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
    for table in ["chunks", "chunk_slices"] {
        conn.execute(
            &format!("DELETE FROM {table} WHERE chunk NOT IN (SELECT chunk FROM blob_chunks)"),
            [],
        )?;
    }
    Ok(())
}

/// A relay may have lost the files of own entries that are not acknowledged any more:
/// it is asked about each chunk that is still here.
pub(crate) fn doubt_sent(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE blob_chunks SET sent = 1 WHERE sent = 2 AND chunk IN (SELECT chunk FROM chunks)
         AND blob IN (SELECT blob FROM blob_uses u JOIN entries e USING (entry)
                      WHERE e.send = 0)",
    )?
    .execute([])?;
    conn.prepare_cached(
        "UPDATE blobs SET own = 1 WHERE own = 0 AND blob IN
         (SELECT c.blob FROM blob_chunks c JOIN blob_uses u USING (blob)
          JOIN entries e USING (entry) WHERE c.sent = 1 AND e.send = 0)",
    )?
    .execute([])?;
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
    /// Keeps a file that is in memory, see [`Store::save_blob_from`].
    ///
    /// # Errors
    /// As there.
    pub fn save_blob(
        &mut self,
        mut bytes: &[u8],
        media: &str,
        name: Option<&str>,
        now_ms: u64,
    ) -> Result<Manifest, StoreError> {
        self.save_blob_from(&mut bytes, media, name, now_ms)
    }

    /// Keeps a file written here. Its manifest is queued by the caller as an
    /// operation; until a relay holds all of it nothing of it is evicted. A chunk is
    /// in memory at a time.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::NoSpace`], what reading gives.
    pub fn save_blob_from(
        &mut self,
        file: &mut dyn Read,
        media: &str,
        name: Option<&str>,
        now_ms: u64,
    ) -> Result<Manifest, StoreError> {
        self.write(Durability::Sealed, |conn| {
            let (mut chunks, mut size) = (Vec::new(), 0);
            let mut chunk = Vec::with_capacity(limits::CHUNK);
            loop {
                chunk.clear();
                file.take(limits::CHUNK as u64).read_to_end(&mut chunk)?;
                if chunk.is_empty() {
                    break;
                }
                if chunks.len() == limits::MAX_CHUNKS {
                    return Err(StoreError::TooLarge("file"));
                }
                let hash = chunk_hash(&chunk);
                save_chunk(conn, &hash, &chunk, now_ms)?;
                size += chunk.len() as u64;
                chunks.push(hash);
            }
            let manifest = Manifest {
                blob: blob_id(&chunks),
                size,
                media: media.to_owned(),
                name: name.map(str::to_owned),
                chunks,
            };
            // Also checks the limits of its texts.
            Manifest::decode(&manifest.encode())?;
            save_manifest(conn, &manifest, true)?;
            // What a relay holds already is not sent again.
            conn.prepare_cached(
                "UPDATE blobs SET own = EXISTS (SELECT 1 FROM blob_chunks c
                 WHERE c.blob = blobs.blob AND c.sent < 2) WHERE blob = ?1",
            )?
            .execute([&manifest.blob.0])?;
            Ok(manifest)
        })
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

    /// The manifest of a file that is known here.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn manifest(&self, blob: BlobId) -> Result<Manifest, StoreError> {
        let state = self.blob(blob)?.ok_or(StoreError::NotFound("file"))?;
        let chunks = self
            .conn
            .prepare_cached("SELECT chunk FROM blob_chunks WHERE blob = ?1 ORDER BY place")?
            .query_map([&blob.0], |row| Ok(Hash(row.get(0)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Manifest {
            blob,
            size: state.size,
            media: state.media,
            name: state.name,
            chunks,
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

    /// The files that are known here, the largest last.
    ///
    /// # Errors
    /// A database error.
    pub fn blobs(&self) -> Result<Vec<BlobRow>, StoreError> {
        let rows = self
            .conn
            .prepare_cached(
                "SELECT b.blob, b.size, b.media, b.name, b.own, b.wanted,
                    (SELECT coalesce(sum(length(k.bytes)), 0) FROM chunks k WHERE k.chunk IN
                        (SELECT chunk FROM blob_chunks WHERE blob = b.blob)),
                    (SELECT count(*) FROM blob_chunks WHERE blob = b.blob AND sent = 2),
                    (SELECT min(u.entry) FROM blob_uses u WHERE u.blob = b.blob)
                 FROM blobs b ORDER BY b.size, b.blob",
            )?
            .query_map([], |row| {
                let size = uint(row.get(1)?);
                let chunks_sent = uint(row.get(7)?);
                let blob = BlobRow {
                    blob: BlobId(row.get(0)?),
                    size,
                    media: row.get(2)?,
                    name: row.get(3)?,
                    place: None,
                    held: uint(row.get(6)?),
                    is_own: row.get(4)?,
                    sent: (chunks_sent * limits::CHUNK as u64).min(size),
                    is_wanted: row.get(5)?,
                };
                Ok((blob, row.get::<_, Option<EntryRow>>(8)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        rows.into_iter()
            .map(|(mut blob, entry)| {
                blob.place = entry.map(|entry| self.place_of(entry)).transpose()?;
                Ok(blob)
            })
            .collect()
    }

    fn place_of(&self, entry: EntryRow) -> Result<(SpaceId, Lane), StoreError> {
        let (space, lane): ([u8; 16], Vec<u8>) = self
            .conn
            .prepare_cached(
                "SELECT space, lane FROM entries JOIN chains USING (chain) WHERE entry = ?1",
            )?
            .query_row([entry], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((SpaceId(space), Lane::from_key(&lane)?))
    }

    /// The files that an entry names, such as a piece of work's.
    ///
    /// # Errors
    /// A database error.
    pub fn blobs_of(&self, entry: EntryId) -> Result<Vec<BlobId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT blob FROM blob_uses JOIN entries USING (entry) WHERE id = ?1 ORDER BY blob",
            )?
            .query_map([&entry.0], |row| Ok(BlobId(row.get(0)?)))?
            .collect::<Result<_, _>>()?)
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

pub(crate) fn save_chunk(
    conn: &Connection,
    hash: &Hash,
    bytes: &[u8],
    now_ms: u64,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO chunks (chunk, bytes, used_ms) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![&hash.0, bytes, int(now_ms)])?;
    Ok(())
}
