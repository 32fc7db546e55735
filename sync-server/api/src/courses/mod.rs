//! Courses as the API shows them, what staff publish of them, enrolling and leaving.
pub mod lessons;
pub mod members;
pub mod pending;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::{CourseGenesis, CourseOffer, CoursePublish, Enrol, Leave};
use stunity_model::work;
use stunity_proto::{AccountId, BlobId, Lane, SpaceId};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, DESCRIPTION, Fields, TITLE, path_id, points};
use crate::caller::Caller;
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadBody, BadPage, Forbidden, NotFound, Problem, Refused, SignedOut};
use crate::proposals::{Proposal, Proposed};
use crate::state::Api;
use crate::stated::{Answered, Stated, Statement};

/// Characters of a category.
const CATEGORY: std::ops::RangeInclusive<usize> = 0..=100;

/// The routes of this folder.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(course, publish, withdraw))
        .routes(routes!(enroll, leave))
        .merge(lessons::router())
        .merge(members::router())
        .merge(pending::router())
}

/// How hard a course is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
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

impl Level {
    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Beginner,
            1 => Self::Intermediate,
            2 => Self::Advanced,
            _ => Self::Expert,
        }
    }
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
    /// A picture, by the id of its file.
    thumbnail: Option<String>,
    /// What it costs; 0 for nothing.
    price: f64,
    /// The currency of the price.
    currency: Option<String>,
    /// Whether it costs anything.
    is_paid: bool,
    /// A phone's own clock counts for whether work came in time.
    counts_attested: bool,
    /// Grades that come through an API count; else they wait for a device of the staff.
    counts_api_grades: bool,
    /// What the caller is in it: `OWNER`, `TEACHER`, `ASSISTANT`, `STUDENT`.
    roles: Vec<&'static str>,
    /// How far the caller came, of one course alone and only for its pupils.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<Enrolment>,
    #[serde(skip)]
    held: Roles,
}

impl Course {
    /// Whether the caller reads everything in it.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.held.any(Roles::STAFF)
    }

    /// Whether the caller is in it.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.held != Roles::default()
    }
}

/// How far a pupil came.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrolment {
    /// Lessons done and work handed in, of all that is published, in percent.
    #[schema(maximum = 100)]
    progress: u8,
    /// The lessons that are done.
    lessons_done: Vec<String>,
    /// Points of what is graded, in percent; none while nothing is.
    grade: Option<f64>,
    /// When the last thing that completed the course was received, milliseconds
    /// since 1970.
    completed_ms: Option<u64>,
}

fn role_words(roles: Roles) -> Vec<&'static str> {
    [
        (Roles::OWNER, "OWNER"),
        (Roles::TEACHER, "TEACHER"),
        (Roles::ASSISTANT, "ASSISTANT"),
        (Roles::STUDENT, "STUDENT"),
    ]
    .into_iter()
    .filter(|(role, _)| roles.any(*role))
    .map(|(_, word)| word)
    .collect()
}

/// A course's page is the last one published; members see it before it is published.
const COURSES: &str = "SELECT c.space, c.received_ms, c.open, c.author, p.title, p.title_km, \
     p.description, p.description_km, p.category, p.level, p.published, \
     COALESCE((SELECT m.roles FROM membership m WHERE m.account = $1 AND m.space = c.space), 0), \
     c.counts_api_grades, c.counts_attested, o.thumbnail, COALESCE(o.price, 0), o.currency \
     FROM p_course c JOIN p_course_page p ON p.space = c.space AND NOT EXISTS \
     (SELECT 1 FROM p_course_page l WHERE l.space = c.space \
     AND (l.sequence, l.op) > (p.sequence, p.op)) \
     LEFT JOIN p_course_offer o ON o.space = c.space AND NOT EXISTS \
     (SELECT 1 FROM p_course_offer l WHERE l.space = c.space \
     AND (l.sequence, l.op) > (o.sequence, o.op))";

/// Whether the caller is a member; who was removed is none.
const MEMBER: &str = "EXISTS (SELECT 1 FROM membership m WHERE m.account = $1 \
     AND m.space = c.space AND m.roles <> 0)";

fn read(row: &Row) -> Result<Course, ServerError> {
    let text = |index| row.get::<Option<String>>(index);
    let held = Roles(row.get(11)?);
    let thumbnail: Option<&[u8]> = row.get(14)?;
    let price: u64 = row.get(15)?;
    Ok(Course {
        id: SpaceId::try_from(row.get::<&[u8]>(0)?)?.to_string(),
        title: row.get(4)?,
        title_kh: text(5)?,
        description: row.get(6)?,
        description_kh: text(7)?,
        category: row.get(8)?,
        level: Level::from_code(row.get(9)?),
        instructor: AccountId::try_from(row.get::<&[u8]>(3)?)?.to_string(),
        published: row.get(10)?,
        open: row.get(2)?,
        counts_api_grades: row.get(12)?,
        counts_attested: row.get(13)?,
        thumbnail: thumbnail
            .map(BlobId::try_from)
            .transpose()?
            .map(|id| id.to_string()),
        price: points(price),
        currency: text(16)?.filter(|_| price > 0),
        is_paid: price > 0,
        roles: role_words(held),
        enrolment: None,
        held,
    })
}

/// Which courses.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CourseFilter {
    /// Of this category.
    category: Option<String>,
    /// As hard as this.
    level: Option<Level>,
    /// Only those that the caller is a member of.
    #[serde(default)]
    mine: bool,
}

/// The published courses of the school and those of the caller.
#[utoipa::path(get, path = "/courses", tag = "courses", security(("bearer" = [])),
    params(PageQuery, CourseFilter),
    responses(
        (status = 200, description = "A page of courses", body = Page<Course>),
        BadPage,
        SignedOut,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
    filter: Result<Query<CourseFilter>, QueryRejection>,
) -> Result<Json<Page<Course>>, Problem> {
    let (Query(query), Query(filter)) = (query?, filter?);
    let slice = query.slice(SpaceId::LEN)?;
    let page = api.course_page(caller.account, &filter, &slice).await?;
    Ok(Json(page))
}

/// Asks a device of the caller to make a course: no relay may, for it would decide by
/// which policy its pupils are graded.
#[utoipa::path(post, path = "/courses", tag = "courses", security(("bearer" = [])),
    request_body = CourseBody,
    responses(
        (status = 202, description = "A device of the caller is asked", body = Proposal),
        BadBody,
        SignedOut,
        Forbidden,
    )
)]
async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Body<CourseBody>,
) -> Result<Proposed, Problem> {
    let Json(body) = body?;
    let genesis = CourseGenesis {
        salt: 0,
        imported: false,
        open: body.open.unwrap_or(false),
        counts_attested: body.counts_attested.unwrap_or(false),
        counts_api_grades: body.counts_api_grades.unwrap_or(false),
        foreign_id: None,
    };
    let (page, offer) = body.events(Fields::default())?;
    let mut events = vec![genesis.into(), page.into()];
    if let Some(offer) = offer {
        if offer.thumbnail.is_some() {
            // Files lie in a course that there is.
            return Err(Problem::fields(&[("thumbnail", "blob.unknown")]));
        }
        events.push(offer.into());
    }
    let space = SpaceId(api.new_object().0);
    api.propose(caller.account, space, Lane::All, events).await
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
    let space = path_id(&id)?;
    let mut course = api.course(caller.account, space).await?;
    if course.held.any(Roles::STUDENT) {
        course.enrolment = api.enrolments(space, &[caller.account]).await?.pop();
    }
    Ok(Json(course))
}

/// What everybody sees of a course.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CourseBody {
    /// The title.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// The Khmer title.
    #[schema(min_length = 1, max_length = 200)]
    title_kh: Option<String>,
    /// What it is about, as Markdown.
    #[serde(default)]
    #[schema(max_length = 5000)]
    description: String,
    /// The same in Khmer.
    #[schema(max_length = 5000)]
    description_kh: Option<String>,
    /// The category.
    #[serde(default)]
    #[schema(max_length = 100)]
    category: String,
    /// How hard it is.
    level: Level,
    /// Visible to those who are not members.
    published: bool,
    /// A picture, by the id of a file that lies in the course for all its members.
    thumbnail: Option<String>,
    /// What it costs; nothing if left out.
    #[schema(minimum = 0, maximum = 10_000_000_000_f64)]
    price: Option<f64>,
    /// The currency of the price, by ISO 4217; riel if left out.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// Anybody in the school may enrol. This and what follows is decided when a course
    /// is made.
    open: Option<bool>,
    /// A phone's own clock counts for whether work came in time.
    counts_attested: Option<bool>,
    /// Grades that come through an API count.
    counts_api_grades: Option<bool>,
}

impl CourseBody {
    /// What everybody is to see of it, and what it offers, if it says so.
    fn events(self, mut fields: Fields) -> Result<(CoursePublish, Option<CourseOffer>), Problem> {
        fields.text("title", &self.title, TITLE);
        fields.text_if("titleKh", self.title_kh.as_deref(), TITLE);
        fields.text("description", &self.description, DESCRIPTION);
        fields.text_if("descriptionKh", self.description_kh.as_deref(), DESCRIPTION);
        fields.text("category", &self.category, CATEGORY);
        let thumbnail = (self.thumbnail.as_deref()).and_then(|id| fields.id("thumbnail", id));
        let price = self.price.map_or(0, |price| fields.price("price", price));
        let currency = match price {
            0 => String::new(),
            _ => self.currency.unwrap_or_else(|| "KHR".to_owned()),
        };
        let offer = CourseOffer {
            thumbnail,
            price,
            currency,
        };
        if !work::is_offer(&offer) {
            fields.wrong("currency", "currency.unknown");
        }
        fields.done()?;
        let page = CoursePublish {
            title: self.title,
            title_km: self.title_kh,
            description: self.description,
            description_km: self.description_kh,
            category: self.category,
            level: self.level as u8,
            published: self.published,
        };
        let says = offer.thumbnail.is_some() || offer.price > 0;
        Ok((page, says.then_some(offer)))
    }

    /// What was decided when the course was made stays.
    fn keeps(&self, course: &Course) -> Fields {
        let mut fields = Fields::default();
        for (field, given, held) in [
            ("open", self.open, course.open),
            (
                "countsAttested",
                self.counts_attested,
                course.counts_attested,
            ),
            (
                "countsApiGrades",
                self.counts_api_grades,
                course.counts_api_grades,
            ),
        ] {
            if given.is_some_and(|given| given != held) {
                fields.wrong(field, "policy.fixed");
            }
        }
        fields
    }
}

/// Publishes a course anew, as its staff may: what everybody sees of it.
#[utoipa::path(put, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")), request_body = CourseBody,
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
    body: Body<CourseBody>,
) -> Result<Answered, Problem> {
    let space = path_id(&id)?;
    let Json(body) = body?;
    let course = api.course(caller.account, space).await?;
    let fields = body.keeps(&course);
    let (page, offer) = body.events(fields)?;
    let mut events = vec![page.into()];
    let thumbnail: Vec<BlobId> = (offer.iter()).filter_map(|offer| offer.thumbnail).collect();
    api.files_lie_in("thumbnail", &thumbnail, (space, Lane::All))
        .await?;
    // Said again only where it changes.
    if offer.is_some() || course.is_paid || course.thumbnail.is_some() {
        let nothing = CourseOffer {
            thumbnail: None,
            price: 0,
            currency: String::new(),
        };
        events.push(offer.unwrap_or(nothing).into());
    }
    let statement = api.state(caller.account, space, Lane::All, events).await?;
    Ok(statement.answer(StatusCode::OK))
}

/// Withdraws a course: those who are not members see it no longer.
#[utoipa::path(delete, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
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
    let space = path_id(&id)?;
    let course = api.course(caller.account, space).await?;
    let page = CoursePublish {
        title: course.title,
        title_km: course.title_kh,
        description: course.description,
        description_km: course.description_kh,
        category: course.category,
        level: course.level as u8,
        published: false,
    };
    api.restate(caller.account, space, Lane::All, page).await
}

/// Enrols the caller in a course that is open.
#[utoipa::path(post, path = "/courses/{id}/enroll", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 201, description = "Enrolled", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        Refused,
        (status = 409, description = "A member already", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn enroll(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Statement, Problem> {
    let space = path_id(&id)?;
    if api.course(caller.account, space).await?.is_member() {
        return Err(Problem::new(StatusCode::CONFLICT, "member.already"));
    }
    let account = caller.account;
    let enrol = Enrol { account };
    api.state(account, space, Lane::One(account), vec![enrol.into()])
        .await
}

/// Takes the caller out of a course; what was handed in stays.
#[utoipa::path(delete, path = "/courses/{id}/enroll", tag = "courses", security(("bearer" = [])),
    params(("id" = String, Path, description = "The course")),
    responses(
        (status = 200, description = "Left", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        Refused,
    )
)]
async fn leave(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answered, Problem> {
    let space = path_id(&id)?;
    if !api.course(caller.account, space).await?.is_member() {
        return Err(Problem::not_found());
    }
    let account = caller.account;
    let leave = Leave { account };
    api.restate(account, space, Lane::One(account), leave).await
}

impl Api {
    async fn course_page(
        &self,
        caller: AccountId,
        filter: &CourseFilter,
        slice: &Slice,
    ) -> Result<Page<Course>, ServerError> {
        let shown = match filter.mine {
            true => MEMBER.to_owned(),
            false => format!("(p.published = 1 OR {MEMBER})"),
        };
        let text = format!(
            "{COURSES} WHERE {shown} AND p.category = COALESCE($5, p.category) \
             AND p.level = COALESCE($6, p.level) AND (c.received_ms, c.space) < ($2, $3) \
             ORDER BY c.received_ms DESC, c.space DESC LIMIT $4"
        );
        let rows = sql(text)
            .bind(caller.0)
            .bind(slice.after.at)
            .bind(slice.after.id.as_slice())
            .bind(slice.limit + 1)
            .bind(filter.category.as_deref())
            .bind(filter.level.map(|level| level as i64))
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

    /// A course as this account sees it, without how far it came.
    ///
    /// # Errors
    /// `not-found`; a database that fails.
    pub(crate) async fn course(
        &self,
        caller: AccountId,
        space: SpaceId,
    ) -> Result<Course, Problem> {
        let text = format!("{COURSES} WHERE c.space = $2 AND (p.published = 1 OR {MEMBER})");
        let row = sql(text)
            .bind(caller.0)
            .bind(space.0)
            .optional(self.log.database())
            .await
            .map_err(ServerError::from)?;
        Ok(read(&row.ok_or_else(Problem::not_found)?)?)
    }

    /// Whether a lane names these files, for then its readers may read them.
    ///
    /// # Errors
    /// `blob.unknown` for those that it does not; a database that fails.
    pub(crate) async fn files_lie_in(
        &self,
        field: &str,
        files: &[BlobId],
        (space, lane): (SpaceId, Lane),
    ) -> Result<(), Problem> {
        let mut fields = Fields::default();
        for (n, file) in files.iter().enumerate() {
            let used = sql("SELECT 1 FROM blob_use WHERE blob = $1 AND space = $2 AND lane = $3")
                .bind(file.0)
                .bind(space.0)
                .bind(lane.to_key())
                .optional(self.log.database())
                .await
                .map_err(ServerError::from)?;
            if used.is_none() {
                fields.wrong(format_args!("{field}[{n}]"), "blob.unknown");
            }
        }
        fields.done()
    }

    /// A course that this account is a member of.
    ///
    /// # Errors
    /// `not-found`, `member.missing`; a database that fails.
    pub(crate) async fn joined(
        &self,
        caller: AccountId,
        space: SpaceId,
    ) -> Result<Course, Problem> {
        let course = self.course(caller, space).await?;
        match course.is_member() {
            true => Ok(course),
            false => Err(Problem::forbidden("member.missing")),
        }
    }

    /// How far these pupils came, in their order.
    async fn enrolments(
        &self,
        space: SpaceId,
        pupils: &[AccountId],
    ) -> Result<Vec<Enrolment>, ServerError> {
        let progress = self.progress(space, pupils).await?;
        let enrolment = progress.into_iter().map(|of| Enrolment {
            progress: of.progress.percent(),
            lessons_done: of.lessons_done.iter().map(ToString::to_string).collect(),
            grade: of.progress.grade().map(points),
            completed_ms: of.completed_ms,
        });
        Ok(enrolment.collect())
    }
}
