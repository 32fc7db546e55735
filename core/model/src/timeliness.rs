//! Whether work came in time, and how that is known (workflow 2).
use crate::events::Evidence;
use crate::sabotage::believes_clocks;

/// Derived; a device's own clock never makes a piece on time or late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeliness {
    /// A receipt proves it was there in time, or there was no due time.
    OnTime,
    /// Received after the due time, and evidence proves it was made after it.
    Late,
    /// The phone's interval since a signed relay time says in time; the course's
    /// policy lets that count.
    Attested,
    /// Received late; when it was made is not proven.
    Unproven,
    /// Nothing was handed in and the due time is over.
    Missing,
    /// Nothing was handed in yet.
    Open,
}

impl Timeliness {
    /// The stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::OnTime => "on-time",
            Self::Late => "late",
            Self::Attested => "attested",
            Self::Unproven => "unproven",
            Self::Missing => "missing",
            Self::Open => "open",
        }
    }
}

/// What timeliness depends on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Due time of this pupil, extension and grace included; none: never late.
    pub due_ms: Option<u64>,
    /// When the relay or a hub received the piece, by receipt.
    pub received_ms: Option<u64>,
    /// The evidence inside; none if nothing was handed in.
    pub evidence: Option<&'a Evidence>,
    /// Whether the course lets a phone's interval count.
    pub counts_attested: bool,
    /// The last relay time known here: decides only what is missing.
    pub relay_now_ms: Option<u64>,
}

/// The answer.
#[must_use]
pub fn timeliness(q: &Question<'_>) -> Timeliness {
    let Some(evidence) = q.evidence else {
        return match (q.due_ms, q.relay_now_ms) {
            (Some(due), Some(now)) if now > due => Timeliness::Missing,
            _ => Timeliness::Open,
        };
    };
    let Some(due) = q.due_ms else {
        return Timeliness::OnTime;
    };
    if believes_clocks() {
        return match evidence.wall_ms > due {
            true => Timeliness::Late,
            false => Timeliness::OnTime,
        };
    }
    if q.received_ms.is_some_and(|received| received <= due) {
        return Timeliness::OnTime;
    }
    // An embedded relay time proves that it was made after that time.
    if evidence.relay_ms.is_some_and(|relay| relay > due) {
        return Timeliness::Late;
    }
    let made = evidence
        .relay_ms
        .zip(evidence.since_relay_ms)
        .map(|(relay, since)| relay.saturating_add(since));
    match made {
        Some(made) if made <= due && q.counts_attested => Timeliness::Attested,
        _ => Timeliness::Unproven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: u64 = 1_000_000;

    fn evidence(wall_ms: u64, relay: Option<u64>, since: Option<u64>) -> Evidence {
        Evidence {
            wall_ms,
            boot: 1,
            since_relay_ms: since,
            relay_ms: relay,
        }
    }

    fn ask(evidence: &Evidence, received_ms: Option<u64>, counts_attested: bool) -> Timeliness {
        timeliness(&Question {
            due_ms: Some(DUE),
            received_ms,
            evidence: Some(evidence),
            counts_attested,
            relay_now_ms: None,
        })
    }

    #[test]
    fn a_wrong_clock_changes_nothing() {
        for wall in [0, DUE - 1, DUE + 1, DUE * 1000] {
            let made = evidence(wall, None, None);
            assert_eq!(ask(&made, Some(DUE), true), Timeliness::OnTime);
            assert_eq!(ask(&made, Some(DUE + 1), true), Timeliness::Unproven);
            assert_eq!(ask(&made, None, true), Timeliness::Unproven);
        }
    }

    #[test]
    fn a_relay_time_after_the_due_time_proves_late() {
        let made = evidence(0, Some(DUE + 1), Some(0));
        assert_eq!(ask(&made, Some(DUE + 9), true), Timeliness::Late);
    }

    #[test]
    fn a_phones_interval_counts_only_where_the_course_says_so() {
        let made = evidence(0, Some(DUE - 500), Some(400));
        assert_eq!(ask(&made, Some(DUE + 9), true), Timeliness::Attested);
        assert_eq!(ask(&made, Some(DUE + 9), false), Timeliness::Unproven);
        let rebooted = evidence(0, Some(DUE - 500), None);
        assert_eq!(ask(&rebooted, Some(DUE + 9), true), Timeliness::Unproven);
    }
}
