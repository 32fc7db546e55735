//! `stunity social`, `notifications`, `guardian`, `erase`.
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use stunity_client::{Client, ClientError, NewPost, Place};
use stunity_model::social::PostKind;
use stunity_proto::{AccountId, BlobId, DocId, EntryId, ObjectId, SpaceId};

use crate::show::{created, points, print};

/// Where something is said: in a course, else in the account's own public lane.
#[derive(Args)]
pub struct Where {
    /// In a course, for its members.
    #[arg(long)]
    course: Option<SpaceId>,
    /// For the account's connections alone.
    #[arg(long, conflicts_with = "course")]
    connections: bool,
}

impl From<Where> for Place {
    fn from(place: Where) -> Self {
        match (place.course, place.connections) {
            (Some(course), _) => Self::Course(course),
            (None, true) => Self::Connections,
            (None, false) => Self::Public,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    Text,
    Image,
    Video,
    Poll,
    Quiz,
    Article,
    Event,
}

impl From<Kind> for PostKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Image => Self::Image,
            Kind::Video => Self::Video,
            Kind::Poll => Self::Poll,
            Kind::Quiz => Self::Quiz,
            Kind::Article => Self::Article,
            Kind::Event => Self::Event,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Answer {
    No,
    Yes,
    Perhaps,
}

#[derive(Subcommand)]
pub enum Social {
    /// Writes a post.
    Post {
        #[command(flatten)]
        place: Where,
        #[arg(long, value_enum, default_value_t = Kind::Text)]
        kind: Kind,
        #[arg(long)]
        text_km: Option<String>,
        /// A hashtag, without the sign; may be given again.
        #[arg(long)]
        hashtag: Vec<String>,
        /// An option of a poll or quiz; may be given again.
        #[arg(long)]
        option: Vec<String>,
        /// A file by its hash; may be given again.
        #[arg(long)]
        media: Vec<BlobId>,
        /// When an event takes place, milliseconds since 1970.
        #[arg(long)]
        starts_ms: Option<u64>,
        text: String,
    },
    /// The newest posts, without those of blocked accounts.
    Feed {
        /// Received before, milliseconds since 1970.
        #[arg(long)]
        before_ms: Option<u64>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Likes a post or comment.
    Like {
        #[command(flatten)]
        place: Where,
        target: ObjectId,
        /// Takes it back.
        #[arg(long)]
        undo: bool,
    },
    /// Says something about a post, lesson or assignment.
    Comment {
        #[command(flatten)]
        place: Where,
        about: ObjectId,
        /// The comment that it answers.
        #[arg(long)]
        parent: Option<ObjectId>,
        text: String,
    },
    /// What was said about something.
    Thread { about: ObjectId },
    /// Votes in a poll.
    Vote {
        #[command(flatten)]
        place: Where,
        post: ObjectId,
        /// The option, by index.
        option: u64,
    },
    /// Answers an event.
    Rsvp {
        #[command(flatten)]
        place: Where,
        post: ObjectId,
        #[arg(value_enum)]
        answer: Answer,
    },
    /// Follows an account.
    Follow {
        account: AccountId,
        /// Ends it.
        #[arg(long)]
        undo: bool,
    },
    /// Blocks an account.
    Block {
        account: AccountId,
        /// Ends it.
        #[arg(long)]
        undo: bool,
    },
    /// Reports something to the staff of a course, or of the school.
    Report {
        #[arg(long)]
        course: Option<SpaceId>,
        target: ObjectId,
        reason: String,
    },
    /// What was reported, for staff.
    Reports,
    /// Hides something in a course, or in the school.
    Moderate {
        #[arg(long)]
        course: Option<SpaceId>,
        target: ObjectId,
        /// Restores it.
        #[arg(long)]
        undo: bool,
        #[arg(default_value = "")]
        reason: String,
    },
}

#[derive(Subcommand)]
pub enum Guardian {
    /// Names a guardian: by the school's registrars.
    Name {
        #[arg(long)]
        guardian: AccountId,
        #[arg(long)]
        child: AccountId,
        /// Milliseconds since 1970.
        #[arg(long)]
        until_ms: u64,
    },
    /// Ends a guardianship.
    End {
        #[arg(long)]
        guardian: AccountId,
        #[arg(long)]
        child: AccountId,
    },
    /// Lets a guardian read: the child's word, or the school's.
    Consent {
        #[arg(long)]
        guardian: AccountId,
        /// Oneself if left out.
        #[arg(long)]
        child: Option<AccountId>,
    },
    /// Suspends a guardian: the child's word, or the school's.
    Suspend {
        #[arg(long)]
        guardian: AccountId,
        /// Oneself if left out.
        #[arg(long)]
        child: Option<AccountId>,
    },
    /// The guardianships that are known here.
    List,
    /// The work and grades of a child of this account.
    Child { child: AccountId },
}

/// What is to be erased everywhere.
#[derive(Args)]
#[group(id = "what", required = true, multiple = false)]
pub struct Erase {
    /// A submission, by its entry.
    #[arg(long)]
    submission: Option<EntryId>,
    /// A comment.
    #[arg(long)]
    comment: Option<ObjectId>,
    /// A post.
    #[arg(long)]
    post: Option<ObjectId>,
    /// A file, by its hash.
    #[arg(long)]
    file: Option<BlobId>,
    /// The past of a document: prints the one that goes on in its place.
    #[arg(long)]
    history: Option<DocId>,
}

/// Runs a command.
pub fn run(client: &mut Client, command: Social, json: bool) -> Result<(), ClientError> {
    match command {
        Social::Post {
            place,
            kind,
            text_km,
            hashtag,
            option,
            media,
            starts_ms,
            text,
        } => {
            let post = NewPost {
                kind: kind.into(),
                text,
                text_km,
                media,
                hashtags: hashtag,
                options: option,
                starts_ms,
            };
            created(json, "post", client.post(place.into(), post)?);
        }
        Social::Feed { before_ms, limit } => feed(client, before_ms, limit, json)?,
        Social::Like {
            place,
            target,
            undo,
        } => client.like(place.into(), target, !undo)?,
        Social::Comment {
            place,
            about,
            parent,
            text,
        } => {
            let comment = client.reply(place.into(), about, parent, &text)?;
            created(json, "comment", comment);
        }
        Social::Thread { about } => thread(client, about, json)?,
        Social::Vote {
            place,
            post,
            option,
        } => client.vote(place.into(), post, option)?,
        Social::Rsvp {
            place,
            post,
            answer,
        } => client.answer_event(place.into(), post, answer as u8)?,
        Social::Follow { account, undo } => client.follow(account, !undo)?,
        Social::Block { account, undo } => client.block(account, !undo)?,
        Social::Report {
            course,
            target,
            reason,
        } => client.report(course, target, &reason)?,
        Social::Reports => reports(client, json)?,
        Social::Moderate {
            course,
            target,
            undo,
            reason,
        } => client.moderate(course, target, !undo, &reason)?,
    }
    Ok(())
}

fn feed(
    client: &Client,
    before_ms: Option<u64>,
    limit: usize,
    json: bool,
) -> Result<(), ClientError> {
    let rows = client.store().feed(before_ms, limit)?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            let post = &row.post;
            json!({
                "post": post.post.to_string(),
                "space": post.space.to_string(),
                "author": post.author.to_string(),
                "kind": PostKind::from_code(post.kind).map(PostKind::name),
                "text": post.text,
                "text_km": post.text_km,
                "hashtags": post.hashtags,
                "media": post.media.iter().map(BlobId::to_string).collect::<Vec<_>>(),
                "options": post.options,
                "votes": post.votes,
                "own_vote": post.own_vote,
                "starts_ms": post.starts_ms,
                "answers": post.answers,
                "own_answer": post.own_answer,
                "likes": post.likes,
                "liked": post.liked,
                "comments": post.comments,
                "received_ms": post.received_ms,
                "gap_before": row.gap_before,
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| {
                let gap = match row.gap_before {
                    true => "… more by this author is not here\n",
                    false => "",
                };
                let post = &row.post;
                format!(
                    "{}  {}\n  {} likes, {} comments\n{gap}",
                    post.post, post.text, post.likes, post.comments
                )
            })
            .collect()
    });
    Ok(())
}

fn thread(client: &Client, about: ObjectId, json: bool) -> Result<(), ClientError> {
    let mut rows = client.store().comments(about)?;
    rows.retain(|row| !row.hidden);
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "comment": row.comment.to_string(),
                "author": row.author.to_string(),
                "text": row.text,
                "depth": row.depth,
                "likes": row.likes,
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| {
                let indent = "  ".repeat(usize::try_from(row.depth).unwrap_or(0).min(20));
                format!("{indent}{}  {}\n", row.comment, row.text)
            })
            .collect()
    });
    Ok(())
}

fn reports(client: &Client, json: bool) -> Result<(), ClientError> {
    let rows = client.store().reports()?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "target": row.target.to_string(),
                "author": row.author.to_string(),
                "space": row.space.to_string(),
                "reason": row.reason,
                "hidden": row.hidden,
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| format!("{}  {}\n", row.target, row.reason))
            .collect()
    });
    Ok(())
}

/// The newest notifications; `seen` notes that all of them were seen.
pub fn notifications(
    client: &mut Client,
    now_ms: Option<u64>,
    seen: bool,
    json: bool,
) -> Result<(), ClientError> {
    // What is due soon is due soon by the relay's clock, if no other is given.
    let now_ms = match now_ms {
        Some(now_ms) => now_ms,
        None => client.store().last_relay_ms()?.unwrap_or(0),
    };
    let rows = client.store().notifications(now_ms, 50)?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "kind": row.kind.name(),
                "about": row.about.map(|id| id.to_string()),
                "space": row.space.to_string(),
                "author": row.author.map(|id| id.to_string()),
                "at_ms": row.at_ms,
                "seen": row.seen,
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| {
                let new = if row.seen { " " } else { "*" };
                let about = row.about.map(|id| id.to_string()).unwrap_or_default();
                format!("{new} {}  {about}\n", row.kind.name())
            })
            .collect()
    });
    match rows.first() {
        Some(newest) if seen => client.mark_seen(newest.at_ms),
        _ => Ok(()),
    }
}

/// Runs a command.
pub fn guardian(client: &mut Client, command: Guardian, json: bool) -> Result<(), ClientError> {
    let me = client.store().account();
    match command {
        Guardian::Name {
            guardian,
            child,
            until_ms,
        } => client.name_guardian(guardian, child, until_ms),
        Guardian::End { guardian, child } => client.end_guardianship(guardian, child),
        Guardian::Consent { guardian, child } => {
            client.set_guardian_access(guardian, child.unwrap_or(me), true)
        }
        Guardian::Suspend { guardian, child } => {
            client.set_guardian_access(guardian, child.unwrap_or(me), false)
        }
        Guardian::List => {
            let rows = client.store().guardianships()?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "guardian": row.guardian.to_string(),
                        "child": row.child.to_string(),
                        "until_ms": row.until_ms,
                        "access": row.access.code(),
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        let access = row.access.code();
                        format!("{}  reads {}: {access}\n", row.guardian, row.child)
                    })
                    .collect()
            });
            Ok(())
        }
        Guardian::Child { child } => {
            let rows = client.store().child_work(child)?;
            let value: Vec<Value> = rows
                .iter()
                .map(|(course, row)| {
                    json!({
                        "course": course.to_string(),
                        "assignment": row.assignment.to_string(),
                        "status": row.status(),
                        "timeliness": row.timeliness.code(),
                        "due_ms": row.due_ms,
                        "points": row.points,
                        "max_points": row.max_points,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|(_, row)| {
                        let shown = row.points.map(points).unwrap_or_default();
                        format!("{}  {}  {shown}\n", row.assignment, row.status())
                    })
                    .collect()
            });
            Ok(())
        }
    }
}

/// Erases one thing everywhere.
pub fn erase(
    client: &mut Client,
    what: &Erase,
    reason: &str,
    json: bool,
) -> Result<(), ClientError> {
    if let Some(doc) = what.history {
        created(json, "document", client.erase_history(doc, reason)?);
        return Ok(());
    }
    let object = what.comment.or(what.post);
    match (what.submission, object, what.file) {
        (Some(entry), _, _) => client.erase(&entry.0, reason)?,
        (_, Some(object), _) => client.erase(&object.0, reason)?,
        (_, _, Some(blob)) => client.erase_file(blob, reason)?,
        (None, None, None) => return Err(ClientError::Invalid("erase.unknown")),
    }
    print(json, &json!({ "erased": true }), || {
        "erased here; elsewhere when it syncs".to_owned()
    });
    Ok(())
}
