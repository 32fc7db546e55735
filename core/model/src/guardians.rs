//! Guardians: who may read a child's lanes, and until when.
use stunity_proto::AccountId;

/// What the school stated of a guardian and a child, the last that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The guardian.
    pub guardian: AccountId,
    /// The child.
    pub child: AccountId,
    /// Until when, milliseconds since 1970; 0 once it was ended.
    pub until_ms: u64,
}

/// The last words on whether the guardian may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The child's.
    pub child: Option<bool>,
    /// The school's.
    pub school: Option<bool>,
}

/// How a guardianship stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The guardian reads.
    Open,
    /// Nobody has consented yet.
    AwaitsConsent,
    /// The child or the school said no, or not any more.
    Suspended,
    /// Its time is over, or it was ended.
    Ended,
}

impl Access {
    /// The stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AwaitsConsent => "awaits-consent",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// Folds one guardianship. `now_ms` is the relay's time: a phone's clock opens
/// and closes nothing.
#[must_use]
pub fn access(until_ms: u64, consent: Consent, now_ms: u64) -> Access {
    if until_ms <= now_ms {
        return Access::Ended;
    }
    match (consent.child, consent.school) {
        (Some(false), _) | (_, Some(false)) => Access::Suspended,
        (None, None) => Access::AwaitsConsent,
        _ => Access::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guardian_reads_while_one_consents_and_nobody_objects() {
        let ask = |child, school| access(10, Consent { child, school }, 5);
        assert_eq!(ask(None, None), Access::AwaitsConsent);
        assert_eq!(ask(Some(true), None), Access::Open);
        assert_eq!(ask(None, Some(true)), Access::Open);
        assert_eq!(ask(Some(false), Some(true)), Access::Suspended);
        assert_eq!(ask(Some(true), Some(false)), Access::Suspended);
    }

    #[test]
    fn it_ends_with_its_time_whatever_was_consented() {
        let consent = Consent {
            child: Some(true),
            school: Some(true),
        };
        assert_eq!(access(10, consent, 9), Access::Open);
        assert_eq!(access(10, consent, 10), Access::Ended);
        assert_eq!(access(0, consent, 0), Access::Ended);
    }
}
