//! Where a query matches, for a list of results.

use std::ops::Range;

use crate::cluster::{clusters, snap_to_clusters};
use crate::query::Query;
use crate::scan::scan;

/// Most matches that are tried as the place of a snippet; the best is seldom
/// later.
const MAX_ANCHORS: usize = 256;

/// The byte ranges of `text` that `query` matches: in order, apart from each
/// other, each of whole clusters.
///
/// Every phrase that occurs is marked, also where another one is missing: it may
/// have matched another column. A word that a prefix matches is marked whole.
pub fn highlight(text: &str, query: &Query) -> Vec<Range<usize>> {
    merge(find_matches(text, query))
}

/// A part of a text that shows why it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet<'t> {
    /// Whole clusters of the text.
    pub text: &'t str,
    /// Where it begins in the text, in bytes.
    pub offset: usize,
    /// Byte ranges of [`Snippet::text`] that match, as by [`highlight`].
    pub matches: Vec<Range<usize>>,
    /// The text begins earlier.
    pub cut_before: bool,
    /// The text goes on.
    pub cut_after: bool,
}

/// At most `max_clusters` clusters of `text`, from where most of the phrases of
/// `query` occur together, with some text before the first; the beginning if
/// none occurs. It does not begin or end within a Latin word if it can help it.
pub fn snippet<'t>(text: &'t str, query: &Query, max_clusters: usize) -> Snippet<'t> {
    let matches = find_matches(text, query);
    // Where each cluster starts, and the end of the text.
    let mut starts = vec![0];
    starts.extend(clusters(text).scan(0, |end, cluster| {
        *end += cluster.len();
        Some(*end)
    }));
    let window = if starts.len() - 1 <= max_clusters {
        0..text.len()
    } else {
        let window = best_window(&starts, &matches, max_clusters);
        trim_words(text, &starts, &matches, window)
    };
    let ranges = merge(matches)
        .into_iter()
        .filter_map(|range| {
            let start = range.start.max(window.start);
            let end = range.end.min(window.end);
            (start < end).then(|| start - window.start..end - window.start)
        })
        .collect();
    Snippet {
        text: &text[window.clone()],
        offset: window.start,
        matches: ranges,
        cut_before: window.start > 0,
        cut_after: window.end < text.len(),
    }
}

/// An occurrence of a phrase.
#[derive(Clone, Debug)]
struct Match {
    /// Index of the phrase in its query.
    phrase: usize,
    range: Range<usize>,
}

/// All occurrences of all phrases, sorted by their start.
fn find_matches(text: &str, query: &Query) -> Vec<Match> {
    let mut index = String::with_capacity(text.len());
    let mut tokens: Vec<(usize, Range<usize>)> = Vec::new();
    scan(text, |token| {
        if !index.is_empty() {
            index.push(' ');
        }
        tokens.push((index.len(), token.range));
        index.push_str(token.key);
    });

    let mut matches = Vec::new();
    for (phrase_index, phrase) in query.phrases().iter().enumerate() {
        for start in phrase.occurrences(&index) {
            let first = tokens.partition_point(|(at, _)| *at < start);
            let last = first + phrase.key_count - 1;
            if let (Some((_, first)), Some((_, last))) = (tokens.get(first), tokens.get(last)) {
                matches.push(Match {
                    phrase: phrase_index,
                    range: snap_to_clusters(text, first.start..last.end),
                });
            }
        }
    }
    matches.sort_by_key(|found| (found.range.start, found.range.end));
    matches
}

/// Joins ranges, sorted by their start, that overlap or touch.
fn merge(matches: Vec<Match>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for Match { range, .. } in matches {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The bytes of `max_clusters` clusters that show the most phrases, the first
/// such. There are more clusters than that.
fn best_window(starts: &[usize], matches: &[Match], max_clusters: usize) -> Range<usize> {
    let last_start = starts.len() - 1 - max_clusters;
    let mut best = (0, 0);
    for (i, anchor) in matches.iter().enumerate().take(MAX_ANCHORS) {
        let first = starts.partition_point(|&at| at < anchor.range.start);
        let end = starts.partition_point(|&at| at < anchor.range.end);
        let spare = max_clusters.saturating_sub(end - first);
        let window_start = first.saturating_sub(spare / 3).min(last_start);
        let window_end = starts[window_start + max_clusters];

        let mut shown: Vec<usize> = matches[i..]
            .iter()
            .take_while(|found| found.range.start < window_end)
            .filter(|found| found.range.end <= window_end)
            .map(|found| found.phrase)
            .collect();
        shown.sort_unstable();
        shown.dedup();
        // A match too long for the window is still better than none.
        let score = 1 + shown.len();
        if score > best.0 {
            best = (score, window_start);
        }
    }
    starts[best.1]..starts[best.1 + max_clusters]
}

/// Moves the ends of `window` inwards, out of words that they cut, but not into
/// a match.
fn trim_words(
    text: &str,
    starts: &[usize],
    matches: &[Match],
    window: Range<usize>,
) -> Range<usize> {
    let free = |at: usize| {
        matches
            .iter()
            .take_while(|found| found.range.start < at)
            .all(|found| found.range.end <= at)
    };
    let boundaries = || {
        let from = starts.partition_point(|&at| at < window.start);
        let to = starts.partition_point(|&at| at <= window.end);
        starts[from..to].iter().copied()
    };
    let first_match = matches
        .iter()
        .map(|found| found.range.start)
        .find(|&at| at >= window.start)
        .unwrap_or(window.end);
    let last_match = matches
        .iter()
        .map(|found| found.range.end)
        .filter(|&at| at <= window.end)
        .max()
        .unwrap_or(window.start);
    let start = boundaries()
        .take_while(|&at| at <= first_match)
        .find(|&at| !cuts_word(text, at))
        .filter(|&at| free(at))
        .unwrap_or(window.start);
    let end = boundaries()
        .rev()
        .take_while(|&at| at >= last_match && at > start)
        .find(|&at| !cuts_word(text, at))
        .unwrap_or(window.end);
    start..end
}

/// Whether the byte offset `at` lies within a word of a script that has spaces
/// between words: those up to Armenian.
fn cuts_word(text: &str, at: usize) -> bool {
    let is_letter = |c: char| c < '\u{0590}' && c.is_alphanumeric();
    let (before, after) = text.split_at(at);
    before.chars().next_back().is_some_and(is_letter) && after.chars().next().is_some_and(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query;

    fn marked(text: &str, needle: &str) -> String {
        let query = query(needle).expect("has something to look for");
        mark(text, &highlight(text, &query))
    }

    fn mark(text: &str, ranges: &[Range<usize>]) -> String {
        let mut out = text.to_owned();
        for range in ranges.iter().rev() {
            out.insert(range.end, ']');
            out.insert(range.start, '[');
        }
        out
    }

    fn shown(text: &str, needle: &str, max: usize) -> String {
        let query = query(needle).expect("has something to look for");
        let snippet = snippet(text, &query, max);
        assert!(text[snippet.offset..].starts_with(snippet.text));
        let before = if snippet.cut_before { "…" } else { "" };
        let after = if snippet.cut_after { "…" } else { "" };
        format!("{before}{}{after}", mark(snippet.text, &snippet.matches))
    }

    #[test]
    fn matches_are_marked_by_whole_clusters_and_words() {
        assert_eq!(marked("ស្រ្តីនិងស្ត្រី", "ស្ត្រី"), "[ស្រ្តី]និង[ស្ត្រី]");
        assert_eq!(marked("ភាសា\u{200B}ខ្មែរ!", "ភាសាខ្មែរ"), "[ភាសា\u{200B}ខ្មែរ]!");
        assert_eq!(marked("English Grammar", "gram"), "English [Grammar]");
        assert_eq!(marked("École ២០២៤", "ecole 2024"), "[École] [២០២៤]");
        assert_eq!(marked("ឆ្នាំ២០២៤។", "ឆ្នាំ 2024"), "[ឆ្នាំ២០២៤]។");
        assert_eq!(marked("កកក", "កក"), "[កកក]");
        assert_eq!(marked("one two", "two three"), "one [two]");
        assert_eq!(marked("one", "two"), "one");
    }

    #[test]
    fn a_mark_on_a_match_belongs_to_it() {
        assert_eq!(marked("e\u{301}t\u{20DD} x", "et"), "[e\u{301}t\u{20DD}] x");
        assert_eq!(marked("ក\u{200D}រ", "ក"), "[ក\u{200D}]រ");
    }

    #[test]
    fn a_short_text_is_its_own_snippet() {
        assert_eq!(shown("ភាសាខ្មែរ", "សា", 4), "ភា[សា]ខ្មែរ");
        assert_eq!(shown("ភាសាខ្មែរ", "no", 4), "ភាសាខ្មែរ");
    }

    #[test]
    fn a_snippet_shows_the_match_with_text_before_it() {
        let text = format!("{}ស្ត្រី{}", "ក".repeat(50), "ខ".repeat(50));
        assert_eq!(shown(&text, "ស្ត្រី", 7), "…កក[ស្ត្រី]ខខខខ…");
        assert_eq!(shown(&text, "ដ", 3), "កកក…");
        assert_eq!(shown(&text, "ខខខ", 2), "…[ខខ]…");
        assert_eq!(shown(&text, "ស្ត្រី", 0), "……");
    }

    #[test]
    fn a_snippet_goes_where_most_phrases_are() {
        let text = "khmer a b c d e f g h i j k l m n o p english khmer q r s t u v w x y";
        assert_eq!(
            shown(text, "khmer english", 20),
            "…o p [english] [khmer] q …"
        );
    }

    #[test]
    fn a_snippet_does_not_cut_latin_words() {
        let text = "mathematics and khmer grammar for beginners";
        assert_eq!(shown(text, "khmer", 17), "…and [khmer] grammar…");
        assert_eq!(shown(&"a".repeat(30), "zz", 10), "aaaaaaaaaa…");
    }
}
