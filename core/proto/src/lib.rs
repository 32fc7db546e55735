//! What goes over a wire or into a file: ids, labels, entries, bodies, packs,
//! frames and their limits. Pure functions over bytes: no IO, no clock, no keys.
//!
//! The normative text is `docs/protocol`; golden vectors are in `tests/compat`.
//! A peer's bytes give a [`DecodeError`], never a panic.

pub mod blob;
pub mod body;
pub mod cbor;
pub mod entry;
mod error;
pub mod frame;
mod ids;
pub mod labels;
mod lane;
pub mod limits;
pub mod pack;
pub mod parcel;
pub mod receipt;
pub mod sabotage;

pub use body::{Body, Op, Salts};
pub use entry::{Entry, Header, Heads, Kind, Seal, Signer};
pub use error::DecodeError;
pub use ids::{
    AccountId, ActorId, BlobId, DeviceId, DocId, EntryId, GroupId, Hash, KeyId, NodeId, ObjectId,
    PackId, SchoolId, Signature, SpaceId,
};
pub use lane::Lane;
