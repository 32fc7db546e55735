//! What can go wrong with a document.

/// An error of this crate. `Display` never shows content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not one change, or not in the only accepted encoding.
    #[error("malformed change: {0}")]
    Malformed(&'static str),
    /// The bytes are something that is never accepted from others: a bundle, a
    /// compressed chunk.
    #[error("unsupported chunk or operation: {0}")]
    Unsupported(&'static str),
    /// More than [`crate::limits`] allow.
    #[error("limit exceeded: {0}")]
    TooLarge(&'static str),
    /// The change's actor does not belong to the device that signed it.
    #[error("actor of another device")]
    ForeignActor,
    /// Another change of this actor has the same sequence number.
    #[error("two changes of one actor with one number")]
    Equivocation,
    /// The change does not fit its dependencies.
    #[error("change does not follow from its dependencies: {0}")]
    Inconsistent(&'static str),
    /// Too many changes wait for what they depend on.
    #[error("too many changes wait for others")]
    TooManyWaiting,
    /// The document is of another type, or of an unknown one.
    #[error("wrong document type")]
    WrongType,
    /// A snapshot is not a document, or not a whole one.
    #[error("damaged snapshot")]
    DamagedSnapshot,
    /// A head of a snapshot is not among the verified changes.
    #[error("snapshot head without a verified change")]
    UnverifiedHead,
    /// No such field, or not one of the kind that the action needs.
    #[error("no such field")]
    NoSuchField,
    /// A position lies outside of the text or list, or inside a character.
    #[error("position out of range")]
    OutOfRange,
    /// The open burst is full: commit, then try the action again.
    #[error("burst is full")]
    BurstFull,
    /// A journal row cannot be read.
    #[error("damaged journal row")]
    DamagedJournal,
    /// A stored view cannot be read.
    #[error("damaged view")]
    DamagedView,
    /// Automerge refused what should have been sound: a bug, here or there.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    /// A name that does not change between versions.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "document.malformed",
            Self::Unsupported(_) => "document.unsupported",
            Self::TooLarge(_) => "document.too_large",
            Self::ForeignActor => "document.foreign_actor",
            Self::Equivocation => "document.equivocation",
            Self::Inconsistent(_) => "document.inconsistent",
            Self::TooManyWaiting => "document.too_many_waiting",
            Self::WrongType => "document.wrong_type",
            Self::DamagedSnapshot => "document.damaged_snapshot",
            Self::UnverifiedHead => "document.unverified_head",
            Self::NoSuchField => "document.no_such_field",
            Self::OutOfRange => "document.out_of_range",
            Self::BurstFull => "document.burst_full",
            Self::DamagedJournal => "document.damaged_journal",
            Self::DamagedView => "document.damaged_view",
            Self::Internal(_) => "document.internal",
        }
    }

    /// Whether the same call can succeed later: after a commit, or once missing
    /// changes have come.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::BurstFull | Self::TooManyWaiting)
    }
}
