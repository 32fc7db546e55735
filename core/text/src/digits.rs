//! Khmer and Latin digits.

/// `text` with ASCII digits 0–9 written as Khmer ones ០–៩, for a reader who
/// chose them. Everything else stays as it is.
pub fn to_khmer_digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0'..='9' => shift(c, '0', '\u{17E0}'),
            _ => c,
        })
        .collect()
}

/// `text` with Khmer digits ០–៩ written as ASCII ones 0–9, for parsing numbers.
/// Everything else, including the divination numerals U+17F0–U+17F9, stays as it
/// is.
pub fn to_ascii_digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{17E0}'..='\u{17E9}' => shift(c, '\u{17E0}', '0'),
            _ => c,
        })
        .collect()
}

/// The digit `c`, counted from `zero`, as one counted from `new_zero`.
fn shift(c: char, zero: char, new_zero: char) -> char {
    char::from_u32(u32::from(c) - u32::from(zero) + u32::from(new_zero)).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_there_and_back() {
        assert_eq!(to_khmer_digits("ថ្នាក់ទី 0123456789"), "ថ្នាក់ទី ០១២៣៤៥៦៧៨៩");
        assert_eq!(to_ascii_digits("ថ្នាក់ទី ០១២៣៤៥៦៧៨៩"), "ថ្នាក់ទី 0123456789");
        assert_eq!(to_ascii_digits("៧,៥ km"), "7,5 km");
        assert_eq!(to_ascii_digits(""), "");
    }
}
