//! How far each piece of work came, and how far a pupil came in a course.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;
use stunity_model::Roles;
use stunity_model::states::{self, Classwork, LessonDone, Mark};
use stunity_model::work::AssignmentKind;
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::{AssignmentRow, ProgressRow, WorkRow};
use crate::database::uint;
use crate::{Store, StoreError};

impl Store {
    /// Every published assignment of every pupil of a course, or of one pupil, in
    /// the order of [`Store::assignments`]; what was withdrawn stays where
    /// something was handed in.
    ///
    /// # Errors
    /// A database error.
    pub fn work(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<WorkRow>, StoreError> {
        let assignments = self.assignments(space)?;
        let rules = self.rules(space, &assignments)?;
        let latest = (self.submissions_by(&rules, space, student)?.into_iter())
            .map(|piece| ((piece.assignment, piece.student), piece))
            .collect();
        let classwork = Classwork {
            latest,
            returned: self.returned(space)?,
            releases: self.releases(space, student)?,
            marks: self.quiz_marks(space, &assignments)?,
        };
        let order = assignments.iter().map(|assignment| &assignment.assignment);
        Ok(classwork.work(&rules, order, &self.pupils(space, student)?))
    }

    fn quiz_marks(
        &self,
        space: SpaceId,
        assignments: &[AssignmentRow],
    ) -> Result<BTreeMap<EntryId, Mark>, StoreError> {
        let mut marks = BTreeMap::new();
        let quizzes = (assignments.iter()).filter(|a| a.kind == AssignmentKind::Quiz.code());
        for quiz in quizzes {
            let of_quiz = self.marks(space, quiz.assignment)?;
            marks.extend(of_quiz.into_iter().map(|(attempt, mark)| {
                let mark = Mark {
                    points: mark.points,
                    released: mark.released,
                    received_ms: mark.received_ms,
                };
                (attempt, mark)
            }));
        }
        Ok(marks)
    }

    fn pupils(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<AccountId>, StoreError> {
        Ok(match student {
            Some(student) => vec![student],
            None => (self.class_list(space, Roles::STUDENT)?.into_iter())
                .map(|member| member.account)
                .collect(),
        })
    }

    fn returned(&self, space: SpaceId) -> Result<BTreeSet<EntryId>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT attempt FROM p_returned WHERE space = ?1")?;
        let rows = statement.query_map([&space.0], |row| row.get(0).map(EntryId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far pupils came in a course: all that can be seen here, or one.
    ///
    /// # Errors
    /// A database error.
    pub fn progress(
        &self,
        space: SpaceId,
        student: Option<AccountId>,
    ) -> Result<Vec<ProgressRow>, StoreError> {
        let lessons: BTreeSet<ObjectId> = (self.lessons(space)?.into_iter())
            .filter(|lesson| lesson.published)
            .map(|lesson| lesson.lesson)
            .collect();
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(
            "SELECT lane, lesson, received_ms FROM p_lesson_done
             WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)",
        )?;
        let mut rows = statement.query(params![&space.0, lane])?;
        let mut done = Vec::new();
        while let Some(row) = rows.next()? {
            if let Lane::One(student) = Lane::from_key(&row.get::<_, Vec<u8>>(0)?)? {
                done.push(LessonDone {
                    student,
                    lesson: ObjectId(row.get(1)?),
                    received_ms: row.get::<_, Option<i64>>(2)?.map(uint),
                });
            }
        }
        let students = self.pupils(space, student)?;
        let work = self.work(space, student)?;
        Ok(states::progress(&students, &lessons, done, work))
    }
}
