//! Both sides of a sync session as state machines without IO
//! (docs/protocol/06-session.md).
//!
//! [`client::Session`] works on a [`Replica`], the client's store;
//! [`relay::Session`] on a [`RelayStore`], the relay's log. Frames go in,
//! effects come out. Time and randomness are passed in; the real drivers and
//! the simulator run the same code.

mod certificates;
pub mod client;
mod cursors;
mod error;
mod files;
mod position;
mod reader;
pub mod relay;
mod relay_files;
pub mod relay_store;
pub mod replica;
pub mod sabotage;
mod uploader;

pub use certificates::certificates_in;
pub use error::{SyncError, may_come_later};
pub use position::{Cursor, Position, Running, Target};
pub use relay_store::RelayStore;
pub use replica::Replica;
