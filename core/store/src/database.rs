//! The connection: settings, migrations, transactions and how durable they are.
use std::cell::Cell;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::files::Location;
use crate::sabotage::syncs_nothing;

/// In order; `user_version` counts them. A shipped one is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001_log.sql"),
    include_str!("../migrations/002_content.sql"),
    include_str!("../migrations/003_parcels.sql"),
    include_str!("../migrations/004_files.sql"),
    include_str!("../migrations/005_doubted.sql"),
];

/// Statements kept prepared: applying an entry uses some forty.
const STATEMENTS: usize = 256;

/// How durable a transaction must be when its commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// May be lost with the power, never torn: drafts, slices, caches. One
    /// fsync less for each keystroke's transaction (`synchronous=NORMAL` in WAL
    /// syncs at checkpoints only).
    Draft,
    /// Survives a power cut: whatever is sealed, acknowledged or promised
    /// (`synchronous=FULL` syncs the WAL at each commit).
    Sealed,
}

/// How durable the commits of a connection are at the moment.
pub(crate) struct Level(Cell<Durability>);

impl Level {
    /// As [`open`] leaves a connection.
    pub fn new() -> Self {
        Self(Cell::new(Durability::Sealed))
    }

    /// Makes the next commits as durable as this; outside a transaction only.
    ///
    /// SQLite acts on this pragma when it *compiles* it: run again from a cache of
    /// prepared statements it does nothing.
    pub fn set(&self, conn: &Connection, durability: Durability) -> Result<(), StoreError> {
        let durability = match syncs_nothing() {
            true => Durability::Draft,
            false => durability,
        };
        if self.0.get() != durability {
            conn.execute_batch(match durability {
                Durability::Draft => "PRAGMA synchronous = NORMAL",
                Durability::Sealed => "PRAGMA synchronous = FULL",
            })?;
            self.0.set(durability);
        }
        Ok(())
    }
}

pub(crate) fn open(location: &Location, create: bool) -> Result<Connection, StoreError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut conn = match location {
        Location::File(path) => Connection::open_with_flags(path, flags)?,
        Location::Memory => Connection::open_in_memory()?,
    };
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch(
        // secure_delete: what is erased is overwritten, also in free pages.
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8192;
         PRAGMA busy_timeout = 0;",
    )?;
    migrate(&mut conn, MIGRATIONS)?;
    Ok(conn)
}

fn migrate(conn: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let version: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = version as usize;
    if version > migrations.len() {
        return Err(StoreError::Newer);
    }
    for (index, sql) in migrations.iter().enumerate().skip(version) {
        transaction(conn, |conn| {
            conn.execute_batch(sql)?;
            conn.pragma_update(None, "user_version", index as i64 + 1)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Runs `work` in one transaction; an error rolls everything back.
pub(crate) fn transaction<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let result = work(conn).and_then(|value| {
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(value)
    });
    if result.is_err() && !conn.is_autocommit() {
        // SQLite itself rolls back on some errors; a rollback that fails leaves
        // nothing to do, since what is uncommitted is lost with the connection.
        let _ = conn.execute_batch("ROLLBACK");
    }
    result
}

/// An integer of the formats as SQLite keeps it. All stay far below 2^63:
/// sequences, epochs and milliseconds.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Back from [`int`]; a negative value is a damaged one, read as 0.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_apply_in_order_and_a_newer_database_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &MIGRATIONS[..1]).unwrap();
        migrate(&mut conn, MIGRATIONS).unwrap();
        migrate(&mut conn, MIGRATIONS).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(
            migrate(&mut conn, MIGRATIONS),
            Err(StoreError::Newer)
        ));
    }

    #[test]
    fn every_commit_is_as_durable_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let conn = open(&Location::File(folder.path().join("a.db")), true).unwrap();
        let now = || -> i64 {
            conn.query_row("PRAGMA synchronous", [], |row| row.get(0))
                .unwrap()
        };
        let level = Level::new();
        assert_eq!(now(), 2);
        for _ in 0..3 {
            level.set(&conn, Durability::Draft).unwrap();
            transaction(&conn, |_| Ok(())).unwrap();
            assert_eq!(now(), 1);
            level.set(&conn, Durability::Sealed).unwrap();
            transaction(&conn, |_| Ok(())).unwrap();
            assert_eq!(now(), 2);
        }
    }

    #[test]
    fn a_failed_migration_leaves_nothing_behind() {
        let mut conn = Connection::open_in_memory().unwrap();
        let bad = ["CREATE TABLE a (x); CREATE TABLE a (x);"];
        assert!(migrate(&mut conn, &bad).is_err());
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }
}
