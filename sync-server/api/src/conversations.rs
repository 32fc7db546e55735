//! Conversations: who is in them, how far they were read. What is said is in
//! [`crate::messages`].
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand_core::RngCore;
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::{
    ConversationMember, ConversationName, ConversationStart, Event, Opaque,
};
use stunity_model::talk::{self, MAX_MEMBERS, Standing};
use stunity_proto::{AccountId, Lane, ObjectId, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, path_id};
use crate::caller::Caller;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::people::{bind_ids, id_list};
use crate::problem::{BadBody, BadPage, Forbidden, NotFound, Problem, SignedOut};
use crate::reach::reaches;
use crate::state::Api;
use crate::stated::{Stated, Statement};

/// Unread messages that are counted.
const MOST_UNREAD: u64 = 1_000;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(conversation))
        .routes(routes!(add_member))
        .routes(routes!(remove_member))
}

/// How many a conversation is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConversationType {
    /// Two, for ever.
    Direct,
    /// Whoever its hosts say.
    Group,
}

/// Somebody in a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Talker {
    /// The account.
    id: String,
    /// Says who is in it.
    host: bool,
    /// The number of the newest message that was read, of one conversation alone and
    /// where its reader shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_number: Option<u64>,
}

/// The newest message of a conversation, without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMessage {
    /// The message.
    id: String,
    /// Who sent it.
    sender_id: String,
    /// When the relay received it, milliseconds since 1970.
    sent_ms: u64,
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// The conversation.
    id: String,
    /// How many it is between.
    #[serde(rename = "type")]
    kind: ConversationType,
    /// Who is in it.
    members: Vec<Talker>,
    /// What a group is called: an envelope in Base64.
    name: Option<String>,
    /// Messages of others that the caller has not read, 1,000 at most.
    unread_count: u64,
    /// The newest message.
    last_message: Option<LastMessage>,
}

/// The conversations of `$1`, each once: with the newest message, and with how far `$1`
/// has read.
const CONVERSATIONS: &str = "SELECT t.space, c.kind, l.message, l.author, l.received_ms, \
     COALESCE(l.received_ms, c.received_ms), \
     (SELECT n.envelope FROM p_conversation_name n WHERE n.space = t.space \
     ORDER BY n.sequence DESC, n.op DESC LIMIT 1), \
     (SELECT COUNT(*) FROM (SELECT 1 FROM p_message u WHERE u.space = t.space \
     AND u.author <> $1 AND u.sequence * 1024 + u.op > COALESCE(r.number, 0) \
     AND u.sequence >= COALESCE(r.number, 0) / 1024 AND NOT EXISTS (SELECT 1 FROM p_message f \
     WHERE f.message = u.message AND f.author = u.author AND f.space = u.space \
     AND (f.sequence, f.op) < (u.sequence, u.op)) LIMIT $2) u) \
     FROM talker t JOIN p_conversation c ON c.space = t.space \
     AND c.sequence = (SELECT MIN(f.sequence) FROM p_conversation f WHERE f.space = t.space) \
     LEFT JOIN p_message l ON l.space = t.space \
     AND l.sequence = (SELECT MAX(x.sequence) FROM p_message x WHERE x.space = t.space) \
     AND NOT EXISTS (SELECT 1 FROM p_message y WHERE y.space = l.space \
     AND y.sequence = l.sequence AND y.op > l.op) \
     LEFT JOIN (SELECT r.conversation, MAX(m.sequence * 1024 + m.op) AS number \
     FROM p_read_until r JOIN p_message m ON m.message = r.until AND m.space = r.conversation \
     WHERE r.author = $1 GROUP BY r.conversation) r ON r.conversation = t.space \
     WHERE t.account = $1";

/// The kind of its code.
fn kind_of(code: i64) -> ConversationType {
    match u8::try_from(code).ok().and_then(talk::Kind::from_code) {
        Some(talk::Kind::Direct) => ConversationType::Direct,
        _ => ConversationType::Group,
    }
}

fn read(row: &Row) -> Result<(SpaceId, Conversation), ServerError> {
    let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
    let last_message = match row.get::<Option<&[u8]>>(2)? {
        Some(message) => Some(LastMessage {
            id: ObjectId::try_from(message)?.to_string(),
            sender_id: AccountId::try_from(row.get::<&[u8]>(3)?)?.to_string(),
            sent_ms: row.get(4)?,
        }),
        None => None,
    };
    let name: Option<&[u8]> = row.get(6)?;
    let conversation = Conversation {
        id: space.to_string(),
        kind: kind_of(row.get(1)?),
        members: Vec::new(),
        name: name.map(|name| STANDARD.encode(name)),
        unread_count: row.get(7)?,
        last_message,
    };
    Ok((space, conversation))
}

/// The conversations of the caller, the one with the newest message first.
#[utoipa::path(get, path = "/messages/conversations", tag = "messages", security(("bearer" = [])), params(PageQuery), responses(
    (status = 200, description = "A page of conversations", body = Page<Conversation>),
    BadPage,
    SignedOut,
))]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Conversation>>, Problem> {
    let Query(query) = query?;
    let slice = query.slice(SpaceId::LEN)?;
    Ok(Json(api.conversation_page(caller.account, &slice).await?))
}

/// A conversation that the caller is in, with how far its members show that they read.
#[utoipa::path(get, path = "/messages/conversations/{id}", tag = "messages", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The conversation", body = Conversation),
        SignedOut,
        NotFound,
    )
)]
async fn conversation(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Conversation>, Problem> {
    let space = path_id(&id)?;
    Ok(Json(api.conversation(caller.account, space).await?))
}

/// A conversation to be begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConversation {
    /// How many it is between: of one other `DIRECT`, if it is not said, else `GROUP`.
    #[serde(rename = "type")]
    kind: Option<ConversationType>,
    /// Who else is in it: one for `DIRECT`, at most 255 for `GROUP`.
    members: Vec<String>,
    /// What a group is called: an envelope in Base64.
    name: Option<String>,
}

/// Begins a conversation. Between two there is one for ever: it is answered if it is
/// there.
#[utoipa::path(post, path = "/messages/conversations", tag = "messages", security(("bearer" = [])), request_body = NewConversation, responses(
    (status = 200, description = "It was there", body = Conversation),
    (status = 201, description = "Begun", body = Conversation),
    BadBody,
    SignedOut,
    Forbidden,
))]
async fn start(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Body<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), Problem> {
    let Json(new) = body?;
    let (space, is_new) = api.start_conversation(caller.account, new).await?;
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(api.conversation(caller.account, space).await?)))
}

/// Somebody to be taken in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewMember {
    /// The account.
    account_id: String,
    /// Says who is in it.
    #[serde(default)]
    host: bool,
}

/// Takes somebody into a group, or makes a host of somebody: by its hosts.
#[utoipa::path(post, path = "/messages/conversations/{id}/members", tag = "messages", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation")),
    request_body = NewMember,
    responses(
        (status = 201, description = "Taken in", body = Stated),
        BadBody,
        SignedOut,
        Forbidden,
        NotFound,
        (status = 409, description = "In it already", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn add_member(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<NewMember>,
) -> Result<Statement, Problem> {
    let Json(new) = body?;
    let space = path_id(&id)?;
    let roles = api.talks_in(caller.account, space).await?;
    let mut fields = Fields::default();
    let account = fields.id("accountId", &new.account_id);
    fields.done()?;
    let Some(account) = account else {
        return Err(Problem::not_found());
    };
    if !roles.any(Roles::HOST) {
        return Err(Problem::forbidden("role.missing"));
    }
    if api.reached(caller.account, &[account]).await?.is_empty() {
        return Err(Problem::fields(&[("accountId", "account.unknown")]));
    }
    let standing = match new.host {
        true => Standing::Host,
        false => Standing::In,
    };
    let held = api.find_talker(account, space).await?.unwrap_or_default();
    if held.0 & standing.roles().0 == standing.roles().0 {
        return Err(Problem::new(StatusCode::CONFLICT, "member.already"));
    }
    api.state_member(caller.account, space, account, standing)
        .await
}

/// Removes somebody from a group, by its hosts; or the caller leaves.
#[utoipa::path(delete, path = "/messages/conversations/{id}/members/{account}", tag = "messages", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The conversation"),
        ("account" = String, Path, description = "Who is in it"),
    ),
    responses(
        (status = 200, description = "In it no more", body = Stated),
        SignedOut,
        Forbidden,
        NotFound,
    )
)]
async fn remove_member(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, account)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Stated>), Problem> {
    let (space, account) = (path_id(&id)?, path_id(&account)?);
    api.talks_in(caller.account, space).await?;
    let found = api.find_talker(account, space).await?;
    found.ok_or_else(Problem::not_found)?;
    let stated = api
        .state_member(caller.account, space, account, Standing::Out)
        .await?;
    Ok(stated.answer(StatusCode::OK))
}

impl Api {
    async fn conversation_page(
        &self,
        caller: AccountId,
        slice: &Slice,
    ) -> Result<Page<Conversation>, ServerError> {
        let text = format!(
            "{CONVERSATIONS} AND (COALESCE(l.received_ms, c.received_ms), t.space) < ($3, $4) \
             ORDER BY COALESCE(l.received_ms, c.received_ms) DESC, t.space DESC LIMIT $5"
        );
        let rows = sql(text)
            .bind(caller.0)
            .bind(MOST_UNREAD)
            .bind(slice.after.at)
            .bind(slice.after.id.as_slice())
            .bind(slice.limit + 1)
            .all(self.log.database())
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (space, conversation) = read(row)?;
            let place = Place {
                at: row.get(5)?,
                id: space.0.to_vec(),
            };
            found.push((place, space, conversation));
        }
        let spaces: Vec<SpaceId> = found.iter().map(|(_, space, _)| *space).collect();
        let mut members = self.talkers(&spaces).await?;
        let items = found.into_iter().map(|(place, space, mut conversation)| {
            conversation.members = members.remove(&space).unwrap_or_default();
            (place, conversation)
        });
        Ok(Page::new(items.collect(), slice.limit))
    }

    async fn conversation(
        &self,
        caller: AccountId,
        space: SpaceId,
    ) -> Result<Conversation, Problem> {
        let row = sql(format!("{CONVERSATIONS} AND t.space = $3"))
            .bind(caller.0)
            .bind(MOST_UNREAD)
            .bind(space.0)
            .optional(self.log.database())
            .await
            .map_err(ServerError::from)?;
        let (_, mut conversation) = read(&row.ok_or_else(Problem::not_found)?)?;
        let mut members = self.talkers(&[space]).await?;
        conversation.members = members.remove(&space).unwrap_or_default();
        self.add_receipts(space, &mut conversation.members).await?;
        Ok(conversation)
    }

    /// Who is in conversations, by account.
    async fn talkers(
        &self,
        spaces: &[SpaceId],
    ) -> Result<BTreeMap<SpaceId, Vec<Talker>>, ServerError> {
        let mut members: BTreeMap<SpaceId, Vec<Talker>> = BTreeMap::new();
        if spaces.is_empty() {
            return Ok(members);
        }
        let text = format!(
            "SELECT space, account, roles FROM talker WHERE space IN {} ORDER BY space, account",
            id_list(1, spaces.len())
        );
        let statement = bind_ids(sql(text), spaces.iter().map(|space| space.0));
        for row in statement.all(self.log.database()).await? {
            let roles = Roles(row.get::<i64>(2)? as u64);
            let talker = Talker {
                id: AccountId::try_from(row.get::<&[u8]>(1)?)?.to_string(),
                host: roles.any(Roles::HOST),
                read_number: None,
            };
            let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
            members.entry(space).or_default().push(talker);
        }
        Ok(members)
    }

    /// How far the members of a conversation show that they have read.
    async fn add_receipts(
        &self,
        space: SpaceId,
        members: &mut [Talker],
    ) -> Result<(), ServerError> {
        let rows = sql(
            "SELECT r.author, MAX(m.sequence * 1024 + m.op) FROM p_read_until r \
             JOIN p_message m ON m.message = r.until AND m.space = r.space \
             WHERE r.space = $1 GROUP BY r.author",
        )
        .bind(space.0)
        .all(self.log.database())
        .await?;
        for row in rows {
            let author = AccountId::try_from(row.get::<&[u8]>(0)?)?.to_string();
            if let Some(member) = members.iter_mut().find(|member| member.id == author) {
                member.read_number = Some(row.get(1)?);
            }
        }
        Ok(())
    }

    /// The roles of an account in a conversation, if it is in it.
    pub(crate) async fn find_talker(
        &self,
        account: AccountId,
        space: SpaceId,
    ) -> Result<Option<Roles>, ServerError> {
        let roles: Option<i64> = sql("SELECT roles FROM talker WHERE account = $1 AND space = $2")
            .bind(account.0)
            .bind(space.0)
            .scalar(self.log.database())
            .await?;
        Ok(roles.map(|roles| Roles(roles as u64)))
    }

    /// As [`Api::find_talker`]: there is nothing for who is not in it.
    pub(crate) async fn talks_in(
        &self,
        caller: AccountId,
        space: SpaceId,
    ) -> Result<Roles, Problem> {
        let roles = self.find_talker(caller, space).await?;
        roles.ok_or_else(Problem::not_found)
    }

    /// Those of `accounts` who have signed in once, by a device or a name, and whom the
    /// caller reaches.
    async fn reached(
        &self,
        caller: AccountId,
        accounts: &[AccountId],
    ) -> Result<Vec<AccountId>, ServerError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let among = id_list(7, accounts.len());
        let select = format!(
            "SELECT k.id FROM account k WHERE k.id IN {among} AND {} UNION \
             SELECT k.account FROM credential k WHERE k.account IN {among} AND {}",
            reaches("k.id"),
            reaches("k.account"),
        );
        let statement = self.reading(caller, &select);
        let ids: Vec<Vec<u8>> = bind_ids(statement, accounts.iter().map(|account| account.0))
            .scalars(self.log.database())
            .await?;
        let ids = ids.iter().map(|id| AccountId::try_from(&id[..]));
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Whom the caller begins a conversation with, sorted.
    async fn others(
        &self,
        caller: AccountId,
        members: &[String],
    ) -> Result<Vec<AccountId>, Problem> {
        let mut fields = Fields::default();
        if members.len() > MAX_MEMBERS {
            return Err(Problem::fields(&[("members", "members.too-many")]));
        }
        let mut named: Vec<(usize, AccountId)> = Vec::new();
        for (n, member) in members.iter().enumerate() {
            let id = fields.id(format_args!("members[{n}]"), member);
            named.extend(id.map(|id| (n, id)));
        }
        fields.done()?;
        let ids: Vec<AccountId> = named.iter().map(|(_, id)| *id).collect();
        let reached = self.reached(caller, &ids).await?;
        let mut fields = Fields::default();
        for (n, id) in &named {
            if *id == caller || !reached.contains(id) {
                fields.wrong(format_args!("members[{n}]"), "account.unknown");
            }
        }
        fields.done()?;
        let mut others = ids;
        others.sort_unstable();
        others.dedup();
        Ok(others)
    }

    async fn start_conversation(
        &self,
        caller: AccountId,
        new: NewConversation,
    ) -> Result<(SpaceId, bool), Problem> {
        let others = self.others(caller, &new.members).await?;
        let kind = new.kind.unwrap_or(match others.len() {
            1 => ConversationType::Direct,
            _ => ConversationType::Group,
        });
        let start = match kind {
            ConversationType::Direct if others.len() != 1 => {
                return Err(Problem::fields(&[("members", "members.one")]));
            }
            ConversationType::Direct => ConversationStart {
                kind: talk::Kind::Direct as u8,
                members: others,
                salt: 0,
            },
            ConversationType::Group => ConversationStart {
                kind: talk::Kind::Group as u8,
                members: others,
                salt: self.log.random().next_u64(),
            },
        };
        let school = self.log.keys().school();
        let space = talk::space_of(school, caller, &start)
            .map_err(|code| Problem::fields(&[("members", code)]))?;
        if kind == ConversationType::Direct && self.has_both(space).await? {
            return Ok((space, false));
        }
        let mut events: Vec<Event> = vec![start.into()];
        match (&new.name, kind) {
            (Some(name), ConversationType::Group) => {
                let envelope = envelope("name", name)?;
                events.push(ConversationName { envelope }.into());
            }
            (Some(_), ConversationType::Direct) => {
                return Err(Problem::fields(&[("name", "conversation.direct")]));
            }
            (None, _) => {}
        }
        self.state(caller, space, Lane::Talk, events).await?;
        Ok((space, true))
    }

    async fn has_both(&self, space: SpaceId) -> Result<bool, ServerError> {
        let count: Option<u64> = sql("SELECT COUNT(*) FROM talker WHERE space = $1")
            .bind(space.0)
            .scalar(self.log.database())
            .await?;
        Ok(count == Some(2))
    }

    async fn state_member(
        &self,
        caller: AccountId,
        space: SpaceId,
        account: AccountId,
        standing: Standing,
    ) -> Result<Statement, Problem> {
        let event = ConversationMember {
            account,
            standing: standing as u8,
        };
        self.state(caller, space, Lane::Talk, vec![event.into()])
            .await
    }
}

/// An envelope as it comes in JSON.
///
/// # Errors
/// `envelope.malformed`, `envelope.length`.
pub(crate) fn envelope(field: &str, text: &str) -> Result<Opaque, Problem> {
    let wrong = |code| Problem::fields(&[(field, code)]);
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| wrong("envelope.malformed"))?;
    let envelope = Opaque(bytes);
    talk::check_envelope(&envelope).map_err(wrong)?;
    Ok(envelope)
}
