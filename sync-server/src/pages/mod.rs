//! Health, metrics and the status page.
mod status;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stunity_sync::RelayStore;

use crate::db::sql;
use crate::error::ServerError;
use crate::log::Log;
use crate::run::App;

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(status::page))
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
        .route("/metrics", get(metrics))
}

/// The process answers; says nothing of the database.
async fn live() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "status": "ok" }))
}

/// Devices may come: the database answers and the relay is not stopping.
async fn ready(State(app): State<App>) -> Result<Response, ServerError> {
    if *app.shutdown.borrow() {
        return Err(ServerError::Stopping);
    }
    sql("SELECT 1").execute(app.log.database()).await?;
    Ok(live().await.into_response())
}

/// What the database holds.
struct Counts {
    /// Entries numbered in all spaces.
    entries: u64,
    spaces: u64,
    lanes: u64,
    accounts: u64,
    devices: u64,
}

impl Log {
    async fn counts(&self) -> Result<Counts, ServerError> {
        // Where a space ends is how many entries were numbered in it.
        let row = sql(
            "SELECT CAST(COALESCE(SUM(sequence), 0) AS BIGINT), COUNT(*), \
             (SELECT COUNT(*) FROM target_end WHERE lane <> $1), \
             (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM device) \
             FROM target_end WHERE lane = $1",
        )
        .bind(Vec::new())
        .one(self.database())
        .await?;
        Ok(Counts {
            entries: row.get(0)?,
            spaces: row.get(1)?,
            lanes: row.get(2)?,
            accounts: row.get(3)?,
            devices: row.get(4)?,
        })
    }
}

async fn metrics(State(app): State<App>) -> Result<Response, ServerError> {
    let counts = app.log.counts().await?;
    let mut text = app.log.metrics().render(&[
        (
            "stunity_entries",
            "Entries numbered in all spaces.",
            counts.entries,
        ),
        ("stunity_spaces", "Spaces.", counts.spaces),
        ("stunity_lanes", "Lanes.", counts.lanes),
        ("stunity_accounts", "Accounts.", counts.accounts),
        ("stunity_devices", "Devices.", counts.devices),
        (
            "stunity_sessions",
            "Sessions open now.",
            app.log.bus().sessions() as u64,
        ),
        (
            "stunity_queue",
            "Requests that wait for the writer.",
            app.log.queued() as u64,
        ),
        (
            "stunity_shared_pack_bytes",
            "Bytes of packs kept for other readers.",
            app.log.shared_bytes(),
        ),
        ("stunity_epoch", "Epoch of the order.", app.log.epoch()),
    ]);
    text.push_str(&app.requests.render());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
