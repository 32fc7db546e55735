//! Which Khmer code point is what (The Unicode Standard, chapter 16.4, "Khmer").

/// Makes the next letter a subscript; invisible itself.
pub(crate) const COENG: char = '\u{17D2}';

/// What a code point of the Khmer block (U+1780–U+17DD, U+17E0–U+17E9) does in a
/// text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Starts a cluster, or is a subscript after COENG: consonants and
    /// independent vowels.
    Letter,
    /// Starts a cluster and is never a subscript: LEK TOO (repeat the word) and
    /// AVAKRAHASANYA.
    Sign,
    /// Vowel sign, shifter or diacritic on the cluster before it.
    Mark,
    /// [`COENG`].
    Coeng,
    /// 0–9.
    Digit(u8),
    /// Punctuation and the riel sign: nothing to search for.
    Separator,
}

/// The role of `c`, or `None` if it is not of the Khmer block. The inherent
/// vowels U+17B4 and U+17B5 are [`is_ignorable`] and asked for before.
pub(crate) fn role(c: char) -> Option<Role> {
    Some(match c {
        '\u{1780}'..='\u{17B3}' => Role::Letter,
        '\u{17B4}'..='\u{17D1}' | '\u{17D3}' | '\u{17DD}' => Role::Mark,
        COENG => Role::Coeng,
        '\u{17D7}' | '\u{17DC}' => Role::Sign,
        '\u{17D4}'..='\u{17DB}' => Role::Separator,
        '\u{17E0}'..='\u{17E9}' => Role::Digit((u32::from(c) - 0x17E0) as u8),
        _ => return None,
    })
}

/// Replaces letters that Unicode deprecates, or that are variants of one letter,
/// by what they stand for.
pub(crate) fn expand(c: char) -> Expansion {
    match c {
        // Independent QAQ and QAA: "strongly discouraged", U+17A2 (U+17B6).
        '\u{17A3}' => Expansion::One('\u{17A2}'),
        '\u{17A4}' => Expansion::Two('\u{17A2}', '\u{17B6}'),
        // QUK, an obsolete ligature of U+17A7 U+1780.
        '\u{17A8}' => Expansion::Two('\u{17A7}', '\u{1780}'),
        // QOO TYPE TWO, "a variant for 17B1": ឲ្យ and ឱ្យ are one word.
        '\u{17B2}' => Expansion::One('\u{17B1}'),
        // BEYYAL, "preferred: ។ល។". Only the letter is searchable.
        '\u{17D8}' => Expansion::Two('\u{17D4}', '\u{179B}'),
        // BATHAMASAT: discouraged, typed for NIKAHIT, which it resembles.
        '\u{17D3}' => Expansion::One('\u{17C6}'),
        _ => Expansion::One(c),
    }
}

/// One or two code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expansion {
    One(char),
    Two(char, char),
}

/// Whether `c` leaves no trace in a search key: zero-width space, joiners and
/// non-joiners, word joiner, soft hyphen, marks of direction, variation
/// selectors, the Khmer inherent vowels.
///
/// That is Default_Ignorable_Code_Point of DerivedCoreProperties.txt, and
/// U+200B, which Khmer typists put between words.
pub(crate) fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}
