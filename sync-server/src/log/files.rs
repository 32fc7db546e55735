//! Files: who may read them, and what of them has come.
use stunity_proto::blob::{Manifest, chunk_hash};
use stunity_proto::{AccountId, BlobId, DeviceId, Hash, Header, Lane, SpaceId, limits};
use stunity_sync::Target;

use super::Log;
use super::write::Writer;
use crate::db::{Value, insert_rows, sql};
use crate::error::ServerError;

const ONCE: &str = "ON CONFLICT DO NOTHING";

impl Writer<'_> {
    /// A lane names a file. A manifest that is none names nothing.
    pub(super) async fn note_manifest(
        &mut self,
        n: i64,
        header: &Header,
        op: &[u8],
    ) -> Result<(), ServerError> {
        let Ok(manifest) = Manifest::decode(op) else {
            return Ok(());
        };
        let blob = manifest.blob.0;
        let hashes: Vec<u8> = manifest.chunks.iter().flat_map(|chunk| chunk.0).collect();
        let row = vec![Value::from(blob), manifest.size.into(), hashes.into()];
        insert_rows(&mut self.db, "blob", vec![row], ONCE).await?;
        let chunks = manifest
            .chunks
            .iter()
            .map(|chunk| vec![Value::from(chunk.0), blob.into()])
            .collect();
        insert_rows(&mut self.db, "blob_chunk", chunks, ONCE).await?;
        let row = vec![
            Value::from(blob),
            header.space.0.into(),
            header.lane.to_key().into(),
            n.into(),
        ];
        insert_rows(&mut self.db, "blob_use", vec![row], ONCE).await?;
        Ok(())
    }

    /// An entry names a file no longer. With the last mention go its chunks, unless
    /// other files have them. They go before the commit: an erasure that is rolled
    /// back comes again from its author.
    pub(super) async fn forget_manifest(&mut self, n: i64, op: &[u8]) -> Result<(), ServerError> {
        let Ok(manifest) = Manifest::decode(op) else {
            return Ok(());
        };
        let blob = manifest.blob.0;
        sql("DELETE FROM blob_use WHERE blob = $1 AND entry = $2")
            .bind(blob)
            .bind(n)
            .execute(&mut self.db)
            .await?;
        let uses: Option<i64> = sql("SELECT COUNT(*) FROM blob_use WHERE blob = $1")
            .bind(blob)
            .scalar(&mut self.db)
            .await?;
        if uses.is_some_and(|uses| uses > 0) {
            return Ok(());
        }
        for (table, column) in [("blob_chunk", "blob"), ("blob", "id")] {
            sql(format!("DELETE FROM {table} WHERE {column} = $1"))
                .bind(blob)
                .execute(&mut self.db)
                .await?;
        }
        for chunk in &manifest.chunks {
            let others: Option<i64> = sql("SELECT COUNT(*) FROM blob_chunk WHERE chunk = $1")
                .bind(chunk.0)
                .scalar(&mut self.db)
                .await?;
            if others.is_some_and(|others| others > 0) {
                continue;
            }
            sql("DELETE FROM device_chunk WHERE chunk = $1")
                .bind(chunk.0)
                .execute(&mut self.db)
                .await?;
            self.log.blobs().delete(*chunk).await?;
        }
        Ok(())
    }
}

impl Log {
    /// Whether an account reads a lane that names a blob.
    async fn reads_blob(&self, account: AccountId, blob: &[u8]) -> Result<bool, ServerError> {
        let uses = sql("SELECT space, lane FROM blob_use WHERE blob = $1")
            .bind(blob)
            .all(self.database())
            .await?;
        if uses.is_empty() {
            return Ok(false);
        }
        let view = self.read_view(account).await?;
        for row in &uses {
            let space = SpaceId::try_from(&row.get::<Vec<u8>>(0)?[..])?;
            let lane = Some(Lane::from_key(&row.get::<Vec<u8>>(1)?)?);
            let is_read = |lane| view.contains(&Target { space, lane });
            if is_read(lane) || is_read(None) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a manifest that an account reads names a chunk.
    async fn reads_chunk(&self, account: AccountId, chunk: Hash) -> Result<bool, ServerError> {
        let blobs: Vec<Vec<u8>> = sql("SELECT blob FROM blob_chunk WHERE chunk = $1")
            .bind(chunk.0)
            .scalars(self.database())
            .await?;
        for blob in blobs {
            if self.reads_blob(account, &blob).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn read_chunk_held(
        &self,
        device: DeviceId,
        chunk: Hash,
        total: u32,
    ) -> Result<u32, ServerError> {
        if self.has_brought(device, chunk).await? {
            return Ok(total);
        }
        let held = self.blobs().part_held(device, chunk).await?;
        if held < u64::from(total) {
            return Ok(held as u32);
        }
        // Whole, but the process ended before it was checked.
        match self.read_device(device).await? {
            Some(record) => self.take_chunk(device, record.account, chunk).await?,
            None => self.blobs().drop_part(device, chunk).await?,
        }
        let is_here = self.has_brought(device, chunk).await?;
        Ok(if is_here { total } else { 0 })
    }

    async fn has_brought(&self, device: DeviceId, chunk: Hash) -> Result<bool, ServerError> {
        let brought: Option<i64> =
            sql("SELECT COUNT(*) FROM device_chunk WHERE device = $1 AND chunk = $2")
                .bind(device.0)
                .bind(chunk.0)
                .scalar(self.database())
                .await?;
        Ok(brought.is_some_and(|count| count > 0))
    }

    pub(super) async fn take_chunk(
        &self,
        device: DeviceId,
        account: AccountId,
        chunk: Hash,
    ) -> Result<(), ServerError> {
        let bytes = self.blobs().load_part(device, chunk).await?;
        if chunk_hash(&bytes) == chunk && self.reads_chunk(account, chunk).await? {
            self.blobs().put(chunk, bytes).await?;
            let note = sql("INSERT INTO device_chunk VALUES ($1, $2) ON CONFLICT DO NOTHING");
            self.run(note.bind(device.0).bind(chunk.0)).await?;
        }
        self.blobs().drop_part(device, chunk).await
    }

    pub(super) async fn read_blob_chunk(
        &self,
        account: AccountId,
        blob: BlobId,
        index: u32,
    ) -> Result<Option<(Hash, Vec<u8>)>, ServerError> {
        if !self.reads_blob(account, &blob.0).await? {
            return Ok(None);
        }
        let chunks: Vec<u8> = sql("SELECT chunks FROM blob WHERE id = $1")
            .bind(blob.0)
            .one(self.database())
            .await?
            .get(0)?;
        let Some(chunk) = chunks.chunks_exact(32).nth(index as usize) else {
            return Ok(None);
        };
        let chunk = Hash::try_from(chunk)?;
        Ok(self.blobs().get(chunk).await?.map(|bytes| (chunk, bytes)))
    }

    /// Keeps a chunk that came by a parcel, if any manifest names it.
    ///
    /// # Errors
    /// A database or blob store that fails.
    pub async fn keep_chunk(&self, bytes: Vec<u8>) -> Result<(), ServerError> {
        let chunk = chunk_hash(&bytes);
        let named: Option<i64> = sql("SELECT COUNT(*) FROM blob_chunk WHERE chunk = $1")
            .bind(chunk.0)
            .scalar(self.database())
            .await?;
        if named.is_some_and(|count| count > 0) && bytes.len() <= limits::CHUNK {
            self.blobs().put(chunk, bytes).await?;
        }
        Ok(())
    }
}
