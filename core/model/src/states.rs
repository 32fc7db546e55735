//! How far each piece of work came, and how far a pupil came in a course.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{AccountId, EntryId, ObjectId};

use crate::grades::Released;
use crate::handed_in::{Rules, Submission, Terms, WorkKey};
use crate::timeliness::Timeliness;
use crate::work::{AssignmentKind, Progress, Workflow};

/// One assignment of one pupil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
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
    /// They are a mark by an answer key, no grade that a teacher released.
    pub by_key: bool,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// Handed in again after what was graded.
    pub handed_in_again: bool,
    /// What the assignment asks for and the newest attempt has not.
    pub lacks: Option<&'static str>,
    /// When a relay received the grade that is shown.
    pub graded_ms: Option<u64>,
}

impl Work {
    /// `PENDING`, `SUBMITTED`, `GRADED`, `LATE` or `MISSING`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.workflow.status(self.timeliness)
    }
}

/// A mark of an attempt at a quiz, computed from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Points, in hundredths.
    pub points: u64,
    /// In the pupil's lane, so that the pupil sees it.
    pub released: bool,
    /// When a relay received it.
    pub received_ms: Option<u64>,
}

/// What was shown to a pupil for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    attempt: Option<EntryId>,
    points: u64,
    by_key: bool,
    received_ms: Option<u64>,
}

/// What was handed in to assignments and what staff said of it.
#[derive(Clone, Debug, Default)]
pub struct Classwork {
    /// The newest attempt of each pupil at each assignment.
    pub latest: BTreeMap<WorkKey, Submission>,
    /// Attempts that were given back.
    pub returned: BTreeSet<EntryId>,
    /// The last grade that each pupil was shown.
    pub releases: Vec<Released>,
    /// The newest mark of each attempt.
    pub marks: BTreeMap<EntryId, Mark>,
}

impl Classwork {
    /// Every published assignment of every pupil, in the order of both; what was
    /// withdrawn stays where something was handed in.
    #[must_use]
    pub fn work<'a>(
        &self,
        rules: &Rules,
        assignments: impl IntoIterator<Item = &'a ObjectId>,
        students: &[AccountId],
    ) -> Vec<Work> {
        let shown = self.shown(rules);
        let mut out = Vec::new();
        for terms in assignments.into_iter().filter_map(|id| rules.terms(id)) {
            for student in students {
                let key = (terms.assignment, *student);
                let piece = self.latest.get(&key);
                if terms.published || piece.is_some() {
                    out.push(self.of_pupil(rules, terms, &key, piece, shown.get(&key)));
                }
            }
        }
        out
    }

    /// The grades that pupils see: what was released, else the released mark of the
    /// newest attempt at a quiz.
    fn shown(&self, rules: &Rules) -> BTreeMap<WorkKey, Shown> {
        let mut shown = BTreeMap::new();
        for (key, piece) in &self.latest {
            let kind = rules.terms(&key.0).map(|terms| terms.kind);
            let mark = self.marks.get(&piece.entry).filter(|mark| mark.released);
            if kind == Some(AssignmentKind::Quiz.code())
                && let Some(mark) = mark
            {
                let mark = Shown {
                    attempt: Some(piece.entry),
                    points: mark.points,
                    by_key: true,
                    received_ms: mark.received_ms,
                };
                shown.insert(*key, mark);
            }
        }
        for release in &self.releases {
            let key = (release.assignment, release.student);
            // A mark of a later attempt stands above the grade of an earlier one.
            let marked_later = shown.contains_key(&key)
                && self.latest.get(&key).map(|piece| piece.entry) != release.attempt;
            if !marked_later {
                let release = Shown {
                    attempt: release.attempt,
                    points: release.points,
                    by_key: false,
                    received_ms: release.received_ms,
                };
                shown.insert(key, release);
            }
        }
        shown
    }

    fn of_pupil(
        &self,
        rules: &Rules,
        terms: &Terms,
        key: &WorkKey,
        latest: Option<&Submission>,
        shown: Option<&Shown>,
    ) -> Work {
        let student = key.1;
        let attempt = latest.map_or(0, |latest| latest.attempt);
        let imported = latest.and_then(|latest| latest.score);
        let returned = latest.is_some_and(|piece| self.returned.contains(&piece.entry));
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
        let due_ms = rules.due_ms(terms, student);
        Work {
            assignment: terms.assignment,
            student,
            workflow,
            timeliness: match latest {
                Some(latest) => latest.timeliness,
                None => rules.without_work(terms, student),
            },
            due_ms: due_ms.map(|due| due - terms.grace_ms.min(due)),
            extended: rules.is_extended(key),
            latest: latest.map(|latest| latest.entry),
            attempt,
            attempts_left: (terms.attempts > 0).then(|| terms.attempts.saturating_sub(attempt)),
            // Imported scores are of a hundred, as the points of their assignments.
            points: (shown.map(|shown| shown.points)).or(imported.map(|score| score * 100)),
            by_key: shown.is_some_and(|shown| shown.by_key),
            max_points: terms.max_points,
            handed_in_again: shown.is_some() && !is_current,
            lacks: latest.and_then(|latest| latest.lacks),
            graded_ms: shown.and_then(|shown| shown.received_ms),
        }
    }
}

/// A pupil's progress in a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PupilProgress {
    /// The pupil.
    pub student: AccountId,
    /// What is done, of what there is.
    pub progress: Progress,
    /// The lessons that are done.
    pub lessons_done: Vec<ObjectId>,
    /// When the last thing that completed the course was received; none before.
    pub completed_ms: Option<u64>,
}

/// A pupil noted that a lesson is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LessonDone {
    /// The pupil.
    pub student: AccountId,
    /// The lesson.
    pub lesson: ObjectId,
    /// When a relay received it.
    pub received_ms: Option<u64>,
}

/// How far these pupils came: of the published lessons, what they did, and their work.
#[must_use]
pub fn progress(
    students: &[AccountId],
    lessons: &BTreeSet<ObjectId>,
    done: impl IntoIterator<Item = LessonDone>,
    work: impl IntoIterator<Item = Work>,
) -> Vec<PupilProgress> {
    let mut done_by: BTreeMap<AccountId, BTreeMap<ObjectId, Option<u64>>> = BTreeMap::new();
    for done in done.into_iter().filter(|d| lessons.contains(&d.lesson)) {
        let by = done_by.entry(done.student).or_default();
        // Done twice is done the first time.
        let first = by.entry(done.lesson).or_insert(done.received_ms);
        *first = match (*first, done.received_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let mut work_of: BTreeMap<AccountId, Vec<Work>> = BTreeMap::new();
    for piece in work {
        work_of.entry(piece.student).or_default().push(piece);
    }
    let of_pupil = |student: &AccountId| {
        let done = done_by.remove(student).unwrap_or_default();
        let work = work_of.remove(student).unwrap_or_default();
        pupil_progress(*student, lessons.len() as u64, done, &work)
    };
    students.iter().map(of_pupil).collect()
}

fn pupil_progress(
    student: AccountId,
    lessons: u64,
    done: BTreeMap<ObjectId, Option<u64>>,
    work: &[Work],
) -> PupilProgress {
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
    let times = || (done.values().copied()).chain(graded().map(|piece| piece.graded_ms));
    let completed = progress.is_completed() && times().all(|at| at.is_some());
    PupilProgress {
        student,
        progress,
        completed_ms: completed.then(|| times().flatten().max()).flatten(),
        lessons_done: done.into_keys().collect(),
    }
}
