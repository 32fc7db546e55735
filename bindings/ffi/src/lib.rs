//! The one interface of the core for other languages. It converts and delegates.
//!
//! Kotlin and Swift get it by UniFFI. TypeScript gets the same records as plain
//! data, which also cross from a page to its worker ([`json`], ADR 0005): the crates
//! `stunity-node` and `stunity-wasm` carry them.
//!
//! No call waits for a network but [`join_account`] and [`sync_account`]; where the
//! host owns the connections, [`Joining`] and [`Syncing`] do the same without one.
//! Ids are hexadecimal. A call may take as long as the disk takes: shells make it
//! outside their main thread.

mod account;
mod error;
mod joining;
#[cfg(feature = "json")]
pub mod json;
#[cfg(not(target_family = "wasm"))]
mod native;
mod rows;
mod syncing;

pub use account::Account;
pub use error::StunityError;
pub use joining::{JoinRequest, Joining, Ticket, begin_join};
#[cfg(not(target_family = "wasm"))]
pub use native::{SyncObserver, join_account, open_account, sync_account};
pub use rows::{
    Assignment, Course, Draft, Item, ItemState, Release, SyncEvent, SyncReport, Unsent, Who,
};
pub use syncing::{Step, Syncing, begin_sync};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!();
