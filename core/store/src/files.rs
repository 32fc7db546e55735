//! The file system, all of it: the owner's lock and sizes. Everything else goes
//! through SQLite.
#[cfg(not(target_family = "wasm"))]
use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;

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

#[cfg(not(target_family = "wasm"))]
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether a database is there.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn exists(location: &Location) -> bool {
    match location {
        Location::File(path) => path.metadata().is_ok_and(|m| m.len() > 0),
        Location::Memory => false,
    }
}

/// Whether a database is there: the origin's storage is read through SQLite alone.
#[cfg(target_family = "wasm")]
pub(crate) fn exists(location: &Location) -> bool {
    let Location::File(path) = location else {
        return false;
    };
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    Connection::open_with_flags(path, flags)
        .and_then(|conn| conn.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)))
        .is_ok_and(|version| version > 0)
}

/// Bytes on disk: the database and its WAL.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn size(location: &Location, _: &Connection) -> u64 {
    match location {
        Location::File(path) => [path.clone(), beside(path, "wal")]
            .iter()
            .filter_map(|path| path.metadata().ok())
            .map(|m| m.len())
            .sum(),
        Location::Memory => 0,
    }
}

/// Bytes that the database takes of the origin's storage.
#[cfg(target_family = "wasm")]
pub(crate) fn size(_: &Location, conn: &Connection) -> u64 {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    conn.query_row(sql, [], |row| row.get(0))
        .map_or(0, crate::database::uint)
}
