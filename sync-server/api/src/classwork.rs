//! The work of a course, of one pupil or of many: rows of the projections, folded as
//! devices fold them. A fixed number of statements, whatever there is.
use std::collections::{BTreeMap, BTreeSet};

use stunity_model::events::Evidence;
use stunity_model::grades::{self, Choice, Given, Graded, Released};
use stunity_model::handed_in::{Piece, Rules, Submission, Terms, WorkKey};
use stunity_model::rows::{latest, split_blobs, split_objects};
use stunity_model::states::{Classwork, LessonDone, Mark, PupilProgress, Work, progress};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};
use stunity_server::db::{Row, Statement, sql};
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;

use crate::state::Api;

/// Which work.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The course.
    pub space: SpaceId,
    /// One assignment, or all of them.
    pub assignment: Option<ObjectId>,
    /// The pupils, sorted.
    pub pupils: &'a [AccountId],
}

impl Scope<'_> {
    /// The lanes of the pupils and of whoever stands between them.
    fn lanes(&self) -> (Vec<u8>, Vec<u8>) {
        let (first, last) = self.accounts();
        (Lane::One(first).to_key(), Lane::One(last).to_key())
    }

    /// The first and the last pupil; an empty span without any.
    fn accounts(&self) -> (AccountId, AccountId) {
        let none = (AccountId([0xff; 16]), AccountId::ZERO);
        let ends = self.pupils.first().zip(self.pupils.last());
        ends.map_or(none, |(first, last)| (*first, *last))
    }

    /// The rows of a table, called `t`, in the pupils' lanes.
    pub(crate) fn in_lanes(&self, columns: &str, from: &str, order: &str) -> Statement {
        let (first, last) = self.lanes();
        let span = [first, last];
        self.rows(columns, from, ("lane", span), "t.assignment = $4", order)
    }

    /// The rows of a table, called `t`, in the staff's lane that are about the pupils.
    fn about(&self, columns: &str, from: &str) -> Statement {
        let (first, last) = self.accounts();
        let span = [first.0.to_vec(), last.0.to_vec()];
        let one = "t.assignment = $4";
        self.rows(columns, from, ("student", span), one, LATEST_LAST)
    }

    /// Rows whose column lies in a span; `one` is the condition for one assignment.
    fn rows(
        &self,
        columns: &str,
        from: &str,
        (column, [first, last]): (&str, [Vec<u8>; 2]),
        one: &str,
        order: &str,
    ) -> Statement {
        let one = match self.assignment {
            Some(_) => format!(" AND ({one})"),
            None => String::new(),
        };
        sql(format!(
            "SELECT {columns} FROM {from} WHERE t.space = $1 \
             AND t.{column} BETWEEN $2 AND $3{one} ORDER BY {order}"
        ))
        .bind(self.space.0)
        .bind(first)
        .bind(last)
        .bind_if(self.assignment.map(|assignment| assignment.0))
    }
}

/// The order in which a later fact replaces an earlier one.
const LATEST_LAST: &str = "t.sequence, t.op, t.item";

/// What was handed in, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The assignments, by due time.
    pub order: Vec<ObjectId>,
    /// What decides.
    pub rules: Rules,
    /// Every attempt, by pupil, the newest last.
    pub submissions: Vec<Submission>,
    /// What it is folded of.
    pub classwork: Classwork,
    /// Why each attempt was given back last.
    pub feedback: BTreeMap<EntryId, String>,
}

impl Held {
    /// How each piece of work of these pupils stands.
    #[must_use]
    pub fn work(&self, pupils: &[AccountId]) -> Vec<Work> {
        self.classwork.work(&self.rules, &self.order, pupils)
    }
}

fn student(row: &Row, index: usize) -> Result<Option<AccountId>, ServerError> {
    Ok(match Lane::from_key(row.get(index)?)? {
        Lane::One(account) => Some(account),
        _ => None,
    })
}

fn object(row: &Row, index: usize) -> Result<ObjectId, ServerError> {
    Ok(ObjectId::try_from(row.get::<&[u8]>(index)?)?)
}

fn entry(row: &Row, index: usize) -> Result<EntryId, ServerError> {
    Ok(EntryId::try_from(row.get::<&[u8]>(index)?)?)
}

fn entry_if(row: &Row, index: usize) -> Result<Option<EntryId>, ServerError> {
    let id = row.get::<Option<&[u8]>>(index)?;
    Ok(id.map(EntryId::try_from).transpose()?)
}

fn count(row: &Row, index: usize) -> Result<Option<u64>, ServerError> {
    Ok(row.get::<Option<i64>>(index)?.map(|count| count as u64))
}

fn terms(row: &Row) -> Result<Terms, ServerError> {
    Ok(Terms {
        assignment: object(row, 0)?,
        kind: row.get::<i64>(1)? as u8,
        max_points: row.get(2)?,
        due_ms: count(row, 3)?,
        grace_ms: row.get(4)?,
        attempts: row.get(5)?,
        published: row.get(6)?,
        place: count(row, 7)?,
        due_day: row.get(8)?,
    })
}

fn piece(row: &Row) -> Result<Option<Piece>, ServerError> {
    let Some(student) = student(row, 1)? else {
        return Ok(None);
    };
    let evidence = match count(row, 6)? {
        Some(wall_ms) => Some(Evidence {
            wall_ms,
            boot: row.get::<i64>(7)? as u32,
            since_relay_ms: count(row, 8)?,
            relay_ms: count(row, 9)?,
        }),
        None => None,
    };
    let assignment = row.get::<Option<&[u8]>>(4)?;
    Ok(Some(Piece {
        entry: entry(row, 0)?,
        provisional: false,
        student,
        vouched: row.get(2)?,
        received_ms: count(row, 3)?,
        assignment: assignment.map(ObjectId::try_from).transpose()?,
        attempt: row.get(5)?,
        evidence,
        text: row.get(10)?,
        place: count(row, 11)?,
        day: row.get(12)?,
        score: count(row, 13)?,
        banked: row.get::<Option<i64>>(14)? == Some(1),
        blobs: split_blobs(row.get::<Option<&[u8]>>(15)?.unwrap_or_default()),
    }))
}

impl Api {
    /// What was handed in, and what became of it.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn classwork(&self, scope: Scope<'_>) -> Result<Held, ServerError> {
        let terms = self.terms(scope).await?;
        let order = terms.iter().map(|terms| terms.assignment).collect();
        let extensions = self.extensions(scope).await?;
        let attested = sql("SELECT counts_attested FROM p_course WHERE space = $1")
            .bind(scope.space.0)
            .scalar::<i64>(self.log.database())
            .await?;
        let now_ms = Some(self.log.now_ms());
        let rules = Rules::new(terms, extensions, attested == Some(1), now_ms);
        let mut submissions = rules.submissions(self.pieces(scope).await?);
        submissions.retain(|piece| scope.assignment.is_none_or(|one| piece.assignment == one));
        let newest = |piece: &Submission| ((piece.assignment, piece.student), piece.clone());
        let feedback = self.returned(scope).await?;
        Ok(Held {
            order,
            rules,
            classwork: Classwork {
                latest: submissions.iter().map(newest).collect(),
                returned: feedback.keys().copied().collect(),
                releases: self.releases(scope).await?,
                marks: self.marks(scope).await?,
            },
            submissions,
            feedback,
        })
    }

    async fn terms(&self, scope: Scope<'_>) -> Result<Vec<Terms>, ServerError> {
        let one = match scope.assignment {
            Some(_) => " AND t.assignment = $2",
            None => "",
        };
        let rows = sql(format!(
            "SELECT t.assignment, t.kind, t.max_points, t.due_ms, t.grace_ms, t.attempts, \
             t.published, t.place, t.due_day FROM p_assignment t WHERE t.space = $1{one} \
             ORDER BY {LATEST_LAST}"
        ))
        .bind(scope.space.0)
        .bind_if(scope.assignment.map(|assignment| assignment.0))
        .all(self.log.database())
        .await?;
        let rows = rows.iter().map(terms).collect::<Result<Vec<_>, _>>()?;
        let mut terms = latest(rows.into_iter().map(|terms| (terms.assignment, terms)));
        terms.sort_by_key(|t| {
            let due = t.due_ms.unwrap_or(u64::MAX);
            (due, t.due_day.unwrap_or(i64::MAX), t.place, t.assignment)
        });
        Ok(terms)
    }

    async fn extensions(&self, scope: Scope<'_>) -> Result<BTreeMap<WorkKey, u64>, ServerError> {
        let rows = scope
            .in_lanes(
                "t.assignment, t.lane, t.due_ms",
                "p_extension t",
                LATEST_LAST,
            )
            .all(self.log.database())
            .await?;
        let mut extensions = BTreeMap::new();
        for row in &rows {
            if let Some(student) = student(row, 1)? {
                extensions.insert((object(row, 0)?, student), row.get(2)?);
            }
        }
        Ok(extensions)
    }

    async fn pieces(&self, scope: Scope<'_>) -> Result<Vec<Piece>, ServerError> {
        let (first, last) = scope.lanes();
        let columns = "e.id, t.lane, t.vouched, t.received_ms, t.assignment, t.attempt, \
                       t.wall_ms, t.boot, t.since_relay_ms, t.relay_ms, t.text, t.place, t.day, \
                       t.score, t.banked, t.blobs";
        let from = "p_submission t JOIN entry e ON e.n = t.entry";
        // Imported work names its assignment by a place in a list.
        let one = "t.assignment = $4 OR t.assignment IS NULL";
        let order = format!("t.lane, t.attempt, {LATEST_LAST}");
        let rows = scope
            .rows(columns, from, ("lane", [first, last]), one, &order)
            .all(self.log.database())
            .await?;
        rows.iter()
            .filter_map(|row| piece(row).transpose())
            .collect()
    }

    async fn returned(&self, scope: Scope<'_>) -> Result<BTreeMap<EntryId, String>, ServerError> {
        let rows = scope
            .in_lanes("t.attempt, t.feedback", "p_returned t", LATEST_LAST)
            .all(self.log.database())
            .await?;
        rows.iter()
            .map(|row| Ok((entry(row, 0)?, row.get(1)?)))
            .collect()
    }

    async fn releases(&self, scope: Scope<'_>) -> Result<Vec<Released>, ServerError> {
        let columns = "t.grade, t.grade_entry, t.assignment, t.lane, t.attempt, t.points, \
                       t.feedback, t.received_ms, t.author";
        let rows = scope
            .in_lanes(columns, "p_release t", LATEST_LAST)
            .all(self.log.database())
            .await?;
        let mut releases = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(student) = student(row, 3)? else {
                continue;
            };
            let release = Released {
                grade: object(row, 0)?,
                grade_entry: entry(row, 1)?,
                assignment: object(row, 2)?,
                student,
                author: AccountId::try_from(row.get::<&[u8]>(8)?)?,
                attempt: entry_if(row, 4)?,
                points: row.get(5)?,
                feedback: row.get(6)?,
                received_ms: count(row, 7)?,
            };
            releases.push(((release.assignment, student), release));
        }
        Ok(latest(releases))
    }

    async fn marks(&self, scope: Scope<'_>) -> Result<BTreeMap<EntryId, Mark>, ServerError> {
        let columns = "t.attempt, t.points, t.lane, t.received_ms";
        let rows = scope
            .about(columns, "p_auto_mark t")
            .all(self.log.database())
            .await?;
        let mut marks = BTreeMap::new();
        for row in &rows {
            let mark = Mark {
                points: row.get(1)?,
                released: student(row, 2)?.is_some(),
                received_ms: count(row, 3)?,
            };
            marks.insert(entry(row, 0)?, mark);
        }
        Ok(marks)
    }

    /// The grades in the staff's lane, with their conflicts; `held` is the same work.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn graded(&self, scope: Scope<'_>, held: &Held) -> Result<Vec<Graded>, ServerError> {
        let select = |columns: &str, from: &str| {
            let columns = format!("t.assignment, t.student, t.grade, {columns}");
            scope.about(&columns, from).all(self.log.database())
        };
        let key = |row: &Row| -> Result<WorkKey, ServerError> {
            let student = AccountId::try_from(row.get::<&[u8]>(1)?)?;
            Ok((object(row, 0)?, student))
        };
        let columns = "t.attempt, t.points, t.feedback, t.supersedes, e.id, t.author, t.vouched, \
                       t.received_ms";
        let rows = select(columns, "p_grade t JOIN entry e ON e.n = t.entry").await?;
        let given = |row: &Row| -> Result<_, ServerError> {
            let given = Given {
                grade: object(row, 2)?,
                attempt: entry_if(row, 3)?,
                points: row.get(4)?,
                feedback: row.get(5)?,
                supersedes: split_objects(row.get(6)?),
                entry: entry(row, 7)?,
                author: AccountId::try_from(row.get::<&[u8]>(8)?)?,
                vouched: row.get(9)?,
                received_ms: count(row, 10)?,
            };
            Ok((key(row)?, given))
        };
        let given = rows.iter().map(given).collect::<Result<Vec<_>, _>>()?;
        let mut choices: BTreeMap<WorkKey, Vec<Choice>> = BTreeMap::new();
        for row in &select("t.\"over\"", "p_grade_choice t").await? {
            choices.entry(key(row)?).or_default().push(Choice {
                grade: object(row, 2)?,
                over: split_objects(row.get(3)?),
            });
        }
        let newest = (held.classwork.latest.iter())
            .map(|(work, piece)| (*work, piece.entry))
            .collect();
        Ok(grades::of_course(given, choices, &newest))
    }

    /// How far these pupils of a course came.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn progress(
        &self,
        space: SpaceId,
        pupils: &[AccountId],
    ) -> Result<Vec<PupilProgress>, ServerError> {
        let scope = Scope {
            space,
            assignment: None,
            pupils,
        };
        let rows = sql(
            "SELECT l.lesson FROM p_lesson l WHERE l.space = $1 AND l.published = 1 \
             AND NOT EXISTS (SELECT 1 FROM p_lesson n WHERE n.space = $1 \
             AND n.lesson = l.lesson AND (n.sequence, n.op) > (l.sequence, l.op))",
        )
        .bind(space.0)
        .all(self.log.database())
        .await?;
        let lessons: BTreeSet<ObjectId> =
            (rows.iter().map(|row| object(row, 0))).collect::<Result<_, _>>()?;
        let rows = scope
            .in_lanes(
                "t.lane, t.lesson, t.received_ms",
                "p_lesson_done t",
                "t.sequence",
            )
            .all(self.log.database())
            .await?;
        let mut done = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(student) = student(row, 0)? {
                done.push(LessonDone {
                    student,
                    lesson: object(row, 1)?,
                    received_ms: count(row, 2)?,
                });
            }
        }
        let work = self.classwork(scope).await?.work(pupils);
        Ok(progress(pupils, &lessons, done, work))
    }
}
