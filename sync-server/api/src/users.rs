//! People as the API shows them.
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use stunity_identity::StaffRoles;
use stunity_proto::AccountId;
use stunity_server::Log;
use stunity_server::credentials::NameKind;
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::problem::{Problem, SignedOut};
use crate::state::Api;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(me))
}

/// What an account is in the school, for showing: the highest of its offices. What it
/// may do in a course is said by the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// No office.
    Student,
    /// The guardian of a child, and nothing else.
    Parent,
    /// Teaches.
    Teacher,
    /// Reads consented, de-identified data.
    Researcher,
    /// Administers the school, or keeps its roster.
    Admin,
}

impl Role {
    /// As in tokens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Student => "STUDENT",
            Self::Parent => "PARENT",
            Self::Teacher => "TEACHER",
            Self::Researcher => "RESEARCHER",
            Self::Admin => "ADMIN",
        }
    }
}

/// The role of an account by what the log says now.
///
/// # Errors
/// A database that fails.
pub async fn role_of(log: &Log, account: AccountId) -> Result<Role, ServerError> {
    let row = sql(
        "SELECT COALESCE((SELECT staff_roles FROM account WHERE id = $1), 0), \
         (SELECT COUNT(*) FROM membership WHERE account = $1), \
         (SELECT COUNT(*) FROM p_guardianship WHERE guardian = $1 AND until_ms > $2)",
    )
    .bind(account.0)
    .bind(log.now_ms())
    .one(log.database())
    .await?;
    let offices = StaffRoles::from_bits(row.get::<i64>(0)? as u8);
    let is = |office: StaffRoles| offices.bits() & office.bits() != 0;
    Ok(match (row.get::<i64>(1)?, row.get::<i64>(2)?) {
        _ if is(StaffRoles::ADMIN.and(StaffRoles::REGISTRAR)) => Role::Admin,
        _ if is(StaffRoles::TEACHER) => Role::Teacher,
        _ if is(StaffRoles::RESEARCHER) => Role::Researcher,
        (0, 1..) => Role::Parent,
        _ => Role::Student,
    })
}

/// A name that the caller signs in by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInName {
    /// `email`, `phone`, `username` or `school-code`.
    kind: &'static str,
    /// The name.
    name: String,
    /// Whether a letter came back.
    verified: bool,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account.
    id: String,
    /// The highest office.
    role: Role,
    /// How the caller signs in.
    names: Vec<SignInName>,
    /// Devices of the account that were not revoked.
    devices: u64,
}

/// The account that asks.
#[utoipa::path(get, path = "/users/me", tag = "users", security(("bearer" = [])), responses(
    (status = 200, description = "The account that asks", body = Me),
    SignedOut,
))]
async fn me(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Me>, Problem> {
    Ok(Json(api.me(caller.account).await?))
}

impl Api {
    async fn me(&self, account: AccountId) -> Result<Me, ServerError> {
        let rows = sql("SELECT kind, name, verified_ms FROM login_name \
             WHERE account = $1 ORDER BY kind, name")
        .bind(account.0)
        .all(self.log.database())
        .await?;
        let name = |row: &stunity_server::db::Row| -> Result<SignInName, ServerError> {
            let kind = match row.get::<i64>(0)? {
                kind if kind == NameKind::Email as i64 => "email",
                kind if kind == NameKind::Phone as i64 => "phone",
                kind if kind == NameKind::SchoolCode as i64 => "school-code",
                _ => "username",
            };
            Ok(SignInName {
                kind,
                name: row.get(1)?,
                verified: row.get::<Option<i64>>(2)?.is_some(),
            })
        };
        let devices = sql("SELECT COUNT(*) FROM device WHERE account = $1 AND revoked = 0")
            .bind(account.0)
            .scalar(self.log.database())
            .await?;
        Ok(Me {
            id: account.to_string(),
            role: role_of(&self.log, account).await?,
            names: rows.iter().map(name).collect::<Result<_, _>>()?,
            devices: devices.unwrap_or_default(),
        })
    }
}
