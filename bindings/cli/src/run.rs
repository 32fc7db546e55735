//! Which command does what.
use std::process::ExitCode;

use serde_json::{Value, json};
use stunity_client::{Accounts, Client, ClientError, Invited, Joining, Work};

use crate::args::{Cli, Command, Device, School};
use crate::device::whoami;
use crate::show::{print, shown};
use crate::{accounts, course, device, file, gradebook, grades, session};

/// Runs a command.
pub fn run(cli: Cli) -> Result<ExitCode, ClientError> {
    let json = cli.json;
    let accounts = Accounts::at(&cli.home);
    let home = accounts::folder(&cli, &accounts)?;
    match cli.command {
        Command::Account(command) => accounts::run(&accounts, command, json)?,
        Command::Join {
            link,
            relay,
            code,
            school,
            account,
        } => {
            let (relay, code, school) = match (link, relay, code) {
                (Some(link), relay, _) => {
                    let invited = Invited::by_link(&link)?;
                    if school.is_some_and(|school| school != invited.school) {
                        return Err(ClientError::Invalid("school.other"));
                    }
                    let relay = relay.unwrap_or(invited.relay);
                    (relay, invited.code, Some(invited.school))
                }
                (None, Some(relay), Some(code)) => (relay, code, school),
                _ => return Err(ClientError::Invalid("invitation.malformed")),
            };
            let joining = match account {
                Some(account) => Joining::Claim(code, account),
                None => Joining::Invitation(code),
            };
            let client = Client::join(&home, &relay, &joining, school)?;
            whoami(&client, json);
        }
        Command::SignIn {
            relay,
            login,
            password,
            school,
        } => {
            let joining = Joining::Password(login, password);
            let client = Client::join(&home, &relay, &joining, school)?;
            whoami(&client, json);
        }
        Command::Device(Device::Link { relay }) => {
            let request = Client::ask_to_link(&home, &relay)?;
            shown(json, "request", &request);
        }
        Command::Device(Device::Finish { answer }) => {
            let client = Client::finish_link(&home, &answer)?;
            whoami(&client, json);
        }
        Command::School(School::MoveRoot { from, to }) => {
            crate::school::move_root(&from, &to, json)?;
        }
        Command::School(School::Init { relay, root, print }) => {
            crate::school::init(&relay, &root, print, json)?;
        }
        Command::School(School::RestoreRoot { keys, root }) => {
            crate::school::restore_root(&keys, &root, json)?;
        }
        command => return with_client(&mut Client::open(&home)?, command, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn with_client(client: &mut Client, command: Command, json: bool) -> Result<ExitCode, ClientError> {
    match command {
        Command::Account(_) | Command::Join { .. } | Command::SignIn { .. } => {}
        Command::Device(command) => device::run(client, command, json)?,
        Command::Whoami => whoami(client, json),
        Command::Sync(options) => return session::sync(client, options, json),
        Command::Status => return session::status(client, json),
        Command::Storage => accounts::storage(client, json)?,
        Command::Course(command) => course::run(client, command, json)?,
        Command::Pending(command) => crate::pending::run(client, command, json)?,
        Command::Proposals(command) => crate::proposals::run(client, command, json)?,
        Command::Lesson(command) => course::lesson(client, command, json)?,
        Command::Assignment(command) => course::assignment(client, command, json)?,
        Command::Draft(command) => crate::draft::run(client, command, json)?,
        Command::Quiz(command) => crate::quiz::run(client, command, json)?,
        Command::Social(command) => crate::social::run(client, command, json)?,
        Command::Conversation(command) => crate::conversation::run(client, command, json)?,
        Command::Message(command) => crate::conversation::message(client, command, json)?,
        Command::Notifications { now_ms, seen } => {
            crate::social::notifications(client, now_ms, seen, json)?;
        }
        Command::Guardian(command) => crate::social::guardian(client, command, json)?,
        Command::Erase { what, reason } => crate::social::erase(client, &what, &reason, json)?,
        Command::Work { course, student } => crate::learn::work(client, course, student, json)?,
        Command::Progress { course, student } => {
            crate::learn::progress(client, course, student, json)?;
        }
        Command::Extend {
            course,
            assignment,
            student,
            due_ms,
        } => {
            client.extend(course, assignment, student, due_ms)?;
        }
        Command::Return {
            course,
            assignment,
            student,
            reason,
        } => {
            crate::learn::give_back(client, course, assignment, student, &reason)?;
        }
        Command::School(command) => crate::school::run(client, command, json)?,
        Command::Blob(command) => file::run(client, command, json)?,
        Command::Parcel(command) => crate::parcel::run(client, command, json)?,
        Command::Submit {
            course,
            assignment,
            attempt,
            file: paths,
            text,
        } => {
            let mut blobs = Vec::new();
            for path in &paths {
                blobs.push(file::keep(client, path, None)?);
            }
            client.submit(Work {
                course,
                assignment,
                attempt,
                text,
                blobs,
            })?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
        Command::Grade {
            course,
            assignment,
            student,
            points,
            feedback,
        } => grades::grade(client, course, assignment, student, points, feedback, json)?,
        Command::Conflicts(command) => return grades::conflicts(client, command, json),
        Command::Releases { course } => grades::releases(client, course, json)?,
        Command::Search { query } => {
            let hits = client.store().search(&query, 50)?;
            let value: Vec<Value> = hits
                .iter()
                .map(|hit| json!({ "space": hit.space.to_string(), "title": hit.title }))
                .collect();
            print(json, &value.into(), || {
                hits.iter().map(|hit| format!("{}\n", hit.title)).collect()
            });
        }
        Command::ImportGradebook { folder } => return gradebook::import(client, &folder, json),
        Command::Gradebook(command) => gradebook::run(client, command, json)?,
        Command::Resync => {
            client.store_mut().resync()?;
        }
        Command::Doctor { repair } => return crate::doctor::run(client, repair, json),
    }
    Ok(ExitCode::SUCCESS)
}
