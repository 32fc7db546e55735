//! Courses, who is in them, lessons, assignments.
use rusqlite::{OptionalExtension, Row, params};
use stunity_model::Roles;
use stunity_model::rows::latest;
use stunity_proto::{AccountId, BlobId, ObjectId, SpaceId};

use super::{LATEST_FIRST, LATEST_LAST};
use crate::database::uint;
use crate::{Store, StoreError};

/// A course as its list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourseRow {
    /// The course's space.
    pub space: SpaceId,
    /// Who made it.
    pub owner: AccountId,
    /// Title; empty until the course has a page.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// Description.
    pub description: String,
    /// Khmer description.
    pub description_km: Option<String>,
    /// Category.
    pub category: String,
    /// 0 beginner to 3 expert.
    pub level: u8,
    /// Visible to those who are not members.
    pub published: bool,
    /// Historical records may be in it.
    pub imported: bool,
    /// Anyone in the school may enrol.
    pub open: bool,
    /// A phone's own interval counts for timeliness.
    pub counts_attested: bool,
    /// Grades written through an API count.
    pub counts_api_grades: bool,
    /// Id in the source system.
    pub foreign_id: Option<String>,
    /// Own roles in it.
    pub roles: Roles,
    /// Pupils, as far as they can be seen here.
    pub students: u64,
    /// A picture.
    pub thumbnail: Option<BlobId>,
    /// The price, in hundredths; 0 for none.
    pub price: u64,
    /// Its currency; empty without a price.
    pub currency: String,
}

/// Somebody in a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// The account.
    pub account: AccountId,
    /// Roles, as bits.
    pub roles: Roles,
    /// First name, from the name card.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Name in Khmer.
    pub name_km: Option<String>,
    /// Id in the source system of an imported person.
    pub foreign_id: Option<String>,
}

/// A lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonRow {
    /// The lesson.
    pub lesson: ObjectId,
    /// Place among the lessons.
    pub place: u64,
    /// Title.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// The text, Markdown.
    pub text: String,
    /// The Khmer text.
    pub text_km: Option<String>,
    /// How long it takes, minutes.
    pub minutes: u64,
    /// Withdrawn if not.
    pub published: bool,
    /// Done by this account.
    pub done: bool,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignmentRow {
    /// The assignment.
    pub assignment: ObjectId,
    /// 0 file, 1 text, 2 link, 3 video, 4 quiz.
    pub kind: u8,
    /// Title.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// What is to be done.
    pub text: String,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    pub grace_ms: u64,
    /// How many attempts; 0 for any number.
    pub attempts: u64,
    /// Withdrawn if not.
    pub published: bool,
    /// Index in an imported course's list.
    pub place: Option<u64>,
    /// Its id in the source.
    pub foreign_id: Option<String>,
    /// Its type in the source.
    pub source_kind: Option<String>,
    /// The due day from an imported course's start; none for its end.
    pub due_day: Option<i64>,
    /// Its weight in the source, verbatim.
    pub weight: Option<String>,
}

fn assignment_of(row: &Row<'_>) -> rusqlite::Result<(ObjectId, AssignmentRow)> {
    let assignment = ObjectId(row.get(0)?);
    let count = |index| row.get::<_, Option<i64>>(index).map(|v| v.map(uint));
    Ok((
        assignment,
        AssignmentRow {
            assignment,
            kind: row.get(1)?,
            title: row.get(2)?,
            title_km: row.get(3)?,
            text: row.get(4)?,
            max_points: count(5)?.unwrap_or(0),
            due_ms: count(6)?,
            grace_ms: count(7)?.unwrap_or(0),
            attempts: count(8)?.unwrap_or(0),
            published: row.get(9)?,
            place: count(10)?,
            foreign_id: row.get(11)?,
            source_kind: row.get(12)?,
            due_day: row.get(13)?,
            weight: row.get(14)?,
        },
    ))
}

impl Store {
    /// The courses that are held, by title.
    ///
    /// # Errors
    /// A database error.
    pub fn courses(&self) -> Result<Vec<CourseRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT DISTINCT space FROM p_course")?;
        let spaces = statement
            .query_map([], |row| row.get(0).map(SpaceId))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut courses = Vec::with_capacity(spaces.len());
        for space in spaces {
            courses.extend(self.course(space)?);
        }
        courses.sort_by(|a, b| (&a.title, a.space).cmp(&(&b.title, b.space)));
        Ok(courses)
    }

    /// One course; none if its beginning is not held.
    ///
    /// # Errors
    /// A database error.
    pub fn course(&self, space: SpaceId) -> Result<Option<CourseRow>, StoreError> {
        let found = self
            .conn
            .prepare_cached(&format!(
                "SELECT author, imported, open, counts_attested, counts_api_grades, foreign_id,
                    (SELECT roles FROM members WHERE space = ?1 AND account = ?2),
                    (SELECT count(*) FROM members WHERE space = ?1 AND roles & ?3 <> 0)
                 FROM p_course WHERE space = ?1 ORDER BY {LATEST_LAST} LIMIT 1"
            ))?
            .query_row(
                params![&space.0, &self.owner.account.0, Roles::STUDENT.0 as i64],
                |row| {
                    Ok(CourseRow {
                        space,
                        owner: AccountId(row.get(0)?),
                        title: String::new(),
                        title_km: None,
                        description: String::new(),
                        description_km: None,
                        category: String::new(),
                        level: 0,
                        published: false,
                        imported: row.get(1)?,
                        open: row.get(2)?,
                        counts_attested: row.get(3)?,
                        counts_api_grades: row.get(4)?,
                        foreign_id: row.get(5)?,
                        roles: Roles(row.get::<_, Option<i64>>(6)?.map_or(0, uint)),
                        students: uint(row.get(7)?),
                        thumbnail: None,
                        price: 0,
                        currency: String::new(),
                    })
                },
            )
            .optional()?;
        let Some(mut course) = found else {
            return Ok(None);
        };
        // Own and not sealed yet: the owner's role follows from the genesis.
        if course.roles == Roles::default() && course.owner == self.owner.account {
            course.roles = Roles::OWNER;
        }
        self.conn
            .prepare_cached(&format!(
                "SELECT title, title_km, description, description_km, category, level, published
                 FROM p_course_page WHERE space = ?1 ORDER BY {LATEST_FIRST} LIMIT 1"
            ))?
            .query_row([&space.0], |row| {
                course.title = row.get(0)?;
                course.title_km = row.get(1)?;
                course.description = row.get(2)?;
                course.description_km = row.get(3)?;
                course.category = row.get(4)?;
                course.level = row.get(5)?;
                course.published = row.get(6)?;
                Ok(())
            })
            .optional()?;
        self.conn
            .prepare_cached(&format!(
                "SELECT thumbnail, price, currency FROM p_course_offer WHERE space = ?1
                 ORDER BY {LATEST_FIRST} LIMIT 1"
            ))?
            .query_row([&space.0], |row| {
                course.thumbnail = row.get::<_, Option<_>>(0)?.map(BlobId);
                course.price = uint(row.get(1)?);
                course.currency = row.get(2)?;
                Ok(())
            })
            .optional()?;
        Ok(Some(course))
    }

    /// Who is in a course, with any of `roles`, by name. Loads no document.
    ///
    /// # Errors
    /// A database error.
    pub fn class_list(&self, space: SpaceId, roles: Roles) -> Result<Vec<MemberRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT m.account, m.roles, n.first_name, n.last_name, n.name_km,
                (SELECT foreign_id FROM p_person WHERE account = m.account LIMIT 1)
             FROM members m LEFT JOIN p_name_card n ON n.rowid =
                (SELECT rowid FROM p_name_card c WHERE c.author = m.account
                 ORDER BY c.space = ?1 DESC, {LATEST_FIRST} LIMIT 1)
             WHERE m.space = ?1 AND m.roles & ?2 <> 0
             ORDER BY n.last_name, n.first_name, 6, m.account"
        ))?;
        let rows = statement.query_map(params![&space.0, roles.0 as i64], |row| {
            Ok(MemberRow {
                account: AccountId(row.get(0)?),
                roles: Roles(uint(row.get(1)?)),
                first_name: row.get(2)?,
                last_name: row.get(3)?,
                name_km: row.get(4)?,
                foreign_id: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The lessons of a course, in their order, withdrawn ones last.
    ///
    /// # Errors
    /// A database error.
    pub fn lessons(&self, space: SpaceId) -> Result<Vec<LessonRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT lesson, place, title, title_km, text, text_km, minutes, published,
                EXISTS (SELECT 1 FROM p_lesson_done d
                        WHERE d.lesson = l.lesson AND d.author = ?2)
             FROM p_lesson l WHERE space = ?1 ORDER BY {LATEST_LAST}"
        ))?;
        let rows = statement
            .query_map(params![&space.0, &self.owner.account.0], |row| {
                let lesson = ObjectId(row.get(0)?);
                Ok((
                    lesson,
                    LessonRow {
                        lesson,
                        place: uint(row.get(1)?),
                        title: row.get(2)?,
                        title_km: row.get(3)?,
                        text: row.get(4)?,
                        text_km: row.get(5)?,
                        minutes: uint(row.get(6)?),
                        published: row.get(7)?,
                        done: row.get(8)?,
                    },
                ))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut lessons = latest(rows);
        lessons.sort_by_key(|lesson| (!lesson.published, lesson.place, lesson.lesson));
        Ok(lessons)
    }

    /// The assignments of a course, by due time.
    ///
    /// # Errors
    /// A database error.
    pub fn assignments(&self, space: SpaceId) -> Result<Vec<AssignmentRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT assignment, kind, title, title_km, text, max_points, due_ms, grace_ms,
                attempts, published, place, foreign_id, source_kind, due_day, weight
             FROM p_assignment WHERE space = ?1 ORDER BY {LATEST_LAST}"
        ))?;
        let rows = statement
            .query_map([&space.0], assignment_of)?
            .collect::<Result<Vec<_>, _>>()?;
        let mut assignments = latest(rows);
        assignments.sort_by_key(|a| {
            let due = a.due_ms.unwrap_or(u64::MAX);
            (due, a.due_day.unwrap_or(i64::MAX), a.place, a.assignment)
        });
        Ok(assignments)
    }
}
