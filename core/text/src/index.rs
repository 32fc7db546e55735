//! Search keys of a text.

use crate::scan::scan;

/// Version of the keys that [`index_text`] and [`crate::query`] make. An index
/// made under another version is rebuilt from the stored text. The keys of each
/// version are fixed by `tests/golden/keys-v<version>.json`, for the letters that
/// Unicode has today; a compiler that knows newer ones makes keys for them too.
pub const INDEX_VERSION: u32 = 2;

/// Longest key, in bytes: a Khmer cluster that holds every letter as a subscript
/// and every mark. Real ones have 3 to 13. PostgreSQL refuses a lexeme of 2,047.
pub const MAX_KEY: usize = 192;

/// The search keys of `text` in order, a space between each two: `a`–`z`, `0`–`9`
/// and space only. Empty if there is nothing to search for.
///
/// A Khmer cluster gives a key of about as many bytes as its UTF-8, a Latin word
/// or number gives itself, a letter of another script 7 bytes or more. Latin
/// words and numbers count to their 64th letter.
pub fn index_text(text: &str) -> String {
    let mut keys = String::with_capacity(text.len());
    scan(text, |token| {
        if !keys.is_empty() {
            keys.push(' ');
        }
        keys.push_str(token.key);
    });
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_words_lose_case_and_diacritics() {
        assert_eq!(index_text("Đặng Văn, ÉCOLE naïve"), "dang van ecole naive");
        assert_eq!(
            index_text("e\u{301}cole Straße ﬁle Ａ１"),
            "ecole strasse file a 1"
        );
        assert_eq!(index_text("İstanbul Kelvin \u{212A}"), "istanbul kelvin k");
    }

    #[test]
    fn khmer_digits_are_ascii_ones() {
        assert_eq!(index_text("២០២៤"), "2024");
        assert_eq!(index_text("២0២4"), "2024");
    }

    #[test]
    fn letters_part_from_digits() {
        assert_eq!(index_text("covid19 k1f"), "covid 19 k 1 f");
    }

    #[test]
    fn clusters_part_from_each_other_and_from_latin() {
        assert_eq!(index_text("កាABCរ"), "k0036 abc k1a");
        assert_eq!(index_text("ផ្សេងៗ"), "k159f41 k04 k57");
    }

    #[test]
    fn zero_width_characters_leave_no_trace() {
        let plain = index_text("ភាសាខ្មែរ abc 12");
        for c in [
            '\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{AD}',
        ] {
            let mut dotted: String = "ភាសាខ្មែរ abc 12".chars().flat_map(|x| [c, x]).collect();
            dotted.push(c);
            assert_eq!(index_text(&dotted), plain);
        }
    }

    #[test]
    fn other_scripts_give_a_key_for_each_letter() {
        assert_eq!(index_text("ไทย"), "u000e44 u000e17 u000e22");
        assert_eq!(index_text("й"), index_text("и\u{306}"));
        assert_eq!(index_text("ΣΊΣΥΦΟΣ"), index_text("σίσυφος"));
        assert_eq!(index_text("中文"), "u004e2d u006587");
    }

    #[test]
    fn what_cannot_be_searched_gives_nothing() {
        assert_eq!(index_text(" ។៕៛ 👩‍🏫 \u{200B}\u{301} -*\"()"), "");
        assert_eq!(index_text(""), "");
    }

    #[test]
    fn long_words_and_heaps_of_marks_are_cut() {
        assert_eq!(index_text(&"a".repeat(1000)).len(), 64);
        assert_eq!(
            index_text(&format!("я{}", "\u{301}".repeat(1000))).len(),
            49
        );
        let every_mark: String = ('\u{1780}'..='\u{17DD}')
            .flat_map(|c| ['\u{17D2}', c])
            .collect();
        let longest = index_text(&every_mark).split(' ').map(str::len).max();
        assert!(longest <= Some(MAX_KEY), "{longest:?}");
    }
}
