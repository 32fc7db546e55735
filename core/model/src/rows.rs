//! What an event adds to the projections.
//!
//! A projection's row is a fact of one entry, keyed by entry, operation and
//! item; nothing is ever overwritten, so the tables are the same in whatever
//! order entries come. Which of several facts counts is decided on reading, by
//! the relay's order, then by entry id. Client and relay share these tables.
use stunity_proto::EntryId;

use crate::events::{
    Answer, AssignmentPublish, ConversationStart, Event, Evidence, MemberCutOff, MemberRemove,
    QuizAnswers, Submit,
};
pub use crate::tables::{COMMON, TABLES, Table, Type, Value, schema, table};

/// Rises whenever an event gives other rows than before: projections are then
/// built again from the entries.
pub const FOLD_VERSION: u32 = 5;

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

/// The last row of each key, in the order of their first appearance: of several facts
/// about one thing the latest in the relay's order counts.
pub fn latest<K: Ord + Clone, T>(rows: impl IntoIterator<Item = (K, T)>) -> Vec<T> {
    let mut places = std::collections::BTreeMap::new();
    let mut out: Vec<T> = Vec::new();
    for (key, row) in rows {
        match places.get(&key) {
            Some(&place) => out[place] = row,
            None => {
                places.insert(key, out.len());
                out.push(row);
            }
        }
    }
    out
}

/// Files that stand one after the other in a column.
#[must_use]
pub fn split_blobs(column: &[u8]) -> Vec<stunity_proto::BlobId> {
    (column.chunks_exact(32))
        .filter_map(|id| id.try_into().ok().map(stunity_proto::BlobId))
        .collect()
}

/// Objects that stand one after the other in a column.
#[must_use]
pub fn split_objects(column: &[u8]) -> Vec<stunity_proto::ObjectId> {
    (column.chunks_exact(16))
        .filter_map(|id| id.try_into().ok().map(stunity_proto::ObjectId))
        .collect()
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

fn blobs(list: &[stunity_proto::BlobId]) -> Value {
    Value::Blob(list.iter().flat_map(|id| id.0).collect())
}

fn flag(value: bool) -> Value {
    Value::Int(i64::from(value))
}

/// Chosen options in one text, in ascending order, each once.
#[must_use]
pub fn join_options(options: &[u64]) -> String {
    let sorted: std::collections::BTreeSet<u64> = options.iter().copied().collect();
    let words: Vec<String> = sorted.iter().map(u64::to_string).collect();
    words.join(",")
}

/// Undoes [`join_options`].
#[must_use]
pub fn split_options(joined: &str) -> Vec<u64> {
    joined.split(',').filter_map(|n| n.parse().ok()).collect()
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
        Event::GuardianAccess(e) => one(
            "guardian_access",
            vec![blob(e.guardian), blob(e.child), flag(e.open)],
        ),
        Event::CourseGenesis(e) => one(
            "course",
            vec![
                flag(e.imported),
                flag(e.open),
                flag(e.counts_attested),
                flag(e.counts_api_grades),
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
                flag(e.published),
            ],
        ),
        Event::CourseOffer(e) => one(
            "course_offer",
            vec![opt(e.thumbnail, blob), int(e.price), text(&e.currency)],
        ),
        Event::MemberAdd(e) => one("member", vec![blob(e.account), int(e.roles)]),
        Event::Enrol(e) => one(
            "member",
            vec![blob(e.account), int(crate::Roles::STUDENT.0)],
        ),
        Event::MemberRemove(MemberRemove { account })
        | Event::MemberCutOff(MemberCutOff { account, .. }) => {
            one("member", vec![blob(account), Value::Int(0)])
        }
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
                flag(e.published),
                blobs(&e.content.blobs),
            ],
        ),
        Event::LessonComplete(e) => one("lesson_done", vec![blob(e.lesson)]),
        Event::AssignmentPublish(e) => assignment(e),
        Event::AnswerKey(e) => answers("answer_key", &e.answers, &[blob(e.assignment)]),
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
                    Value::Null,
                ],
            })
            .collect(),
        Event::Extension(e) => one("extension", vec![blob(e.assignment), int(e.due_ms)]),
        Event::Submit(e) => vec![submission(e)],
        Event::QuizAnswers(e) => quiz_answers(e),
        Event::AutoMark(e) => one(
            "auto_mark",
            vec![
                blob(e.assignment),
                blob(e.student),
                blob(e.attempt),
                int(e.points),
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
                text(&join_cells(&e.options)),
                blobs(&e.media),
            ],
        ),
        Event::Like(e) => one("liked", vec![blob(e.target), flag(e.on)]),
        Event::Follow(e) => one("followed", vec![blob(e.account), flag(e.on)]),
        Event::Block(e) => one("blocked", vec![blob(e.account), flag(e.on)]),
        Event::Report(e) => one("report", vec![blob(e.target), text(&e.reason)]),
        Event::ConversationStart(e) => conversation(e),
        Event::ConversationMember(e) => one(
            "talker",
            vec![blob(e.account), Value::Int(e.standing.into())],
        ),
        Event::Message(e) => one("message", vec![blob(e.message), blob(&e.envelope.0)]),
        Event::Read(e) => one("read_until", vec![blob(e.conversation), blob(e.until)]),
        Event::ConversationName(e) => one("conversation_name", vec![blob(&e.envelope.0)]),
        Event::Seen(e) => one("seen", vec![int(e.until_ms)]),
        Event::DocumentSuccessor(e) => one("successor", vec![blob(e.document), blob(e.successor)]),
        Event::Vote(e) => one("vote", vec![blob(e.post), int(e.option)]),
        Event::Rsvp(e) => one("rsvp", vec![blob(e.post), Value::Int(i64::from(e.answer))]),
        Event::Proposal(_) => one("proposal", vec![blob(event.encode())]),
        Event::ProposalEnd(e) => one("proposal_end", vec![blob(e.proposal), flag(e.accepted)]),
        Event::Moderate(e) => one(
            "moderation",
            vec![blob(e.target), flag(e.hidden), text(&e.reason)],
        ),
        _ => Vec::new(),
    }
}

/// The conversation, and who is in it: its starter is known by the entry.
fn conversation(e: &ConversationStart) -> Vec<Row> {
    let row = |table, item, values| Row {
        table,
        item,
        values,
    };
    let begins = row("conversation", 0, vec![Value::Int(e.kind.into())]);
    let in_it = |(item, account)| row("talker", item, vec![blob(account), Value::Int(1)]);
    core::iter::once(begins)
        .chain((0..).zip(&e.members).map(in_it))
        .collect()
}

fn assignment(e: &AssignmentPublish) -> Vec<Row> {
    let mut out = vec![Row {
        table: "assignment",
        item: 0,
        values: vec![
            blob(e.assignment),
            Value::Int(i64::from(e.kind)),
            text(&e.title),
            opt(e.title_km.as_deref(), text),
            text(&e.text),
            int(e.max_points),
            opt(e.due_ms, int),
            int(e.grace_ms),
            int(e.attempts),
            flag(e.published),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            opt(e.timed_minutes, int),
        ],
    }];
    out.extend(e.questions.iter().enumerate().map(|(item, question)| Row {
        table: "question",
        item: item as u32,
        values: vec![
            blob(e.assignment),
            int(question.id),
            text(&question.text),
            opt(question.text_km.as_deref(), text),
            text(&join_cells(&question.options)),
            int(question.points),
        ],
    }));
    out
}

/// A row for each answer, after the columns that say of what.
fn answers(table: &'static str, answers: &[Answer], of: &[Value]) -> Vec<Row> {
    let row = |(item, answer): (usize, &Answer)| Row {
        table,
        item: item as u32,
        values: [
            of,
            &[
                int(answer.question),
                text(&join_options(&answer.options)),
                opt(answer.text.as_deref(), text),
            ],
        ]
        .concat(),
    };
    answers.iter().enumerate().map(row).collect()
}

fn evidence(e: &Evidence) -> [Value; 4] {
    [
        int(e.wall_ms),
        Value::Int(i64::from(e.boot)),
        opt(e.since_relay_ms, int),
        opt(e.relay_ms, int),
    ]
}

fn handed_in(of: [Value; 2], said: &str, when: &Evidence, files: Value) -> Row {
    let mut values = of.to_vec();
    values.push(text(said));
    values.extend(evidence(when));
    values.extend([Value::Null, Value::Null, Value::Null, Value::Null, files]);
    Row {
        table: "submission",
        item: 0,
        values,
    }
}

fn submission(e: &Submit) -> Row {
    handed_in(
        [blob(e.assignment), int(e.attempt)],
        &e.content.text,
        &e.evidence,
        blobs(&e.content.blobs),
    )
}

fn quiz_answers(e: &QuizAnswers) -> Vec<Row> {
    let of = [blob(e.assignment), int(e.attempt)];
    let mut step = of.to_vec();
    step.push(flag(e.last));
    step.extend(evidence(&e.evidence));
    let mut out = vec![Row {
        table: "quiz_step",
        item: 0,
        values: step,
    }];
    out.extend(answers("quiz_answer", &e.answers, &of));
    if e.last {
        out.push(handed_in(of, "", &e.evidence, Value::Null));
    }
    out
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
            flag(work.banked),
            Value::Null,
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
