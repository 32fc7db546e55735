//! What was typed into a text field, from what it said before.

/// Where two texts differ: position and length in UTF-16 code units of the old one,
/// and what the new one has there.
pub(super) fn difference<'a>(old: &str, new: &'a str) -> (usize, usize, &'a str) {
    let before: usize = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let after: usize = old_rest
        .chars()
        .rev()
        .zip(new_rest.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let units = |text: &str| text.encode_utf16().count();
    (
        units(&old[..before]),
        units(&old_rest[..old_rest.len() - after]),
        &new_rest[..new_rest.len() - after],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_counted_in_utf16() {
        assert_eq!(difference("a😀b", "a😀ខb"), (3, 0, "ខ"));
        assert_eq!(difference("a😀b", "ab"), (1, 2, ""));
        assert_eq!(difference("aa", "aaa"), (2, 0, "a"));
        assert_eq!(difference("", ""), (0, 0, ""));
    }
}
