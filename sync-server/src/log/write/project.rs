//! Projections and search.
use sqlx::AssertSqlSafe;
use stunity_model::events::Event;
use stunity_model::rows::{self, Value};
use stunity_proto::Entry;
use stunity_sync::Position;

use super::Writer;
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
            let mut query = sqlx::query(AssertSqlSafe(insert_statement(row.table)))
                .bind(n)
                .bind(index as i64)
                .bind(i64::from(row.item))
                .bind(header.space.0.to_vec())
                .bind(header.lane.to_key())
                .bind(header.author.0.to_vec())
                .bind(header.signer.is_vouched())
                .bind(position.sequence as i64)
                .bind(position.received_ms as i64);
            for value in row.values {
                query = match value {
                    Value::Null => query.bind(None::<i64>),
                    Value::Int(value) => query.bind(value),
                    Value::Text(value) => query.bind(value),
                    Value::Blob(value) => query.bind(value),
                };
            }
            query.execute(&mut *self.db).await?;
        }
        if let Some((about, text)) = rows::searchable(event, entry.id()) {
            let done = sqlx::query("INSERT INTO search_entry (entry, about) VALUES (?, ?)")
                .bind(n)
                .bind(about)
                .execute(&mut *self.db)
                .await?;
            sqlx::query("INSERT INTO search (rowid, keys) VALUES (?, ?)")
                .bind(done.last_insert_rowid())
                .bind(stunity_text::index_text(&text))
                .execute(&mut *self.db)
                .await?;
        }
        Ok(())
    }
}

/// `INSERT` of a projection's row.
fn insert_statement(table: &str) -> String {
    let columns = rows::table(table).map_or(0, |table| table.columns.len());
    let marks = vec!["?"; 3 + rows::COMMON.len() + columns].join(", ");
    format!("INSERT OR REPLACE INTO p_{table} VALUES ({marks})")
}
