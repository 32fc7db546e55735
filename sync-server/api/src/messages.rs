//! Messages: envelopes that are stored, ordered and delivered, and opened by nobody
//! here. There is no form for anything else.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use stunity_model::events::{Message as Said, Read};
use stunity_model::talk;
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, path_id};
use crate::caller::Caller;
use crate::conversations::envelope;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadBody, BadPage, Forbidden, NotFound, Problem, SignedOut, TooMany};
use crate::state::Api;
use crate::stated::{Made, State as Effect, Statement};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, send))
        .routes(routes!(mark_read))
}

/// A message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The message.
    id: String,
    /// Its conversation.
    conversation_id: String,
    /// Who sent it.
    sender_id: String,
    /// Its number in the conversation: later ones have higher numbers.
    number: u64,
    /// When the relay received it, milliseconds since 1970.
    sent_ms: u64,
    /// The envelope, in Base64.
    envelope: String,
}

/// Messages of the conversation `$1`. One that its author sent again counts where it
/// stands first.
const MESSAGES: &str = "SELECT m.message, m.author, m.sequence, m.op, m.received_ms, m.envelope \
     FROM p_message m WHERE m.space = $1 AND NOT EXISTS (SELECT 1 FROM p_message f \
     WHERE f.message = m.message AND f.author = m.author AND f.space = m.space \
     AND (f.sequence, f.op) < (m.sequence, m.op))";

fn read(space: SpaceId, row: &Row) -> Result<Message, ServerError> {
    Ok(Message {
        id: ObjectId::try_from(row.get::<&[u8]>(0)?)?.to_string(),
        conversation_id: space.to_string(),
        sender_id: AccountId::try_from(row.get::<&[u8]>(1)?)?.to_string(),
        number: talk::number(row.get(2)?, row.get(3)?),
        sent_ms: row.get(4)?,
        envelope: STANDARD.encode(row.get::<&[u8]>(5)?),
    })
}

/// The messages of a conversation that the caller is in, the newest first.
#[utoipa::path(get, path = "/messages/{conversation}", tag = "messages", security(("bearer" = [])),
    params(("conversation" = String, Path, description = "The conversation"), PageQuery),
    responses(
        (status = 200, description = "A page of messages", body = Page<Message>),
        BadPage,
        SignedOut,
        NotFound,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(conversation): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Message>>, Problem> {
    let Query(query) = query?;
    let slice = query.slice(ObjectId::LEN)?;
    let space = path_id(&conversation)?;
    api.talks_in(caller.account, space).await?;
    Ok(Json(api.message_page(space, &slice).await?))
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewMessage {
    /// 32 hexadecimal digits that the sender chose: sent again under the same id, for
    /// want of an answer, it is one message.
    pub(crate) id: Option<String>,
    /// The envelope, in Base64: 1 to 49,152 bytes.
    pub(crate) envelope: String,
}

/// Sends a message.
#[utoipa::path(post, path = "/messages/{conversation}", tag = "messages", security(("bearer" = [])),
    params(("conversation" = String, Path, description = "The conversation")),
    request_body = NewMessage,
    responses(
        (status = 200, description = "It was sent before, under the same id", body = Made),
        (status = 201, description = "Sent", body = Made),
        BadBody,
        SignedOut,
        Forbidden,
        NotFound,
        TooMany,
    )
)]
async fn send(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(conversation): Path<String>,
    body: Body<NewMessage>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let Json(new) = body?;
    let sent = api
        .send_message(caller.account, path_id(&conversation)?, &new)
        .await?;
    let (status, made) = sent.statement.made(sent.id);
    Ok((if sent.is_new { status } else { StatusCode::OK }, made))
}

/// Whom reading is shown to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Shown {
    /// Everybody in the conversation, or the own devices alone. If it is not said, a
    /// grown-up shows it and a minor does not.
    shown: Option<bool>,
}

/// Notes that everything in a conversation up to a message was read.
#[utoipa::path(put, path = "/messages/{message}/read", tag = "messages", security(("bearer" = [])),
    params(("message" = String, Path, description = "The message"), Shown),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "Not a yes or no", body = Problem, content_type = "application/problem+json"),
        SignedOut,
        NotFound,
    )
)]
async fn mark_read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(message): Path<String>,
    query: Result<Query<Shown>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(Shown { shown }) = query?;
    let message = path_id(&message)?;
    let shown = match shown {
        Some(shown) => shown,
        None => !api.is_minor(caller.account).await?,
    };
    api.mark_read(caller.account, message, shown).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A message that is in the log.
pub(crate) struct Sent {
    /// The message.
    pub id: ObjectId,
    /// What says it.
    pub statement: Statement,
    /// Whether this said it, and not one before.
    pub is_new: bool,
}

impl Api {
    async fn message_page(
        &self,
        space: SpaceId,
        slice: &Slice,
    ) -> Result<Page<Message>, ServerError> {
        let (sequence, op) = talk::place(slice.after.at);
        let text = format!(
            "{MESSAGES} AND (m.sequence, m.op) < ($2, $3) \
             ORDER BY m.sequence DESC, m.op DESC LIMIT $4"
        );
        let rows = sql(text)
            .bind(space.0)
            .bind(sequence)
            .bind(op)
            .bind(slice.limit + 1)
            .all(self.log.database())
            .await?;
        let item = |row: &Row| -> Result<_, ServerError> {
            let message = read(space, row)?;
            let place = Place {
                at: message.number,
                id: row.get(0)?,
            };
            Ok((place, message))
        };
        let items = rows.iter().map(item).collect::<Result<_, _>>()?;
        Ok(Page::new(items, slice.limit))
    }

    /// The messages of one entry, in their order.
    pub(crate) async fn messages_at(
        &self,
        space: SpaceId,
        sequence: u64,
    ) -> Result<Vec<Message>, ServerError> {
        let rows = sql(format!("{MESSAGES} AND m.sequence = $2 ORDER BY m.op"))
            .bind(space.0)
            .bind(sequence)
            .all(self.log.database())
            .await?;
        rows.iter().map(|row| read(space, row)).collect()
    }

    /// Sends a message; again under the same id is the same as once.
    ///
    /// # Errors
    /// Fields that are wrong, `not-found` for who is not in the conversation,
    /// `account.unreachable` between two of whom one may not reach the other.
    pub(crate) async fn send_message(
        &self,
        caller: AccountId,
        space: SpaceId,
        new: &NewMessage,
    ) -> Result<Sent, Problem> {
        self.talks_in(caller, space).await?;
        let mut fields = Fields::default();
        let id = (new.id.as_ref()).and_then(|id| fields.id::<ObjectId>("id", id));
        fields.done()?;
        let envelope = envelope("envelope", &new.envelope)?;
        if let Some(id) = id
            && let Some(statement) = self.find_sent(caller, space, id).await?
        {
            return Ok(Sent {
                id,
                statement,
                is_new: false,
            });
        }
        if let Some(other) = self.other_of_two(caller, space).await?
            && !self.may_reach(caller, other).await?
        {
            return Err(Problem::forbidden("account.unreachable"));
        }
        let id = id.unwrap_or_else(|| self.new_object());
        let said = Said {
            message: id,
            envelope,
        };
        let statement = self
            .state(caller, space, Lane::Talk, vec![said.into()])
            .await?;
        Ok(Sent {
            id,
            statement,
            is_new: true,
        })
    }

    /// The entry by which an account sent a message.
    async fn find_sent(
        &self,
        author: AccountId,
        space: SpaceId,
        message: ObjectId,
    ) -> Result<Option<Statement>, ServerError> {
        let entry: Option<Vec<u8>> = sql(
            "SELECT e.id FROM p_message m JOIN entry e ON e.n = m.entry \
             WHERE m.space = $1 AND m.message = $2 AND m.author = $3 ORDER BY m.sequence LIMIT 1",
        )
        .bind(space.0)
        .bind(message.0)
        .bind(author.0)
        .scalar(self.log.database())
        .await?;
        let statement = |entry: Vec<u8>| {
            Ok(Statement {
                entry: EntryId::try_from(&entry[..])?,
                state: Effect::Done,
            })
        };
        entry.map(statement).transpose()
    }

    /// In a conversation between two, the other.
    async fn other_of_two(
        &self,
        caller: AccountId,
        space: SpaceId,
    ) -> Result<Option<AccountId>, ServerError> {
        let other: Option<Vec<u8>> = sql(
            "SELECT t.account FROM p_conversation c JOIN talker t ON t.space = c.space \
             WHERE c.space = $1 AND c.kind = $2 AND t.account <> $3 LIMIT 1",
        )
        .bind(space.0)
        .bind(talk::Kind::Direct as i64)
        .bind(caller.0)
        .scalar(self.log.database())
        .await?;
        Ok(other
            .map(|other| AccountId::try_from(&other[..]))
            .transpose()?)
    }

    async fn mark_read(
        &self,
        caller: AccountId,
        message: ObjectId,
        shown: bool,
    ) -> Result<(), Problem> {
        let row = sql(
            "SELECT m.space, m.sequence, m.op FROM p_message m JOIN talker t \
             ON t.space = m.space AND t.account = $1 WHERE m.message = $2 \
             ORDER BY m.sequence LIMIT 1",
        )
        .bind(caller.0)
        .bind(message.0)
        .optional(self.log.database())
        .await
        .map_err(ServerError::from)?;
        let row = row.ok_or_else(Problem::not_found)?;
        let place = || -> Result<_, ServerError> {
            let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
            Ok((space, talk::number(row.get(1)?, row.get(2)?)))
        };
        let (conversation, number) = place()?;
        let (space, lane) = match shown {
            true => (conversation, Lane::Talk),
            false => (caller.space(), Lane::Private),
        };
        if self.read_number(caller, conversation, space).await? >= number {
            return Ok(());
        }
        let read = Read {
            conversation,
            until: message,
        };
        self.state(caller, space, lane, vec![read.into()]).await?;
        Ok(())
    }

    /// How far an account has read a conversation by what it stated in `space`.
    async fn read_number(
        &self,
        account: AccountId,
        conversation: SpaceId,
        space: SpaceId,
    ) -> Result<u64, ServerError> {
        let number: Option<u64> = sql(
            "SELECT COALESCE(MAX(m.sequence * 1024 + m.op), 0) FROM p_read_until r \
             JOIN p_message m ON m.message = r.until AND m.space = r.conversation \
             WHERE r.author = $1 AND r.conversation = $2 AND r.space = $3",
        )
        .bind(account.0)
        .bind(conversation.0)
        .bind(space.0)
        .scalar(self.log.database())
        .await?;
        Ok(number.unwrap_or_default())
    }
}
