//! Processor time of this process.
use std::time::Duration;

/// What all threads of the process have used so far; zero where the system does not
/// say. A thread that ends takes its time with it: measure between points where none
/// does.
#[must_use]
pub fn time() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    threads
        .flatten()
        .filter_map(|thread| {
            let line = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            line.split(' ').next()?.parse().ok()
        })
        .map(Duration::from_nanos)
        .sum()
}
