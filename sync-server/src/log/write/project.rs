//! Projections and search.
use stunity_model::events::Event;
use stunity_model::rows::{self, Type};
use stunity_proto::Entry;
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
        let header = entry.header();
        for row in rows::rows(event) {
            let Some(table) = rows::table(row.table) else {
                continue;
            };
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
            self.batch.rows.projected(table.name, values);
        }
        if let Some((about, text)) = rows::searchable(event, entry.id()) {
            let row = self.row_number().await?;
            let keys = stunity_text::index_text(&text);
            self.batch.rows.searchable(row, n, about, keys);
        }
        Ok(())
    }
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
