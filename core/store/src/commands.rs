//! What the user does, one transaction an action.
use rusqlite::Connection;
use stunity_model::Event;
use stunity_proto::{DocId, Kind, Signer};

use crate::database::Durability;
use crate::documents::{self, DocumentCache, DocumentPlace, Source};
use crate::fold::{self, Origin};
use crate::outbox::{self, ItemId, PendingOp};
use crate::{Store, StoreError, decode};

impl Store {
    /// Queues the operations of one action with their provisional rows; all or
    /// none. They are sealed late: by [`Store::seal`], or when a session asks
    /// for the next pack.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for an operation that no entry can carry,
    /// [`StoreError::NotAllowed`] for an event that is not its kind's,
    /// [`StoreError::NoSpace`].
    pub fn enqueue(&mut self, ops: &[PendingOp], now_ms: u64) -> Result<Vec<ItemId>, StoreError> {
        self.write(Durability::Sealed, |conn| {
            ops.iter()
                .map(|op| self.enqueue_one(conn, op, now_ms))
                .collect()
        })
    }

    fn enqueue_one(
        &self,
        conn: &Connection,
        op: &PendingOp,
        now_ms: u64,
    ) -> Result<ItemId, StoreError> {
        let (item, row) = outbox::enqueue(conn, op, now_ms)?;
        self.save_provisional(conn, op, row)?;
        Ok(item)
    }

    /// The rows that stand for a queued operation until it is sealed.
    pub(crate) fn save_provisional(
        &self,
        conn: &Connection,
        op: &PendingOp,
        row: i64,
    ) -> Result<(), StoreError> {
        match op.kind {
            Kind::Event(code) if code > stunity_identity::MAX_ACCOUNT_EVENT => {
                let event = Event::decode(&op.bytes)?;
                if event.code() != code {
                    return Err(StoreError::NotAllowed("kind of an event"));
                }
                let origin = Origin {
                    entry: fold::provisional(row),
                    space: op.space,
                    lane: op.lane,
                    author: self.owner.account,
                    vouched: Signer::Device(self.owner.device).is_vouched(),
                    number: None,
                    received_ms: None,
                };
                fold::save_event(conn, &origin, 0, &event)
            }
            Kind::Change { doc_type, doc } => {
                let place = DocumentPlace {
                    doc,
                    doc_type,
                    space: op.space,
                    lane: op.lane,
                };
                let hash =
                    decode::hash(&op.bytes).ok_or(StoreError::NotAllowed("document change"))?;
                documents::save_change(conn, &place, &hash, Source::Outbox(row)).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// The rows of everything in the outbox, after projections were dropped.
    pub(crate) fn restore_provisional(&self, conn: &Connection) -> Result<(), StoreError> {
        for (row, op) in outbox::load_all(conn)? {
            self.save_provisional(conn, &op, row)?;
        }
        Ok(())
    }

    /// Keeps steps of editing, so that a crash loses nothing typed. A journal that
    /// is empty begins with the row that `base` makes.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`].
    pub fn append_journal(
        &mut self,
        doc: DocId,
        rows: &[Vec<u8>],
        base: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), StoreError> {
        // A keystroke: one row that follows a known one, in a transaction of its own.
        if let (Some((typing, step)), [row]) = (self.typing.get(), rows)
            && typing == doc
        {
            self.typing.set(None);
            self.write_one(Durability::Draft, |conn| {
                documents::append_journal(conn, doc, step + 1, row)
            })?;
            self.typing.set(Some((doc, step + 1)));
            return Ok(());
        }
        let last = self.write(Durability::Draft, |conn| {
            let mut step = match documents::last_step(conn, doc)? {
                Some(step) => step,
                None => {
                    documents::append_journal(conn, doc, 0, &base())?;
                    0
                }
            };
            for row in rows {
                step += 1;
                documents::append_journal(conn, doc, step, row)?;
            }
            Ok(step)
        })?;
        self.typing.set(Some((doc, last)));
        Ok(())
    }

    /// The steps since the last change of a document, in order.
    ///
    /// # Errors
    /// A database error.
    pub fn load_journal(&self, doc: DocId) -> Result<Vec<Vec<u8>>, StoreError> {
        documents::load_journal(&self.conn, doc)
    }

    /// Documents with steps that no change carries yet: after a crash they are
    /// replayed.
    ///
    /// # Errors
    /// A database error.
    pub fn open_journals(&self) -> Result<Vec<DocId>, StoreError> {
        documents::open_journals(&self.conn)
    }

    /// Ends a burst of editing: the change is queued and the journal emptied in
    /// one transaction. `cache` is of the document after the change; without it
    /// the document is stale until [`Store::save_document_cache`]: both forms are
    /// as long as the document, which is too much for every burst.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for bytes that are not one change,
    /// [`StoreError::TooLarge`], [`StoreError::NoSpace`].
    pub fn commit_burst(
        &mut self,
        place: &DocumentPlace,
        change: Vec<u8>,
        cache: Option<&DocumentCache>,
        now_ms: u64,
    ) -> Result<ItemId, StoreError> {
        let op = PendingOp {
            space: place.space,
            lane: place.lane,
            kind: Kind::Change {
                doc_type: place.doc_type,
                doc: place.doc,
            },
            bytes: change,
            object: None,
        };
        self.typing.set(None);
        self.write(Durability::Draft, |conn| {
            let item = self.enqueue_one(conn, &op, now_ms)?;
            documents::clear_journal(conn, place.doc)?;
            if let Some(cache) = cache {
                documents::save_cached(conn, place.doc, &cache.snapshot, &cache.view)?;
            }
            Ok(item)
        })
    }

    /// Empties the journal of a document whose steps came to nothing.
    ///
    /// # Errors
    /// A database error.
    pub fn clear_journal(&mut self, doc: DocId) -> Result<(), StoreError> {
        self.typing.set(None);
        self.write(Durability::Draft, |conn| {
            documents::clear_journal(conn, doc)
        })
    }

    /// Where a document belongs, if anything of it is held.
    ///
    /// # Errors
    /// A database error.
    pub fn document(&self, doc: DocId) -> Result<Option<DocumentPlace>, StoreError> {
        documents::place_of(&self.conn, doc)
    }

    /// The documents of a lane, or of a whole space.
    ///
    /// # Errors
    /// A database error.
    pub fn documents(
        &self,
        space: stunity_proto::SpaceId,
        lane: Option<stunity_proto::Lane>,
    ) -> Result<Vec<DocumentPlace>, StoreError> {
        documents::list(&self.conn, space, lane)
    }

    /// All changes of a document that count, in no order.
    ///
    /// # Errors
    /// A database error.
    pub fn document_changes(&self, doc: DocId) -> Result<Vec<Vec<u8>>, StoreError> {
        documents::load_changes(&self.conn, doc)
    }

    /// What is cached of a document, if it is up to date.
    ///
    /// # Errors
    /// A database error.
    pub fn document_cache(&self, doc: DocId) -> Result<Option<DocumentCache>, StoreError> {
        documents::load_cached(&self.conn, doc)
    }

    /// Keeps what was computed of a document.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`].
    pub fn save_document_cache(
        &mut self,
        doc: DocId,
        snapshot: &[u8],
        view: &[u8],
    ) -> Result<(), StoreError> {
        self.write(Durability::Draft, |conn| {
            documents::save_cached(conn, doc, snapshot, view)
        })
    }
}
