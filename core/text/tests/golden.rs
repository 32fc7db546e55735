//! Keys, queries and clusters that must never change under one index version.
//!
//! A change that fails here needs a new [`INDEX_VERSION`] and a new file; the
//! files of earlier versions are not edited.

use serde::{Deserialize, Serialize};
use stunity_text::{INDEX_VERSION, clusters, index_text, query};

#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
struct Vector {
    about: String,
    text: String,
    clusters: Vec<String>,
    index: String,
    fts5: Option<String>,
    tsquery: Option<String>,
}

fn compute(about: &str, text: &str) -> Vector {
    let query = query(text);
    Vector {
        about: about.to_owned(),
        text: text.to_owned(),
        clusters: clusters(text).map(str::to_owned).collect(),
        index: index_text(text),
        fts5: query.as_ref().map(|q| q.to_fts5()),
        tsquery: query.as_ref().map(|q| q.to_tsquery()),
    }
}

#[test]
fn keys_are_those_of_the_golden_file() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("golden/keys-v2.json")).expect("golden file is JSON");
    assert_eq!(INDEX_VERSION, 2, "a new version has a new golden file");
    assert!(vectors.len() >= 30);
    for vector in &vectors {
        assert_eq!(&compute(&vector.about, &vector.text), vector);
    }
}
