//! Grades: given and released in one action, chosen where they do not know each other.
//! Through an API they count where the course's genesis says so, and wait else.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stunity_model::Event;
use stunity_model::events::{ChooseGrade, Grade, Release};
use stunity_model::grades::{Given, Graded, Standing};
use stunity_proto::{AccountId, Lane, ObjectId};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Found;
use crate::body::{Body, DESCRIPTION, Fields, path_id, points};
use crate::caller::Caller;
use crate::classwork::{Held, Scope};
use crate::problem::{BadBody, Problem, Refused};
use crate::state::Api;
use crate::stated::{Answered, Made, Stated};

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(grade))
        .routes(routes!(choose))
}

/// How a grade stands among the others of the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GradeState {
    /// It counts.
    Counts,
    /// Another replaces it.
    Replaced,
    /// It and others do not know each other: staff choose.
    Conflict,
    /// It came through an API, and a device of the staff must accept it.
    Pending,
}

/// A grade as staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenGrade {
    /// The grade.
    id: String,
    /// The entry in the log that states it.
    entry: String,
    /// Who gave it.
    author: String,
    /// Points.
    points: f64,
    /// What is said about it.
    feedback: String,
    /// The attempt that was graded; none for work outside the system.
    submission: Option<String>,
    /// It came through an API.
    via_api: bool,
    /// When the relay received it, milliseconds since 1970.
    received_ms: Option<u64>,
    /// How it stands.
    state: GradeState,
}

fn given(grade: &Given, state: GradeState) -> GivenGrade {
    GivenGrade {
        id: grade.grade.to_string(),
        entry: grade.entry.to_string(),
        author: grade.author.to_string(),
        points: points(grade.points),
        feedback: grade.feedback.clone(),
        submission: grade.attempt.map(|attempt| attempt.to_string()),
        via_api: grade.vouched,
        received_ms: grade.received_ms,
        state,
    }
}

fn shown(graded: &Graded) -> Vec<GivenGrade> {
    let state = |grade: &Given| match &graded.standing {
        Standing::Counts(id) if *id == grade.grade => GradeState::Counts,
        Standing::Conflict(ids) if ids.contains(&grade.grade) => GradeState::Conflict,
        _ => GradeState::Replaced,
    };
    let grades = graded.grades.iter();
    grades.map(|grade| given(grade, state(grade))).collect()
}

/// The grades that another one would replace: those that count or conflict.
fn standing(graded: Option<&Graded>) -> Vec<ObjectId> {
    match graded.map(|graded| &graded.standing) {
        Some(Standing::Counts(grade)) => vec![*grade],
        Some(Standing::Conflict(grades)) => grades.clone(),
        Some(Standing::Ungraded) | None => Vec::new(),
    }
}

/// A grade to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GradeBody {
    /// Points, at most those of the assignment.
    #[schema(minimum = 0, maximum = 10_000)]
    points: f64,
    /// What is said about it.
    #[serde(default)]
    #[schema(max_length = 5000)]
    feedback: String,
    /// Whether the pupil sees it at once.
    #[serde(default = "crate::body::yes")]
    release: bool,
}

/// Grades an attempt, in place of the grades that are known here, and releases it.
#[utoipa::path(put, path = "/assignments/{id}/submissions/{submission}/grade",
    tag = "assignments", security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The assignment"),
        ("submission" = String, Path, description = "The attempt"),
    ),
    request_body = GradeBody,
    responses(
        (status = 200, description = "Graded", body = Made),
        (status = 202, description = "Staff must accept it", body = Made),
        BadBody,
        Refused,
    )
)]
async fn grade(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, submission)): Path<(String, String)>,
    body: Body<GradeBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let (id, submission) = (path_id(&id)?, path_id(&submission)?);
    let Json(body) = body?;
    let found = api.assignment(caller.account, id).await?;
    let student = api.author_of(&found, caller.account, submission).await?;
    let mut fields = Fields::default();
    let points = fields.points("points", body.points);
    if points > found.max_points {
        fields.wrong("points", "points.range");
    }
    fields.text("feedback", &body.feedback, DESCRIPTION);
    fields.done()?;
    let grade = Grade {
        grade: api.new_object(),
        assignment: id,
        student,
        attempt: Some(submission),
        points,
        feedback: body.feedback,
        supersedes: standing(api.graded_of(&found, student).await?.first()),
    };
    let given = api
        .state(
            caller.account,
            found.space,
            Lane::Staff,
            vec![grade.clone().into()],
        )
        .await?;
    if body.release {
        let release = Release {
            grade: grade.grade,
            entry: given.entry,
            header: None,
            assignment: id,
            attempt: grade.attempt,
            points: grade.points,
            feedback: grade.feedback,
        };
        let lane = Lane::One(student);
        api.state(caller.account, found.space, lane, vec![release.into()])
            .await?;
    }
    let (_, made) = given.made(grade.grade);
    Ok((given.status(StatusCode::OK), made))
}

/// A choice between grades.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceBody {
    /// The grade that counts.
    grade: String,
}

/// Of grades that do not know each other, chooses the one that counts.
#[utoipa::path(put, path = "/assignments/{id}/choices/{student}", tag = "assignments",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "The assignment"),
        ("student" = String, Path, description = "The pupil"),
    ),
    request_body = ChoiceBody,
    responses(
        (status = 200, description = "Chosen", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
        (status = 409, description = "No conflict", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn choose(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, student)): Path<(String, String)>,
    body: Body<ChoiceBody>,
) -> Result<Answered, Problem> {
    let (id, student) = (path_id(&id)?, path_id(&student)?);
    let Json(body) = body?;
    let found = api.assignment(caller.account, id).await?;
    if !found.is_staff() {
        return Err(Problem::forbidden("role.missing"));
    }
    let mut fields = Fields::default();
    let chosen: Option<ObjectId> = fields.id("grade", &body.grade);
    let graded = api.graded_of(&found, student).await?;
    let Some(Standing::Conflict(mut over)) = graded.first().map(|of| of.standing.clone()) else {
        return Err(Problem::new(StatusCode::CONFLICT, "grades.no-conflict"));
    };
    let grade = chosen.filter(|chosen| over.contains(chosen));
    if grade.is_none() && chosen.is_some() {
        fields.wrong("grade", "grade.unknown");
    }
    fields.done()?;
    let grade = grade.ok_or_else(Problem::not_found)?;
    over.retain(|other| *other != grade);
    let event = ChooseGrade {
        assignment: id,
        student,
        grade,
        over,
    };
    api.restate(caller.account, found.space, Lane::Staff, event)
        .await
}

impl Api {
    /// The grades of one pupil at an assignment.
    async fn graded_of(
        &self,
        found: &Found,
        student: AccountId,
    ) -> Result<Vec<Graded>, ServerError> {
        let scope = Scope {
            space: found.space,
            assignment: Some(found.id),
            pupils: &[student],
        };
        self.graded(scope, &Held::default()).await
    }

    /// Every grade of these pupils as staff see it: those that have effect, then those
    /// that wait.
    pub(super) async fn given_grades(
        &self,
        found: &Found,
        scope: Scope<'_>,
        held: &Held,
    ) -> Result<BTreeMap<AccountId, Vec<GivenGrade>>, ServerError> {
        let graded = self.graded(scope, held).await?;
        let mut grades: BTreeMap<AccountId, Vec<GivenGrade>> =
            graded.iter().map(|of| (of.student, shown(of))).collect();
        for waiting in self.log.waiting(found.space).await? {
            for event in &waiting.events {
                let Event::Grade(grade) = event else { continue };
                if grade.assignment != found.id {
                    continue;
                }
                let row = Given {
                    grade: grade.grade,
                    entry: waiting.entry,
                    author: waiting.author,
                    vouched: waiting.vouched,
                    attempt: grade.attempt,
                    points: grade.points,
                    feedback: grade.feedback.clone(),
                    received_ms: Some(waiting.received_ms),
                    supersedes: Vec::new(),
                };
                let of = grades.entry(grade.student).or_default();
                of.push(given(&row, GradeState::Pending));
            }
        }
        Ok(grades)
    }
}
