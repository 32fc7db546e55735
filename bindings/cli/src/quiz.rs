//! `stunity quiz`: publish from a file, answer, see what was marked.
use std::path::PathBuf;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use stunity_client::{Client, ClientError, NewQuestion, NewQuiz};
use stunity_model::events::Answer;
use stunity_proto::{ObjectId, SpaceId};

use crate::show::{created, hundredths, points, print};

#[derive(Subcommand)]
pub enum Quiz {
    /// Publishes a quiz; the answers are kept for the staff.
    Publish {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_km: Option<String>,
        /// When it is due, milliseconds since 1970.
        #[arg(long)]
        due_ms: Option<u64>,
        /// How many attempts; 0 for any number.
        #[arg(long, default_value_t = 1)]
        attempts: u64,
        /// Minutes for an attempt.
        #[arg(long)]
        minutes: Option<u64>,
        /// A JSON list of questions: `{"text", "text_km", "options", "points",
        /// "right", "answer"}`, `right` by index of the options.
        questions: PathBuf,
    },
    /// Shows the questions, and the answers where they are held.
    Show {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
    },
    /// Begins an attempt: from here on a time limit runs.
    Begin {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
    },
    /// Answers a question of the open attempt.
    Answer {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        #[arg(long)]
        question: u64,
        /// A chosen option, by index; may be given again.
        #[arg(long)]
        option: Vec<u64>,
        /// A free answer.
        #[arg(long)]
        text: Option<String>,
    },
    /// Hands the open attempt in.
    HandIn {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
    },
    /// The attempts that can be seen here, with their marks.
    Results {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFile {
    text: String,
    text_km: Option<String>,
    #[serde(default)]
    options: Vec<String>,
    points: f64,
    #[serde(default)]
    right: Vec<u64>,
    answer: Option<String>,
}

/// Runs a command.
pub fn run(client: &mut Client, command: Quiz, json: bool) -> Result<(), ClientError> {
    match command {
        Quiz::Publish {
            course,
            title,
            title_km,
            due_ms,
            attempts,
            minutes,
            questions,
        } => {
            let read: Vec<QuestionFile> = serde_json::from_slice(&std::fs::read(questions)?)
                .map_err(|_| ClientError::Invalid("quiz.malformed"))?;
            let questions = read
                .into_iter()
                .map(|question| {
                    Ok(NewQuestion {
                        text: question.text,
                        text_km: question.text_km,
                        options: question.options,
                        points: hundredths(question.points)?,
                        right: question.right,
                        answer: question.answer,
                    })
                })
                .collect::<Result<_, ClientError>>()?;
            let quiz = NewQuiz {
                title,
                title_km,
                due_ms,
                attempts,
                timed_minutes: minutes,
                questions,
                ..NewQuiz::default()
            };
            created(json, "assignment", client.publish_quiz(course, quiz)?);
        }
        Quiz::Show { course, assignment } => show(client, course, assignment, json)?,
        Quiz::Begin { course, assignment } => {
            created(json, "attempt", client.begin_quiz(course, assignment)?);
        }
        Quiz::Answer {
            course,
            assignment,
            question,
            option,
            text,
        } => {
            let answer = Answer {
                question,
                options: option,
                text,
            };
            client.answer_quiz(course, assignment, vec![answer], false)?;
        }
        Quiz::HandIn { course, assignment } => {
            client.answer_quiz(course, assignment, Vec::new(), true)?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
        Quiz::Results { course, assignment } => results(client, course, assignment, json)?,
    }
    Ok(())
}

fn show(
    client: &Client,
    course: SpaceId,
    assignment: ObjectId,
    json: bool,
) -> Result<(), ClientError> {
    let quiz = client
        .store()
        .quiz(course, assignment)?
        .ok_or(ClientError::Invalid("quiz.unknown"))?;
    let right = |id: u64| {
        let key = quiz.key.iter().flatten();
        key.clone().find(|answer| answer.question == id)
    };
    let value: Vec<Value> = quiz
        .questions
        .iter()
        .map(|question| {
            json!({
                "question": question.id,
                "text": question.text,
                "text_km": question.text_km,
                "options": question.options,
                "points": question.points,
                "right": right(question.id).map(|answer| &answer.options),
                "answer": right(question.id).and_then(|answer| answer.text.as_ref()),
            })
        })
        .collect();
    print(json, &value.into(), || {
        let mut text = String::new();
        for question in &quiz.questions {
            text.push_str(&format!("{}. {}\n", question.id, question.text));
            for (index, option) in question.options.iter().enumerate() {
                text.push_str(&format!("   {index}  {option}\n"));
            }
        }
        text
    });
    Ok(())
}

fn results(
    client: &Client,
    course: SpaceId,
    assignment: ObjectId,
    json: bool,
) -> Result<(), ClientError> {
    let rows = client.store().quiz_attempts(course, assignment, None)?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "student": row.student.to_string(),
                "attempt": row.number,
                "handed_in": row.attempt.handed_in.is_some(),
                "timing": row.attempt.timing.code(),
                "rebooted": row.attempt.rebooted,
                "points": row.mark.map(|mark| mark.points),
                "released": row.mark.is_some_and(|mark| mark.released),
                "open": row.marking.as_ref().map(|marking| &marking.open),
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| {
                let mark = match (row.mark, row.attempt.handed_in) {
                    (Some(mark), _) => points(mark.points),
                    (None, Some(_)) => "handed in".to_owned(),
                    (None, None) => "open".to_owned(),
                };
                let reboot = if row.attempt.rebooted {
                    "  rebooted"
                } else {
                    ""
                };
                format!(
                    "{}  attempt {}  {mark}  {}{reboot}\n",
                    row.student,
                    row.number,
                    row.attempt.timing.code()
                )
            })
            .collect()
    });
    Ok(())
}
