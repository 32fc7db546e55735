//! The search keys of `stunity-text`, as SQLite takes them.

/// The keys under which a text is found, for the index.
pub(crate) fn index(text: &str) -> String {
    stunity_text::index_text(text)
}

/// A query for the index; none if nothing of it can be searched.
pub(crate) fn query(text: &str) -> Option<String> {
    stunity_text::query(text).map(|query| query.to_fts5())
}
