//! Many rows at once.
use super::{Dialect, Statement, Transaction, Value};

/// Rows of one statement: few sizes, so that the databases keep them prepared.
const ROWS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];
/// Parameters of one statement at most; PostgreSQL takes 65,535, SQLite 32,766.
const PARAMETERS: usize = 4_096;
/// Statements of so many rows at most go together to SQLite, whose thread is woken once
/// for all of them; of larger ones there would be too many kinds to keep prepared.
const FEW: usize = 2;

/// Rows for one table.
#[derive(Debug)]
pub(crate) struct Insert {
    /// The table.
    pub table: String,
    /// Rows with a value for every column, in order.
    pub rows: Vec<Vec<Value>>,
    /// What ends the statement, such as `ON CONFLICT …`.
    pub after: &'static str,
}

/// Inserts rows into `table`, many in one statement; `after` ends it, such as
/// `ON CONFLICT …`. Each row has a value for every column, in order.
///
/// # Errors
/// The database's.
pub(crate) async fn insert_rows(
    on: &mut Transaction<'_>,
    table: &str,
    rows: Vec<Vec<Value>>,
    after: &'static str,
) -> Result<(), sqlx::Error> {
    let table = table.to_owned();
    insert_all(on, vec![Insert { table, rows, after }]).await
}

/// Inserts rows into several tables, in this order, with few statements.
///
/// # Errors
/// The database's.
pub(crate) async fn insert_all(
    on: &mut Transaction<'_>,
    inserts: Vec<Insert>,
) -> Result<(), sqlx::Error> {
    let mut together = Together::default();
    for Insert { table, rows, after } in inserts {
        let mut rows = rows.into_iter().peekable();
        while let Some(first) = rows.peek() {
            let columns = first.len();
            let left = rows.len();
            let count = ROWS
                .into_iter()
                .find(|count| *count <= left && count * columns <= PARAMETERS)
                .unwrap_or(1);
            let text = text(on.dialect(), &table, (count, columns), after);
            let values = rows.by_ref().take(count).flatten();
            if on.dialect() == Dialect::Postgres || count > FEW {
                together.execute(on).await?;
            }
            together.add(&text, values);
            if on.dialect() == Dialect::Postgres || count > FEW {
                together.execute(on).await?;
            }
        }
    }
    together.execute(on).await
}

/// Statements that are executed together.
#[derive(Default)]
struct Together {
    text: String,
    values: Vec<Value>,
}

impl Together {
    fn add(&mut self, text: &str, values: impl Iterator<Item = Value>) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(text);
        self.values.extend(values);
    }

    async fn execute(&mut self, on: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        let Self { text, values } = std::mem::take(self);
        if !text.is_empty() {
            let text = text.into();
            Statement { text, values }.execute(on).await?;
        }
        Ok(())
    }
}

/// An `INSERT` of so many rows and columns.
fn text(dialect: Dialect, table: &str, (rows, columns): (usize, usize), after: &str) -> String {
    let shape = dialect.row_of(table);
    let mut text = format!("INSERT INTO {table}{} VALUES ", shape.columns);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // SQLite finds a numbered parameter by looking through all of them.
            let parameter = match dialect {
                Dialect::Sqlite => "?".to_owned(),
                Dialect::Postgres => format!("${}", row * columns + column + 1),
            };
            match shape.wrapped {
                Some((at, before, behind)) if at == column => {
                    text.push_str(&format!("{comma}{before}{parameter}{behind}"));
                }
                _ => text.push_str(&format!("{comma}{parameter}")),
            }
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(after);
    text
}
