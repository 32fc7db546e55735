//! Projections and search.
use stunity_model::events::Event;
use stunity_model::rows::{self, Type};
use stunity_proto::{Entry, EntryId};
use stunity_sync::Position;

use super::Writer;
use crate::db::Value;
use crate::error::ServerError;

impl Writer<'_> {
    pub(super) async fn project(
        &mut self,
        n: i64,
        index: usize,
        entry: &Entry,
        event: &Event,
        position: &Position,
    ) -> Result<(), ServerError> {
        for (table, values) in projected_rows(n, index, entry, event, position) {
            self.batch.rows.projected(table, values);
        }
        if let Some((about, keys)) = searchable_row(event, entry.id()) {
            let row = self.row_number().await?;
            self.batch.rows.searchable(row, n, about, keys);
        }
        Ok(())
    }
}

/// What an event can be found by, and the keys of its text.
pub(super) fn searchable_row(event: &Event, entry: EntryId) -> Option<(Vec<u8>, String)> {
    let (about, text) = rows::searchable(event, entry)?;
    Some((about, stunity_text::index_text(&text)))
}

/// The rows of an event, by table.
pub(crate) fn projected_rows(
    n: i64,
    index: usize,
    entry: &Entry,
    event: &Event,
    position: &Position,
) -> Vec<(&'static str, Vec<Value>)> {
    let header = entry.header();
    let row = |row: rows::Row| {
        let table = rows::table(row.table)?;
        let mut values = vec![
            Value::from(n),
            (index as i64).into(),
            i64::from(row.item).into(),
            header.space.0.into(),
            header.lane.to_key().into(),
            header.author.0.into(),
            header.signer.is_vouched().into(),
            position.sequence.into(),
            position.received_ms.into(),
        ];
        let types = table.columns.iter().map(|(_, ty)| *ty);
        values.extend(row.values.into_iter().zip(types).map(value));
        Some((table.name, values))
    };
    rows::rows(event).into_iter().filter_map(row).collect()
}

/// A projection's value with its column's type.
fn value((value, ty): (rows::Value, Type)) -> Value {
    match (value, ty) {
        (rows::Value::Int(value), _) => value.into(),
        (rows::Value::Text(value), _) => value.into(),
        (rows::Value::Blob(value), _) => value.into(),
        (rows::Value::Null, Type::Int) => Value::Int(None),
        (rows::Value::Null, Type::Text) => Value::Text(None),
        (rows::Value::Null, Type::Blob) => Value::Blob(None),
    }
}
