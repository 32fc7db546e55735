//! Who asks: the account of the access token in `Authorization: Bearer`.
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use stunity_proto::AccountId;
use stunity_sync::RelayStore;

use crate::problem::Problem;
use crate::state::Api;
use crate::tokens::Access;

/// The account that asks. What it may do is asked of the log, never of the token.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let token = (parts.headers.get(AUTHORIZATION))
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Problem::unauthorized("token.missing"))?;
        let claims: Access = api.tokens.verify(token, "access", api.log.now_ms())?;
        let account = claims.user_id.parse();
        let account = account.map_err(|_| Problem::unauthorized("token.invalid"))?;
        Ok(Self { account })
    }
}
