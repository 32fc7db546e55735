//! The driver: a WebSocket for a session.
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use stunity_sync::client::{Effect, Event};
use stunity_sync::replica::Applied;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::session::socket_url;
use crate::{Client, ClientError};

/// How to sync.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Connect here instead of the relay's own address: a proxy for tests. The
    /// session is still bound to the relay's host.
    pub connect_to: Option<String>,
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether everything went and came.
    pub caught_up: bool,
    /// Payload bytes of messages sent after the upgrade.
    pub sent: u64,
    /// Payload bytes of messages received after the upgrade.
    pub received: u64,
    /// New entries.
    pub new_entries: u32,
    /// Entries that wait for something, with the codes of the reasons.
    pub held: Vec<String>,
    /// Entries that were invalid, with the codes of the reasons.
    pub rejected: Vec<String>,
    /// Whether the relay took this replica to hold what it does not, so that packs
    /// came again in full.
    pub explicit: bool,
}

impl Report {
    fn add(&mut self, later: Self) {
        self.caught_up = later.caught_up;
        self.sent += later.sent;
        self.received += later.received;
        self.new_entries += later.new_entries;
        self.held = later.held;
        self.rejected.extend(later.rejected);
        self.explicit |= later.explicit;
    }

    fn applied(&mut self, applied: Applied) {
        self.new_entries += applied.new_entries;
        self.held
            .extend(applied.held.iter().map(|(_, code)| (*code).to_owned()));
        self.rejected
            .extend(applied.rejected.iter().map(|(_, code)| (*code).to_owned()));
    }
}

/// A relay that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a link may take to open.
const CONNECT: Duration = Duration::from_secs(30);

fn unreachable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unreachable(error.to_string())
}

/// A client that others use while a session runs: the driver holds it for one step
/// at a time, never while it waits.
pub trait Access {
    /// Works on the client.
    fn with<T>(&mut self, work: impl FnOnce(&mut Client) -> T) -> T;
}

impl Access for Client {
    fn with<T>(&mut self, work: impl FnOnce(&mut Client) -> T) -> T {
        work(self)
    }
}

/// Syncs once: everything that waits goes, everything new comes. A cut is no
/// loss: the next call goes on from what both sides hold.
///
/// # Errors
/// The relay cannot be reached, the link was cut, or either side refused.
pub async fn sync(client: &mut Client, link: &Link) -> Result<Report, ClientError> {
    watch(client, link, |_| {}).await
}

/// As [`sync`], of a client that others use meanwhile. `on_event` hears all.
///
/// # Errors
/// As [`sync`].
pub async fn watch(
    client: &mut impl Access,
    link: &Link,
    on_event: impl FnMut(&Event),
) -> Result<Report, ClientError> {
    run(client, link, None, on_event).await
}

/// Syncs and stays for what comes, until `stop` says so. `on_event` hears all.
///
/// # Errors
/// As [`sync`].
pub async fn live(
    client: &mut Client,
    link: &Link,
    stop: tokio::sync::watch::Receiver<bool>,
    on_event: impl FnMut(&Event),
) -> Result<Report, ClientError> {
    run(client, link, Some(stop), on_event).await
}

async fn run(
    client: &mut impl Access,
    link: &Link,
    stop: Option<tokio::sync::watch::Receiver<bool>>,
    mut on_event: impl FnMut(&Event),
) -> Result<Report, ClientError> {
    let once = stop.is_none();
    let mut report = attempt(client, link, stop, &mut on_event).await?;
    // What came was marked: the marks go at once, not at the next sync.
    if once && report.caught_up && client.with(Client::mark_new_work)? > 0 {
        report.add(attempt(client, link, None, &mut on_event).await?);
    }
    Ok(report)
}

async fn attempt(
    client: &mut impl Access,
    link: &Link,
    stop: Option<tokio::sync::watch::Receiver<bool>>,
    on_event: &mut impl FnMut(&Event),
) -> Result<Report, ClientError> {
    match session(client, link, stop.clone(), on_event, false).await {
        // The relay took this replica to hold what it does not: once more, in
        // full.
        Err(ClientError::Sync(error)) if error.code() == "decode.missing-context" => {
            session(client, link, stop, on_event, true).await
        }
        result => result,
    }
}

async fn session(
    client: &mut impl Access,
    link: &Link,
    mut stop: Option<tokio::sync::watch::Receiver<bool>>,
    on_event: &mut impl FnMut(&Event),
    explicit: bool,
) -> Result<Report, ClientError> {
    let url = match &link.connect_to {
        Some(elsewhere) => socket_url(elsewhere),
        None => client.with(|client| client.sync_url()),
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(stunity_proto::limits::MAX_FRAME))
        .max_frame_size(Some(stunity_proto::limits::MAX_FRAME));
    let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), true);
    let (socket, _) = tokio::time::timeout(CONNECT, connecting)
        .await
        .map_err(unreachable)?
        .map_err(unreachable)?;
    let (mut sink, mut stream) = socket.split();
    let mut session = client.with(|client| client.begin_session(stop.is_some(), explicit));
    let mut report = Report {
        explicit,
        ..Report::default()
    };
    let begun = tokio::time::Instant::now();
    loop {
        let quiet = Duration::from_secs(1);
        let stopping = async {
            match &mut stop {
                Some(stop) => {
                    let _ = stop.changed().await;
                }
                None => std::future::pending().await,
            }
        };
        let effects = tokio::select! {
            message = tokio::time::timeout(SILENCE, stream.next()) => match message {
                Err(_) if report.caught_up => continue,
                Err(elapsed) => return Err(unreachable(elapsed)),
                Ok(Some(Ok(Message::Binary(bytes)))) => {
                    report.received += bytes.len() as u64;
                    client.with(|client| client.on_frame(&mut session, &bytes))?
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Vec::new(),
                Ok(Some(Ok(_)) | None) => break,
                Ok(Some(Err(error))) => return Err(unreachable(error)),
            },
            () = tokio::time::sleep(quiet), if report.caught_up => {
                let mut effects = session.on_quiet();
                effects.extend(client.with(|client| client.on_local_change(&mut session))?);
                effects
            }
            () = stopping => break,
        };
        for effect in effects {
            match effect {
                Effect::Send(bytes) => {
                    report.sent += bytes.len() as u64;
                    sink.send(Message::Binary(bytes.into()))
                        .await
                        .map_err(unreachable)?;
                }
                Effect::Event(event) => {
                    on_event(&event);
                    match event {
                        Event::Applied(applied) => report.applied(applied),
                        Event::CaughtUp { .. } => report.caught_up = true,
                        _ => {}
                    }
                }
                Effect::Close => return Ok(report),
            }
        }
        if report.caught_up && session.is_caught_up() && stop.is_none() {
            break;
        }
    }
    client.with(|client| note_rate(client, &report, begun.elapsed()))?;
    let _ = sink.close().await;
    Ok(report)
}

/// Below this a session's time is that of its round trips, bytes.
const TELLS_RATE: u64 = 64 * 1024;

/// Remembers how fast the link was: what estimates go by.
fn note_rate(client: &mut Client, report: &Report, took: Duration) -> Result<(), ClientError> {
    let bytes = report.sent + report.received;
    let millis = took.as_millis() as u64;
    if bytes >= TELLS_RATE && millis > 0 {
        client.store.save_link_rate(bytes * 1000 / millis)?;
    }
    Ok(())
}
