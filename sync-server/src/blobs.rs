//! Where chunks of files lie (docs/protocol/09-blobs.md): a folder by default, a
//! bucket where configured. Whole chunks only, named by their hashes; what has come
//! in part lies in a folder of this node.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use stunity_proto::{DeviceId, Hash};
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::error::ServerError;

/// Chunks in part that a device may leave: more than a session has open.
const MAX_PARTS: usize = 16;

/// The chunks of a school's files.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    parts: PathBuf,
}

fn failed(error: object_store::Error) -> ServerError {
    ServerError::Io(std::io::Error::other(error))
}

impl Blobs {
    /// Chunks in the bucket at `address` if there is one, else in `folder`.
    ///
    /// # Errors
    /// `blobs.address` for an address that is none; a folder that cannot be made.
    pub fn open(address: Option<&str>, folder: &Path) -> Result<Self, ServerError> {
        match address {
            None => Self::in_folder(folder),
            Some(address) => Self::in_bucket(address, folder),
        }
    }

    /// Chunks in `folder`. What is put there is on the disk when that returns.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self, ServerError> {
        let chunks = folder.join("chunks");
        std::fs::create_dir_all(&chunks)?;
        let store = LocalFileSystem::new_with_prefix(&chunks)
            .map_err(failed)?
            .with_fsync(true);
        Self::with_store(folder, Arc::new(store), Key::default())
    }

    /// Chunks in a bucket, such as `s3://school/blobs`, with the credentials and
    /// settings of the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, …); parts in
    /// `folder`.
    fn in_bucket(address: &str, folder: &Path) -> Result<Self, ServerError> {
        let malformed = |_| ServerError::Refused("blobs.address");
        // Whoever came first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = url::Url::parse(address).map_err(|_| ServerError::Refused("blobs.address"))?;
        let settings = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let (store, prefix) = object_store::parse_url_opts(&url, settings).map_err(malformed)?;
        Self::with_store(folder, Arc::from(store), prefix)
    }

    fn with_store(
        folder: &Path,
        store: Arc<dyn ObjectStore>,
        prefix: Key,
    ) -> Result<Self, ServerError> {
        let parts = folder.join("parts");
        std::fs::create_dir_all(&parts)?;
        Ok(Self {
            store,
            prefix,
            parts,
        })
    }

    /// A folder for each first byte: no folder has more than a few thousand files.
    fn key(&self, chunk: Hash) -> Key {
        let name = chunk.to_string();
        self.prefix.clone().join(&name[..2]).join(name)
    }

    /// Keeps a chunk; durable when this returns.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn put(&self, chunk: Hash, bytes: Vec<u8>) -> Result<(), ServerError> {
        self.store
            .put(&self.key(chunk), bytes.into())
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// A chunk; none if it is not here.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn get(&self, chunk: Hash) -> Result<Option<Vec<u8>>, ServerError> {
        match self.store.get(&self.key(chunk)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Forgets a chunk, if it is here.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn delete(&self, chunk: Hash) -> Result<(), ServerError> {
        match self.store.delete(&self.key(chunk)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a copy of every chunk to `folder`, as [`Blobs::in_folder`] lays them
    /// out. What is there already stays: a chunk never changes.
    ///
    /// # Errors
    /// A store or file system that fails.
    pub async fn copy_to(&self, folder: &Path) -> Result<(), ServerError> {
        Self::in_folder(folder)?.take_from(self).await
    }

    /// Takes the chunks that are lacking here from a copy in `folder`.
    ///
    /// # Errors
    /// A store or file system that fails.
    pub async fn take_lacking(&self, folder: &Path) -> Result<(), ServerError> {
        self.take_from(&Self::in_folder(folder)?).await
    }

    async fn take_from(&self, other: &Self) -> Result<(), ServerError> {
        let mut found = other.store.list(Some(&other.prefix));
        while let Some(object) = found.try_next().await.map_err(failed)? {
            let chunk: Option<Hash> = object.location.filename().and_then(|n| n.parse().ok());
            let Some(chunk) = chunk else { continue };
            match self.store.head(&self.key(chunk)).await {
                Ok(_) => continue,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
            // None: an erasure has just taken it away.
            if let Some(bytes) = other.get(chunk).await? {
                self.put(chunk, bytes).await?;
            }
        }
        Ok(())
    }

    fn folder_of(&self, device: DeviceId) -> PathBuf {
        self.parts.join(device.to_string())
    }

    fn part(&self, device: DeviceId, chunk: Hash) -> PathBuf {
        self.folder_of(device).join(chunk.to_string())
    }

    /// How much of a chunk a device has brought, from its start.
    ///
    /// # Errors
    /// A file system that fails.
    pub async fn part_held(&self, device: DeviceId, chunk: Hash) -> Result<u64, ServerError> {
        match fs::metadata(self.part(device, chunk)).await {
            Ok(file) => Ok(file.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends to what a device has brought of a chunk. Outlives this process, not a
    /// power cut: then the device is told where to go on.
    ///
    /// # Errors
    /// A file system that fails.
    pub async fn append_part(
        &self,
        device: DeviceId,
        chunk: Hash,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), ServerError> {
        if offset == 0 {
            fs::create_dir_all(self.folder_of(device)).await?;
            self.drop_old_parts(device).await?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.part(device, chunk))
            .await?;
        if file.metadata().await?.len() != offset {
            return Err(ServerError::Refused("chunk.offset"));
        }
        file.write_all(bytes).await?;
        file.flush().await?;
        Ok(())
    }

    /// Takes what a device has brought of a chunk.
    ///
    /// # Errors
    /// A file system that fails, or nothing of it here.
    pub async fn load_part(&self, device: DeviceId, chunk: Hash) -> Result<Vec<u8>, ServerError> {
        Ok(fs::read(self.part(device, chunk)).await?)
    }

    /// Forgets what a device has brought of a chunk.
    ///
    /// # Errors
    /// A file system that fails.
    pub async fn drop_part(&self, device: DeviceId, chunk: Hash) -> Result<(), ServerError> {
        match fs::remove_file(self.part(device, chunk)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The oldest give way.
    async fn drop_old_parts(&self, device: DeviceId) -> Result<(), ServerError> {
        let mut found = Vec::new();
        let mut folder = fs::read_dir(self.folder_of(device)).await?;
        while let Some(entry) = folder.next_entry().await? {
            found.push((entry.metadata().await?.modified()?, entry.path()));
        }
        found.sort();
        let surplus = found.len().saturating_sub(MAX_PARTS - 1);
        for (_, path) in &found[..surplus] {
            fs::remove_file(path).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_and_parts_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (chunk, device) = (Hash([7; 32]), DeviceId([8; 16]));
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        assert_eq!(blobs.get(chunk).await.unwrap(), None);
        blobs.put(chunk, b"bytes".to_vec()).await.unwrap();
        blobs.append_part(device, chunk, 0, b"by").await.unwrap();
        assert!(blobs.append_part(device, chunk, 9, b"x").await.is_err());

        let blobs = Blobs::in_folder(folder.path()).unwrap();
        assert_eq!(blobs.get(chunk).await.unwrap().unwrap(), b"bytes");
        assert_eq!(blobs.part_held(device, chunk).await.unwrap(), 2);
        blobs.append_part(device, chunk, 2, b"tes").await.unwrap();
        assert_eq!(blobs.load_part(device, chunk).await.unwrap(), b"bytes");
        blobs.drop_part(device, chunk).await.unwrap();
        blobs.drop_part(device, chunk).await.unwrap();
        assert_eq!(blobs.part_held(device, chunk).await.unwrap(), 0);
        blobs.delete(chunk).await.unwrap();
        blobs.delete(chunk).await.unwrap();
        assert_eq!(blobs.get(chunk).await.unwrap(), None);
    }

    async fn keeps_chunks(blobs: &Blobs) {
        let chunks: Vec<(Hash, Vec<u8>)> = (0..3u8)
            .map(|n| (Hash([n; 32]), vec![n; 1000 * usize::from(n)]))
            .collect();
        for (chunk, bytes) in &chunks {
            assert_eq!(blobs.get(*chunk).await.unwrap(), None);
            blobs.put(*chunk, bytes.clone()).await.unwrap();
            blobs.put(*chunk, bytes.clone()).await.unwrap();
            assert_eq!(blobs.get(*chunk).await.unwrap().as_ref(), Some(bytes));
        }
        let copy = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            blobs.copy_to(copy.path()).await.unwrap();
        }
        let copy = Blobs::in_folder(copy.path()).unwrap();
        for (chunk, bytes) in &chunks {
            blobs.delete(*chunk).await.unwrap();
            assert_eq!(blobs.get(*chunk).await.unwrap(), None);
            assert_eq!(copy.get(*chunk).await.unwrap().as_ref(), Some(bytes));
        }
    }

    #[tokio::test]
    async fn every_store_keeps_copies_and_forgets_chunks() {
        let folder = tempfile::tempdir().unwrap();
        keeps_chunks(&Blobs::in_folder(folder.path()).unwrap()).await;
        let memory = Arc::new(object_store::memory::InMemory::new());
        for prefix in ["", "school/blobs"] {
            let parts = tempfile::tempdir().unwrap();
            let blobs = Blobs::with_store(parts.path(), memory.clone(), prefix.into());
            keeps_chunks(&blobs.unwrap()).await;
        }
    }

    /// `cargo xtask s3` runs a server that speaks S3 and names it.
    #[tokio::test]
    async fn a_bucket_keeps_copies_and_forgets_chunks() {
        let Ok(address) = std::env::var("STUNITY_TEST_S3") else {
            println!("skipped: STUNITY_TEST_S3 names no bucket");
            return;
        };
        let parts = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(Some(&address), parts.path()).unwrap();
        keeps_chunks(&blobs).await;
    }

    #[tokio::test]
    async fn a_device_leaves_only_so_many_chunks_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let device = DeviceId([1; 16]);
        for n in 0..40 {
            let chunk = Hash([n; 32]);
            blobs.append_part(device, chunk, 0, b"part").await.unwrap();
        }
        let left = std::fs::read_dir(blobs.folder_of(device)).unwrap().count();
        assert_eq!(left, MAX_PARTS);
    }
}
