//! Erasure on request: a submission, a comment, a post, a file, a document's past.
use std::borrow::Cow;

use stunity_documents::{Action, DocType, Key, Node, Path, View};
use stunity_model::events::{DocumentSuccessor, Erase};
use stunity_proto::{BlobId, DocId};
use stunity_store::{ErasableOps, PendingOp};

use crate::commands::op;
use crate::{Client, ClientError};

impl Client {
    /// Erases something that was said, everywhere: a submission by its entry (32
    /// bytes), or a comment or post by its id (16 bytes). Its author may, and the
    /// staff of its course; from others it has no effect.
    ///
    /// # Errors
    /// `erase.unknown` if nothing of it is held, or the store's.
    pub fn erase(&mut self, what: &[u8], reason: &str) -> Result<(), ClientError> {
        // What still waits is sealed first: then it has an entry to be named by.
        self.store.seal()?;
        let found = self.store.erasable(what)?;
        self.erase_found(found, reason)
    }

    /// Erases every mention of a file in the lanes held here; its bytes go with the
    /// last one.
    ///
    /// # Errors
    /// As [`Client::erase`].
    pub fn erase_file(&mut self, blob: BlobId, reason: &str) -> Result<(), ClientError> {
        self.store.seal()?;
        let found = self.store.erasable_blob(blob)?;
        self.erase_found(found, reason)
    }

    fn erase_found(&mut self, found: Vec<ErasableOps>, reason: &str) -> Result<(), ClientError> {
        if found.is_empty() {
            return Err(ClientError::Invalid("erase.unknown"));
        }
        let ops: Vec<PendingOp> = found
            .into_iter()
            .map(|found| erase_op(found, reason))
            .collect();
        self.enqueue(&ops)?;
        // Here at once, not when a carrier is ready.
        self.store.seal()?;
        Ok(())
    }

    /// Makes a document go on without its past: a new one begins with what the old
    /// one says now, and all changes of the old one are erased. Gives the new
    /// document's id.
    ///
    /// # Errors
    /// `document.unknown`, `document.open`, or the store's.
    pub fn erase_history(&mut self, doc: DocId, reason: &str) -> Result<DocId, ClientError> {
        let mut old = self.open_document(doc)?;
        let (place, view) = (*old.place(), old.view().clone());
        self.close_document(old)?;
        let doc_type = DocType::try_from(place.doc_type)?;
        let mut new = self.create_document(doc_type, place.space, place.lane)?;
        for action in retelling(doc_type, &view) {
            self.edit(&mut new, &action)?;
        }
        let successor = new.place().doc;
        self.close_document(new)?;
        self.store.seal()?;
        let mut ops = vec![op(
            place.space,
            place.lane,
            DocumentSuccessor {
                document: doc,
                successor,
            },
            None,
        )];
        let found = self.store.erasable_document(doc)?;
        ops.extend(found.into_iter().map(|found| erase_op(found, reason)));
        self.enqueue(&ops)?;
        self.store.seal()?;
        Ok(successor)
    }
}

fn erase_op(found: ErasableOps, reason: &str) -> PendingOp {
    let event = Erase {
        entry: found.entry,
        ops: found.ops,
        reason: reason.to_owned(),
    };
    op(found.space, found.lane, event, None)
}

/// What makes a new document say what another one says: its fields are born with
/// it, so only what is in them is written.
fn retelling(doc_type: DocType, view: &View) -> Vec<Action<'_>> {
    let Node::Map(fields) = view.root() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (field, node) in fields {
        let path = || Path::field(field);
        match node {
            _ if !doc_type.is_fixed(field) => out.push(Action::PutField {
                path: path(),
                value: Cow::Borrowed(node),
            }),
            Node::Text(text) if text.is_empty() => {}
            Node::Text(text) => out.push(Action::splice(path(), 0, 0, text)),
            Node::Map(inner) => out.extend(inner.iter().map(|(name, value)| Action::PutField {
                path: path().join(Key::name(name)),
                value: Cow::Borrowed(value),
            })),
            Node::List(items) => {
                let insert = |(index, value)| Action::ListInsert {
                    path: path(),
                    index,
                    value: Cow::Borrowed(value),
                };
                out.extend(items.iter().enumerate().map(insert));
            }
            // The type, which the new document is born with.
            Node::Scalar(_) => {}
        }
    }
    out
}
