//! How often something may be done: token buckets, by who or what, never by address,
//! for a school has one. In memory of this node.
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use stunity_proto::AccountId;

use crate::problem::Problem;

/// Tries before somebody waits.
const TRIES: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");
/// One more try after this.
const EACH: Duration = Duration::from_secs(30);
/// Buckets kept in memory before those at rest are dropped.
const MAX_NAMES: usize = 10_000;

/// Signs of typing before the next are left out.
const TYPING: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");
/// One more sign of typing after this.
const EACH_TYPING: Duration = Duration::from_millis(500);

/// Token buckets, one a key.
pub struct Buckets<K: Clone + Eq + Hash> {
    buckets: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    code: &'static str,
}

/// Tries of a password or a letter, by the name that somebody typed.
pub type Tries = Buckets<String>;
impl Default for Tries {
    fn default() -> Self {
        Self::new(TRIES, EACH, "limit.tries")
    }
}

impl Buckets<AccountId> {
    /// Signs of typing, by the account that types.
    #[must_use]
    pub fn typing() -> Self {
        Self::new(TYPING, EACH_TYPING, "limit.typing")
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Buckets of `most`, of which each fills by one after `each`; whoever finds one
    /// empty is told `code`.
    fn new(most: NonZeroU32, each: Duration, code: &'static str) -> Self {
        let quota = Quota::with_period(each)
            .expect("not zero")
            .allow_burst(most);
        Self {
            buckets: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            code,
        }
    }

    /// Takes one from a bucket.
    ///
    /// # Errors
    /// The buckets' code, with how many seconds to wait.
    pub fn take(&self, key: &K) -> Result<(), Problem> {
        if self.buckets.len() > MAX_NAMES {
            self.buckets.retain_recent();
        }
        self.buckets.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            Problem {
                retry_after: Some(wait.as_secs() + 1),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, self.code)
            }
        })
    }
}
