//! `stunity conversation` and `message`: envelopes come from files and go into files;
//! what is in them is no business of this command.
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use stunity_client::{Between, Client, ClientError, Receipt};
use stunity_model::talk::{Kind, Standing};
use stunity_proto::{AccountId, ObjectId, SpaceId};
use stunity_store::{ConversationRow, MessageRow};

use crate::show::{created, print, size, time};

#[derive(Subcommand)]
pub enum Conversation {
    /// Lists the conversations held here, the newest first.
    List,
    /// Begins one: with one account between two, else of a group.
    Start {
        #[arg(required = true)]
        with: Vec<AccountId>,
        /// A group, also with one account.
        #[arg(long)]
        group: bool,
    },
    /// Says what a group is called, sealed in a file.
    Name {
        conversation: SpaceId,
        #[arg(long)]
        envelope: PathBuf,
    },
    /// Takes somebody into a group, or removes somebody.
    Set {
        conversation: SpaceId,
        account: AccountId,
        #[arg(value_enum)]
        standing: As,
    },
    /// Leaves.
    Leave { conversation: SpaceId },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum As {
    /// In it no more.
    Out,
    /// In it.
    In,
    /// In it, and says who else is.
    Host,
}

impl From<As> for Standing {
    fn from(standing: As) -> Self {
        match standing {
            As::Out => Self::Out,
            As::In => Self::In,
            As::Host => Self::Host,
        }
    }
}

#[derive(Subcommand)]
pub enum Message {
    /// Sends a sealed message.
    Send {
        #[arg(long)]
        to: SpaceId,
        /// The file that has it, 1 B to 48 KB.
        #[arg(long)]
        envelope: PathBuf,
    },
    /// Lists messages, the newest first.
    List {
        #[arg(long)]
        of: SpaceId,
        /// Only those that stand before this number.
        #[arg(long)]
        before: Option<u64>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Writes each as a file into this folder, named by its id.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Notes that everything up to a message was read.
    Read {
        #[arg(long)]
        of: SpaceId,
        until: ObjectId,
        /// Shows it to the others.
        #[arg(long)]
        shown: bool,
    },
}

/// Runs a command of conversations.
pub fn run(client: &mut Client, command: Conversation, json: bool) -> Result<(), ClientError> {
    match command {
        Conversation::List => {
            let rows = client.store().conversations()?;
            let value: Vec<Value> = rows.iter().map(value).collect();
            print(json, &value.into(), || rows.iter().map(line).collect());
        }
        Conversation::Start { with, group } => {
            let between = match with[..] {
                [other] if !group => Between::Two(other),
                _ => Between::Group(with),
            };
            created(json, "conversation", client.start_conversation(between)?);
        }
        Conversation::Name {
            conversation,
            envelope,
        } => client.name_conversation(conversation, std::fs::read(envelope)?)?,
        Conversation::Set {
            conversation,
            account,
            standing,
        } => client.set_conversation_member(conversation, account, standing.into())?,
        Conversation::Leave { conversation } => {
            let me = client.store().account();
            client.set_conversation_member(conversation, me, Standing::Out)?;
        }
    }
    Ok(())
}

/// Runs a command of messages.
pub fn message(client: &mut Client, command: Message, json: bool) -> Result<(), ClientError> {
    match command {
        Message::Send { to, envelope } => {
            let envelope = std::fs::read(envelope)?;
            created(json, "message", client.send_envelope(to, envelope)?);
        }
        Message::List {
            of,
            before,
            limit,
            into,
        } => {
            let rows = client.store().messages(of, before, limit)?;
            if let Some(folder) = into {
                save(&folder, &rows)?;
            }
            let value: Vec<Value> = rows.iter().map(message_value).collect();
            print(json, &value.into(), || {
                rows.iter().map(message_line).collect()
            });
        }
        Message::Read { of, until, shown } => {
            let receipt = match shown {
                true => Receipt::Shown,
                false => Receipt::Own,
            };
            client.mark_read(of, until, receipt)?;
        }
    }
    Ok(())
}

fn save(folder: &Path, rows: &[MessageRow]) -> Result<(), ClientError> {
    std::fs::create_dir_all(folder)?;
    for row in rows {
        std::fs::write(folder.join(row.message.to_string()), &row.envelope)?;
    }
    Ok(())
}

fn kind(row: &ConversationRow) -> &'static str {
    match row.kind {
        Kind::Direct => "direct",
        Kind::Group => "group",
    }
}

fn value(row: &ConversationRow) -> Value {
    json!({
        "conversation": row.space.to_string(),
        "kind": kind(row),
        "members": row.members.iter().map(|(member, _)| member.to_string()).collect::<Vec<_>>(),
        "unread": row.unread,
        "last": row.last.as_ref().map(message_value),
    })
}

fn line(row: &ConversationRow) -> String {
    let when = (row.last.as_ref()).map_or("nothing yet".to_owned(), when);
    let (members, unread) = (row.members.len(), row.unread);
    let (space, kind) = (row.space, kind(row));
    format!("{space}  {kind} of {members}, {unread} unread  ({when})\n")
}

fn when(row: &MessageRow) -> String {
    row.received_ms.map_or("not at a relay".to_owned(), time)
}

fn message_value(row: &MessageRow) -> Value {
    json!({
        "message": row.message.to_string(),
        "author": row.author.to_string(),
        "number": row.number,
        "received_ms": row.received_ms,
        "bytes": row.envelope.len(),
    })
}

fn message_line(row: &MessageRow) -> String {
    let bytes = size(row.envelope.len() as u64);
    let (message, author) = (row.message, row.author);
    format!("{message}  {bytes} by {author}  ({})\n", when(row))
}
