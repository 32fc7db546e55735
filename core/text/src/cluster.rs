//! Khmer character clusters: where a caret may stand and an edit may cut.
//!
//! A cluster is an extended grapheme cluster (UAX #29), joined with the next one
//! where it ends in COENG and the next begins with a Khmer letter: UAX #29 parts
//! ស្ត្រី into ស្, ត្ and រី, but a reader sees one shape.

use std::iter::{FusedIterator, Peekable};
use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;
use unicode_segmentation::{GraphemeCursor, GraphemeIndices, UnicodeSegmentation};

use crate::khmer::{COENG, Role, role};

/// The clusters of `text` in order. Concatenated, they are `text`.
pub fn clusters(text: &str) -> Clusters<'_> {
    Clusters {
        text,
        graphemes: text.grapheme_indices(true).peekable(),
    }
}

/// Iterator of [`clusters`].
#[derive(Clone, Debug)]
pub struct Clusters<'t> {
    text: &'t str,
    graphemes: Peekable<GraphemeIndices<'t>>,
}

impl<'t> Iterator for Clusters<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let (start, first) = self.graphemes.next()?;
        let mut end = start + first.len();
        let text = self.text;
        while let Some((at, grapheme)) = self
            .graphemes
            .next_if(|(at, _)| joins_next_letter(text, *at))
        {
            end = at + grapheme.len();
        }
        Some(&self.text[start..end])
    }
}

impl FusedIterator for Clusters<'_> {}

/// Whether the byte offset `index` lies between two clusters of `text`. Its
/// start and its end do; an offset beyond the end, or within a code point, does
/// not.
pub fn is_cluster_boundary(text: &str, index: usize) -> bool {
    if !text.is_char_boundary(index) {
        return false;
    }
    // The cursor holds the whole text, so that it never asks for more context.
    let between_graphemes = matches!(
        GraphemeCursor::new(index, text.len(), true).is_boundary(text, 0),
        Ok(true)
    );
    between_graphemes && !joins_next_letter(text, index)
}

/// The greatest cluster boundary at or before the byte offset `index`; the end
/// of `text` if `index` lies beyond it.
pub fn floor_cluster_boundary(text: &str, index: usize) -> usize {
    let mut at = index.min(text.len());
    while !is_cluster_boundary(text, at) {
        // 0 is a boundary, so that `at` is greater here.
        at -= 1;
    }
    at
}

/// The least cluster boundary at or after the byte offset `index`; the end of
/// `text` if `index` lies beyond it.
pub fn ceil_cluster_boundary(text: &str, index: usize) -> usize {
    let mut at = index.min(text.len());
    while !is_cluster_boundary(text, at) {
        // The end is a boundary, so that `at` is less here.
        at += 1;
    }
    at
}

/// The least range of whole clusters that covers the bytes `range`. An empty
/// range within a cluster becomes the cluster; one on a boundary stays empty. A
/// range whose end comes before its start is taken for an empty one at its
/// start.
pub fn snap_to_clusters(text: &str, range: Range<usize>) -> Range<usize> {
    let start = floor_cluster_boundary(text, range.start);
    let end = ceil_cluster_boundary(text, range.end.max(range.start));
    start..end
}

/// Whether the letter at `index` is a subscript of what comes before it.
fn joins_next_letter(text: &str, index: usize) -> bool {
    let (before, after) = text.split_at(index);
    after.chars().next().and_then(role) == Some(Role::Letter)
        && before.chars().rev().find(|&c| !is_transparent(c)) == Some(COENG)
}

/// What may stand between COENG and its letter: joiners that typists leave
/// there, and marks that NFC moves there (only those with a combining class).
fn is_transparent(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{034F}' | '\u{17B4}' | '\u{17B5}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}'
    );
    invisible || (c != COENG && canonical_combining_class(c) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        clusters(text).collect()
    }

    #[test]
    fn a_subscript_stays_with_its_base() {
        assert_eq!(parts("ស្ត្រី"), ["ស្ត្រី"]);
        assert_eq!(parts("ក្រុមប្រឹក្សា"), ["ក្រុ", "ម", "ប្រឹ", "ក្សា"]);
        assert_eq!(parts("ឱ្យ"), ["ឱ្យ"]);
    }

    #[test]
    fn joiners_and_marks_moved_by_nfc_do_not_part_a_subscript() {
        assert_eq!(parts("ស\u{17D2}\u{200D}ត"), ["ស\u{17D2}\u{200D}ត"]);
        assert_eq!(parts("ស\u{17D2}\u{17DD}ត"), ["ស\u{17D2}\u{17DD}ត"]);
    }

    #[test]
    fn a_zero_width_space_is_a_cluster_that_can_be_deleted() {
        assert_eq!(parts("កា\u{200B}រ"), ["កា", "\u{200B}", "រ"]);
    }

    #[test]
    fn other_scripts_follow_uax_29() {
        assert_eq!(parts("e\u{301}a"), ["e\u{301}", "a"]);
        assert_eq!(parts("👩‍🏫\r\n🇰🇭"), ["👩‍🏫", "\r\n", "🇰🇭"]);
    }

    #[test]
    fn an_offset_within_a_cluster_moves_to_its_edges() {
        let text = "កស្ត្រីខ";
        let cluster = "ក".len().."កស្ត្រី".len();
        for at in cluster.start + 1..cluster.end {
            assert!(!is_cluster_boundary(text, at));
            assert_eq!(floor_cluster_boundary(text, at), cluster.start);
            assert_eq!(ceil_cluster_boundary(text, at), cluster.end);
            assert_eq!(snap_to_clusters(text, at..at), cluster);
        }
        assert!(is_cluster_boundary(text, cluster.start));
        assert!(is_cluster_boundary(text, cluster.end));
        assert_eq!(snap_to_clusters(text, 3..3), 3..3);
    }

    #[test]
    fn an_offset_beyond_the_end_is_the_end() {
        assert!(!is_cluster_boundary("ក", 4));
        assert_eq!(floor_cluster_boundary("ក", 99), 3);
        assert_eq!(ceil_cluster_boundary("ក", 99), 3);
        let (start, end) = (99, 1);
        assert_eq!(snap_to_clusters("ក", start..end), 3..3);
        assert!(is_cluster_boundary("", 0));
    }
}
