//! How much an account may ask in a time: token buckets, so that a class that was
//! offline for a week can catch up at once. By account, never by address, for a school
//! has one. In memory of this node.
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use stunity_proto::AccountId;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Accounts kept in memory before those at rest are dropped.
const MAX_ACCOUNTS: usize = 50_000;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Post,
    Message,
    Upload,
}

/// How many kinds.
const KINDS: usize = 5;

/// So many in such a time, all of them at once after a pause.
struct Limit {
    kind: Kind,
    name: &'static str,
    burst: u32,
    seconds: u64,
}

const LIMITS: [Limit; KINDS] = [
    of(Kind::Read, "reads", 6_000, 60),
    of(Kind::Write, "writes", 600, 60),
    of(Kind::Post, "posts", 100, 15 * 60),
    of(Kind::Message, "messages", 50, 60),
    of(Kind::Upload, "uploads", 10, 3_600),
];

const fn of(kind: Kind, name: &'static str, burst: u32, seconds: u64) -> Limit {
    Limit {
        kind,
        name,
        burst,
        seconds,
    }
}

type Buckets = RateLimiter<
    AccountId,
    DefaultKeyedStateStore<AccountId>,
    DefaultClock,
    StateInformationMiddleware,
>;

/// The buckets of all accounts.
pub struct Rates {
    buckets: [Buckets; KINDS],
    clock: DefaultClock,
}

impl Default for Rates {
    fn default() -> Self {
        let buckets = |limit: &Limit| {
            let burst = NonZeroU32::new(limit.burst).expect("a limit is not 0");
            let each = Duration::from_secs(limit.seconds) / limit.burst;
            let quota = Quota::with_period(each).expect("not zero");
            RateLimiter::keyed(quota.allow_burst(burst)).with_middleware()
        };
        Self {
            buckets: LIMITS.each_ref().map(buckets),
            clock: DefaultClock::default(),
        }
    }
}

fn kind(method: &Method, path: &str) -> Kind {
    let route = ["/api/", "/v1/"]
        .iter()
        .find_map(|base| path.strip_prefix(base));
    let mut parts = route.unwrap_or_default().split('/');
    let is_post = *method == Method::POST;
    match parts.next() {
        _ if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) => Kind::Read,
        Some("posts") if is_post && parts.clone().count() == 0 => Kind::Post,
        Some("posts") if is_post && parts.nth(1) == Some("comment") => Kind::Post,
        Some("messages") if is_post => Kind::Message,
        Some("uploads") if is_post => Kind::Upload,
        _ => Kind::Write,
    }
}

impl Rates {
    /// Counts a message that comes by a socket, as one that comes by a request.
    ///
    /// # Errors
    /// `limit.rate`, with how many seconds to wait.
    pub fn message(&self, account: AccountId) -> Result<(), Problem> {
        self.take(account, Kind::Message).map(|_| ())
    }

    /// Takes one from an account's bucket; what is left in it.
    fn take(&self, account: AccountId, kind: Kind) -> Result<(u32, &Limit), Problem> {
        let index = LIMITS.iter().position(|limit| limit.kind == kind);
        let index = index.expect("every kind has a limit");
        let (buckets, limit) = (&self.buckets[index], &LIMITS[index]);
        if buckets.len() > MAX_ACCOUNTS {
            buckets.retain_recent();
        }
        match buckets.check_key(&account) {
            Ok(left) => Ok((left.remaining_burst_capacity(), limit)),
            Err(until) => Err(Problem {
                retry_after: Some(until.wait_time_from(self.clock.now()).as_secs() + 1),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate")
            }),
        }
    }
}

/// Counts what a caller asks; says what is left in `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers). Who is nobody is limited by what is tried.
pub async fn limit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let Ok(caller) = Caller::of(&api, request.headers()) else {
        return next.run(request).await;
    };
    let kind = kind(request.method(), request.uri().path());
    let (left, limit) = match api.rates.take(caller.account, kind) {
        Ok(left) => left,
        Err(problem) => return problem.into_response(),
    };
    let mut response = next.run(request).await;
    let Limit {
        name,
        burst,
        seconds,
        ..
    } = limit;
    let said = [
        (
            "ratelimit-policy",
            format!("\"{name}\";q={burst};w={seconds}"),
        ),
        ("ratelimit", format!("\"{name}\";r={left}")),
    ];
    for (header, value) in said {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(header, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_costly_to_others_has_a_bucket_of_its_own() {
        for (method, path, expected) in [
            (Method::GET, "/api/posts", Kind::Read),
            (Method::POST, "/api/posts", Kind::Post),
            (Method::POST, "/v1/posts/00/comment", Kind::Post),
            (Method::POST, "/api/posts/00/like", Kind::Write),
            (Method::POST, "/api/messages/00", Kind::Message),
            (Method::PUT, "/api/messages/00/read", Kind::Write),
            (Method::POST, "/api/uploads", Kind::Upload),
            (Method::PATCH, "/api/uploads/00", Kind::Write),
            (Method::POST, "/elsewhere", Kind::Write),
        ] {
            assert_eq!(kind(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn an_account_that_has_used_up_its_bucket_waits_and_another_does_not() {
        let rates = Rates::default();
        let (one, other) = (AccountId([1; 16]), AccountId([2; 16]));
        for left in (0..10).rev() {
            assert_eq!(
                rates.take(one, Kind::Upload).map(|(left, _)| left).ok(),
                Some(left)
            );
        }
        let problem = rates.take(one, Kind::Upload).map(|_| ()).unwrap_err();
        assert_eq!((problem.status, problem.code.as_str()), (429, "limit.rate"));
        assert!((1..=361).contains(&problem.retry_after.unwrap()));
        assert!(rates.take(one, Kind::Post).is_ok());
        assert!(rates.take(other, Kind::Upload).is_ok());
    }
}
