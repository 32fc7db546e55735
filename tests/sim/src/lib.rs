//! The simulator: real clients on real databases and the real relay, under one seed.
//!
//! A seed decides everything: who does what and when, how links behave, which disks
//! fail, who lies. Time is virtual and one queue, ordered by time and sequence, holds
//! all that will happen; so a seed that fails fails again, with the same trace.
//!
//! - [`run`]: a world from its seed to its end, with all invariants checked;
//! - [`Config`], [`Profile`]: how many devices and what may go wrong;
//! - [`SABOTAGES`]: promises broken on purpose, each of which must be noticed.

mod act;
mod cheat;
mod check;
mod config;
mod device;
mod dice;
mod dump;
mod erase;
mod evil;
mod failure;
mod harm;
mod link;
mod parcels;
mod platform;
mod relay;
mod run;
mod sabotage;
mod session;
mod settle;
mod setup;
mod times;
mod trace;
mod truth;
mod world;

pub use config::{Config, Profile};
pub use failure::Failure;
pub use run::{Report, run};
pub use sabotage::{ALL as SABOTAGES, Sabotage};
