//! Quizzes: what an attempt says, what it is worth, how long it took
//! (workflow 13).
//!
//! **Marking.** A question with options is worth its points times (right options
//! chosen − wrong options chosen) ÷ (right options), never below nothing, rounded
//! down to hundredths. So one right option of one is all or nothing, and choosing
//! everything gains nothing. A question without options, or without an answer in
//! the key, is left to the teacher.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::EntryId;

use crate::events::{Answer, Evidence, Question};

/// What the answers of an attempt are worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marking {
    /// Points in hundredths, without the questions that are left open.
    pub points: u64,
    /// Points of each question that was marked.
    pub questions: BTreeMap<u64, u64>,
    /// Questions that a teacher must look at.
    pub open: Vec<u64>,
}

/// Marks answers by a key. Of several answers to one question the last counts.
#[must_use]
pub fn mark(questions: &[Question], key: &[Answer], answers: &[Answer]) -> Marking {
    let of = |list: &[Answer], id: u64| -> BTreeSet<u64> {
        let found = list.iter().rfind(|answer| answer.question == id);
        found.map_or_else(BTreeSet::new, |a| a.options.iter().copied().collect())
    };
    let mut marking = Marking::default();
    for question in questions {
        let right = of(key, question.id);
        if question.options.is_empty() || right.is_empty() {
            marking.open.push(question.id);
            continue;
        }
        let chosen = of(answers, question.id);
        let hits = chosen.intersection(&right).count() as u64;
        let misses = chosen.len() as u64 - hits;
        let points = question
            .points
            .saturating_mul(hits.saturating_sub(misses))
            .checked_div(right.len() as u64)
            .unwrap_or(0);
        marking.points = marking.points.saturating_add(points);
        marking.questions.insert(question.id, points);
    }
    marking
}

/// One `QuizAnswers` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The entry that carries it.
    pub entry: EntryId,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// The answers in it.
    pub answers: Vec<Answer>,
    /// Whether it hands the attempt in.
    pub last: bool,
    /// When it was written.
    pub evidence: Evidence,
}

/// An attempt as its steps say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The entry that handed it in; none while it is open.
    pub handed_in: Option<EntryId>,
    /// The answers that count: the last to each question before handing in.
    pub answers: Vec<Answer>,
    /// How long it took.
    pub timing: Timing,
    /// The device was started anew between the first step and the last.
    pub rebooted: bool,
    /// Steps after handing in: kept, and without effect.
    pub ignored: usize,
}

/// How long an attempt took, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// There is no limit, or it is not handed in yet.
    Untimed,
    /// Within the limit; by receipts, else by the phone's monotonic clock.
    Within {
        /// Milliseconds at most.
        ms: u64,
        /// Whether receipts alone prove it.
        proven: bool,
    },
    /// Beyond the limit.
    Over {
        /// Milliseconds at least.
        ms: u64,
        /// Whether receipts alone prove it.
        proven: bool,
    },
    /// Nothing says how long it took.
    Unproven,
}

impl Timing {
    /// The stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Untimed => "untimed",
            Self::Within { .. } => "within",
            Self::Over { .. } => "over",
            Self::Unproven => "unproven",
        }
    }
}

/// Folds the steps of one attempt, in the relay's order and, before that, in the
/// order of their chain. The first step begins it. None without a step.
#[must_use]
pub fn fold(steps: &[Step], limit_minutes: Option<u64>) -> Option<Attempt> {
    let first = steps.first()?;
    let end = steps.iter().position(|step| step.last);
    let counting = &steps[..end.map_or(steps.len(), |end| end + 1)];
    let mut answers: BTreeMap<u64, Answer> = BTreeMap::new();
    for answer in counting.iter().flat_map(|step| &step.answers) {
        answers.insert(answer.question, answer.clone());
    }
    let last = end.map(|end| &steps[end]);
    let boot = first.evidence.boot;
    let rebooted = counting.iter().any(|step| step.evidence.boot != boot);
    Some(Attempt {
        handed_in: last.map(|step| step.entry),
        answers: answers.into_values().collect(),
        timing: match (limit_minutes, last) {
            (Some(minutes), Some(last)) => timing(minutes, first, last, rebooted),
            _ => Timing::Untimed,
        },
        rebooted,
        ignored: steps.len() - counting.len(),
    })
}

fn timing(minutes: u64, first: &Step, last: &Step, rebooted: bool) -> Timing {
    let limit = minutes.saturating_mul(60_000);
    // It began after the relay time that the first step embeds and ended before
    // the last step was received: no clock of the device is in this.
    let most = last.received_ms.zip(first.evidence.relay_ms);
    if let Some((received, after)) = most
        && received.saturating_sub(after) <= limit
    {
        let ms = received.saturating_sub(after);
        return Timing::Within { ms, proven: true };
    }
    // And the other way round: received first, a later relay time at the end.
    let least = last.evidence.relay_ms.zip(first.received_ms);
    if let Some((after, received)) = least
        && after.saturating_sub(received) > limit
    {
        let ms = after - received;
        return Timing::Over { ms, proven: true };
    }
    let at = |step: &Step| {
        let (relay, since) = step.evidence.relay_ms.zip(step.evidence.since_relay_ms)?;
        Some(relay.saturating_add(since))
    };
    let took = at(first).zip(at(last)).and_then(|(a, b)| b.checked_sub(a));
    match took {
        Some(ms) if !rebooted && ms <= limit => Timing::Within { ms, proven: false },
        Some(ms) if !rebooted => Timing::Over { ms, proven: false },
        _ => Timing::Unproven,
    }
}

/// Whether a teacher's device should mark an attempt whose answers are worth
/// `points`. `latest` is the newest mark of it, with its place in the relay's
/// order and the key's. A mark that was received after the key is never written
/// over: two builds that mark differently do not answer each other for ever.
#[must_use]
pub fn needs_mark(
    points: u64,
    latest: Option<(u64, Option<u64>)>,
    key_sequence: Option<u64>,
) -> bool {
    match latest {
        None => true,
        Some((known, _)) if known == points => false,
        Some((_, sequence)) => sequence.zip(key_sequence).is_none_or(|(m, k)| m <= k),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: u64, options: usize, points: u64) -> Question {
        Question {
            id,
            text: "?".into(),
            text_km: None,
            options: (0..options).map(|n| n.to_string()).collect(),
            points,
        }
    }

    fn answer(question: u64, options: &[u64]) -> Answer {
        Answer {
            question,
            options: options.to_vec(),
            text: None,
        }
    }

    #[test]
    fn one_right_option_is_all_or_nothing() {
        let (questions, key) = ([question(1, 3, 100)], [answer(1, &[2])]);
        let points = |chosen: &[u64]| mark(&questions, &key, &[answer(1, chosen)]).points;
        assert_eq!(points(&[2]), 100);
        assert_eq!(points(&[2, 2]), 100, "the same option twice is once");
        assert_eq!(points(&[1]), 0);
        assert_eq!(points(&[1, 2]), 0);
        assert_eq!(points(&[]), 0);
        assert_eq!(mark(&questions, &key, &[]).points, 0);
    }

    #[test]
    fn several_right_options_give_a_share_less_the_wrong_ones() {
        let (questions, key) = ([question(1, 5, 100)], [answer(1, &[0, 1, 2])]);
        let points = |chosen: &[u64]| mark(&questions, &key, &[answer(1, chosen)]).points;
        assert_eq!(points(&[0, 1, 2]), 100);
        assert_eq!(points(&[0, 1]), 66);
        assert_eq!(points(&[0, 1, 4]), 33);
        assert_eq!(points(&[0, 1, 2, 3, 4]), 33);
        assert_eq!(points(&[3, 4]), 0);
        assert_eq!(points(&[0, 99]), 0, "an option that is not there is wrong");
    }

    #[test]
    fn free_answers_are_left_to_the_teacher() {
        let questions = [question(1, 0, 100), question(2, 2, 50), question(3, 2, 50)];
        let key = [answer(1, &[]), answer(2, &[1])];
        let marking = mark(&questions, &key, &[answer(2, &[1]), answer(3, &[0])]);
        assert_eq!((marking.points, marking.open), (50, vec![1, 3]));
    }

    fn step(n: u8, boot: u32, relay: Option<u64>, since: u64, last: bool) -> Step {
        Step {
            entry: EntryId([n; 32]),
            received_ms: None,
            answers: vec![answer(1, &[u64::from(n)])],
            last,
            evidence: Evidence {
                wall_ms: 0,
                boot,
                since_relay_ms: Some(since),
                relay_ms: relay,
            },
        }
    }

    #[test]
    fn the_last_answer_before_handing_in_counts() {
        let steps = [
            step(1, 1, None, 0, false),
            step(2, 1, None, 0, true),
            step(3, 1, None, 0, false),
        ];
        let attempt = fold(&steps, None).unwrap();
        assert_eq!(attempt.answers, [answer(1, &[2])]);
        assert_eq!(attempt.handed_in, Some(EntryId([2; 32])));
        assert_eq!(attempt.ignored, 1);
        assert_eq!(fold(&steps[..1], Some(1)).unwrap().handed_in, None);
        assert_eq!(fold(&[], None), None);
    }

    #[test]
    fn a_time_limit_is_measured_by_the_monotonic_clock_and_reboots_are_flagged() {
        let took = |last: Step| fold(&[step(1, 7, Some(1000), 0, false), last], Some(1)).unwrap();
        let within = took(step(2, 7, Some(1000), 60_000, true));
        assert_eq!(
            within.timing,
            Timing::Within {
                ms: 60_000,
                proven: false
            }
        );
        let over = took(step(2, 7, Some(1000), 60_001, true));
        assert_eq!(over.timing.code(), "over");
        let rebooted = took(step(2, 8, Some(1000), 5, true));
        assert_eq!(
            (rebooted.timing, rebooted.rebooted),
            (Timing::Unproven, true)
        );
    }

    #[test]
    fn receipts_prove_what_a_clock_only_says() {
        let first = step(1, 7, Some(1000), 0, false);
        let mut last = step(2, 8, Some(1000), 9_999_999, true);
        last.received_ms = Some(61_000);
        let attempt = fold(&[first.clone(), last.clone()], Some(1)).unwrap();
        let proven = Timing::Within {
            ms: 60_000,
            proven: true,
        };
        assert_eq!((attempt.timing, attempt.rebooted), (proven, true));
        let begun = Step {
            received_ms: Some(2_000),
            ..first
        };
        last.received_ms = Some(900_000);
        last.evidence.relay_ms = Some(62_001);
        let attempt = fold(&[begun, last], Some(1)).unwrap();
        let over = Timing::Over {
            ms: 60_001,
            proven: true,
        };
        assert_eq!(attempt.timing, over);
    }

    #[test]
    fn a_mark_is_written_once_and_again_only_for_a_later_key() {
        assert!(needs_mark(5, None, Some(1)));
        assert!(!needs_mark(5, Some((5, Some(9))), Some(20)));
        assert!(needs_mark(5, Some((3, Some(9))), Some(20)), "a later key");
        assert!(!needs_mark(5, Some((3, Some(9))), Some(2)), "another build");
        assert!(
            needs_mark(5, Some((3, Some(9))), None),
            "a key not sent yet"
        );
    }
}
