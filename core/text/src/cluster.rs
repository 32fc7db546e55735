//! Khmer character clusters: a base, the subscripts and signs on it. A caret
//! never stands inside one (Unicode Standard, chapter 16.4).
use core::ops::Range;

const COENG: char = '\u{17d2}';

/// Signs that are invisible between clusters.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{00ad}'
    )
}

/// Consonants and independent vowels: what a cluster begins with.
pub(crate) fn is_base(c: char) -> bool {
    matches!(c, '\u{1780}'..='\u{17b3}')
}

/// Dependent vowels and signs: what a cluster goes on with.
pub(crate) fn is_mark(c: char) -> bool {
    matches!(c, '\u{17b4}'..='\u{17d1}' | '\u{17d3}' | '\u{17dd}')
}

/// The clusters of a text: its byte ranges, without gaps. Outside Khmer a
/// cluster is one character with the combining marks after it.
pub fn clusters(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    core::iter::from_fn(move || {
        let rest = text.get(start..)?;
        let mut chars = rest.char_indices().peekable();
        let (_, first) = chars.next()?;
        let khmer = is_base(first) || is_mark(first) || first == COENG;
        let mut after_coeng = first == COENG;
        let mut end = first.len_utf8();
        while let Some((at, c)) = chars.next() {
            let joins = if khmer {
                is_mark(c)
                    || c == COENG
                    || (after_coeng && is_base(c))
                    // A joiner inside a cluster, with more of it behind.
                    || (is_invisible(c) && chars.peek().is_some_and(|(_, n)| is_mark(*n) || *n == COENG))
            } else {
                matches!(c, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{200d}')
            };
            if !joins {
                break;
            }
            after_coeng = c == COENG;
            end = at + c.len_utf8();
        }
        let range = start..start + end;
        start += end;
        Some(range)
    })
}

/// The last cluster boundary at or before a byte offset.
#[must_use]
pub fn floor_boundary(text: &str, offset: usize) -> usize {
    clusters(text)
        .map(|range| range.end)
        .take_while(|end| *end <= offset)
        .last()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        clusters(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn subscripts_and_vowels_stay_with_their_base() {
        assert_eq!(split("ស្ត្រី"), ["ស្ត្រី"]);
        assert_eq!(split("កម្ពុជា"), ["ក", "ម្ពុ", "ជា"]);
        assert_eq!(split("ab"), ["a", "b"]);
        assert_eq!(floor_boundary("ស្ត្រី", 4), 0);
    }
}
