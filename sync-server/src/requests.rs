//! How requests go: rate, errors and duration of each route, and a line in the log for
//! those that fail. Neither has more of a request than its route: paths hold names.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use rand_core::RngCore;

use crate::accounts::to_hex;
use crate::log::Log;
use crate::metrics::Histogram;

/// Names a request in logs; a client or a balancer may choose it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of such a name.
const MAX_ID: usize = 64;

/// The route that an answer comes from, where the router that knew it lies further in.
#[derive(Clone)]
pub struct Route(pub MatchedPath);

/// Notes the route in the answer, for [`observe`] further out.
pub async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// What is counted of a route.
#[derive(Debug, Default)]
struct Counted {
    took: Histogram,
    /// Answers by the first digit of their status, from 1.
    answers: [u64; 5],
}

/// Method and route.
type Key = (&'static str, String);

/// What is counted of every route.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<Key, Counted>>);

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl Requests {
    fn count(&self, key: Key, status: u16, took: std::time::Duration) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = routes.entry(key).or_default();
        counted.took.observe(took);
        if let Some(count) = counted
            .answers
            .get_mut(usize::from(status / 100).wrapping_sub(1))
        {
            *count += 1;
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::from(
            "# HELP stunity_http_requests_total Requests answered.\n\
             # TYPE stunity_http_requests_total counter\n",
        );
        for ((method, route), counted) in &*routes {
            for (digit, count) in (1..).zip(counted.answers).filter(|(_, count)| *count > 0) {
                // A string takes everything.
                let _ = writeln!(
                    out,
                    "stunity_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{digit}xx\"}} {count}"
                );
            }
        }
        let name = "stunity_http_request_seconds";
        out.push_str("# HELP stunity_http_request_seconds Until a request was answered.\n# TYPE stunity_http_request_seconds histogram\n");
        for ((method, route), counted) in &*routes {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            let _ = counted.took.write_series(&mut out, name, &labels);
        }
        out
    }
}

fn id(log: &Log, request: &Request) -> String {
    let given = request.headers().get(&REQUEST_ID);
    let given = given.and_then(|id| id.to_str().ok()).filter(|id| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=MAX_ID).contains(&id.len()) && id.bytes().all(plain)
    });
    given.map(str::to_owned).unwrap_or_else(|| {
        let mut id = [0; 8];
        log.random().fill_bytes(&mut id);
        to_hex(&id)
    })
}

/// Counts a request and names it.
pub(crate) async fn observe(
    State((log, requests)): State<(Log, Arc<Requests>)>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let (id, method) = (id(&log, &request), method(request.method()));
    let outer = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let inner = response.extensions_mut().remove::<Route>();
    let route = inner.map(|route| route.0).or(outer);
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    match status {
        500.. => tracing::warn!(
            id,
            method,
            route,
            status,
            ms = took.as_millis() as u64,
            "request"
        ),
        _ => tracing::debug!(
            id,
            method,
            route,
            status,
            ms = took.as_millis() as u64,
            "request"
        ),
    }
    requests.count((method, route), status, took);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
