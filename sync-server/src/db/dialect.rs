//! What the two databases say differently.

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// How a row is written in an `INSERT`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowShape {
    /// The columns, where they are not all of the table's in its order.
    pub columns: &'static str,
    /// A value that is not stored as given: its column, what stands before and
    /// after its parameter.
    pub wrapped: Option<(usize, &'static str, &'static str)>,
}

impl Dialect {
    /// Asks, at the start of a transaction that writes, for a number that is as it was,
    /// or one higher where `true`, unless another connection has written since it was
    /// asked. Until the transaction ends nobody else gets one, so that numbers of
    /// entries are given in the order of commits.
    #[must_use]
    pub fn written(self) -> (&'static str, bool) {
        match self {
            Self::Sqlite => ("PRAGMA data_version", false),
            Self::Postgres => (
                "UPDATE batch SET number = number + 1 RETURNING number",
                true,
            ),
        }
    }

    /// How a row of `table` is written.
    pub(super) fn row_of(self, table: &str) -> RowShape {
        match (self, table) {
            (Self::Sqlite, "search") => RowShape {
                columns: " (rowid, keys)",
                wrapped: None,
            },
            (Self::Postgres, "search") => RowShape {
                columns: " (n, keys)",
                wrapped: Some((1, "to_tsvector('simple', ", ")")),
            },
            _ => RowShape {
                columns: "",
                wrapped: None,
            },
        }
    }

    /// Types of columns in the projections' tables: bytes, integers.
    #[must_use]
    pub fn types(self) -> (&'static str, &'static str) {
        match self {
            Self::Sqlite => ("BLOB", "INTEGER"),
            Self::Postgres => ("BYTEA", "BIGINT"),
        }
    }
}
