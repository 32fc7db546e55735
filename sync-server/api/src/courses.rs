//! Courses as the API shows them, and enrolling.
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Serialize;
use stunity_model::Roles;
use stunity_model::events::Enrol;
use stunity_proto::{AccountId, Lane, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadPage, Forbidden, NotFound, Problem, SignedOut};
use crate::state::Api;
use crate::stated::{Stated, Statement};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(course))
        .routes(routes!(lessons))
        .routes(routes!(enroll))
}

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
    (status = 200, description = "A page of courses", body = Page<Course>),
    BadPage,
    SignedOut,
))]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Course>>, Problem> {
    let Query(query) = query?;
    let slice = query.slice(SpaceId::LEN)?;
    Ok(Json(api.course_page(caller.account, &slice).await?))
}

/// A course that the caller may see.
#[utoipa::path(get, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "The course", body = Course),
        SignedOut,
        NotFound,
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
        Forbidden,
        NotFound,
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

/// Enrols the caller in a course that is open.
#[utoipa::path(post, path = "/courses/{id}/enroll", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 201, description = "Enrolled", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        SignedOut,
        Forbidden,
        NotFound,
        (status = 409, description = "A member already", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn enroll(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Statement, Problem> {
    let space = id.parse().map_err(|_| Problem::not_found())?;
    if !api.course(caller.account, space).await?.roles.is_empty() {
        return Err(Problem::new(StatusCode::CONFLICT, "member.already"));
    }
    let account = caller.account;
    let enrol = Enrol { account };
    api.state(account, space, Lane::One(account), vec![enrol.into()])
        .await
}

impl Api {
    async fn course_page(
        &self,
        caller: AccountId,
        slice: &Slice,
    ) -> Result<Page<Course>, ServerError> {
        let text = format!(
            "{COURSES} AND (c.received_ms, c.space) < ($2, $3) \
             ORDER BY c.received_ms DESC, c.space DESC LIMIT $4"
        );
        let rows = sql(text)
            .bind(caller.0)
            .bind(slice.after.at)
            .bind(slice.after.id.as_slice())
            .bind(slice.limit + 1)
            .all(self.log.database())
            .await?;
        let item = |row: &Row| -> Result<_, ServerError> {
            let place = Place {
                id: row.get(0)?,
                at: row.get(1)?,
            };
            Ok((place, read(row)?))
        };
        let items = rows.iter().map(item).collect::<Result<_, _>>()?;
        Ok(Page::new(items, slice.limit))
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
