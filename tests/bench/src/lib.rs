//! Benchmarks: bytes, round trips, ratios, budgets.
//!
//! Each subject measures and gives [`Row`]s; `stunity-bench` prints them as one
//! table, budget beside figure. What is exact (bytes, round trips) is also held by
//! tests; what is measured in time is only ever printed.
pub mod classes;
pub mod client;
pub mod relay;
mod table;
mod timer;
mod typing;
pub mod wire;

use std::path::PathBuf;

pub use table::{Row, print};

/// Measures a subject, or says what it lacks.
pub type Measure = fn() -> Result<Vec<Row>, String>;

/// A folder of the real data: `STUNITY_DATA`, or `shared/data` beside the repository.
fn data(name: &str) -> Result<PathBuf, String> {
    let data = match std::env::var_os("STUNITY_DATA") {
        Some(data) => PathBuf::from(data),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(),
    };
    let folder = data.join(name);
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(format!(
            "needs the real data: set STUNITY_DATA to the folder that holds {name}"
        ))
    }
}
