//! Grades with their conflicts, and what was released.
use std::collections::BTreeMap;

use rusqlite::params;
use stunity_model::grades::{self, Choice};
use stunity_model::handed_in::WorkKey;
use stunity_model::rows::{latest, split_objects};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::{GradeRow, GradesRow, LATEST_LAST, ReleaseRow};
use crate::database::uint;
use crate::{Store, StoreError};

fn entry_of(bytes: Option<Vec<u8>>) -> Option<EntryId> {
    bytes.and_then(|bytes| EntryId::try_from(&bytes[..]).ok())
}

impl Store {
    /// The grades of a course, of one pupil or all: for staff. Those given through
    /// an API are among them where the course's policy or a teacher's device says
    /// that they count; the others wait, see [`Store::pending`].
    ///
    /// # Errors
    /// A database error.
    pub fn grades(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<GradesRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT grade, assignment, student, attempt, points, feedback, supersedes,
                entry, author, vouched, received_ms
             FROM p_grade WHERE space = ?1 AND (?2 IS NULL OR student = ?2)
             ORDER BY {LATEST_LAST}"
        ))?;
        let student = student.map(|student| student.0);
        let grades = statement
            .query_map(params![&space.0, student], |row| {
                let work = (ObjectId(row.get(1)?), AccountId(row.get(2)?));
                let grade = GradeRow {
                    grade: ObjectId(row.get(0)?),
                    attempt: entry_of(row.get(3)?),
                    points: uint(row.get(4)?),
                    feedback: row.get(5)?,
                    supersedes: split_objects(&row.get::<_, Vec<u8>>(6)?),
                    entry: EntryId(row.get(7)?),
                    author: AccountId(row.get(8)?),
                    vouched: row.get(9)?,
                    received_ms: row.get::<_, Option<i64>>(10)?.map(uint),
                };
                Ok((work, grade))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let choices = self.choices(space)?;
        Ok(grades::of_course(
            grades,
            choices,
            &self.latest_attempts(space)?,
        ))
    }

    fn choices(&self, space: SpaceId) -> Result<BTreeMap<WorkKey, Vec<Choice>>, StoreError> {
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
        let mut choices: BTreeMap<WorkKey, Vec<Choice>> = BTreeMap::new();
        for row in rows {
            let (work, grade, over) = row?;
            let over = split_objects(&over);
            choices
                .entry(work)
                .or_default()
                .push(Choice { grade, over });
        }
        Ok(choices)
    }

    fn latest_attempts(&self, space: SpaceId) -> Result<BTreeMap<WorkKey, EntryId>, StoreError> {
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
            "SELECT grade, grade_entry, assignment, attempt, points, feedback, received_ms, lane,
                author
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
                    author: AccountId(row.get(8)?),
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
        Ok(latest(out))
    }
}
