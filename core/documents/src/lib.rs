//! Automerge documents: what several devices or people edit.
//!
//! A document begins with its type's [genesis](genesis_bytes), the same bytes on
//! every device. A [`Document`] takes up changes of others, in any order, each
//! checked against what it refers to; a [`Draft`] edits. While somebody types, one
//! transaction stays open and each [`Action`] is a row of a journal; a pause, a flush
//! or a change of somebody else makes *one* change of all of it. So a week of work is
//! a few changes and not thousands: a tenth of the bytes, a third of the time to load.
//!
//! ```
//! use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};
//!
//! const BODY: Path<'static> = Path::field("body");
//! let actor = ActorParts { device_prefix: [7; 12], incarnation_slot: 1 };
//! let mut draft = Draft::open(Document::new(DocType::Draft, actor)?);
//! draft.edit(&Action::splice(BODY, 0, 0, "សួស្តី"))?;
//! let change = draft.commit(0)?.expect("something was typed");
//!
//! let reader = ActorParts { device_prefix: [8; 12], incarnation_slot: 1 };
//! let mut other = Document::new(DocType::Draft, reader)?;
//! other.apply_change(&change.bytes, &actor.device_prefix)?;
//! assert_eq!(other.view().text("body"), Some("សួស្តី"));
//! # Ok::<(), stunity_documents::Error>(())
//! ```
//!
//! Bytes of others are never trusted: see [`limits`], and the comments of the modules
//! that check them. Nothing here reads a clock, and nothing depends on the order in
//! which changes arrive.

mod action;
mod actor;
mod audit;
mod change;
mod columns;
mod conflict;
mod doc_type;
mod document;
mod draft;
mod encoding;
mod error;
mod genesis;
mod graph;
mod history;
mod inverse;
mod journal;
pub mod limits;
mod node;
mod path;
mod perform;
mod read;
mod scan;
mod steps;
mod view;

pub use action::Action;
pub use actor::{ACTOR_BYTES, ActorParts, DEVICE_PREFIX_BYTES, GENESIS_ACTOR};
pub use automerge::ChangeHash;
pub use change::{CommittedChange, change_actor, change_links};
pub use conflict::FieldConflict;
pub use doc_type::{DocType, FieldKind};
pub use document::{Document, Loaded};
pub use draft::{Draft, Received, Refused, Replayed};
pub use encoding::TEXT_ENCODING;
pub use error::Error;
pub use genesis::{TYPE_FIELD, genesis_bytes, genesis_hash};
pub use history::Applied;
pub use journal::JournalRows;
pub use node::{Node, Scalar};
pub use path::{Key, Path};
pub use view::{Patch, View};
