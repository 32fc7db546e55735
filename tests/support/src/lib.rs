//! Fixtures and helpers shared by the tests.
//!
//! - [`disk`]: a disk that fails, under SQLite;
//! - [`traces`]: recorded keystrokes.

pub mod disk;
pub mod traces;
mod vfs;
