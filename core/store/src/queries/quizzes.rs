//! Quizzes: questions, keys where they are held, attempts and marks.
use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use stunity_model::events::{Answer, Evidence, Question};
use stunity_model::quiz::{self, Attempt, Marking, Step};
use stunity_model::rows::{split_cells, split_options};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::{LATEST_FIRST, LATEST_LAST, is_provisional};
use crate::database::uint;
use crate::{Store, StoreError};

/// A quiz with what is held of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuizRow {
    /// The assignment.
    pub assignment: ObjectId,
    /// Minutes for an attempt; none without a limit.
    pub timed_minutes: Option<u64>,
    /// The questions, in their order.
    pub questions: Vec<Question>,
    /// The right answers: held by staff alone.
    pub key: Option<Vec<Answer>>,
}

/// One attempt at a quiz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuizAttemptRow {
    /// The pupil.
    pub student: AccountId,
    /// Which attempt, from 1.
    pub number: u64,
    /// What its steps say.
    pub attempt: Attempt,
    /// What the answers are worth, where the key is held.
    pub marking: Option<Marking>,
    /// The newest mark, if one was written.
    pub mark: Option<MarkRow>,
}

/// A mark that a teacher's device computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// Points, in hundredths.
    pub points: u64,
    /// In the pupil's lane, so that the pupil sees it.
    pub released: bool,
    /// Whose device computed it.
    pub author: AccountId,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// Its place in the relay's order.
    sequence: Option<u64>,
}

/// A mark that this device should write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMark {
    /// The quiz.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// The entry that handed the attempt in.
    pub attempt: EntryId,
    /// What it is worth.
    pub marking: Marking,
}

struct Key {
    answers: Vec<Answer>,
    sequence: Option<u64>,
}

type Place = ([u8; 32], i64);

impl Store {
    fn key(&self, space: SpaceId, assignment: ObjectId) -> Result<Option<Key>, StoreError> {
        let place: Option<(Place, Option<i64>)> = self
            .conn
            .prepare_cached(&format!(
                "SELECT entry, op, sequence FROM p_answer_key WHERE space = ?1 AND assignment = ?2
                 ORDER BY {LATEST_FIRST} LIMIT 1"
            ))?
            .query_row(params![&space.0, &assignment.0], |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
            })
            .optional()?;
        let Some((place, sequence)) = place else {
            return Ok(None);
        };
        Ok(Some(Key {
            answers: self.answers_at("p_answer_key", place)?,
            sequence: sequence.map(uint),
        }))
    }

    fn answers_at(&self, table: &str, place: Place) -> Result<Vec<Answer>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT question, options, answer FROM {table} WHERE entry = ?1 AND op = ?2
             ORDER BY item"
        ))?;
        let rows = statement.query_map(params![place.0, place.1], |row| {
            Ok(Answer {
                question: uint(row.get(0)?),
                options: split_options(&row.get::<_, String>(1)?),
                text: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A quiz as it was published last; none if the assignment is not held.
    ///
    /// # Errors
    /// A database error.
    pub fn quiz(
        &self,
        space: SpaceId,
        assignment: ObjectId,
    ) -> Result<Option<QuizRow>, StoreError> {
        let found: Option<(Place, Option<i64>)> = self
            .conn
            .prepare_cached(&format!(
                "SELECT entry, op, timed_minutes FROM p_assignment
                 WHERE space = ?1 AND assignment = ?2 ORDER BY {LATEST_FIRST} LIMIT 1"
            ))?
            .query_row(params![&space.0, &assignment.0], |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
            })
            .optional()?;
        let Some((place, timed_minutes)) = found else {
            return Ok(None);
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT question, text, text_km, options, points FROM p_question
             WHERE entry = ?1 AND op = ?2 ORDER BY item",
        )?;
        let questions = statement
            .query_map(params![place.0, place.1], |row| {
                let options: String = row.get(3)?;
                Ok(Question {
                    id: uint(row.get(0)?),
                    text: row.get(1)?,
                    text_km: row.get(2)?,
                    options: match options.is_empty() {
                        true => Vec::new(),
                        false => split_cells(&options),
                    },
                    points: uint(row.get(4)?),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(Some(QuizRow {
            assignment,
            timed_minutes: timed_minutes.map(uint),
            questions,
            key: self.key(space, assignment)?.map(|key| key.answers),
        }))
    }

    /// The attempts at a quiz, of one pupil or of all that can be seen here, by
    /// pupil and number.
    ///
    /// # Errors
    /// A database error.
    pub fn quiz_attempts(
        &self,
        space: SpaceId,
        assignment: ObjectId,
        student: Option<AccountId>,
    ) -> Result<Vec<QuizAttemptRow>, StoreError> {
        let Some(quiz) = self.quiz(space, assignment)? else {
            return Ok(Vec::new());
        };
        let marks = self.marks(space, assignment)?;
        let mut out = Vec::new();
        for ((student, number), steps) in self.quiz_steps(space, assignment, student)? {
            let Some(attempt) = quiz::fold(&steps, quiz.timed_minutes) else {
                continue;
            };
            let marking =
                (quiz.key.as_deref()).map(|key| quiz::mark(&quiz.questions, key, &attempt.answers));
            out.push(QuizAttemptRow {
                mark: attempt
                    .handed_in
                    .and_then(|entry| marks.get(&entry).copied()),
                student,
                number,
                attempt,
                marking,
            });
        }
        Ok(out)
    }

    /// The steps of each attempt, in the relay's order, then in their chain's.
    fn quiz_steps(
        &self,
        space: SpaceId,
        assignment: ObjectId,
        student: Option<AccountId>,
    ) -> Result<BTreeMap<(AccountId, u64), Vec<Step>>, StoreError> {
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(
            "SELECT s.entry, s.op, s.lane, s.attempt, s.last, s.received_ms,
                s.wall_ms, s.boot, s.since_relay_ms, s.relay_ms
             FROM p_quiz_step s LEFT JOIN entries e ON e.id = s.entry
             WHERE s.space = ?1 AND s.assignment = ?2 AND (?3 IS NULL OR s.lane = ?3)
             ORDER BY s.sequence IS NULL, s.sequence, e.sequence IS NULL, e.sequence,
                s.entry, s.op",
        )?;
        let mut rows = statement.query(params![&space.0, &assignment.0, lane])?;
        let mut out: BTreeMap<(AccountId, u64), Vec<Step>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let count = |index| row.get::<_, Option<i64>>(index).map(|v| v.map(uint));
            let place: Place = (row.get(0)?, row.get(1)?);
            let Lane::One(student) = Lane::from_key(&row.get::<_, Vec<u8>>(2)?)? else {
                continue;
            };
            let step = Step {
                entry: EntryId(place.0),
                received_ms: count(5)?,
                answers: self.answers_at("p_quiz_answer", place)?,
                last: row.get(4)?,
                evidence: Evidence {
                    wall_ms: count(6)?.unwrap_or(0),
                    boot: row.get(7)?,
                    since_relay_ms: count(8)?,
                    relay_ms: count(9)?,
                },
            };
            let number = count(3)?.unwrap_or(1);
            out.entry((student, number)).or_default().push(step);
        }
        Ok(out)
    }

    /// The newest mark of each attempt that was handed in.
    pub(super) fn marks(
        &self,
        space: SpaceId,
        assignment: ObjectId,
    ) -> Result<BTreeMap<EntryId, MarkRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT attempt, points, lane, author, sequence, received_ms FROM p_auto_mark
             WHERE space = ?1 AND assignment = ?2 ORDER BY {LATEST_LAST}"
        ))?;
        let mut rows = statement.query(params![&space.0, &assignment.0])?;
        let mut marks = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let lane = Lane::from_key(&row.get::<_, Vec<u8>>(2)?)?;
            let mark = MarkRow {
                points: uint(row.get(1)?),
                released: matches!(lane, Lane::One(_)),
                author: AccountId(row.get(3)?),
                sequence: row.get::<_, Option<i64>>(4)?.map(uint),
                received_ms: row.get::<_, Option<i64>>(5)?.map(uint),
            };
            marks.insert(EntryId(row.get(0)?), mark);
        }
        Ok(marks)
    }

    /// The marks that are still to be written in a course, by the keys held here.
    ///
    /// # Errors
    /// A database error.
    pub fn due_marks(&self, space: SpaceId) -> Result<Vec<DueMark>, StoreError> {
        let keyed = self
            .conn
            .prepare_cached("SELECT DISTINCT assignment FROM p_answer_key WHERE space = ?1")?
            .query_map([&space.0], |row| row.get(0).map(ObjectId))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut due = Vec::new();
        for assignment in keyed {
            let sequence = self.key(space, assignment)?.and_then(|key| key.sequence);
            for row in self.quiz_attempts(space, assignment, None)? {
                // A mark names the entry: it must be there, and stay that one.
                let handed_in = row.attempt.handed_in.filter(|id| !is_provisional(id));
                let (Some(attempt), Some(marking)) = (handed_in, row.marking) else {
                    continue;
                };
                let latest = row.mark.map(|mark| (mark.points, mark.sequence));
                if quiz::needs_mark(marking.points, latest, sequence) {
                    due.push(DueMark {
                        assignment,
                        student: row.student,
                        attempt,
                        marking,
                    });
                }
            }
        }
        Ok(due)
    }

    /// Whether any answer key is held: without one there is nothing to mark.
    ///
    /// # Errors
    /// A database error.
    pub fn holds_answer_keys(&self) -> Result<bool, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM p_answer_key)")?
            .query_row([], |row| row.get(0))?)
    }
}
