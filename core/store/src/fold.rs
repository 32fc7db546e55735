//! Projections: the rows of events, as `stunity_model::rows` gives them.
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use stunity_model::Event;
use stunity_model::rows::{self, COMMON, Row, TABLES, Value};
use stunity_proto::{AccountId, EntryId, Kind, Lane, SpaceId};

use crate::database::int;
use crate::{StoreError, search};

/// Makes the tables of the projections; a later fold version drops and makes
/// them again.
pub(crate) fn create_projections(conn: &Connection) -> Result<(), StoreError> {
    for statement in rows::schema("BLOB", "INTEGER") {
        conn.execute_batch(&statement)?;
    }
    Ok(())
}

/// Drops the tables of the projections, also those of older versions.
pub(crate) fn drop_projections(conn: &Connection) -> Result<(), StoreError> {
    let names = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'p_*'")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for name in names {
        conn.execute_batch(&format!("DROP TABLE \"{name}\""))?;
    }
    // Emptied as a whole: row by row it takes longer than folding.
    conn.execute_batch(
        "DROP TRIGGER findable_delete;
         DELETE FROM findable;
         INSERT INTO search (search) VALUES ('delete-all');
         CREATE TRIGGER findable_delete AFTER DELETE ON findable BEGIN
             INSERT INTO search (search, rowid, words) VALUES ('delete', old.row, old.words);
         END;
         DELETE FROM members;",
    )?;
    Ok(())
}

/// Where the rows of an operation come from.
pub(crate) struct Origin {
    pub entry: EntryId,
    pub space: SpaceId,
    pub lane: Lane,
    pub author: AccountId,
    pub vouched: bool,
    /// Its number in the relay's present order.
    pub number: Option<u64>,
    /// When the relay first received it, milliseconds since 1970.
    pub received_ms: Option<u64>,
}

/// Under which id the rows of an operation stand until an entry carries it.
pub(crate) fn provisional(op: i64) -> EntryId {
    let mut id = EntryId::ZERO;
    id.0[24..].copy_from_slice(&op.to_be_bytes());
    id
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The statement that inserts into a table, one text a table.
fn insert_sql(table: &str) -> Option<String> {
    let columns = rows::table(table)?.columns.len();
    let count = 3 + COMMON.len() + columns;
    let marks: Vec<String> = (1..=count).map(|index| format!("?{index}")).collect();
    Some(format!(
        "INSERT OR REPLACE INTO p_{table} VALUES ({})",
        marks.join(",")
    ))
}

thread_local! {
    static INSERTS: Vec<(&'static str, String)> = TABLES
        .iter()
        .filter_map(|table| Some((table.name, insert_sql(table.name)?)))
        .collect();
}

/// Adds the rows of an event; the same again changes nothing but the place.
pub(crate) fn save_event(
    conn: &Connection,
    origin: &Origin,
    op: usize,
    event: &Event,
) -> Result<(), StoreError> {
    for row in rows::rows(event) {
        save_row(conn, origin, op, &row)?;
    }
    if let Some((object, text)) = rows::searchable(event, origin.entry) {
        // A course's page and a name card replace the one before.
        let object = match event {
            Event::CoursePublish(_) => origin.space.0.to_vec(),
            Event::NameCard(_) => origin.author.0.to_vec(),
            _ => object,
        };
        search::save(conn, origin, op, event.code(), &object, &text)?;
    }
    Ok(())
}

fn save_row(conn: &Connection, origin: &Origin, op: usize, row: &Row) -> Result<(), StoreError> {
    INSERTS.with(|inserts| {
        let (_, sql) = inserts
            .iter()
            .find(|(name, _)| *name == row.table)
            .ok_or(StoreError::Damaged("table of a projection"))?;
        let place = |value: Option<u64>| value.map_or(SqlValue::Null, |v| int(v).into());
        let common: [SqlValue; 9] = [
            origin.entry.0.to_vec().into(),
            (op as i64).into(),
            i64::from(row.item).into(),
            origin.space.0.to_vec().into(),
            origin.lane.to_key().into(),
            origin.author.0.to_vec().into(),
            i64::from(origin.vouched).into(),
            place(origin.number),
            place(origin.received_ms),
        ];
        let own: Vec<Bound<'_>> = row.values.iter().map(Bound).collect();
        let all = common
            .iter()
            .map(|value| value as &dyn ToSql)
            .chain(own.iter().map(|value| value as &dyn ToSql));
        conn.prepare_cached(sql)?.execute(params_from_iter(all))?;
        Ok(())
    })
}

/// Takes the rows of an event away again.
pub(crate) fn drop_event(
    conn: &Connection,
    entry: &EntryId,
    op: usize,
    event: &Event,
) -> Result<(), StoreError> {
    drop_rows(conn, entry, op, event)?;
    search::drop_op(conn, entry, op)
}

fn drop_rows(
    conn: &Connection,
    entry: &EntryId,
    op: usize,
    event: &Event,
) -> Result<(), StoreError> {
    let mut before = "";
    for row in rows::rows(event) {
        if row.table == before {
            continue;
        }
        before = row.table;
        conn.prepare_cached(&format!(
            "DELETE FROM p_{} WHERE entry = ?1 AND op = ?2",
            row.table
        ))?
        .execute(rusqlite::params![&entry.0, op as i64])?;
    }
    Ok(())
}

/// Takes away the rows that stood for an operation of the outbox, which is now
/// in an entry. Its search row moves: indexing it anew would cost more.
pub(crate) fn settle_provisional(
    conn: &Connection,
    op: i64,
    kind: Kind,
    bytes: &[u8],
    (entry, position): (&EntryId, usize),
) -> Result<(), StoreError> {
    let Kind::Event(_) = kind else { return Ok(()) };
    let Ok(event) = Event::decode(bytes) else {
        return Ok(());
    };
    let id = provisional(op);
    search::move_op(conn, &id, entry, position)?;
    drop_rows(conn, &id, 0, &event)
}
