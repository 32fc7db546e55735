//! Keys, certificates, signatures, receipts, sealing of parcels.
//!
//! Which keys are this account? Account root → account log → device
//! ([`AccountLog`]). Which relay is this school's? School root → operator → node
//! ([`SchoolAnchor`]). What an account may do is `stunity-model`'s.
//!
//! Nothing here reads a clock or asks for randomness: relay times and generators
//! are parameters. The bytes are fixed by `docs/protocol/04-identity.md`; a
//! peer's bytes give an [`IdentityError`], never a panic. Every signature is made
//! and checked under one label, strictly (`verify_strict`, RFC 8032).

mod account_devices;
mod account_event;
mod account_fold;
mod account_log;
mod certificate;
mod cover;
mod device;
mod entry;
mod error;
mod founding;
mod hpke_base;
mod invitation;
mod keys;
pub mod labels;
mod parcel;
mod parcel_content;
mod parcel_reader;
mod receipt;
mod recovery;
pub mod sabotage;
mod scan;
mod school;
mod session;
mod statements;

pub use account_event::{
    AccountEvent, CutOff, MAX_ACCOUNT_EVENT, MAX_CUT_OFFS, MAX_KNOWN_HEADS, RecoveryChange,
    Revocation, RootRotation, RotatedBy, certificates_in,
};
pub use account_log::{
    AccountDevice, AccountLog, ChainPosition, CutOffs, DeviceStatus, Effect, MAX_LOG_ENTRIES,
    Standing,
};
pub use certificate::{Certificate, MAX_CERTIFICATE_BODY, Statement};
pub use cover::Covers;
pub use device::{Device, DeviceKeys, Issuer, LinkAnswer, LinkRequest};
pub use entry::{sign_entry, verify_entries, verify_entry};
pub use error::IdentityError;
pub use founding::{Founding, KeyFile};
pub use hpke_base::{HPKE_TAG, HpkeSealed, hpke_open, hpke_seal};
pub use invitation::{Invitation, InvitationLink, MAX_HOST};
pub use keys::{KexPublic, KexSecret, SigningKey, VerifyingKey};
pub use parcel::{
    MAX_PARCEL_HEAD, MAX_RECIPIENTS, ParcelHead, Recipient, begin_parcel, open_parcel, seal_parcel,
};
pub use parcel_content::{
    ContentKey, ContentOpener, ContentSealer, PARCEL_CHUNK, PARCEL_TAG, SEALED_CHUNK, padded_len,
    sealed_len,
};
pub use parcel_reader::ParcelReader;
pub use receipt::{Equivocation, Position, Receipt, sign_root, sign_tombstone};
pub use recovery::RecoveryCode;
pub use scan::Scanned;
pub use school::{
    MAX_OPERATOR_LIFETIME_MS, NodeChain, SchoolAnchor, Succession, TrustedNode, root_commitment,
};
pub use session::Session;
pub use statements::{Node, Operator, RootSuccession, StaffAdmission, StaffRoles};

#[cfg(test)]
mod tests;
