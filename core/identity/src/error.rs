use stunity_proto::DecodeError;

/// Why something signed, sealed or typed was refused. Holds no content, no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are not in the format.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Not a point of the curve, or one of small order.
    #[error("not a usable public key")]
    BadKey,
    /// The signature is not this key's over these bytes under this label.
    #[error("the signature does not verify")]
    BadSignature,
    /// An entry has no signature, and none that is held covers it.
    #[error("no signature")]
    Unsigned,
    /// A signer or issuer other than the one that the format demands.
    #[error("wrong signer: {0}")]
    WrongSigner(&'static str),
    /// Of another school than the one verified for.
    #[error("of another school")]
    WrongSchool,
    /// Of another account than the one verified for.
    #[error("of another account")]
    WrongAccount,
    /// Relay time is before the certificate's beginning.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Relay time is at or after the certificate's end.
    #[error("the certificate has expired")]
    Expired,
    /// A period longer than [`crate::MAX_OPERATOR_LIFETIME_MS`], or an empty one.
    #[error("the certificate's period is not allowed")]
    BadPeriod,
    /// A root whose commitment was not the pinned one.
    #[error("the new root is not the one committed to")]
    NotCommitted,
    /// The school's first root must be fetched before this can be verified.
    #[error("the chain of roots is needed")]
    NeedsSuccession,
    /// Something else than the rule of the format allows.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// A path or leaf that does not lead to the signed root.
    #[error("not covered by the signature")]
    NotCovered,
    /// A recovery code or scanned text with a wrong length, digit or check.
    #[error("mistyped: {0}")]
    Mistyped(&'static str),
    /// The parcel is sealed to others.
    #[error("sealed to others")]
    NotForUs,
    /// A sealed text was changed, cut, or sealed under another key.
    #[error("the sealed bytes do not open")]
    NotSealedSo,
    /// A limit of the format is exceeded.
    #[error("over the limit: {0}")]
    TooLarge(&'static str),
}

impl IdentityError {
    /// The stable code shown to users and written to logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::BadKey => "identity.bad-key",
            Self::BadSignature => "identity.bad-signature",
            Self::Unsigned => "identity.unsigned",
            Self::WrongSigner(_) => "identity.wrong-signer",
            Self::WrongSchool => "identity.wrong-school",
            Self::WrongAccount => "identity.wrong-account",
            Self::NotYetValid => "identity.not-yet-valid",
            Self::Expired => "identity.expired",
            Self::BadPeriod => "identity.bad-period",
            Self::NotCommitted => "identity.not-committed",
            Self::NeedsSuccession => "identity.needs-succession",
            Self::NotAllowed(_) => "identity.not-allowed",
            Self::NotCovered => "identity.not-covered",
            Self::Mistyped(_) => "identity.mistyped",
            Self::NotForUs => "identity.not-for-us",
            Self::NotSealedSo => "identity.not-sealed-so",
            Self::TooLarge(_) => "identity.too-large",
        }
    }
}
