//! The database's schema. A shipped migration is never edited; a new one is
//! added, in both dialects.
use super::{Connection, Dialect, Transaction, sql};
use crate::error::ServerError;

/// A step from one version to the next.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

/// All steps; a database's version is how many of them it has. The projections'
/// tables come with the first.
const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("../../migrations/sqlite/001_log.sql"),
        postgres: include_str!("../../migrations/postgres/001_log.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/002_erasures.sql"),
        postgres: include_str!("../../migrations/postgres/002_erasures.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/003_changes.sql"),
        postgres: include_str!("../../migrations/postgres/003_changes.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/004_files.sql"),
        postgres: include_str!("../../migrations/postgres/004_files.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/005_waiting_changes.sql"),
        postgres: include_str!("../../migrations/postgres/005_waiting_changes.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/006_batches.sql"),
        postgres: include_str!("../../migrations/postgres/006_batches.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/007_accepted.sql"),
        postgres: include_str!("../../migrations/postgres/007_accepted.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/008_accounts.sql"),
        postgres: include_str!("../../migrations/postgres/008_accounts.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/010_members.sql"),
        postgres: include_str!("../../migrations/postgres/010_members.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/011_conversations.sql"),
        postgres: include_str!("../../migrations/postgres/011_conversations.sql"),
    },
    Migration {
        sqlite: include_str!("../../migrations/sqlite/012_once.sql"),
        postgres: include_str!("../../migrations/postgres/012_once.sql"),
    },
];

/// Brings the database to the newest version, in one transaction.
///
/// # Errors
/// `database.newer` where a later relay has written; the database's.
pub(crate) async fn migrate(db: &mut Connection) -> Result<(), ServerError> {
    let mut tx = db.begin().await?;
    let version = version(&mut tx).await? as usize;
    if version > MIGRATIONS.len() {
        return Err(ServerError::Refused("database.newer"));
    }
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        match tx.dialect() {
            Dialect::Sqlite => tx.script(migration.sqlite).await?,
            Dialect::Postgres => tx.script(migration.postgres).await?,
        }
        if index == 0 {
            create_projections(&mut tx).await?;
        }
    }
    let version = MIGRATIONS.len();
    match tx.dialect() {
        Dialect::Sqlite => sql(format!("PRAGMA user_version = {version}")),
        Dialect::Postgres => sql("UPDATE schema_version SET version = $1").bind(version as u64),
    }
    .execute(&mut tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn version(tx: &mut Transaction<'_>) -> Result<u64, sqlx::Error> {
    match tx.dialect() {
        Dialect::Sqlite => sql("PRAGMA user_version").one(tx).await?.get(0),
        Dialect::Postgres => {
            // Two processes that begin a database at once take their turns.
            sql("SELECT pg_advisory_xact_lock(7305808869231650670)")
                .execute(&mut *tx)
                .await?;
            tx.script(
                "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL); \
                 INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)",
            )
            .await?;
            sql("SELECT version FROM schema_version")
                .one(tx)
                .await?
                .get(0)
        }
    }
}

/// Makes the projections' tables.
///
/// # Errors
/// The database's.
pub(crate) async fn create_projections(tx: &mut Transaction<'_>) -> Result<(), ServerError> {
    for statement in projections(tx.dialect()) {
        sql(statement).execute(&mut *tx).await?;
    }
    Ok(())
}

/// The tables of projections. A client names an entry by its id, the relay by
/// its number in `entry`: an integer, which SQLite keeps in a column of any type.
fn projections(dialect: Dialect) -> Vec<String> {
    let (blob, int) = dialect.types();
    let mut statements = stunity_model::rows::schema(blob, int);
    if dialect == Dialect::Postgres {
        for statement in &mut statements {
            *statement = statement.replacen("entry BYTEA", "entry BIGINT", 1);
        }
    }
    statements
}
