//! The tables of the projections. Client and relay share them.

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
        name: "guardian_access",
        columns: &[("guardian", Blob), ("child", Blob), ("open", Int)],
        index: &["guardian"],
    },
    Table {
        name: "successor",
        columns: &[("document", Blob), ("successor", Blob)],
        index: &["document"],
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
        name: "course_offer",
        columns: &[("thumbnail", Blob), ("price", Int), ("currency", Text)],
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
            ("blobs", Blob),
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
            ("timed_minutes", Int),
        ],
        index: &["assignment"],
    },
    Table {
        name: "question",
        columns: &[
            ("assignment", Blob),
            ("question", Int),
            ("text", Text),
            ("text_km", Text),
            ("options", Text),
            ("points", Int),
        ],
        index: &["assignment"],
    },
    // Read by staff alone: its rows come from the `staff` lane.
    Table {
        name: "answer_key",
        columns: &[
            ("assignment", Blob),
            ("question", Int),
            ("options", Text),
            ("answer", Text),
        ],
        index: &["assignment"],
    },
    Table {
        name: "quiz_step",
        columns: &[
            ("assignment", Blob),
            ("attempt", Int),
            ("last", Int),
            ("wall_ms", Int),
            ("boot", Int),
            ("since_relay_ms", Int),
            ("relay_ms", Int),
        ],
        index: &["assignment"],
    },
    Table {
        name: "quiz_answer",
        columns: &[
            ("assignment", Blob),
            ("attempt", Int),
            ("question", Int),
            ("options", Text),
            ("answer", Text),
        ],
        index: &["assignment"],
    },
    Table {
        name: "auto_mark",
        columns: &[
            ("assignment", Blob),
            ("student", Blob),
            ("attempt", Blob),
            ("points", Int),
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
            ("blobs", Blob),
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
            ("options", Text),
            ("media", Blob),
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
        name: "blocked",
        columns: &[("account", Blob), ("given", Int)],
        index: &["author"],
    },
    Table {
        name: "report",
        columns: &[("target", Blob), ("reason", Text)],
        index: &["target"],
    },
    Table {
        name: "conversation",
        columns: &[("kind", Int)],
        index: &[],
    },
    Table {
        name: "talker",
        columns: &[("account", Blob), ("standing", Int)],
        index: &["account"],
    },
    Table {
        name: "message",
        columns: &[("message", Blob), ("envelope", Blob)],
        index: &["message"],
    },
    Table {
        name: "read_until",
        columns: &[("conversation", Blob), ("until", Blob)],
        index: &["author", "conversation"],
    },
    Table {
        name: "conversation_name",
        columns: &[("envelope", Blob)],
        index: &[],
    },
    Table {
        name: "seen",
        columns: &[("until_ms", Int)],
        index: &[],
    },
    // A proposal as it was stated; what it asks for is read by `proposals`.
    Table {
        name: "proposal",
        columns: &[("event", Blob)],
        index: &[],
    },
    Table {
        name: "proposal_end",
        columns: &[("proposal", Blob), ("accepted", Int)],
        index: &["proposal"],
    },
    Table {
        name: "moderation",
        columns: &[("target", Blob), ("hidden", Int), ("reason", Text)],
        index: &["target"],
    },
];

/// Tables of which pages are read in the relay's order.
const ORDERED: &[&str] = &["message"];

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
        if ORDERED.contains(&table.name) {
            out.push(format!(
                "CREATE INDEX p_{0}_order ON p_{0} (space, sequence, op)",
                table.name
            ));
        }
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
