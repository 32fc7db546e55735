//! The database's schema. A shipped migration is never edited; a new one is
//! added.
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};

use crate::error::ServerError;

/// Statements of migration 1, besides the projections' tables.
const FIRST: &str = include_str!("../../migrations/001_log.sql");

/// Brings the database to the newest version, in one transaction.
pub(crate) async fn migrate(db: &mut SqliteConnection) -> Result<(), ServerError> {
    let version: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut *db)
        .await?
        .get(0);
    if version >= 1 {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    tx.execute(FIRST).await?;
    for statement in stunity_model::rows::schema("BLOB", "INTEGER") {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
    }
    tx.execute("PRAGMA user_version = 1").await?;
    tx.commit().await?;
    Ok(())
}

/// The relay's epoch: rises at every restore.
pub(crate) async fn epoch(db: &mut SqliteConnection) -> Result<u64, ServerError> {
    let epoch: i64 = sqlx::query("SELECT epoch FROM relay")
        .fetch_one(db)
        .await?
        .get(0);
    Ok(epoch as u64)
}
