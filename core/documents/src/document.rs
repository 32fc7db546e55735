//! A document at rest: made, loaded, merged, saved.
use std::collections::HashSet;

use automerge::{Automerge, ChangeHash, LoadOptions, SaveOptions};

use crate::actor::DEVICE_PREFIX_BYTES;
use crate::change::read_change;
use crate::conflict::conflicts;
use crate::history::{Applied, History};
use crate::scan::scan_snapshot;
use crate::{ActorParts, DocType, Error, FieldConflict, TEXT_ENCODING, View};

/// An Automerge document of one of our types. To edit it, make a
/// [`crate::Draft`] of it.
#[derive(Debug)]
pub struct Document {
    pub(crate) doc: Automerge,
    pub(crate) history: History,
}

/// A document from the store, and what of it could not be used.
#[derive(Debug)]
pub struct Loaded {
    /// The document.
    pub document: Document,
    /// Changes that were refused, by their place among those given.
    pub refused: Vec<(usize, Error)>,
}

impl Document {
    /// A new document, with what its type's genesis has. `actor` makes the changes
    /// to come; two devices must never share one.
    ///
    /// # Errors
    /// [`Error::Internal`] if Automerge refuses the genesis, which tests exclude.
    pub fn new(doc_type: DocType, actor: ActorParts) -> Result<Self, Error> {
        let (history, doc) = History::new(doc_type, actor)?;
        Ok(Self { doc, history })
    }

    /// Loads a document from this device's own store: a snapshot that
    /// [`Document::save`] made, if there is one, and changes, in any order. Changes
    /// are checked as [`Document::apply_change`] checks them, save for their owner;
    /// one that is refused does not keep the others from being loaded.
    ///
    /// # Errors
    /// [`Error::DamagedSnapshot`] or [`Error::WrongType`] if the snapshot cannot be
    /// used; then the document can be loaded from all its changes.
    pub fn load_changes<'a>(
        doc_type: DocType,
        actor: ActorParts,
        snapshot: Option<&[u8]>,
        changes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Loaded, Error> {
        let mut document = match snapshot {
            Some(bytes) => {
                let doc = load(bytes, actor)?;
                let history = History::of(doc_type, actor, &doc)?;
                Self { doc, history }
            }
            None => Self::new(doc_type, actor)?,
        };
        let mut refused = Vec::new();
        let mut places = Vec::new();
        let mut fresh = Vec::new();
        let mut seen = HashSet::new();
        for (place, bytes) in changes.into_iter().enumerate() {
            let read = read_change(bytes).and_then(|(change, actor)| {
                Ok(document.history.is_new(&change, &actor)?.then_some(change))
            });
            match read {
                Ok(Some(change)) if seen.insert(change.hash()) => {
                    places.push((change.hash(), place));
                    fresh.push(change);
                }
                Ok(_) => {}
                Err(error) => refused.push((place, error)),
            }
        }
        let applied = document.history.take(&mut document.doc, fresh, None)?;
        for (hash, error) in applied.refused {
            if let Some((_, place)) = places.iter().find(|(of, _)| *of == hash) {
                refused.push((*place, error));
            }
        }
        refused.sort_unstable_by_key(|(place, _)| *place);
        Ok(Loaded { document, refused })
    }

    /// Loads a snapshot that somebody else made. `heads` are changes that the caller
    /// has verified, signature and membership, and that travel with it; each head of
    /// the snapshot must be one of them. A change's hash covers all that came before
    /// it, so who made the snapshot can leave out but not alter a word. Whatever
    /// single changes may not do, those in the snapshot may not either.
    ///
    /// # Errors
    /// [`Error::DamagedSnapshot`], [`Error::TooLarge`], [`Error::WrongType`],
    /// [`Error::UnverifiedHead`], or what [`Document::apply_change`] says of a change
    /// in it.
    pub fn load_snapshot_verified<'a>(
        doc_type: DocType,
        actor: ActorParts,
        bytes: &[u8],
        heads: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Error> {
        let verified = heads
            .into_iter()
            .map(|bytes| Ok(read_change(bytes)?.0.hash()))
            .collect::<Result<HashSet<_>, Error>>()?;
        let doc = load(bytes, actor)?;
        if !doc.get_heads().iter().all(|head| verified.contains(head)) {
            return Err(Error::UnverifiedHead);
        }
        let history = History::audited(doc_type, actor, &doc)?;
        Ok(Self { doc, history })
    }

    /// Takes up one change: the raw bytes of an uncompressed change chunk, and
    /// nothing after it. `device` is the prefix of the device that signed it. A
    /// change that is held already, the genesis among them, is nothing new.
    ///
    /// # Errors
    /// [`Error::ForeignActor`] if another device's actor made it;
    /// [`Error::TooManyWaiting`] if it waits for others and too many do;
    /// [`Error::Malformed`], [`Error::Unsupported`], [`Error::TooLarge`],
    /// [`Error::Inconsistent`], [`Error::Equivocation`] or [`Error::WrongType`] if it
    /// is unsound. The document is then as it was.
    pub fn apply_change(
        &mut self,
        bytes: &[u8],
        device: &[u8; DEVICE_PREFIX_BYTES],
    ) -> Result<Applied, Error> {
        match self.history.screen(bytes, device)? {
            Some(change) => self.history.take_one(&mut self.doc, change),
            None => Ok(self.history.nothing_applied()),
        }
    }

    /// The document's type.
    #[must_use]
    pub fn doc_type(&self) -> DocType {
        self.history.doc_type
    }

    /// Who makes the changes to come.
    #[must_use]
    pub fn actor(&self) -> ActorParts {
        self.history.actor
    }

    /// Makes another actor the author of the changes to come, as after a rotation of
    /// the incarnation.
    pub fn set_actor(&mut self, actor: ActorParts) {
        self.history.actor = actor;
        self.doc.set_actor(actor.to_automerge());
    }

    /// The changes that no other change follows, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.history.graph.heads()
    }

    /// Whether the document has a change.
    #[must_use]
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.history.graph.contains(hash)
    }

    /// How many changes the document has, the genesis included.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.history.graph.len()
    }

    /// How many changes wait for others.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.history.waiting()
    }

    /// The changes that the waiting ones wait for, sorted.
    #[must_use]
    pub fn missing(&self) -> Vec<ChangeHash> {
        self.history.missing()
    }

    /// The raw bytes of a change, as entries carry it: an uncompressed chunk.
    #[must_use]
    pub fn change_bytes(&self, hash: &ChangeHash) -> Option<Vec<u8>> {
        let change = self.history.change(&self.doc, hash)?;
        Some(change.raw_bytes().to_vec())
    }

    /// A snapshot: all of the document's changes, columns together, not compressed,
    /// since packs and the store compress them better. Changes that wait are not in it.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.doc.save_with_options(SaveOptions {
            deflate: false,
            retain_orphans: false,
        })
    }

    /// What a screen shows. Reads the whole document: keep it, and bring it up to
    /// date with the patches of [`Applied`], or use [`crate::Draft::view`].
    #[must_use]
    pub fn view(&self) -> View {
        View::of(&self.doc)
    }

    /// Brings a view up to date with what came of receiving a change.
    pub fn update_view(&self, view: &mut View, applied: &Applied) {
        view.apply(&self.doc, &applied.patches);
    }

    /// Fields that have several values, none of which knew of the other.
    #[must_use]
    pub fn conflicts(&self) -> Vec<FieldConflict> {
        conflicts(&self.doc)
    }
}

/// Reads one document chunk: bounded, uncompressed, hashes checked.
fn load(bytes: &[u8], actor: ActorParts) -> Result<Automerge, Error> {
    scan_snapshot(bytes)?;
    let options = LoadOptions::new().text_encoding(TEXT_ENCODING);
    let mut doc =
        Automerge::load_with_options(bytes, options).map_err(|_| Error::DamagedSnapshot)?;
    doc.set_actor(actor.to_automerge());
    Ok(doc)
}
