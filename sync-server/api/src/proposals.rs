//! Proposals: what no relay may sign for anybody waits for a device of the account.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Serialize;
use stunity_identity::StaffRoles;
use stunity_model::events::{Opaque, Proposal as Asking};
use stunity_model::permit::{RULES, SpaceKind, Standing, permit};
use stunity_model::{Event, Roles, proposals};
use stunity_proto::{AccountId, EntryId, Lane, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::courses::pending::name_of;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadPage, Problem, SignedOut};
use crate::state::Api;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Whether a device has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Not yet.
    Open,
    /// A device has signed it.
    Accepted,
    /// A device has dismissed it.
    Dismissed,
}

/// Something that a device of the account is asked to sign.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// The proposal, as `stunity proposals` names it on a device.
    id: String,
    /// What for: `course.create`, `member.add`, `member.remove`, `moderate`.
    purpose: &'static str,
    /// The course in which it would be signed; of a new one, its id.
    course_id: String,
    /// The names of what would be signed.
    events: Vec<&'static str>,
    /// When the relay received it, milliseconds since 1970; none in the answer to the
    /// request that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    received_ms: Option<u64>,
    /// Whether a device has answered.
    state: Answer,
}

/// The answer to what a device must sign: 202 with the proposal.
pub type Proposed = (StatusCode, Json<Proposal>);

/// What devices of the caller are asked to sign, and what they answered.
#[utoipa::path(get, path = "/proposals", tag = "proposals", security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of proposals", body = Page<Proposal>),
        BadPage,
        SignedOut,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Proposal>>, Problem> {
    let Query(query) = query?;
    let slice = query.slice(EntryId::LEN)?;
    Ok(Json(api.proposal_page(caller.account, &slice).await?))
}

fn shown(id: EntryId, asking: &Asking) -> Option<Proposal> {
    let asked = proposals::read(asking).ok()?;
    let events = asked.events.iter();
    Some(Proposal {
        id: id.to_string(),
        purpose: asked.purpose.name(),
        course_id: asked.space.to_string(),
        events: events.map(|event| name_of(event.code())).collect(),
        received_ms: None,
        state: Answer::Open,
    })
}

fn read(row: &Row) -> Result<Option<(Place, Proposal)>, ServerError> {
    let id = EntryId::try_from(row.get::<&[u8]>(0)?)?;
    let Ok(Event::Proposal(asking)) = Event::decode(row.get(1)?) else {
        return Ok(None);
    };
    let at: u64 = row.get(2)?;
    let state = match row.get::<Option<i64>>(3)? {
        None => Answer::Open,
        Some(0) => Answer::Dismissed,
        Some(_) => Answer::Accepted,
    };
    let proposal = shown(id, &asking).map(|proposal| Proposal {
        received_ms: Some(at),
        state,
        ..proposal
    });
    let place = Place {
        at,
        id: id.0.to_vec(),
    };
    Ok(proposal.map(|proposal| (place, proposal)))
}

impl Api {
    /// Asks the devices of an account to sign events, if the permission table lets them.
    ///
    /// # Errors
    /// The table's code where a device would be refused too.
    pub(crate) async fn propose(
        &self,
        author: AccountId,
        space: SpaceId,
        lane: Lane,
        events: Vec<Event>,
    ) -> Result<Proposed, Problem> {
        self.may_sign(author, space, lane, &events).await?;
        let asking = Asking {
            space,
            lane,
            events: (events.iter())
                .map(|event| Opaque(event.encode()))
                .collect(),
        };
        let statement = self
            .state(
                author,
                author.space(),
                Lane::Private,
                vec![asking.clone().into()],
            )
            .await?;
        let proposal = shown(statement.entry, &asking)
            .ok_or_else(|| Problem::refused("proposal.malformed"))?;
        Ok((StatusCode::ACCEPTED, Json(proposal)))
    }

    /// Whether the table lets a device of the account sign these events now.
    async fn may_sign(
        &self,
        author: AccountId,
        space: SpaceId,
        lane: Lane,
        events: &[Event],
    ) -> Result<(), Problem> {
        let row = sql(
            "SELECT COALESCE((SELECT staff_roles FROM account WHERE id = $1), 0), \
             COALESCE((SELECT roles FROM membership WHERE account = $1 AND space = $2), 0)",
        )
        .bind(author.0)
        .bind(space.0)
        .one(self.log.database())
        .await
        .map_err(ServerError::from)?;
        let office = |offices: StaffRoles| {
            let held: i64 = row.get(0).map_err(ServerError::from)?;
            Ok::<_, Problem>(held as u8 & offices.bits() != 0)
        };
        let begins = matches!(events.first(), Some(Event::CourseGenesis(_)));
        let roles = match begins {
            true => Roles::OWNER,
            false => Roles(row.get(1).map_err(ServerError::from)?),
        };
        let standing = Standing {
            is_self: matches!(lane, Lane::One(whose) if whose == author),
            roles,
            teaches_at_school: office(StaffRoles::TEACHER.and(StaffRoles::ADMIN))?,
            registers: office(StaffRoles::REGISTRAR.and(StaffRoles::ADMIN))?,
            ..Standing::default()
        };
        let kind = SpaceKind::of(self.log.keys().school(), space, lane);
        for event in events {
            permit(RULES, event.code(), kind, lane, false, &standing).map_err(Problem::refused)?;
        }
        Ok(())
    }

    async fn proposal_page(
        &self,
        caller: AccountId,
        slice: &Slice,
    ) -> Result<Page<Proposal>, ServerError> {
        // Of several answers the first in the relay's order counts.
        let rows = sql(
            "SELECT e.id, p.event, p.received_ms, (SELECT x.accepted FROM p_proposal_end x \
             WHERE x.space = $1 AND x.proposal = e.id ORDER BY x.sequence, x.op LIMIT 1) \
             FROM p_proposal p JOIN entry e ON e.n = p.entry WHERE p.space = $1 \
             AND (p.received_ms, e.id) < ($2, $3) \
             ORDER BY p.received_ms DESC, e.id DESC LIMIT $4",
        )
        .bind(caller.space().0)
        .bind(slice.after.at)
        .bind(slice.after.id.as_slice())
        .bind(slice.limit + 1)
        .all(self.log.database())
        .await?;
        let items: Result<Vec<_>, _> = (rows.iter())
            .filter_map(|row| read(row).transpose())
            .collect();
        Ok(Page::new(items?, slice.limit))
    }
}
