//! What was handed in to the assignments of a course, and whether in time. Client
//! and relay read the rows by statements of their own, and fold them alike.
use std::collections::BTreeMap;

use stunity_proto::{AccountId, BlobId, EntryId, ObjectId};

use crate::events::Evidence;
use crate::timeliness::{self, Question, Timeliness};
use crate::work::AssignmentKind;

/// An assignment and a pupil.
pub type WorkKey = (ObjectId, AccountId);

/// What of an assignment decides how work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The assignment.
    pub assignment: ObjectId,
    /// Its type, as in events.
    pub kind: u8,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    pub grace_ms: u64,
    /// How many attempts; 0 for any number.
    pub attempts: u64,
    /// Withdrawn if not.
    pub published: bool,
    /// Index in an imported course's list.
    pub place: Option<u64>,
    /// The due day from an imported course's start; none for its end.
    pub due_day: Option<i64>,
}

/// A row of the table `submission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The entry that carries it.
    pub entry: EntryId,
    /// No entry carries it yet: the id is provisional.
    pub provisional: bool,
    /// Whose work it is: the lane says so, whoever wrote it down.
    pub student: AccountId,
    /// Written through an API.
    pub vouched: bool,
    /// When a relay received it, milliseconds since 1970.
    pub received_ms: Option<u64>,
    /// The assignment; none in an imported course.
    pub assignment: Option<ObjectId>,
    /// Which attempt, from 1.
    pub attempt: u64,
    /// The text, or a link.
    pub text: String,
    /// When, as far as the device could tell; none of imported work.
    pub evidence: Option<Evidence>,
    /// The assignment's index in an imported course's list.
    pub place: Option<u64>,
    /// Day handed in, in an imported course.
    pub day: Option<i64>,
    /// The score in the source, 0–100.
    pub score: Option<u64>,
    /// Carried over from an earlier presentation.
    pub banked: bool,
    /// Files, by hash.
    pub blobs: Vec<BlobId>,
}

impl Piece {
    /// Whether both are attempts of one number of one pupil.
    fn is_beside(&self, other: &Self) -> bool {
        self.student == other.student && self.attempt == other.attempt
    }

    /// Whether both are one statement: the evidence tells when it was made.
    fn says(&self, other: &Self) -> bool {
        self.evidence.is_some()
            && self.evidence == other.evidence
            && (self.student, self.assignment) == (other.student, other.assignment)
            && (&self.text, &self.blobs) == (&other.text, &other.blobs)
    }
}

/// One attempt at an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The entry that carries it; a provisional id until it is sealed.
    pub entry: EntryId,
    /// Whether no entry carries it yet.
    pub provisional: bool,
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// Which attempt, from 1.
    pub attempt: u64,
    /// The text, or a link.
    pub text: String,
    /// When a relay received it, milliseconds since 1970.
    pub received_ms: Option<u64>,
    /// Day handed in, in an imported course.
    pub day: Option<i64>,
    /// The score in the source, 0–100.
    pub score: Option<u64>,
    /// Carried over from an earlier presentation.
    pub banked: bool,
    /// Written through an API.
    pub vouched: bool,
    /// Whether in time, and how that is known.
    pub timeliness: Timeliness,
    /// Files, by hash.
    pub blobs: Vec<BlobId>,
    /// Beyond the number of attempts that the assignment allows.
    pub beyond_attempts: bool,
    /// What the assignment's type asks for and the work has not, as a stable code.
    pub lacks: Option<&'static str>,
}

/// What decides of the work in a course besides the pieces themselves.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    terms: BTreeMap<ObjectId, Terms>,
    by_place: BTreeMap<u64, ObjectId>,
    extensions: BTreeMap<WorkKey, u64>,
    counts_attested: bool,
    relay_now_ms: Option<u64>,
}

impl Rules {
    /// The rules of a course: its assignments, the last extension of each pupil,
    /// whether a phone's interval counts, and the last relay time known.
    #[must_use]
    pub fn new(
        terms: impl IntoIterator<Item = Terms>,
        extensions: BTreeMap<WorkKey, u64>,
        counts_attested: bool,
        relay_now_ms: Option<u64>,
    ) -> Self {
        let terms: BTreeMap<ObjectId, Terms> = (terms.into_iter())
            .map(|terms| (terms.assignment, terms))
            .collect();
        Self {
            by_place: (terms.values())
                .filter_map(|terms| Some((terms.place?, terms.assignment)))
                .collect(),
            terms,
            extensions,
            counts_attested,
            relay_now_ms,
        }
    }

    /// What decides of an assignment.
    #[must_use]
    pub fn terms(&self, assignment: &ObjectId) -> Option<&Terms> {
        self.terms.get(assignment)
    }

    /// Whether the due time of this pupil is an extension.
    #[must_use]
    pub fn is_extended(&self, key: &WorkKey) -> bool {
        self.extensions.contains_key(key)
    }

    /// When it is due for this pupil, grace included, milliseconds since 1970.
    #[must_use]
    pub fn due_ms(&self, terms: &Terms, student: AccountId) -> Option<u64> {
        // An extension is a time of its own; grace comes on top of either.
        let extended = self.extensions.get(&(terms.assignment, student));
        let due = extended.copied().or(terms.due_ms)?;
        Some(due.saturating_add(terms.grace_ms))
    }

    /// How an assignment stands for a pupil who has handed in nothing.
    #[must_use]
    pub fn without_work(&self, terms: &Terms, student: AccountId) -> Timeliness {
        timeliness::timeliness(&Question {
            due_ms: self.due_ms(terms, student),
            received_ms: None,
            evidence: None,
            counts_attested: self.counts_attested,
            relay_now_ms: self.relay_now_ms,
        })
    }

    /// What was handed in, of pieces sorted by pupil, attempt and the relay's order.
    /// A copied phone may hand the same in in two entries: sorted so, its copies stand
    /// among the attempts with the same number, and one is left.
    #[must_use]
    pub fn submissions(&self, pieces: impl IntoIterator<Item = Piece>) -> Vec<Submission> {
        let mut out = Vec::new();
        let mut beside: Vec<Piece> = Vec::new();
        for piece in pieces {
            if (beside.first()).is_some_and(|first| !first.is_beside(&piece)) {
                beside.clear();
            }
            if beside.iter().any(|other| other.says(&piece)) {
                continue;
            }
            beside.push(piece.clone());
            out.extend(self.submission(piece));
        }
        out
    }

    fn judge(&self, piece: &Piece, terms: Option<&Terms>) -> Timeliness {
        let Some(terms) = terms else {
            return Timeliness::Unproven;
        };
        // Of imported work the source states the day.
        if let Some(day) = piece.day {
            return match terms.due_day {
                Some(due) if day > due => Timeliness::Late,
                _ => Timeliness::OnTime,
            };
        }
        timeliness::timeliness(&Question {
            due_ms: self.due_ms(terms, piece.student),
            received_ms: piece.received_ms,
            evidence: piece.evidence.as_ref(),
            counts_attested: self.counts_attested,
            relay_now_ms: self.relay_now_ms,
        })
    }

    fn submission(&self, piece: Piece) -> Option<Submission> {
        let by_place = piece.place.and_then(|place| self.by_place.get(&place));
        let assignment = piece.assignment.or(by_place.copied())?;
        let terms = self.terms(&assignment);
        Some(Submission {
            timeliness: self.judge(&piece, terms),
            beyond_attempts: terms.is_some_and(|t| t.attempts > 0 && piece.attempt > t.attempts),
            lacks: terms.and_then(|terms| lacks(terms, &piece)),
            provisional: piece.provisional,
            entry: piece.entry,
            assignment,
            student: piece.student,
            attempt: piece.attempt,
            text: piece.text,
            received_ms: piece.received_ms,
            day: piece.day,
            score: piece.score,
            banked: piece.banked,
            blobs: piece.blobs,
            vouched: piece.vouched,
        })
    }
}

/// Of imported work and of a quiz nothing is asked.
fn lacks(terms: &Terms, piece: &Piece) -> Option<&'static str> {
    let kind = AssignmentKind::from_code(terms.kind)?;
    if piece.day.is_some() || kind == AssignmentKind::Quiz {
        return None;
    }
    kind.check(&piece.text, piece.blobs.len()).err()
}
