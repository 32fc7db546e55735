//! Parameters and results.
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo, ValueRef};

/// A parameter. An absent one has a type too: PostgreSQL asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// 64 bits, signed; flags are 0 and 1.
    Int(Option<i64>),
    /// UTF-8.
    Text(Option<String>),
    /// Bytes: ids, signed bytes.
    Blob(Option<Vec<u8>>),
}

impl Value {
    /// An absent one of the same type.
    pub(super) fn null(&self) -> Self {
        match self {
            Self::Int(_) => Self::Int(None),
            Self::Text(_) => Self::Text(None),
            Self::Blob(_) => Self::Blob(None),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

/// Sequences and times stay below 2^63: a relay gives them itself.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(Some(value as i64))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl From<&Vec<u8>> for Value {
    fn from(value: &Vec<u8>) -> Self {
        Self::Blob(Some(value.clone()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Blob(value)
    }
}

/// A row of either database.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// The column at `index`, from 0.
    ///
    /// # Errors
    /// A column of another type: the statement and its reader do not fit.
    pub fn get<'r, T: Column<'r>>(&'r self, index: usize) -> Result<T, sqlx::Error> {
        T::read(self, index)
    }
}

/// What a column can be read as.
pub trait Column<'r>: Sized {
    /// Reads the column at `index`.
    ///
    /// # Errors
    /// A column of another type.
    fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error>;
}

macro_rules! as_stored {
    ($($kind:ty),*) => {$(
        impl<'r> Column<'r> for $kind {
            fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error> {
                match row {
                    Row::Sqlite(row) => row.try_get(index),
                    Row::Postgres(row) => row.try_get(index),
                }
            }
        }
    )*};
}

as_stored!(
    &'r [u8],
    Option<&'r [u8]>,
    Vec<u8>,
    Option<Vec<u8>>,
    String,
    Option<String>
);

/// PostgreSQL counts bytes in 32 bits, everything else in 64.
impl<'r> Column<'r> for Option<i64> {
    fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error> {
        match row {
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => {
                if row.try_get_raw(index)?.type_info().name() == "INT4" {
                    let value: Option<i32> = row.try_get(index)?;
                    return Ok(value.map(i64::from));
                }
                row.try_get(index)
            }
        }
    }
}

impl<'r> Column<'r> for i64 {
    fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error> {
        Option::<Self>::read(row, index)?.ok_or_else(|| sqlx::Error::ColumnDecode {
            index: index.to_string(),
            source: "null in a column of integers".into(),
        })
    }
}

impl<'r> Column<'r> for u64 {
    fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error> {
        i64::read(row, index).map(|value| value as Self)
    }
}

impl<'r> Column<'r> for bool {
    fn read(row: &'r Row, index: usize) -> Result<Self, sqlx::Error> {
        i64::read(row, index).map(|value| value != 0)
    }
}
