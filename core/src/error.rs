use stunity_documents::Error as DocumentError;
use stunity_identity::IdentityError;
use stunity_store::StoreError;
use stunity_sync::SyncError;

/// What an app can do something about.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The local database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keys and certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The session with the relay; what was queued stays queued.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The relay cannot be reached.
    #[error("the relay cannot be reached: {0}")]
    Unreachable(String),
    /// The relay said no, with its stable code.
    #[error("refused by the relay: {0}")]
    Refused(String),
    /// The request makes no sense here; the code is stable.
    #[error("{0}")]
    Invalid(&'static str),
    /// A file.
    #[error("{0}")]
    File(#[from] std::io::Error),
}

impl ClientError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code().to_owned(),
            Self::Identity(error) => error.code().to_owned(),
            Self::Document(error) => error.code().to_owned(),
            Self::Sync(error) => error.code().to_owned(),
            Self::Unreachable(_) => "relay.unreachable".to_owned(),
            Self::Refused(code) => code.clone(),
            Self::Invalid(code) => (*code).to_owned(),
            Self::File(_) => "file.failed".to_owned(),
        }
    }

    /// Whether trying again later can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Sync(error) => error.is_retryable(),
            _ => false,
        }
    }
}
