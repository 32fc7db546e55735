//! Backup while the relay runs, and restore.
use std::path::{Path, PathBuf};

use super::Log;
use crate::blobs::Blobs;
use crate::db::{Database, Source, sql};
use crate::error::ServerError;

impl Log {
    /// Writes a consistent copy of the database to a new file, and the chunks of files
    /// to a folder beside it: those that the copy names are among them.
    ///
    /// # Errors
    /// A file that exists or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), ServerError> {
        if to.exists() || beside(to, FILES).exists() {
            return Err(ServerError::Refused("backup.exists"));
        }
        if let Database::Postgres(_) = self.database() {
            return Err(ServerError::Refused("backup.postgres"));
        }
        sql("VACUUM INTO $1")
            .bind(to.to_string_lossy().into_owned())
            .execute(self.database())
            .await?;
        std::fs::File::open(to)?.sync_all()?;
        self.blobs().copy_to(&beside(to, FILES)).await
    }
}

/// What the name of the folder with files ends in.
const FILES: &str = ".files";

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Puts a backup in the place of a stopped relay's database, and back the chunks of
/// files that are lacking. The epoch rises: numbers given after the backup are lost,
/// and devices offer again what they hold.
///
/// # Errors
/// A backup that is damaged, or files that cannot be written.
pub async fn restore(source: &Source, blobs: &Blobs, from: &Path) -> Result<(), ServerError> {
    let Source::Sqlite(path) = source else {
        return Err(ServerError::Refused("backup.postgres"));
    };
    let new = beside(path, ".restored");
    std::fs::copy(from, &new)?;
    let mut db = Source::Sqlite(new.clone()).connect().await?;
    let check: String = sql("PRAGMA integrity_check").one(&mut db).await?.get(0)?;
    if check != "ok" {
        return Err(ServerError::Refused("backup.damaged"));
    }
    let mut tx = db.begin().await?;
    tx.script("UPDATE relay SET epoch = epoch + 1; DELETE FROM cursor_log; DELETE FROM download")
        .await?;
    // Backups of before files went beside them.
    let files = beside(from, FILES);
    if files.exists() {
        blobs.take_lacking(&files).await?;
    }
    tx.commit().await?;
    db.close().await?;
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
    std::fs::rename(new, path)?;
    Ok(())
}
