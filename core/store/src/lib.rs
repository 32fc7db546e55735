//! The client's SQLite store: one database per account, one owner process.
//!
//! [`Store`] is all that the client needs of a disk. It implements
//! [`stunity_sync::Replica`], so a sync session reads and writes it directly.
//!
//! What goes in, in this order:
//! - what the user does is queued as operations ([`Store::enqueue`]) with
//!   provisional rows in the same transaction, and *sealed late*: entries are
//!   made when a carrier is ready ([`Store::seal`]);
//! - what comes down is stored raw with cursors and receipt in one durable
//!   transaction, then verified, judged and applied; what lacks something is
//!   held until that comes. Projections are the same in whatever order entries
//!   arrive.
//!
//! What comes out are plain rows. No list loads a document.
//!
//! Durability: drafts and caches commit with `synchronous=NORMAL`, all that is
//! sealed, sent or acknowledged with `FULL` (see `database.rs`). Every error
//! leaves the database as it was and readable; own unacknowledged work is never
//! evicted or deleted.

mod apply;
mod blobs;
mod chunks;
mod commands;
mod context;
mod covers;
mod cut_off;
mod database;
mod decode;
mod documents;
mod domain;
mod entries;
mod erase;
mod error;
mod files;
mod fold;
mod forks;
mod incarnation;
mod lost;
mod maintenance;
mod meta;
mod order;
mod outbox;
mod parcels;
mod process;
mod queries;
mod replica;
pub mod sabotage;
mod seal;
mod search;
mod status;
mod store;
mod transfer;
mod trust;
mod words;

pub use blobs::{BlobRow, BlobState};
pub use documents::{DocumentCache, DocumentPlace};
pub use entries::{Sent, State};
pub use erase::ErasableOps;
pub use error::StoreError;
pub use files::Location;
pub use maintenance::{Evicted, Finding, MadeAgain};
pub use outbox::{ItemId, PendingOp};
pub use parcels::{CarriedParcel, Exported, ParcelImport, ParcelTo, Span};
pub use queries::{
    AssignmentRow, CommentRow, ConversationRow, CourseRow, DueMark, FeedRow, GradeRow, GradesRow,
    GuardianRow, HistoricalRow, LessonRow, MarkRow, MemberRow, MessageRow, Notice, NoticeKind,
    PendingRow, PostRow, ProgressRow, ProposalRow, QuizAttemptRow, QuizRow, ReleaseRow, ReportRow,
    SubmissionRow, WorkRow,
};
pub use search::Hit;
pub use status::{ClockAnchor, DataUse, Item, ItemState, RefusedEntry, Unsent};
pub use store::{Random, Setup, Store};
