//! What a person types, as queries of the two databases.
use crate::key::{Token, tokens};

/// A search: every part must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Each a phrase of keys; a word outside Khmer is a phrase of one.
    phrases: Vec<Vec<String>>,
    /// The last word is still being typed.
    prefix: bool,
}

/// Longest query in tokens: nobody types more, and phrases cost by the token.
const MAX_TOKENS: usize = 64;

impl Query {
    /// Reads what a person typed; none if there is nothing to search for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut phrases: Vec<Vec<String>> = Vec::new();
        let mut last_khmer = false;
        for part in text.split_whitespace() {
            let mut joins = false;
            for Token { key, khmer } in tokens(part) {
                match phrases.last_mut() {
                    Some(phrase) if joins && khmer && last_khmer => phrase.push(key),
                    _ => phrases.push(vec![key]),
                }
                joins = true;
                last_khmer = khmer;
            }
        }
        let mut left = MAX_TOKENS;
        phrases.retain_mut(|phrase| {
            phrase.truncate(left);
            left -= phrase.len();
            !phrase.is_empty()
        });
        let typed_on = !text.ends_with(char::is_whitespace);
        (!phrases.is_empty()).then_some(Self {
            phrases,
            prefix: typed_on && !last_khmer,
        })
    }

    /// A `MATCH` expression of SQLite's FTS5.
    #[must_use]
    pub fn to_fts5(&self) -> String {
        let last = self.phrases.len() - 1;
        let phrases: Vec<String> = self
            .phrases
            .iter()
            .enumerate()
            .map(|(index, phrase)| {
                let star = if index == last && self.prefix {
                    "*"
                } else {
                    ""
                };
                format!("\"{}\"{star}", phrase.join(" "))
            })
            .collect();
        phrases.join(" AND ")
    }

    /// A `tsquery` of PostgreSQL in the `simple` configuration.
    #[must_use]
    pub fn to_tsquery(&self) -> String {
        let last = self.phrases.len() - 1;
        let phrases: Vec<String> = self
            .phrases
            .iter()
            .enumerate()
            .map(|(index, phrase)| {
                let star = if index == last && self.prefix {
                    ":*"
                } else {
                    ""
                };
                format!("{}{star}", phrase.join(" <-> "))
            })
            .collect();
        phrases.join(" & ")
    }

    /// Whether a text has every part; what the databases answer by index.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let keys: Vec<String> = tokens(text).into_iter().map(|token| token.key).collect();
        let last = self.phrases.len() - 1;
        self.phrases.iter().enumerate().all(|(index, phrase)| {
            keys.windows(phrase.len()).any(|window| {
                window == phrase.as_slice()
                    || (index == last
                        && self.prefix
                        && phrase.len() == 1
                        && window[0].starts_with(&phrase[0]))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn khmer_words_are_phrases_and_english_words_stand_apart() {
        let query = Query::parse("ភាសាខ្មែរ school").unwrap();
        assert_eq!(query.phrases.len(), 2);
        assert!(query.matches("សិក្សាភាសាខ្មែរ at the schoolhouse"));
        assert!(!query.matches("ភាសាអង់គ្លេស school"));
    }

    #[test]
    fn nothing_typed_can_become_syntax() {
        assert_eq!(Query::parse("\"\" * ( ) : -"), None);
        let query = Query::parse("a\" OR b*").unwrap();
        assert_eq!(query.to_fts5(), "\"a\" AND \"or\" AND \"b\"*");
    }
}
