//! Latin letters to plain a–z.

/// What a Latin letter that has no decomposition is searched by.
///
/// Accented letters need no line here: they decompose (UAX #15) and lose their
/// marks. These are letters in their own right that a keyboard without them
/// replaces in this way; Vietnamese đ is the one met most in Cambodia.
pub(crate) fn fold_latin(c: char) -> Option<&'static str> {
    Some(match c {
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŋ' => "n",
        'ø' => "o",
        'ŧ' => "t",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}
