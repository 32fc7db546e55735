//! The WebSocket driver of a relay session.
use axum::extract::State;
use axum::extract::ws::{Message as Ws, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use rand_core::RngCore;
use std::time::Duration;
use stunity_proto::{frame::Frame, limits};
use stunity_sync::SyncError;
use stunity_sync::relay::{Effect, Session, error_frame};
use tokio::sync::mpsc;

use crate::log::{Bus, Message, Subscriber};
use crate::run::App;

/// Buffers of a socket: a slice with its head; the defaults are 128 KiB.
const BUFFER: usize = 4 * 1024;
/// A client that says nothing for so long before flight one is gone.
const FLIGHT_TIMEOUT: Duration = Duration::from_secs(60);
/// A live client is asked whether it is there.
const PING: Duration = Duration::from_secs(45);
/// A message that a client does not take within this time ends its session.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// `GET /sync`.
pub async fn sync(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::MAX_FRAME * 2)
        .max_message_size(limits::MAX_FRAME)
        .max_frame_size(limits::MAX_FRAME)
        .on_upgrade(move |socket| run(app, socket))
}

type Sink = SplitSink<WebSocket, Ws>;

async fn send(sink: &mut Sink, bytes: Vec<u8>) -> bool {
    let sending = sink.send(Ws::Binary(bytes.into()));
    matches!(
        tokio::time::timeout(SEND_TIMEOUT, sending).await,
        Ok(Ok(()))
    )
}

async fn run(app: App, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let mut nonce = [0; 32];
    app.log.random().fill_bytes(&mut nonce);
    let (mut session, hello) = Session::open(app.host.clone(), nonce);
    let (messages, mut inbox) = mpsc::channel(crate::log::BACKLOG);
    let mut subscriber: Option<Subscriber> = None;
    let mut shutdown = app.shutdown.clone();
    let mut lagged = false;
    if !apply(&app, &mut sink, &mut subscriber, vec![hello]).await {
        return;
    }
    loop {
        // While a pack is coming in, what has come is heard first: one receipt then
        // covers its results and what goes down.
        if session.wants_pump() && !session.is_receiving() {
            match session.pump(&app.log).await {
                Ok(effects) => {
                    if !apply(&app, &mut sink, &mut subscriber, effects).await {
                        break;
                    }
                }
                Err(error) => {
                    end(&mut sink, &error).await;
                    break;
                }
            }
        }
        let wait = match session.device() {
            None => FLIGHT_TIMEOUT,
            Some(_) => PING,
        };
        let effects = tokio::select! {
            biased;
            frame = stream.next() => match frame {
                Some(Ok(Ws::Binary(bytes))) => {
                    lagged = false;
                    let result = session.on_frame(&app.log, &bytes).await;
                    if subscriber.is_none() && let Some(device) = session.device() {
                        subscriber = register(&app, device, &messages).await;
                    }
                    result
                }
                Some(Ok(Ws::Pong(_) | Ws::Ping(_))) => { lagged = false; Ok(Vec::new()) }
                Some(Ok(Ws::Text(_))) => Err(SyncError::Protocol("text message")),
                Some(Ok(Ws::Close(_)) | Err(_)) | None => break,
            },
            Some(message) = inbox.recv() => match message {
                Message::Batch(batch) => Ok(session.on_live(&batch)),
                Message::Rights => session.on_rights_changed(&app.log).await,
                Message::Ephemeral(space, lane, bytes) => {
                    let frame = Frame::Ephemeral { space, lane, bytes: bytes.to_vec() };
                    Ok(vec![Effect::Send(frame.encode())])
                }
                Message::Replaced => break,
            },
            _ = shutdown.changed() => {
                let _ = send(&mut sink, Frame::Goodbye.encode()).await;
                break;
            }
            // What the client says in between (a next upload, leaving) is heard before
            // the next flush is made.
            () = tokio::task::yield_now(), if session.wants_pump() => {
                session.pump(&app.log).await
            }
            () = tokio::time::sleep(wait) => {
                if session.device().is_none() || lagged {
                    break;
                }
                lagged = true;
                if sink.send(Ws::Ping(Vec::new().into())).await.is_err() {
                    break;
                }
                Ok(Vec::new())
            }
        };
        match effects {
            Ok(effects) => {
                if !apply(&app, &mut sink, &mut subscriber, effects).await {
                    break;
                }
            }
            Err(error) => {
                end(&mut sink, &error).await;
                break;
            }
        }
    }
    if let Err(error) = session.close(&app.log).await {
        tracing::warn!(code = error.code(), "cursors of a session were not kept");
    }
    let _ = sink.close().await;
}

async fn register(
    app: &App,
    device: stunity_proto::DeviceId,
    messages: &mpsc::Sender<Message>,
) -> Option<Subscriber> {
    use stunity_sync::RelayStore;
    let record = app.log.device(device).await.ok()??;
    app.log.saw_device(device);
    crate::metrics::count(&app.log.metrics().sessions);
    Some(Subscriber::new(
        app.log.clone(),
        record.account,
        device,
        messages.clone(),
    ))
}

async fn end(sink: &mut Sink, error: &SyncError) {
    tracing::info!(code = error.code(), "a session ended");
    let _ = send(sink, error_frame(error)).await;
}

/// Carries out effects; false if the connection is over.
async fn apply(
    app: &App,
    sink: &mut Sink,
    subscriber: &mut Option<Subscriber>,
    effects: Vec<Effect>,
) -> bool {
    let bus: &Bus = app.log.bus();
    for effect in effects {
        let sent = match effect {
            Effect::Send(bytes) => send(sink, bytes).await,
            Effect::SendShared(bytes) => send(sink, bytes.to_vec()).await,
            Effect::Subscribe(targets) => {
                if let Some(subscriber) = subscriber {
                    subscriber.subscribe(targets);
                }
                true
            }
            Effect::Ephemeral(space, lane, bytes) => {
                if let Some(subscriber) = subscriber {
                    bus.ephemeral(subscriber.id(), space, lane, &bytes);
                }
                true
            }
            Effect::Close => false,
        };
        if !sent {
            return false;
        }
    }
    true
}
