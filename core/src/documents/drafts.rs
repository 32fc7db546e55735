//! Drafts of work to be handed in: documents of the account's private lane.
use stunity_documents::{Action, DocType, Key, Node, Path, Scalar, View};
use stunity_model::events::Provenance;
use stunity_proto::{BlobId, DocId, Hash, Lane, ObjectId, SpaceId};
use stunity_store::ItemId;

use super::Editing;
use crate::{Client, ClientError, Work};

/// The map of a draft's fields that says what it is a draft of.
const FIELDS: &str = "fields";
const COURSE: &str = "course";
const ASSIGNMENT: &str = "assignment";

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

impl Client {
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
}

fn field_id(view: &View, name: &str) -> Option<[u8; 16]> {
    match view.root().get(FIELDS)?.get(name)? {
        Node::Scalar(Scalar::Bytes(id)) => id.as_slice().try_into().ok(),
        _ => None,
    }
}
