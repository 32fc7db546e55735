//! Rows that a batch adds: held back, so that many go in one statement.
use std::collections::BTreeMap;

use crate::db::{Transaction, Value, insert_rows};

/// Rows by table, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Rows {
    entries: Vec<Vec<Value>>,
    numberings: Vec<Vec<Value>>,
    projections: BTreeMap<&'static str, Vec<Vec<Value>>>,
    search_entries: Vec<Vec<Value>>,
    search: Vec<Vec<Value>>,
}

impl Rows {
    pub(super) fn entry(&mut self, values: Vec<Value>) {
        self.entries.push(values);
    }

    pub(super) fn numbering(&mut self, values: Vec<Value>) {
        self.numberings.push(values);
    }

    pub(super) fn projected(&mut self, table: &'static str, values: Vec<Value>) {
        self.projections.entry(table).or_default().push(values);
    }

    pub(super) fn searchable(&mut self, row: i64, entry: i64, about: Vec<u8>, keys: String) {
        self.search_entries
            .push(vec![row.into(), entry.into(), about.into()]);
        self.search.push(vec![row.into(), keys.into()]);
    }

    /// Gives the rows to the database.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn write(&mut self, tx: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        let Self {
            entries,
            numberings,
            projections,
            search_entries,
            search,
        } = std::mem::take(self);
        insert_rows(tx, "entry", entries, "").await?;
        insert_rows(tx, "numbering", numberings, "").await?;
        for (table, rows) in projections {
            insert_rows(tx, &format!("p_{table}"), rows, "").await?;
        }
        insert_rows(tx, "search_entry", search_entries, "").await?;
        insert_rows(tx, "search", search, "").await
    }
}
