//! Conditional requests (RFC 9110, 13): `ETag` is a hash of what was answered.
//! `If-None-Match` spares a page that the client has. `If-Match` keeps a change from
//! overwriting what the client has not seen: what is there now is read as the client would
//! read it and compared, while no other conditional change of the same thing goes through this
//! node. Between nodes the comparison is not under a lock; there, two changes at the same
//! moment both go through, and the log keeps both.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::problem::Problem;

/// Changes that may wait for one another.
const STRIPES: usize = 64;
/// Bytes of an answer that gets a tag; pages are smaller.
const MAX_BODY: usize = 4 << 20;

/// One at a time, by what is changed.
pub struct Stripes([Mutex<()>; STRIPES]);

impl Default for Stripes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Stripes {
    fn of(&self, path: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        &self.0[hasher.finish() as usize % STRIPES]
    }
}

fn tag(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]))
}

/// Whether a list of tags in a header names `tag`; a weak one is as good, for a tag is of
/// the answer's bytes.
fn names(headers: &HeaderMap, header: &HeaderName, tag: &str) -> bool {
    (headers.get_all(header).iter())
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// As [`crate::gate`] says.
pub async fn answer(State(stripes): State<Arc<Stripes>>, request: Request, next: Next) -> Response {
    match *request.method() {
        Method::GET => read(request, next).await,
        Method::PUT | Method::DELETE | Method::PATCH
            if request.headers().contains_key(IF_MATCH) =>
        {
            let path = request.uri().path().to_owned();
            let _turn = stripes.of(&path).lock().await;
            let seen = request.headers().clone();
            match is_as_seen(look(&request), &seen, next.clone()).await {
                true => next.run(request).await,
                false => Problem::new(StatusCode::PRECONDITION_FAILED, "precondition.failed")
                    .into_response(),
            }
        }
        _ => next.run(request).await,
    }
}

fn is_json(response: &Response) -> bool {
    (response.headers().get(CONTENT_TYPE)).is_some_and(|kind| kind == "application/json")
}

async fn read(request: Request, next: Next) -> Response {
    let asked = request.headers().clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_json(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY).await else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "relay.failed").into_response();
    };
    let tag = tag(&bytes);
    // Of this caller alone, and asked for again each time.
    let private = HeaderValue::from_static("private, no-cache");
    parts.headers.entry(CACHE_CONTROL).or_insert(private);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, value);
    }
    if !names(&asked, &IF_NONE_MATCH, &tag) {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// The request that reads what `request` changes.
fn look(request: &Request) -> Request {
    let mut look = Request::new(Body::empty());
    *look.uri_mut() = request.uri().clone();
    *look.headers_mut() = request.headers().clone();
    for header in [CONTENT_TYPE, CONTENT_LENGTH, IF_MATCH] {
        look.headers_mut().remove(header);
    }
    look
}

/// Whether what is there now is what the client has seen.
async fn is_as_seen(look: Request, seen: &HeaderMap, next: Next) -> bool {
    let now = next.run(look).await;
    if now.status() != StatusCode::OK || !is_json(&now) {
        return false;
    }
    let bytes = to_bytes(now.into_body(), MAX_BODY).await;
    bytes.is_ok_and(|bytes| names(seen, &IF_MATCH, &tag(&bytes)))
}
