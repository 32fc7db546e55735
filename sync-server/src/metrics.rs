//! What the relay counts of itself, as Prometheus reads it.
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of a histogram's buckets, milliseconds: budgets lie between them.
const BOUNDS_MS: [u64; 9] = [1, 3, 5, 15, 50, 100, 250, 1_000, 5_000];

/// Counts how long something took.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// What is counted from the start of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    /// From a request to the writer until it is durable.
    pub append: Histogram,
    /// A commit: all that waited, with the sync to disk.
    pub commit: Histogram,
    /// Entries that were numbered.
    pub accepted: AtomicU64,
    /// Entries that were refused.
    pub refused: AtomicU64,
    /// Batches that were rolled back.
    pub rolled_back: AtomicU64,
    /// Sessions that were opened.
    pub sessions: AtomicU64,
    /// Live batches given to sessions.
    pub delivered: AtomicU64,
    /// Live batches that a slow session did not take: it reads them from the log.
    pub dropped: AtomicU64,
    /// Packs that were at hand as they had been made for another reader.
    pub packs_shared: AtomicU64,
}

/// Counts one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Histogram {
    /// Counts one that took so long.
    pub fn observe(&self, took: Duration) {
        let ms = took.as_millis() as u64;
        if let Some(index) = BOUNDS_MS.iter().position(|bound| ms < *bound) {
            count(&self.buckets[index]);
        }
        count(&self.count);
        self.sum_us
            .fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, help: &str) -> std::fmt::Result {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        self.write_series(out, name, "")
    }

    /// The lines of one series; `labels` are those beside `le`.
    pub(crate) fn write_series(
        &self,
        out: &mut String,
        name: &str,
        labels: &str,
    ) -> std::fmt::Result {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, bucket) in BOUNDS_MS.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let seconds = *bound as f64 / 1e3;
            writeln!(
                out,
                "{name}_bucket{{{labels}{comma}le=\"{seconds}\"}} {below}"
            )?;
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}")?;
        let labels = match labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        writeln!(
            out,
            "{name}_sum{labels} {sum}\n{name}_count{labels} {count}"
        )
    }
}

impl Metrics {
    /// The text that Prometheus reads: these, and `gauges`, each a name, what it
    /// is, and its value now.
    #[must_use]
    pub fn render(&self, gauges: &[(&str, &str, u64)]) -> String {
        let mut out = String::new();
        // A string takes everything.
        let _ = self.write(&mut out, gauges);
        out
    }

    fn write(&self, out: &mut String, gauges: &[(&str, &str, u64)]) -> std::fmt::Result {
        for (name, help, value) in gauges {
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            )?;
        }
        for (name, help, counter) in [
            ("accepted", "Entries numbered.", &self.accepted),
            ("refused", "Entries refused.", &self.refused),
            ("rolled_back", "Batches rolled back.", &self.rolled_back),
            ("sessions_opened", "Sessions opened.", &self.sessions),
            (
                "live_delivered",
                "Live batches given to sessions.",
                &self.delivered,
            ),
            (
                "live_dropped",
                "Live batches left to be read later.",
                &self.dropped,
            ),
            (
                "packs_shared",
                "Packs found as they were made for another reader.",
                &self.packs_shared,
            ),
        ] {
            let value = counter.load(Ordering::Relaxed);
            let name = format!("stunity_{name}_total");
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            )?;
        }
        self.append.write(
            out,
            "stunity_append_seconds",
            "From a request to the writer until it is durable.",
        )?;
        self.commit
            .write(out, "stunity_commit_seconds", "One commit of what waited.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_bucket_with_those_below() {
        let metrics = Metrics::default();
        for ms in [0, 2, 2, 40, 9_000] {
            metrics.append.observe(Duration::from_millis(ms));
        }
        let text = metrics.render(&[("stunity_sessions", "Sessions open now.", 3)]);
        for line in [
            "stunity_sessions 3",
            "stunity_append_seconds_bucket{le=\"0.001\"} 1",
            "stunity_append_seconds_bucket{le=\"0.003\"} 3",
            "stunity_append_seconds_bucket{le=\"0.05\"} 4",
            "stunity_append_seconds_bucket{le=\"+Inf\"} 5",
            "stunity_append_seconds_count 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
