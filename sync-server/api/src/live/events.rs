//! What clients say, and what they are answered: what they asked for, or a problem.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Extension, SocketRef, State, TryData};
use stunity_proto::{AccountId, SpaceId};

use super::session::{Auth, Session};
use super::turn::Turn;
use super::{Live, own_room, room};
use crate::body::path_id;
use crate::messages::NewMessage;
use crate::problem::Problem;
use crate::stated::Made;

/// `join_conversation`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Join {
    conversation_id: String,
}

/// `send_message`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Send {
    conversation_id: String,
    id: Option<String>,
    envelope: String,
}

/// `typing`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Typing {
    conversation_id: String,
    #[serde(default = "yes")]
    typing: bool,
}

fn yes() -> bool {
    true
}

/// `user_typing`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping {
    conversation_id: String,
    user_id: String,
    typing: bool,
}

/// `user_online`, `user_offline`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    user_id: String,
}

impl User {
    fn new(account: AccountId) -> Self {
        Self {
            user_id: account.to_string(),
        }
    }
}

/// That a conversation is listened to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    conversation_id: String,
}

/// That a socket goes on.
#[derive(Debug, Serialize)]
struct Done {}

/// What cannot be read is a body that is wrong.
fn given<T, E>(data: Result<T, E>) -> Result<T, Problem> {
    data.map_err(|_| Problem::fields(&[]))
}

fn answer<T: Serialize>(ack: AckSender, result: Result<T, Problem>) {
    // Whoever went meanwhile is not answered.
    let _ = match result {
        Ok(answer) => ack.send(&answer),
        Err(problem) => ack.send(&problem),
    };
}

/// A client is in.
pub(super) async fn connected(
    socket: SocketRef,
    io: SocketIo,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    socket.on("join_conversation", join);
    socket.on("send_message", send);
    socket.on("typing", typing);
    socket.on("authenticate", go_on);
    socket.on_disconnect(gone);
    socket.join(own_room(session.account));
    if live.online.enter(session.account, session.is_shown) {
        tell_all(&live, &io, session.account, "user_online").await;
    }
}

/// A client is gone.
async fn gone(
    io: SocketIo,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    if live.online.leave(session.account, session.is_shown) {
        tell_all(&live, &io, session.account, "user_offline").await;
    }
}

/// Tells those who share a conversation with an account.
async fn tell_all(live: &Live, io: &SocketIo, account: AccountId, event: &'static str) {
    let Ok(api) = live.api() else { return };
    match api.conversations_of(account).await {
        Ok(shared) if shared.is_empty() => {}
        Ok(shared) => {
            let rooms: Vec<String> = shared.into_iter().map(room).collect();
            let others = io.to(rooms).except(own_room(account));
            // Presence is the first to be left out where somebody is too slow.
            let _ = others.emit(event, &User::new(account)).await;
        }
        Err(error) => tracing::error!(%error, "presence was not told"),
    }
}

async fn join(
    socket: SocketRef,
    TryData(data): TryData<Join>,
    ack: AckSender,
    mut turn: Turn,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    turn.comes().await;
    answer(ack, try_join(&socket, given(data), &live, &session).await);
}

async fn try_join(
    socket: &SocketRef,
    data: Result<Join, Problem>,
    live: &Live,
    session: &Session,
) -> Result<Joined, Problem> {
    let Join { conversation_id } = data?;
    let api = live.api()?;
    let space: SpaceId = path_id(&conversation_id)?;
    session.goes_on(&api)?;
    // It listens before it asks: who is removed meanwhile is in the room no more.
    socket.join(room(space));
    let members = match api.talking(space).await {
        Ok(members) if members.contains(&session.account) && !session.is_over(&api) => members,
        found => {
            socket.leave(room(space));
            found?;
            return Err(Problem::not_found());
        }
    };
    let others = members
        .into_iter()
        .filter(|other| *other != session.account);
    for other in others.filter(|other| live.online.shows(*other)) {
        let _ = socket.emit("user_online", &User::new(other));
    }
    Ok(Joined {
        conversation_id: space.to_string(),
    })
}

async fn send(
    TryData(data): TryData<Send>,
    ack: AckSender,
    mut turn: Turn,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    turn.comes().await;
    answer(ack, try_send(given(data), &live, &session).await);
}

async fn try_send(
    data: Result<Send, Problem>,
    live: &Live,
    session: &Session,
) -> Result<Made, Problem> {
    let Send {
        conversation_id,
        id,
        envelope,
    } = data?;
    let api = live.api()?;
    session.goes_on(&api)?;
    api.rates.message(session.account)?;
    let space = path_id(&conversation_id)?;
    let new = NewMessage { id, envelope };
    let sent = api.send_message(session.account, space, &new).await?;
    Ok(sent.statement.made(sent.id).1.0)
}

async fn typing(
    socket: SocketRef,
    TryData(data): TryData<Typing>,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    let Ok(data) = data else { return };
    let Ok(space) = data.conversation_id.parse::<SpaceId>() else {
        return;
    };
    let room = room(space);
    // Whoever is in no room of it says nothing there, and nobody says it too often.
    let is_in = socket.rooms().iter().any(|joined| *joined == room);
    if !is_in || live.typing.take(&session.account).is_err() {
        return;
    }
    let typing = UserTyping {
        conversation_id: space.to_string(),
        user_id: session.account.to_string(),
        typing: data.typing,
    };
    let others = socket.to(room).except(own_room(session.account));
    let _ = others.emit("user_typing", &typing).await;
}

async fn go_on(
    TryData(data): TryData<Auth>,
    ack: AckSender,
    mut turn: Turn,
    State(live): State<Arc<Live>>,
    Extension(session): Extension<Arc<Session>>,
) {
    turn.comes().await;
    let result = async {
        let auth = given(data)?;
        session.go_on(&*live.api()?, &auth).await?;
        Ok(Done {})
    };
    answer(ack, result.await);
}
