//! Assignments: of the caller's courses, published by staff, due later for some.
pub mod grades;
pub mod quiz;
pub mod submissions;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::{Answer, AnswerKey, AssignmentPublish, Extension};
use stunity_model::work::{self, AssignmentKind};
use stunity_proto::{AccountId, Lane, ObjectId, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, MAX_TIME, MOST, TITLE, path_id, points};
use crate::caller::Caller;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadBody, BadPage, NotFound, Problem, Refused, SignedOut};
use crate::state::Api;
use crate::stated::{Answered, Made, State as Effect, Stated, Statement};
use quiz::{Question, QuestionBody};
use submissions::Work;

/// The routes of this folder.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(assignment, publish, withdraw))
        .routes(routes!(extend))
        .merge(quiz::router())
        .merge(submissions::router())
        .merge(grades::router())
}

/// What is to be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// At least one file.
    File,
    /// Text.
    Text,
    /// A web address.
    Link,
    /// A video, as a file or a web address.
    Video,
    /// Answers to questions.
    Quiz,
}

impl From<Kind> for AssignmentKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Text => Self::Text,
            Kind::Link => Self::Link,
            Kind::Video => Self::Video,
            Kind::Quiz => Self::Quiz,
        }
    }
}

impl Kind {
    /// A code of a later build asks for whatever there is.
    fn from_code(code: u8) -> Self {
        match AssignmentKind::from_code(code) {
            Some(AssignmentKind::File) => Self::File,
            Some(AssignmentKind::Link) => Self::Link,
            Some(AssignmentKind::Video) => Self::Video,
            Some(AssignmentKind::Quiz) => Self::Quiz,
            Some(AssignmentKind::Text) | None => Self::Text,
        }
    }
}

/// An assignment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The assignment.
    id: String,
    /// Its course.
    course_id: String,
    /// What is to be handed in.
    #[serde(rename = "type")]
    kind: Kind,
    /// The title.
    title: String,
    /// The Khmer title.
    title_kh: Option<String>,
    /// What is to be done, with the rubric, as Markdown.
    description: String,
    /// Most points.
    max_points: f64,
    /// When it is due, milliseconds since 1970.
    due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    grace_ms: u64,
    /// How many attempts; 0 for any number.
    attempts: u64,
    /// Minutes for an attempt at a timed quiz.
    timed_minutes: Option<u64>,
    /// Shown to pupils.
    published: bool,
    /// The questions of a quiz, of one assignment alone; the answers for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    questions: Option<Vec<Question>>,
    /// How the work of the caller stands, of one assignment alone and only for pupils.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Work>,
}

/// An assignment as it was found.
pub struct Found {
    /// Its course.
    pub space: SpaceId,
    /// The assignment.
    pub id: ObjectId,
    /// What the caller is in the course.
    pub roles: Roles,
    /// Its type.
    pub kind: Kind,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// How many attempts; 0 for any number.
    pub attempts: u64,
    shown: Assignment,
    /// The operation that published it last: its entry here, and its index there.
    place: (i64, i64),
}

impl Found {
    /// Whether the caller reads everything in the course.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.roles.any(Roles::STAFF)
    }
}

/// The last publication of each assignment in the courses of a member.
const ASSIGNMENTS: &str = "SELECT a.assignment, a.space, a.kind, a.title, a.title_km, a.text, \
     a.max_points, a.due_ms, a.grace_ms, a.attempts, a.timed_minutes, a.published, m.roles, \
     a.received_ms, a.entry, a.op FROM membership m JOIN p_assignment a ON a.space = m.space \
     WHERE m.account = $1 AND m.roles <> 0 AND NOT EXISTS \
     (SELECT 1 FROM p_assignment l WHERE l.space = a.space AND l.assignment = a.assignment \
     AND (l.sequence, l.op) > (a.sequence, a.op))";

fn read(row: &Row) -> Result<Found, ServerError> {
    let count = |index| row.get::<Option<i64>>(index);
    let (id, space) = (
        ObjectId::try_from(row.get::<&[u8]>(0)?)?,
        SpaceId::try_from(row.get::<&[u8]>(1)?)?,
    );
    let (kind, max_points, attempts) = (
        Kind::from_code(row.get::<i64>(2)? as u8),
        row.get(6)?,
        row.get(9)?,
    );
    Ok(Found {
        space,
        id,
        roles: Roles(row.get(12)?),
        kind,
        max_points,
        attempts,
        shown: Assignment {
            id: id.to_string(),
            course_id: space.to_string(),
            kind,
            title: row.get(3)?,
            title_kh: row.get(4)?,
            description: row.get(5)?,
            max_points: points(max_points),
            due_ms: count(7)?.map(|due| due as u64),
            grace_ms: row.get(8)?,
            attempts,
            timed_minutes: count(10)?.map(|minutes| minutes as u64),
            published: row.get(11)?,
            questions: None,
            work: None,
        },
        place: (row.get(14)?, row.get(15)?),
    })
}

/// Which assignments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct AssignmentFilter {
    /// Of this course.
    course_id: Option<String>,
}

/// The assignments of the caller's courses, those published last first. Staff see also
/// those that were withdrawn.
#[utoipa::path(get, path = "/assignments", tag = "assignments", security(("bearer" = [])),
    params(PageQuery, AssignmentFilter),
    responses(
        (status = 200, description = "A page of assignments", body = Page<Assignment>),
        BadPage,
        SignedOut,
        NotFound,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
    filter: Result<Query<AssignmentFilter>, QueryRejection>,
) -> Result<Json<Page<Assignment>>, Problem> {
    let (Query(query), Query(filter)) = (query?, filter?);
    let slice = query.slice(ObjectId::LEN)?;
    let course = filter.course_id.as_deref().map(path_id).transpose()?;
    let page = api.assignment_page(caller.account, course, &slice).await?;
    Ok(Json(page))
}

/// An assignment to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssignmentBody {
    /// Its course, where it is new.
    course_id: Option<String>,
    /// What is to be handed in.
    #[serde(rename = "type")]
    kind: Kind,
    /// The title.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// The Khmer title.
    #[schema(min_length = 1, max_length = 200)]
    title_kh: Option<String>,
    /// What is to be done, with the rubric, as Markdown, at most 48 KB.
    #[serde(default)]
    description: String,
    /// Most points, at most 10,000; of a quiz the points of its questions.
    #[schema(minimum = 0, maximum = 10_000)]
    max_points: Option<f64>,
    /// When it is due, milliseconds since 1970.
    due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    #[serde(default)]
    grace_ms: u64,
    /// How many attempts; 0 for any number.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    attempts: u64,
    /// Minutes for an attempt at a timed quiz.
    #[schema(maximum = 1_000_000)]
    timed_minutes: Option<u64>,
    /// The questions of a quiz, at most 200.
    #[serde(default)]
    #[schema(max_items = 200)]
    questions: Vec<QuestionBody>,
    /// Shown to pupils.
    #[serde(default = "crate::body::yes")]
    published: bool,
}

impl AssignmentBody {
    /// The event for the class, and the answers for staff where the body has any.
    fn events(
        self,
        assignment: ObjectId,
    ) -> Result<(AssignmentPublish, Option<AnswerKey>), Problem> {
        let mut fields = Fields::default();
        fields.text("title", &self.title, TITLE);
        fields.text_if("titleKh", self.title_kh.as_deref(), TITLE);
        fields.content("description", &self.description);
        for (field, number, most) in [
            ("dueMs", self.due_ms.unwrap_or(0), MAX_TIME),
            ("graceMs", self.grace_ms, MAX_TIME),
            ("attempts", self.attempts, MOST),
            ("timedMinutes", self.timed_minutes.unwrap_or(0), MOST),
        ] {
            fields.number(field, number, most);
        }
        let given = self.max_points.map(|max| fields.points("maxPoints", max));
        let (questions, answers) = quiz::questions(&mut fields, self.questions);
        let max_points = match self.kind {
            Kind::Quiz => {
                let sum = questions.iter().map(|question| question.points).sum();
                if given.is_some_and(|given| given != sum) {
                    fields.wrong("maxPoints", "points.sum");
                }
                sum
            }
            _ => given.unwrap_or_else(|| {
                fields.wrong("maxPoints", "field.missing");
                0
            }),
        };
        let publish = AssignmentPublish {
            assignment,
            kind: AssignmentKind::from(self.kind).code(),
            title: self.title,
            title_km: self.title_kh,
            text: self.description,
            max_points,
            due_ms: self.due_ms,
            grace_ms: self.grace_ms,
            attempts: self.attempts,
            timed_minutes: self.timed_minutes,
            questions,
            published: self.published,
        };
        if !work::is_sound(&publish) {
            fields.wrong("questions", "quiz.malformed");
        }
        fields.done()?;
        let keyed = |answer: &Answer| !answer.options.is_empty() || answer.text.is_some();
        let key = answers.iter().any(keyed).then_some(AnswerKey {
            assignment,
            answers,
        });
        Ok((publish, key))
    }
}

/// Publishes an assignment in a course of the caller. Where the course does not count
/// what comes through an API, it waits until a device of the staff accepts it.
#[utoipa::path(post, path = "/assignments", tag = "assignments", security(("bearer" = [])),
    request_body = AssignmentBody,
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
    body: Body<AssignmentBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let Json(body) = body?;
    let Some(course) = &body.course_id else {
        return Err(Problem::fields(&[("courseId", "field.missing")]));
    };
    let space = path_id(course)?;
    api.joined(caller.account, space).await?;
    let assignment = api.new_object();
    let events = body.events(assignment)?;
    let statement = api.publish(caller.account, space, events).await?;
    Ok(statement.made(assignment))
}

/// An assignment that the caller may see: with the questions of a quiz, and for a pupil
/// with how the own work stands.
#[utoipa::path(get, path = "/assignments/{id}", tag = "assignments", security(("bearer" = [])),
    params(("id" = String, Path, description = "The assignment")),
    responses(
        (status = 200, description = "The assignment", body = Assignment),
        SignedOut,
        NotFound,
    )
)]
async fn assignment(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Assignment>, Problem> {
    let found = api.assignment(caller.account, path_id(&id)?).await?;
    let questions = api.shown_questions(&found).await?;
    let work = match found.roles.any(Roles::STUDENT) {
        true => api.work(&found, &[caller.account]).await?.pop(),
        false => None,
    };
    Ok(Json(Assignment {
        questions,
        work,
        ..found.shown
    }))
}

/// Publishes an assignment anew.
#[utoipa::path(put, path = "/assignments/{id}", tag = "assignments", security(("bearer" = [])),
    params(("id" = String, Path, description = "The assignment")), request_body = AssignmentBody,
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
    Path(id): Path<String>,
    body: Body<AssignmentBody>,
) -> Result<Answered, Problem> {
    let id = path_id(&id)?;
    let Json(body) = body?;
    let found = api.assignment(caller.account, id).await?;
    if (body.course_id.as_ref()).is_some_and(|course| *course != found.shown.course_id) {
        return Err(Problem::fields(&[("courseId", "course.other")]));
    }
    let events = body.events(id)?;
    let statement = api.publish(caller.account, found.space, events).await?;
    Ok(statement.answer(StatusCode::OK))
}

/// Withdraws an assignment: pupils who handed in nothing see it no longer.
#[utoipa::path(delete, path = "/assignments/{id}", tag = "assignments", security(("bearer" = [])),
    params(("id" = String, Path, description = "The assignment")),
    responses(
        (status = 200, description = "Withdrawn", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        Refused,
    )
)]
async fn withdraw(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answered, Problem> {
    let found = api.assignment(caller.account, path_id(&id)?).await?;
    let questions = api.questions(found.place).await?;
    let shown = found.shown;
    let event = AssignmentPublish {
        assignment: found.id,
        kind: AssignmentKind::from(found.kind).code(),
        title: shown.title,
        title_km: shown.title_kh,
        text: shown.description,
        max_points: found.max_points,
        due_ms: shown.due_ms,
        grace_ms: shown.grace_ms,
        attempts: shown.attempts,
        timed_minutes: shown.timed_minutes,
        questions,
        published: false,
    };
    let statement = api
        .publish(caller.account, found.space, (event, None))
        .await?;
    Ok(statement.answer(StatusCode::OK))
}

/// Another due time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtensionBody {
    /// When it is due for this pupil, milliseconds since 1970.
    due_ms: u64,
}

/// Gives one pupil another due time.
#[utoipa::path(put, path = "/assignments/{id}/extensions/{student}", tag = "assignments",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The assignment"),
        ("student" = String, Path, description = "The pupil"),
    ),
    request_body = ExtensionBody,
    responses(
        (status = 200, description = "Given", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
    )
)]
async fn extend(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, student)): Path<(String, String)>,
    body: Body<ExtensionBody>,
) -> Result<Answered, Problem> {
    let (id, student) = (path_id(&id)?, path_id(&student)?);
    let Json(body) = body?;
    let mut fields = Fields::default();
    fields.number("dueMs", body.due_ms, MAX_TIME);
    fields.done()?;
    let found = api.assignment(caller.account, id).await?;
    api.pupil(&found, caller.account, student).await?;
    let event = Extension {
        assignment: id,
        due_ms: body.due_ms,
    };
    let lane = Lane::One(student);
    api.restate(caller.account, found.space, lane, event).await
}

impl Api {
    async fn assignment_page(
        &self,
        caller: AccountId,
        course: Option<SpaceId>,
        slice: &Slice,
    ) -> Result<Page<Assignment>, ServerError> {
        let one = match course {
            Some(_) => " AND m.space = $5",
            None => "",
        };
        let rows = sql(format!(
            "{ASSIGNMENTS} AND (a.published = 1 OR (m.roles & 7) <> 0){one} \
             AND (a.received_ms, a.assignment) < ($2, $3) \
             ORDER BY a.received_ms DESC, a.assignment DESC LIMIT $4"
        ))
        .bind(caller.0)
        .bind(slice.after.at)
        .bind(slice.after.id.as_slice())
        .bind(slice.limit + 1)
        .bind_if(course.map(|course| course.0))
        .all(self.log.database())
        .await?;
        let item = |row: &Row| -> Result<_, ServerError> {
            let place = Place {
                id: row.get(0)?,
                at: row.get(13)?,
            };
            Ok((place, read(row)?.shown))
        };
        let items = rows.iter().map(item).collect::<Result<_, _>>()?;
        Ok(Page::new(items, slice.limit))
    }

    /// An assignment that this account may see: a pupil one that is published, or at
    /// which something was handed in. Where somebody took the id of another's, the one
    /// that was first counts.
    ///
    /// # Errors
    /// `not-found`; a database that fails.
    pub(crate) async fn assignment(
        &self,
        caller: AccountId,
        id: ObjectId,
    ) -> Result<Found, Problem> {
        let row = sql(format!(
            "{ASSIGNMENTS} AND a.assignment = $2 AND (a.published = 1 OR (m.roles & 7) <> 0 \
             OR EXISTS (SELECT 1 FROM p_submission s WHERE s.space = a.space \
             AND s.assignment = $2 AND s.lane = $3)) \
             ORDER BY (SELECT MIN(f.received_ms) FROM p_assignment f \
             WHERE f.space = a.space AND f.assignment = $2), a.space LIMIT 1"
        ))
        .bind(caller.0)
        .bind(id.0)
        .bind(Lane::One(caller).to_key())
        .optional(self.log.database())
        .await
        .map_err(ServerError::from)?;
        Ok(read(&row.ok_or_else(Problem::not_found)?)?)
    }

    /// Whether the caller may see the work of a pupil of the course: the own, or all as
    /// staff.
    ///
    /// # Errors
    /// `not-found`; a database that fails.
    pub(crate) async fn pupil(
        &self,
        found: &Found,
        caller: AccountId,
        pupil: AccountId,
    ) -> Result<(), Problem> {
        let roles = self.roles_in(pupil, found.space).await?;
        let is_pupil = roles.any(Roles::STUDENT);
        match is_pupil && (found.is_staff() || pupil == caller) {
            true => Ok(()),
            false => Err(Problem::not_found()),
        }
    }

    /// Publishes an assignment for the class and its answers for the staff; pending if
    /// either is.
    async fn publish(
        &self,
        author: AccountId,
        space: SpaceId,
        (publish, key): (AssignmentPublish, Option<AnswerKey>),
    ) -> Result<Statement, Problem> {
        let published = self
            .state(author, space, Lane::All, vec![publish.into()])
            .await?;
        let mut states = BTreeSet::from([published.state == Effect::Pending]);
        if let Some(key) = key {
            let keyed = self
                .state(author, space, Lane::Staff, vec![key.into()])
                .await?;
            states.insert(keyed.state == Effect::Pending);
        }
        Ok(Statement {
            entry: published.entry,
            state: match states.contains(&true) {
                true => Effect::Pending,
                false => Effect::Done,
            },
        })
    }
}
