//! Real keystroke histories, if they are there: josephg/editing-traces.
#![allow(dead_code, reason = "each test and example uses a part")]
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;

/// A deletion and insertion at a place, in characters.
pub struct Splice {
    pub pos: usize,
    pub delete: usize,
    pub insert: String,
}

/// What somebody typed at once, having seen what `parents` had led to.
pub struct Transaction {
    pub parents: Vec<usize>,
    pub agent: usize,
    pub splices: Vec<Splice>,
}

pub struct Trace {
    pub end: String,
    pub transactions: Vec<Transaction>,
}

/// Where the data lies: `STUNITY_DATA`, or `shared/data` beside the repository.
fn data() -> PathBuf {
    match std::env::var_os("STUNITY_DATA") {
        Some(dir) => dir.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(),
    }
}

/// Reads a trace; none, and a word about it, if it is not there.
pub fn load(name: &str) -> Option<Trace> {
    let path = data().join("traces").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("SKIPPED: no trace at {}; set STUNITY_DATA", path.display());
        return None;
    };
    let mut json = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut json)
        .expect("a gzip file of JSON");
    let trace: Value = serde_json::from_str(&json).expect("JSON");
    let size = |value: &Value| value.as_u64().expect("a number") as usize;
    let transactions = trace["txns"].as_array().expect("transactions");
    Some(Trace {
        end: trace["endContent"].as_str().expect("a text").to_owned(),
        transactions: transactions
            .iter()
            .map(|transaction| Transaction {
                parents: transaction["parents"]
                    .as_array()
                    .map(|parents| parents.iter().map(size).collect())
                    .unwrap_or_default(),
                agent: transaction["agent"].as_u64().unwrap_or(0) as usize,
                splices: transaction["patches"]
                    .as_array()
                    .expect("patches")
                    .iter()
                    .map(|patch| Splice {
                        pos: size(&patch[0]),
                        delete: size(&patch[1]),
                        insert: patch[2].as_str().expect("a text").to_owned(),
                    })
                    .collect(),
            })
            .collect(),
    })
}
