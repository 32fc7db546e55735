//! The database: SQLite in a file by default, PostgreSQL where its address is
//! given. Both run the same statements.
//!
//! - [`sql`] makes a [`Statement`] with parameters `$1`, `$2`…, which both read;
//!   it runs on a [`Database`] (a pool), on the writer's [`Connection`] or in its
//!   [`Transaction`];
//! - integers are 64 bits, flags are 0 and 1, ids are bytes: [`Value`] and
//!   [`Row::get`] are the only places that know how either database spells them;
//! - what cannot be said the same way in both is a method of [`Dialect`].
mod dialect;
mod insert;
mod pool;
mod schema;
mod statement;
mod value;

pub use dialect::Dialect;
pub(crate) use insert::{Insert, insert_all, insert_rows};
pub use pool::{Connection, Database, Source, Transaction};
pub(crate) use schema::{create_projections, migrate};
pub(crate) use statement::wanted;
pub use statement::{Handle, Statement, sql};
pub use value::{Column, Row, Value};
