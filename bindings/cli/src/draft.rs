//! `stunity draft`: each call opens the document, does one thing and commits.
use serde_json::{Value, json};
use stunity_client::{Client, ClientError, Editing};
use stunity_documents::{DocType, View};
use stunity_proto::{DocId, Lane};

use crate::args::Draft;
use crate::show::{created, print};

const TITLE: &str = "title";
const BODY: &str = "body";

fn text<'a>(view: &'a View, field: &str) -> &'a str {
    view.text(field).unwrap_or_default()
}

/// Opens, does, closes.
fn edit(
    client: &mut Client,
    draft: DocId,
    act: impl FnOnce(&mut Client, &mut Editing) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut editing = client.open_document(draft)?;
    let done = act(client, &mut editing);
    client.close_document(editing)?;
    done
}

/// Runs a command.
pub fn run(client: &mut Client, command: Draft, json: bool) -> Result<(), ClientError> {
    match command {
        Draft::Create {
            course,
            assignment,
            text,
        } => {
            let mut editing = client.create_draft(course, assignment)?;
            client.set_text(&mut editing, BODY, &text)?;
            created(json, "draft", editing.place().doc);
            client.close_document(editing)?;
        }
        Draft::Lesson {
            course,
            title,
            text,
        } => {
            let mut editing = client.create_document(DocType::Lesson, course, Lane::Staff)?;
            client.set_text(&mut editing, TITLE, &title)?;
            client.set_text(&mut editing, BODY, &text)?;
            created(json, "draft", editing.place().doc);
            client.close_document(editing)?;
        }
        Draft::List { course: None } => {
            let rows = client.drafts()?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "draft": row.doc.to_string(),
                        "course": row.course.map(|id| id.to_string()),
                        "assignment": row.assignment.map(|id| id.to_string()),
                        "text": row.text,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| format!("{}  {}\n", row.doc, row.text))
                    .collect()
            });
        }
        Draft::List {
            course: Some(course),
        } => {
            let mut rows = Vec::new();
            for place in client.store().documents(course, Some(Lane::Staff))? {
                if place.doc_type == DocType::Lesson.code() {
                    let view = client.document_view(place.doc)?;
                    rows.push((place.doc, text(&view, TITLE).to_owned()));
                }
            }
            let value: Vec<Value> = rows
                .iter()
                .map(|(doc, title)| json!({ "draft": doc.to_string(), "title": title }))
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|(doc, title)| format!("{doc}  {title}\n"))
                    .collect()
            });
        }
        Draft::Show { draft } => {
            let view = client.document_view(draft)?;
            let conflicts = client.document_conflicts(draft)?.len();
            let value = json!({
                "title": view.text(TITLE),
                "text": text(&view, BODY),
                "conflicts": conflicts,
            });
            print(json, &value, || text(&view, BODY).to_owned());
        }
        Draft::Write { draft, text } => {
            edit(client, draft, |client, editing| {
                client.set_text(editing, BODY, &text)
            })?;
            print(json, &json!({ "kept": true }), String::new);
        }
        Draft::Append { draft, text: more } => {
            edit(client, draft, |client, editing| {
                let whole = format!("{}{more}", text(editing.view(), BODY));
                client.set_text(editing, BODY, &whole)
            })?;
            print(json, &json!({ "kept": true }), String::new);
        }
        Draft::HandIn { draft, attempt } => {
            edit(client, draft, |client, editing| {
                client.submit_draft(editing, attempt).map(|_| ())
            })?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
    }
    Ok(())
}
