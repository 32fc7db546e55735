//! Wall clock and processor time.
use std::time::Instant;

/// A stopwatch.
pub struct Timer {
    wall: Instant,
    processor: f64,
}

impl Timer {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self {
            wall: Instant::now(),
            processor: processor(),
        }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn wall(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    /// Processor seconds of all threads of this process since the start, to a
    /// hundredth.
    #[must_use]
    pub fn processor(&self) -> f64 {
        processor() - self.processor
    }
}

/// User and system time of this process, seconds: Linux counts hundredths
/// (proc(5), `stat`). Elsewhere 0.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may contain anything.
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return 0.0;
    };
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}
