//! What holds for every text, Khmer-like or not.

use proptest::prelude::*;
use stunity_text::{
    MAX_KEY, ceil_cluster_boundary, clusters, floor_cluster_boundary, highlight, index_text,
    is_cluster_boundary, query, snap_to_clusters, snippet, to_ascii_digits, to_khmer_digits,
};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

const COENG: char = '\u{17D2}';
const LETTERS: fn(char) -> bool = |c| ('\u{1780}'..='\u{17B3}').contains(&c);

/// Code points that meet in Khmer text, the troublesome ones often.
fn khmer_char() -> impl Strategy<Value = char> {
    prop_oneof![
        8 => prop::char::range('\u{1780}', '\u{17A2}'),
        6 => prop::char::range('\u{17B6}', '\u{17D1}'),
        5 => Just('\u{17D2}'),
        3 => prop::char::range('\u{1780}', '\u{17FF}'),
        2 => prop::sample::select(vec!['\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', ' ', '\n']),
        1 => prop::sample::select(vec!['a', 'Z', 'é', '\u{301}', '7', '"', '*', '-', 'ไ', '\u{E31}', '한', 'я', '👩', '🇰', 'ﷺ', '½']),
        1 => any::<char>(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(khmer_char(), 0..40).prop_map(String::from_iter),
        ".{0,30}",
        "[a-c ]{0,20}",
    ]
}

/// A cluster as a keyboard should write it: base, subscript, vowel, sign.
fn cluster_parts() -> impl Strategy<Value = (char, Vec<String>)> {
    (
        prop::char::range('\u{1780}', '\u{17A2}'),
        prop::collection::vec(
            prop::char::range('\u{1780}', '\u{17A2}').prop_map(|c| format!("\u{17D2}{c}")),
            0..2,
        ),
        prop::collection::vec(
            prop::char::range('\u{17B6}', '\u{17D1}').prop_map(String::from),
            0..4,
        ),
    )
        .prop_map(|(base, subscripts, marks)| (base, [subscripts, marks].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clusters_are_the_text_cut_at_its_boundaries(text in text()) {
        prop_assert_eq!(clusters(&text).collect::<String>(), text.as_str());
        let mut ends = vec![0];
        ends.extend(clusters(&text).scan(0, |end, part| { *end += part.len(); Some(*end) }));
        ends.dedup();
        for at in 0..=text.len() + 1 {
            prop_assert_eq!(is_cluster_boundary(&text, at), ends.contains(&at));
            let floor = ends.iter().rev().find(|&&end| end <= at);
            prop_assert_eq!(Some(&floor_cluster_boundary(&text, at)), floor);
            let ceil = ends.iter().find(|&&end| end >= at).copied().unwrap_or(text.len());
            prop_assert_eq!(ceil_cluster_boundary(&text, at), ceil);
        }
    }

    #[test]
    fn a_cluster_never_parts_a_grapheme_nor_a_subscript(text in text()) {
        let graphemes: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        let mut at = 0;
        for cluster in clusters(&text) {
            prop_assert!(graphemes.contains(&at));
            let subscript = text[..at].ends_with(COENG) && cluster.starts_with(LETTERS);
            prop_assert!(!subscript);
            at += cluster.len();
        }
    }

    #[test]
    fn snapping_only_widens(text in text(), a in 0usize..80, b in 0usize..80) {
        let snapped = snap_to_clusters(&text, a..b);
        prop_assert!(snapped.start <= a && snapped.end <= text.len());
        prop_assert!(snapped.end >= b.min(text.len()));
        prop_assert!(is_cluster_boundary(&text, snapped.start));
        prop_assert!(is_cluster_boundary(&text, snapped.end));
        prop_assert_eq!(snap_to_clusters(&text, snapped.clone()), snapped);
    }

    #[test]
    fn keys_are_ascii_and_bounded(text in text()) {
        let index = index_text(&text);
        prop_assert!(index.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b' ')));
        if !index.is_empty() {
            prop_assert!(index.split(' ').all(|key| (1..=MAX_KEY).contains(&key.len())));
        }
        // Keys of letters and digits are encoded; no prefix of Latin letters
        // reaches them.
        for key in index.split(' ') {
            let mixed = key.bytes().any(|b| b.is_ascii_digit()) && key.bytes().any(|b| b.is_ascii_lowercase());
            prop_assert!(!mixed || key.as_bytes()[1].is_ascii_digit());
        }
    }

    #[test]
    fn keys_of_parts_are_keys_of_the_whole(one in text(), other in text()) {
        let whole = index_text(&format!("{one} {other}"));
        let parts = [index_text(&one), index_text(&other)];
        let parts = parts.join(" ");
        prop_assert_eq!(whole, parts.trim());
    }

    #[test]
    fn zero_width_spaces_leave_no_trace(text in text(), every in 1usize..4) {
        let dotted: String = text.chars().enumerate()
            .flat_map(|(i, c)| [Some(c), (i % every == 0).then_some('\u{200B}')])
            .flatten().collect();
        prop_assert_eq!(index_text(&dotted), index_text(&text));
    }

    #[test]
    fn the_order_of_typing_leaves_no_trace(
        (base, parts) in cluster_parts(), turn in 0usize..6
    ) {
        let straight = format!("{base}{}", parts.concat());
        let mut turned = parts.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        prop_assert_eq!(index_text(&format!("{base}{}", turned.concat())), index_text(&straight));
        turned.reverse();
        prop_assert_eq!(index_text(&format!("{base}{}", turned.concat())), index_text(&straight));
    }

    #[test]
    fn normalised_khmer_has_the_same_keys(chars in prop::collection::vec(prop::char::range('\u{1780}', '\u{17F9}'), 0..30)) {
        let text = String::from_iter(chars);
        prop_assert_eq!(index_text(&text.nfc().collect::<String>()), index_text(&text));
    }

    #[test]
    fn digits_of_either_kind_have_the_same_keys(text in text()) {
        prop_assert_eq!(index_text(&to_khmer_digits(&text)), index_text(&text));
        prop_assert_eq!(index_text(&to_ascii_digits(&text)), index_text(&text));
        prop_assert!(!to_khmer_digits(&text).contains(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn a_text_finds_itself(text in text(), before in text(), after in text()) {
        match query(&text) {
            Some(query) => {
                let around = format!("{before} {text} {after}");
                prop_assert!(query.matches(&around));
                prop_assert!(!highlight(&around, &query).is_empty());
            }
            None => prop_assert_eq!(index_text(&text), ""),
        }
    }

    #[test]
    fn highlights_are_ordered_whole_clusters(text in text(), needle in "[ក-គា្ a-c]{1,6}") {
        let Some(query) = query(&needle) else { return Ok(()) };
        let ranges = highlight(&text, &query);
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        for range in &ranges {
            prop_assert!(range.start < range.end);
            prop_assert!(is_cluster_boundary(&text, range.start));
            prop_assert!(is_cluster_boundary(&text, range.end));
        }
        prop_assert!(!query.matches(&text) || !ranges.is_empty());
    }

    #[test]
    fn a_snippet_is_a_bounded_part(
        text in text(), needle in "[ក-គា្ a-c]{1,6}", max in 0usize..20
    ) {
        let Some(query) = query(&needle) else { return Ok(()) };
        let snippet = snippet(&text, &query, max);
        let end = snippet.offset + snippet.text.len();
        prop_assert_eq!(&text[snippet.offset..end], snippet.text);
        prop_assert!(clusters(snippet.text).count() <= max);
        prop_assert!(is_cluster_boundary(&text, snippet.offset));
        prop_assert!(is_cluster_boundary(&text, end));
        prop_assert_eq!(snippet.cut_before, snippet.offset > 0);
        prop_assert_eq!(snippet.cut_after, end < text.len());
        prop_assert!(snippet.matches.windows(2).all(|pair| pair[0].end < pair[1].start));
        prop_assert!(snippet.matches.iter().all(|m| m.start < m.end && m.end <= snippet.text.len()));
        let found = !highlight(&text, &query).is_empty();
        prop_assert_eq!(found && max > 0, !snippet.matches.is_empty());
    }
}
