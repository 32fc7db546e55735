//! Khmer and English tokenizing and search keys.
//!
//! Khmer writes no spaces between words, and the tokenizers of SQLite and
//! PostgreSQL cut it at vowel signs. This crate is the one tokenizer of client
//! and relay: it turns text into space-separated ASCII keys, one for each Khmer
//! character cluster, Latin word or number, and a user's query into phrases of
//! the same keys. A Khmer word is then found by a phrase of its clusters, with
//! no dictionary and no segmenter.
//!
//! ```
//! use stunity_text::{highlight, index_text, query};
//!
//! // COENG RO before COENG TA, and a zero-width space: looks the same, is found.
//! let stored = "សិស្ស\u{200B}ស្រ្តី ៧ នាក់";
//! let query = query("ស្ត្រី 7").expect("has something to look for");
//!
//! assert_eq!(query.to_fts5(), r#""k1f8f9a38" AND "7""#);
//! assert!(query.matches_index(&index_text(stored)));
//! assert_eq!(&stored[highlight(stored, &query)[0].clone()], "ស្រ្តី");
//! ```
//!
//! # SQLite
//!
//! Keys are lower-case ASCII letters and digits, so any tokenizer that neither
//! stems nor cuts into trigrams keeps them whole; `ascii` is the cheapest:
//!
//! ```sql
//! CREATE VIRTUAL TABLE post_search USING fts5(body, content='', contentless_delete=1, tokenize='ascii');
//! INSERT INTO post_search(rowid, body) VALUES (?1, ?2);               -- ?2 = index_text(body)
//! SELECT rowid FROM post_search WHERE post_search MATCH ?1;           -- ?1 = query(text)?.to_fts5()
//! ```
//!
//! `detail` must stay `full` (the default): phrases need positions.
//!
//! # PostgreSQL
//!
//! ```sql
//! to_tsvector('simple', $1) @@ to_tsquery('simple', $2)               -- index_text(..), to_tsquery()
//! ```
//!
//! A `tsvector` keeps 256 positions for a key and none beyond 16,383
//! (PostgreSQL manual, 12.11 "Limitations"). A post (5,000 characters) stays far
//! below; a text of more than some 4,000 clusters should be indexed in pieces,
//! a row for each, or its later phrases are not found.
//!
//! # What is stored
//!
//! Text is stored as it was typed, never NFC-normalised: NFC may move COENG away
//! from the letter that it subscribes. Spellings that look the same meet in the
//! keys only. [`clusters`] and its relatives say where a caret may stand and an
//! edit may cut in the stored text.
//!
//! Keys depend on [`INDEX_VERSION`]: an index made under another number is
//! rebuilt from the stored text.

mod canonical;
mod cluster;
mod digits;
mod fold;
mod highlight;
mod index;
mod khmer;
mod query;
mod scan;

pub use cluster::{
    Clusters, ceil_cluster_boundary, clusters, floor_cluster_boundary, is_cluster_boundary,
    snap_to_clusters,
};
pub use digits::{to_ascii_digits, to_khmer_digits};
pub use highlight::{Snippet, highlight, snippet};
pub use index::{INDEX_VERSION, MAX_KEY, index_text};
pub use query::{MAX_QUERY_KEYS, MAX_QUERY_PHRASES, Query, query};
