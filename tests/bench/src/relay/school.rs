//! The school that is loaded, made in its database before the relay's process starts.
use std::fmt::Write as _;
use std::path::Path;

use stunity_model::events::{CourseGenesis, Event};
use stunity_proto::frame::FullCursor;
use stunity_proto::{Entry, EntryId, Lane, SchoolId, SpaceId};
use stunity_server::Log;
use stunity_server::db::{Source, sql};
use stunity_server::log::{Join, Proof};
use stunity_sync::replica::Outcome;

use super::Fallible;
use super::people::{Chain, Person};

/// The course's teacher; pupils follow.
pub const TEACHER: usize = 0;

/// What the loading process must know.
pub struct Plan {
    /// The school.
    pub school: SchoolId,
    /// The course.
    pub course: SpaceId,
    /// The first entry of the course.
    pub genesis: EntryId,
    /// Where each pupil was enrolled, from number 1.
    pub enrolled: Vec<EntryId>,
    /// What the teacher's device holds when it is in sync.
    pub cursors: Vec<FullCursor>,
}

fn hex(bytes: &[u8]) -> String {
    stunity_server::accounts::to_hex(bytes)
}

fn unhex<const N: usize>(text: &str) -> Fallible<[u8; N]> {
    let bytes = stunity_server::accounts::from_hex(text).ok_or("not hexadecimal")?;
    bytes.try_into().map_err(|_| "another length".into())
}

impl Plan {
    /// The last number of the course.
    #[must_use]
    pub fn course_end(&self) -> u64 {
        self.cursors
            .iter()
            .find(|cursor| cursor.space == self.course)
            .map_or(0, |cursor| cursor.sequence)
    }

    /// Makes a school with `people` accounts in `folder`, of whom the first
    /// `pupils` after the teacher are enrolled in one course.
    ///
    /// # Errors
    /// What the relay's log says.
    pub async fn make(folder: &Path, people: usize, pupils: usize) -> Fallible<Self> {
        let log = Log::open(folder).await?;
        let school = log.keys().school();
        let mut joining = tokio::task::JoinSet::new();
        for number in 0..people {
            let person = Person::new(school, number)?;
            let log = log.clone();
            joining.spawn(async move {
                let join = Join {
                    proof: Proof::Login(String::new(), person.account),
                    genesis: person.genesis,
                };
                log.join(join).await
            });
        }
        while let Some(joined) = joining.join_next().await {
            joined??;
        }
        // A teacher of the school makes the course.
        let teacher = Person::new(school, TEACHER)?;
        let code = log
            .invite(stunity_identity::StaffRoles::TEACHER, None)
            .await?;
        log.join(Join {
            proof: Proof::Code(code),
            genesis: teacher.genesis.clone(),
        })
        .await?;
        let course = SpaceId([9; 16]);
        let event = Event::from(CourseGenesis {
            salt: 0,
            imported: false,
            open: false,
            counts_attested: false,
            counts_api_grades: false,
            foreign_id: None,
        });
        let mut chain = Chain::default();
        let genesis = teacher.state(&mut chain, (course, Lane::All), &[], &[event])?;
        append(&log, vec![genesis.clone()]).await?;
        let mut entries = Vec::new();
        for number in 1..=pupils {
            let pupil = Person::new(school, number)?;
            entries.push(teacher.enrol(course, pupil.account, genesis.id())?);
        }
        let enrolled = entries.iter().map(Entry::id).collect();
        append(&log, entries).await?;
        log.flush().await?;
        Ok(Self {
            school,
            course,
            genesis: genesis.id(),
            enrolled,
            cursors: Vec::new(),
        })
    }

    /// Notes what a device of the teacher holds that is in sync now.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_cursors(&mut self, folder: &Path) -> Fallible<()> {
        let teacher = Person::new(self.school, TEACHER)?;
        let mut db = Source::new(folder, None)?.connect().await?;
        let mut spaces = [teacher.account.space(), self.school.space(), self.course];
        spaces.sort_unstable();
        self.cursors.clear();
        for space in spaces {
            let end = sql("SELECT sequence, hash FROM target_end WHERE space = $1 AND lane = $2")
                .bind(space.0)
                .bind(Vec::new())
                .one(&mut db)
                .await?;
            let mut hash = [0; 8];
            hash.copy_from_slice(end.get::<&[u8]>(1)?.get(..8).ok_or("a hash")?);
            self.cursors.push(FullCursor {
                space,
                lane: None,
                epoch: 1,
                sequence: end.get(0)?,
                hash,
            });
        }
        db.close().await?;
        Ok(())
    }

    /// Writes the plan to a file for the loading process.
    ///
    /// # Errors
    /// The file's.
    pub fn save(&self, path: &Path) -> Fallible<()> {
        let mut text = String::new();
        writeln!(
            text,
            "{} {} {}",
            hex(&self.school.0),
            hex(&self.course.0),
            hex(&self.genesis.0)
        )?;
        writeln!(text, "{}", self.cursors.len())?;
        for cursor in &self.cursors {
            writeln!(
                text,
                "{} {} {}",
                hex(&cursor.space.0),
                cursor.sequence,
                hex(&cursor.hash)
            )?;
        }
        for id in &self.enrolled {
            writeln!(text, "{}", hex(&id.0))?;
        }
        Ok(std::fs::write(path, text)?)
    }

    /// Reads what [`Plan::save`] wrote.
    ///
    /// # Errors
    /// A file that is none.
    pub fn load(path: &Path) -> Fallible<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or("a line of the plan");
        let head: Vec<&str> = next()?.split(' ').collect();
        let [school, course, genesis] = head[..] else {
            return Err("the head of the plan".into());
        };
        let mut cursors = Vec::new();
        for _ in 0..next()?.parse()? {
            let cursor: Vec<&str> = next()?.split(' ').collect();
            let [space, sequence, hash] = cursor[..] else {
                return Err("a cursor of the plan".into());
            };
            cursors.push(FullCursor {
                space: SpaceId(unhex(space)?),
                lane: None,
                epoch: 1,
                sequence: sequence.parse()?,
                hash: unhex(hash)?,
            });
        }
        Ok(Self {
            school: SchoolId(unhex(school)?),
            course: SpaceId(unhex(course)?),
            genesis: EntryId(unhex(genesis)?),
            cursors,
            enrolled: lines
                .map(|id| unhex(id).map(EntryId))
                .collect::<Fallible<_>>()?,
        })
    }
}

async fn append(log: &Log, entries: Vec<Entry>) -> Fallible<()> {
    for outcome in log.append_entries(None, entries).await? {
        if !matches!(outcome, Outcome::Accepted(_)) {
            return Err(format!("an entry of the school: {outcome:?}").into());
        }
    }
    Ok(())
}

/// Fills the course's history up to `entries`, straight into the database: what
/// the figures ask is how much lies there, not what it says.
///
/// # Errors
/// The database's.
pub async fn fill(folder: &Path, course: SpaceId, entries: u64) -> Fallible<()> {
    let mut db = Source::new(folder, None)?.connect().await?;
    sql("PRAGMA cache_size = -524288").all(&mut db).await?;
    let end = sql("SELECT sequence FROM target_end WHERE space = $1 AND lane = $2")
        .bind(course.0)
        .bind(Vec::new())
        .one(&mut db)
        .await?;
    let after: i64 = end.get(0)?;
    let count = entries as i64 - after;
    let first: i64 = sql("SELECT MAX(n) FROM entry").one(&mut db).await?.get(0)?;
    let mut tx = db.begin().await?;
    for insert in [
        "INSERT INTO entry SELECT $2 + i, randomblob(32), zeroblob(220), zeroblob(64), \
         zeroblob(300), 1, x'', NULL FROM number",
        // Of five hundred pupils in turn.
        "INSERT INTO numbering SELECT $4, $3 + i, CAST(printf('%017d', i % 500) AS BLOB), $2 + i, \
         1700000000000 + i, zeroblob(32), CASE i WHEN $1 THEN $5 ELSE zeroblob(32) END FROM number",
        "INSERT INTO p_submission (entry, op, item, space, lane, author, vouched, sequence, \
         received_ms, assignment, attempt, text) SELECT $2 + i, 0, 0, $4, x'03', zeroblob(16), 0, \
         $3 + i, 1700000000000 + i, zeroblob(16), 1, 'My work' FROM number",
        "INSERT INTO search_entry SELECT $2 + i, $2 + i, zeroblob(32) FROM number",
        "INSERT INTO search (rowid, keys) SELECT $2 + i, 'my work number ' || i || ' plants turn \
         light into sugar and the water rises' FROM number",
    ] {
        sql(format!(
            "WITH RECURSIVE number (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < $1) {insert}"
        ))
        .bind(count)
        .bind(first)
        .bind(after)
        .bind(course.0)
        .bind([5u8; 32])
        .execute(&mut tx)
        .await?;
    }
    sql("UPDATE target_end SET sequence = $1, hash = $2 WHERE space = $3 AND lane = $4")
        .bind(entries)
        .bind([5u8; 32])
        .bind(course.0)
        .bind(Vec::new())
        .execute(&mut tx)
        .await?;
    tx.commit().await?;
    db.close().await?;
    Ok(())
}
