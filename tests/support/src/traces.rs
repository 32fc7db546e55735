//! Real keystroke histories, if they are there: josephg/editing-traces.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;
use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};

/// A deletion and insertion at a place, in characters.
pub struct Splice {
    /// Where.
    pub pos: usize,
    /// How many are deleted.
    pub delete: usize,
    /// What is inserted.
    pub insert: String,
}

/// What somebody typed at once, having seen what `parents` had led to.
pub struct Transaction {
    /// Transactions by their place in the trace.
    pub parents: Vec<usize>,
    /// Who typed.
    pub agent: usize,
    /// In order.
    pub splices: Vec<Splice>,
}

/// A history and the text that it ends in.
pub struct Trace {
    /// The text at its end.
    pub end: String,
    /// In an order that respects their parents.
    pub transactions: Vec<Transaction>,
}

impl Trace {
    /// All edits of a history with one author, in order.
    #[must_use]
    pub fn splices(&self) -> Vec<&Splice> {
        let all = self.transactions.iter();
        all.flat_map(|transaction| &transaction.splices).collect()
    }
}

/// Where the data lies: `STUNITY_DATA`, or `shared/data` beside the repository.
fn data() -> PathBuf {
    match std::env::var_os("STUNITY_DATA") {
        Some(dir) => dir.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(),
    }
}

/// Reads a trace; none, and a word about it, if it is not there.
///
/// # Panics
/// A file that is no trace.
#[must_use]
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

const BODY: Path<'static> = Path::field("body");
const SOUND: &str = "an edit of the trace";

fn device(agent: usize) -> ActorParts {
    ActorParts {
        device_prefix: [agent as u8 + 1; 12],
        incarnation_slot: 1,
    }
}

/// Two people type in one text, each on a device of their own, and see of each other
/// what the trace says that they saw. Gives the text that each ends with.
///
/// # Panics
/// An edit that does not fit.
#[must_use]
pub fn type_on_two_devices(trace: &Trace) -> [String; 2] {
    // A burst ends where the other device takes it up, as the trace says.
    let mut taken_up = BTreeSet::new();
    for transaction in &trace.transactions {
        for &parent in &transaction.parents {
            if trace.transactions[parent].agent != transaction.agent {
                taken_up.insert(parent);
            }
        }
    }
    let mut drafts: Vec<Draft> = (0..2)
        .map(|agent| Draft::open(Document::new(DocType::Draft, device(agent)).expect(SOUND)))
        .collect();
    // For each agent, the changes of the other that it has not taken up.
    let mut waiting: [BTreeMap<usize, Vec<u8>>; 2] = Default::default();
    for (at, transaction) in trace.transactions.iter().enumerate() {
        let agent = transaction.agent;
        let newest = transaction
            .parents
            .iter()
            .filter(|parent| trace.transactions[**parent].agent != agent)
            .max();
        if let Some(newest) = newest {
            let later = waiting[agent].split_off(&(newest + 1));
            for bytes in std::mem::replace(&mut waiting[agent], later).values() {
                let from = device(1 - agent).device_prefix;
                let received = drafts[agent].receive(bytes, &from, 0).expect(SOUND);
                if let Some(own) = received.committed {
                    waiting[1 - agent].insert(at - 1, own.bytes);
                }
            }
        }
        for splice in &transaction.splices {
            let action = Action::splice(BODY, splice.pos, splice.delete, &splice.insert);
            drafts[agent].edit(&action).expect(SOUND);
        }
        if taken_up.contains(&at)
            && let Some(change) = drafts[agent].commit(0).expect(SOUND)
        {
            waiting[1 - agent].insert(at, change.bytes);
        }
    }
    for agent in 0..2 {
        if let Some(change) = drafts[agent].commit(0).expect(SOUND) {
            waiting[1 - agent].insert(usize::MAX, change.bytes);
        }
    }
    [0, 1].map(|agent| {
        let draft = &mut drafts[agent];
        for bytes in waiting[agent].values() {
            let from = device(1 - agent).device_prefix;
            draft.receive(bytes, &from, 0).expect(SOUND);
        }
        draft.view().text("body").unwrap_or_default().to_owned()
    })
}
