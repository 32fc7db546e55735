//! What waits in a course until its staff accept it by a device.
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use stunity_model::events::TYPES;
use stunity_server::log::Waiting;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::path_id;
use crate::caller::Caller;
use crate::problem::{Problem, Refused};
use crate::state::Api;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(pending))
}

/// An entry that is valid and has no effect yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingEntry {
    /// The entry in the log.
    entry: String,
    /// Why it waits, as a stable code.
    code: String,
    /// Who wrote it.
    author: String,
    /// It came through an API.
    via_api: bool,
    /// When the relay received it, milliseconds since 1970.
    received_ms: u64,
    /// The names of what it states.
    events: Vec<&'static str>,
}

/// What waits in a course.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingEntries {
    /// In the order of arrival.
    items: Vec<PendingEntry>,
}

/// The name of a type of events.
pub(crate) fn name_of(code: u16) -> &'static str {
    let known = TYPES.iter().find(|(known, _)| *known == code);
    known.map_or("Unknown", |(_, name)| *name)
}

fn shown(waiting: Waiting) -> PendingEntry {
    PendingEntry {
        entry: waiting.entry.to_string(),
        code: waiting.code,
        author: waiting.author.to_string(),
        via_api: waiting.vouched,
        received_ms: waiting.received_ms,
        events: (waiting.events.iter())
            .map(|event| name_of(event.code()))
            .collect(),
    }
}

/// What waits in a course until its staff accept it by a device, for the staff.
#[utoipa::path(get, path = "/courses/{id}/pending", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "What waits", body = PendingEntries),
        Refused,
    )
)]
async fn pending(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<PendingEntries>, Problem> {
    let space = path_id(&id)?;
    if !api.joined(caller.account, space).await?.is_staff() {
        return Err(Problem::forbidden("role.missing"));
    }
    let waiting = api.log.waiting(space).await?;
    let items = waiting.into_iter().map(shown).collect();
    Ok(Json(PendingEntries { items }))
}
