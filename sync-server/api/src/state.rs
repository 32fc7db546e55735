//! What every handler shares, and the router.
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rand_core::RngCore;
use stunity_server::Log;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::caller::Verified;
use crate::gate::guard;
use crate::gate::rates::Rates;
use crate::letters::Mailer;
use crate::limits::Tries;
use crate::problem::Problem;
use crate::tokens::Tokens;
use crate::{assignments, auth, courses, proposals, users};

/// Bytes of a body: text of a submission and its envelope.
pub const MAX_BODY: usize = 256 * 1024;

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Whoever has an invitation of the school.
    #[default]
    Invited,
    /// Anybody.
    Open,
}

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may register.
    pub registration: Registration,
    /// How people reach the relay, for links in letters, without a slash at the end.
    pub public_url: String,
    /// Who letters are from.
    pub mail_from: String,
}

/// What every handler shares.
pub struct Api {
    /// The school's log.
    pub log: Log,
    /// Signs and verifies tokens.
    pub tokens: Tokens,
    /// Carries letters.
    pub mailer: Mailer,
    /// What the operator decides.
    pub settings: Settings,
    /// Tries of passwords and letters.
    pub tries: Tries,
    /// What accounts ask.
    pub rates: Rates,
    /// Tokens that were verified.
    pub verified: Verified,
}

impl Api {
    /// The API of a relay. The secret of its tokens lies beside
    /// the relay's keys and is made where it is missing; nodes of one school share it.
    ///
    /// # Errors
    /// A secret that cannot be read or written.
    pub fn open(log: Log, mailer: Mailer, settings: Settings) -> Result<Self, ServerError> {
        let mut fresh = [0; 32];
        log.random().fill_bytes(&mut fresh);
        let secret = log.keys().secret("token.secret", fresh)?;
        Ok(Self {
            tokens: Tokens::new(log.keys().school(), secret),
            log,
            mailer,
            settings,
            tries: Tries::default(),
            rates: Rates::default(),
            verified: Verified::default(),
        })
    }
}

fn described() -> OpenApi {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Stunity")
                .description(Some("A school's relay: what is written here becomes an entry that every device sees. Errors are `application/problem+json` with a stable `code`."))
                .version(env!("CARGO_PKG_VERSION"))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema_from::<Problem>()
                .security_scheme("bearer", bearer)
                .build(),
        ))
        .build()
}

/// Routes under `/api` and `/v1`, and what they look like to machines.
pub fn router(api: Arc<Api>) -> Router {
    let routes = OpenApiRouter::new()
        .merge(auth::router())
        .merge(users::router())
        .merge(courses::router())
        .merge(proposals::router())
        .merge(assignments::router());
    let (api_routes, document) = OpenApiRouter::with_openapi(described())
        .nest("/api", routes.clone())
        .split_for_parts();
    let (v1_routes, _) = OpenApiRouter::new().nest("/v1", routes).split_for_parts();
    let document = Json(document);
    let described = get(move || async move { document.clone() });
    let routes = Router::new()
        .merge(api_routes)
        .merge(v1_routes)
        .route("/api/openapi.json", described)
        .route("/api/docs", get(explorer))
        .route("/.well-known/jwks.json", get(jwks))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.unknown")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api.clone());
    guard(&api, routes)
}

async fn jwks(State(api): State<Arc<Api>>) -> Response {
    let keys = Json(api.tokens.jwks(api.log.now_ms()));
    ([(header::CACHE_CONTROL, "max-age=300")], keys).into_response()
}

/// The routes for people, made from the same document, without a line from elsewhere.
async fn explorer() -> Html<&'static str> {
    Html(include_str!("explorer.html"))
}
