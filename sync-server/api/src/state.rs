//! What every handler shares, and the router.
use std::sync::{Arc, LazyLock};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rand_core::RngCore;
use stunity_server::Log;
use stunity_server::error::ServerError;
use stunity_server::requests::name_route;
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
use crate::{assignments, auth, conversations, courses, live, messages, proposals, users};

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

fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(auth::router())
        .merge(users::router())
        .merge(courses::router())
        .merge(proposals::router())
        .merge(assignments::router())
        .merge(conversations::router())
        .merge(messages::router())
}

/// What the routes look like to machines; made when somebody first asks.
static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    OpenApiRouter::<Arc<Api>>::with_openapi(described())
        .nest("/api", routes())
        .split_for_parts()
        .1
});

/// Routes under `/api` and `/v1`, and Socket.IO.
pub fn router(api: Arc<Api>) -> Router {
    // What they look like is dropped here.
    let (each, _) = routes().split_for_parts();
    let routes = Router::new()
        .nest("/api", each.clone())
        .nest("/v1", each)
        .route("/api/openapi.json", get(async || Json(&*DOCUMENT)))
        .route(
            "/api/docs",
            get(Html(include_str!("explorer/explorer.html"))),
        )
        .route(
            "/api/docs/explorer.css",
            get(file("text/css", include_str!("explorer/explorer.css"))),
        )
        .route(
            "/api/docs/explorer.js",
            get(file(
                "text/javascript",
                include_str!("explorer/explorer.js"),
            )),
        )
        .route("/.well-known/jwks.json", get(jwks))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.unknown")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(name_route))
        .with_state(api.clone());
    guard(&api, routes).merge(live::router(&api).with_state(api))
}

async fn jwks(State(api): State<Arc<Api>>) -> Response {
    let keys = Json(api.tokens.jwks(api.log.now_ms()));
    ([(header::CACHE_CONTROL, "max-age=300")], keys).into_response()
}

/// A file of the explorer: the routes for people, made from the same document, without a
/// line from elsewhere.
fn file(kind: &'static str, text: &'static str) -> impl IntoResponse + Clone {
    ([(header::CONTENT_TYPE, kind)], text)
}
