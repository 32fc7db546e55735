//! What can be taken back, and what can be done again.
use automerge::ChangeHash;

use crate::journal::RowKind;

/// Committed bursts that can be taken back.
const MAX_DONE: usize = 100;

/// A step of the open burst: an action and those joined to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its first row in the journal.
    pub first: usize,
    /// The row after its last one.
    pub end: usize,
    /// The committed burst that it takes back; none if somebody typed it.
    pub reverts: Option<ChangeHash>,
}

/// What `redo` would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undone {
    /// Does the step again.
    Step(Step),
    /// Drops the last step, which takes back a committed burst.
    Revert,
    /// Takes back a committed burst that did nothing but take back others.
    Burst(ChangeHash),
}

/// The steps of an open burst, and the bursts before it. Pure bookkeeping: it does
/// the same when rows are written and when they are read after a crash.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    live: Vec<Step>,
    undone: Vec<Undone>,
    done: Vec<ChangeHash>,
}

/// What has to be done to the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// There is nothing to take back or do again.
    Nothing,
    /// Perform the rows of a step once more.
    Perform(Step),
    /// Roll back, and perform the rows of all live steps.
    Rebuild,
    /// Work out the inverse of a burst and perform it.
    Invert(ChangeHash),
}

impl Steps {
    pub fn live(&self) -> &[Step] {
        &self.live
    }

    /// Notes row `at`, an action.
    pub fn note(&mut self, at: usize, kind: RowKind) {
        let reverts = match kind {
            RowKind::Revert(hash) => Some(hash),
            _ => None,
        };
        match (kind, self.live.last_mut()) {
            (RowKind::Joined, Some(last)) if last.end == at => last.end = at + 1,
            _ => {
                self.live.push(Step {
                    first: at,
                    end: at + 1,
                    reverts,
                });
                if reverts.is_some() {
                    self.undone.push(Undone::Revert);
                } else {
                    self.undone.clear();
                }
            }
        }
    }

    /// Takes back the last step that somebody typed, or else the last burst.
    pub fn undo(&mut self) -> Todo {
        match self.live.last() {
            Some(&step) if step.reverts.is_none() => {
                self.live.pop();
                self.undone.push(Undone::Step(step));
                Todo::Rebuild
            }
            _ => self.done.pop().map_or(Todo::Nothing, Todo::Invert),
        }
    }

    /// Does again what was taken back last.
    pub fn redo(&mut self) -> Todo {
        match self.undone.pop() {
            None => Todo::Nothing,
            Some(Undone::Step(step)) => {
                self.live.push(step);
                Todo::Perform(step)
            }
            Some(Undone::Revert) => {
                let reverted = self.live.pop().and_then(|step| step.reverts);
                self.done.extend(reverted);
                Todo::Rebuild
            }
            Some(Undone::Burst(hash)) => Todo::Invert(hash),
        }
    }

    /// The burst that `undo` named could not be taken back now.
    pub fn keep_done(&mut self, hash: ChangeHash) {
        self.done.push(hash);
    }

    /// The burst that `redo` named could not be taken back now.
    pub fn keep_undone(&mut self, hash: ChangeHash) {
        self.undone.push(Undone::Burst(hash));
    }

    /// The steps from `len` on could not be done.
    pub fn truncate(&mut self, len: usize) {
        self.live.truncate(len);
        self.undone.clear();
    }

    /// The burst is committed as `hash`, or was nothing.
    pub fn commit(&mut self, hash: Option<ChangeHash>) {
        let only_reverts = self.live.iter().all(|step| step.reverts.is_some());
        let was_empty = self.live.is_empty();
        self.live.clear();
        // Rows of steps that were taken back are gone with the journal.
        let redoable = self.undone.last().copied();
        self.undone.clear();
        match hash {
            Some(hash) if only_reverts => self.undone.push(Undone::Burst(hash)),
            Some(hash) => {
                if self.done.len() == MAX_DONE {
                    self.done.remove(0);
                }
                self.done.push(hash);
            }
            None if was_empty => {
                self.undone
                    .extend(redoable.filter(|undone| matches!(undone, Undone::Burst(_))));
            }
            None => {}
        }
    }

    pub fn can_undo(&self) -> bool {
        self.live.last().is_some_and(|step| step.reverts.is_none()) || !self.done.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ChangeHash = ChangeHash([1; 32]);
    const B: ChangeHash = ChangeHash([2; 32]);
    const C: ChangeHash = ChangeHash([3; 32]);

    #[test]
    fn undo_goes_on_to_older_bursts_and_redo_comes_back() {
        let mut steps = Steps::default();
        for (hash, row) in [(A, 0), (B, 0)] {
            steps.note(row, RowKind::Edit);
            steps.commit(Some(hash));
        }
        assert_eq!(steps.undo(), Todo::Invert(B));
        steps.note(0, RowKind::Revert(B));
        assert_eq!(steps.undo(), Todo::Invert(A));
        steps.note(1, RowKind::Revert(A));
        assert_eq!(steps.undo(), Todo::Nothing);
        assert_eq!(steps.redo(), Todo::Rebuild);
        assert_eq!(steps.undo(), Todo::Invert(A));
        steps.note(2, RowKind::Revert(A));
        assert_eq!(steps.redo(), Todo::Rebuild);
        assert_eq!(steps.redo(), Todo::Rebuild);
        assert_eq!(steps.redo(), Todo::Nothing);
        assert!(steps.live().is_empty());
    }

    #[test]
    fn a_committed_undo_can_be_done_again_until_something_is_typed() {
        let mut steps = Steps::default();
        steps.note(0, RowKind::Edit);
        steps.commit(Some(A));
        assert_eq!(steps.undo(), Todo::Invert(A));
        steps.note(0, RowKind::Revert(A));
        steps.commit(Some(B));
        assert!(!steps.can_undo());
        // An empty burst changes nothing.
        steps.commit(None);
        assert_eq!(steps.redo(), Todo::Invert(B));
        steps.note(0, RowKind::Edit);
        steps.commit(Some(C));
        assert!(!steps.can_redo());
        assert_eq!(steps.undo(), Todo::Invert(C));
    }

    #[test]
    fn joined_rows_are_one_step() {
        let mut steps = Steps::default();
        steps.note(0, RowKind::Joined);
        steps.note(1, RowKind::Joined);
        steps.note(2, RowKind::Edit);
        assert_eq!(steps.undo(), Todo::Rebuild);
        assert_eq!(steps.live().len(), 1);
        assert_eq!((steps.live()[0].first, steps.live()[0].end), (0, 2));
        // row 3 is the undo; what follows cannot join what was taken back
        steps.note(4, RowKind::Joined);
        assert_eq!(steps.live().len(), 2);
        assert!(!steps.can_redo());
    }
}
