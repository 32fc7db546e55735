//! Chunks of files that go up and come down (docs/protocol/09-blobs.md).
use rusqlite::{Connection, OptionalExtension, params};
use stunity_model::metered::{Estimate, Network, Passage, estimate, passage};
use stunity_proto::blob::chunk_hash;
use stunity_proto::{BlobId, Hash, limits};
use stunity_sync::replica::{ChunkUpload, WantedChunk};

use crate::blobs::save_chunk;
use crate::database::{Durability, int, uint};
use crate::{Store, StoreError, meta};

/// A file on its way, as far as a network matters to it.
struct Candidate {
    blob: BlobId,
    size: u64,
    media: String,
    agreed: bool,
    place: u64,
    chunk: Hash,
}

impl Candidate {
    fn passes(&self, network: Network) -> bool {
        passage(network, &self.media, self.size, self.agreed) == Passage::Now
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            blob: BlobId(row.get(0)?),
            size: uint(row.get(1)?),
            media: row.get(2)?,
            agreed: row.get(3)?,
            place: uint(row.get(4)?),
            chunk: Hash(row.get(5)?),
        })
    }

    fn len(&self) -> u32 {
        let before = self.place * limits::CHUNK as u64;
        (self.size - before.min(self.size)).min(limits::CHUNK as u64) as u32
    }
}

/// Own files whose manifest a relay has, small ones first: a picture does not wait
/// for a video.
const TO_SEND: &str = "SELECT b.blob, b.size, b.media, b.agreed, c.place, c.chunk, c.sent
    FROM blobs b JOIN blob_chunks c USING (blob)
    WHERE b.own = 1 AND c.sent < 2 AND c.chunk IN (SELECT chunk FROM chunks)
    AND EXISTS (SELECT 1 FROM blob_uses u JOIN entries e USING (entry)
                WHERE u.blob = b.blob AND e.send IN (1, 2))
    ORDER BY b.size, b.blob, c.place";

const TO_FETCH: &str = "SELECT b.blob, b.size, b.media, b.agreed, c.place, c.chunk
    FROM blobs b JOIN blob_chunks c USING (blob)
    WHERE b.wanted = 1 AND c.chunk NOT IN (SELECT chunk FROM chunks)
    ORDER BY b.size, b.blob, c.place";

impl Store {
    /// Which network is in use, from now until it is said again.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
    }

    pub(crate) fn load_next_chunk(
        &self,
        in_flight: &[Hash],
    ) -> Result<Option<ChunkUpload>, StoreError> {
        let mut statement = self.conn.prepare_cached(TO_SEND)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let found = Candidate::read(row)?;
            if in_flight.contains(&found.chunk) || !found.passes(self.network) {
                continue;
            }
            let begun = row.get::<_, i64>(6)? > 0;
            let bytes = self
                .chunk(found.chunk)?
                .ok_or(StoreError::Damaged("chunk of an own file"))?;
            self.write(Durability::Draft, |conn| mark(conn, &found.chunk, 1))?;
            return Ok(Some(ChunkUpload {
                chunk: found.chunk,
                bytes,
                begun,
                blob: found.blob,
                before: found.place * limits::CHUNK as u64,
                size: found.size,
            }));
        }
        Ok(None)
    }

    /// A file of which the relay has all may be evicted.
    pub(crate) fn save_chunk_stored(&self, chunk: Hash) -> Result<(), StoreError> {
        self.write(Durability::Draft, |conn| {
            mark(conn, &chunk, 2)?;
            conn.prepare_cached(
                "UPDATE blobs SET own = 0 WHERE own = 1
                 AND blob IN (SELECT blob FROM blob_chunks WHERE chunk = ?1)
                 AND NOT EXISTS (SELECT 1 FROM blob_chunks c
                                 WHERE c.blob = blobs.blob AND c.sent < 2)",
            )?
            .execute([&chunk.0])?;
            Ok(())
        })
    }

    pub(crate) fn load_wanted_chunks(
        &self,
        asked: &[Hash],
        absent: &[BlobId],
        limit: usize,
    ) -> Result<Vec<WantedChunk>, StoreError> {
        let mut statement = self.conn.prepare_cached(TO_FETCH)?;
        let mut rows = statement.query([])?;
        let mut wanted: Vec<WantedChunk> = Vec::new();
        while let Some(row) = rows.next()? {
            let found = Candidate::read(row)?;
            let passes = found.passes(self.network) && !absent.contains(&found.blob);
            let again = asked.contains(&found.chunk)
                || wanted.iter().any(|other| other.chunk == found.chunk);
            if !passes || again {
                continue;
            }
            if wanted.len() == limit {
                break;
            }
            wanted.push(WantedChunk {
                chunk: found.chunk,
                len: found.len(),
                held: slices_held(&self.conn, &found.chunk)?,
                blob: found.blob,
                index: found.place as u32,
                before: self.held_of(found.blob)?,
                size: found.size,
            });
        }
        Ok(wanted)
    }

    /// Bytes of a file whose chunks are whole here.
    fn held_of(&self, blob: BlobId) -> Result<u64, StoreError> {
        Ok(uint(
            self.conn
                .prepare_cached(
                    "SELECT coalesce(sum(length(bytes)), 0) FROM chunks
                     WHERE chunk IN (SELECT chunk FROM blob_chunks WHERE blob = ?1)",
                )?
                .query_row([&blob.0], |row| row.get(0))?,
        ))
    }

    pub(crate) fn save_slice_of_chunk(
        &self,
        chunk: Hash,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        // A slice lost with the power is asked for again.
        self.write(Durability::Draft, |conn| {
            if slices_held(conn, &chunk)? != offset {
                return Err(StoreError::NotAllowed("slice that does not continue"));
            }
            conn.prepare_cached(
                "INSERT INTO chunk_slices (chunk, start, bytes) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![&chunk.0, offset, bytes])?;
            Ok(())
        })
    }

    /// Whether the slices gave the chunk that its hash names.
    pub(crate) fn save_whole_chunk(&self, chunk: Hash, now_ms: u64) -> Result<bool, StoreError> {
        self.write(Durability::Draft, |conn| {
            let slices = conn
                .prepare_cached("SELECT bytes FROM chunk_slices WHERE chunk = ?1 ORDER BY start")?
                .query_map([&chunk.0], |row| row.get::<_, Vec<u8>>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            conn.prepare_cached("DELETE FROM chunk_slices WHERE chunk = ?1")?
                .execute([&chunk.0])?;
            let bytes = slices.concat();
            let is_right = chunk_hash(&bytes) == chunk;
            if is_right {
                save_chunk(conn, &chunk, &bytes, now_ms)?;
                // It came from the relay, which need not be sent it.
                mark(conn, &chunk, 2)?;
                conn.prepare_cached(
                    "UPDATE blobs SET wanted = 0 WHERE wanted = 1 AND NOT EXISTS
                     (SELECT 1 FROM blob_chunks c WHERE c.blob = blobs.blob
                      AND c.chunk NOT IN (SELECT chunk FROM chunks))",
                )?
                .execute([])?;
            }
            Ok(is_right)
        })
    }

    /// Asks for a file: its chunks come with the next sessions. `agreed`: over a
    /// metered network too. What is held is not fetched again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no manifest of it is here.
    pub fn want_blob(&mut self, blob: BlobId, agreed: bool) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            let found = conn
                .prepare_cached(
                    "UPDATE blobs SET agreed = agreed OR ?2, wanted = EXISTS
                     (SELECT 1 FROM blob_chunks c WHERE c.blob = blobs.blob
                      AND c.chunk NOT IN (SELECT chunk FROM chunks)) WHERE blob = ?1",
                )?
                .execute(params![&blob.0, agreed])?;
            match found {
                0 => Err(StoreError::NotFound("file")),
                _ => Ok(()),
            }
        })
    }

    /// Lets an own file go over a metered network.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn agree_to_blob(&mut self, blob: BlobId) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            let found = conn
                .prepare_cached("UPDATE blobs SET agreed = 1 WHERE blob = ?1")?
                .execute([&blob.0])?;
            match found {
                0 => Err(StoreError::NotFound("file")),
                _ => Ok(()),
            }
        })
    }

    /// What `bytes` of files take over the link as it was last.
    ///
    /// # Errors
    /// A database error.
    pub fn estimate(&self, bytes: u64) -> Result<Estimate, StoreError> {
        let rate: Option<i64> = meta::load(&self.conn, meta::LINK_RATE)?;
        Ok(estimate(bytes, rate.map(uint)))
    }

    /// Notes how fast the link was, bytes a second.
    ///
    /// # Errors
    /// A database error.
    pub fn save_link_rate(&mut self, bytes_per_second: u64) -> Result<(), StoreError> {
        self.write(Durability::Draft, |conn| {
            meta::save(conn, meta::LINK_RATE, int(bytes_per_second))
        })
    }
}

fn mark(conn: &Connection, chunk: &Hash, sent: i64) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE blob_chunks SET sent = max(sent, ?2) WHERE chunk = ?1")?
        .execute(params![&chunk.0, sent])?;
    Ok(())
}

fn slices_held(conn: &Connection, chunk: &Hash) -> Result<u32, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT start + length(bytes) FROM chunk_slices WHERE chunk = ?1
             ORDER BY start DESC LIMIT 1",
        )?
        .query_row([&chunk.0], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}
