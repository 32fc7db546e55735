//! A write with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) happens
//! once however often a client on a bad link tries it: the answer is kept for a day and
//! given again. What the write states bears the key into the log, in the transaction of
//! its entry, so that also a relay that was killed before it could answer states nothing
//! twice.
use std::cell::Cell;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use stunity_proto::AccountId;
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::{Api, MAX_BODY};

/// Answers are kept so long.
const KEPT_MS: u64 = 24 * 3_600_000;
/// A request that has not answered by then was killed: another try may begin.
const PATIENCE_MS: u64 = 60_000;
/// Characters of a key.
const MAX_KEY: usize = 255;
/// Bytes of an answer that is kept.
const MAX_ANSWER: usize = 64 * 1024;

tokio::task_local! {
    /// The request that is carried out, and how much it has drawn from its key.
    static ONCE: (Key, Cell<u32>);
}

/// An account's key of a request.
type Key = [u8; 32];

/// What the next statement of this request is named by, if it has a key: the same when
/// the request is tried again.
#[must_use]
pub fn next_name() -> Option<[u8; 32]> {
    ONCE.try_with(|(key, drawn)| {
        let n = drawn.get();
        drawn.set(n + 1);
        let mut hash = Sha256::new_with_prefix(b"stunity/once/1");
        hash.update(key);
        hash.update(n.to_be_bytes());
        hash.finalize().into()
    })
    .ok()
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    match key.is_empty() || key.len() > MAX_KEY {
        true => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency.malformed",
        )),
        false => Ok(Some(key)),
    }
}

/// As [`crate::gate`] says.
pub async fn answer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let caller = Caller::of(&api, request.headers());
    let (Ok(caller), true) = (caller, changes) else {
        return next.run(request).await;
    };
    let key = match key_of(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => key.to_owned(),
        Err(problem) => return problem.into_response(),
    };
    let answered = carry_out(&api, caller.account, &key, request, next).await;
    answered.unwrap_or_else(IntoResponse::into_response)
}

async fn carry_out(
    api: &Api,
    account: AccountId,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too-large");
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| too_large())?;
    let mut hash = Sha256::new();
    for part in [
        parts.method.as_str(),
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(&body);
    let asked: [u8; 32] = hash.finalize().into();
    let mut hash = Sha256::new_with_prefix(account.0);
    hash.update(key);
    let key: Key = hash.finalize().into();
    if let Some(answer) = api.begin_once(&key, &asked).await? {
        return Ok(answer);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let response = ONCE.scope((key, Cell::new(0)), next.run(request)).await;
    api.end_once(&key, response).await
}

impl Api {
    /// Takes a key for a request; gives the answer that is kept if there is one.
    async fn begin_once(&self, key: &Key, asked: &[u8; 32]) -> Result<Option<Response>, Problem> {
        let now = self.log.now_ms();
        // Now and then: keys are hashes.
        if key[0] < 4 {
            for old in [
                "DELETE FROM idempotency WHERE begun_ms < $1",
                "DELETE FROM stated_once WHERE stated_ms < $1",
            ] {
                self.log
                    .run(sql(old).bind(now.saturating_sub(KEPT_MS)))
                    .await?;
            }
        }
        let take = sql(
            "INSERT INTO idempotency (key, request, begun_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (key) DO UPDATE SET begun_ms = $3 WHERE idempotency.status IS NULL \
             AND idempotency.request = $2 AND idempotency.begun_ms < $4",
        )
        .bind(*key)
        .bind(*asked)
        .bind(now)
        .bind(now.saturating_sub(PATIENCE_MS));
        if self.log.run(take).await? > 0 {
            return Ok(None);
        }
        let row = sql("SELECT request, status, body, kind FROM idempotency WHERE key = $1")
            .bind(*key)
            .one(self.log.database())
            .await
            .map_err(ServerError::from)?;
        let read = || -> Result<_, ServerError> {
            let status = row.get::<Option<i64>>(1)?;
            let body = row.get::<Option<Vec<u8>>>(2)?.unwrap_or_default();
            let kind = row.get::<Option<String>>(3)?;
            Ok((row.get::<&[u8]>(0)? == asked, status, body, kind))
        };
        match read()? {
            (false, ..) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency.mismatch",
            )),
            (true, None, ..) => Err(Problem {
                retry_after: Some(1),
                ..Problem::new(StatusCode::CONFLICT, "idempotency.in-progress")
            }),
            (true, Some(status), body, kind) => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() =
                    StatusCode::from_u16(status as u16).unwrap_or(StatusCode::OK);
                let kind = kind.and_then(|kind| HeaderValue::from_str(&kind).ok());
                if let Some(kind) = kind {
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                }
                let again = HeaderValue::from_static("true");
                response.headers_mut().insert("idempotency-replayed", again);
                Ok(Some(response))
            }
        }
    }

    /// Keeps an answer; one that may be another next time gives the key back.
    async fn end_once(&self, key: &Key, response: Response) -> Result<Response, Problem> {
        let (parts, body) = response.into_parts();
        let passing = parts.status.is_server_error()
            || matches!(
                parts.status,
                StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS
            );
        let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "relay.failed");
        let bytes = to_bytes(body, MAX_ANSWER).await.map_err(|_| failed())?;
        let statement = match passing {
            true => sql("DELETE FROM idempotency WHERE key = $1").bind(*key),
            false => {
                let kind = parts.headers.get(CONTENT_TYPE);
                let kind = kind.and_then(|kind| kind.to_str().ok());
                sql("UPDATE idempotency SET status = $2, body = $3, kind = $4 WHERE key = $1")
                    .bind(*key)
                    .bind(i64::from(parts.status.as_u16()))
                    .bind(bytes.to_vec())
                    .bind(kind)
            }
        };
        self.log.run(statement).await?;
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }
}
