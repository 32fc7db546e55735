//! Types a ten-page paper, key by key, in bursts: once through `Draft`, once into bare
//! Automerge, and prints what `Draft` costs beside it.
//!
//! ```text
//! cargo run --release -p stunity-documents --example paper_trace -- [edits per burst]
//! ```
use std::time::Instant;

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ObjId, ROOT, ReadDoc};
use stunity_documents::{
    Action, ActorParts, DocType, Document, Draft, Path, TEXT_ENCODING, genesis_bytes,
};
use stunity_test_support::traces::{self, Splice};

const BODY: Path<'static> = Path::field("body");
const ACTOR: ActorParts = ActorParts {
    device_prefix: [7; 12],
    incarnation_slot: 1,
};
const ROUNDS: usize = 3;

/// Nanoseconds that this thread has been on a processor, so that other processes do
/// not count; elsewhere than on Linux the wall clock.
fn cpu(start: Instant) -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|stat| stat.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| start.elapsed().as_nanos() as u64)
}

/// Bare Automerge, which reads each change back or does not.
struct Bare {
    doc: Automerge,
    body: ObjId,
    reads_changes: bool,
}

impl Bare {
    fn new(reads_changes: bool) -> Self {
        let mut doc =
            Automerge::new_with_encoding(TEXT_ENCODING).with_actor(ACTOR.to_bytes().into());
        let genesis = Change::from_bytes(genesis_bytes(DocType::Draft).to_vec()).expect("golden");
        doc.apply_changes([genesis]).expect("golden");
        let (_, body) = doc.get(ROOT, "body").expect("a map").expect("a field");
        Self {
            doc,
            body,
            reads_changes,
        }
    }

    fn burst(&mut self, edits: &[&Splice]) -> usize {
        let mut tx = self.doc.transaction();
        for edit in edits {
            tx.splice_text(&self.body, edit.pos, edit.delete as isize, &edit.insert)
                .expect("an edit of the trace");
        }
        match tx.commit() {
            (Some(hash), _) if self.reads_changes => {
                let change = self.doc.get_change_by_hash(&hash).expect("just made");
                change.raw_bytes().to_vec().len()
            }
            _ => 0,
        }
    }
}

/// The bytes of the change and of the journal rows.
fn draft_burst(draft: &mut Draft, edits: &[&Splice]) -> (usize, usize) {
    let mut journal = 0;
    for edit in edits {
        let action = Action::splice(BODY, edit.pos, edit.delete, &edit.insert);
        journal += draft.edit(&action).expect("an edit of the trace").len();
    }
    let change = draft.commit(0).expect("a burst");
    (change.map_or(0, |change| change.bytes.len()), journal)
}

fn main() {
    let Some(trace) = traces::load("automerge-paper.json.gz") else {
        return;
    };
    let burst = std::env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .unwrap_or(1000);
    let edits = trace.splices();
    let start = Instant::now();
    let [mut silent, mut bare, mut drafted] = [0; 3];
    for _ in 0..ROUNDS {
        let mut without = Bare::new(false);
        let mut with = Bare::new(true);
        let mut draft = Draft::open(Document::new(DocType::Draft, ACTOR).expect("golden"));
        let (mut bare_bytes, mut bytes, mut journal) = (0, 0, 0);
        // All three type burst by burst beside one another, so that heat and neighbours
        // hit them alike.
        for (at, burst) in edits.chunks(burst).enumerate() {
            for turn in 0..3 {
                let before = cpu(start);
                let sum = match (at + turn) % 3 {
                    0 => {
                        without.burst(burst);
                        &mut silent
                    }
                    1 => {
                        bare_bytes += with.burst(burst);
                        &mut bare
                    }
                    _ => {
                        let (change, rows) = draft_burst(&mut draft, burst);
                        bytes += change;
                        journal += rows;
                        &mut drafted
                    }
                };
                *sum += cpu(start) - before;
            }
        }
        assert!(
            draft.view().text("body") == Some(&trace.end),
            "the text of the trace"
        );
        assert_eq!(bytes, bare_bytes, "the same changes");
        println!(
            "{} edits in bursts of {burst}: {bytes} bytes of changes, {journal} of journal",
            edits.len()
        );
    }
    let [silent, bare, drafted] =
        [silent, bare, drafted].map(|nanoseconds| nanoseconds as f64 / 1e6 / ROUNDS as f64);
    println!("bare, changes never read   {silent:8.1} ms");
    println!("bare, changes read         {bare:8.1} ms");
    println!("Draft, journal and changes {drafted:8.1} ms");
    println!(
        "ratio {:.3} to bare with changes, {:.3} to bare without",
        drafted / bare,
        drafted / silent
    );
}
