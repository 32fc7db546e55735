//! The file system, all of it: the owner's lock and sizes. Everything else goes
//! through SQLite.
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Where a database lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file; its WAL and lock lie beside it.
    File(PathBuf),
    /// Nowhere: for tests and for a look at a parcel.
    Memory,
}

/// Held while a process owns an account's database. The operating system lets
/// go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    #[cfg(not(target_family = "wasm"))]
    _file: Option<std::fs::File>,
}

impl OwnerLock {
    /// Takes the lock, or says [`StoreError::InUse`].
    #[cfg(not(target_family = "wasm"))]
    pub fn take(location: &Location) -> Result<Self, StoreError> {
        let Location::File(path) = location else {
            return Ok(Self { _file: None });
        };
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, "lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// In a browser the worker that owns the origin's file handle is the owner.
    #[cfg(target_family = "wasm")]
    pub fn take(_: &Location) -> Result<Self, StoreError> {
        Ok(Self {})
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether a database is there.
pub(crate) fn exists(location: &Location) -> bool {
    match location {
        Location::File(path) => path.metadata().is_ok_and(|m| m.len() > 0),
        Location::Memory => false,
    }
}

/// Bytes on disk: the database and its WAL.
pub(crate) fn size(location: &Location) -> u64 {
    match location {
        Location::File(path) => [path.clone(), beside(path, "wal")]
            .iter()
            .filter_map(|path| path.metadata().ok())
            .map(|m| m.len())
            .sum(),
        Location::Memory => 0,
    }
}
