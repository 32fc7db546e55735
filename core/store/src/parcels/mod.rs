//! Entries and files by any carrier (docs/protocol/08-parcels.md): making
//! parcels, taking them, carrying those of others.
mod carried;
mod export;
mod import;

pub use carried::CarriedParcel;
pub use export::{Exported, ParcelTo, Span};
pub use import::ParcelImport;
pub(crate) use import::kept_receipt;
