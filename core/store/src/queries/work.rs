//! What was handed in, and whether in time.
use std::collections::HashMap;

use rusqlite::{Row, params};
use stunity_model::events::Evidence;
use stunity_model::timeliness::{self, Question, Timeliness};
use stunity_model::work::AssignmentKind;
use stunity_proto::{AccountId, BlobId, EntryId, Lane, ObjectId, SpaceId};

use super::{AssignmentRow, LATEST_LAST, blob_ids, is_provisional};
use crate::database::uint;
use crate::{Store, StoreError, process};

/// One attempt at an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionRow {
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

#[derive(Clone)]
struct Raw {
    entry: EntryId,
    lane: Vec<u8>,
    author: AccountId,
    vouched: bool,
    received_ms: Option<u64>,
    assignment: Option<[u8; 16]>,
    attempt: u64,
    text: String,
    evidence: Option<Evidence>,
    place: Option<u64>,
    day: Option<i64>,
    score: Option<u64>,
    banked: bool,
    blobs: Vec<BlobId>,
}

impl Raw {
    /// Whether both are attempts of one number in one lane.
    fn is_beside(&self, other: &Self) -> bool {
        self.lane == other.lane && self.attempt == other.attempt
    }

    /// Whether both are one statement: the evidence tells when it was made.
    fn says(&self, other: &Self) -> bool {
        self.evidence.is_some()
            && self.evidence == other.evidence
            && (self.author, self.assignment) == (other.author, other.assignment)
            && (&self.text, &self.blobs) == (&other.text, &other.blobs)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let count = |index| row.get::<_, Option<i64>>(index).map(|v| v.map(uint));
    let evidence = count(7)?
        .map(|wall_ms| {
            Ok::<_, rusqlite::Error>(Evidence {
                wall_ms,
                boot: row.get(8)?,
                since_relay_ms: count(9)?,
                relay_ms: count(10)?,
            })
        })
        .transpose()?;
    Ok(Raw {
        entry: EntryId(row.get(0)?),
        lane: row.get(1)?,
        author: AccountId(row.get(2)?),
        vouched: row.get(3)?,
        received_ms: count(4)?,
        assignment: row.get(5)?,
        attempt: count(6)?.unwrap_or(1),
        evidence,
        text: row.get(11)?,
        place: count(12)?,
        day: row.get(13)?,
        score: count(14)?,
        banked: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
        blobs: blob_ids(row.get(16)?),
    })
}

const COLUMNS: &str = "entry, lane, author, vouched, received_ms, assignment, attempt, wall_ms,
    boot, since_relay_ms, relay_ms, text, place, day, score, banked, blobs";

/// What decides timeliness besides the piece itself.
pub(super) struct Rules {
    pub assignments: HashMap<ObjectId, AssignmentRow>,
    by_place: HashMap<u64, ObjectId>,
    pub extensions: HashMap<(ObjectId, AccountId), u64>,
    pub counts_attested: bool,
    pub relay_now_ms: Option<u64>,
}

impl Rules {
    pub fn due_ms(&self, assignment: &AssignmentRow, student: AccountId) -> Option<u64> {
        // An extension is a time of its own; grace comes on top of either.
        let extended = self.extensions.get(&(assignment.assignment, student));
        let due = extended.copied().or(assignment.due_ms)?;
        Some(due.saturating_add(assignment.grace_ms))
    }

    fn judge(&self, raw: &Raw, assignment: ObjectId, student: AccountId) -> Timeliness {
        let Some(known) = self.assignments.get(&assignment) else {
            return Timeliness::Unproven;
        };
        // Of imported work the source states the day.
        if let Some(day) = raw.day {
            return match known.due_day {
                Some(due) if day > due => Timeliness::Late,
                _ => Timeliness::OnTime,
            };
        }
        timeliness::timeliness(&Question {
            due_ms: self.due_ms(known, student),
            received_ms: raw.received_ms,
            evidence: raw.evidence.as_ref(),
            counts_attested: self.counts_attested,
            relay_now_ms: self.relay_now_ms,
        })
    }

    fn finish(&self, raw: Raw) -> Result<Option<SubmissionRow>, StoreError> {
        let by_place = raw.place.and_then(|place| self.by_place.get(&place));
        let Some(assignment) = raw.assignment.map(ObjectId).or(by_place.copied()) else {
            return Ok(None);
        };
        // In `one:` lanes the lane says whose work it is, whoever wrote it down.
        let student = match Lane::from_key(&raw.lane)? {
            Lane::One(account) => account,
            _ => raw.author,
        };
        let known = self.assignments.get(&assignment);
        Ok(Some(SubmissionRow {
            timeliness: self.judge(&raw, assignment, student),
            beyond_attempts: known.is_some_and(|a| a.attempts > 0 && raw.attempt > a.attempts),
            lacks: known.and_then(|known| lacks(known, &raw)),
            provisional: is_provisional(&raw.entry),
            entry: raw.entry,
            assignment,
            student,
            attempt: raw.attempt,
            text: raw.text,
            received_ms: raw.received_ms,
            day: raw.day,
            score: raw.score,
            banked: raw.banked,
            blobs: raw.blobs,
            vouched: raw.vouched,
        }))
    }
}

/// Of imported work and of a quiz nothing is asked.
fn lacks(assignment: &AssignmentRow, raw: &Raw) -> Option<&'static str> {
    let kind = AssignmentKind::from_code(assignment.kind)?;
    if raw.day.is_some() || kind == AssignmentKind::Quiz {
        return None;
    }
    kind.check(&raw.text, raw.blobs.len()).err()
}

impl Store {
    pub(super) fn rules(&self, space: SpaceId) -> Result<Rules, StoreError> {
        let assignments = self.assignments(space)?;
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT assignment, lane, due_ms FROM p_extension WHERE space = ?1
             ORDER BY {LATEST_LAST}"
        ))?;
        let mut extensions = HashMap::new();
        let rows = statement.query_map([&space.0], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })?;
        for row in rows {
            let (assignment, lane, due) = row?;
            if let Lane::One(student) = Lane::from_key(&lane)? {
                extensions.insert((ObjectId(assignment), student), uint(due));
            }
        }
        Ok(Rules {
            by_place: assignments
                .iter()
                .filter_map(|a| Some((a.place?, a.assignment)))
                .collect(),
            assignments: assignments.into_iter().map(|a| (a.assignment, a)).collect(),
            extensions,
            counts_attested: self
                .course(space)?
                .is_some_and(|course| course.counts_attested),
            relay_now_ms: process::last_relay_ms(&self.conn)?,
        })
    }

    /// What was handed in in a course, the newest attempt last; of one pupil or
    /// of all that can be seen here.
    ///
    /// # Errors
    /// A database error.
    pub fn submissions(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<SubmissionRow>, StoreError> {
        let rules = self.rules(space)?;
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM p_submission WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)
             ORDER BY lane, attempt, {LATEST_LAST}"
        ))?;
        let raw = statement
            .query_map(params![&space.0, lane], read)?
            .collect::<Result<Vec<_>, _>>()?;
        let mut out = Vec::with_capacity(raw.len());
        // A copied phone may hand the same in in two entries; sorted, its copies stand
        // among the attempts with the same number.
        let mut attempts: Vec<Raw> = Vec::new();
        for piece in raw {
            if attempts
                .first()
                .is_some_and(|first| !first.is_beside(&piece))
            {
                attempts.clear();
            }
            if attempts.iter().any(|other| other.says(&piece)) {
                continue;
            }
            attempts.push(piece.clone());
            out.extend(rules.finish(piece)?);
        }
        Ok(out)
    }

    /// The attempts at one assignment.
    ///
    /// # Errors
    /// A database error.
    pub fn submissions_to(
        &self,
        space: SpaceId,
        assignment: ObjectId,
    ) -> Result<Vec<SubmissionRow>, StoreError> {
        let mut all = self.submissions(space, None)?;
        all.retain(|submission| submission.assignment == assignment);
        Ok(all)
    }

    /// How an assignment stands for a pupil who has handed in nothing.
    ///
    /// # Errors
    /// A database error.
    pub fn timeliness_without_work(
        &self,
        space: SpaceId,
        assignment: ObjectId,
        student: AccountId,
    ) -> Result<Timeliness, StoreError> {
        let rules = self.rules(space)?;
        Ok(match rules.assignments.get(&assignment) {
            None => Timeliness::Open,
            Some(known) => timeliness::timeliness(&Question {
                due_ms: rules.due_ms(known, student),
                received_ms: None,
                evidence: None,
                counts_attested: rules.counts_attested,
                relay_now_ms: rules.relay_now_ms,
            }),
        })
    }
}
