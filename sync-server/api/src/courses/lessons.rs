//! Lessons: read by members, published by staff, done by pupils.
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stunity_model::events::{Content, LessonComplete, LessonPublish};
use stunity_model::rows::split_blobs;
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, MOST, TITLE, path_id};
use crate::caller::Caller;
use crate::problem::{BadBody, Problem, Refused};
use crate::state::Api;
use crate::stated::{Answered, Made, State as Effect, Stated, Statement};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(lesson, publish, withdraw))
        .routes(routes!(complete))
}

/// A lesson.
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
    minutes: u64,
    /// Files that belong to it, by their ids: pictures, recordings, videos.
    resources: Vec<String>,
    /// Shown to pupils.
    published: bool,
    /// The caller noted that it is done.
    done: bool,
}

/// The lessons of a course.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lessons {
    /// In their order.
    items: Vec<Lesson>,
}

/// A lesson to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LessonBody {
    /// Its place among the lessons.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    order: u64,
    /// The title.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// The Khmer title.
    #[schema(min_length = 1, max_length = 200)]
    title_kh: Option<String>,
    /// The text, as Markdown, at most 48 KB.
    #[serde(default)]
    content: String,
    /// The same in Khmer.
    content_kh: Option<String>,
    /// Minutes that it takes.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    minutes: u64,
    /// Files that belong to it, at most ten.
    #[serde(default)]
    #[schema(max_items = 10)]
    resources: Vec<String>,
    /// Shown to pupils.
    #[serde(default = "crate::body::yes")]
    published: bool,
}

impl LessonBody {
    fn event(self, lesson: ObjectId) -> Result<LessonPublish, Problem> {
        let mut fields = Fields::default();
        fields.text("title", &self.title, TITLE);
        fields.text_if("titleKh", self.title_kh.as_deref(), TITLE);
        fields.content("content", &self.content);
        fields.content("contentKh", self.content_kh.as_deref().unwrap_or_default());
        fields.number("order", self.order, MOST);
        fields.number("minutes", self.minutes, MOST);
        let blobs = fields.files("resources", &self.resources);
        fields.done()?;
        let content = |text, blobs| Content { text, blobs };
        Ok(LessonPublish {
            lesson,
            order: self.order,
            title: self.title,
            title_km: self.title_kh,
            content: content(self.content, blobs),
            content_km: self.content_kh.map(|text| content(text, Vec::new())),
            minutes: self.minutes,
            provenance: None,
            published: self.published,
        })
    }
}

/// The lessons of a course that the caller is a member of; staff see also those that
/// were withdrawn.
#[utoipa::path(get, path = "/courses/{id}/lessons", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "The lessons", body = Lessons),
        Refused,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Lessons>, Problem> {
    let space = path_id(&id)?;
    let staff = api.joined(caller.account, space).await?.is_staff();
    let mut items = api.lessons(caller.account, space, None).await?;
    items.retain(|lesson| lesson.published || staff);
    Ok(Json(Lessons { items }))
}

/// Publishes a lesson.
#[utoipa::path(post, path = "/courses/{id}/lessons", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")), request_body = LessonBody,
    responses(
        (status = 201, description = "Published", body = Made),
        (status = 202, description = "Staff must accept it", body = Made),
        BadBody,
        Refused,
    )
)]
async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<LessonBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let space = path_id(&id)?;
    let Json(body) = body?;
    api.joined(caller.account, space).await?;
    let lesson = api.new_object();
    let event = body.event(lesson)?;
    api.files_lie_in("resources", &event.content.blobs, (space, Lane::All))
        .await?;
    let statement = api
        .state(caller.account, space, Lane::All, vec![event.into()])
        .await?;
    Ok(statement.made(lesson))
}

/// A lesson of a course that the caller is a member of.
#[utoipa::path(get, path = "/courses/{id}/lessons/{lesson}", tag = "courses", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("lesson" = String, Path, description = "The lesson"),
    ),
    responses(
        (status = 200, description = "The lesson", body = Lesson),
        Refused,
    )
)]
async fn lesson(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, lesson)): Path<(String, String)>,
) -> Result<Json<Lesson>, Problem> {
    let (space, lesson) = (path_id(&id)?, path_id(&lesson)?);
    Ok(Json(api.lesson(caller.account, space, lesson).await?))
}

/// Publishes a lesson anew.
#[utoipa::path(put, path = "/courses/{id}/lessons/{lesson}", tag = "courses", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("lesson" = String, Path, description = "The lesson"),
    ),
    request_body = LessonBody,
    responses(
        (status = 200, description = "Published", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
    )
)]
async fn publish(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, lesson)): Path<(String, String)>,
    body: Body<LessonBody>,
) -> Result<Answered, Problem> {
    let (space, lesson) = (path_id(&id)?, path_id(&lesson)?);
    let Json(body) = body?;
    api.lesson(caller.account, space, lesson).await?;
    let event = body.event(lesson)?;
    api.files_lie_in("resources", &event.content.blobs, (space, Lane::All))
        .await?;
    api.restate(caller.account, space, Lane::All, event).await
}

/// Withdraws a lesson: pupils see it no longer.
#[utoipa::path(delete, path = "/courses/{id}/lessons/{lesson}", tag = "courses", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("lesson" = String, Path, description = "The lesson"),
    ),
    responses(
        (status = 200, description = "Withdrawn", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        Refused,
    )
)]
async fn withdraw(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, lesson)): Path<(String, String)>,
) -> Result<Answered, Problem> {
    let (space, lesson) = (path_id(&id)?, path_id(&lesson)?);
    let known = api.lesson(caller.account, space, lesson).await?;
    let event = LessonBody {
        order: known.order,
        title: known.title,
        title_kh: known.title_kh,
        content: known.content,
        content_kh: known.content_kh,
        minutes: known.minutes,
        resources: known.resources,
        published: false,
    };
    let event = event.event(lesson)?;
    api.restate(caller.account, space, Lane::All, event).await
}

/// Notes that the caller has done a lesson; again is the same as once.
#[utoipa::path(put, path = "/courses/{id}/lessons/{lesson}/complete", tag = "courses",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The course"),
        ("lesson" = String, Path, description = "The lesson"),
    ),
    responses(
        (status = 200, description = "Noted", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        Refused,
    )
)]
async fn complete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, lesson)): Path<(String, String)>,
) -> Result<Answered, Problem> {
    let (space, lesson) = (path_id(&id)?, path_id(&lesson)?);
    let account = caller.account;
    api.lesson(account, space, lesson).await?;
    let statement = match api.done(account, space, lesson).await? {
        Some(entry) => Statement {
            entry,
            state: Effect::Done,
        },
        None => {
            let event = LessonComplete { lesson };
            api.state(account, space, Lane::One(account), vec![event.into()])
                .await?
        }
    };
    Ok(statement.answer(StatusCode::OK))
}

fn read(row: &Row) -> Result<Lesson, ServerError> {
    let files = split_blobs(row.get::<Option<&[u8]>>(8)?.unwrap_or_default());
    Ok(Lesson {
        id: ObjectId::try_from(row.get::<&[u8]>(0)?)?.to_string(),
        order: row.get(1)?,
        title: row.get(2)?,
        title_kh: row.get(3)?,
        content: row.get(4)?,
        content_kh: row.get(5)?,
        minutes: row.get(6)?,
        published: row.get(7)?,
        resources: files.iter().map(ToString::to_string).collect(),
        done: row.get(9)?,
    })
}

impl Api {
    async fn lessons(
        &self,
        caller: AccountId,
        space: SpaceId,
        lesson: Option<ObjectId>,
    ) -> Result<Vec<Lesson>, ServerError> {
        let one = match lesson {
            Some(_) => " AND l.lesson = $3",
            None => "",
        };
        let rows = sql(format!(
            "SELECT l.lesson, l.place, l.title, l.title_km, l.text, l.text_km, l.minutes, \
             l.published, l.blobs, CASE WHEN EXISTS (SELECT 1 FROM p_lesson_done d \
             WHERE d.space = $1 AND d.lesson = l.lesson AND d.author = $2) THEN 1 ELSE 0 END \
             FROM p_lesson l WHERE l.space = $1{one} AND NOT EXISTS \
             (SELECT 1 FROM p_lesson n WHERE n.space = $1 AND n.lesson = l.lesson \
             AND (n.sequence, n.op) > (l.sequence, l.op)) ORDER BY l.place, l.sequence"
        ))
        .bind(space.0)
        .bind(caller.0)
        .bind_if(lesson.map(|lesson| lesson.0))
        .all(self.log.database())
        .await?;
        rows.iter().map(read).collect()
    }

    /// A lesson that this account may see.
    async fn lesson(
        &self,
        caller: AccountId,
        space: SpaceId,
        lesson: ObjectId,
    ) -> Result<Lesson, Problem> {
        let staff = self.joined(caller, space).await?.is_staff();
        let mut found = self.lessons(caller, space, Some(lesson)).await?;
        found.retain(|lesson| lesson.published || staff);
        found.pop().ok_or_else(Problem::not_found)
    }

    /// The entry by which a pupil noted a lesson as done.
    async fn done(
        &self,
        pupil: AccountId,
        space: SpaceId,
        lesson: ObjectId,
    ) -> Result<Option<EntryId>, ServerError> {
        let entry = sql(
            "SELECT e.id FROM p_lesson_done d JOIN entry e ON e.n = d.entry \
             WHERE d.space = $1 AND d.lesson = $2 AND d.author = $3 ORDER BY d.sequence LIMIT 1",
        )
        .bind(space.0)
        .bind(lesson.0)
        .bind(pupil.0)
        .scalar::<Vec<u8>>(self.log.database())
        .await?;
        Ok(entry.map(|id| EntryId::try_from(&id[..])).transpose()?)
    }
}
