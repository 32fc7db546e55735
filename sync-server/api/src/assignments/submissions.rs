//! Handing in, what was handed in, giving it back.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stunity_model::Roles;
use stunity_model::events::{Content, Evidence, QuizAnswers, Return, Submit};
use stunity_model::grades::Released;
use stunity_model::handed_in;
use stunity_model::states;
use stunity_model::work::AssignmentKind;
use stunity_proto::{AccountId, BlobId, EntryId, Lane};
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::grades::GivenGrade;
use super::quiz::{self, AnswerBody, QuizAttempt};
use super::{Found, Kind};
use crate::body::{Body, DESCRIPTION, Fields, path_id, points};
use crate::caller::Caller;
use crate::classwork::{Held, Scope};
use crate::page::{Page, PageQuery, Place, Slice};
use crate::problem::{BadBody, BadPage, NotFound, Problem, Refused, SignedOut};
use crate::state::Api;
use crate::stated::{Stated, Statement};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(submit))
        .routes(routes!(list))
        .routes(routes!(give_back))
}

/// How far a piece of work came. Whether it came in time stands beside it: a graded
/// piece may be late.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Nothing was handed in, or it was given back.
    Pending,
    /// Handed in.
    Submitted,
    /// The last attempt was graded.
    Graded,
    /// Handed in, and proven to be late.
    Late,
    /// Nothing was handed in, and the time is over.
    Missing,
}

impl Status {
    fn of(work: &states::Work) -> Self {
        match work.status() {
            "SUBMITTED" => Self::Submitted,
            "GRADED" => Self::Graded,
            "LATE" => Self::Late,
            "MISSING" => Self::Missing,
            _ => Self::Pending,
        }
    }
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The attempt.
    id: String,
    /// Its number, from 1.
    attempt: u64,
    /// The text, or a web address.
    text: String,
    /// Files, by their ids.
    files: Vec<String>,
    /// When the relay received it, milliseconds since 1970.
    received_ms: Option<u64>,
    /// `on-time`, `late`, `attested` by a phone's own clock, or `unproven`.
    timeliness: &'static str,
    /// It came through an API.
    via_api: bool,
    /// Beyond the number of attempts that the assignment allows.
    beyond_attempts: bool,
    /// What the assignment asks for and it has not, as a stable code.
    lacks: Option<&'static str>,
    /// Why it was given back for another attempt; none if it was not.
    returned: Option<String>,
    /// What was answered, at a quiz.
    quiz: Option<QuizAttempt>,
}

/// A grade that was shown to its pupil.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownGrade {
    /// Points.
    points: f64,
    /// Most points.
    max_points: f64,
    /// What was said about it; none of a mark by a key alone.
    feedback: Option<String>,
    /// When the relay received it, milliseconds since 1970.
    graded_ms: Option<u64>,
    /// Who released it; none of a mark by a key alone.
    graded_by: Option<String>,
    /// The attempt that was graded; none for work outside the system.
    submission: Option<String>,
}

/// The work of one pupil at one assignment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// The pupil.
    student: String,
    /// How far it came.
    status: Status,
    /// `on-time`, `late`, `attested`, `unproven`, `missing` or `open`.
    timeliness: &'static str,
    /// When it is due for this pupil, milliseconds since 1970.
    due_ms: Option<u64>,
    /// The due time is an extension of this pupil.
    extended: bool,
    /// Attempts left; none for any number.
    attempts_left: Option<u64>,
    /// Handed in again after what was graded.
    handed_in_again: bool,
    /// Every attempt, the newest last.
    submissions: Vec<Submission>,
    /// An attempt at a quiz that was begun and not handed in.
    open_attempt: Option<u64>,
    /// The grade that the pupil sees.
    grade: Option<ShownGrade>,
    /// Every grade that was given, for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    grades: Option<Vec<GivenGrade>>,
}

/// Work to hand in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitBody {
    /// The text, at most 48 KB.
    #[serde(default)]
    text: String,
    /// A web address, instead of a text.
    link: Option<String>,
    /// Files, at most ten, that lie in the caller's lane of the course.
    #[serde(default)]
    #[schema(max_items = 10)]
    files: Vec<String>,
    /// Answers to questions of a quiz.
    #[serde(default)]
    #[schema(max_items = 200)]
    answers: Vec<AnswerBody>,
    /// Of a quiz: whether the attempt ends with this. The first answers begin it.
    #[serde(default = "crate::body::yes")]
    hand_in: bool,
}

/// Hands work in. What a quiz asks for are answers: they are only added to, and the
/// last one to a question counts.
#[utoipa::path(post, path = "/assignments/{id}/submit", tag = "assignments",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The assignment")), request_body = SubmitBody,
    responses(
        (status = 201, description = "Handed in", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
        (status = 409, description = "No attempts are left", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn submit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<SubmitBody>,
) -> Result<Statement, Problem> {
    let id = path_id(&id)?;
    let Json(body) = body?;
    let found = api.assignment(caller.account, id).await?;
    match found.kind {
        Kind::Quiz => api.answer(caller.account, &found, body).await,
        _ => api.hand_in(caller.account, &found, body).await,
    }
}

/// The work of every pupil for staff, of the caller alone for a pupil.
#[utoipa::path(get, path = "/assignments/{id}/submissions", tag = "assignments",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The assignment"), PageQuery),
    responses(
        (status = 200, description = "A page of pupils with their work", body = Page<Work>),
        BadPage,
        SignedOut,
        NotFound,
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Work>>, Problem> {
    let id = path_id(&id)?;
    let Query(query) = query?;
    let slice = query.slice(AccountId::LEN)?;
    let found = api.assignment(caller.account, id).await?;
    let pupils = match found.is_staff() {
        true => api.pupils(&found, &slice).await?,
        false => vec![caller.account],
    };
    Ok(Json(api.work_page(&found, pupils, slice.limit).await?))
}

/// Why work is given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnBody {
    /// What the pupil is told.
    #[serde(default)]
    #[schema(max_length = 5000)]
    feedback: String,
}

/// Gives an attempt back for another one.
#[utoipa::path(post, path = "/assignments/{id}/submissions/{submission}/return",
    tag = "assignments", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The assignment"),
        ("submission" = String, Path, description = "The attempt"),
    ),
    request_body = ReturnBody,
    responses(
        (status = 201, description = "Given back", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
    )
)]
async fn give_back(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, submission)): Path<(String, String)>,
    body: Body<ReturnBody>,
) -> Result<Statement, Problem> {
    let (id, submission) = (path_id(&id)?, path_id(&submission)?);
    let Json(body) = body?;
    let mut fields = Fields::default();
    fields.text("feedback", &body.feedback, DESCRIPTION);
    fields.done()?;
    let found = api.assignment(caller.account, id).await?;
    let student = api.author_of(&found, caller.account, submission).await?;
    let event = Return {
        assignment: id,
        attempt: submission,
        feedback: body.feedback,
    };
    let lane = Lane::One(student);
    api.state(caller.account, found.space, lane, vec![event.into()])
        .await
}

/// The parts of work that are put together for each pupil.
struct Parts {
    submissions: BTreeMap<AccountId, Vec<Submission>>,
    releases: BTreeMap<AccountId, Released>,
    open: BTreeMap<AccountId, u64>,
}

impl Parts {
    fn new(held: Held, attempts: quiz::Attempts, is_staff: bool) -> Self {
        let open = (attempts.iter())
            .filter(|(_, attempt)| attempt.handed_in.is_none())
            .map(|((student, number), _)| (*student, *number))
            .collect();
        let mut quizzes: BTreeMap<EntryId, _> = (attempts.into_values())
            .filter_map(|attempt| Some((attempt.handed_in?, attempt)))
            .collect();
        let classwork = held.classwork;
        let mut feedback = held.feedback;
        let mut submissions: BTreeMap<AccountId, Vec<Submission>> = BTreeMap::new();
        for piece in held.submissions {
            let mark = classwork.marks.get(&piece.entry);
            let marked = mark.filter(|mark| mark.released || is_staff);
            let quiz = quizzes
                .remove(&piece.entry)
                .map(|attempt| QuizAttempt::new(attempt, marked.map(|mark| mark.points)));
            let returned = feedback.remove(&piece.entry);
            let shown = submission(piece.clone(), returned, quiz);
            submissions.entry(piece.student).or_default().push(shown);
        }
        let releases = classwork.releases.into_iter();
        Self {
            submissions,
            releases: releases.map(|shown| (shown.student, shown)).collect(),
            open,
        }
    }

    fn work(&mut self, of: &states::Work, grades: Option<Vec<GivenGrade>>) -> Work {
        let release = (self.releases.remove(&of.student)).filter(|_| !of.by_key);
        let (attempt, feedback, by) = match release {
            Some(release) => (
                release.attempt,
                Some(release.feedback),
                Some(release.author.to_string()),
            ),
            // A mark by a key: of the newest attempt.
            None => (of.latest, None, None),
        };
        Work {
            student: of.student.to_string(),
            status: Status::of(of),
            timeliness: of.timeliness.code(),
            due_ms: of.due_ms,
            extended: of.extended,
            attempts_left: of.attempts_left,
            handed_in_again: of.handed_in_again,
            submissions: self.submissions.remove(&of.student).unwrap_or_default(),
            open_attempt: self.open.remove(&of.student),
            grade: of.points.map(|shown| ShownGrade {
                points: points(shown),
                max_points: points(of.max_points),
                feedback,
                graded_ms: of.graded_ms,
                graded_by: by,
                submission: attempt.map(|attempt| attempt.to_string()),
            }),
            grades,
        }
    }
}

fn submission(
    piece: handed_in::Submission,
    returned: Option<String>,
    quiz: Option<QuizAttempt>,
) -> Submission {
    Submission {
        id: piece.entry.to_string(),
        attempt: piece.attempt,
        text: piece.text,
        files: piece.blobs.iter().map(ToString::to_string).collect(),
        received_ms: piece.received_ms,
        timeliness: piece.timeliness.code(),
        via_api: piece.vouched,
        beyond_attempts: piece.beyond_attempts,
        lacks: piece.lacks,
        returned,
        quiz,
    }
}

impl Api {
    /// How the work of these pupils stands, sorted by account as they are.
    pub(super) async fn work(
        &self,
        found: &Found,
        pupils: &[AccountId],
    ) -> Result<Vec<Work>, ServerError> {
        let scope = Scope {
            space: found.space,
            assignment: Some(found.id),
            pupils,
        };
        let held = self.classwork(scope).await?;
        let mut grades = match found.is_staff() {
            true => Some(self.given_grades(found, scope, &held).await?),
            false => None,
        };
        let attempts = self.attempts(found, pupils).await?;
        let work = held.work(pupils);
        let mut parts = Parts::new(held, attempts, found.is_staff());
        let work = work.iter().map(|of| {
            let grades = (grades.as_mut()).map(|all| all.remove(&of.student).unwrap_or_default());
            parts.work(of, grades)
        });
        Ok(work.collect())
    }

    async fn work_page(
        &self,
        found: &Found,
        mut pupils: Vec<AccountId>,
        limit: u64,
    ) -> Result<Page<Work>, ServerError> {
        let more = pupils.len() as u64 > limit;
        pupils.truncate(limit as usize);
        let last = pupils.last().filter(|_| more).copied();
        pupils.reverse();
        let mut items = self.work(found, &pupils).await?;
        items.reverse();
        Ok(Page {
            next_cursor: last.map(|account| Place::of(account.0).text()),
            items,
        })
    }

    /// The pupils of a page, and one more if there is another, downwards.
    async fn pupils(&self, found: &Found, slice: &Slice) -> Result<Vec<AccountId>, ServerError> {
        let accounts = sql(
            "SELECT account FROM membership WHERE space = $1 AND (roles & $2) <> 0 \
             AND account < $3 ORDER BY account DESC LIMIT $4",
        )
        .bind(found.space.0)
        .bind(Roles::STUDENT.0)
        .bind(slice.below())
        .bind(slice.limit + 1)
        .scalars::<Vec<u8>>(self.log.database())
        .await?;
        let accounts = accounts.iter();
        Ok(accounts
            .map(|account| AccountId::try_from(&account[..]))
            .collect::<Result<_, _>>()?)
    }

    /// Whose attempt it is, if the caller may see it.
    ///
    /// # Errors
    /// `not-found`; a database that fails.
    pub(super) async fn author_of(
        &self,
        found: &Found,
        caller: AccountId,
        submission: EntryId,
    ) -> Result<AccountId, Problem> {
        let lane = sql(
            "SELECT s.lane FROM entry e JOIN p_submission s ON s.entry = e.n \
             WHERE e.id = $1 AND s.space = $2 AND s.assignment = $3",
        )
        .bind(submission.0)
        .bind(found.space.0)
        .bind(found.id.0)
        .scalar::<Vec<u8>>(self.log.database())
        .await
        .map_err(ServerError::from)?;
        let lane = lane.map(|lane| Lane::from_key(&lane));
        match lane.transpose().map_err(ServerError::from)? {
            Some(Lane::One(student)) if student == caller || found.is_staff() => Ok(student),
            _ => Err(Problem::not_found()),
        }
    }

    /// What the relay knows of when something is handed in through it: now.
    fn evidence(&self) -> Evidence {
        let now_ms = self.log.now_ms();
        Evidence {
            wall_ms: now_ms,
            boot: 0,
            since_relay_ms: Some(0),
            relay_ms: Some(now_ms),
        }
    }

    /// The number of the next attempt.
    fn next_attempt(found: &Found, latest: u64) -> Result<u64, Problem> {
        let attempt = latest + 1;
        match found.attempts > 0 && attempt > found.attempts {
            true => Err(Problem::new(StatusCode::CONFLICT, "attempts.none-left")),
            false => Ok(attempt),
        }
    }

    async fn hand_in(
        &self,
        pupil: AccountId,
        found: &Found,
        body: SubmitBody,
    ) -> Result<Statement, Problem> {
        let lane = Lane::One(pupil);
        let mut fields = Fields::default();
        if !body.answers.is_empty() {
            fields.wrong("answers", "work.is-no-quiz");
        }
        let (field, text) = match body.link {
            Some(_) if !body.text.is_empty() => ("text", body.text),
            Some(link) => ("link", link),
            None => ("text", body.text),
        };
        fields.content(field, &text);
        let blobs: Vec<BlobId> = fields.files("files", &body.files);
        if let Err(code) = AssignmentKind::from(found.kind).check(&text, blobs.len()) {
            let of_files = matches!(found.kind, Kind::File);
            fields.wrong(if of_files { "files" } else { field }, code);
        }
        fields.done()?;
        self.files_lie_in("files", &blobs, (found.space, lane))
            .await?;
        let latest = sql("SELECT COALESCE(MAX(attempt), 0) FROM p_submission \
             WHERE space = $1 AND assignment = $2 AND lane = $3")
        .bind(found.space.0)
        .bind(found.id.0)
        .bind(lane.to_key())
        .scalar::<u64>(self.log.database())
        .await
        .map_err(ServerError::from)?;
        let event = Submit {
            assignment: found.id,
            attempt: Self::next_attempt(found, latest.unwrap_or(0))?,
            content: Content { text, blobs },
            provenance: None,
            evidence: self.evidence(),
        };
        self.state(pupil, found.space, lane, vec![event.into()])
            .await
    }

    async fn answer(
        &self,
        pupil: AccountId,
        found: &Found,
        body: SubmitBody,
    ) -> Result<Statement, Problem> {
        let mut fields = Fields::default();
        for (field, is_empty) in [
            ("text", body.text.is_empty()),
            ("link", body.link.is_none()),
            ("files", body.files.is_empty()),
        ] {
            if !is_empty {
                fields.wrong(field, "work.is-quiz");
            }
        }
        let asked = self.questions(found.place).await?;
        let answers = quiz::answers(&mut fields, &asked, body.answers);
        fields.done()?;
        let attempts = self.attempts(found, &[pupil]).await?;
        let last = attempts.last_key_value();
        let attempt = match last {
            Some(((_, number), open)) if open.handed_in.is_none() => *number,
            Some(((_, number), _)) => Self::next_attempt(found, *number)?,
            None => Self::next_attempt(found, 0)?,
        };
        let event = QuizAnswers {
            assignment: found.id,
            attempt,
            answers,
            last: body.hand_in,
            evidence: self.evidence(),
        };
        let lane = Lane::One(pupil);
        self.state(pupil, found.space, lane, vec![event.into()])
            .await
    }
}
