//! Posts, comments, likes: as far as they are held here.
use rusqlite::{Row, params};
use stunity_model::rows::split_cells;
use stunity_proto::{AccountId, EntryId, ObjectId, SpaceId};

use super::LATEST_FIRST;
use crate::database::{int, uint};
use crate::{Store, StoreError};

/// A post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostRow {
    /// The post.
    pub post: ObjectId,
    /// The entry that carries it.
    pub entry: EntryId,
    /// Where.
    pub space: SpaceId,
    /// Who wrote it.
    pub author: AccountId,
    /// 0 text, 1 image, 2 video, 3 poll, 4 quiz, 5 article, 6 event.
    pub kind: u8,
    /// The text.
    pub text: String,
    /// The Khmer text.
    pub text_km: Option<String>,
    /// Hashtags, without the sign.
    pub hashtags: Vec<String>,
    /// When an event takes place.
    pub starts_ms: Option<u64>,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// Likes held here: a lower bound.
    pub likes: u64,
    /// Comments held here: a lower bound.
    pub comments: u64,
    /// Hidden by staff.
    pub hidden: bool,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentRow {
    /// The comment.
    pub comment: ObjectId,
    /// What it is about.
    pub about: ObjectId,
    /// The comment that it answers.
    pub parent: Option<ObjectId>,
    /// Who wrote it.
    pub author: AccountId,
    /// The text.
    pub text: String,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// Likes held here: a lower bound.
    pub likes: u64,
}

/// Likes that stand: the last word of each account.
const LIKES: &str = "(SELECT count(*) FROM p_liked l WHERE l.target = {id} AND l.given = 1
    AND NOT EXISTS (SELECT 1 FROM p_liked n WHERE n.target = l.target AND n.author = l.author
        AND (n.sequence IS NULL, coalesce(n.sequence, 0), n.entry, n.op)
          > (l.sequence IS NULL, coalesce(l.sequence, 0), l.entry, l.op)))";

fn post_of(row: &Row<'_>) -> rusqlite::Result<PostRow> {
    Ok(PostRow {
        post: ObjectId(row.get(0)?),
        entry: EntryId(row.get(1)?),
        space: SpaceId(row.get(2)?),
        author: AccountId(row.get(3)?),
        kind: row.get(4)?,
        text: row.get(5)?,
        text_km: row.get(6)?,
        hashtags: split_cells(&row.get::<_, String>(7)?)
            .into_iter()
            .filter(|tag| !tag.is_empty())
            .collect(),
        starts_ms: row.get::<_, Option<i64>>(8)?.map(uint),
        received_ms: row.get::<_, Option<i64>>(9)?.map(uint),
        likes: uint(row.get(10)?),
        comments: uint(row.get(11)?),
        hidden: row.get::<_, Option<bool>>(12)?.unwrap_or(false),
    })
}

impl Store {
    /// The newest posts received before `before_ms`, of one space or of all;
    /// own ones that wait come first.
    ///
    /// # Errors
    /// A database error.
    pub fn posts(
        &self,
        space: Option<SpaceId>,
        before_ms: Option<u64>,
        limit: usize,
    ) -> Result<Vec<PostRow>, StoreError> {
        let likes = LIKES.replace("{id}", "p.post");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT p.post, p.entry, p.space, p.author, p.kind, p.text, p.text_km, p.hashtags,
                p.starts_ms, p.received_ms, {likes},
                (SELECT count(*) FROM p_comment c WHERE c.about = p.post),
                (SELECT hidden FROM p_moderation m WHERE m.target = p.post
                 ORDER BY {LATEST_FIRST} LIMIT 1)
             FROM p_post p WHERE (?1 IS NULL OR p.space = ?1)
             AND (?2 IS NULL OR p.received_ms < ?2)
             ORDER BY p.received_ms IS NULL DESC, p.received_ms DESC, p.entry LIMIT ?3"
        ))?;
        let space = space.map(|space| space.0);
        let rows =
            statement.query_map(params![space, before_ms.map(int), limit as i64], post_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is said about something, the oldest first.
    ///
    /// # Errors
    /// A database error.
    pub fn comments(&self, about: ObjectId) -> Result<Vec<CommentRow>, StoreError> {
        let likes = LIKES.replace("{id}", "c.comment");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT c.comment, c.parent, c.author, c.text, c.received_ms, {likes}
             FROM p_comment c WHERE c.about = ?1
             ORDER BY c.received_ms IS NULL, c.received_ms, c.entry, c.op"
        ))?;
        let rows = statement.query_map([&about.0], |row| {
            Ok(CommentRow {
                comment: ObjectId(row.get(0)?),
                about,
                parent: row.get::<_, Option<[u8; 16]>>(1)?.map(ObjectId),
                author: AccountId(row.get(2)?),
                text: row.get(3)?,
                received_ms: row.get::<_, Option<i64>>(4)?.map(uint),
                likes: uint(row.get(5)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
