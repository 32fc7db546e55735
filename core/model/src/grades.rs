//! Which grade counts: supersession and conflict.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{AccountId, EntryId, ObjectId};

use crate::handed_in::WorkKey;

/// One grade of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradeFact {
    /// The grade.
    pub grade: ObjectId,
    /// The grades that its author knew and replaces.
    pub supersedes: Vec<ObjectId>,
}

/// A choice between grades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What counts.
    pub grade: ObjectId,
    /// Over what.
    pub over: Vec<ObjectId>,
}

/// What follows from all grades of one piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None yet.
    Ungraded,
    /// One counts.
    Counts(ObjectId),
    /// These do not know each other: a teacher chooses. Sorted.
    Conflict(Vec<ObjectId>),
}

/// Folds grades and choices; order does not matter.
#[must_use]
pub fn fold(grades: &[GradeFact], choices: &[Choice]) -> Standing {
    let replaced: BTreeSet<ObjectId> = grades
        .iter()
        .flat_map(|grade| grade.supersedes.iter())
        .chain(choices.iter().flat_map(|choice| choice.over.iter()))
        .copied()
        .collect();
    let mut left: Vec<ObjectId> = grades
        .iter()
        .map(|grade| grade.grade)
        .filter(|grade| !replaced.contains(grade))
        .collect();
    left.sort_unstable();
    left.dedup();
    match left.as_slice() {
        // Two teachers may have chosen each other's: still a conflict.
        [] if grades.is_empty() => Standing::Ungraded,
        [] => {
            let mut all: Vec<ObjectId> = choices.iter().map(|choice| choice.grade).collect();
            all.sort_unstable();
            all.dedup();
            Standing::Conflict(all)
        }
        [one] => Standing::Counts(*one),
        _ => Standing::Conflict(left),
    }
}

/// One grade, as written in the staff's lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The grade.
    pub grade: ObjectId,
    /// The entry that carries it.
    pub entry: EntryId,
    /// Who gave it.
    pub author: AccountId,
    /// Given through an API.
    pub vouched: bool,
    /// The entry that was graded.
    pub attempt: Option<EntryId>,
    /// Points, in hundredths.
    pub points: u64,
    /// What is said about it.
    pub feedback: String,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// The grades that its author knew and replaces.
    pub supersedes: Vec<ObjectId>,
}

/// All grades of one pupil for one assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// Every grade that has effect, in the relay's order.
    pub grades: Vec<Given>,
    /// Which one counts, or which conflict.
    pub standing: Standing,
    /// The pupil has handed in again since the attempt that the counting grade
    /// was given for.
    pub handed_in_again: bool,
}

/// A grade as its pupil sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// Who released it.
    pub author: AccountId,
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

/// Folds the grades of a course, in the relay's order. `latest` is the newest attempt
/// at each piece of work.
#[must_use]
pub fn of_course(
    grades: impl IntoIterator<Item = (WorkKey, Given)>,
    mut choices: BTreeMap<WorkKey, Vec<Choice>>,
    latest: &BTreeMap<WorkKey, EntryId>,
) -> Vec<Graded> {
    let mut works: BTreeMap<WorkKey, Vec<Given>> = BTreeMap::new();
    for (work, grade) in grades {
        let all = works.entry(work).or_default();
        // A copied phone may give the same in two entries.
        if !(all.iter()).any(|known| (known.grade, known.author) == (grade.grade, grade.author)) {
            all.push(grade);
        }
    }
    let graded = |(work, grades): (WorkKey, Vec<Given>)| {
        let fact = |grade: &Given| GradeFact {
            grade: grade.grade,
            supersedes: grade.supersedes.clone(),
        };
        let facts: Vec<GradeFact> = grades.iter().map(fact).collect();
        let standing = fold(&facts, &choices.remove(&work).unwrap_or_default());
        let graded = match &standing {
            Standing::Counts(id) => (grades.iter())
                .find(|grade| grade.grade == *id)
                .and_then(|grade| grade.attempt),
            _ => None,
        };
        let newest = latest.get(&work);
        let (assignment, student) = work;
        Graded {
            handed_in_again: graded.is_some() && newest.is_some_and(|n| Some(*n) != graded),
            assignment,
            student,
            grades,
            standing,
        }
    };
    works.into_iter().map(graded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 16])
    }

    fn grade(n: u8, supersedes: &[u8]) -> GradeFact {
        GradeFact {
            grade: id(n),
            supersedes: supersedes.iter().map(|n| id(*n)).collect(),
        }
    }

    #[test]
    fn a_later_grade_replaces_the_one_it_knows() {
        let grades = [grade(2, &[1]), grade(1, &[])];
        assert_eq!(fold(&grades, &[]), Standing::Counts(id(2)));
        assert_eq!(fold(&[], &[]), Standing::Ungraded);
    }

    #[test]
    fn grades_that_do_not_know_each_other_conflict_until_one_is_chosen() {
        let grades = [grade(1, &[]), grade(2, &[])];
        assert_eq!(fold(&grades, &[]), Standing::Conflict(vec![id(1), id(2)]));
        let choice = Choice {
            grade: id(2),
            over: vec![id(1)],
        };
        assert_eq!(fold(&grades, &[choice]), Standing::Counts(id(2)));
    }
}
