//! Khmer and English search keys and clusters, the same on client and relay.
//!
//! Khmer writes no spaces between words, so words are found as phrases of
//! clusters: [`index_text`] gives one token per cluster, [`Query`] asks for them
//! in a row. Stored text is never changed; what is reordered and folded is the
//! key alone.

mod cluster;
mod key;
mod query;

pub use cluster::{clusters, floor_boundary};
pub use key::{INDEX_VERSION, index_text};
pub use query::Query;
