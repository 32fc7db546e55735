//! Search keys: tokens of ASCII letters and digits, so that no tokenizer of a
//! database can split or fold them.
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::cluster::{clusters, is_base, is_invisible, is_mark};

/// Rises with any change of the keys: indexes are then built again.
pub const INDEX_VERSION: u32 = 1;

const COENG: char = '\u{17d2}';
const RO: char = '\u{179a}';

/// A token and whether it is a Khmer cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub key: String,
    pub khmer: bool,
}

/// The class by which the parts of a cluster are ordered: subscripts, with RO
/// last, then shifters, vowels, signs.
fn class(part: &[char]) -> u8 {
    match part {
        [COENG, RO] => 2,
        [COENG, ..] => 1,
        ['\u{17c9}' | '\u{17ca}', ..] => 3,
        ['\u{17b4}'..='\u{17c5}', ..] => 4,
        _ => 5,
    }
}

/// A cluster in canonical order, without what is invisible: spellings that look
/// the same become the same.
fn canonical(cluster: &str) -> Vec<char> {
    let chars: Vec<char> = cluster.chars().filter(|c| !is_invisible(*c)).collect();
    let Some((first, rest)) = chars.split_first() else {
        return Vec::new();
    };
    let mut parts: Vec<Vec<char>> = Vec::new();
    let mut rest = rest.iter().copied().peekable();
    while let Some(c) = rest.next() {
        match c {
            COENG => {
                let mut part = vec![COENG];
                part.extend(rest.next_if(|next| is_base(*next)).map(|c| match c {
                    // Subscripts TA and DA look the same.
                    '\u{178a}' => '\u{178f}',
                    other => other,
                }));
                parts.push(part);
            }
            // Two vowel signs that draw another one.
            '\u{17c1}' if rest.next_if_eq(&'\u{17b8}').is_some() => parts.push(vec!['\u{17be}']),
            '\u{17c1}' if rest.next_if_eq(&'\u{17b6}').is_some() => parts.push(vec!['\u{17c4}']),
            // Inherent vowels are not drawn.
            '\u{17b4}' | '\u{17b5}' => {}
            other => parts.push(vec![other]),
        }
    }
    parts.sort_by_key(|part| class(part));
    parts.dedup();
    let mut out = vec![match first {
        '\u{17a3}' => '\u{17a2}',
        first => *first,
    }];
    out.extend(parts.into_iter().flatten());
    out
}

fn khmer_key(cluster: &str) -> String {
    // Two letters for each character of the Khmer block, after a prefix that no
    // word has.
    let mut key = String::from("qk");
    for c in canonical(cluster) {
        let n = (c as u32).wrapping_sub(0x1780) as u8;
        key.push((b'a' + (n >> 4) % 26) as char);
        key.push((b'a' + (n & 15)) as char);
    }
    key
}

/// Folds a character outside Khmer: lower case, no diacritics, ASCII digits.
fn fold(c: char, out: &mut String) {
    for c in core::iter::once(c)
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
    {
        for c in c.to_lowercase() {
            if c.is_ascii_alphanumeric() {
                out.push(c);
            } else {
                // A letter of another script: its number, so it stays one token.
                out.push_str(&format!("u{:x}", c as u32));
            }
        }
    }
}

/// The tokens of a text, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut word = String::new();
    let end_word = |word: &mut String, out: &mut Vec<Token>| {
        if !word.is_empty() {
            out.push(Token {
                key: core::mem::take(word),
                khmer: false,
            });
        }
    };
    for range in clusters(text) {
        let cluster = &text[range];
        let Some(first) = cluster.chars().next() else {
            continue;
        };
        match first {
            c if is_base(c) || is_mark(c) || c == COENG => {
                end_word(&mut word, &mut out);
                out.push(Token {
                    key: khmer_key(cluster),
                    khmer: true,
                });
            }
            '\u{17e0}'..='\u{17e9}' => {
                word.push((b'0' + (first as u32 - 0x17e0) as u8) as char);
            }
            // Lek too: the word before is written twice; it is a word of its own.
            '\u{17d7}' => {
                end_word(&mut word, &mut out);
                out.push(Token {
                    key: "qktoo".into(),
                    khmer: true,
                });
            }
            c if is_invisible(c) => {}
            c if c.is_alphanumeric() => fold(c, &mut word),
            _ => end_word(&mut word, &mut out),
        }
    }
    end_word(&mut word, &mut out);
    out
}

/// The keys of a text, separated by spaces, for a full-text index that splits
/// at spaces.
#[must_use]
pub fn index_text(text: &str) -> String {
    let keys: Vec<String> = tokens(text).into_iter().map(|token| token.key).collect();
    keys.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_the_same_have_one_key() {
        assert_eq!(index_text("ស្រ្តី"), index_text("ស្ត្រី"));
        assert_eq!(index_text("ក\u{200b}ម្ពុជា"), index_text("កម្ពុជា"));
        assert_ne!(index_text("កា"), index_text("កី"));
    }

    #[test]
    fn digits_of_both_kinds_and_letters_of_both_cases_are_the_same() {
        assert_eq!(index_text("២០២៦"), "2026");
        assert_eq!(index_text("Café ROUGE"), "cafe rouge");
        assert_eq!(index_text("ថ្នាក់ទី១០"), index_text("ថ្នាក់ទី10"));
    }

    #[test]
    fn keys_are_ascii_letters_and_digits() {
        let keys = index_text("ភាសាខ្មែរ – 数学 \"x*y\" OR");
        assert!(keys.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '));
    }
}
