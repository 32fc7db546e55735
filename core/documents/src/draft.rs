//! A document that somebody is editing.
use automerge::transaction::{CommitOptions, OwnedTransaction};
use automerge::{Automerge, ChangeHash, ReadDoc};

use crate::actor::DEVICE_PREFIX_BYTES;
use crate::change::CommittedChange;
use crate::conflict::conflicts;
use crate::history::{Applied, History};
use crate::inverse::inverse;
use crate::journal::{Journal, JournalRows, RowKind};
use crate::perform::{Cost, Fields};
use crate::steps::{Step, Steps, Todo};
use crate::{Action, Document, Error, FieldConflict, View};

/// An editing handle. Between the first edit and [`Draft::commit`] an Automerge
/// transaction stays open: a *burst*, which becomes one change, however many edits it
/// has. Each edit gives a journal row to store, from which [`Draft::replay`] restores
/// the burst after a crash.
#[derive(Debug)]
pub struct Draft {
    /// None only while a method moves the document in or out of a transaction.
    core: Option<Core>,
    history: History,
    fields: Fields,
    journal: Journal,
    steps: Steps,
    cost: Cost,
    view: Option<View>,
}

#[derive(Debug)]
enum Core {
    Idle(Box<Automerge>),
    Open(Box<OwnedTransaction>),
}

/// What came of [`Draft::receive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The burst that was open, if any: to be sealed, and its journal cleared.
    pub committed: Option<CommittedChange>,
    /// What the received change did.
    pub applied: Applied,
}

/// What came of [`Draft::replay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many rows were done again.
    pub rows: usize,
    /// Why the rows after them were not.
    pub stopped: Option<Error>,
}

const MOVED: &str = "every method that takes the core puts one back";

impl Draft {
    /// Begins to edit.
    #[must_use]
    pub fn open(document: Document) -> Self {
        Self {
            fields: Fields::new(document.history.doc_type),
            core: Some(Core::Idle(Box::new(document.doc))),
            history: document.history,
            journal: Journal::default(),
            steps: Steps::default(),
            cost: Cost::default(),
            view: None,
        }
    }

    /// Whether the document has a change.
    #[must_use]
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.history.graph.contains(hash)
    }

    /// Ends editing; the open burst is committed as by [`Draft::commit`].
    ///
    /// # Errors
    /// As [`Draft::commit`].
    pub fn close(mut self, time: i64) -> Result<(Document, Option<CommittedChange>), Error> {
        let committed = self.commit(time)?;
        match self.core.take().expect(MOVED) {
            Core::Idle(doc) => Ok((
                Document {
                    doc: *doc,
                    history: self.history,
                },
                committed,
            )),
            Core::Open(_) => Err(Error::Internal("open after commit")),
        }
    }

    /// Does an action, as a step of its own for [`Draft::undo`]. Returns the journal
    /// row to store before the action counts as safe.
    ///
    /// # Errors
    /// [`Error::NoSuchField`] or [`Error::OutOfRange`] if the action does not fit the
    /// document; [`Error::BurstFull`] if the burst has to be committed first;
    /// [`Error::TooLarge`] if the action is too large for any change. Nothing is done
    /// then.
    pub fn edit(&mut self, action: &Action<'_>) -> Result<&[u8], Error> {
        self.act(RowKind::Edit, action)
    }

    /// Does an action that belongs to the step of the one before, as the letters of
    /// one word: [`Draft::undo`] takes them back together.
    ///
    /// # Errors
    /// As [`Draft::edit`].
    pub fn edit_joined(&mut self, action: &Action<'_>) -> Result<&[u8], Error> {
        self.act(RowKind::Joined, action)
    }

    fn act(&mut self, kind: RowKind, action: &Action<'_>) -> Result<&[u8], Error> {
        self.perform(action)?;
        self.steps.note(self.journal.len(), kind);
        Ok(self.journal.push(kind, action))
    }

    fn perform(&mut self, action: &Action<'_>) -> Result<(), Error> {
        let cost = self.cost.with(action)?;
        if let Some(Core::Idle(_)) = self.core {
            self.begin()?;
        }
        let Some(Core::Open(tx)) = &mut self.core else {
            return Err(Error::Internal("no transaction"));
        };
        self.fields.perform(tx, action)?;
        self.cost = cost;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Error> {
        let core = match self.core.take().expect(MOVED) {
            Core::Idle(doc) => Core::Open(Box::new(
                doc.into_transaction(None, None)
                    .map_err(|_| Error::Internal("begin"))?,
            )),
            open @ Core::Open(_) => open,
        };
        self.core = Some(core);
        Ok(())
    }

    /// Takes back the last step of the open burst, or, if there is none, what is left
    /// of the last committed one, up to a hundred bursts. What others did stays:
    /// their text is not deleted, what they too deleted does not come back, and a
    /// field that they have set since keeps their value. Returns the journal rows to
    /// store; they are empty if there was nothing to take back.
    ///
    /// # Errors
    /// [`Error::BurstFull`] if a committed burst is to be taken back and the open one
    /// has no room for that: commit first.
    pub fn undo(&mut self) -> Result<JournalRows<'_>, Error> {
        let first = self.journal.len();
        loop {
            match self.steps.undo() {
                Todo::Rebuild => {
                    self.journal.push_mark(RowKind::Undo);
                    self.rebuild()?;
                }
                Todo::Invert(hash) => match self.invert(hash, RowKind::Revert(hash)) {
                    Ok(true) => {}
                    // Others have undone or overwritten all of it.
                    Ok(false) => continue,
                    Err(error) => {
                        self.steps.keep_done(hash);
                        return Err(error);
                    }
                },
                Todo::Nothing | Todo::Perform(_) => {}
            }
            return Ok(self.journal.rows_from(first));
        }
    }

    /// Does again what was taken back last, if nothing was edited since. Steps of a
    /// burst that was committed meanwhile, or lost in a crash, do not come back.
    ///
    /// # Errors
    /// As [`Draft::undo`].
    pub fn redo(&mut self) -> Result<JournalRows<'_>, Error> {
        let first = self.journal.len();
        match self.steps.redo() {
            Todo::Perform(step) => {
                self.journal.push_mark(RowKind::Redo);
                self.perform_step(step)?;
            }
            Todo::Rebuild => {
                self.journal.push_mark(RowKind::Redo);
                self.rebuild()?;
            }
            Todo::Invert(hash) => {
                if let Err(error) = self.invert(hash, RowKind::Edit) {
                    self.steps.keep_undone(hash);
                    return Err(error);
                }
            }
            Todo::Nothing => {}
        }
        Ok(self.journal.rows_from(first))
    }

    /// Whether [`Draft::undo`] may find something.
    #[must_use]
    pub fn can_undo(&self) -> bool {
        self.steps.can_undo()
    }

    /// Whether [`Draft::redo`] may find something.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        self.steps.can_redo()
    }

    /// Does the inverse of a burst as one step; false if nothing of it is left.
    fn invert(&mut self, hash: ChangeHash, first: RowKind) -> Result<bool, Error> {
        let actions = match self.core.as_ref().expect(MOVED) {
            Core::Idle(doc) => inverse(doc.as_ref(), &self.history.graph, &hash),
            Core::Open(tx) => inverse(tx.as_ref(), &self.history.graph, &hash),
        }?;
        // All or nothing.
        actions
            .iter()
            .try_fold(self.cost, |cost, action| cost.with(action))?;
        let mut kind = first;
        for action in &actions {
            self.act(kind, action)?;
            kind = RowKind::Joined;
        }
        Ok(!actions.is_empty())
    }

    /// Rolls back, and does the live steps again: what was taken back leaves no trace
    /// in the change.
    fn rebuild(&mut self) -> Result<(), Error> {
        let doc = match self.core.take().expect(MOVED) {
            Core::Open(tx) => Box::new(tx.rollback().0),
            Core::Idle(doc) => doc,
        };
        self.core = Some(Core::Idle(doc));
        self.cost = Cost::default();
        self.fields.forget();
        // What was taken back is in the view, and nothing says where.
        self.view = None;
        for at in 0..self.steps.live().len() {
            if let Err(error) = self.perform_step(self.steps.live()[at]) {
                // Not reached while editing: what was done once can be done again from
                // the same start. Stored rows may belong to another state.
                self.steps.truncate(at);
                self.rebuild()?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn perform_step(&mut self, step: Step) -> Result<(), Error> {
        // The journal is not touched by performing, but the borrow checker cannot see it.
        let journal = std::mem::take(&mut self.journal);
        let result = (step.first..step.end).try_for_each(|at| {
            let (_, action) = Journal::read(journal.row(at))?;
            self.perform(&Action::decode(action)?)
        });
        self.journal = journal;
        result
    }

    /// Does again, after a crash, what the stored rows of this document say. The draft
    /// must be freshly opened, on the document as it was when the first row was
    /// written: whatever arrived later is received after this. The burst is then the
    /// same, to the bytes of its change. A row that cannot be done ends the replay, and
    /// what came before its step is kept: commit at once then, since rows that follow
    /// it in the store would not be read.
    ///
    /// # Errors
    /// [`Error::BurstFull`] if a burst is open already.
    pub fn replay<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Replayed, Error> {
        if self.journal.len() > 0 {
            return Err(Error::BurstFull);
        }
        let mut stopped = None;
        for row in rows {
            // Only what is still live at the end is done, and that once.
            let at = self.journal.len();
            let read = Journal::read(row);
            match read {
                Ok((RowKind::Undo, _)) => {
                    self.steps.undo();
                }
                Ok((RowKind::Redo, _)) => {
                    self.steps.redo();
                }
                Ok((kind, _)) => self.steps.note(at, kind),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            self.journal.push_row(row);
        }
        let mut done = self.journal.len();
        if let Err(error) = self.rebuild() {
            stopped = Some(error);
            done = self.steps.live().last().map_or(0, |step| step.end);
        }
        Ok(Replayed {
            rows: done,
            stopped,
        })
    }

    /// Makes one change of the open burst; none if nothing was edited, or all of it
    /// taken back. In either case the stored journal of this document is done with:
    /// clear it in the transaction that stores the change. `time` stands in the change
    /// for others to read and decides nothing: Unix seconds, or 0.
    ///
    /// # Errors
    /// [`Error::Internal`] if Automerge does not give back what it just made.
    pub fn commit(&mut self, time: i64) -> Result<Option<CommittedChange>, Error> {
        let committed = match self.core.take().expect(MOVED) {
            Core::Idle(doc) => {
                self.core = Some(Core::Idle(doc));
                None
            }
            Core::Open(tx) => {
                let (doc, hash, _) = tx.commit_with(CommitOptions::default().with_time(time));
                let change = hash.map(|hash| doc.get_change_by_hash(&hash));
                self.core = Some(Core::Idle(Box::new(doc)));
                match change {
                    Some(change) => {
                        let change = change.ok_or(Error::Internal("own change"))?;
                        self.history.note_own(&change);
                        Some(CommittedChange::of(&change))
                    }
                    None => None,
                }
            }
        };
        self.steps
            .commit(committed.as_ref().map(|change| change.hash));
        self.journal.clear();
        self.cost = Cost::default();
        Ok(committed)
    }

    /// Takes up a change of somebody, as [`Document::apply_change`] does. If it is new,
    /// the open burst is committed first, with `time` as in [`Draft::commit`]: a change
    /// must not depend on what its author had not seen when the burst began.
    ///
    /// # Errors
    /// As [`Document::apply_change`]. If the change was refused only after the burst
    /// had been committed, [`Refused::committed`] has that change.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        device: &[u8; DEVICE_PREFIX_BYTES],
        time: i64,
    ) -> Result<Received, Refused> {
        let Some(change) = self.history.screen(bytes, device)? else {
            return Ok(Received {
                committed: None,
                applied: self.history.nothing_applied(),
            });
        };
        let committed = self.commit(time)?;
        self.bring_view_up_to_date();
        let Some(Core::Idle(doc)) = &mut self.core else {
            return Err(Error::Internal("open after commit").into());
        };
        match self.history.take_one(doc, change) {
            Ok(applied) => {
                if let Some(view) = &mut self.view {
                    view.apply(doc.as_ref(), &applied.patches);
                }
                self.fields.forget();
                Ok(Received { committed, applied })
            }
            Err(error) => Err(Refused { error, committed }),
        }
    }

    /// What a screen shows, the open burst included. Reads again only what was edited.
    pub fn view(&mut self) -> &View {
        self.bring_view_up_to_date();
        if self.view.is_none() {
            self.view = Some(match self.core.as_ref().expect(MOVED) {
                Core::Idle(doc) => View::of(doc.as_ref()),
                Core::Open(tx) => View::of(tx.as_ref()),
            });
        }
        self.view.get_or_insert_default()
    }

    fn bring_view_up_to_date(&mut self) {
        let dirty = self.fields.take_dirty();
        if let Some(view) = &mut self.view {
            for name in &dirty {
                match self.core.as_ref().expect(MOVED) {
                    Core::Idle(doc) => view.refresh(doc.as_ref(), name),
                    Core::Open(tx) => view.refresh(tx.as_ref(), name),
                }
            }
        }
    }

    /// Fields that have several values, none of which knew of the other.
    #[must_use]
    pub fn conflicts(&self) -> Vec<FieldConflict> {
        match self.core.as_ref().expect(MOVED) {
            Core::Idle(doc) => conflicts(doc.as_ref()),
            Core::Open(tx) => conflicts(tx.as_ref()),
        }
    }

    /// Chooses one of a conflict's values for all: an edit like any other.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if there is no such value, or as [`Draft::edit`].
    pub fn resolve(&mut self, conflict: &FieldConflict, choice: usize) -> Result<&[u8], Error> {
        let (value, _) = conflict.values.get(choice).ok_or(Error::OutOfRange)?;
        self.edit(&Action::PutField {
            path: conflict.path.clone(),
            value: std::borrow::Cow::Borrowed(value),
        })
    }

    /// The changes that no other change follows, sorted; the open burst is none yet.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.history.graph.heads()
    }

    /// Whether a burst is open: there are journal rows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.journal.len() > 0
    }
}

/// A change that [`Draft::receive`] did not take up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// The burst that was committed before the change turned out to be unsound.
    pub committed: Option<CommittedChange>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            committed: None,
        }
    }
}
