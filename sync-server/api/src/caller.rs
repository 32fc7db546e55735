//! Who asks: the account of the access token in `Authorization: Bearer`.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use stunity_proto::AccountId;
use stunity_sync::RelayStore;

use crate::problem::Problem;
use crate::state::Api;
use crate::tokens::{ACCESS_SECONDS, Access, TokenError};

/// The account that asks. What it may do is asked of the log, never of the token.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The session that its token is of.
    pub session: [u8; 16],
    /// When the token ends, milliseconds since 1970.
    pub until_ms: u64,
}

/// Tokens whose signature was verified, by their hash: to verify one takes longer than
/// many an answer.
pub struct Verified(Cache<[u8; 32], Caller>);

impl Default for Verified {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(20_000)
            .time_to_live(Duration::from_secs(ACCESS_SECONDS));
        Self(cache.build())
    }
}

impl Caller {
    /// Whoever asks by these headers.
    ///
    /// # Errors
    /// `token.missing`, `token.invalid`, `token.expired`.
    pub fn of(api: &Api, headers: &HeaderMap) -> Result<Self, Problem> {
        let token = (headers.get(AUTHORIZATION))
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Problem::unauthorized("token.missing"))?;
        Self::by_token(api, token)
    }

    /// Whoever has this access token.
    ///
    /// # Errors
    /// `token.invalid`, `token.expired`.
    pub fn by_token(api: &Api, token: &str) -> Result<Self, Problem> {
        let (hash, now) = (Sha256::digest(token).into(), api.log.now_ms());
        if let Some(caller) = api
            .verified
            .0
            .get(&hash)
            .filter(|known| now < known.until_ms)
        {
            return Ok(caller);
        }
        let claims: Access = api.tokens.verify(token, "access", now)?;
        let invalid = |_| Problem::from(TokenError::Invalid);
        let session = stunity_server::accounts::from_hex(&claims.sid).unwrap_or_default();
        let caller = Self {
            account: claims.user_id.parse().map_err(invalid)?,
            session: session
                .try_into()
                .map_err(|_| Problem::from(TokenError::Invalid))?,
            until_ms: claims.exp * 1000,
        };
        api.verified.0.insert(hash, caller);
        Ok(caller)
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        Self::of(api, &parts.headers)
    }
}
