//! Editing documents on this device: every step is in the database before the next
//! is typed, a pause makes one change of all of them, and what others wrote comes in
//! between.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use stunity_documents::{
    Action, ActorParts, ChangeHash, DocType, Document, Draft, FieldConflict, JournalRows, Key,
    Node, Path, Scalar, View, change_actor, change_links,
};
use stunity_model::events::Provenance;
use stunity_proto::{BlobId, DocId, Hash, Lane, ObjectId, SpaceId};
use stunity_store::{DocumentCache, DocumentPlace, ItemId};

use crate::{Client, ClientError, Work};

/// A document open for editing. A document is open once at a time: two handles
/// would number their changes alike.
#[derive(Debug)]
pub struct Editing {
    place: DocumentPlace,
    draft: Draft,
    actor: ActorParts,
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

/// The map of a draft's fields that says what it is a draft of.
const FIELDS: &str = "fields";
const COURSE: &str = "course";
const ASSIGNMENT: &str = "assignment";

/// A journal begins with a row that says where the document belongs and which heads
/// its first step followed: after a crash the steps are done again on that document,
/// whatever arrived since. The byte that begins it begins no CBOR array, as steps do.
const BASE: u8 = 0;

/// The first row of a journal: `BASE`, type (2 bytes), space (16), length of the
/// lane's key (1), the key, heads (32 each).
fn base_row(place: &DocumentPlace, heads: &[ChangeHash]) -> Vec<u8> {
    let lane = place.lane.to_key();
    let mut row = vec![BASE];
    row.extend_from_slice(&place.doc_type.to_be_bytes());
    row.extend_from_slice(&place.space.0);
    row.push(lane.len() as u8);
    row.extend_from_slice(&lane);
    heads.iter().for_each(|head| row.extend_from_slice(&head.0));
    row
}

fn read_base(doc: DocId, row: &[u8]) -> Option<(DocumentPlace, Vec<ChangeHash>)> {
    let (&BASE, rest) = row.split_first()? else {
        return None;
    };
    let (doc_type, rest) = rest.split_first_chunk::<2>()?;
    let (space, rest) = rest.split_first_chunk::<16>()?;
    let (len, rest) = rest.split_first()?;
    let (lane, heads) = rest.split_at_checked(usize::from(*len))?;
    let (heads, []) = heads.as_chunks::<32>() else {
        return None;
    };
    let place = DocumentPlace {
        doc,
        doc_type: u16::from_be_bytes(*doc_type),
        space: SpaceId(*space),
        lane: Lane::from_key(lane).ok()?,
    };
    Some((place, heads.iter().map(|head| ChangeHash(*head)).collect()))
}

/// The changes that `heads` are or follow from, in no order; none if a head is not
/// held.
fn history_of<'a>(changes: &'a [Vec<u8>], heads: &[ChangeHash]) -> Option<Vec<&'a [u8]>> {
    let mut links: BTreeMap<ChangeHash, (&[u8], Vec<ChangeHash>)> = BTreeMap::new();
    for bytes in changes {
        if let Some((hash, deps)) = change_links(bytes) {
            links.insert(hash, (bytes, deps));
        }
    }
    let mut seen = BTreeSet::new();
    let mut todo: Vec<ChangeHash> = heads.to_vec();
    let mut out = Vec::new();
    while let Some(hash) = todo.pop() {
        if !seen.insert(hash) {
            continue;
        }
        match links.get(&hash) {
            Some((bytes, deps)) => {
                out.push(*bytes);
                todo.extend(deps);
            }
            // The genesis is in no entry.
            None if DocType::ALL
                .into_iter()
                .any(|known| stunity_documents::genesis_hash(known) == hash) => {}
            None => return None,
        }
    }
    Some(out)
}

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
            actor,
            stale: false,
            _open: open,
        })
    }

    /// Begins a draft of this account for an assignment, in the lane that only the
    /// account's own devices read.
    ///
    /// # Errors
    /// The store's.
    pub fn create_draft(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
    ) -> Result<Editing, ClientError> {
        let space = self.store.account().space();
        let mut editing = self.create_document(DocType::Draft, space, Lane::Private)?;
        for (name, id) in [(COURSE, course.0), (ASSIGNMENT, assignment.0)] {
            let path = Path::field(FIELDS).join(Key::name(name));
            let value: Node = Scalar::Bytes(id.to_vec()).into();
            self.edit(&mut editing, &Action::put(path, value))?;
        }
        Ok(editing)
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
            actor: self.actor()?,
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
    /// by the new actor.
    fn follow_rotation(&mut self, editing: &mut Editing) -> Result<(), ClientError> {
        let actor = self.actor()?;
        if editing.actor == actor {
            return Ok(());
        }
        let journal = self.store.load_journal(editing.place.doc)?;
        let heads = journal
            .first()
            .and_then(|row| read_base(editing.place.doc, row))
            .map(|(_, heads)| heads);
        editing.draft = Draft::open(self.load(&editing.place, heads.as_deref())?);
        editing.actor = actor;
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
        Ok(self
            .store
            .append_journal(place.doc, rows, || base_row(place, &draft.heads()))?)
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
            .commit_burst(&editing.place, change.bytes, None, now_ms)?;
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

    /// The documents of this account that are drafts, with what they are drafts of.
    ///
    /// # Errors
    /// The store's.
    pub fn drafts(&mut self) -> Result<Vec<DraftRow>, ClientError> {
        let space = self.store.account().space();
        let places = self.store.documents(space, Some(Lane::Private))?;
        let mut rows = Vec::new();
        for place in places {
            if place.doc_type != DocType::Draft.code() {
                continue;
            }
            let view = self.document_view(place.doc)?;
            rows.push(DraftRow {
                doc: place.doc,
                course: field_id(&view, COURSE).map(SpaceId),
                assignment: field_id(&view, ASSIGNMENT).map(ObjectId),
                text: view.text("body").unwrap_or_default().to_owned(),
            });
        }
        Ok(rows)
    }

    /// Hands in what a draft says now. The draft stays; what was handed in is a copy
    /// that later typing does not touch.
    ///
    /// # Errors
    /// `draft.no-assignment`, or as [`Client::submit`].
    pub fn submit_draft(
        &mut self,
        editing: &mut Editing,
        attempt: u64,
    ) -> Result<ItemId, ClientError> {
        self.submit_draft_with(editing, attempt, &[])
    }

    /// As [`Client::submit_draft`], with files that [`Client::keep_file`] kept.
    ///
    /// # Errors
    /// As there.
    pub fn submit_draft_with(
        &mut self,
        editing: &mut Editing,
        attempt: u64,
        files: &[BlobId],
    ) -> Result<ItemId, ClientError> {
        self.commit(editing)?;
        let view = editing.draft.view();
        let (Some(course), Some(assignment)) = (field_id(view, COURSE), field_id(view, ASSIGNMENT))
        else {
            return Err(ClientError::Invalid("draft.no-assignment"));
        };
        let work = Work {
            course: SpaceId(course),
            assignment: ObjectId(assignment),
            attempt,
            text: view.text("body").unwrap_or_default().to_owned(),
            blobs: files.to_vec(),
        };
        let heads = editing.draft.heads();
        let provenance = Provenance {
            doc: editing.place.doc,
            heads: heads.into_iter().map(|head| Hash(head.0)).collect(),
        };
        self.hand_in(work, Some(provenance))
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

/// Where two texts differ: position and length in UTF-16 code units of the old one,
/// and what the new one has there.
fn difference<'a>(old: &str, new: &'a str) -> (usize, usize, &'a str) {
    let before: usize = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let after: usize = old_rest
        .chars()
        .rev()
        .zip(new_rest.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let units = |text: &str| text.encode_utf16().count();
    (
        units(&old[..before]),
        units(&old_rest[..old_rest.len() - after]),
        &new_rest[..new_rest.len() - after],
    )
}

fn field_id(view: &View, name: &str) -> Option<[u8; 16]> {
    match view.root().get(FIELDS)?.get(name)? {
        Node::Scalar(Scalar::Bytes(id)) => id.as_slice().try_into().ok(),
        _ => None,
    }
}

/// A draft in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftRow {
    /// The document.
    pub doc: DocId,
    /// The course of its assignment.
    pub course: Option<SpaceId>,
    /// Its assignment.
    pub assignment: Option<ObjectId>,
    /// What it says.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_counted_in_utf16() {
        assert_eq!(difference("a😀b", "a😀ខb"), (3, 0, "ខ"));
        assert_eq!(difference("a😀b", "ab"), (1, 2, ""));
        assert_eq!(difference("aa", "aaa"), (2, 0, "a"));
        assert_eq!(difference("", ""), (0, 0, ""));
    }

    #[test]
    fn the_first_row_of_a_journal_reads_back() {
        let place = DocumentPlace {
            doc: DocId([1; 16]),
            doc_type: 3,
            space: SpaceId([2; 16]),
            lane: Lane::Private,
        };
        let heads = vec![ChangeHash([3; 32]), ChangeHash([4; 32])];
        let row = base_row(&place, &heads);
        assert_eq!(read_base(place.doc, &row), Some((place, heads)));
        assert_eq!(read_base(place.doc, &row[..row.len() - 1]), None);
        assert_eq!(read_base(place.doc, &[0x82, 1]), None);
    }
}
