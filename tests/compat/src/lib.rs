//! Golden bytes: one file for every type that crosses a wire or is stored
//! signed. A file that was released never changes: a new need gets a new format
//! number and files of its own.
//!
//! `cargo test -p stunity-compat` holds every [`Case`] against its file.
//! `STUNITY_GOLDEN=write` writes the files that are missing, and never another.
#![allow(
    clippy::unwrap_used,
    reason = "fixed values: what fails here fails a test"
)]

mod case;
pub mod decoders;
mod entries;
mod events;
mod frames;
pub mod golden;
mod hashes;
mod identity;
mod packs;
mod parcels;
mod values;

pub use case::{Case, Strictness};

/// Every golden case.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        entries::cases(),
        hashes::cases(),
        frames::cases(),
        packs::cases(),
        parcels::cases(),
        identity::cases(),
        events::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
