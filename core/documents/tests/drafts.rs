//! Bursts, undo and crashes, and changes of others that are refused.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
use proptest::prelude::*;
use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Error, Path};

const BODY: Path<'static> = Path::field("body");
const ANN: ActorParts = ActorParts {
    device_prefix: [1; 12],
    incarnation_slot: 1,
};
const BOB: ActorParts = ActorParts {
    device_prefix: [2; 12],
    incarnation_slot: 1,
};

fn draft(actor: ActorParts) -> Draft {
    Draft::open(Document::new(DocType::Draft, actor).unwrap())
}

fn body(draft: &mut Draft) -> String {
    draft.view().text("body").unwrap().to_owned()
}

/// What a person may do next.
#[derive(Clone, Debug)]
enum Doing {
    Type(usize, usize, String),
    Joined(String),
    Undo,
    Redo,
    Commit,
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        4 => (0..40usize, 0..4usize, "[aក😀]{0,3}").prop_map(|(p, d, t)| Doing::Type(p, d, t)),
        2 => "[bខ]{1,2}".prop_map(Doing::Joined),
        2 => Just(Doing::Undo),
        1 => Just(Doing::Redo),
        1 => Just(Doing::Commit),
    ]
}

proptest! {
    /// A crash at any moment: the journal's rows make the same burst, to the byte.
    #[test]
    fn replayed_rows_make_the_same_change(steps in prop::collection::vec(doing(), 0..40)) {
        let mut typed = draft(ANN);
        let mut committed: Vec<Vec<u8>> = Vec::new();
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            match step {
                Doing::Type(pos, delete, text) => {
                    // A position inside a character or beyond the end is refused.
                    if let Ok(row) = typed.edit(&Action::splice(BODY, pos, delete, &text)) {
                        rows.push(row.to_vec());
                    }
                }
                Doing::Joined(text) => {
                    if let Ok(row) = typed.edit_joined(&Action::splice(BODY, 0, 0, &text)) {
                        rows.push(row.to_vec());
                    }
                }
                Doing::Undo => rows.extend(typed.undo().unwrap().iter().map(<[u8]>::to_vec)),
                Doing::Redo => rows.extend(typed.redo().unwrap().iter().map(<[u8]>::to_vec)),
                Doing::Commit => {
                    committed.extend(typed.commit(0).unwrap().map(|change| change.bytes));
                    rows.clear();
                }
            }
        }
        let loaded = Document::load_changes(
            DocType::Draft, ANN, None, committed.iter().map(Vec::as_slice),
        ).unwrap();
        prop_assert_eq!(&loaded.refused, &[]);
        let mut again = Draft::open(loaded.document);
        let replayed = again.replay(rows.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(replayed.stopped, None);
        prop_assert_eq!(body(&mut again), body(&mut typed));
        let (a, b) = (typed.commit(0).unwrap(), again.commit(0).unwrap());
        prop_assert_eq!(a.map(|c| c.bytes), b.map(|c| c.bytes));
    }

    /// The view that edits keep up to date is the view read anew.
    #[test]
    fn the_view_is_what_the_document_says(steps in prop::collection::vec(doing(), 0..30)) {
        let mut typed = draft(ANN);
        for step in steps {
            match step {
                Doing::Type(pos, delete, text) => {
                    let _ = typed.edit(&Action::splice(BODY, pos, delete, &text));
                }
                Doing::Joined(text) => {
                    let _ = typed.edit_joined(&Action::splice(BODY, 0, 0, &text));
                }
                Doing::Undo => drop(typed.undo().unwrap().len()),
                Doing::Redo => drop(typed.redo().unwrap().len()),
                Doing::Commit => drop(typed.commit(0).unwrap()),
            }
            let _ = typed.view();
        }
        let shown = typed.view().clone();
        let (document, _) = typed.close(0).unwrap();
        prop_assert_eq!(document.view(), shown);
    }
}

#[test]
fn undo_of_a_committed_burst_leaves_what_others_wrote() {
    let mut ann = draft(ANN);
    ann.edit(&Action::splice(BODY, 0, 0, "hello")).unwrap();
    let first = ann.commit(0).unwrap().unwrap();
    let mut bob = draft(BOB);
    bob.receive(&first.bytes, &ANN.device_prefix, 0).unwrap();
    bob.edit(&Action::splice(BODY, 5, 0, " world")).unwrap();
    let second = bob.commit(0).unwrap().unwrap();
    ann.receive(&second.bytes, &BOB.device_prefix, 0).unwrap();
    assert!(!ann.undo().unwrap().is_empty());
    assert_eq!(body(&mut ann), " world");
    assert!(!ann.redo().unwrap().is_empty());
    assert_eq!(body(&mut ann), "hello world");
}

#[test]
fn a_change_that_claims_anothers_actor_is_refused() {
    let mut ann = draft(ANN);
    ann.edit(&Action::splice(BODY, 0, 0, "mine")).unwrap();
    let change = ann.commit(0).unwrap().unwrap();
    let mut reader = Document::new(DocType::Draft, BOB).unwrap();
    let refused = reader.apply_change(&change.bytes, &[9; 12]);
    assert_eq!(refused.unwrap_err(), Error::ForeignActor);
    assert_eq!(reader.view().text("body"), Some(""));
}

#[test]
fn two_changes_of_one_number_are_refused() {
    let say = |text: &str| {
        let mut ann = draft(ANN);
        ann.edit(&Action::splice(BODY, 0, 0, text)).unwrap();
        ann.commit(0).unwrap().unwrap().bytes
    };
    let mut reader = Document::new(DocType::Draft, BOB).unwrap();
    reader
        .apply_change(&say("one"), &ANN.device_prefix)
        .unwrap();
    let refused = reader.apply_change(&say("two"), &ANN.device_prefix);
    assert_eq!(refused.unwrap_err(), Error::Equivocation);
    assert_eq!(reader.view().text("body"), Some("one"));
}

#[test]
fn ten_thousand_orphans_are_bounded_and_the_root_frees_them() {
    let mut ann = draft(ANN);
    let changes: Vec<Vec<u8>> = (0..10_000)
        .map(|_| {
            ann.edit(&Action::splice(BODY, 0, 0, "a")).unwrap();
            ann.commit(0).unwrap().unwrap().bytes
        })
        .collect();
    let mut reader = Document::new(DocType::Draft, BOB).unwrap();
    let mut refused = 0;
    for bytes in &changes[1..] {
        match reader.apply_change(bytes, &ANN.device_prefix) {
            Ok(_) => {}
            Err(Error::TooManyWaiting) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let waiting = reader.waiting();
    assert_eq!(waiting + refused, 9_999);
    assert!(waiting < 5_000, "{waiting} orphans wait in memory");
    reader
        .apply_change(&changes[0], &ANN.device_prefix)
        .unwrap();
    assert_eq!(reader.waiting(), 0);
    assert_eq!(reader.change_count(), waiting + 2);
}

#[test]
fn a_cut_or_flipped_change_is_refused_or_is_nothing() {
    let mut ann = draft(ANN);
    ann.edit(&Action::splice(BODY, 0, 0, "some words")).unwrap();
    let bytes = ann.commit(0).unwrap().unwrap().bytes;
    for len in 0..bytes.len() {
        let mut reader = Document::new(DocType::Draft, BOB).unwrap();
        assert!(
            reader
                .apply_change(&bytes[..len], &ANN.device_prefix)
                .is_err()
        );
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut reader = Document::new(DocType::Draft, BOB).unwrap();
        assert!(
            reader.apply_change(&flipped, &ANN.device_prefix).is_err(),
            "bit {bit}"
        );
    }
}
