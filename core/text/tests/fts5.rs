//! The keys in a real SQLite index.

use proptest::prelude::*;
use rusqlite::Connection;
use stunity_text::{Query, index_text, query};

/// Tokenizers that must all keep keys whole.
const TOKENIZERS: [&str; 3] = ["ascii", "unicode61", "unicode61 remove_diacritics 2"];

fn index(tokenizer: &str, texts: &[&str]) -> Connection {
    let db = Connection::open_in_memory().expect("memory database");
    db.execute_batch(&format!(
        "CREATE VIRTUAL TABLE search USING fts5(body, content='', contentless_delete=1, tokenize=\"{tokenizer}\")"
    ))
    .expect("SQLite has FTS5");
    for (id, text) in texts.iter().enumerate() {
        db.execute(
            "INSERT INTO search(rowid, body) VALUES (?1, ?2)",
            (id as i64, index_text(text)),
        )
        .expect("row is indexed");
    }
    db
}

fn search(db: &Connection, query: &Query) -> Vec<usize> {
    let mut statement = db
        .prepare_cached("SELECT rowid FROM search WHERE search MATCH ?1 ORDER BY rowid")
        .expect("valid statement");
    statement
        .query_map([query.to_fts5()], |row| row.get::<_, i64>(0))
        .expect("valid MATCH expression")
        .map(|id| id.expect("row") as usize)
        .collect()
}

fn found(texts: &[&str], needle: &str) -> Vec<usize> {
    let query = query(needle).expect("has something to look for");
    let pure: Vec<usize> = (0..texts.len())
        .filter(|&i| query.matches(texts[i]))
        .collect();
    for tokenizer in TOKENIZERS {
        assert_eq!(
            search(&index(tokenizer, texts), &query),
            pure,
            "{tokenizer}"
        );
    }
    pure
}

#[test]
fn khmer_words_are_found_within_unspaced_text() {
    let texts = ["ខ្ញុំរៀនភាសាខ្មែរ", "ខ្ញុំរៀនភាសាអង់គ្លេស", "មេរៀន"];
    assert_eq!(found(&texts, "ភាសា"), [0, 1]);
    assert_eq!(found(&texts, "ខ្មែរ"), [0]);
    // Two letters, which trigram tokenizers miss.
    assert_eq!(found(&texts, "រៀន"), [0, 1, 2]);
    assert_eq!(found(&texts, "ភាសា រៀន"), [0, 1]);
    assert_eq!(found(&texts, "រៀនភាសាអា"), Vec::<usize>::new());
}

#[test]
fn spellings_that_look_the_same_are_found() {
    let texts = ["សិទ្ធិស្ត្រី", "សិទ្ធិស្រ្តី", "សិទ្ធិ\u{200B}ស្ត្\u{200B}រី", "សិទ្ធិបុរស"];
    assert_eq!(found(&texts, "ស្ត្រី"), [0, 1, 2]);
    assert_eq!(found(&texts, "ស្រ្តី"), [0, 1, 2]);
    assert_eq!(found(&texts, "\u{200B}ស្រ្តី\u{200B}"), [0, 1, 2]);
}

#[test]
fn digits_of_either_kind_are_found() {
    let texts = ["ថ្នាក់ទី១២", "ថ្នាក់ទី 12", "ថ្នាក់ទី ១", "Grade 12A"];
    assert_eq!(found(&texts, "12"), [0, 1, 3]);
    assert_eq!(found(&texts, "១២"), [0, 1, 3]);
    assert_eq!(found(&texts, "ថ្នាក់ទី១២"), [0, 1]);
    assert_eq!(found(&texts, "1"), [2]);
}

#[test]
fn latin_words_are_found_by_their_beginning() {
    let texts = [
        "English Grammar",
        "Đặng Văn Lâm",
        "résumé ភាសា",
        "ខ្មែរ k1f8f9a38",
    ];
    assert_eq!(found(&texts, "english gram"), [0]);
    assert_eq!(found(&texts, "dang van"), [1]);
    assert_eq!(found(&texts, "ភាសា resu"), [2]);
    assert_eq!(found(&texts, "glish"), Vec::<usize>::new());
    assert_eq!(found(&texts, "ស្ត្រី"), Vec::<usize>::new());
    assert_eq!(found(&texts, "ku"), Vec::<usize>::new());
}

#[test]
fn what_is_typed_is_never_syntax() {
    let texts = ["a", "b", "near"];
    for needle in [
        "a\" OR \"b",
        "a OR b",
        "NOT a b",
        "search:a b",
        "a* b",
        "^a b",
        "{a b",
        "a + b",
        "a';--b",
    ] {
        assert_eq!(found(&texts, needle), Vec::<usize>::new(), "{needle}");
    }
    assert_eq!(found(&texts, "NEAR("), [2]);
}

fn words() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "ក", "ខ", "្", "រ", "ា", "ី", "\u{200B}", " ", " ", "a", "ab", "k", "1", "១", "\"", "*",
            "é", "ไ", "\u{E31}", "。",
        ]),
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_says_what_sqlite_says(
        texts in prop::collection::vec(words(), 1..12), needles in prop::collection::vec(words(), 1..12)
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let db = index("ascii", &texts);
        for query in needles.iter().filter_map(|needle| query(needle)) {
            let pure: Vec<usize> = (0..texts.len()).filter(|&i| query.matches(texts[i])).collect();
            prop_assert_eq!(search(&db, &query), pure, "{:?}", query);
        }
    }

    #[test]
    fn no_query_is_a_syntax_error(needle in "\\PC{0,20}") {
        if let Some(query) = query(&needle) {
            search(&index("unicode61", &[]), &query);
        }
    }
}
