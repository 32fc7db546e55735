//! Why the store said no.
use rusqlite::ErrorCode;
use stunity_identity::IdentityError;
use stunity_proto::DecodeError;
use stunity_sync::SyncError;

/// An error of the store. `Display` names operations, never values.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full. Nothing of the operation was kept; the
    /// database stays readable.
    #[error("not enough space")]
    NoSpace,
    /// The disk did not do what it was asked. Nothing of the operation was kept;
    /// what was kept before stays.
    #[error("the disk failed")]
    DiskFailed,
    /// Another process or tab has this account open.
    #[error("the account is open elsewhere")]
    InUse,
    /// A newer version of the app wrote the database.
    #[error("written by a newer version")]
    Newer,
    /// There is no database where one was expected, or one where none was.
    #[error("{0}")]
    Setup(&'static str),
    /// What the database holds contradicts itself.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// What was asked for is not held.
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// What was given cannot be kept as it is.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// A limit of the formats.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Reading or writing a file failed.
    #[error("file system: {0}")]
    File(std::io::ErrorKind),
    /// SQLite said no.
    #[error("database: {0}")]
    Sql(String),
    /// Bytes that do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Keys, certificates, signatures.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSpace => "store.no-space",
            Self::DiskFailed => "store.disk-failed",
            Self::InUse => "store.in-use",
            Self::Newer => "store.newer-version",
            Self::Setup(_) => "store.setup",
            Self::Damaged(_) => "store.damaged",
            Self::NotFound(_) => "store.not-found",
            Self::NotAllowed(_) => "store.not-allowed",
            Self::TooLarge(_) => "store.too-large",
            Self::File(_) => "store.file",
            Self::Sql(_) => "store.failed",
            Self::Decode(error) => error.code(),
            Self::Identity(error) => error.code(),
        }
    }

    /// Whether the same call can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::NoSpace | Self::DiskFailed | Self::InUse | Self::File(_) | Self::Sql(_)
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                // Either way the transaction is rolled back and reading goes on.
                ErrorCode::DiskFull => Self::NoSpace,
                ErrorCode::SystemIoFailure => Self::DiskFailed,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::InUse,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    Self::Damaged("database file")
                }
                // The code alone: SQLite's message may quote values.
                _ => Self::Sql(format!("SQLite code {}", failure.extended_code)),
            },
            rusqlite::Error::QueryReturnedNoRows => Self::NotFound("row"),
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Self::Damaged("value of a column"),
            // A statement of ours, which holds no values.
            rusqlite::Error::SqlInputError { msg, .. } => Self::Sql(msg.clone()),
            rusqlite::Error::InvalidColumnIndex(_) => Self::Sql("column".to_owned()),
            rusqlite::Error::InvalidParameterCount(..) => Self::Sql("parameters".to_owned()),
            rusqlite::Error::ExecuteReturnedResults => Self::Sql("results".to_owned()),
            _ => Self::Sql("statement".to_owned()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace,
            kind => Self::File(kind),
        }
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSpace => Self::NoSpace,
            StoreError::DiskFailed => Self::DiskFailed,
            StoreError::Decode(error) => Self::Decode(error),
            error => Self::Store(error.to_string()),
        }
    }
}
