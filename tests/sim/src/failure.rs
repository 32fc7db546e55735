//! How a run fails.
use std::fmt;

/// An invariant that did not hold, with what happened last.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
    /// The last events before.
    pub events: Vec<String>,
}

impl Failure {
    /// A failure whose events are added by the run.
    pub fn new(invariant: &'static str, seen: impl Into<String>) -> Self {
        Self {
            invariant,
            seen: seen.into(),
            events: Vec::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        write!(f, "{}: {}", self.invariant, self.seen)
    }
}

impl std::error::Error for Failure {}

/// Turns an error into a failure of the named invariant.
pub trait OrFail<T> {
    /// Names what should have worked.
    ///
    /// # Errors
    /// The failure.
    fn or_fail(self, invariant: &'static str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, invariant: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(invariant, error.to_string()))
    }
}
