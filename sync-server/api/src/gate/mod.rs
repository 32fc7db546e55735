//! What every request of the API passes on its way in and every answer on its way out.
//!
//! - [`rates`]: how much an account may ask in a time;
//! - [`conditional`]: a page that a client has is not sent again, and what changed
//!   meanwhile is not overwritten;
//! - [`once`]: a write that is tried again happens once.
pub mod conditional;
pub mod once;
pub mod rates;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower::ServiceBuilder;

use crate::state::Api;

/// The routes behind the gate. Its parts see whole requests before any route is chosen.
pub fn guard(api: &Arc<Api>, routes: Router) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(api.clone(), rates::limit))
        .layer(from_fn_with_state(Arc::default(), conditional::answer))
        .layer(from_fn_with_state(api.clone(), once::answer));
    Router::new().fallback_service(layers.service(routes))
}
