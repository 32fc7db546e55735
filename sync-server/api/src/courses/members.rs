//! Who is in a course, and how far pupils came: for its staff.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::{Enrol, MemberAdd, MemberRemove};
use stunity_proto::{AccountId, Lane, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Enrolment, role_words};
use crate::body::{Body, path_id};
use crate::caller::Caller;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadBody, BadPage, Problem, Refused};
use crate::proposals::{Proposal, Proposed};
use crate::state::Api;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(members))
        .routes(routes!(add, remove))
}

/// Somebody in a course.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The account.
    account: String,
    /// What they are in it.
    roles: Vec<&'static str>,
    /// First name, from the name card.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// Name in Khmer.
    name_kh: Option<String>,
    /// How far a pupil came.
    enrolment: Option<Enrolment>,
}

/// The members of a course, for its staff.
#[utoipa::path(get, path = "/courses/{id}/members", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course"), PageQuery),
    responses(
        (status = 200, description = "A page of members", body = Page<Member>),
        BadPage,
        Refused,
    )
)]
async fn members(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Member>>, Problem> {
    let space = path_id(&id)?;
    let Query(query) = query?;
    let slice = query.slice(AccountId::LEN)?;
    if !api.joined(caller.account, space).await?.is_staff() {
        return Err(Problem::forbidden("role.missing"));
    }
    Ok(Json(api.members(space, &slice).await?))
}

/// A role that staff give.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum GivenRole {
    /// Teaches.
    Teacher,
    /// Helps.
    Assistant,
    /// Learns.
    Student,
}

/// What somebody is to be in a course.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberBody {
    /// The role.
    role: GivenRole,
}

/// Asks a device of the caller to take somebody into a course.
#[utoipa::path(put, path = "/courses/{id}/members/{account}", tag = "courses",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("account" = String, Path, description = "Who"),
    ),
    request_body = MemberBody,
    responses(
        (status = 202, description = "A device of the caller is asked", body = Proposal),
        BadBody,
        Refused,
    )
)]
async fn add(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, account)): Path<(String, String)>,
    body: Body<MemberBody>,
) -> Result<Proposed, Problem> {
    let (space, account): (_, AccountId) = (path_id(&id)?, path_id(&account)?);
    let Json(MemberBody { role }) = body?;
    api.joined(caller.account, space).await?;
    if !api.is_account(account).await? {
        return Err(Problem::not_found());
    }
    let staff = |roles: Roles| {
        let roles = roles.0;
        (Lane::All, MemberAdd { account, roles }.into())
    };
    let (lane, event) = match role {
        GivenRole::Teacher => staff(Roles::TEACHER),
        GivenRole::Assistant => staff(Roles::ASSISTANT),
        GivenRole::Student => (Lane::One(account), Enrol { account }.into()),
    };
    api.propose(caller.account, space, lane, vec![event]).await
}

/// Asks a device of the caller to take somebody out of a course.
#[utoipa::path(delete, path = "/courses/{id}/members/{account}", tag = "courses",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("account" = String, Path, description = "Who"),
    ),
    responses(
        (status = 202, description = "A device of the caller is asked", body = Proposal),
        Refused,
    )
)]
async fn remove(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, account)): Path<(String, String)>,
) -> Result<Proposed, Problem> {
    let (space, account): (_, AccountId) = (path_id(&id)?, path_id(&account)?);
    let course = api.joined(caller.account, space).await?;
    // Who is in it and who is not is staff's to know.
    if course.is_staff() && api.roles_in(account, space).await? == Roles::default() {
        return Err(Problem::not_found());
    }
    let event = MemberRemove { account };
    api.propose(caller.account, space, Lane::All, vec![event.into()])
        .await
}

fn read(row: &Row) -> Result<(AccountId, Roles, Member), ServerError> {
    let account = AccountId::try_from(row.get::<&[u8]>(0)?)?;
    let roles = Roles(row.get(1)?);
    let member = Member {
        account: account.to_string(),
        roles: role_words(roles),
        first_name: row.get(2)?,
        last_name: row.get(3)?,
        name_kh: row.get(4)?,
        enrolment: None,
    };
    Ok((account, roles, member))
}

impl Api {
    /// What an account is in a course.
    ///
    /// # Errors
    /// A database that fails.
    pub(crate) async fn roles_in(
        &self,
        account: AccountId,
        space: SpaceId,
    ) -> Result<Roles, ServerError> {
        let roles = sql("SELECT roles FROM membership WHERE account = $1 AND space = $2")
            .bind(account.0)
            .bind(space.0)
            .scalar(self.log.database())
            .await?;
        Ok(Roles(roles.unwrap_or(0)))
    }

    /// Whether anybody has this account, by keys or by a password.
    async fn is_account(&self, account: AccountId) -> Result<bool, ServerError> {
        let known = sql("SELECT 1 FROM account WHERE id = $1 \
             UNION ALL SELECT 1 FROM credential WHERE account = $1")
        .bind(account.0)
        .optional(self.log.database())
        .await?;
        Ok(known.is_some())
    }

    async fn members(&self, space: SpaceId, slice: &Slice) -> Result<Page<Member>, ServerError> {
        // A name that was shown in the course stands before one shown elsewhere.
        let rows = sql(
            "SELECT m.account, m.roles, n.first_name, n.last_name, n.name_km FROM membership m \
             LEFT JOIN p_name_card n ON n.space = $1 AND n.author = m.account AND NOT EXISTS \
             (SELECT 1 FROM p_name_card l WHERE l.space = $1 AND l.author = m.account \
             AND (l.sequence, l.op) > (n.sequence, n.op)) \
             WHERE m.space = $1 AND m.roles <> 0 AND m.account < $2 \
             ORDER BY m.account DESC LIMIT $3",
        )
        .bind(space.0)
        .bind(slice.below())
        .bind(slice.limit + 1)
        .all(self.log.database())
        .await?;
        let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut pupils: Vec<AccountId> = (found.iter())
            .filter(|(_, roles, _)| roles.any(Roles::STUDENT))
            .map(|(account, ..)| *account)
            .collect();
        pupils.sort_unstable();
        // Both go down by account.
        let mut enrolments = self.enrolments(space, &pupils).await?;
        for (_, roles, member) in &mut found {
            if roles.any(Roles::STUDENT) {
                member.enrolment = enrolments.pop();
            }
        }
        let items = (found.into_iter())
            .map(|(account, _, member)| (Place::of(account.0), member))
            .collect();
        Ok(Page::new(items, slice.limit))
    }
}
