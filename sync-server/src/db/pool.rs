//! Connections to either database.
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, Executor, PgConnection, PgPool, Postgres,
    Sqlite, SqliteConnection, SqlitePool,
};

use super::Dialect;
use crate::error::ServerError;
use crate::sabotage::syncs_nothing;

/// Connections that sessions read through.
const READERS: u32 = 4;
/// Pages of a connection's cache in SQLite, KiB: a relay sits in 15 MB when idle.
const CACHE_KIB: u32 = 1_024;
/// A file that another process writes is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// The address of a database of PostgreSQL, `postgres://…`.
    Postgres(String),
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub enum Database {
    /// To SQLite.
    Sqlite(SqlitePool),
    /// To PostgreSQL.
    Postgres(PgPool),
}

/// One connection, the writer's.
#[derive(Debug)]
pub enum Connection {
    /// To SQLite.
    Sqlite(SqliteConnection),
    /// To PostgreSQL.
    Postgres(PgConnection),
}

/// A transaction; dropped before its commit it is rolled back.
pub enum Transaction<'c> {
    /// Of SQLite.
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    /// Of PostgreSQL.
    Postgres(sqlx::Transaction<'c, Postgres>),
}

/// How a file of SQLite is opened.
pub(super) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    let durable = match syncs_nothing() {
        true => SqliteSynchronous::Off,
        false => SqliteSynchronous::Full,
    };
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(durable)
        .busy_timeout(BUSY)
        .statement_cache_capacity(256)
        .foreign_keys(false)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{CACHE_KIB}"))
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, ServerError> {
    url.parse()
        .map_err(|_| ServerError::Refused("database.address"))
}

impl Source {
    /// The database at `url`, or else the file `relay.db` in `folder`.
    ///
    /// # Errors
    /// `database.address` for an address that is not PostgreSQL's.
    pub fn new(folder: &Path, url: Option<&str>) -> Result<Self, ServerError> {
        match url {
            None | Some("") => Ok(Self::Sqlite(folder.join("relay.db"))),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            Some(_) => Err(ServerError::Refused("database.address")),
        }
    }

    /// One connection.
    ///
    /// # Errors
    /// A database that cannot be opened.
    pub async fn connect(&self) -> Result<Connection, ServerError> {
        Ok(match self {
            Self::Sqlite(path) => Connection::Sqlite(sqlite_options(path).connect().await?),
            Self::Postgres(url) => Connection::Postgres(postgres_options(url)?.connect().await?),
        })
    }

    /// A pool, which connects when it is first asked.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub fn pool(&self) -> Result<Database, ServerError> {
        Ok(match self {
            Self::Sqlite(path) => Database::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(READERS)
                    // A file does not go away between two statements.
                    .test_before_acquire(false)
                    .connect_lazy_with(sqlite_options(path)),
            ),
            Self::Postgres(url) => Database::Postgres(
                PgPoolOptions::new()
                    .max_connections(READERS)
                    .connect_lazy_with(postgres_options(url)?),
            ),
        })
    }
}

impl Database {
    /// How this database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl Connection {
    /// How this database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        Ok(match self {
            // A transaction that reads first and then finds that another process
            // wrote in between could not go on.
            Self::Sqlite(connection) => {
                Transaction::Sqlite(connection.begin_with("BEGIN IMMEDIATE").await?)
            }
            Self::Postgres(connection) => Transaction::Postgres(connection.begin().await?),
        })
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

impl Transaction<'_> {
    /// How this database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// The database's.
    pub async fn script(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let text = AssertSqlSafe(text);
        match self {
            Self::Sqlite(transaction) => transaction.execute(sqlx::raw_sql(text)).await.map(drop),
            Self::Postgres(transaction) => transaction.execute(sqlx::raw_sql(text)).await.map(drop),
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The database's: nothing was stored.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}
