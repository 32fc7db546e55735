//! What an event adds to the projections.
//!
//! A projection's row is a fact of one entry, keyed by entry, operation and
//! item; nothing is ever overwritten, so the tables are the same in whatever
//! order entries come. Which of several facts counts is decided on reading, by
//! the relay's order, then by entry id. Client and relay share these tables.
use stunity_proto::EntryId;

use crate::events::Event;

/// Rises whenever an event gives other rows than before: projections are then
/// built again from the entries.
pub const FOLD_VERSION: u32 = 1;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// An integer; booleans are 0 and 1.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes: ids.
    Blob(Vec<u8>),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 64 bits, signed.
    Int,
    /// UTF-8.
    Text,
    /// Bytes.
    Blob,
}

/// A table. Before its own columns each has: `entry` (32 bytes), `op` and `item`
/// (integers; the three are the key), `space`, `lane` (key form), `author`,
/// `vouched` (0 or 1), `sequence` and `received_ms` (null without a receipt).
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its own columns.
    pub columns: &'static [(&'static str, Type)],
    /// Columns by which it is looked up, besides the space.
    pub index: &'static [&'static str],
}

/// A row without the columns that every table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The table's name.
    pub table: &'static str,
    /// Which of several rows of one operation.
    pub item: u32,
    /// The table's own columns, in order.
    pub values: Vec<Value>,
}

use Type::{Blob, Int, Text};

/// Every table.
pub const TABLES: &[Table] = &[
    Table {
        name: "school_profile",
        columns: &[("name", Text), ("name_km", Text)],
        index: &[],
    },
    Table {
        name: "person",
        columns: &[("account", Blob), ("source", Text), ("foreign_id", Text)],
        index: &["account"],
    },
    Table {
        name: "name_card",
        columns: &[("first_name", Text), ("last_name", Text), ("name_km", Text)],
        index: &["author"],
    },
    Table {
        name: "guardianship",
        columns: &[("guardian", Blob), ("child", Blob), ("until_ms", Int)],
        index: &["guardian"],
    },
    Table {
        name: "course",
        columns: &[
            ("imported", Int),
            ("open", Int),
            ("counts_attested", Int),
            ("counts_api_grades", Int),
            ("foreign_id", Text),
        ],
        index: &[],
    },
    Table {
        name: "course_page",
        columns: &[
            ("title", Text),
            ("title_km", Text),
            ("description", Text),
            ("description_km", Text),
            ("category", Text),
            ("level", Int),
            ("published", Int),
        ],
        index: &[],
    },
    Table {
        name: "member",
        columns: &[("account", Blob), ("roles", Int)],
        index: &["account"],
    },
    Table {
        name: "course_group",
        columns: &[("group_id", Blob), ("name", Text), ("account", Blob)],
        index: &["group_id"],
    },
    Table {
        name: "lesson",
        columns: &[
            ("lesson", Blob),
            ("place", Int),
            ("title", Text),
            ("title_km", Text),
            ("text", Text),
            ("text_km", Text),
            ("minutes", Int),
            ("published", Int),
        ],
        index: &["lesson"],
    },
    Table {
        name: "lesson_done",
        columns: &[("lesson", Blob)],
        index: &["lesson"],
    },
    Table {
        name: "assignment",
        columns: &[
            ("assignment", Blob),
            ("kind", Int),
            ("title", Text),
            ("title_km", Text),
            ("text", Text),
            ("max_points", Int),
            ("due_ms", Int),
            ("grace_ms", Int),
            ("attempts", Int),
            ("published", Int),
            ("place", Int),
            ("foreign_id", Text),
            ("source_kind", Text),
            ("due_day", Int),
            ("weight", Text),
        ],
        index: &["assignment"],
    },
    Table {
        name: "extension",
        columns: &[("assignment", Blob), ("due_ms", Int)],
        index: &["assignment"],
    },
    Table {
        name: "submission",
        columns: &[
            ("assignment", Blob),
            ("attempt", Int),
            ("text", Text),
            ("wall_ms", Int),
            ("boot", Int),
            ("since_relay_ms", Int),
            ("relay_ms", Int),
            ("place", Int),
            ("day", Int),
            ("score", Int),
            ("banked", Int),
        ],
        index: &["assignment"],
    },
    Table {
        name: "grade",
        columns: &[
            ("grade", Blob),
            ("assignment", Blob),
            ("student", Blob),
            ("attempt", Blob),
            ("points", Int),
            ("feedback", Text),
            ("supersedes", Blob),
        ],
        index: &["student"],
    },
    Table {
        name: "grade_choice",
        columns: &[
            ("assignment", Blob),
            ("student", Blob),
            ("grade", Blob),
            ("over", Blob),
        ],
        index: &["student"],
    },
    Table {
        name: "release",
        columns: &[
            ("grade", Blob),
            ("grade_entry", Blob),
            ("assignment", Blob),
            ("attempt", Blob),
            ("points", Int),
            ("feedback", Text),
        ],
        index: &["assignment"],
    },
    Table {
        name: "returned",
        columns: &[("assignment", Blob), ("attempt", Blob), ("feedback", Text)],
        index: &["assignment"],
    },
    Table {
        name: "historical",
        columns: &[("enrolled_day", Int), ("left_day", Int), ("result", Text)],
        index: &[],
    },
    Table {
        name: "import_extra",
        columns: &[
            ("name", Text),
            ("columns", Text),
            ("subject", Text),
            ("cells", Text),
        ],
        index: &["name"],
    },
    Table {
        name: "comment",
        columns: &[
            ("comment", Blob),
            ("about", Blob),
            ("parent", Blob),
            ("text", Text),
        ],
        index: &["about"],
    },
    Table {
        name: "post",
        columns: &[
            ("post", Blob),
            ("kind", Int),
            ("text", Text),
            ("text_km", Text),
            ("hashtags", Text),
            ("starts_ms", Int),
        ],
        index: &["author"],
    },
    Table {
        name: "liked",
        columns: &[("target", Blob), ("given", Int)],
        index: &["target"],
    },
    Table {
        name: "followed",
        columns: &[("account", Blob), ("given", Int)],
        index: &["account"],
    },
    Table {
        name: "vote",
        columns: &[("post", Blob), ("choice", Int)],
        index: &["post"],
    },
    Table {
        name: "rsvp",
        columns: &[("post", Blob), ("answer", Int)],
        index: &["post"],
    },
    Table {
        name: "moderation",
        columns: &[("target", Blob), ("hidden", Int), ("reason", Text)],
        index: &["target"],
    },
];

/// Columns that every table has, after the key and before its own.
pub const COMMON: &[(&str, Type)] = &[
    ("space", Blob),
    ("lane", Blob),
    ("author", Blob),
    ("vouched", Int),
    ("sequence", Int),
    ("received_ms", Int),
];

/// A table by its name.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// `CREATE TABLE` and `CREATE INDEX` for every table. `blob` and `int` name the
/// engine's types.
#[must_use]
pub fn schema(blob: &str, int: &str) -> Vec<String> {
    let mut out = Vec::new();
    let name_of = |ty: Type| match ty {
        Type::Blob => blob.to_owned(),
        Type::Int => int.to_owned(),
        Type::Text => "TEXT".to_owned(),
    };
    for table in TABLES {
        let columns: Vec<String> = COMMON
            .iter()
            .chain(table.columns)
            .map(|(name, ty)| format!("\"{name}\" {}", name_of(*ty)))
            .collect();
        out.push(format!(
            "CREATE TABLE p_{} (entry {blob} NOT NULL, op {int} NOT NULL, item {int} NOT NULL, {}, PRIMARY KEY (entry, op, item))",
            table.name,
            columns.join(", ")
        ));
        let by: Vec<&str> = core::iter::once("space")
            .chain(table.index.iter().copied())
            .collect();
        out.push(format!(
            "CREATE INDEX p_{0}_by ON p_{0} ({1})",
            table.name,
            by.join(", ")
        ));
        if !table.index.is_empty() {
            out.push(format!(
                "CREATE INDEX p_{0}_key ON p_{0} ({1})",
                table.name,
                table.index.join(", ")
            ));
        }
    }
    out
}

fn blob(bytes: impl AsRef<[u8]>) -> Value {
    Value::Blob(bytes.as_ref().to_vec())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn opt<T>(value: Option<T>, into: impl Fn(T) -> Value) -> Value {
    value.map_or(Value::Null, into)
}

fn ids(list: &[stunity_proto::ObjectId]) -> Value {
    Value::Blob(list.iter().flat_map(|id| id.0).collect())
}

/// Cells of an imported row in one text; no cell contains the separator.
#[must_use]
pub fn join_cells(cells: &[String]) -> String {
    let clean: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('\u{1f}', " "))
        .collect();
    clean.join("\u{1f}")
}

/// Undoes [`join_cells`].
#[must_use]
pub fn split_cells(joined: &str) -> Vec<String> {
    joined.split('\u{1f}').map(str::to_owned).collect()
}

/// The rows of one event.
#[must_use]
pub fn rows(event: &Event) -> Vec<Row> {
    let one = |table: &'static str, values: Vec<Value>| {
        vec![Row {
            table,
            item: 0,
            values,
        }]
    };
    match event {
        Event::SchoolProfile(e) => one(
            "school_profile",
            vec![text(&e.name), opt(e.name_km.as_deref(), text)],
        ),
        Event::People(e) => e
            .people
            .iter()
            .enumerate()
            .map(|(item, (account, foreign_id))| Row {
                table: "person",
                item: item as u32,
                values: vec![blob(account), text(&e.source), text(foreign_id)],
            })
            .collect(),
        Event::NameCard(e) => one(
            "name_card",
            vec![
                text(&e.first_name),
                text(&e.last_name),
                opt(e.name_km.as_deref(), text),
            ],
        ),
        Event::Guardianship(e) => one(
            "guardianship",
            vec![blob(e.guardian), blob(e.child), int(e.until_ms)],
        ),
        Event::GuardianshipEnd(e) => one(
            "guardianship",
            vec![blob(e.guardian), blob(e.child), Value::Int(0)],
        ),
        Event::CourseGenesis(e) => one(
            "course",
            vec![
                Value::Int(i64::from(e.imported)),
                Value::Int(i64::from(e.open)),
                Value::Int(i64::from(e.counts_attested)),
                Value::Int(i64::from(e.counts_api_grades)),
                opt(e.foreign_id.as_deref(), text),
            ],
        ),
        Event::CoursePublish(e) => one(
            "course_page",
            vec![
                text(&e.title),
                opt(e.title_km.as_deref(), text),
                text(&e.description),
                opt(e.description_km.as_deref(), text),
                text(&e.category),
                Value::Int(i64::from(e.level)),
                Value::Int(i64::from(e.published)),
            ],
        ),
        Event::MemberAdd(e) => one("member", vec![blob(e.account), int(e.roles)]),
        Event::Enrol(e) => one(
            "member",
            vec![blob(e.account), int(crate::Roles::STUDENT.0)],
        ),
        Event::MemberRemove(e) => one("member", vec![blob(e.account), Value::Int(0)]),
        Event::Leave(e) => one("member", vec![blob(e.account), Value::Int(0)]),
        Event::GroupSet(e) => e
            .members
            .iter()
            .enumerate()
            .map(|(item, account)| Row {
                table: "course_group",
                item: item as u32,
                values: vec![blob(e.group), text(&e.name), blob(account)],
            })
            .collect(),
        Event::LessonPublish(e) => one(
            "lesson",
            vec![
                blob(e.lesson),
                int(e.order),
                text(&e.title),
                opt(e.title_km.as_deref(), text),
                text(&e.content.text),
                opt(e.content_km.as_ref(), |c| text(&c.text)),
                int(e.minutes),
                Value::Int(i64::from(e.published)),
            ],
        ),
        Event::LessonComplete(e) => one("lesson_done", vec![blob(e.lesson)]),
        Event::AssignmentPublish(e) => one(
            "assignment",
            vec![
                blob(e.assignment),
                Value::Int(i64::from(e.kind)),
                text(&e.title),
                opt(e.title_km.as_deref(), text),
                text(&e.text),
                int(e.max_points),
                opt(e.due_ms, int),
                int(e.grace_ms),
                int(e.attempts),
                Value::Int(i64::from(e.published)),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ],
        ),
        Event::HistoricalAssignments(e) => e
            .assignments
            .iter()
            .enumerate()
            .map(|(item, a)| Row {
                table: "assignment",
                item: item as u32,
                values: vec![
                    blob(a.assignment),
                    Value::Int(0),
                    text(&format!("{} {}", a.kind, a.foreign_id)),
                    Value::Null,
                    text(""),
                    Value::Int(10_000),
                    Value::Null,
                    Value::Int(0),
                    Value::Int(1),
                    Value::Int(1),
                    Value::Int(item as i64),
                    text(&a.foreign_id),
                    text(&a.kind),
                    opt(a.day, Value::Int),
                    text(&a.weight),
                ],
            })
            .collect(),
        Event::Extension(e) => one("extension", vec![blob(e.assignment), int(e.due_ms)]),
        Event::Submit(e) => one(
            "submission",
            vec![
                blob(e.assignment),
                int(e.attempt),
                text(&e.content.text),
                int(e.evidence.wall_ms),
                Value::Int(i64::from(e.evidence.boot)),
                opt(e.evidence.since_relay_ms, int),
                opt(e.evidence.relay_ms, int),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ],
        ),
        Event::QuizAnswers(e) if e.last => one(
            "submission",
            vec![
                blob(e.assignment),
                int(e.attempt),
                text(""),
                int(e.evidence.wall_ms),
                Value::Int(i64::from(e.evidence.boot)),
                opt(e.evidence.since_relay_ms, int),
                opt(e.evidence.relay_ms, int),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ],
        ),
        Event::Grade(e) => one(
            "grade",
            vec![
                blob(e.grade),
                blob(e.assignment),
                blob(e.student),
                opt(e.attempt, blob),
                int(e.points),
                text(&e.feedback),
                ids(&e.supersedes),
            ],
        ),
        Event::ChooseGrade(e) => one(
            "grade_choice",
            vec![
                blob(e.assignment),
                blob(e.student),
                blob(e.grade),
                ids(&e.over),
            ],
        ),
        Event::Release(e) => one(
            "release",
            vec![
                blob(e.grade),
                blob(e.entry),
                blob(e.assignment),
                opt(e.attempt, blob),
                int(e.points),
                text(&e.feedback),
            ],
        ),
        Event::Return(e) => one(
            "returned",
            vec![blob(e.assignment), blob(e.attempt), text(&e.feedback)],
        ),
        Event::Historical(e) => historical(e),
        Event::ImportExtras(e) => e
            .rows
            .iter()
            .enumerate()
            .map(|(item, cells)| Row {
                table: "import_extra",
                item: item as u32,
                values: vec![
                    text(&e.table),
                    text(&join_cells(&e.columns)),
                    opt(cells.first().map(String::as_str), text),
                    text(&join_cells(cells)),
                ],
            })
            .collect(),
        Event::Comment(e) => one(
            "comment",
            vec![
                blob(e.comment),
                blob(e.about),
                opt(e.parent, blob),
                text(&e.text),
            ],
        ),
        Event::Post(e) => one(
            "post",
            vec![
                blob(e.post),
                Value::Int(i64::from(e.kind)),
                text(&e.text),
                opt(e.text_km.as_deref(), text),
                text(&join_cells(&e.hashtags)),
                opt(e.starts_ms, int),
            ],
        ),
        Event::Like(e) => one("liked", vec![blob(e.target), Value::Int(i64::from(e.on))]),
        Event::Follow(e) => one(
            "followed",
            vec![blob(e.account), Value::Int(i64::from(e.on))],
        ),
        Event::Vote(e) => one("vote", vec![blob(e.post), int(e.option)]),
        Event::Rsvp(e) => one("rsvp", vec![blob(e.post), Value::Int(i64::from(e.answer))]),
        Event::Moderate(e) => one(
            "moderation",
            vec![
                blob(e.target),
                Value::Int(i64::from(e.hidden)),
                text(&e.reason),
            ],
        ),
        _ => Vec::new(),
    }
}

fn historical(e: &crate::events::Historical) -> Vec<Row> {
    let mut out = vec![Row {
        table: "historical",
        item: 0,
        values: vec![
            opt(e.enrolled_day, Value::Int),
            opt(e.left_day, Value::Int),
            text(&e.result),
        ],
    }];
    out.extend(e.work.iter().enumerate().map(|(item, work)| Row {
        table: "submission",
        item: item as u32,
        values: vec![
            Value::Null,
            Value::Int(1),
            text(""),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            int(work.assignment),
            Value::Int(work.day),
            opt(work.score, int),
            Value::Int(i64::from(work.banked)),
        ],
    }));
    out
}

/// The text by which an event is found, with what it names: none for events
/// that are not searched.
#[must_use]
pub fn searchable(event: &Event, entry: EntryId) -> Option<(Vec<u8>, String)> {
    let join = |parts: &[Option<&str>]| {
        parts
            .iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    };
    Some(match event {
        Event::CoursePublish(e) => (
            entry.0.to_vec(),
            join(&[
                Some(&e.title),
                e.title_km.as_deref(),
                Some(&e.description),
                e.description_km.as_deref(),
            ]),
        ),
        Event::LessonPublish(e) => (
            e.lesson.0.to_vec(),
            join(&[
                Some(&e.title),
                e.title_km.as_deref(),
                Some(&e.content.text),
                e.content_km.as_ref().map(|c| c.text.as_str()),
            ]),
        ),
        Event::AssignmentPublish(e) => (
            e.assignment.0.to_vec(),
            join(&[Some(&e.title), e.title_km.as_deref(), Some(&e.text)]),
        ),
        Event::Post(e) => (
            e.post.0.to_vec(),
            join(&[Some(&e.text), e.text_km.as_deref()]),
        ),
        Event::Comment(e) => (e.comment.0.to_vec(), e.text.clone()),
        Event::Submit(e) => (entry.0.to_vec(), e.content.text.clone()),
        Event::NameCard(e) => (
            entry.0.to_vec(),
            join(&[
                Some(&e.first_name),
                Some(&e.last_name),
                e.name_km.as_deref(),
            ]),
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::*;
    use stunity_proto::{AccountId, ObjectId};

    #[test]
    fn rows_have_as_many_values_as_their_table_has_columns() {
        let events: Vec<Event> = vec![
            Historical {
                enrolled_day: None,
                left_day: Some(3),
                result: "Pass".into(),
                work: vec![HistoricalWork {
                    assignment: 0,
                    day: 1,
                    score: None,
                    banked: true,
                }],
            }
            .into(),
            HistoricalAssignments {
                assignments: vec![HistoricalAssignment {
                    assignment: ObjectId([1; 16]),
                    foreign_id: "1752".into(),
                    kind: "TMA".into(),
                    day: None,
                    weight: "10".into(),
                }],
            }
            .into(),
            Enrol {
                account: AccountId([1; 16]),
            }
            .into(),
            Like {
                target: ObjectId([1; 16]),
                on: true,
            }
            .into(),
        ];
        for row in events.iter().flat_map(rows) {
            let table = table(row.table).unwrap();
            assert_eq!(row.values.len(), table.columns.len(), "{}", row.table);
        }
    }

    #[test]
    fn cells_read_back() {
        let cells = vec!["a".to_owned(), String::new(), "b c".to_owned()];
        assert_eq!(split_cells(&join_cells(&cells)), cells);
    }
}
