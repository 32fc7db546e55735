//! `stunity proposals`: what an API asks this account to sign.
use clap::Subcommand;
use serde_json::{Value, json};
use stunity_client::{Client, ClientError};
use stunity_model::{Event, Roles};
use stunity_proto::EntryId;
use stunity_store::ProposalRow;

use crate::show::{event_name, print, time};

#[derive(Subcommand)]
pub enum Proposals {
    /// Lists what waits for an answer, with all that would be signed.
    List,
    /// Signs what was asked for.
    Confirm { proposal: EntryId },
    /// Signs nothing; no device asks any more.
    Dismiss { proposal: EntryId },
}

/// Runs a command of proposals.
pub fn run(client: &mut Client, command: Proposals, json: bool) -> Result<(), ClientError> {
    match command {
        Proposals::List => {
            let rows = client.proposals()?;
            let value: Vec<Value> = rows.iter().map(value).collect();
            print(json, &value.into(), || rows.iter().map(line).collect());
            Ok(())
        }
        Proposals::Confirm { proposal } => client.confirm_proposal(proposal),
        Proposals::Dismiss { proposal } => client.dismiss_proposal(proposal),
    }
}

fn value(row: &ProposalRow) -> Value {
    let events = row.asked.events.iter();
    json!({
        "proposal": row.proposal.to_string(),
        "purpose": row.asked.purpose.name(),
        "space": row.asked.space.to_string(),
        "events": events.map(|event| json!({
            "name": event_name(event.code()),
            "says": says(event),
        })).collect::<Vec<_>>(),
        "received_ms": row.received_ms,
    })
}

fn line(row: &ProposalRow) -> String {
    let when = row.received_ms.map_or("not at a relay".to_owned(), time);
    let mut out = format!(
        "{}  {} in {}  ({when})\n",
        row.proposal,
        row.asked.purpose.name(),
        row.asked.space
    );
    for event in &row.asked.events {
        let fields: Vec<String> = (says(event).as_object().into_iter().flatten())
            .map(|(field, value)| format!("{field}: {value}"))
            .collect();
        out.push_str(&format!(
            "    {}  {}\n",
            event_name(event.code()),
            fields.join(", ")
        ));
    }
    out
}

/// All that an event would say in this account's name.
fn says(event: &Event) -> Value {
    match event {
        Event::CourseGenesis(e) => json!({
            "open": e.open,
            "imported": e.imported,
            "counts_attested": e.counts_attested,
            "counts_api_grades": e.counts_api_grades,
        }),
        Event::CoursePublish(e) => json!({
            "title": e.title,
            "title_km": e.title_km,
            "description": e.description,
            "category": e.category,
            "level": e.level,
            "published": e.published,
        }),
        Event::CourseOffer(e) => json!({
            "thumbnail": e.thumbnail.map(|blob| blob.to_string()),
            "price": e.price as f64 / 100.0,
            "currency": e.currency,
        }),
        Event::MemberAdd(e) => json!({
            "account": e.account.to_string(),
            "roles": role_names(Roles(e.roles)),
        }),
        Event::Enrol(e) => json!({ "account": e.account.to_string() }),
        Event::MemberRemove(e) => json!({ "account": e.account.to_string() }),
        Event::Leave(e) => json!({ "account": e.account.to_string() }),
        Event::Moderate(e) => json!({
            "target": e.target.to_string(),
            "hidden": e.hidden,
            "reason": e.reason,
        }),
        // `proposals::read` lets nothing else through.
        _ => json!({}),
    }
}

fn role_names(roles: Roles) -> Vec<&'static str> {
    [
        (Roles::OWNER, "owner"),
        (Roles::TEACHER, "teacher"),
        (Roles::ASSISTANT, "assistant"),
        (Roles::STUDENT, "student"),
    ]
    .into_iter()
    .filter(|(role, _)| roles.any(*role))
    .map(|(_, name)| name)
    .collect()
}
