//! Registering, signing in, going on, leaving; verifying an address, another password.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use rand_core::RngCore;
use serde::{Deserialize, Serialize};
use stunity_proto::AccountId;
use stunity_server::accounts::from_hex;
use stunity_server::credentials::{LoginName, NameKind, SignedIn};
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::letters::Purpose;
use crate::problem::{BadBody, Problem, SignedOut};
use crate::sessions::Issued;
use crate::state::{Api, Registration};
use crate::tokens::{ACCESS_SECONDS, Refresh};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(logout_everywhere))
        .routes(routes!(forgot_password))
        .routes(routes!(reset_password))
        .routes(routes!(verify_email))
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// A new account: at least one name to sign in by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    /// An address of mail; a letter verifies it.
    email: Option<String>,
    /// A number of a phone, with or without the country's code.
    phone: Option<String>,
    /// A name without spaces.
    username: Option<String>,
    /// At least six characters.
    password: String,
    /// The code of an invitation, 32 hexadecimal digits, where the school asks for one.
    invitation: Option<String>,
}

/// Tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAnswer {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// To be exchanged once, for both tokens anew.
    refresh_token: String,
    /// Seconds that the access token holds.
    expires_in: u64,
    /// The account.
    user_id: String,
}

impl From<Issued> for TokenAnswer {
    fn from(issued: Issued) -> Self {
        Self {
            access_token: issued.access,
            refresh_token: issued.refresh,
            expires_in: ACCESS_SECONDS,
            user_id: issued.account.to_string(),
        }
    }
}

fn agent(headers: &HeaderMap) -> &str {
    (headers.get(USER_AGENT))
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

impl Register {
    fn names(&self) -> Result<Vec<LoginName>, Problem> {
        let given = [
            (NameKind::Email, "email", &self.email),
            (NameKind::Phone, "phone", &self.phone),
            (NameKind::Username, "username", &self.username),
        ];
        let (mut names, mut wrong) = (Vec::new(), Vec::new());
        for (kind, field, text) in given {
            match text.as_deref().map(|text| LoginName::new(kind, text)) {
                Some(Ok(name)) => names.push(name),
                Some(Err(_)) => wrong.push((field, "login.malformed")),
                None => {}
            }
        }
        if wrong.is_empty() && names.is_empty() {
            wrong.push(("username", "field.missing"));
        }
        match wrong.is_empty() {
            true => Ok(names),
            false => Err(Problem::fields(&wrong)),
        }
    }
}

/// The 16 bytes of an invitation's code.
fn invitation(code: &str) -> Option<[u8; 16]> {
    from_hex(code)?.try_into().ok()
}

/// Makes an account and signs it in.
#[utoipa::path(post, path = "/auth/register", tag = "auth", request_body = Register, responses(
    (status = 201, description = "Registered and signed in", body = TokenAnswer),
    BadBody,
    (status = 403, description = "An invitation is needed", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "A name is taken, or the invitation used", body = Problem, content_type = "application/problem+json"),
))]
async fn register(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body<Register>,
) -> Result<(StatusCode, Json<TokenAnswer>), Problem> {
    let Json(request) = body?;
    let names = request.names()?;
    let mut account = [0; 16];
    api.log.random().fill_bytes(&mut account);
    let mut account = AccountId(account);
    let malformed = || Problem::fields(&[("invitation", "invitation.malformed")]);
    let code = match &request.invitation {
        Some(code) => Some(invitation(code).ok_or_else(malformed)?),
        None if api.settings.registration == Registration::Open => None,
        None => return Err(Problem::forbidden("invitation.missing")),
    };
    if let Some(code) = code {
        account = api.log.redeem_for_login(code, account).await?;
    }
    let registered = (api.log).register(account, &names, &request.password).await;
    if let (Err(_), Some(code)) = (&registered, code) {
        api.log.return_invitation(code, account).await?;
    }
    registered?;
    if let Some(email) = names.iter().find(|name| name.kind == NameKind::Email) {
        api.send_code(Purpose::Verify, account, &email.text).await?;
    }
    let who = SignedIn {
        account,
        token_version: 0,
    };
    let issued = api.begin_session(who, agent(&headers)).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}

/// A name of any kind and the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// An address, a number, a username or the school's code.
    login: String,
    /// The password.
    password: String,
}

/// Signs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = Login, responses(
    (status = 429, description = "Too many tries with this name", body = Problem, content_type = "application/problem+json"),
    (status = 200, description = "Signed in", body = TokenAnswer),
    BadBody,
    (status = 401, description = "Not that name with that password", body = Problem, content_type = "application/problem+json"),
))]
async fn login(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body<Login>,
) -> Result<Json<TokenAnswer>, Problem> {
    let Json(request) = body?;
    api.tries.take(&LoginName::typed(&request.login))?;
    let who = api
        .log
        .check_password(&request.login, request.password)
        .await?;
    Ok(Json(api.begin_session(who, agent(&headers)).await?.into()))
}

/// A refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshToken {
    /// As it was given last.
    refresh_token: String,
}

/// Exchanges a refresh token for both tokens anew. A token that somebody used before
/// ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body = RefreshToken, responses(
    (status = 200, description = "Goes on", body = TokenAnswer),
    BadBody,
    (status = 401, description = "The session is over", body = Problem, content_type = "application/problem+json"),
))]
async fn refresh(
    State(api): State<Arc<Api>>,
    body: Body<RefreshToken>,
) -> Result<Json<TokenAnswer>, Problem> {
    let Json(request) = body?;
    Ok(Json(
        api.refresh_session(&request.refresh_token).await?.into(),
    ))
}

/// Ends the session of a refresh token; again is the same as once.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", request_body = RefreshToken, responses(
    (status = 204, description = "The session is over"),
    BadBody,
    (status = 401, description = "No refresh token of this school", body = Problem, content_type = "application/problem+json"),
))]
async fn logout(
    State(api): State<Arc<Api>>,
    body: Body<RefreshToken>,
) -> Result<StatusCode, Problem> {
    let Json(request) = body?;
    let now = api.log.now_ms();
    let claims: Refresh = api.tokens.verify(&request.refresh_token, "refresh", now)?;
    if let Some(sid) = from_hex(&claims.sid) {
        api.end_session(&sid).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of the account.
#[utoipa::path(post, path = "/auth/logout-everywhere", tag = "auth", security(("bearer" = [])), responses(
    (status = 204, description = "All sessions are over"),
    SignedOut,
))]
async fn logout_everywhere(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    api.end_sessions(caller.account).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever forgot the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forgot {
    /// Any name of the account.
    login: String,
}

/// Sends a code to the account's addresses. The answer is the same whether there are
/// any.
#[utoipa::path(post, path = "/auth/forgot-password", tag = "auth", request_body = Forgot, responses(
    (status = 429, description = "Too many tries with this name", body = Problem, content_type = "application/problem+json"),
    (status = 202, description = "If the account has an address, a letter is on its way"),
    BadBody,
))]
async fn forgot_password(
    State(api): State<Arc<Api>>,
    body: Body<Forgot>,
) -> Result<StatusCode, Problem> {
    let Json(request) = body?;
    api.tries.take(&LoginName::typed(&request.login))?;
    // Answered at once: how long a letter takes says nothing.
    tokio::spawn(async move {
        if let Err(problem) = api.send_resets(&request.login).await {
            tracing::warn!(code = problem.code, "letters did not leave");
        }
    });
    Ok(StatusCode::ACCEPTED)
}

impl Api {
    async fn send_resets(&self, login: &str) -> Result<(), Problem> {
        let rows = sql(
            "SELECT n.account, n.name FROM login_name n JOIN login_name t \
             ON t.account = n.account WHERE t.name = $1 AND n.kind = $2",
        )
        .bind(LoginName::typed(login))
        .bind(NameKind::Email as i64)
        .all(self.log.database())
        .await
        .map_err(ServerError::from)?;
        for row in rows {
            let read = || -> Result<(AccountId, String), ServerError> {
                Ok((AccountId::try_from(row.get::<&[u8]>(0)?)?, row.get(1)?))
            };
            let (account, address) = read()?;
            self.send_code(Purpose::Reset, account, &address).await?;
        }
        Ok(())
    }
}

/// A code and the password that shall hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reset {
    /// From the letter.
    code: String,
    /// At least six characters.
    password: String,
}

/// Chooses another password; all sessions end. It gives no device, no key and no role.
#[utoipa::path(post, path = "/auth/reset-password", tag = "auth", request_body = Reset, responses(
    (status = 204, description = "The new password holds"),
    BadBody,
))]
async fn reset_password(
    State(api): State<Arc<Api>>,
    body: Body<Reset>,
) -> Result<StatusCode, Problem> {
    let Json(request) = body?;
    // A password that is refused uses no code up.
    stunity_server::credentials::check(&request.password)
        .map_err(|error| Problem::fields(&[("password", &error.to_string())]))?;
    let redeemed = api.redeem_code(Purpose::Reset, &request.code).await?;
    api.log
        .change_password(redeemed.account, &request.password)
        .await?;
    api.end_sessions(redeemed.account).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Verifies the address that a letter was sent to.
#[utoipa::path(get, path = "/auth/verify-email/{token}", tag = "auth",
    params(("token" = String, Path, description = "From the letter")),
    responses(
        (status = 204, description = "The address is verified"),
        (status = 422, description = "The code does not hold", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn verify_email(
    State(api): State<Arc<Api>>,
    Path(token): Path<String>,
) -> Result<StatusCode, Problem> {
    let redeemed = api.redeem_code(Purpose::Verify, &token).await?;
    let update = sql("UPDATE login_name SET verified_ms = $3 WHERE name = $1 AND account = $2")
        .bind(redeemed.name)
        .bind(redeemed.account.0)
        .bind(api.log.now_ms());
    api.log.run(update).await?;
    Ok(StatusCode::NO_CONTENT)
}
