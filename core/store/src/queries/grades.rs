//! Grades with their conflicts, and what was released.
use std::collections::BTreeMap;

use rusqlite::params;
use stunity_model::grades::{self, Choice, GradeFact, Standing};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::LATEST_LAST;
use crate::database::uint;
use crate::{Store, StoreError};

/// One grade, as written in the staff's lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradeRow {
    /// The grade.
    pub grade: ObjectId,
    /// The entry that carries it.
    pub entry: EntryId,
    /// Who gave it.
    pub author: AccountId,
    /// Given through an API: counts only where the course says so.
    pub vouched: bool,
    /// The entry that was graded.
    pub attempt: Option<EntryId>,
    /// Points, in hundredths.
    pub points: u64,
    /// What is said about it.
    pub feedback: String,
    /// When a relay received it.
    pub received_ms: Option<u64>,
}

/// All grades of one pupil for one assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradesRow {
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// Every grade, in the relay's order.
    pub grades: Vec<GradeRow>,
    /// Which one counts, or which conflict.
    pub standing: Standing,
    /// The pupil has handed in again since the attempt that the counting grade
    /// was given for.
    pub handed_in_again: bool,
}

/// A grade as its pupil sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// The grade.
    pub grade: ObjectId,
    /// The entry in which the grade was written.
    pub grade_entry: EntryId,
    /// The entry that was graded.
    pub attempt: Option<EntryId>,
    /// Points, in hundredths.
    pub points: u64,
    /// What is said about it.
    pub feedback: String,
    /// When a relay received the release.
    pub received_ms: Option<u64>,
}

type Work = (ObjectId, AccountId);

fn ids(bytes: &[u8]) -> Vec<ObjectId> {
    bytes
        .chunks_exact(16)
        .filter_map(|chunk| chunk.try_into().ok())
        .map(ObjectId)
        .collect()
}

fn entry_of(bytes: Option<Vec<u8>>) -> Option<EntryId> {
    bytes.and_then(|bytes| EntryId::try_from(&bytes[..]).ok())
}

impl Store {
    /// The grades of a course, of one pupil or all: for staff. Grades given
    /// through an API are listed, and count only by the course's policy.
    ///
    /// # Errors
    /// A database error.
    pub fn grades(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<GradesRow>, StoreError> {
        let counts_api = self
            .course(space)?
            .is_some_and(|course| course.counts_api_grades);
        let mut works: BTreeMap<Work, (Vec<GradeRow>, Vec<GradeFact>)> = BTreeMap::new();
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT grade, assignment, student, attempt, points, feedback, supersedes,
                entry, author, vouched, received_ms
             FROM p_grade WHERE space = ?1 AND (?2 IS NULL OR student = ?2)
             ORDER BY {LATEST_LAST}"
        ))?;
        let student = student.map(|student| student.0);
        let rows = statement.query_map(params![&space.0, student], |row| {
            let work = (ObjectId(row.get(1)?), AccountId(row.get(2)?));
            let grade = GradeRow {
                grade: ObjectId(row.get(0)?),
                attempt: entry_of(row.get(3)?),
                points: uint(row.get(4)?),
                feedback: row.get(5)?,
                entry: EntryId(row.get(7)?),
                author: AccountId(row.get(8)?),
                vouched: row.get(9)?,
                received_ms: row.get::<_, Option<i64>>(10)?.map(uint),
            };
            Ok((work, grade, row.get::<_, Vec<u8>>(6)?))
        })?;
        for row in rows {
            let (work, grade, supersedes) = row?;
            let (all, facts) = works.entry(work).or_default();
            // A copied phone may give the same in two entries.
            if all
                .iter()
                .any(|known| known.grade == grade.grade && known.author == grade.author)
            {
                continue;
            }
            if !grade.vouched || counts_api {
                facts.push(GradeFact {
                    grade: grade.grade,
                    supersedes: ids(&supersedes),
                });
            }
            all.push(grade);
        }
        let mut choices = self.choices(space)?;
        let latest = self.latest_attempts(space)?;
        Ok(works
            .into_iter()
            .map(|((assignment, student), (grades, facts))| {
                let chosen = choices.remove(&(assignment, student)).unwrap_or_default();
                let standing = grades::fold(&facts, &chosen);
                let graded = match &standing {
                    Standing::Counts(id) => grades
                        .iter()
                        .find(|grade| grade.grade == *id)
                        .and_then(|grade| grade.attempt),
                    _ => None,
                };
                let newest = latest.get(&(assignment, student));
                GradesRow {
                    handed_in_again: graded.is_some() && newest.is_some_and(|n| Some(*n) != graded),
                    assignment,
                    student,
                    grades,
                    standing,
                }
            })
            .collect())
    }

    fn choices(&self, space: SpaceId) -> Result<BTreeMap<Work, Vec<Choice>>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT assignment, student, grade, over FROM p_grade_choice WHERE space = ?1",
        )?;
        let rows = statement.query_map([&space.0], |row| {
            Ok((
                (ObjectId(row.get(0)?), AccountId(row.get(1)?)),
                ObjectId(row.get(2)?),
                row.get::<_, Vec<u8>>(3)?,
            ))
        })?;
        let mut choices: BTreeMap<Work, Vec<Choice>> = BTreeMap::new();
        for row in rows {
            let (work, grade, over) = row?;
            let over = ids(&over);
            choices
                .entry(work)
                .or_default()
                .push(Choice { grade, over });
        }
        Ok(choices)
    }

    fn latest_attempts(&self, space: SpaceId) -> Result<BTreeMap<Work, EntryId>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT assignment, lane, entry FROM p_submission
             WHERE space = ?1 AND assignment IS NOT NULL ORDER BY attempt, {LATEST_LAST}"
        ))?;
        let rows = statement.query_map([&space.0], |row| {
            Ok((
                ObjectId(row.get(0)?),
                row.get::<_, Vec<u8>>(1)?,
                EntryId(row.get(2)?),
            ))
        })?;
        let mut latest = BTreeMap::new();
        for row in rows {
            let (assignment, lane, entry) = row?;
            if let Lane::One(student) = Lane::from_key(&lane)? {
                latest.insert((assignment, student), entry);
            }
        }
        Ok(latest)
    }

    /// The grades that pupils see: the last one released for each piece of work.
    ///
    /// # Errors
    /// A database error.
    pub fn releases(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<ReleaseRow>, StoreError> {
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT grade, grade_entry, assignment, attempt, points, feedback, received_ms, lane
             FROM p_release WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)
             ORDER BY {LATEST_LAST}"
        ))?;
        let rows = statement.query_map(params![&space.0, lane], |row| {
            Ok((
                ReleaseRow {
                    grade: ObjectId(row.get(0)?),
                    grade_entry: EntryId(row.get(1)?),
                    assignment: ObjectId(row.get(2)?),
                    student: AccountId::ZERO,
                    attempt: entry_of(row.get(3)?),
                    points: uint(row.get(4)?),
                    feedback: row.get(5)?,
                    received_ms: row.get::<_, Option<i64>>(6)?.map(uint),
                },
                row.get::<_, Vec<u8>>(7)?,
            ))
        })?;
        let mut out = Vec::new();
        for row in rows {
            let (mut release, lane) = row?;
            if let Lane::One(student) = Lane::from_key(&lane)? {
                release.student = student;
                out.push(((release.assignment, student), release));
            }
        }
        Ok(super::latest(out))
    }
}
