//! Which grade counts: supersession and conflict.
use std::collections::BTreeSet;

use stunity_proto::ObjectId;

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
