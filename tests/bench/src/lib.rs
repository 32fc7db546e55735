//! Benchmarks: bytes, round trips, ratios, budgets.
//!
//! Each subject measures and gives [`Row`]s; `stunity-bench` prints them as one
//! table, budget beside figure. What is exact (bytes, round trips) is also held by
//! tests; what is measured in time is only ever printed.
pub mod client;
pub mod relay;
mod table;
pub mod wire;

pub use table::{Row, print};
