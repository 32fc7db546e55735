//! What was handed in, and whether in time.
use std::collections::BTreeMap;

use rusqlite::{Row, params};
use stunity_model::events::Evidence;
use stunity_model::handed_in::{Piece, Rules, Terms};
use stunity_model::rows::split_blobs;
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::{AssignmentRow, LATEST_LAST, SubmissionRow, is_provisional};
use crate::database::uint;
use crate::{Store, StoreError, process};

fn piece(row: &Row<'_>) -> Result<Piece, StoreError> {
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
    let entry = EntryId(row.get(0)?);
    Ok(Piece {
        provisional: is_provisional(&entry),
        entry,
        student: match Lane::from_key(&row.get::<_, Vec<u8>>(1)?)? {
            Lane::One(account) => account,
            _ => AccountId(row.get(2)?),
        },
        vouched: row.get(3)?,
        received_ms: count(4)?,
        assignment: row.get::<_, Option<_>>(5)?.map(ObjectId),
        attempt: count(6)?.unwrap_or(1),
        evidence,
        text: row.get(11)?,
        place: count(12)?,
        day: row.get(13)?,
        score: count(14)?,
        banked: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
        blobs: split_blobs(&row.get::<_, Option<Vec<u8>>>(16)?.unwrap_or_default()),
    })
}

const COLUMNS: &str = "entry, lane, author, vouched, received_ms, assignment, attempt, wall_ms,
    boot, since_relay_ms, relay_ms, text, place, day, score, banked, blobs";

impl AssignmentRow {
    fn terms(&self) -> Terms {
        Terms {
            assignment: self.assignment,
            kind: self.kind,
            max_points: self.max_points,
            due_ms: self.due_ms,
            grace_ms: self.grace_ms,
            attempts: self.attempts,
            published: self.published,
            place: self.place,
            due_day: self.due_day,
        }
    }
}

impl Store {
    pub(super) fn rules(
        &self,
        space: SpaceId,
        assignments: &[AssignmentRow],
    ) -> Result<Rules, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT assignment, lane, due_ms FROM p_extension WHERE space = ?1
             ORDER BY {LATEST_LAST}"
        ))?;
        let mut extensions = BTreeMap::new();
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
        Ok(Rules::new(
            assignments.iter().map(AssignmentRow::terms),
            extensions,
            self.course(space)?
                .is_some_and(|course| course.counts_attested),
            process::last_relay_ms(&self.conn)?,
        ))
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
        let rules = self.rules(space, &self.assignments(space)?)?;
        self.submissions_by(&rules, space, student)
    }

    pub(super) fn submissions_by(
        &self,
        rules: &Rules,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<SubmissionRow>, StoreError> {
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM p_submission WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)
             ORDER BY lane, attempt, {LATEST_LAST}"
        ))?;
        let pieces = statement
            .query_and_then(params![&space.0, lane], piece)?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(rules.submissions(pieces))
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
}
