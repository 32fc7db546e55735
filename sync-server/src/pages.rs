//! Health, metrics and the status page.
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stunity_proto::DeviceId;
use stunity_sync::RelayStore;

use crate::db::sql;
use crate::error::ServerError;
use crate::log::Log;
use crate::run::App;

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(status))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
}

async fn health(State(app): State<App>) -> Result<Response, ServerError> {
    sql("SELECT 1").execute(app.log.database()).await?;
    Ok(axum::Json(serde_json::json!({ "status": "ok" })).into_response())
}

struct Counts {
    entries: i64,
    spaces: i64,
    lanes: i64,
    accounts: i64,
    devices: i64,
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
    let text = format!(
        "# TYPE stunity_entries gauge\nstunity_entries {}\n\
         # TYPE stunity_spaces gauge\nstunity_spaces {}\n\
         # TYPE stunity_accounts gauge\nstunity_accounts {}\n\
         # TYPE stunity_devices gauge\nstunity_devices {}\n\
         # TYPE stunity_sessions gauge\nstunity_sessions {}\n",
        counts.entries,
        counts.spaces,
        counts.accounts,
        counts.devices,
        app.log.bus().sessions(),
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

const STYLE: &str = "body{font:16px/1.6 system-ui,'Noto Sans Khmer',sans-serif;max-width:60rem;\
margin:2rem auto;padding:0 1rem;color:#1b2733}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #d8dee4}\
.n{font-variant-numeric:tabular-nums}.live{color:#136f3a}small{color:#57606a}";

async fn status(State(app): State<App>) -> Result<Response, ServerError> {
    let counts = app.log.counts().await?;
    let connected = app.log.bus().devices();
    let rows = sql(
        "SELECT d.id, d.account, d.revoked, d.seen_ms, a.staff_roles FROM device d \
         LEFT JOIN account a ON a.id = d.account ORDER BY d.seen_ms DESC NULLS LAST LIMIT 200",
    )
    .all(app.log.database())
    .await?;
    let now = app.log.now_ms() as i64;
    let mut devices = String::new();
    for row in rows {
        let id = DeviceId::try_from(row.get::<&[u8]>(0)?)?;
        let seen: Option<i64> = row.get(3)?;
        let state = if row.get(2)? {
            "revoked · បានដកហូត".to_owned()
        } else if connected.contains(&id) {
            "<span class=live>● connected · បានភ្ជាប់</span>".to_owned()
        } else {
            seen.map_or("never · មិនដែល".to_owned(), |seen| {
                format!("{} min ago · នាទីមុន", (now - seen).max(0) / 60_000)
            })
        };
        let role = if row.get::<Option<i64>>(4)?.unwrap_or(0) != 0 {
            "staff · បុគ្គលិក"
        } else {
            "pupil · សិស្ស"
        };
        devices.push_str(&format!(
            "<tr><td class=n>{}…</td><td>{role}</td><td>{state}</td></tr>",
            &id.to_string()[..8]
        ));
    }
    let root = if app.log.keys().has_root() {
        "<p><small>The school's root key lies beside this relay. Move it out with \
         <code>stunity-server school move-root</code>.</small></p>"
    } else {
        ""
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
         content='width=device-width'><title>Stunity relay</title><style>{STYLE}</style>\
         <h1>Stunity <small>relay · ស្ថានីយបញ្ជូន</small></h1>\
         <p class=n>{} entries · {} spaces · {} lanes · {} accounts · {} devices, {} connected</p>\
         <h2>Devices · ឧបករណ៍</h2><table><tr><th>Device<th>Who<th>Last seen</tr>{devices}</table>{root}",
        counts.entries,
        counts.spaces,
        counts.lanes,
        counts.accounts,
        counts.devices,
        connected.len(),
    );
    Ok((
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'",
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        page,
    )
        .into_response())
}
