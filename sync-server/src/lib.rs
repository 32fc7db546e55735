//! The relay of a school.
//!
//! - [`keys`]: school root, operator and node keys on disk;
//! - [`db`]: SQLite or PostgreSQL behind the same statements;
//! - [`log`]: the log in its database, its one writer, what sessions read;
//! - [`socket`]: the WebSocket driver of `stunity_sync::relay::Session`;
//! - [`accounts`]: joining and first sign-in over HTTP;
//! - [`credentials`]: names and passwords;
//! - [`metrics`]: what it counts of itself;
//! - [`requests`]: how requests go, by route;
//! - [`pages`]: health, metrics, the school's anchor, the status page;
//! - [`blobs`]: chunks of files, in a folder or a bucket;
//! - [`parcels`]: files that anybody brings;
//! - [`platform`]: the clock and the randomness, to be given by tests.

pub mod accounts;
pub mod blobs;
pub mod credentials;
pub mod db;
pub mod error;
mod headers;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod pages;
pub mod parcels;
pub mod platform;
pub mod requests;
pub mod run;
pub mod sabotage;
pub mod socket;

pub use log::Log;
pub use run::{Address, App, router, serve, serve_with};
