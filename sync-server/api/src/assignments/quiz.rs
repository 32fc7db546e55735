//! Quizzes: questions for all, right answers for staff, what attempts say.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use stunity_model::events::{Answer, AnswerKey, Evidence, Question as Asked};
use stunity_model::quiz::{self, Attempt, Step};
use stunity_model::rows::{split_cells, split_options};
use stunity_proto::{AccountId, EntryId, Lane};
use stunity_server::db::{Row, sql};
use stunity_server::error::ServerError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Found, Kind};
use crate::body::{Body, DESCRIPTION, Fields, MOST, path_id, points};
use crate::caller::Caller;
use crate::classwork::Scope;
use crate::problem::{BadBody, Problem, Refused};
use crate::state::Api;
use crate::stated::{Answered, Stated};

/// Options of one question.
const MAX_OPTIONS: usize = 26;
/// Characters of an option.
const OPTION: std::ops::RangeInclusive<usize> = 1..=500;

/// The routes of this file.
pub fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(correct))
}

/// A question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Names the question in answers.
    id: u64,
    /// The text.
    text: String,
    /// The Khmer text.
    text_kh: Option<String>,
    /// The options; none for a free answer.
    options: Vec<String>,
    /// What it is worth.
    points: f64,
    /// The right options by index, for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<Vec<u64>>,
    /// What a free answer should say, for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// A question with its answer, as a teacher writes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuestionBody {
    /// Names the question in answers; its number in the list if left out. A question
    /// that is published again keeps it.
    #[schema(maximum = 1_000_000)]
    id: Option<u64>,
    /// The text.
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
    /// The Khmer text.
    #[schema(min_length = 1, max_length = 5000)]
    text_kh: Option<String>,
    /// The options; none for a free answer.
    #[serde(default)]
    #[schema(max_items = 26)]
    options: Vec<String>,
    /// What it is worth.
    #[schema(minimum = 0, maximum = 10_000)]
    points: f64,
    /// The right options by index.
    #[serde(default)]
    right: Vec<u64>,
    /// What a free answer should say.
    #[schema(max_length = 5000)]
    answer: Option<String>,
}

/// The questions of a body, and their answers.
pub(super) fn questions(
    fields: &mut Fields,
    bodies: Vec<QuestionBody>,
) -> (Vec<Asked>, Vec<Answer>) {
    let (mut questions, mut answers) = (Vec::new(), Vec::new());
    for (n, body) in bodies.into_iter().enumerate() {
        let field = |name: &str| format!("questions[{n}].{name}");
        fields.text(field("text"), &body.text, 1..=*DESCRIPTION.end());
        let text_kh = body.text_kh.as_deref();
        fields.text_if(field("textKh"), text_kh, 1..=*DESCRIPTION.end());
        fields.text_if(field("answer"), body.answer.as_deref(), DESCRIPTION);
        if body.options.len() > MAX_OPTIONS {
            fields.wrong(field("options"), "options.too-many");
        }
        for (m, option) in body.options.iter().enumerate() {
            fields.text(field(&format!("options[{m}]")), option, OPTION);
        }
        let options = body.options.len() as u64;
        if body.right.iter().any(|right| *right >= options) {
            fields.wrong(field("right"), "option.unknown");
        }
        let id = body.id.unwrap_or(n as u64 + 1);
        fields.number(field("id"), id, MOST);
        answers.push(Answer {
            question: id,
            options: body.right,
            text: body.answer,
        });
        questions.push(Asked {
            id,
            text: body.text,
            text_km: body.text_kh,
            options: body.options,
            points: fields.points(field("points"), body.points),
        });
    }
    (questions, answers)
}

/// An answer to a question.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerBody {
    /// The question.
    question: u64,
    /// Chosen options by index.
    #[serde(default)]
    options: Vec<u64>,
    /// A free answer.
    #[serde(default)]
    #[schema(max_length = 5000)]
    text: Option<String>,
}

impl From<Answer> for AnswerBody {
    fn from(answer: Answer) -> Self {
        Self {
            question: answer.question,
            options: answer.options,
            text: answer.text,
        }
    }
}

/// Answers of a body to these questions, each to one of them and with options that it
/// has.
pub(super) fn answers(
    fields: &mut Fields,
    asked: &[Asked],
    bodies: Vec<AnswerBody>,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(bodies.len());
    for (n, body) in bodies.into_iter().enumerate() {
        let field = |name: &str| format!("answers[{n}].{name}");
        fields.text_if(field("text"), body.text.as_deref(), DESCRIPTION);
        match asked.iter().find(|asked| asked.id == body.question) {
            None => fields.wrong(field("question"), "quiz.no-such-question"),
            Some(asked) => {
                let options = asked.options.len() as u64;
                if body.options.iter().any(|option| *option >= options) {
                    fields.wrong(field("options"), "option.unknown");
                }
            }
        }
        answers.push(Answer {
            question: body.question,
            options: body.options,
            text: body.text,
        });
    }
    answers
}

/// The right answers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyBody {
    /// One for each question that has one.
    #[schema(max_items = 200)]
    answers: Vec<AnswerBody>,
}

/// Writes another answer key; devices of the staff mark attempts anew by it.
#[utoipa::path(put, path = "/assignments/{id}/answers", tag = "assignments",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The quiz")), request_body = KeyBody,
    responses(
        (status = 200, description = "Written", body = Stated),
        (status = 202, description = "Staff must accept it", body = Stated),
        BadBody,
        Refused,
    )
)]
async fn correct(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<KeyBody>,
) -> Result<Answered, Problem> {
    let found = api.assignment(caller.account, path_id(&id)?).await?;
    let Json(body) = body?;
    if found.kind != Kind::Quiz {
        return Err(Problem::not_found());
    }
    let asked = api.questions(found.place).await?;
    let mut fields = Fields::default();
    let answers = answers(&mut fields, &asked, body.answers);
    fields.done()?;
    let event = AnswerKey {
        assignment: found.id,
        answers,
    };
    api.restate(caller.account, found.space, Lane::Staff, event)
        .await
}

/// An attempt at a quiz as its steps say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuizAttempt {
    /// The answers that count.
    answers: Vec<AnswerBody>,
    /// `untimed`, `within`, `over` or `unproven`.
    timing: &'static str,
    /// The device was started anew between the first step and the last.
    rebooted: bool,
    /// What a key says that the answers are worth, for staff or once it was shown.
    marked_points: Option<f64>,
}

impl QuizAttempt {
    /// With what the answers were marked, where the reader may see it.
    pub(super) fn new(attempt: Attempt, marked: Option<u64>) -> Self {
        Self {
            answers: attempt.answers.into_iter().map(Into::into).collect(),
            timing: attempt.timing.code(),
            rebooted: attempt.rebooted,
            marked_points: marked.map(points),
        }
    }
}

/// The attempts at a quiz, by pupil and number.
pub(super) type Attempts = BTreeMap<(AccountId, u64), Attempt>;

fn answer(row: &Row, at: usize) -> Result<Answer, ServerError> {
    Ok(Answer {
        question: row.get(at)?,
        options: split_options(&row.get::<String>(at + 1)?),
        text: row.get(at + 2)?,
    })
}

impl Api {
    /// The questions that an operation published.
    pub(super) async fn questions(&self, place: (i64, i64)) -> Result<Vec<Asked>, ServerError> {
        let rows = sql(
            "SELECT question, text, text_km, options, points FROM p_question \
             WHERE entry = $1 AND op = $2 ORDER BY item",
        )
        .bind(place.0)
        .bind(place.1)
        .all(self.log.database())
        .await?;
        let asked = |row: &Row| -> Result<_, ServerError> {
            let options: String = row.get(3)?;
            Ok(Asked {
                id: row.get(0)?,
                text: row.get(1)?,
                text_km: row.get(2)?,
                options: match options.is_empty() {
                    true => Vec::new(),
                    false => split_cells(&options),
                },
                points: row.get(4)?,
            })
        };
        rows.iter().map(asked).collect()
    }

    /// The questions of a quiz, with the right answers for staff; none of another type.
    pub(super) async fn shown_questions(
        &self,
        found: &Found,
    ) -> Result<Option<Vec<Question>>, ServerError> {
        if found.kind != Kind::Quiz {
            return Ok(None);
        }
        let asked = self.questions(found.place).await?;
        let mut key = match found.is_staff() {
            true => self.answer_key(found).await?,
            false => BTreeMap::new(),
        };
        let shown = |asked: Asked| {
            let right = key.remove(&asked.id);
            let (right, answer) = right.map_or((None, None), |a| (Some(a.options), a.text));
            Question {
                id: asked.id,
                text: asked.text,
                text_kh: asked.text_km,
                options: asked.options,
                points: points(asked.points),
                right,
                answer,
            }
        };
        Ok(Some(asked.into_iter().map(shown).collect()))
    }

    /// The last answer key, by question.
    async fn answer_key(&self, found: &Found) -> Result<BTreeMap<u64, Answer>, ServerError> {
        let rows = sql(
            "SELECT k.question, k.options, k.answer FROM p_answer_key k WHERE k.space = $1 \
             AND k.assignment = $2 AND NOT EXISTS (SELECT 1 FROM p_answer_key l \
             WHERE l.space = $1 AND l.assignment = $2 \
             AND (l.sequence, l.op) > (k.sequence, k.op)) ORDER BY k.item",
        )
        .bind(found.space.0)
        .bind(found.id.0)
        .all(self.log.database())
        .await?;
        let answers = rows.iter().map(|row| {
            let answer = answer(row, 0)?;
            Ok((answer.question, answer))
        });
        answers.collect()
    }

    /// The attempts of these pupils at a quiz, open ones among them.
    pub(super) async fn attempts(
        &self,
        found: &Found,
        pupils: &[AccountId],
    ) -> Result<Attempts, ServerError> {
        if found.kind != Kind::Quiz {
            return Ok(Attempts::new());
        }
        let scope = Scope {
            space: found.space,
            assignment: Some(found.id),
            pupils,
        };
        let columns = "t.entry, t.op, t.question, t.options, t.answer";
        let rows = scope
            .in_lanes(columns, "p_quiz_answer t", "t.entry, t.op, t.item")
            .all(self.log.database())
            .await?;
        let mut answers: BTreeMap<(i64, i64), Vec<Answer>> = BTreeMap::new();
        for row in &rows {
            let place = (row.get(0)?, row.get(1)?);
            answers.entry(place).or_default().push(answer(row, 2)?);
        }
        let columns = "t.entry, t.op, e.id, t.lane, t.attempt, t.last, t.received_ms, t.wall_ms, \
                       t.boot, t.since_relay_ms, t.relay_ms";
        let from = "p_quiz_step t JOIN entry e ON e.n = t.entry";
        let rows = scope
            .in_lanes(columns, from, "t.sequence, t.op")
            .all(self.log.database())
            .await?;
        let mut steps: BTreeMap<(AccountId, u64), Vec<Step>> = BTreeMap::new();
        for row in &rows {
            let Lane::One(student) = Lane::from_key(row.get(3)?)? else {
                continue;
            };
            let count = |index| row.get::<Option<i64>>(index).map(|n| n.map(|n| n as u64));
            let place = (row.get(0)?, row.get(1)?);
            steps.entry((student, row.get(4)?)).or_default().push(Step {
                entry: EntryId::try_from(row.get::<&[u8]>(2)?)?,
                received_ms: count(6)?,
                answers: answers.remove(&place).unwrap_or_default(),
                last: row.get(5)?,
                evidence: Evidence {
                    wall_ms: row.get(7)?,
                    boot: row.get::<i64>(8)? as u32,
                    since_relay_ms: count(9)?,
                    relay_ms: count(10)?,
                },
            });
        }
        let limit = found.shown.timed_minutes;
        let folded = steps.into_iter();
        Ok(folded
            .filter_map(|(key, steps)| Some((key, quiz::fold(&steps, limit)?)))
            .collect())
    }
}
