//! Posts, comments, likes: as far as they are held here.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Row, params};
use stunity_model::rows::{split_blobs, split_cells};
use stunity_model::social::PostKind;
use stunity_proto::{AccountId, BlobId, EntryId, ObjectId, SpaceId};

use super::LATEST_LAST;
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
    /// Files, by hash.
    pub media: Vec<BlobId>,
    /// Options of a poll or quiz.
    pub options: Vec<String>,
    /// Votes for each option, as far as they are held here.
    pub votes: Vec<u64>,
    /// The own vote.
    pub own_vote: Option<u64>,
    /// Answers to an event: no, yes, perhaps.
    pub answers: [u64; 3],
    /// The own answer.
    pub own_answer: Option<u8>,
    /// Liked by this account.
    pub liked: bool,
}

/// A post in a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// The post.
    pub post: PostRow,
    /// Its author wrote something before it, in the same place, that is not held
    /// here: a page that shows it is not complete.
    pub gap_before: bool,
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
    /// How deep it is nested; 0 for what answers no comment that is held.
    pub depth: u64,
    /// Hidden by staff.
    pub hidden: bool,
}

/// Something that was reported to the staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// What.
    pub target: ObjectId,
    /// Who reported it.
    pub author: AccountId,
    /// The course, or the school.
    pub space: SpaceId,
    /// Why.
    pub reason: String,
    /// When a relay received it.
    pub received_ms: Option<u64>,
    /// What staff did since; none if nothing.
    pub hidden: Option<bool>,
}

/// Likes that stand: the last word of each account.
const LIKES: &str = "(SELECT count(*) FROM p_liked l WHERE l.target = {id} AND l.given = 1
    AND NOT EXISTS (SELECT 1 FROM p_liked n WHERE n.target = l.target AND n.author = l.author
        AND (n.sequence IS NULL, coalesce(n.sequence, 0), n.entry, n.op)
          > (l.sequence IS NULL, coalesce(l.sequence, 0), l.entry, l.op)))";

/// The last word of the staff. Those of a course speak for what is in it, those
/// of the school for everything.
const HIDDEN: &str = "(SELECT m.hidden FROM p_moderation m WHERE m.target = {id}
    AND m.space IN ({space}, {school}) ORDER BY m.sequence IS NULL DESC, m.sequence DESC,
    m.entry DESC, m.op DESC LIMIT 1)";

fn cells(joined: &str) -> Vec<String> {
    let cells = split_cells(joined);
    cells.into_iter().filter(|cell| !cell.is_empty()).collect()
}

fn post_of(row: &Row<'_>) -> rusqlite::Result<PostRow> {
    let options = cells(&row.get::<_, String>(13)?);
    Ok(PostRow {
        post: ObjectId(row.get(0)?),
        entry: EntryId(row.get(1)?),
        space: SpaceId(row.get(2)?),
        author: AccountId(row.get(3)?),
        kind: row.get(4)?,
        text: row.get(5)?,
        text_km: row.get(6)?,
        hashtags: cells(&row.get::<_, String>(7)?),
        starts_ms: row.get::<_, Option<i64>>(8)?.map(uint),
        received_ms: row.get::<_, Option<i64>>(9)?.map(uint),
        likes: uint(row.get(10)?),
        comments: uint(row.get(11)?),
        hidden: row.get::<_, Option<bool>>(12)?.unwrap_or(false),
        media: split_blobs(&row.get::<_, Option<Vec<u8>>>(14)?.unwrap_or_default()),
        votes: vec![0; options.len()],
        options,
        own_vote: None,
        answers: [0; 3],
        own_answer: None,
        liked: false,
    })
}

impl Store {
    fn hidden(&self, id: &str, space: &str) -> String {
        // The school's id is 16 bytes of this database's own.
        let school: String = (self.owner.school.space().0.iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        HIDDEN
            .replace("{id}", id)
            .replace("{space}", space)
            .replace("{school}", &format!("x'{school}'"))
    }

    /// The newest posts received before `before_ms`, of one space or of all;
    /// own ones that wait come first. Hidden ones are marked, not left out.
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
        let hidden = self.hidden("p.post", "p.space");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT p.post, p.entry, p.space, p.author, p.kind, p.text, p.text_km, p.hashtags,
                p.starts_ms, p.received_ms, {likes},
                (SELECT count(*) FROM p_comment c WHERE c.about = p.post), {hidden},
                p.options, p.media
             FROM p_post p WHERE (?1 IS NULL OR p.space = ?1)
             AND (?2 IS NULL OR p.received_ms < ?2)
             ORDER BY p.received_ms IS NULL DESC, p.received_ms DESC, p.entry LIMIT ?3"
        ))?;
        let space = space.map(|space| space.0);
        let mut posts = statement
            .query_map(params![space, before_ms.map(int), limit as i64], post_of)?
            .collect::<Result<Vec<_>, _>>()?;
        for post in &mut posts {
            self.count_answers(post)?;
        }
        Ok(posts)
    }

    /// The last word of each account on a post.
    fn last_words(
        &self,
        table: &str,
        column: &str,
        of: &str,
        id: ObjectId,
    ) -> Result<BTreeMap<AccountId, u64>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT author, {column} FROM {table} WHERE {of} = ?1 ORDER BY {LATEST_LAST}"
        ))?;
        let rows = statement.query_map([&id.0], |row| {
            Ok((AccountId(row.get(0)?), uint(row.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn count_answers(&self, post: &mut PostRow) -> Result<(), StoreError> {
        let me = self.owner.account;
        let likes = self.last_words("p_liked", "given", "target", post.post)?;
        post.liked = likes.get(&me) == Some(&1);
        match PostKind::from_code(post.kind) {
            Some(PostKind::Poll | PostKind::Quiz) => {
                let votes = self.last_words("p_vote", "choice", "post", post.post)?;
                // A vote for an option that is not there is none.
                for choice in votes.values() {
                    let place = usize::try_from(*choice).ok();
                    if let Some(count) = place.and_then(|place| post.votes.get_mut(place)) {
                        *count += 1;
                    }
                }
                let options = post.options.len() as u64;
                post.own_vote = votes.get(&me).copied().filter(|choice| *choice < options);
            }
            Some(PostKind::Event) => {
                let answers = self.last_words("p_rsvp", "answer", "post", post.post)?;
                for answer in answers.values() {
                    let place = usize::try_from(*answer).ok();
                    if let Some(count) = place.and_then(|place| post.answers.get_mut(place)) {
                        *count += 1;
                    }
                }
                post.own_answer = answers.get(&me).and_then(|a| u8::try_from(*a).ok());
            }
            _ => {}
        }
        Ok(())
    }

    /// What this account is shown: the newest posts of every place that it reads,
    /// without those of accounts that it blocks and those hidden by staff.
    ///
    /// # Errors
    /// A database error.
    pub fn feed(&self, before_ms: Option<u64>, limit: usize) -> Result<Vec<FeedRow>, StoreError> {
        let blocked = self.blocked()?;
        let mut out = Vec::new();
        let mut before = before_ms;
        while out.len() < limit {
            let page = self.posts(None, before, limit)?;
            let full = page.len() == limit;
            let oldest = page.last().and_then(|post| post.received_ms);
            let shown = (page.into_iter())
                .filter(|post| !post.hidden && !blocked.contains(&post.author))
                .take(limit - out.len());
            for post in shown {
                out.push(FeedRow {
                    gap_before: self.is_gap_before(&post)?,
                    post,
                });
            }
            // A page of posts that no relay has yet has nothing before it.
            match oldest.filter(|_| full) {
                Some(oldest) => before = Some(oldest),
                None => break,
            }
        }
        Ok(out)
    }

    /// In what is replicated by a cursor nothing is left out.
    fn is_gap_before(&self, post: &PostRow) -> Result<bool, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM entries e JOIN chains c USING (chain)
                 WHERE e.id = ?1 AND e.sequence > 1
                 AND NOT EXISTS (SELECT 1 FROM cursors k WHERE k.space = c.space
                    AND (k.lane = c.lane OR k.lane = x''))
                 AND NOT EXISTS (SELECT 1 FROM entries b
                    WHERE b.chain = e.chain AND b.sequence = e.sequence - 1))",
            )?
            .query_row([&post.entry.0], |row| row.get(0))?)
    }

    /// The accounts that this account blocks.
    ///
    /// # Errors
    /// A database error.
    pub fn blocked(&self) -> Result<BTreeSet<AccountId>, StoreError> {
        self.given("p_blocked", "account", "author", self.owner.account)
    }

    /// Whom an account follows, as far as it is held.
    ///
    /// # Errors
    /// A database error.
    pub fn following(&self, account: AccountId) -> Result<BTreeSet<AccountId>, StoreError> {
        self.given("p_followed", "account", "author", account)
    }

    /// Who follows an account, as far as it is held.
    ///
    /// # Errors
    /// A database error.
    pub fn followers(&self, account: AccountId) -> Result<BTreeSet<AccountId>, StoreError> {
        self.given("p_followed", "author", "account", account)
    }

    /// The accounts for which the last word was yes.
    fn given(
        &self,
        table: &str,
        column: &str,
        of: &str,
        account: AccountId,
    ) -> Result<BTreeSet<AccountId>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {column}, given FROM {table} WHERE {of} = ?1 ORDER BY {LATEST_LAST}"
        ))?;
        let rows = statement.query_map([&account.0], |row| {
            Ok((AccountId(row.get(0)?), row.get::<_, bool>(1)?))
        })?;
        let last: BTreeMap<AccountId, bool> = rows.collect::<Result<_, _>>()?;
        Ok(last
            .into_iter()
            .filter_map(|(account, given)| given.then_some(account))
            .collect())
    }

    /// What was reported to the staff, the newest first: for those who read it.
    ///
    /// # Errors
    /// A database error.
    pub fn reports(&self) -> Result<Vec<ReportRow>, StoreError> {
        let hidden = self.hidden("r.target", "r.space");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT r.target, r.author, r.space, r.reason, r.received_ms, {hidden}
             FROM p_report r ORDER BY r.received_ms IS NULL DESC, r.received_ms DESC, r.entry"
        ))?;
        let rows = statement.query_map([], |row| {
            Ok(ReportRow {
                target: ObjectId(row.get(0)?),
                author: AccountId(row.get(1)?),
                space: SpaceId(row.get(2)?),
                reason: row.get(3)?,
                received_ms: row.get::<_, Option<i64>>(4)?.map(uint),
                hidden: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is said about something: each comment before its answers, those of one
    /// comment the oldest first.
    ///
    /// # Errors
    /// A database error.
    pub fn comments(&self, about: ObjectId) -> Result<Vec<CommentRow>, StoreError> {
        let likes = LIKES.replace("{id}", "c.comment");
        let hidden = self.hidden("c.comment", "c.space");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT c.comment, c.parent, c.author, c.text, c.received_ms, {likes}, {hidden}
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
                depth: 0,
                hidden: row.get::<_, Option<bool>>(6)?.unwrap_or(false),
            })
        })?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        // A copied phone may say the same in two entries.
        let mut seen = BTreeSet::new();
        rows.retain(|row: &CommentRow| seen.insert((row.comment, row.author, row.text.clone())));
        Ok(nest(rows))
    }
}

/// Puts answers below what they answer. What answers itself in a circle, which
/// only a forger writes, stands at the end.
fn nest(comments: Vec<CommentRow>) -> Vec<CommentRow> {
    let held: BTreeSet<ObjectId> = comments.iter().map(|row| row.comment).collect();
    let mut below: BTreeMap<Option<ObjectId>, Vec<CommentRow>> = BTreeMap::new();
    for row in comments {
        let parent = row.parent.filter(|parent| held.contains(parent));
        below.entry(parent).or_default().push(row);
    }
    let mut out = Vec::new();
    let mut open: Vec<CommentRow> = below.remove(&None).unwrap_or_default();
    open.reverse();
    while let Some(row) = open.pop() {
        let answers = below.remove(&Some(row.comment)).unwrap_or_default();
        let depth = row.depth + 1;
        open.extend(
            answers
                .into_iter()
                .rev()
                .map(|row| CommentRow { depth, ..row }),
        );
        out.push(row);
    }
    out.extend(below.into_values().flatten());
    out
}
