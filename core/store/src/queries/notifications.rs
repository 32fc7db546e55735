//! Notifications: folded from what is held, on every device for itself. Only
//! what was seen is stated, in the account's own lane.
use rusqlite::params;
use stunity_model::Roles;
use stunity_model::work::Workflow;
use stunity_proto::{AccountId, ObjectId, SpaceId};

use crate::database::{int, uint};
use crate::{Store, StoreError};

/// The types of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// Somebody likes an own post or comment.
    PostLike,
    /// Somebody comments on an own post or answers an own comment.
    PostComment,
    /// Somebody follows this account.
    NewFollower,
    /// Work is due within a day and not handed in.
    AssignmentDue,
    /// Work was graded, marked or given back.
    AssignmentGraded,
    /// Somebody writes to this account alone, or in a conversation.
    MessageReceived,
    /// Something was published in a course, or its due time moved for this account.
    CourseUpdate,
    /// Something needs attention: refused, or hidden by staff.
    System,
}

impl NoticeKind {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PostLike => "POST_LIKE",
            Self::PostComment => "POST_COMMENT",
            Self::NewFollower => "NEW_FOLLOWER",
            Self::AssignmentDue => "ASSIGNMENT_DUE",
            Self::AssignmentGraded => "ASSIGNMENT_GRADED",
            Self::MessageReceived => "MESSAGE_RECEIVED",
            Self::CourseUpdate => "COURSE_UPDATE",
            Self::System => "SYSTEM",
        }
    }
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its type.
    pub kind: NoticeKind,
    /// What it is about.
    pub about: Option<ObjectId>,
    /// Where.
    pub space: SpaceId,
    /// Who caused it.
    pub author: Option<AccountId>,
    /// When, milliseconds since 1970: the relay's time of what caused it, or when
    /// the day before the due time began.
    pub at_ms: u64,
    /// Whether it was seen on any device of the account.
    pub seen: bool,
}

/// How long before its due time work is announced, milliseconds.
const DUE_SOON_MS: u64 = 24 * 3600 * 1000;

/// Kind, about, space, author, when; `?1` is this account, `?2` its `one:` lane.
/// What has no receipt yet notifies nobody.
const SOURCES: &[(NoticeKind, &str)] = &[
    (
        NoticeKind::PostLike,
        "SELECT l.target, l.space, l.author, l.received_ms FROM p_liked l
         WHERE l.given = 1 AND (EXISTS (SELECT 1 FROM p_post p
                WHERE p.post = l.target AND p.author = ?1)
            OR EXISTS (SELECT 1 FROM p_comment c WHERE c.comment = l.target AND c.author = ?1))
         AND NOT EXISTS (SELECT 1 FROM p_liked n WHERE n.target = l.target
            AND n.author = l.author AND n.sequence > l.sequence)",
    ),
    (
        NoticeKind::PostComment,
        "SELECT c.comment, c.space, c.author, c.received_ms FROM p_comment c
         WHERE substr(c.lane, 1, 1) <> x'02'
         AND (EXISTS (SELECT 1 FROM p_post p WHERE p.post = c.about AND p.author = ?1)
            OR EXISTS (SELECT 1 FROM p_comment o WHERE o.comment = c.parent AND o.author = ?1))",
    ),
    (
        NoticeKind::NewFollower,
        "SELECT NULL, f.space, f.author, f.received_ms FROM p_followed f
         WHERE f.account = ?1 AND f.given = 1
         AND NOT EXISTS (SELECT 1 FROM p_followed n WHERE n.account = f.account
            AND n.author = f.author AND n.sequence > f.sequence)",
    ),
    (
        NoticeKind::AssignmentGraded,
        "SELECT assignment, space, author, received_ms FROM p_release WHERE lane = ?2
         UNION ALL SELECT assignment, space, author, received_ms FROM p_auto_mark WHERE lane = ?2
         UNION ALL SELECT assignment, space, author, received_ms FROM p_returned WHERE lane = ?2",
    ),
    (
        NoticeKind::MessageReceived,
        "SELECT comment, space, author, received_ms FROM p_comment c
         WHERE substr(lane, 1, 1) = x'02' AND (lane = ?2 OR EXISTS (SELECT 1 FROM members m
            WHERE m.space = c.space AND m.account = ?1 AND m.roles & 7 <> 0))
         UNION ALL SELECT message, space, author, received_ms FROM p_message",
    ),
    (
        NoticeKind::CourseUpdate,
        "SELECT lesson, space, author, received_ms FROM p_lesson WHERE published = 1
         UNION ALL SELECT assignment, space, author, received_ms FROM p_assignment
            WHERE published = 1 AND place IS NULL
         UNION ALL SELECT assignment, space, author, received_ms FROM p_extension
            WHERE lane = ?2",
    ),
    (
        NoticeKind::System,
        "SELECT m.target, m.space, m.author, m.received_ms FROM p_moderation m
         WHERE m.hidden = 1 AND (EXISTS (SELECT 1 FROM p_post p
                WHERE p.post = m.target AND p.author = ?1)
            OR EXISTS (SELECT 1 FROM p_comment c WHERE c.comment = m.target AND c.author = ?1))
         UNION ALL SELECT i.object, i.space, NULL, i.queued_ms FROM items i
            JOIN entries e USING (entry) WHERE e.send = 3",
    ),
];

impl Store {
    /// What happened to this account, the newest first, at most `limit`. `now_ms`
    /// decides what is due soon and nothing else.
    ///
    /// # Errors
    /// A database error.
    pub fn notifications(&self, now_ms: u64, limit: usize) -> Result<Vec<Notice>, StoreError> {
        let seen_ms = self.seen_until()?;
        let me = self.owner.account;
        let lane = stunity_proto::Lane::One(me).to_key();
        let blocked = self.blocked()?;
        let mut out = self.due_soon(now_ms)?;
        for (kind, sql) in SOURCES {
            let mut statement = self.conn.prepare_cached(&format!(
                "WITH n (about, space, author, at_ms) AS ({sql})
                 SELECT about, space, author, at_ms FROM n WHERE at_ms IS NOT NULL
                 AND author IS NOT ?1 ORDER BY at_ms DESC LIMIT ?3"
            ))?;
            let mut rows = statement.query(params![&me.0, lane, int(limit as u64)])?;
            while let Some(row) = rows.next()? {
                let author = row.get::<_, Option<[u8; 16]>>(2)?.map(AccountId);
                if author.is_some_and(|author| blocked.contains(&author)) {
                    continue;
                }
                out.push(Notice {
                    kind: *kind,
                    about: row.get::<_, Option<[u8; 16]>>(0)?.map(ObjectId),
                    space: SpaceId(row.get(1)?),
                    author,
                    at_ms: uint(row.get(3)?),
                    seen: false,
                });
            }
        }
        for notice in &mut out {
            notice.seen = notice.at_ms <= seen_ms;
        }
        out.sort_by_key(|n| (std::cmp::Reverse(n.at_ms), n.kind, n.about, n.author));
        out.truncate(limit);
        Ok(out)
    }

    /// Up to when notifications were seen, on any device of the account.
    ///
    /// # Errors
    /// A database error.
    pub fn seen_until(&self) -> Result<u64, StoreError> {
        let until: Option<i64> = self
            .conn
            .prepare_cached("SELECT max(until_ms) FROM p_seen WHERE author = ?1")?
            .query_row([&self.owner.account.0], |row| row.get(0))?;
        Ok(until.map_or(0, uint))
    }

    fn due_soon(&self, now_ms: u64) -> Result<Vec<Notice>, StoreError> {
        let mut out = Vec::new();
        for course in self.courses()? {
            if !course.roles.any(Roles::STUDENT) {
                continue;
            }
            for work in self.work(course.space, Some(self.owner.account))? {
                let Some(due) = work.due_ms else { continue };
                let open = matches!(work.workflow, Workflow::Pending | Workflow::Returned);
                if open && due >= now_ms && due.saturating_sub(DUE_SOON_MS) <= now_ms {
                    out.push(Notice {
                        kind: NoticeKind::AssignmentDue,
                        about: Some(work.assignment),
                        space: course.space,
                        author: None,
                        at_ms: due.saturating_sub(DUE_SOON_MS),
                        seen: false,
                    });
                }
            }
        }
        Ok(out)
    }
}
