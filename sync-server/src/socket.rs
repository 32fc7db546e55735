//! The WebSocket driver of a relay session.
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message as Ws, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{FutureExt, SinkExt, StreamExt};
use rand_core::RngCore;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stunity_proto::{frame::Frame, limits};
use stunity_sync::relay::{Effect, Session, error_frame};
use stunity_sync::{RelayStore, SyncError};
use tokio::time::{Instant, sleep, timeout};

use crate::log::{Inbox, Message, Subscriber};
use crate::run::App;

/// Buffers of a socket, held as long as it is open: what comes is small, and what goes
/// is written together while it is small. The defaults are 128 KiB.
const READ_BUFFER: usize = 1024;
const WRITE_BUFFER: usize = 512;
/// A client that says nothing for so long before flight one is gone.
const FLIGHT_TIMEOUT: Duration = Duration::from_secs(60);
/// A live client is asked whether it is there.
const PING: Duration = Duration::from_secs(45);
/// A message that a client does not take within this time ends its session.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Messages that are still heard when a session ends: twice what a device sends
/// without an answer.
const LEFT: usize = 512;

/// `GET /sync`.
pub async fn sync(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(limits::MAX_FRAME * 2)
        .max_message_size(limits::MAX_FRAME)
        .max_frame_size(limits::MAX_FRAME)
        .on_upgrade(move |socket| async move {
            let connection = Box::new(Connection::new(app, socket));
            // A task of its own: that of the upgrade is of many kilobytes.
            tokio::spawn(connection.run());
        })
}

/// Whether something went, before the device opened another session.
async fn went<E>(sending: impl Future<Output = Result<(), E>>, inbox: &Inbox) -> bool {
    tokio::select! {
        biased;
        sent = timeout(SEND_TIMEOUT, sending) => matches!(sent, Ok(Ok(()))),
        () = inbox.replaced() => false,
    }
}

/// One connection.
struct Connection {
    app: App,
    socket: WebSocket,
    session: Session,
    /// What the relay says first.
    hello: Option<Effect>,
    inbox: Arc<Inbox>,
    subscriber: Option<Subscriber>,
}

/// What the connection waits for.
enum Wake {
    Frame(Option<Result<Ws, axum::Error>>),
    Told(Message),
    Shutdown,
    Pump,
    Silence,
}

impl Connection {
    fn new(app: App, socket: WebSocket) -> Self {
        let mut nonce = [0; 32];
        app.log.random().fill_bytes(&mut nonce);
        let (session, hello) = Session::open(app.host.clone(), nonce);
        Self {
            app,
            socket,
            session,
            hello: Some(hello),
            inbox: Arc::default(),
            subscriber: None,
        }
    }

    // Thousands of connections are silent: the steps of a session are futures of many
    // kilobytes, boxed where they are rarely taken.
    async fn run(mut self: Box<Self>) {
        // Kept from step to step: the clock and the sender of the shutdown are shared by
        // all connections.
        let mut shutdown = self.app.shutdown.clone();
        let mut shutdown = pin!(shutdown.changed());
        let mut silence = pin!(sleep(FLIGHT_TIMEOUT));
        let mut heard = Instant::now();
        let inbox = self.inbox.clone();
        let hello = self.hello.take().into_iter().collect();
        let mut goes_on = self.carry_out(Ok(hello)).await;
        let mut lagged = false;
        while goes_on {
            // While a pack is coming in, what has come is heard first: one receipt then
            // covers its results and what goes down.
            if self.session.wants_pump()
                && !self.session.is_receiving()
                && !Box::pin(self.pump()).await
            {
                break;
            }
            let pumps = self.session.wants_pump();
            let wake = tokio::select! {
                biased;
                frame = self.socket.next() => Wake::Frame(frame),
                message = inbox.next() => Wake::Told(message),
                _ = &mut shutdown => Wake::Shutdown,
                // What the client says in between (a next upload, leaving) is heard
                // before the next flush is made.
                () = tokio::task::yield_now(), if pumps => Wake::Pump,
                () = &mut silence => Wake::Silence,
            };
            if matches!(wake, Wake::Frame(_)) {
                lagged = false;
                heard = Instant::now();
            }
            goes_on = match wake {
                Wake::Frame(Some(Ok(Ws::Binary(bytes)))) => Box::pin(self.on_frame(&bytes)).await,
                Wake::Frame(Some(Ok(Ws::Pong(_) | Ws::Ping(_)))) => true,
                Wake::Frame(Some(Ok(Ws::Text(_)))) => {
                    let error = SyncError::Protocol("text message");
                    self.carry_out(Err(error)).await
                }
                Wake::Frame(Some(Ok(Ws::Close(_)) | Err(_)) | None) => false,
                Wake::Told(message) => self.on_message(message).await,
                Wake::Shutdown => {
                    self.send(Frame::Goodbye.encode()).await;
                    self.flush().await;
                    false
                }
                Wake::Pump => Box::pin(self.pump()).await,
                Wake::Silence if heard.elapsed() < self.patience() => {
                    silence.as_mut().reset(heard + self.patience());
                    true
                }
                Wake::Silence if self.session.device().is_none() || lagged => false,
                Wake::Silence => {
                    lagged = true;
                    silence.as_mut().reset(Instant::now() + PING);
                    Box::pin(self.ping()).await
                }
            };
        }
        Box::pin(self.close()).await;
    }

    /// How long the client may say nothing.
    fn patience(&self) -> Duration {
        match self.session.device() {
            None => FLIGHT_TIMEOUT,
            Some(_) => PING,
        }
    }

    async fn on_frame(&mut self, bytes: &[u8]) -> bool {
        let result = self.session.on_frame(&self.app.log, bytes).await;
        if self.subscriber.is_none()
            && let Some(device) = self.session.device()
        {
            self.register(device).await;
        }
        self.carry_out(result).await
    }

    async fn on_message(&mut self, message: Message) -> bool {
        let effects = match message {
            Message::Batch(batch) => self.session.on_live(&batch),
            Message::Rights => {
                self.session.on_rights_changed();
                return true;
            }
            Message::Ephemeral(space, lane, bytes) => {
                let bytes = bytes.to_vec();
                let frame = Frame::Ephemeral { space, lane, bytes };
                vec![Effect::Send(frame.encode())]
            }
            Message::Replaced => return false,
        };
        self.carry_out(Ok(effects)).await
    }

    async fn pump(&mut self) -> bool {
        let result = self.session.pump(&self.app.log).await;
        self.carry_out(result).await
    }

    async fn register(&mut self, device: stunity_proto::DeviceId) {
        let log = &self.app.log;
        let Ok(Some(record)) = log.device(device).await else {
            return;
        };
        log.saw_device(device);
        crate::metrics::count(&log.metrics().sessions);
        let inbox = self.inbox.clone();
        let subscriber = Subscriber::new(log.clone(), record.account, device, inbox);
        subscriber.goes_when_stored();
        self.subscriber = Some(subscriber);
    }

    /// Carries out effects; false if the connection is over.
    async fn carry_out(&mut self, result: Result<Vec<Effect>, SyncError>) -> bool {
        let effects = match result {
            Ok(effects) => effects,
            Err(error) => {
                tracing::info!(code = error.code(), "a session ended");
                self.send(error_frame(&error)).await;
                self.flush().await;
                return false;
            }
        };
        let mut goes_on = true;
        for effect in effects {
            match effect {
                Effect::Send(bytes) => goes_on &= self.send(bytes).await,
                Effect::SendShared(bytes) => goes_on &= self.send(Bytes::from_owner(bytes)).await,
                Effect::Subscribe(targets) => {
                    if let Some(subscriber) = &self.subscriber {
                        subscriber.subscribe(targets);
                    }
                }
                Effect::Ephemeral(space, lane, bytes) => {
                    if let Some(subscriber) = &self.subscriber {
                        let bus = self.app.log.bus();
                        bus.ephemeral(subscriber.id(), space, lane, &bytes);
                    }
                }
                Effect::Close => goes_on = false,
            }
            if !goes_on {
                break;
            }
        }
        self.flush().await && goes_on
    }

    async fn ping(&mut self) -> bool {
        self.socket.send(Ws::Ping(Bytes::new())).await.is_ok()
    }

    /// Hands a message over; it goes with the next flush, or before if it is large.
    async fn send(&mut self, bytes: impl Into<Bytes>) -> bool {
        let message = Ws::Binary(bytes.into());
        // Nearly always there is room at once: no clock is set then.
        let room = poll_fn(|cx| self.socket.poll_ready_unpin(cx)).now_or_never();
        match room {
            Some(Ok(())) => self.socket.start_send_unpin(message).is_ok(),
            Some(Err(_)) => false,
            None => Box::pin(went(self.socket.feed(message), &self.inbox)).await,
        }
    }

    async fn flush(&mut self) -> bool {
        match self.socket.flush().now_or_never() {
            Some(flushed) => flushed.is_ok(),
            None => Box::pin(went(self.socket.flush(), &self.inbox)).await,
        }
    }

    /// Stores what has come. Who took no answer may have sent more before the link was
    /// cut.
    async fn close(mut self: Box<Self>) {
        for _ in 0..LEFT {
            let Some(Some(Ok(Ws::Binary(bytes)))) = self.socket.next().now_or_never() else {
                break;
            };
            if self.session.on_frame(&self.app.log, &bytes).await.is_err() {
                break;
            }
        }
        if let Err(error) = self.session.close(&self.app.log).await {
            tracing::warn!(code = error.code(), "cursors of a session were not kept");
        }
        drop(self.subscriber);
        let _ = timeout(SEND_TIMEOUT, self.socket.close()).await;
    }
}
