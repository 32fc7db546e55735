//! Recall and precision on sentences that people segmented by hand (khPOS).
//!
//! The sentences may not be shipped with the product. They are looked for in
//! `$STUNITY_DATA`, else in `shared/data` beside the repository; without them the
//! test says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::Connection;
use stunity_text::{Query, clusters, highlight, index_text, query};

/// Hits that must be found, of those that the hand segmentation promises.
const MIN_RECALL: f64 = 0.995;

struct Sentence {
    text: String,
    words: Vec<String>,
    edges: BTreeSet<usize>,
}

fn load_sentences() -> Option<Vec<Sentence>> {
    let data = match std::env::var_os("STUNITY_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    let file = data.join("khmer/sentences.tsv");
    let Ok(lines) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: no Khmer sentences at {}", file.display());
        return None;
    };
    let sentences = lines.lines().filter_map(|line| {
        let (text, words) = line.split_once('\t')?;
        let words: Vec<String> = words.split('|').map(str::to_owned).collect();
        Some(Sentence {
            text: text.to_owned(),
            edges: find_edges(text, &words),
            words,
        })
    });
    Some(sentences.collect())
}

/// A word of the corpus, as an index knows it.
struct Word {
    query: Query,
    spelling: String,
    /// Sentences whose hand segmentation has this word, in any spelling.
    sentences: BTreeSet<usize>,
}

/// Every word of two or more clusters, by its keys.
fn collect_words(sentences: &[Sentence]) -> Vec<Word> {
    let mut words: BTreeMap<String, Word> = BTreeMap::new();
    for (id, sentence) in sentences.iter().enumerate() {
        for word in &sentence.words {
            if clusters(word).filter(|c| !index_text(c).is_empty()).count() < 2 {
                continue;
            }
            let query = query(word).expect("two clusters have keys");
            words
                .entry(index_text(word))
                .or_insert_with(|| Word {
                    query,
                    spelling: word.clone(),
                    sentences: BTreeSet::new(),
                })
                .sentences
                .insert(id);
        }
    }
    words.into_values().collect()
}

/// How a hit lies to the hand-segmented words of its sentence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// From within one word into another: chance.
    Straddles,
    /// In a longer word, mostly a compound of it.
    WithinWord,
    /// Words that another segmenter would write as one.
    WholeWords,
    /// The word itself.
    SameWord,
}

/// The best fit of the places where `word` hits the sentence `hit`.
fn fit(word: &Word, hit: usize, sentences: &[Sentence]) -> Fit {
    if word.sentences.contains(&hit) {
        return Fit::SameWord;
    }
    let Sentence { text, edges, .. } = &sentences[hit];
    highlight(text, &word.query)
        .into_iter()
        .map(|range| {
            if edges.contains(&range.start) && edges.contains(&range.end) {
                Fit::WholeWords
            } else if edges.range(range.start + 1..range.end).next().is_none() {
                Fit::WithinWord
            } else {
                Fit::Straddles
            }
        })
        .max()
        .expect("a hit has a place to highlight")
}

/// The byte offsets in `text` where the hand-segmented `words` begin and end.
fn find_edges(text: &str, words: &[String]) -> BTreeSet<usize> {
    let mut edges = BTreeSet::from([0]);
    let mut end = 0;
    for word in words {
        // Spaces of the sentence are not in its segmentation.
        let skipped = text[end..].find(word.as_str()).unwrap_or(0);
        edges.insert(end + skipped);
        end = (end + skipped + word.len()).min(text.len());
        edges.insert(end);
    }
    edges
}

#[derive(Default)]
struct Score {
    expected: usize,
    recalled: usize,
    fits: Vec<Fit>,
}

impl Score {
    fn add(&mut self, word: &Word, hits: &BTreeSet<usize>, fits: &[Fit]) {
        self.expected += word.sentences.len();
        self.recalled += word.sentences.intersection(hits).count();
        self.fits.extend(fits);
    }

    fn recall(&self) -> f64 {
        self.recalled as f64 / self.expected as f64
    }

    /// Percentage of hits that fit at least so well.
    fn precision(&self, least: Fit) -> f64 {
        let good = self.fits.iter().filter(|&&fit| fit >= least).count();
        100.0 * good as f64 / self.fits.len() as f64
    }

    fn report(&self, name: &str, words: usize) {
        println!(
            "{name}: {words} words, recall {:.3} % ({} of {}); precision {:.1} % \
             (the word is in the hit's hand segmentation), {:.1} % with words segmented \
             otherwise, {:.1} % with longer words that contain it",
            100.0 * self.recall(),
            self.recalled,
            self.expected,
            self.precision(Fit::SameWord),
            self.precision(Fit::WholeWords),
            self.precision(Fit::WithinWord),
        );
    }
}

#[test]
fn hand_segmented_words_find_their_sentences() {
    let Some(sentences) = load_sentences() else {
        return;
    };
    let words = collect_words(&sentences);
    let indexes: Vec<String> = sentences.iter().map(|s| index_text(&s.text)).collect();

    let mut db = Connection::open_in_memory().expect("memory database");
    let transaction = db.transaction().expect("transaction");
    transaction
        .execute_batch("CREATE VIRTUAL TABLE search USING fts5(body, content='', tokenize='ascii')")
        .expect("SQLite has FTS5");
    for (id, index) in indexes.iter().enumerate() {
        transaction
            .execute(
                "INSERT INTO search(rowid, body) VALUES (?1, ?2)",
                (id as i64, index),
            )
            .expect("row is indexed");
    }
    transaction.commit().expect("commit");
    let mut statement = db
        .prepare("SELECT rowid FROM search WHERE search MATCH ?1")
        .expect("valid statement");

    let mut by_sqlite = Score::default();
    let mut by_matcher = Score::default();
    for (n, word) in words.iter().enumerate() {
        let hits: BTreeSet<usize> = statement
            .query_map([word.query.to_fts5()], |row| row.get::<_, i64>(0))
            .expect("valid MATCH expression")
            .map(|id| id.expect("row") as usize)
            .collect();
        for missed in word.sentences.difference(&hits) {
            println!("missed: {} in {}", word.spelling, sentences[*missed].text);
        }
        // Whatever may match, and of the rest a part, other for each word:
        // unoptimised, the whole takes a while.
        let pure: BTreeSet<usize> = (0..indexes.len())
            .filter(|id| (id + n) % 5 == 0 || hits.contains(id) || word.sentences.contains(id))
            .filter(|&id| word.query.matches_index(&indexes[id]))
            .collect();
        assert_eq!(pure, hits, "{}", word.spelling);
        let fits: Vec<Fit> = hits.iter().map(|&hit| fit(word, hit, &sentences)).collect();
        by_sqlite.add(word, &hits, &fits);
        by_matcher.add(word, &pure, &fits);
    }
    for (name, score) in [("FTS5", &by_sqlite), ("matcher", &by_matcher)] {
        score.report(name, words.len());
        assert!(score.expected > 0);
        assert!(score.recall() >= MIN_RECALL, "{name}: {}", score.recall());
    }
}

#[test]
fn hand_segmented_words_end_where_clusters_do() {
    let Some(sentences) = load_sentences() else {
        return;
    };
    let (mut inside, mut all) = (0, 0);
    for sentence in &sentences {
        let glued = sentence.words.concat();
        let mut end = 0;
        for word in &sentence.words {
            end += word.len();
            all += 1;
            inside += usize::from(!stunity_text::is_cluster_boundary(&glued, end));
        }
    }
    println!("{inside} of {all} word ends lie within a cluster");
    assert_eq!(inside, 0);
}
