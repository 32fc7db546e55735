//! Editing documents on this device: every step is in the database before the next
//! is typed, a pause makes one change of all of them, and what others wrote comes in
//! between.
mod base;
mod difference;
mod drafts;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use stunity_documents::{
    Action, ActorParts, ChangeHash, DocType, Document, Draft, FieldConflict, JournalRows, Path,
    View, change_actor, change_links,
};
use stunity_proto::{DocId, Lane, SpaceId};
use stunity_store::{DocumentCache, DocumentPlace, ItemId};

use self::base::{base_row, history_of, read_base};
use self::difference::difference;
pub use self::drafts::DraftRow;
use crate::{Client, ClientError};

/// A document open for editing. A document is open once at a time: two handles
/// would number their changes alike.
#[derive(Debug)]
pub struct Editing {
    place: DocumentPlace,
    draft: Draft,
    /// None if the draft is ahead of the journal: it is then read anew.
    actor: Option<ActorParts>,
    /// Bursts since the stored caches were renewed.
    stale: bool,
    _open: Arc<()>,
}

impl Editing {
    /// Where the document belongs.
    #[must_use]
    pub fn place(&self) -> &DocumentPlace {
        &self.place
    }

    /// What a screen shows, unsaved steps included.
    pub fn view(&mut self) -> &View {
        self.draft.view()
    }

    /// Whether [`Client::undo`] may find something.
    #[must_use]
    pub fn can_undo(&self) -> bool {
        self.draft.can_undo()
    }

    /// Whether [`Client::redo`] may find something.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        self.draft.can_redo()
    }
}

/// Handles that are open, by document.
pub(crate) type OpenDocuments = BTreeMap<DocId, Weak<()>>;

impl Client {
    /// The actor of this device's handles. Slot 0 is the only one in use, as a
    /// document is open once at a time.
    fn actor(&self) -> Result<ActorParts, ClientError> {
        Ok(ActorParts::from_bytes(self.store.actor(0)?.0))
    }

    fn hold(&mut self, doc: DocId) -> Result<Arc<()>, ClientError> {
        self.open.retain(|_, handle| handle.strong_count() > 0);
        if self.open.contains_key(&doc) {
            return Err(ClientError::Invalid("document.open"));
        }
        let handle = Arc::new(());
        self.open.insert(doc, Arc::downgrade(&handle));
        Ok(handle)
    }

    /// Begins a document. It exists once something was written into it.
    ///
    /// # Errors
    /// The store's.
    pub fn create_document(
        &mut self,
        doc_type: DocType,
        space: SpaceId,
        lane: Lane,
    ) -> Result<Editing, ClientError> {
        let place = DocumentPlace {
            doc: DocId(self.random_id()),
            doc_type: doc_type.code(),
            space,
            lane,
        };
        let open = self.hold(place.doc)?;
        let actor = self.actor()?;
        let document = Document::new(doc_type, actor)?;
        Ok(Editing {
            place,
            draft: Draft::open(document),
            actor: Some(actor),
            stale: false,
            _open: open,
        })
    }

    /// Opens a document for editing. Steps that a crash left behind are done again
    /// and committed.
    ///
    /// # Errors
    /// `document.unknown`, `document.open`, `document.succeeded` after
    /// [`Client::erase_history`], or the store's.
    pub fn open_document(&mut self, doc: DocId) -> Result<Editing, ClientError> {
        if self.store.successor(doc)?.is_some() {
            return Err(ClientError::Invalid("document.succeeded"));
        }
        let journal = self.store.load_journal(doc)?;
        let base = journal.first().and_then(|row| read_base(doc, row));
        let (place, heads) = match (self.store.document(doc)?, base) {
            (Some(place), base) => (place, base.map(|(_, heads)| heads)),
            (None, Some((place, heads))) => (place, Some(heads)),
            (None, None) => return Err(ClientError::Invalid("document.unknown")),
        };
        let open = self.hold(doc)?;
        let mut editing = Editing {
            place,
            draft: Draft::open(self.load(&place, heads.as_deref())?),
            actor: Some(self.actor()?),
            stale: false,
            _open: open,
        };
        if let Some((_, rows)) = journal.split_first() {
            // A row that cannot be done ends what is kept; the steps before it are.
            editing.draft.replay(rows.iter().map(Vec::as_slice))?;
            self.commit(&mut editing)?;
            self.take_up(&mut editing)?;
        }
        Ok(editing)
    }

    /// After this installation turned out to be a restored copy, its changes have
    /// another actor: the document is read anew, and what was being typed is typed
    /// by the new actor. So it is after the disk has refused something.
    fn follow_rotation(&mut self, editing: &mut Editing) -> Result<(), ClientError> {
        let actor = self.actor()?;
        if editing.actor == Some(actor) {
            return Ok(());
        }
        let journal = self.store.load_journal(editing.place.doc)?;
        let heads = journal
            .first()
            .and_then(|row| read_base(editing.place.doc, row))
            .map(|(_, heads)| heads);
        editing.draft = Draft::open(self.load(&editing.place, heads.as_deref())?);
        editing.actor = Some(actor);
        editing.stale = true;
        if let Some((_, rows)) = journal.split_first() {
            editing.draft.replay(rows.iter().map(Vec::as_slice))?;
        }
        Ok(())
    }

    /// The document as the journal's first step found it, or as it is now.
    fn load(
        &self,
        place: &DocumentPlace,
        base: Option<&[ChangeHash]>,
    ) -> Result<Document, ClientError> {
        let (doc_type, actor) = (DocType::try_from(place.doc_type)?, self.actor()?);
        if base.is_none()
            && let Some(cache) = self.store.document_cache(place.doc)?
            && let Ok(loaded) =
                Document::load_changes(doc_type, actor, Some(&cache.snapshot), std::iter::empty())
        {
            return Ok(loaded.document);
        }
        let changes = self.store.document_changes(place.doc)?;
        let base = base.and_then(|heads| history_of(&changes, heads));
        let chosen = base.unwrap_or_else(|| changes.iter().map(Vec::as_slice).collect());
        Ok(Document::load_changes(doc_type, actor, None, chosen)?.document)
    }

    /// Does one step of editing. When this returns, a crash does not lose it. A
    /// burst that is full is committed first.
    ///
    /// # Errors
    /// `document.no_such_field`, `document.out_of_range` or `document.too_large` if
    /// the action does not fit; the store's. Nothing is done then.
    pub fn edit(&mut self, editing: &mut Editing, action: &Action<'_>) -> Result<(), ClientError> {
        self.step(editing, |draft| draft.edit(action).map(<[u8]>::to_vec))
    }

    /// As [`Client::edit`], but undone together with the step before, as the letters
    /// of one word.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub fn edit_joined(
        &mut self,
        editing: &mut Editing,
        action: &Action<'_>,
    ) -> Result<(), ClientError> {
        self.step(editing, |draft| {
            draft.edit_joined(action).map(<[u8]>::to_vec)
        })
    }

    /// Makes a text of the root say something else: one splice of what differs, so
    /// that what others type elsewhere in it stays.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub fn set_text(
        &mut self,
        editing: &mut Editing,
        field: &str,
        text: &str,
    ) -> Result<(), ClientError> {
        let old = editing.view().text(field).unwrap_or_default().to_owned();
        let (pos, delete, insert) = difference(&old, text);
        if delete == 0 && insert.is_empty() {
            return Ok(());
        }
        self.edit(
            editing,
            &Action::splice(Path::field(field), pos, delete, insert),
        )
    }

    fn step(
        &mut self,
        editing: &mut Editing,
        mut act: impl FnMut(&mut Draft) -> Result<Vec<u8>, stunity_documents::Error>,
    ) -> Result<(), ClientError> {
        self.follow_rotation(editing)?;
        let row = match act(&mut editing.draft) {
            Err(stunity_documents::Error::BurstFull) => {
                self.commit(editing)?;
                act(&mut editing.draft)?
            }
            result => result?,
        };
        self.keep(editing, &[row])
    }

    fn keep(&mut self, editing: &mut Editing, rows: &[Vec<u8>]) -> Result<(), ClientError> {
        let (place, draft) = (&editing.place, &editing.draft);
        let kept = self
            .store
            .append_journal(place.doc, rows, || base_row(place, &draft.heads()));
        Ok(kept.inspect_err(|_| editing.actor = None)?)
    }

    /// Takes back the last step, as [`Draft::undo`] says; false if there was none.
    ///
    /// # Errors
    /// The store's.
    pub fn undo(&mut self, editing: &mut Editing) -> Result<bool, ClientError> {
        self.take_back(editing, Draft::undo)
    }

    /// Does again what was taken back last; false if nothing was.
    ///
    /// # Errors
    /// The store's.
    pub fn redo(&mut self, editing: &mut Editing) -> Result<bool, ClientError> {
        self.take_back(editing, Draft::redo)
    }

    fn take_back(
        &mut self,
        editing: &mut Editing,
        mut act: impl FnMut(&mut Draft) -> Result<JournalRows<'_>, stunity_documents::Error>,
    ) -> Result<bool, ClientError> {
        self.follow_rotation(editing)?;
        let mut rows = |draft: &mut Draft| {
            act(draft).map(|rows| rows.iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
        };
        let rows = match rows(&mut editing.draft) {
            Err(stunity_documents::Error::BurstFull) => {
                self.commit(editing)?;
                rows(&mut editing.draft)?
            }
            result => result?,
        };
        if rows.is_empty() {
            return Ok(false);
        }
        self.keep(editing, &rows)?;
        Ok(true)
    }

    /// Makes one change of the steps since the last commit and queues it; none if
    /// there is nothing to send.
    ///
    /// # Errors
    /// The store's; the steps then stay in the journal.
    pub fn commit(&mut self, editing: &mut Editing) -> Result<Option<ItemId>, ClientError> {
        self.follow_rotation(editing)?;
        // No time: an entry has one, and a change without one is shorter.
        let Some(change) = editing.draft.commit(0)? else {
            self.store.clear_journal(editing.place.doc)?;
            return Ok(None);
        };
        editing.stale = true;
        let now_ms = self.wall_ms();
        let item = self
            .store
            .commit_burst(&editing.place, change.bytes, None, now_ms)
            .inspect_err(|_| editing.actor = None)?;
        Ok(Some(item))
    }

    /// Takes up what came from others since; true if anything was new. The open
    /// burst is committed before.
    ///
    /// # Errors
    /// The store's.
    pub fn take_up(&mut self, editing: &mut Editing) -> Result<bool, ClientError> {
        self.follow_rotation(editing)?;
        let changes = self.store.document_changes(editing.place.doc)?;
        let mut fresh = false;
        for bytes in &changes {
            let known = change_links(bytes).is_none_or(|(hash, _)| editing.draft.contains(&hash));
            let Some(actor) = change_actor(bytes).filter(|_| !known) else {
                continue;
            };
            if !fresh {
                self.commit(editing)?;
                fresh = true;
            }
            let device = ActorParts::from_bytes(actor.0).device_prefix;
            // What is unsound stays out of the document; its entry is kept.
            let _ = editing.draft.receive(bytes, &device, 0);
        }
        editing.stale |= fresh;
        Ok(fresh)
    }

    /// Ends editing: commits, and keeps the document as screens and the next handle
    /// read it.
    ///
    /// # Errors
    /// The store's.
    pub fn close_document(&mut self, mut editing: Editing) -> Result<Option<ItemId>, ClientError> {
        let item = self.commit(&mut editing)?;
        if editing.stale {
            self.take_up(&mut editing)?;
            let doc = editing.place.doc;
            let view = editing.draft.view().to_cbor();
            let (document, _) = editing.draft.close(0)?;
            self.store
                .save_document_cache(doc, &document.save(), &view)?;
        }
        Ok(item)
    }

    /// What a document says, from its stored view or from its changes.
    ///
    /// # Errors
    /// `document.unknown`, or the store's.
    pub fn document_view(&mut self, doc: DocId) -> Result<View, ClientError> {
        if let Some(cache) = self.store.document_cache(doc)?
            && let Ok(view) = View::from_cbor(&cache.view)
        {
            return Ok(view);
        }
        let document = self.read_document(doc)?;
        let view = document.view();
        let cache = DocumentCache {
            snapshot: document.save(),
            view: view.to_cbor(),
        };
        self.store
            .save_document_cache(doc, &cache.snapshot, &cache.view)?;
        Ok(view)
    }

    /// Fields of a document that two people set without knowing of each other.
    ///
    /// # Errors
    /// `document.unknown`, or the store's.
    pub fn document_conflicts(&self, doc: DocId) -> Result<Vec<FieldConflict>, ClientError> {
        Ok(self.read_document(doc)?.conflicts())
    }

    fn read_document(&self, doc: DocId) -> Result<Document, ClientError> {
        let place = self
            .store
            .document(doc)?
            .ok_or(ClientError::Invalid("document.unknown"))?;
        self.load(&place, None)
    }

    /// Commits what a crash left in journals, so that it syncs before anybody opens
    /// the document. A document that cannot be opened keeps its journal.
    pub(crate) fn recover_documents(&mut self) -> Result<(), ClientError> {
        for doc in self.store.open_journals()? {
            if let Ok(editing) = self.open_document(doc) {
                self.close_document(editing)?;
            }
        }
        Ok(())
    }
}
