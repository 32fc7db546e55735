//! Statements that run on either database.
use std::borrow::Cow;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, PgConnection, PgPool, SqliteConnection, SqlitePool};

use super::{Column, Connection, Database, Row, Transaction, Value};

/// A statement with its parameters.
#[derive(Debug)]
#[must_use]
pub struct Statement {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

/// A statement of `text`, whose parameters are `$1`, `$2`… A text that is made
/// holds names of our own tables and columns only, never what a peer sent.
pub fn sql(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement {
        text: text.into(),
        values: Vec::new(),
    }
}

/// A statement that looks for many keys: `select` finds them in `wanted`, whose columns
/// are `columns`. Of `at_once` keys at most, and always with as many parameters: what
/// is left is null, and the statement stays prepared.
pub(crate) fn wanted(
    columns: &str,
    keys: &[Vec<Value>],
    at_once: usize,
    select: &str,
) -> Statement {
    let width = keys.first().map_or(0, Vec::len);
    let rows: Vec<String> = (0..at_once)
        .map(|row| {
            let names = (1..=width).map(|column| format!("${}", row * width + column));
            format!("({})", names.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let rows = rows.join(", ");
    let nothing = keys.first().into_iter().cycle().flatten().map(Value::null);
    Statement {
        text: format!("WITH wanted ({columns}) AS (VALUES {rows}) {select}").into(),
        values: (keys.iter().flatten().cloned().chain(nothing))
            .take(at_once * width)
            .collect(),
    }
}

/// What a statement runs on.
pub enum Handle<'c> {
    /// A pool of SQLite.
    SqlitePool(&'c SqlitePool),
    /// A pool of PostgreSQL.
    PostgresPool(&'c PgPool),
    /// One connection to SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// One connection to PostgreSQL.
    Postgres(&'c mut PgConnection),
}

impl<'c> From<&'c Database> for Handle<'c> {
    fn from(database: &'c Database) -> Self {
        match database {
            Database::Sqlite(pool) => Self::SqlitePool(pool),
            Database::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

impl<'c> From<&'c mut Connection> for Handle<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        match connection {
            Connection::Sqlite(connection) => Self::Sqlite(connection),
            Connection::Postgres(connection) => Self::Postgres(connection),
        }
    }
}

impl<'c> From<&'c mut Transaction<'_>> for Handle<'c> {
    fn from(transaction: &'c mut Transaction<'_>) -> Self {
        match transaction {
            Transaction::Sqlite(transaction) => Self::Sqlite(transaction),
            Transaction::Postgres(transaction) => Self::Postgres(transaction),
        }
    }
}

/// Runs a query of either database by the same call.
macro_rules! on {
    ($statement:expr, $handle:expr, $method:ident, $sqlite:expr, $postgres:expr) => {{
        let Statement { text, values } = $statement;
        let text = AssertSqlSafe(text);
        match $handle.into() {
            Handle::SqlitePool(pool) => sqlx::query_with(text, sqlite(values)?)
                .$method(pool)
                .await
                .map($sqlite),
            Handle::Sqlite(connection) => sqlx::query_with(text, sqlite(values)?)
                .$method(connection)
                .await
                .map($sqlite),
            Handle::PostgresPool(pool) => sqlx::query_with(text, postgres(values)?)
                .$method(pool)
                .await
                .map($postgres),
            Handle::Postgres(connection) => sqlx::query_with(text, postgres(values)?)
                .$method(connection)
                .await
                .map($postgres),
        }
    }};
}

impl Statement {
    /// Gives the next parameter.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Gives the last parameter to a statement that has it.
    pub fn bind_if(self, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.bind(value),
            None => self,
        }
    }

    /// Runs it; answers how many rows it changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute<'c>(self, on: impl Into<Handle<'c>>) -> Result<u64, sqlx::Error> {
        on!(self, on, execute, |done| done.rows_affected(), |done| done
            .rows_affected())
    }

    /// All rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn all<'c>(self, on: impl Into<Handle<'c>>) -> Result<Vec<Row>, sqlx::Error> {
        on!(
            self,
            on,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            |rows| rows.into_iter().map(Row::Postgres).collect()
        )
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn optional<'c>(self, on: impl Into<Handle<'c>>) -> Result<Option<Row>, sqlx::Error> {
        on!(
            self,
            on,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            |row| row.map(Row::Postgres)
        )
    }

    /// The first row.
    ///
    /// # Errors
    /// The database's; there is none.
    pub async fn one<'c>(self, on: impl Into<Handle<'c>>) -> Result<Row, sqlx::Error> {
        self.optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The first column of the first row, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn scalar<'c, T>(self, on: impl Into<Handle<'c>>) -> Result<Option<T>, sqlx::Error>
    where
        T: for<'r> Column<'r>,
    {
        self.optional(on).await?.map(|row| row.get(0)).transpose()
    }

    /// The first column of all rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn scalars<'c, T>(self, on: impl Into<Handle<'c>>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> Column<'r>,
    {
        self.all(on).await?.iter().map(|row| row.get(0)).collect()
    }
}

fn sqlite(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Blob(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A text of PostgreSQL holds every character but U+0000, which somebody may
/// have signed.
fn postgres(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(|text| text.replace('\0', "\u{fffd}"))),
            Value::Blob(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
