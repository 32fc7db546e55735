/// Why a session ended or a store refused.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The other side sent something that no correct peer sends.
    #[error("protocol violation: {0}")]
    Protocol(&'static str),
    /// Bytes that do not decode.
    #[error(transparent)]
    Decode(#[from] stunity_proto::DecodeError),
    /// A signature, certificate or receipt that does not verify.
    #[error("not authentic: {0}")]
    NotAuthentic(&'static str),
    /// The store has no space left; what was received is not acknowledged.
    #[error("not enough space")]
    NoSpace,
    /// The store's disk failed; what was received is not acknowledged.
    #[error("the disk failed")]
    DiskFailed,
    /// The store failed. The text names the operation, never its values.
    #[error("store: {0}")]
    Store(String),
    /// The relay said no to the session as a whole.
    #[error("refused by the relay: {code}")]
    Refused {
        /// The relay's stable code.
        code: String,
        /// When to come back, in milliseconds, if at all.
        retry_after_ms: Option<u64>,
    },
}

impl SyncError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Protocol(_) => "sync.protocol",
            Self::Decode(error) => error.code(),
            Self::NotAuthentic(_) => "sync.not-authentic",
            Self::NoSpace => "store.no-space",
            Self::DiskFailed => "store.disk-failed",
            Self::Store(_) => "store.failed",
            Self::Refused { code, .. } => code,
        }
    }

    /// Whether trying again later can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoSpace | Self::DiskFailed | Self::Store(_) => true,
            Self::Refused { retry_after_ms, .. } => retry_after_ms.is_some(),
            _ => false,
        }
    }
}

/// Whether a relay that refuses with this code, and without a tombstone, may take the
/// same entry later: it lacks the course, or the membership that the entry cites,
/// which others may still bring.
#[must_use]
pub fn may_come_later(code: &str) -> bool {
    matches!(code, "space.unknown" | "heads.unknown")
}
