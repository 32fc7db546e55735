//! The running relay.
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::serve::ListenerExt;
use stunity_sync::RelayStore;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::db::{Database, sql};
use crate::error::ServerError;
use crate::requests::Requests;
use crate::{Log, accounts, headers, pages, parcels, requests, socket};

/// What every handler shares.
#[derive(Clone)]
pub struct App {
    /// The log.
    pub log: Log,
    /// The host as clients address it; they sign it in flight one.
    pub host: String,
    /// How requests went.
    pub requests: Arc<Requests>,
    /// Changes when the relay stops.
    pub shutdown: watch::Receiver<bool>,
}

/// How the relay is reached.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host and port as clients address it.
    pub host: String,
    /// People come by https: something before the relay ends TLS.
    pub https: bool,
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/sync", get(socket::sync))
        .merge(accounts::router())
        .merge(parcels::router())
        .merge(pages::router())
        .with_state(app)
}

/// Serves until `stop` completes; open sessions are told and given their time.
///
/// # Errors
/// A listener that fails.
pub async fn serve(
    listener: TcpListener,
    log: Log,
    address: Address,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    serve_with(listener, log, address, Router::new(), stop).await
}

/// As [`serve`], with more routes.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    log: Log,
    address: Address,
    more: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let (stopping, shutdown) = watch::channel(false);
    let requests = Arc::<Requests>::default();
    let app = App {
        log: log.clone(),
        host: address.host,
        requests: requests.clone(),
        shutdown,
    };
    let routes = router(app)
        .merge(more)
        .layer(from_fn_with_state(address.https, headers::harden))
        .layer(from_fn_with_state(
            (log.clone(), requests),
            requests::observe,
        ));
    // A small frame must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
    });
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(true);
        })
        .await?;
    log.flush().await
}

/// Checks keys and database and says what it finds.
///
/// # Errors
/// What it cannot open, or `database.damaged`.
pub async fn doctor(log: &Log) -> Result<(), ServerError> {
    let keys = log.keys();
    println!("school {}", keys.school());
    if keys.has_root() {
        println!("the school root lies beside the relay: move it out with `school move-root`");
    }
    let now = log.now_ms();
    match keys.anchor.verify_node(&keys.chain, now) {
        Ok(_) => println!("the node's certificate is valid"),
        Err(error) => println!("the node's certificate: {error}"),
    }
    let check: String = match log.database() {
        Database::Sqlite(_) => sql("PRAGMA integrity_check")
            .one(log.database())
            .await?
            .get(0)?,
        // PostgreSQL checks pages as it reads them; here every entry is read.
        Database::Postgres(_) => {
            sql("SELECT COALESCE(SUM(LENGTH(header) + LENGTH(body)), 0) FROM entry")
                .execute(log.database())
                .await?;
            "ok".into()
        }
    };
    println!("database: {check}");
    if check == "ok" {
        Ok(())
    } else {
        Err(ServerError::Refused("database.damaged"))
    }
}
