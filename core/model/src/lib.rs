//! The domain: what people state, who may state it where, and what follows.
//!
//! - [`events`]: every event type with its one encoding;
//! - [`permit`]: the one table of who may write what in which lane;
//! - [`membership`]: roles in a course at the heads that an entry cites;
//! - [`judge`]: whether an entry is valid, the same on relay and clients;
//! - [`rows`]: what an event adds to the projections;
//! - [`proposals`]: what an API asks a device to sign;
//! - [`erasure`]: which operations may go, and by whom;
//! - [`timeliness`], [`grades`], [`quiz`], [`work`], [`handed_in`], [`states`],
//!   [`social`], [`talk`], [`guardians`]: what is derived on reading.
//!
//! Everything is a pure function of entries and receipts; nothing depends on
//! the order of arrival. The normative text is `docs/protocol/07-events.md`.

pub mod erasure;
pub mod events;
mod fields;
pub mod grades;
pub mod guardians;
pub mod handed_in;
pub mod judge;
pub mod membership;
pub mod metered;
pub mod permit;
pub mod proposals;
pub mod quiz;
pub mod rows;
pub mod sabotage;
pub mod social;
pub mod states;
mod tables;
pub mod talk;
pub mod timeliness;
pub mod work;

pub use events::Event;
pub use judge::{JudgeView, Verdict, judge};
pub use membership::{Fact, Membership, Roles};
