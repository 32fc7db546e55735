//! Real Khmer sentences, segmented by hand (khPOS, CC BY-NC-SA 4.0), through a
//! real FTS5 index. The data is read from beside the repository, never shipped.
use std::path::PathBuf;

use proptest::prelude::*;
use rusqlite::Connection;
use stunity_text::{Query, clusters, index_text};

fn sentences() -> Option<Vec<(String, Vec<String>)>> {
    let folder = std::env::var_os("STUNITY_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("khmer/sentences.tsv")).ok()?;
    Some(
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(plain, words)| {
                let words = words.split('|').map(str::to_owned).collect();
                (plain.to_owned(), words)
            })
            .collect(),
    )
}

#[test]
fn every_word_of_two_clusters_finds_its_sentence() {
    let Some(sentences) = sentences() else {
        println!("skipped: no khmer/sentences.tsv beside the repository");
        return;
    };
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE VIRTUAL TABLE s USING fts5(keys, tokenize='ascii')")
        .unwrap();
    for (n, (plain, _)) in sentences.iter().enumerate() {
        db.execute(
            "INSERT INTO s (rowid, keys) VALUES (?, ?)",
            (n as i64, index_text(plain)),
        )
        .unwrap();
    }
    let mut ask = db.prepare("SELECT rowid FROM s WHERE s MATCH ?").unwrap();
    let (mut asked, mut found, mut hits, mut right) = (0u32, 0u32, 0u64, 0u64);
    let mut missed = Vec::new();
    for (n, (_, words)) in sentences.iter().enumerate() {
        for word in words {
            let khmer = word.chars().any(|c| ('\u{1780}'..='\u{17b3}').contains(&c));
            if !khmer || clusters(word).count() < 2 {
                continue;
            }
            let Some(query) = Query::parse(word) else {
                continue;
            };
            let rows: Vec<i64> = ask
                .query_map([query.to_fts5()], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            asked += 1;
            if rows.contains(&(n as i64)) {
                found += 1;
            } else {
                missed.push(word.clone());
            }
            hits += rows.len() as u64;
            right += rows
                .iter()
                .filter(|row| sentences[**row as usize].1.contains(word))
                .count() as u64;
        }
    }
    let recall = f64::from(found) / f64::from(asked);
    let precision = right as f64 / hits as f64;
    println!(
        "{asked} words, recall {:.3} %, precision {:.1} %",
        recall * 100.0,
        precision * 100.0
    );
    println!("missed: {:?}", &missed[..missed.len().min(20)]);
    assert!(asked > 5_000 && recall >= 0.995, "recall {recall}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn clusters_cover_any_text_and_nothing_panics(text in "[ក-៹a-zA-Z0-9\u{200b}\u{200d} \"*]{0,40}") {
        let joined: String = clusters(&text).map(|range| &text[range]).collect();
        prop_assert_eq!(&joined, &text);
        let _ = index_text(&text);
        if let Some(query) = Query::parse(&text) {
            prop_assert!(query.matches(&text));
        }
    }
}
