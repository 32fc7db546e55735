//! How often something may be tried: token buckets, by what is tried, never by address,
//! for a school has one. In memory of this node.
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::problem::Problem;

/// Tries before somebody waits.
const TRIES: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");
/// One more try after this.
const EACH: Duration = Duration::from_secs(30);
/// Names kept in memory before those at rest are dropped.
const MAX_NAMES: usize = 10_000;

/// Tries of a password or a letter, by the name that somebody typed.
pub struct Tries {
    buckets: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Default for Tries {
    fn default() -> Self {
        let quota = Quota::with_period(EACH)
            .expect("not zero")
            .allow_burst(TRIES);
        Self {
            buckets: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
        }
    }
}

impl Tries {
    /// Takes one try of a name.
    ///
    /// # Errors
    /// `limit.tries`, with how many seconds to wait.
    pub fn take(&self, name: &str) -> Result<(), Problem> {
        if self.buckets.len() > MAX_NAMES {
            self.buckets.retain_recent();
        }
        self.buckets
            .check_key(&name.to_owned())
            .map_err(|not_until| {
                let wait = not_until.wait_time_from(self.clock.now());
                Problem {
                    retry_after: Some(wait.as_secs() + 1),
                    ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.tries")
                }
            })
    }
}
