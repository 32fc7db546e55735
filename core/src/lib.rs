//! A device of one account: join a school, work offline, sync.
//!
//! [`Client`] reads and writes the local store only; no call waits for a
//! network but [`Client::join`] and [`driver::sync`]. Commands queue operations
//! in one transaction; the driver seals and sends them when a link is there.

mod accounts;
mod client;
mod clock;
mod commands;
mod csv;
mod devices;
mod documents;
pub mod driver;
mod erasure;
mod error;
mod gradebook;
mod import;
mod join;
mod parcels;
mod platform;
mod quiz;
mod session;
mod social;

pub use accounts::Accounts;
pub use client::Client;
pub use commands::{NewAssignment, NewCourse, NewGrade, Work};
pub use devices::DeviceRow;
pub use documents::{DraftRow, Editing};
pub use driver::{Link, Report};
pub use error::ClientError;
pub use import::{ImportReport, Imported, SkippedRow};
pub use join::{Joining, School};
pub use parcels::{HandedOver, Taken};
pub use platform::{Boot, Platform, System};
pub use quiz::{NewQuestion, NewQuiz};
pub use social::{NewPost, Place};
