//! Rows that a batch adds: held back, so that many go in one statement.
use std::collections::BTreeMap;

use crate::db::{Insert, Value};

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

    /// The rows, by table.
    pub(super) fn take(&mut self) -> Vec<Insert> {
        let Self {
            entries,
            numberings,
            projections,
            search_entries,
            search,
        } = std::mem::take(self);
        let of = |table: &str, rows| Insert {
            table: table.to_owned(),
            rows,
            after: "",
        };
        let projections = projections.into_iter();
        let mut inserts = vec![of("entry", entries), of("numbering", numberings)];
        inserts.extend(projections.map(|(table, rows)| of(&format!("p_{table}"), rows)));
        inserts.extend([of("search_entry", search_entries), of("search", search)]);
        inserts
    }
}
