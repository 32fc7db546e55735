//! What a user typed, as phrases of search keys.

use crate::index::index_text;
use crate::scan::{TokenKind, scan};

/// Most phrases in a query. Those beyond are dropped, which finds more, not less.
pub const MAX_QUERY_PHRASES: usize = 32;

/// Most keys in a query, all phrases together. Those beyond are dropped. A long
/// sentence has about 100.
pub const MAX_QUERY_KEYS: usize = 256;

/// Shortest last word that is searched as a beginning of words, in letters. One
/// letter would match half of the index, and the keys of Khmer clusters, which
/// begin with `k`.
const MIN_PREFIX: usize = 2;

/// A search: all of its phrases must occur. Made by [`query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Never empty.
    phrases: Vec<Phrase>,
}

/// Keys that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// At least one, a space between each two.
    pub keys: String,
    pub key_count: usize,
    /// The last key is the beginning of a word.
    pub prefix: bool,
}

/// Understands what a user typed, or `None` if there is nothing to look for:
/// only punctuation, symbols, white space.
///
/// What stands between white space is one phrase, of Khmer clusters, Latin words
/// and numbers: it is found where these follow each other, whatever spaces and
/// punctuation the text puts between them. A word of two or more Latin letters at
/// the end of the query is taken for the beginning of a word. The order of the
/// phrases does not matter. At most [`MAX_QUERY_PHRASES`] and [`MAX_QUERY_KEYS`]
/// count.
///
/// The last Khmer cluster has to be complete: ស does not find សា.
pub fn query(text: &str) -> Option<Query> {
    let mut phrases: Vec<Phrase> = Vec::new();
    let mut key_count = 0;
    let mut full = false;
    scan(text, |token| {
        full |=
            key_count == MAX_QUERY_KEYS || (token.starts_run && phrases.len() == MAX_QUERY_PHRASES);
        // The end of what was typed is known only at the end.
        if let Some(last) = phrases.last_mut() {
            last.prefix = false;
        }
        if full {
            return;
        }
        key_count += 1;
        let prefix = token.kind == TokenKind::Word && token.key.len() >= MIN_PREFIX;
        match phrases.last_mut() {
            Some(last) if !token.starts_run => {
                last.keys.push(' ');
                last.keys.push_str(token.key);
                last.key_count += 1;
                last.prefix = prefix;
            }
            _ => phrases.push(Phrase {
                keys: token.key.to_owned(),
                key_count: 1,
                prefix,
            }),
        }
    });
    (!phrases.is_empty()).then_some(Query { phrases })
}

impl Query {
    /// The right side of `MATCH` in SQLite's FTS5, over columns that hold
    /// [`index_text`]. Keys stand in quotes and are ASCII letters and digits, so
    /// that nothing that was typed becomes syntax. To search one column, write
    /// `{column} : (` before and `)` after.
    pub fn to_fts5(&self) -> String {
        let phrase = |phrase: &Phrase| {
            let star = if phrase.prefix { " *" } else { "" };
            format!("\"{}\"{star}", phrase.keys)
        };
        join(&self.phrases, " AND ", phrase)
    }

    /// The argument of `to_tsquery('simple', …)` in PostgreSQL, against
    /// `to_tsvector('simple', …)` of [`index_text`]; also valid as a `tsquery`
    /// literal. Keys stand in quotes, as in [`Query::to_fts5`].
    pub fn to_tsquery(&self) -> String {
        let phrase = |phrase: &Phrase| {
            let keys = phrase.keys.replace(' ', "' <-> '");
            let star = if phrase.prefix { ":*" } else { "" };
            format!("('{keys}'{star})")
        };
        join(&self.phrases, " & ", phrase)
    }

    /// Whether `text` has what is searched for: what FTS5 answers for its
    /// [`index_text`].
    pub fn matches(&self, text: &str) -> bool {
        self.matches_index(&index_text(text))
    }

    /// Whether a text has what is searched for, given its [`index_text`].
    pub fn matches_index(&self, index: &str) -> bool {
        self.phrases
            .iter()
            .all(|phrase| phrase.occurrences(index).next().is_some())
    }

    pub(crate) fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }
}

impl Phrase {
    /// Byte offsets in `index` (an [`index_text`]) of the keys where this phrase
    /// begins.
    pub(crate) fn occurrences<'a>(&'a self, index: &'a str) -> impl Iterator<Item = usize> + 'a {
        let bytes = index.as_bytes();
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let start = from + index.get(from..)?.find(&self.keys)?;
                let end = start + self.keys.len();
                // Occurrences may overlap. Keys are ASCII, so that the next byte
                // starts a code point.
                from = start + 1;
                let starts_key = start == 0 || bytes[start - 1] == b' ';
                let ends_key = self.prefix || end == bytes.len() || bytes[end] == b' ';
                if starts_key && ends_key {
                    return Some(start);
                }
            }
        })
    }
}

fn join(phrases: &[Phrase], between: &str, write: impl Fn(&Phrase) -> String) -> String {
    phrases.iter().map(write).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fts5(text: &str) -> Option<String> {
        query(text).map(|q| q.to_fts5())
    }

    fn found(needle: &str, text: &str) -> bool {
        query(needle).is_some_and(|q| q.matches(text))
    }

    #[test]
    fn khmer_is_a_phrase_and_words_are_terms() {
        assert_eq!(
            fts5("ភាសាខ្មែរ English gram").as_deref(),
            Some(r#""k1736 k1f36 k019842 k1a" AND "english" AND "gram" *"#)
        );
        assert_eq!(
            query("ភាសា gram").map(|q| q.to_tsquery()).as_deref(),
            Some("('k1736' <-> 'k1f36') & ('gram':*)")
        );
    }

    #[test]
    fn a_phrase_can_end_in_a_prefix() {
        assert_eq!(fts5("covid19vac").as_deref(), Some(r#""covid 19 vac" *"#));
        assert_eq!(
            query("12ab").map(|q| q.to_tsquery()).as_deref(),
            Some("('12' <-> 'ab':*)")
        );
    }

    #[test]
    fn one_letter_and_numbers_are_no_prefixes() {
        assert_eq!(fts5("k").as_deref(), Some(r#""k""#));
        assert_eq!(fts5("lesson 1").as_deref(), Some(r#""lesson" AND "1""#));
        assert!(!found("k", "ខ្មែរ"));
        assert!(!found("៧", "70"));
    }

    #[test]
    fn nothing_to_look_for_is_no_query() {
        for text in [
            "",
            "  ",
            "\u{200B}",
            "។៕",
            "\"*^-+:(){}",
            "👩‍🏫",
            "\u{17D2}",
            "\u{301}",
        ] {
            assert_eq!(query(text), None, "{text:?}");
        }
    }

    #[test]
    fn syntax_that_was_typed_is_no_syntax() {
        assert_eq!(
            fts5(r#"" OR body:* NEAR(a b, 2) --"#).as_deref(),
            Some(r#""or" AND "body" AND "near a" AND "b" AND "2""#)
        );
        assert_eq!(
            query("a' | !b:* & (").map(|q| q.to_tsquery()).as_deref(),
            Some("('a') & ('b')")
        );
    }

    #[test]
    fn words_are_found_whatever_stands_between_their_clusters() {
        assert!(found("សុខសុភា", "លោក សុខ សុភា ជាគ្រូ"));
        assert!(found("ភាសា\u{200B}ខ្មែរ", "ភាសាខ្មែរ"));
        assert!(found("ភាសាខ្មែរ", "ភាសា\u{200B}ខ្មែរ"));
        assert!(!found("ភាខ្មែរ", "ភាសាខ្មែរ"));
        assert!(!found("ក", "ការ"));
        assert!(found("រ", "ការ"));
    }

    #[test]
    fn all_phrases_must_occur_in_any_order() {
        assert!(found("khmer ភាសា gram", "ភាសា Khmer grammar"));
        assert!(!found("khmer ភាសា gram", "Khmer grammar"));
        assert!(!found("khmer ភាសា english", "ភាសា Khmer"));
        assert!(!found("gra language", "grammar language"));
    }

    #[test]
    fn overlapping_occurrences_are_all_seen() {
        let query = query("កក").expect("two clusters");
        let starts: Vec<usize> = query.phrases()[0].occurrences("k00 k00 k00").collect();
        assert_eq!(starts, [0, 4]);
    }

    #[test]
    fn a_query_is_bounded() {
        let many = query(&"ab ".repeat(1000)).expect("has words");
        assert_eq!(many.phrases().len(), MAX_QUERY_PHRASES);
        assert!(many.phrases().iter().all(|phrase| !phrase.prefix));
        let long = query(&"ក".repeat(1000)).expect("has clusters");
        assert_eq!(long.phrases()[0].key_count, MAX_QUERY_KEYS);
        assert!(long.matches(&"ក".repeat(1000)));
    }
}
