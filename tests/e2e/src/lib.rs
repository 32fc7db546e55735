//! A relay in this process, devices on real databases, links that are cut.

mod class;
mod database;
pub mod frozen;
pub mod hand;
mod hostile_class;
mod link;
mod school;
mod trace_link;

pub use class::{Class, noise};
pub use database::{new_database, relay_traces, tables_with};
pub use hand::Hand;
pub use hostile_class::{DUE, HostileClass, carry, say, traces};
pub use link::CutLink;
pub use school::School;
pub use trace_link::{Carried, Trace, TraceLink};
