//! How far each piece of work came, and how far a pupil came in a course.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;
use stunity_model::Roles;
use stunity_model::timeliness::{self, Question, Timeliness};
use stunity_model::work::{AssignmentKind, Progress, Workflow};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};

use super::{AssignmentRow, ReleaseRow, SubmissionRow};
use crate::database::uint;
use crate::{Store, StoreError};

/// One assignment of one pupil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkRow {
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// How far it came; graded means that the pupil sees the grade.
    pub workflow: Workflow,
    /// Whether in time, and how that is known.
    pub timeliness: Timeliness,
    /// When it is due for this pupil, grace not included.
    pub due_ms: Option<u64>,
    /// The due time is an extension of this pupil.
    pub extended: bool,
    /// The newest attempt.
    pub latest: Option<EntryId>,
    /// Its number; 0 before the first.
    pub attempt: u64,
    /// Attempts left; none for any number.
    pub attempts_left: Option<u64>,
    /// Points that the pupil was shown, in hundredths.
    pub points: Option<u64>,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// Handed in again after what was graded.
    pub handed_in_again: bool,
    /// What the assignment asks for and the newest attempt has not.
    pub lacks: Option<&'static str>,
    /// When a relay received the grade that is shown.
    graded_ms: Option<u64>,
}

impl WorkRow {
    /// `PENDING`, `SUBMITTED`, `GRADED`, `LATE` or `MISSING`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.workflow.status(self.timeliness)
    }
}

/// A pupil's progress in a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressRow {
    /// The pupil.
    pub student: AccountId,
    /// What is done, of what there is.
    pub progress: Progress,
    /// The lessons that are done.
    pub lessons_done: Vec<ObjectId>,
    /// When the last thing that completed the course was received; none before.
    pub completed_ms: Option<u64>,
}

type Key = (ObjectId, AccountId);

/// What was shown to a pupil for an attempt.
#[derive(Clone, Copy)]
struct Shown {
    attempt: Option<EntryId>,
    points: u64,
    received_ms: Option<u64>,
}

fn row(
    assignment: &AssignmentRow,
    student: AccountId,
    due: (Option<u64>, bool),
    latest: Option<&SubmissionRow>,
    shown: Option<Shown>,
    returned: bool,
    without_work: Timeliness,
) -> WorkRow {
    let attempt = latest.map_or(0, |latest| latest.attempt);
    let imported = latest.and_then(|latest| latest.score);
    let is_current = match (shown.and_then(|shown| shown.attempt), latest) {
        (Some(graded), Some(latest)) => graded == latest.entry,
        _ => true,
    };
    let workflow = match latest {
        Some(_) if returned => Workflow::Returned,
        _ if shown.is_some() && is_current || imported.is_some() => Workflow::Graded,
        Some(_) => Workflow::Submitted,
        None => Workflow::Pending,
    };
    WorkRow {
        assignment: assignment.assignment,
        student,
        workflow,
        timeliness: latest.map_or(without_work, |latest| latest.timeliness),
        due_ms: due.0,
        extended: due.1,
        latest: latest.map(|latest| latest.entry),
        attempt,
        attempts_left: (assignment.attempts > 0)
            .then(|| assignment.attempts.saturating_sub(attempt)),
        // Imported scores are of a hundred, as the points of their assignments.
        points: shown
            .map(|shown| shown.points)
            .or(imported.map(|score| score * 100)),
        max_points: assignment.max_points,
        handed_in_again: shown.is_some() && !is_current,
        lacks: latest.and_then(|latest| latest.lacks),
        graded_ms: shown.and_then(|shown| shown.received_ms),
    }
}

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
        let rules = self.rules(space)?;
        let assignments = self.assignments(space)?;
        let students = self.pupils(space, student)?;
        let mut latest: BTreeMap<Key, SubmissionRow> = BTreeMap::new();
        for piece in self.submissions(space, student)? {
            latest.insert((piece.assignment, piece.student), piece);
        }
        let returned = self.returned(space)?;
        let releases = self.releases(space, student)?;
        let shown = self.shown(space, &assignments, &latest, releases)?;
        let mut out = Vec::with_capacity(assignments.len() * students.len());
        for assignment in &assignments {
            for student in &students {
                let key = (assignment.assignment, *student);
                let piece = latest.get(&key);
                if !assignment.published && piece.is_none() {
                    continue;
                }
                let due_ms = rules.due_ms(assignment, *student);
                let without_work = timeliness::timeliness(&Question {
                    due_ms,
                    received_ms: None,
                    evidence: None,
                    counts_attested: rules.counts_attested,
                    relay_now_ms: rules.relay_now_ms,
                });
                let due = (
                    due_ms.map(|due| due - assignment.grace_ms.min(due)),
                    rules.extensions.contains_key(&key),
                );
                let back = piece.is_some_and(|piece| returned.contains(&piece.entry));
                let shown = shown.get(&key).copied();
                out.push(row(
                    assignment,
                    *student,
                    due,
                    piece,
                    shown,
                    back,
                    without_work,
                ));
            }
        }
        Ok(out)
    }

    /// The grades that pupils see: what was released, else the released mark of
    /// the newest attempt at a quiz.
    fn shown(
        &self,
        space: SpaceId,
        assignments: &[AssignmentRow],
        latest: &BTreeMap<Key, SubmissionRow>,
        releases: Vec<ReleaseRow>,
    ) -> Result<BTreeMap<Key, Shown>, StoreError> {
        let mut shown = BTreeMap::new();
        let quizzes = assignments
            .iter()
            .filter(|a| AssignmentKind::from_code(a.kind) == Some(AssignmentKind::Quiz));
        for quiz in quizzes {
            let marks = self.marks(space, quiz.assignment)?;
            for ((assignment, student), piece) in latest {
                let mark = marks.get(&piece.entry).filter(|mark| mark.released);
                if *assignment == quiz.assignment
                    && let Some(mark) = mark
                {
                    let mark = Shown {
                        attempt: Some(piece.entry),
                        points: mark.points,
                        received_ms: mark.received_ms,
                    };
                    shown.insert((*assignment, *student), mark);
                }
            }
        }
        for release in releases {
            let key = (release.assignment, release.student);
            // A mark of a later attempt stands above the grade of an earlier one.
            let marked_later = shown.contains_key(&key)
                && latest.get(&key).map(|piece| piece.entry) != release.attempt;
            if !marked_later {
                let release = Shown {
                    attempt: release.attempt,
                    points: release.points,
                    received_ms: release.received_ms,
                };
                shown.insert(key, release);
            }
        }
        Ok(shown)
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
        let mut done: BTreeMap<AccountId, BTreeMap<ObjectId, Option<u64>>> = BTreeMap::new();
        let lane = student.map(|student| Lane::One(student).to_key());
        let mut statement = self.conn.prepare_cached(
            "SELECT lane, lesson, received_ms FROM p_lesson_done
             WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)",
        )?;
        let mut rows = statement.query(params![&space.0, lane])?;
        while let Some(row) = rows.next()? {
            let lesson = ObjectId(row.get(1)?);
            if let Lane::One(student) = Lane::from_key(&row.get::<_, Vec<u8>>(0)?)?
                && lessons.contains(&lesson)
            {
                let at = row.get::<_, Option<i64>>(2)?.map(uint);
                // Done twice is done the first time.
                let first = done.entry(student).or_default().entry(lesson).or_insert(at);
                *first = match (*first, at) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        let mut work: BTreeMap<AccountId, Vec<WorkRow>> = BTreeMap::new();
        for piece in self.work(space, student)? {
            work.entry(piece.student).or_default().push(piece);
        }
        let progress_of = |student: AccountId| {
            let done = done.remove(&student).unwrap_or_default();
            let work = work.remove(&student).unwrap_or_default();
            progress_of(student, lessons.len() as u64, done, &work)
        };
        Ok(self
            .pupils(space, student)?
            .into_iter()
            .map(progress_of)
            .collect())
    }
}

fn progress_of(
    student: AccountId,
    lessons: u64,
    done: BTreeMap<ObjectId, Option<u64>>,
    work: &[WorkRow],
) -> ProgressRow {
    let graded = || (work.iter()).filter(|piece| piece.workflow == Workflow::Graded);
    let progress = Progress {
        lessons,
        lessons_done: done.len() as u64,
        assignments: work.len() as u64,
        handed_in: (work.iter())
            .filter(|piece| !matches!(piece.workflow, Workflow::Pending | Workflow::Returned))
            .count() as u64,
        graded: graded().count() as u64,
        points: graded().filter_map(|piece| piece.points).sum(),
        max_points: graded().map(|piece| piece.max_points).sum(),
    };
    let times = || {
        done.values()
            .copied()
            .chain(graded().map(|piece| piece.graded_ms))
    };
    let completed = progress.is_completed() && times().all(|at| at.is_some());
    ProgressRow {
        student,
        progress,
        completed_ms: completed.then(|| times().flatten().max()).flatten(),
        lessons_done: done.into_keys().collect(),
    }
}
