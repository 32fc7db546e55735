//! The error that other languages see: few variants, by what an app can do.
use stunity_client::ClientError;
use stunity_store::StoreError;
use stunity_sync::SyncError;

/// Why a call failed. The codes are stable; none shows content.
#[derive(Clone, Debug, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error))]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize),
    serde(tag = "kind", rename_all = "camelCase")
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum StunityError {
    /// The relay cannot be reached, or the link was cut: try again later. Nothing
    /// is lost.
    #[error("{code}")]
    Unreachable {
        /// The code.
        code: String,
    },
    /// The relay said no.
    #[error("{code}")]
    Refused {
        /// The code.
        code: String,
    },
    /// The device or the browser's quota is full: free space, then try again.
    #[error("{code}")]
    NoSpace {
        /// The code.
        code: String,
    },
    /// Another process or tab has this account open: talk to it, or close it.
    #[error("{code}")]
    InUse {
        /// The code.
        code: String,
    },
    /// The request makes no sense here: a mistake of the caller.
    #[error("{code}")]
    Invalid {
        /// The code.
        code: String,
    },
    /// Anything else: show the code.
    #[error("{code}")]
    Failed {
        /// The code.
        code: String,
    },
}

impl StunityError {
    pub(crate) fn invalid(code: &str) -> Self {
        Self::Invalid {
            code: code.to_owned(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { code }
            | Self::Refused { code }
            | Self::NoSpace { code }
            | Self::InUse { code }
            | Self::Invalid { code }
            | Self::Failed { code } => code,
        }
    }
}

impl From<ClientError> for StunityError {
    fn from(error: ClientError) -> Self {
        let code = error.code();
        match error {
            ClientError::Refused(_) | ClientError::Sync(SyncError::Refused { .. }) => {
                Self::Refused { code }
            }
            ClientError::Store(StoreError::NoSpace) | ClientError::Sync(SyncError::NoSpace) => {
                Self::NoSpace { code }
            }
            // Trying again does not mend a disk.
            ClientError::Sync(SyncError::DiskFailed) => Self::Failed { code },
            error if error.is_retryable() => Self::Unreachable { code },
            ClientError::Store(StoreError::InUse) => Self::InUse { code },
            ClientError::Invalid(_) => Self::Invalid { code },
            _ => Self::Failed { code },
        }
    }
}

impl From<StoreError> for StunityError {
    fn from(error: StoreError) -> Self {
        ClientError::from(error).into()
    }
}

/// A listener of another language threw what it may not throw.
#[cfg(feature = "uniffi")]
impl From<uniffi::UnexpectedUniFFICallbackError> for StunityError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::invalid("listener.failed")
    }
}
