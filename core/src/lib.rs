//! A device of one account: join a school, work offline, sync.
//!
//! [`Client`] reads and writes the local store only; no call waits for a
//! network but [`Client::join`] and [`driver::sync`]. Commands queue operations
//! in one transaction; the driver seals and sends them when a link is there. In a
//! browser the page carries requests and frames: [`Join`], [`Client::begin_session`].

#[cfg(not(target_family = "wasm"))]
mod accounts;
mod client;
mod clock;
mod commands;
mod conversations;
mod csv;
mod devices;
mod documents;
#[cfg(not(target_family = "wasm"))]
pub mod driver;
mod erasure;
mod error;
mod files;
mod gradebook;
#[cfg(not(target_family = "wasm"))]
mod http;
mod import;
mod join;
mod members;
mod parcels;
mod place;
mod platform;
mod proposals;
mod quiz;
mod school;
mod session;
mod social;

#[cfg(not(target_family = "wasm"))]
pub use accounts::Accounts;
pub use client::Client;
pub use commands::{NewAssignment, NewCourse, NewGrade, Work};
pub use conversations::{Between, Receipt};
pub use devices::DeviceRow;
pub use documents::{DraftRow, Editing};
#[cfg(not(target_family = "wasm"))]
pub use driver::{Link, Report};
pub use error::ClientError;
pub use import::{ImportReport, Imported, SkippedRow};
pub use join::{Invited, Join, Joining, Request, School};
pub use parcels::{HandedOver, Taken};
#[cfg(not(target_family = "wasm"))]
pub use platform::System;
pub use platform::{Boot, Platform};
pub use quiz::{NewQuestion, NewQuiz};
pub use social::{NewPost, Place};
