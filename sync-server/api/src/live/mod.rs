//! Socket.IO at `/socket.io` (docs/howto/live.md): messages as they are numbered, who
//! types, who is there.
//!
//! Over WebSocket alone, so that each connection is one node's and a balancer needs to
//! remember nothing. What devices send comes here as what REST writes does: from the
//! log, after its commit. Handlers hold the API weakly, so that a relay that stops is
//! kept by no socket.
mod events;
mod presence;
mod session;
mod turn;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo, TransportType};
use stunity_model::events::{ConversationMember, Message};
use stunity_proto::{AccountId, Kind, Lane, SpaceId};
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_server::log::Written;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use crate::limits::Buckets;
use crate::problem::Problem;
use crate::state::Api;
use presence::Online;
use session::Session;

/// Packets that wait for a client before it is too slow: with the largest envelopes 4 MB.
const BUFFER: usize = 64;
/// Bytes of one packet: an envelope in Base64 and what is beside it.
const MAX_PACKET: usize = 80 * 1024;
/// A client that has not said who it is by then goes.
const CONNECT: Duration = Duration::from_secs(10);
/// How often it is looked who may stay: within five seconds of its end nobody is in a
/// room any more.
const SWEEP: Duration = Duration::from_secs(2);

/// What every handler shares.
struct Live {
    api: Weak<Api>,
    online: Online,
    typing: Buckets<AccountId>,
}

impl Live {
    fn api(&self) -> Result<Arc<Api>, Problem> {
        let stopping = ServerError::Stopping;
        self.api.upgrade().ok_or_else(|| stopping.into())
    }
}

/// The room of those who listen to a conversation.
fn room(conversation: SpaceId) -> String {
    format!("conversation:{conversation}")
}

/// The room of an account's own sockets.
fn own_room(account: AccountId) -> String {
    format!("account:{account}")
}

/// The routes of Socket.IO.
pub fn router(api: &Arc<Api>) -> Router<Arc<Api>> {
    let live = Arc::new(Live {
        api: Arc::downgrade(api),
        online: Online::default(),
        typing: Buckets::typing(),
    });
    let parser = ParserConfig::common().max_incoming_binaries(0);
    let (service, io) = SocketIo::builder()
        .transports([TransportType::Websocket])
        .with_parser(parser)
        .max_buffer_size(BUFFER)
        .max_payload(MAX_PACKET as u64)
        .ws_max_message_size(MAX_PACKET)
        .ws_max_frame_size(MAX_PACKET)
        .connect_timeout(CONNECT)
        .with_state(live.clone())
        .build_svc();
    io.ns("/", events::connected.with(session::authenticate));
    tokio::spawn(follow(live.clone(), io.clone(), api.log.written()));
    tokio::spawn(keep_out(live, io));
    Router::new().route_service("/socket.io/", service)
}

/// Tells rooms of what is numbered, until the log ends.
async fn follow(live: Arc<Live>, io: SocketIo, mut written: Receiver<Arc<[Written]>>) {
    loop {
        let batch = match written.recv().await {
            Ok(batch) => batch,
            Err(RecvError::Closed) => return,
            // What was missed is in the log: whoever comes again reads it there.
            Err(RecvError::Lagged(_)) => {
                tracing::warn!("sockets end: what was numbered came too fast");
                io.sockets().iter().for_each(let_go);
                continue;
            }
        };
        for entry in batch.iter().filter(|entry| entry.lane == Lane::Talk) {
            let Ok(api) = live.api() else { return };
            if let Err(error) = tell(&api, &io, entry).await {
                tracing::error!(%error, "a room was not told");
            }
        }
    }
}

/// Ends a socket: at once it hears nothing and is heard no more. Where its buffer is full
/// it is told later, by the next sweep, or its silence ends it.
fn let_go(socket: &SocketRef) {
    if let Some(session) = socket.extensions.get::<Arc<Session>>() {
        session.end();
    }
    socket.leave_all();
    let _ = socket.clone().disconnect();
}

async fn tell(api: &Api, io: &SocketIo, entry: &Written) -> Result<(), ServerError> {
    let has = |code| entry.kinds.contains(&Kind::Event(code));
    let room = room(entry.space);
    let listening = io.to(room.clone()).sockets();
    if listening.is_empty() {
        return Ok(());
    }
    if has(Message::CODE) {
        for message in api.messages_at(entry.space, entry.sequence).await? {
            for socket in &listening {
                // Whoever does not keep up comes again, and reads what was missed.
                if socket.emit("new_message", &message).is_err() {
                    let_go(socket);
                }
            }
            // An entry may have many: what was put into buffers leaves them meanwhile.
            yield_now().await;
        }
    }
    if has(ConversationMember::CODE) {
        let members = api.talking(entry.space).await?;
        for socket in listening {
            let session = socket.extensions.get::<Arc<Session>>();
            if session.is_none_or(|session| !members.contains(&session.account)) {
                socket.leave(room.clone());
            }
        }
    }
    Ok(())
}

/// Ends sockets whose token or session is over, until the relay stops.
async fn keep_out(live: Arc<Live>, io: SocketIo) {
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Ok(api) = live.api() else { return };
        let sockets = io.sockets().into_iter().filter_map(|socket| {
            let session = socket.extensions.get::<Arc<Session>>()?;
            Some((socket, session))
        });
        let sockets: Vec<_> = sockets.collect();
        let sessions: BTreeSet<[u8; 16]> = sockets.iter().map(|(_, session)| session.sid).collect();
        let going_on = match api.going_on(&sessions).await {
            Ok(going_on) => going_on,
            Err(error) => {
                tracing::error!(%error, "sessions were not looked up");
                continue;
            }
        };
        for (socket, session) in sockets {
            if session.is_over(&api) || !going_on.contains(&session.sid) {
                let_go(&socket);
            }
        }
    }
}

impl Api {
    /// Who is in a conversation.
    async fn talking(&self, space: SpaceId) -> Result<BTreeSet<AccountId>, ServerError> {
        let accounts: Vec<Vec<u8>> = sql("SELECT account FROM talker WHERE space = $1")
            .bind(space.0)
            .scalars(self.log.database())
            .await?;
        let accounts = accounts.iter().map(|id| AccountId::try_from(&id[..]));
        Ok(accounts.collect::<Result<_, _>>()?)
    }

    /// The conversations that an account is in.
    async fn conversations_of(&self, account: AccountId) -> Result<Vec<SpaceId>, ServerError> {
        let spaces: Vec<Vec<u8>> = sql("SELECT space FROM talker WHERE account = $1")
            .bind(account.0)
            .scalars(self.log.database())
            .await?;
        let spaces = spaces.iter().map(|id| SpaceId::try_from(&id[..]));
        Ok(spaces.collect::<Result<_, _>>()?)
    }
}
