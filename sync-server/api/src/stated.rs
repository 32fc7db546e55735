//! Writing: what the caller states becomes an entry that this node signs for the account.
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rand_core::RngCore;
use serde::Serialize;
use stunity_model::events::Event;
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};
use stunity_server::log::Vouch;
use stunity_sync::replica::Outcome;
use utoipa::ToSchema;

use crate::gate::once;
use crate::problem::Problem;
use crate::state::Api;

/// What became of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stated {
    /// The entry in the log that states it.
    pub entry: String,
    /// `done`, or `pending` if somebody must accept it first.
    pub state: State,
}

/// The answer about something that was there before.
pub type Answered = (StatusCode, Json<Stated>);

/// Something that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// What was made.
    pub id: String,
    /// The entry in the log that states it.
    pub entry: String,
    /// `done`, or `pending` if somebody must accept it first.
    pub state: State,
}

/// Whether a statement has effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has effect.
    Done,
    /// Somebody must accept it first.
    Pending,
}

/// An entry that was taken: 201 where it has effect, 202 where it waits.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// The entry.
    pub entry: EntryId,
    /// Whether it has effect.
    pub state: State,
}

impl Statement {
    /// 202 where it waits, else `done`.
    #[must_use]
    pub fn status(&self, done: StatusCode) -> StatusCode {
        match self.state {
            State::Done => done,
            State::Pending => StatusCode::ACCEPTED,
        }
    }

    /// The answer about something that was there before: 202 where the statement
    /// waits, else `done`.
    pub fn answer(&self, done: StatusCode) -> Answered {
        (self.status(done), Json(self.shown()))
    }

    /// The answer about something that was made.
    pub fn made(&self, id: impl std::fmt::Display) -> (StatusCode, Json<Made>) {
        let Stated { entry, state } = self.shown();
        let id = id.to_string();
        (
            self.status(StatusCode::CREATED),
            Json(Made { id, entry, state }),
        )
    }

    /// As it is shown.
    #[must_use]
    pub fn shown(&self) -> Stated {
        Stated {
            entry: self.entry.to_string(),
            state: self.state,
        }
    }
}

impl IntoResponse for Statement {
    fn into_response(self) -> Response {
        (self.status(StatusCode::CREATED), Json(self.shown())).into_response()
    }
}

impl Api {
    /// An id for something new: random, or of the request's key, so that a request that is
    /// tried again makes the same thing.
    #[must_use]
    pub fn new_object(&self) -> ObjectId {
        let mut id = [0; ObjectId::LEN];
        match once::next_name() {
            Some(name) => id.copy_from_slice(&name[..ObjectId::LEN]),
            None => self.log.random().fill_bytes(&mut id),
        }
        ObjectId(id)
    }

    /// Signs events for `author` in one entry and stores it.
    ///
    /// # Errors
    /// The table's code with its status where the entry is refused.
    pub async fn state(
        &self,
        author: AccountId,
        space: SpaceId,
        lane: Lane,
        events: Vec<Event>,
    ) -> Result<Statement, Problem> {
        let vouch = Vouch {
            author,
            space,
            lane,
            events,
            once: once::next_name(),
        };
        let (entry, outcome) = self.log.vouch(vouch).await?;
        let state = match outcome {
            Outcome::Accepted(_) => State::Done,
            Outcome::Pending { .. } => State::Pending,
            Outcome::Refused { code, .. } => return Err(Problem::refused(&code)),
        };
        Ok(Statement { entry, state })
    }

    /// As [`Api::state`], of one event about something that was there before: 200, or
    /// 202 where it waits.
    ///
    /// # Errors
    /// As [`Api::state`].
    pub async fn restate(
        &self,
        author: AccountId,
        space: SpaceId,
        lane: Lane,
        event: impl Into<Event>,
    ) -> Result<Answered, Problem> {
        let statement = self.state(author, space, lane, vec![event.into()]).await?;
        Ok(statement.answer(StatusCode::OK))
    }
}
