//! Courses as the API shows them, and enrolling.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::Enrol;
use stunity_proto::{AccountId, Lane, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use stunity_server::log::Vouch;
use stunity_sync::replica::Outcome;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::problem::{Problem, SignedOut};
use crate::state::Api;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(course))
        .routes(routes!(lessons))
        .routes(routes!(enroll))
}

/// Courses on a page, if the caller does not say.
const PAGE: u64 = 20;
/// Courses on a page at most.
const MAX_PAGE: u64 = 100;

/// How hard a course is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// From the beginning.
    Beginner,
    /// Some knowledge.
    Intermediate,
    /// Much knowledge.
    Advanced,
    /// For those who know.
    Expert,
}

/// A course.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// The course.
    id: String,
    /// The title.
    title: String,
    /// The Khmer title.
    title_kh: Option<String>,
    /// What it is about.
    description: String,
    /// The same in Khmer.
    description_kh: Option<String>,
    /// The category.
    category: String,
    /// How hard it is.
    level: Level,
    /// Whoever made the course.
    instructor: String,
    /// Visible to those who are not members.
    published: bool,
    /// Anybody in the school may enrol.
    open: bool,
    /// What the caller is in it: `OWNER`, `TEACHER`, `ASSISTANT`, `STUDENT`.
    roles: Vec<&'static str>,
}

fn role_words(roles: u64) -> Vec<&'static str> {
    [
        (Roles::OWNER, "OWNER"),
        (Roles::TEACHER, "TEACHER"),
        (Roles::ASSISTANT, "ASSISTANT"),
        (Roles::STUDENT, "STUDENT"),
    ]
    .into_iter()
    .filter(|(role, _)| Roles(roles).any(*role))
    .map(|(_, word)| word)
    .collect()
}

/// A page of courses, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoursePage {
    /// The courses.
    items: Vec<Course>,
    /// For the page after this one; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct PageQuery {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// At most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// Where a page begins: after a course, by when it began and its id.
struct Cursor {
    began_ms: u64,
    space: Vec<u8>,
}

impl Cursor {
    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else {
            return Ok(Self {
                began_ms: i64::MAX as u64,
                space: Vec::new(),
            });
        };
        let malformed = || Problem::new(StatusCode::BAD_REQUEST, "cursor.malformed");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (began, space) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let began_ms = u64::from_be_bytes(*began);
        // Times stay below 2^63.
        if space.len() != SpaceId::LEN || began_ms > i64::MAX as u64 {
            return Err(malformed());
        }
        Ok(Self {
            began_ms,
            space: space.to_vec(),
        })
    }

    fn text(&self) -> String {
        let bytes = [&self.began_ms.to_be_bytes(), self.space.as_slice()].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A course's page is the last one published; members see it before it is published.
const COURSES: &str = "SELECT c.space, c.received_ms, c.open, c.author, p.title, p.title_km, \
     p.description, p.description_km, p.category, p.level, p.published, \
     COALESCE((SELECT m.roles FROM membership m WHERE m.account = $1 AND m.space = c.space), 0) \
     FROM p_course c JOIN p_course_page p ON p.space = c.space AND NOT EXISTS \
     (SELECT 1 FROM p_course_page l WHERE l.space = c.space \
     AND (l.sequence, l.op) > (p.sequence, p.op)) \
     WHERE (p.published = 1 OR EXISTS \
     (SELECT 1 FROM membership m WHERE m.account = $1 AND m.space = c.space))";

fn read(row: &Row) -> Result<Course, ServerError> {
    let text = |index| row.get::<Option<String>>(index);
    let level = match row.get::<i64>(9)? {
        0 => Level::Beginner,
        1 => Level::Intermediate,
        2 => Level::Advanced,
        _ => Level::Expert,
    };
    Ok(Course {
        id: SpaceId::try_from(row.get::<&[u8]>(0)?)?.to_string(),
        title: row.get(4)?,
        title_kh: text(5)?,
        description: row.get(6)?,
        description_kh: text(7)?,
        category: row.get(8)?,
        level,
        instructor: AccountId::try_from(row.get::<&[u8]>(3)?)?.to_string(),
        published: row.get(10)?,
        open: row.get(2)?,
        roles: role_words(row.get(11)?),
    })
}

/// The published courses of the school and those of the caller.
#[utoipa::path(get, path = "/courses", tag = "courses", security(("bearer" = [])), params(PageQuery), responses(
    (status = 200, description = "A page of courses", body = CoursePage),
    (status = 400, description = "Not a cursor or a limit", body = Problem, content_type = "application/problem+json"),
    SignedOut,
))]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<CoursePage>, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "limit.range"));
    }
    let cursor = Cursor::parse(query.cursor.as_deref())?;
    Ok(Json(api.course_page(caller.account, &cursor, limit).await?))
}

/// A course that the caller may see.
#[utoipa::path(get, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "The course", body = Course),
        SignedOut,
        (status = 404, description = "No course that the caller may see", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn course(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Course>, Problem> {
    let space = id.parse().map_err(|_| Problem::not_found())?;
    Ok(Json(api.course(caller.account, space).await?))
}

/// A lesson as members see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lesson {
    /// The lesson.
    id: String,
    /// Its place among the lessons.
    order: u64,
    /// The title.
    title: String,
    /// The Khmer title.
    title_kh: Option<String>,
    /// The text, as Markdown.
    content: String,
    /// The same in Khmer.
    content_kh: Option<String>,
    /// Minutes that it takes.
    minutes: Option<u64>,
}

/// The lessons of a course.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lessons {
    /// In their order.
    items: Vec<Lesson>,
}

/// The published lessons of a course that the caller is a member of.
#[utoipa::path(get, path = "/courses/{id}/lessons", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "The lessons", body = Lessons),
        SignedOut,
        (status = 403, description = "Not a member", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No course that the caller may see", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn lessons(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Lessons>, Problem> {
    let space = id.parse().map_err(|_| Problem::not_found())?;
    if api.course(caller.account, space).await?.roles.is_empty() {
        return Err(Problem::forbidden("member.missing"));
    }
    let items = api.lessons(space).await?;
    Ok(Json(Lessons { items }))
}

/// What became of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stated {
    /// The entry in the log that states it.
    entry: String,
    /// `done`, or `pending` if staff must accept it first.
    state: &'static str,
}

/// Enrols the caller in a course that is open.
#[utoipa::path(post, path = "/courses/{id}/enroll", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 201, description = "Enrolled", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        SignedOut,
        (status = 403, description = "The course is not open", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No course that the caller may see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A member already", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn enroll(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Stated>), Problem> {
    let space = id.parse().map_err(|_| Problem::not_found())?;
    if !api.course(caller.account, space).await?.roles.is_empty() {
        return Err(Problem::new(StatusCode::CONFLICT, "member.already"));
    }
    let enrol = Enrol {
        account: caller.account,
    };
    let vouch = Vouch {
        author: caller.account,
        space,
        lane: Lane::One(caller.account),
        events: vec![enrol.into()],
    };
    let (entry, outcome) = api.log.vouch(vouch).await?;
    let (status, state) = match outcome {
        Outcome::Accepted(_) => (StatusCode::CREATED, "done"),
        Outcome::Pending { .. } => (StatusCode::ACCEPTED, "pending"),
        Outcome::Refused { code, .. } => return Err(Problem::forbidden(&code)),
    };
    let entry = entry.to_string();
    Ok((status, Json(Stated { entry, state })))
}

impl Api {
    async fn course_page(
        &self,
        caller: AccountId,
        after: &Cursor,
        limit: u64,
    ) -> Result<CoursePage, ServerError> {
        let text = format!(
            "{COURSES} AND (c.received_ms < $2 OR (c.received_ms = $2 AND c.space < $3)) \
             ORDER BY c.received_ms DESC, c.space DESC LIMIT $4"
        );
        // One more says whether there is another page.
        let mut rows = sql(text)
            .bind(caller.0)
            .bind(after.began_ms)
            .bind(after.space.as_slice())
            .bind(limit + 1)
            .all(self.log.database())
            .await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(limit as usize);
        let next_cursor = match rows.last() {
            Some(row) if more => Some(Cursor {
                space: row.get(0)?,
                began_ms: row.get(1)?,
            }),
            _ => None,
        };
        Ok(CoursePage {
            items: rows.iter().map(read).collect::<Result<_, _>>()?,
            next_cursor: next_cursor.map(|cursor| cursor.text()),
        })
    }

    async fn course(&self, caller: AccountId, space: SpaceId) -> Result<Course, Problem> {
        let row = sql(format!("{COURSES} AND c.space = $2"))
            .bind(caller.0)
            .bind(space.0)
            .optional(self.log.database())
            .await
            .map_err(ServerError::from)?;
        Ok(read(&row.ok_or_else(Problem::not_found)?)?)
    }

    async fn lessons(&self, space: SpaceId) -> Result<Vec<Lesson>, ServerError> {
        let rows = sql(
            "SELECT l.lesson, l.place, l.title, l.title_km, l.text, l.text_km, l.minutes \
             FROM p_lesson l WHERE l.space = $1 AND l.published = 1 AND NOT EXISTS \
             (SELECT 1 FROM p_lesson n WHERE n.space = $1 AND n.lesson = l.lesson \
             AND (n.sequence, n.op) > (l.sequence, l.op)) \
             ORDER BY l.place, l.sequence",
        )
        .bind(space.0)
        .all(self.log.database())
        .await?;
        let lesson = |row: &Row| {
            Ok(Lesson {
                id: stunity_server::accounts::to_hex(row.get(0)?),
                order: row.get(1)?,
                title: row.get(2)?,
                title_kh: row.get(3)?,
                content: row.get(4)?,
                content_kh: row.get(5)?,
                minutes: row.get::<Option<i64>>(6)?.map(|minutes| minutes as u64),
            })
        };
        rows.iter().map(lesson).collect()
    }
}
