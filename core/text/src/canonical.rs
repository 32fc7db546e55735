//! One key for every spelling of a Khmer cluster that looks the same.
//!
//! The order of a key is base, ROBAT, subscripts (RO last), shifter, vowels,
//! other signs. What is folded follows "Khmer Encoding Structure" and its
//! reference normaliser `khnormal` (SIL, khmer-character-specification); beyond
//! it, a shifter under a vowel above is one whatever was typed, and the order in
//! which marks were typed never counts.

use std::fmt::Write as _;

/// Code points as offsets from U+1780.
mod offset {
    pub const DA: u8 = 0x0A;
    pub const TA: u8 = 0x0F;
    pub const RO: u8 = 0x1A;
    pub const AA: u8 = 0x36;
    pub const I: u8 = 0x37;
    pub const II: u8 = 0x38;
    pub const Y: u8 = 0x39;
    pub const YY: u8 = 0x3A;
    pub const U: u8 = 0x3B;
    pub const OE: u8 = 0x3E;
    pub const YA: u8 = 0x3F;
    pub const E: u8 = 0x41;
    pub const OO: u8 = 0x44;
    pub const NIKAHIT: u8 = 0x46;
    pub const MUUSIKATOAN: u8 = 0x49;
    pub const TRIISAP: u8 = 0x4A;
    pub const ROBAT: u8 = 0x4C;
    pub const SAMYOK_SANNYA: u8 = 0x50;
    pub const ATTHACAN: u8 = 0x5D;
    /// Not a letter: the base of marks that have none.
    pub const NO_BASE: u8 = 0x7F;
}

/// Set in a key's byte when the letter is a subscript, in place of COENG.
const SUBSCRIPT: u8 = 0x80;

/// A set of marks, which forgets their order and how often each was typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks(u128);

impl Marks {
    const fn of(offsets: &[u8]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < offsets.len() {
            bits |= 1 << offsets[i];
            i += 1;
        }
        Self(bits)
    }

    fn has(self, offset: u8) -> bool {
        self.0 & (1 << offset) != 0
    }

    fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn insert(&mut self, offset: u8) {
        self.0 |= 1 << offset;
    }

    fn remove_all(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Puts `to` in the place of `from`, if all of `from` is there.
    fn replace(&mut self, from: Self, to: Self) {
        if self.has_all(from) {
            self.remove_all(from);
            self.0 |= to.0;
        }
    }

    fn iter(self) -> impl Iterator<Item = u8> {
        (0..128).filter(move |&offset| self.has(offset))
    }
}

/// Drawn above the base: under these a shifter takes the shape of the vowel U.
const ABOVE: Marks = Marks::of(&[
    offset::I,
    offset::II,
    offset::Y,
    offset::YY,
    offset::YA,
    offset::SAMYOK_SANNYA,
    offset::ATTHACAN,
]);
const AM: Marks = Marks::of(&[offset::AA, offset::NIKAHIT]);
const LIKE_U: Marks = Marks::of(&[offset::U, offset::MUUSIKATOAN, offset::TRIISAP]);
const SHIFTERS: Marks = Marks::of(&[offset::MUUSIKATOAN, offset::TRIISAP]);

/// A Khmer cluster as it is read, code point by code point.
#[derive(Clone, Debug, Default)]
pub(crate) struct KhmerCluster {
    base: Option<u8>,
    subscripts: Vec<u8>,
    marks: Marks,
    /// COENG was read, its letter not yet.
    awaits_subscript: bool,
}

impl KhmerCluster {
    /// Starts anew, with `base` (a letter or sign of the Khmer block) or with
    /// none.
    pub(crate) fn reset(&mut self, base: Option<char>) {
        self.base = base.map(offset_of);
        self.subscripts.clear();
        self.marks = Marks::default();
        self.awaits_subscript = false;
    }

    pub(crate) fn awaits_subscript(&self) -> bool {
        self.awaits_subscript
    }

    pub(crate) fn push_coeng(&mut self) {
        self.awaits_subscript = true;
    }

    /// Adds the letter after COENG.
    pub(crate) fn push_subscript(&mut self, letter: char) {
        self.awaits_subscript = false;
        let letter = match offset_of(letter) {
            // COENG DA and COENG TA are drawn with the same glyph.
            offset::DA => offset::TA,
            letter => letter,
        };
        if !self.subscripts.contains(&letter) {
            self.subscripts.push(letter);
        }
    }

    pub(crate) fn push_mark(&mut self, mark: char) {
        let mark = offset_of(mark);
        // NFC moves ATTHACAN behind COENG, the only Khmer mark that it moves.
        self.awaits_subscript &= mark == offset::ATTHACAN;
        self.marks.insert(mark);
    }

    /// Appends the key of this cluster, or nothing if it holds nothing visible:
    /// `k`, then two hexadecimal digits for each part. The first of them is
    /// always 0–7, so that no Latin word has the form of a key.
    pub(crate) fn write_key(&self, out: &mut String) {
        if self.base.is_none() && self.subscripts.is_empty() && self.marks == Marks::default() {
            return;
        }
        let mut marks = canonical_marks(self.marks);
        let robat = marks.has(offset::ROBAT).then_some(offset::ROBAT);
        let shifters = Marks(marks.0 & SHIFTERS.0);
        marks.remove_all(SHIFTERS);
        marks.remove_all(Marks::of(&[offset::ROBAT]));

        let (ro, others): (Vec<u8>, Vec<u8>) =
            self.subscripts.iter().partition(|&&s| s == offset::RO);
        out.push('k');
        [self.base.unwrap_or(offset::NO_BASE)]
            .into_iter()
            .chain(robat)
            .chain(others.into_iter().chain(ro).map(|s| s | SUBSCRIPT))
            .chain(shifters.iter())
            // Vowels come before the other signs in the block's own order.
            .chain(marks.iter())
            .for_each(|byte| {
                write!(out, "{byte:02x}").expect("writing to a String cannot fail");
            });
    }
}

/// Marks as they look: whole vowels for their halves, one shifter for the three
/// that look alike under a vowel above.
fn canonical_marks(typed: Marks) -> Marks {
    let mut marks = typed;
    // Into halves first, so that it does not matter which were typed whole.
    marks.replace(
        Marks::of(&[offset::OE]),
        Marks::of(&[offset::E, offset::II]),
    );
    marks.replace(
        Marks::of(&[offset::OO]),
        Marks::of(&[offset::E, offset::AA]),
    );
    let pushed_down = marks.has_any(ABOVE) || marks.has_all(AM);
    if pushed_down && marks.has_any(LIKE_U) {
        marks.remove_all(LIKE_U);
        marks.insert(offset::TRIISAP);
    }
    marks.replace(
        Marks::of(&[offset::E, offset::AA]),
        Marks::of(&[offset::OO]),
    );
    marks.replace(
        Marks::of(&[offset::E, offset::II]),
        Marks::of(&[offset::OE]),
    );
    marks
}

/// The offset from U+1780, of a code point of the Khmer block: below 0x80.
fn offset_of(c: char) -> u8 {
    (u32::from(c).wrapping_sub(0x1780) & 0x7F) as u8
}

#[cfg(test)]
mod tests {
    use crate::index_text;

    /// Spellings on one line look the same.
    #[test]
    fn spellings_that_look_the_same_have_one_key() {
        for spellings in [
            // COENG RO before and after another subscript.
            &["ស\u{17D2}ត\u{17D2}រី", "ស\u{17D2}រ\u{17D2}តី"][..],
            // COENG DA and COENG TA.
            &["ផ\u{17D2}តល់", "ផ\u{17D2}ដល់"],
            // Halves of OE and OO, in any order.
            &["ក\u{17BE}", "ក\u{17C1}\u{17B8}", "ក\u{17B8}\u{17C1}"],
            &["ក\u{17C4}", "ក\u{17C1}\u{17B6}", "ក\u{17B6}\u{17C1}"],
            &["ក\u{17BE}\u{17B6}", "ក\u{17C4}\u{17B8}"],
            // U in place of a shifter below a vowel above; shifter after vowel.
            &[
                "ស\u{17CA}\u{17B8}",
                "ស\u{17BB}\u{17B8}",
                "ស\u{17B8}\u{17CA}",
                "ស\u{17C9}\u{17B8}",
            ],
            &["ស\u{17CA}\u{17B6}\u{17C6}", "ស\u{17BB}\u{17C6}\u{17B6}"],
            // ROBAT after a subscript or a vowel; subscript after a vowel.
            &[
                "ធ\u{17CC}\u{17D2}មា",
                "ធ\u{17D2}ម\u{17CC}ា",
                "ធា\u{17D2}ម\u{17CC}",
            ],
            // Signs twice, and in any order.
            &[
                "ន\u{17BB}\u{17C6}",
                "ន\u{17C6}\u{17BB}",
                "ន\u{17BB}\u{17BB}\u{17C6}",
            ],
            // Deprecated letters and signs.
            &["\u{17A4}", "\u{17A3}\u{17B6}", "អា"],
            &["\u{17A8}", "ឧក"],
            &["\u{17B2}\u{17D2}យ", "\u{17B1}\u{17D2}យ"],
            &["ច\u{17B6}\u{17D3}", "ចាំ"],
            &["\u{17D8}", "។ល។"],
            // Inherent vowels, joiners, a COENG without its letter yet.
            &["ក\u{17B4}រ", "ក\u{200C}រ", "ករ\u{17D2}"],
            // NFC moves ATTHACAN behind COENG.
            &[
                "ក\u{17DD}\u{17D2}រ",
                "ក\u{17D2}\u{17DD}រ",
                "ក\u{17D2}រ\u{17DD}",
            ],
        ] {
            let keys: Vec<String> = spellings.iter().map(|s| index_text(s)).collect();
            assert!(!keys[0].is_empty());
            assert!(
                keys.iter().all(|key| *key == keys[0]),
                "{spellings:?} {keys:?}"
            );
        }
    }

    #[test]
    fn spellings_that_look_different_have_different_keys() {
        for (one, other) in [
            ("ក", "ខ"),
            ("កិ", "កី"),
            ("ដ", "ត"),
            ("ប៉ា", "ប៊ា"),
            ("កុ", "ក៊"),
            ("ន\u{17BB}\u{17C6}", "ន\u{17CA}\u{17C6}"),
            ("ក\u{17D2}រ", "ករ"),
            ("ក\u{17D2}ខ\u{17D2}គ", "ក\u{17D2}គ\u{17D2}ខ"),
        ] {
            assert_ne!(index_text(one), index_text(other), "{one} {other}");
        }
    }

    #[test]
    fn marks_without_a_base_have_a_key_that_no_word_has() {
        assert_eq!(index_text("\u{17B6}"), "k7f36");
        assert_eq!(index_text("\u{17D2}\u{17AB}"), "k7fab");
        assert_eq!(index_text("\u{17D2}"), "");
    }
}
