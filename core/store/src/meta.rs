//! Small facts of the database, by name.
use rusqlite::types::{FromSql, ToSql};
use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;

pub(crate) const SCHOOL_ANCHOR: &str = "school-anchor";
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const CERTIFICATE: &str = "certificate";
pub(crate) const INCARNATION: &str = "incarnation";
pub(crate) const FOLD_VERSION: &str = "fold-version";
pub(crate) const CLOCK_ANCHOR: &str = "clock-anchor";
/// The entry that was being decoded when the app last ended.
pub(crate) const SUSPECT: &str = "suspect";
pub(crate) const FORKED: &str = "forked";
/// The relay was restored: own entries wait until it has sent what it holds.
pub(crate) const LOST: &str = "lost";
/// Something was erased, and old frames of the WAL may still have it.
pub(crate) const ERASED: &str = "erased";
/// How often the WAL was begun anew after a sync that failed.
pub(crate) const RENEWED: &str = "renewed";
/// The relay's epoch when it was last heard.
pub(crate) const EPOCH: &str = "epoch";
pub(crate) const LINK_RATE: &str = "link-rate";
pub(crate) const RELAY: &str = "relay";
pub(crate) const RELAY_MS: &str = "relay-ms";

pub(crate) fn load<T: FromSql>(conn: &Connection, name: &str) -> Result<Option<T>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(crate) fn save(conn: &Connection, name: &str, value: impl ToSql) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
        .execute(params![name, value])?;
    Ok(())
}

pub(crate) fn drop(conn: &Connection, name: &str) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM meta WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}

pub(crate) fn load_key(conn: &Connection, name: &str) -> Result<Option<[u8; 32]>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT secret FROM keys WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(crate) fn save_key(conn: &Connection, name: &str, secret: &[u8; 32]) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR REPLACE INTO keys (name, secret) VALUES (?1, ?2)")?
        .execute(params![name, secret])?;
    Ok(())
}
