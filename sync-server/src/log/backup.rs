//! Backup while the relay runs, and restore.
use std::path::Path;

use sqlx::{Connection, Executor, SqliteConnection};

use super::{Log, options};
use crate::error::ServerError;

impl Log {
    /// Writes a consistent copy of the database to a new file.
    ///
    /// # Errors
    /// A file that exists or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), ServerError> {
        if to.exists() {
            return Err(ServerError::Refused("backup.exists"));
        }
        sqlx::query("VACUUM INTO ?")
            .bind(to.to_string_lossy().into_owned())
            .execute(self.pool())
            .await?;
        std::fs::File::open(to)?.sync_all()?;
        Ok(())
    }
}

/// Puts a backup in the place of a stopped relay's database. The epoch rises:
/// numbers given after the backup are lost, and devices offer again what they
/// hold.
///
/// # Errors
/// A backup that is damaged, or files that cannot be written.
pub async fn restore(folder: &Path, from: &Path) -> Result<(), ServerError> {
    let new = folder.join("relay.db.restored");
    std::fs::copy(from, &new)?;
    let mut db = SqliteConnection::connect_with(&options(&new)).await?;
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut db)
        .await?;
    if check != "ok" {
        return Err(ServerError::Refused("backup.damaged"));
    }
    db.execute("UPDATE relay SET epoch = epoch + 1; DELETE FROM cursor_log; DELETE FROM download; PRAGMA wal_checkpoint(TRUNCATE)")
        .await?;
    db.close().await?;
    for name in ["relay.db-wal", "relay.db-shm"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    std::fs::rename(new, folder.join("relay.db"))?;
    Ok(())
}
