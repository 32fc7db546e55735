/// Why bytes of a peer or a file were refused. Holds no content of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the bytes end too early")]
    Truncated,
    /// A value of another type or form than the format allows here.
    #[error("unexpected value: {0}")]
    Unexpected(&'static str),
    /// A valid value in an encoding other than the one accepted encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// Bytes follow the value.
    #[error("trailing bytes")]
    Trailing,
    /// A limit of [`crate::limits`] is exceeded.
    #[error("over the limit: {0}")]
    TooLarge(&'static str),
    /// A format, version or kind that this build does not know.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// A computed hash differs from the stated one.
    #[error("hash mismatch: {0}")]
    HashMismatch(&'static str),
    /// A compressed pack refers to something that the receiver does not hold.
    #[error("missing context: {0}")]
    MissingContext(&'static str),
}

impl DecodeError {
    /// The stable code shown to users and written to logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated => "decode.truncated",
            Self::Unexpected(_) => "decode.unexpected",
            Self::NotCanonical => "decode.not-canonical",
            Self::Trailing => "decode.trailing",
            Self::TooLarge(_) => "decode.too-large",
            Self::Unknown(_) => "decode.unknown",
            Self::HashMismatch(_) => "decode.hash-mismatch",
            Self::MissingContext(_) => "decode.missing-context",
        }
    }
}
