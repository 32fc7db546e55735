//! What people write: documents of 30 small fields and a text of 2 KB, and what they
//! then do to them. Everything comes from a seed. The words are invented, syllable by
//! syllable, so that no dictionary was made from them.
use std::collections::BTreeSet;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use stunity_client::{Client, ClientError, Editing};
use stunity_documents::{Action, Key, Node, Path, Scalar};

/// Fields of a document.
pub const FIELDS: usize = 30;
/// Bytes of a document's text.
pub const TEXT: usize = 2048;
/// What a user does to a document while offline.
pub const ACTIONS: usize = 20;
/// Words that the people of the workload know.
const WORDS: usize = 2000;

const BODY: Path<'static> = Path::field("body");
const META: Path<'static> = Path::field("meta");

/// Where the words come from.
pub struct Generator {
    random: ChaCha12Rng,
    words: Vec<String>,
}

impl Generator {
    /// The same seed writes the same.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let (mut words, mut known) = (Vec::new(), BTreeSet::new());
        while words.len() < WORDS {
            let word = invent(&mut random);
            if known.insert(word.clone()) {
                words.push(word);
            }
        }
        Self { random, words }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    /// A word; some are much more frequent than others, as in any language: the
    /// frequency falls about as one over the rank (Zipf).
    fn word(&mut self) -> String {
        // The exponential of an evenly spread number, by halves.
        let octave = self.below(11);
        let rank = (1 << octave) + self.below(1 << octave);
        self.words[(rank - 1).min(WORDS - 1)].clone()
    }

    fn phrase(&mut self, words: usize) -> String {
        let words: Vec<String> = (0..words).map(|_| self.word()).collect();
        words.join(" ")
    }

    /// A text of `len` bytes.
    fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() < len {
            let sentence = 5 + self.below(12);
            let phrase = self.phrase(sentence);
            text.push_str(&phrase);
            text.push_str(". ");
        }
        text.truncate(len);
        text
    }

    /// A small value: a number, a yes or no, a time, or a word.
    fn value(&mut self) -> Scalar {
        match self.below(5) {
            0 => Scalar::Int(self.below(1000) as i64),
            1 => Scalar::Bool(self.below(2) == 1),
            2 => Scalar::Time(1_790_000_000_000 + self.below(1_000_000_000) as i64),
            _ => Scalar::String(self.word()),
        }
    }

    fn field(&self, index: usize) -> String {
        // Names are the same in all documents, as in any schema.
        self.words[WORDS - FIELDS + index].clone()
    }

    /// Writes a new document.
    ///
    /// # Errors
    /// The client's.
    pub fn write(&mut self, client: &mut Client, editing: &mut Editing) -> Result<(), ClientError> {
        for index in 0..FIELDS {
            let (name, value) = (self.field(index), self.value());
            let path = META.join(Key::name(&name));
            client.edit(editing, &Action::put(path, Node::Scalar(value)))?;
        }
        let text = self.text(TEXT);
        client.edit(editing, &Action::splice(BODY, 0, 0, &text))
    }

    /// Goes on writing until the next pause: a sentence at the end, and now and then some
    /// letters out of what stands there.
    ///
    /// # Errors
    /// The client's.
    pub fn burst(&mut self, client: &mut Client, editing: &mut Editing) -> Result<(), ClientError> {
        let len = editing.view().text("body").map_or(0, str::len);
        let words = 4 + self.below(8);
        let sentence = format!("{}. ", self.phrase(words));
        client.edit(editing, &Action::splice(BODY, len, 0, &sentence))?;
        if self.below(3) == 0 && len > 20 {
            let (at, delete) = (self.below(len - 10), 1 + self.below(10));
            client.edit(editing, &Action::splice(BODY, at, delete, ""))?;
        }
        Ok(())
    }

    /// Does to a document what a user does in a while offline: half of it sets fields,
    /// half of it is in the text, where two of three put a word and one takes some
    /// letters out.
    ///
    /// # Errors
    /// The client's.
    pub fn edit(&mut self, client: &mut Client, editing: &mut Editing) -> Result<(), ClientError> {
        for action in 0..ACTIONS {
            if action % 2 == 0 {
                let (index, value) = (self.below(FIELDS), self.value());
                let name = self.field(index);
                let path = META.join(Key::name(&name));
                client.edit(editing, &Action::put(path, Node::Scalar(value)))?;
                continue;
            }
            let len = editing.view().text("body").map_or(0, str::len);
            let at = self.below(len.saturating_sub(20).max(1));
            if action % 6 == 5 {
                let delete = 1 + self.below(10);
                client.edit(editing, &Action::splice(BODY, at, delete, ""))?;
            } else {
                let insert = format!("{} ", self.word());
                client.edit(editing, &Action::splice(BODY, at, 0, &insert))?;
            }
        }
        Ok(())
    }
}

/// A word of one to four syllables.
fn invent(random: &mut ChaCha12Rng) -> String {
    const ONSETS: [&str; 16] = [
        "b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "kr", "sl",
    ];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "oa", "y"];
    const CODAS: [&str; 8] = ["", "", "", "n", "r", "s", "l", "k"];
    let mut pick = |of: &[&'static str]| of[random.next_u32() as usize % of.len()];
    let syllables = 1 + pick(&["", "x", "xx", "xxx"]).len();
    (0..syllables)
        .map(|_| [pick(&ONSETS), pick(&VOWELS), pick(&CODAS)].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_same_seed_writes_the_same() {
        assert_eq!(Generator::new(7).text(500), Generator::new(7).text(500));
        assert_ne!(Generator::new(7).text(500), Generator::new(8).text(500));
    }

    #[test]
    fn texts_are_of_many_words_some_frequent() {
        let text = Generator::new(1).text(50_000);
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for word in text.split([' ', '.']).filter(|word| !word.is_empty()) {
            *count.entry(word).or_default() += 1;
        }
        assert!(count.len() > 1000, "{}", count.len());
        assert!(count.values().max() > Some(&200));
    }

    #[test]
    fn no_dictionary_was_made_from_the_words() {
        let dictionary = include_bytes!("../../../../core/proto/dictionary/1.zdict");
        let words = Generator::new(1).words;
        for word in words.iter().filter(|word| word.len() > 5) {
            let mut parts = dictionary.windows(word.len());
            assert!(!parts.any(|part| part == word.as_bytes()), "{word}");
        }
    }
}
