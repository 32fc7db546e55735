//! Text to tokens: the one pass behind index, query and highlighting.
//!
//! - A Khmer cluster is a token, see [`crate::canonical`].
//! - A run of Latin letters is a token: lower case, without diacritics.
//! - A run of digits is a token, in ASCII. `covid19` is two, so that a token of
//!   letters and digits is always an encoded one.
//! - Any other letter, with its marks, is a token: `u` and six hexadecimal
//!   digits for each code point.
//! - Ignorable code points are skipped, everything else separates.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_normalization::char::{
    canonical_combining_class, decompose_compatible, is_combining_mark,
};

use crate::canonical::KhmerCluster;
use crate::fold::fold_latin;
use crate::khmer::{Expansion, Role, expand, is_ignorable, role};

/// Longest Latin word or number, in letters; the rest of it is not searchable.
/// Longer ones are pasted keys and links.
const MAX_WORD: usize = 64;

/// Most code points in a letter of another script, marks included. No language
/// needs as many; the rest is not searchable.
const MAX_OTHER: usize = 8;

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Khmer,
    Word,
    Number,
    Other,
}

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'k> {
    /// ASCII letters and digits, at most [`crate::MAX_KEY`] bytes, never empty.
    pub key: &'k str,
    pub kind: TokenKind,
    /// Bytes of the text it was read from.
    pub range: Range<usize>,
    /// White space, or nothing, comes between this token and the one before.
    pub starts_run: bool,
}

/// Tells `sink` the tokens of `text` in order.
pub(crate) fn scan(text: &str, sink: impl FnMut(Token<'_>)) {
    let mut scanner = Scanner {
        sink,
        open: None,
        word: String::new(),
        other: Vec::new(),
        cluster: KhmerCluster::default(),
        range: 0..0,
        starts_run: true,
    };
    for (at, c) in text.char_indices() {
        scanner.read(c, at..at + c.len_utf8());
    }
    scanner.close();
}

struct Scanner<F> {
    sink: F,
    /// The kind of the token being read; its parts are in one of the next three.
    open: Option<TokenKind>,
    word: String,
    other: Vec<char>,
    cluster: KhmerCluster,
    range: Range<usize>,
    starts_run: bool,
}

impl<F: FnMut(Token<'_>)> Scanner<F> {
    fn read(&mut self, c: char, range: Range<usize>) {
        if is_ignorable(c) {
            return;
        }
        if c.is_ascii_alphanumeric() {
            self.read_ascii(c.to_ascii_lowercase(), range);
        } else if c.is_whitespace() {
            self.close();
            self.starts_run = true;
        } else if c.is_ascii() {
            self.close();
        } else if role(c).is_some() {
            match expand(c) {
                Expansion::One(c) => self.read_khmer(c, range),
                Expansion::Two(first, second) => {
                    self.read_khmer(first, range.clone());
                    self.read_khmer(second, range);
                }
            }
        } else {
            decompose_compatible(c, |part| {
                for part in part.to_lowercase() {
                    self.read_part(part, range.clone());
                }
            });
        }
    }

    /// Reads an ASCII letter in lower case, or an ASCII digit.
    fn read_ascii(&mut self, c: char, range: Range<usize>) {
        let kind = if c.is_ascii_digit() {
            TokenKind::Number
        } else {
            TokenKind::Word
        };
        self.continue_or_open(kind, range);
        if self.word.len() < MAX_WORD {
            self.word.push(c);
        }
    }

    fn read_khmer(&mut self, c: char, range: Range<usize>) {
        match role(c) {
            Some(Role::Letter)
                if self.open == Some(TokenKind::Khmer) && self.cluster.awaits_subscript() =>
            {
                self.cluster.push_subscript(c);
                self.range.end = range.end;
            }
            Some(Role::Letter | Role::Sign) => {
                self.close();
                self.continue_or_open(TokenKind::Khmer, range);
                self.cluster.reset(Some(c));
            }
            Some(Role::Mark) => {
                self.continue_or_open(TokenKind::Khmer, range);
                self.cluster.push_mark(c);
            }
            Some(Role::Coeng) => {
                self.continue_or_open(TokenKind::Khmer, range);
                self.cluster.push_coeng();
            }
            Some(Role::Digit(digit)) => self.read_ascii(char::from(b'0' + digit), range),
            Some(Role::Separator) | None => self.close(),
        }
    }

    /// Reads a part of a code point that is neither ASCII nor Khmer, in lower
    /// case.
    fn read_part(&mut self, c: char, range: Range<usize>) {
        if c.is_ascii_alphanumeric() {
            self.read_ascii(c, range);
        } else if is_combining_mark(c) {
            // On Latin and on Khmer a foreign mark is decoration.
            match self.open {
                Some(TokenKind::Other) => {
                    self.range.end = range.end;
                    if self.other.len() < MAX_OTHER {
                        self.other.push(c);
                    }
                }
                Some(_) => self.range.end = range.end,
                None => {}
            }
        } else if let Some(letters) = fold_latin(c) {
            for letter in letters.chars() {
                self.read_ascii(letter, range.clone());
            }
        } else if c.is_alphanumeric() {
            self.close();
            self.continue_or_open(TokenKind::Other, range);
            // The final form of sigma is no other letter.
            self.other.push(if c == 'ς' { 'σ' } else { c });
        } else {
            self.close();
        }
    }

    /// Makes `range` part of the open token of this kind, or of a new one.
    fn continue_or_open(&mut self, kind: TokenKind, range: Range<usize>) {
        if self.open == Some(kind) {
            self.range.end = range.end;
            return;
        }
        self.close();
        self.open = Some(kind);
        self.range = range;
        if kind == TokenKind::Khmer {
            self.cluster.reset(None);
        }
    }

    /// Ends the open token, if there is one.
    fn close(&mut self) {
        let Some(kind) = self.open.take() else {
            return;
        };
        match kind {
            TokenKind::Word | TokenKind::Number => {}
            TokenKind::Khmer => self.cluster.write_key(&mut self.word),
            TokenKind::Other => {
                // Canonical order (UAX #15), which the parts of composed and
                // decomposed spellings do not come in by themselves.
                if let Some(marks) = self.other.get_mut(1..) {
                    marks.sort_by_key(|&mark| canonical_combining_class(mark));
                }
                self.word.push('u');
                for c in self.other.drain(..) {
                    write!(self.word, "{:06x}", u32::from(c))
                        .expect("writing to a String cannot fail");
                }
            }
        }
        if !self.word.is_empty() {
            (self.sink)(Token {
                key: &self.word,
                kind,
                range: self.range.clone(),
                starts_run: self.starts_run,
            });
            self.starts_run = false;
            self.word.clear();
        }
    }
}
