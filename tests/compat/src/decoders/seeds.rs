//! Where fuzzing begins: the golden bytes, and what this build writes where
//! nothing of it crosses a wire on its own.
use std::sync::LazyLock;

use stunity_documents::{Action, DocType, Document, Draft, Node, Path};
use stunity_proto::parcel::MAGIC;

use super::documents::{WRITER, join};
use crate::{Strictness, cases};

/// A draft with everything an editor does to it: its changes, the rows of its
/// journal, and the document.
struct Typed {
    changes: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
    document: Document,
}

const BODY: Path<'static> = Path::field("body");

static TYPED: LazyLock<Typed> = LazyLock::new(|| {
    let document = Document::new(DocType::Draft, WRITER).expect("a genesis");
    let mut draft = Draft::open(document);
    let (mut changes, mut rows) = (Vec::new(), Vec::new());
    let bursts: [&[Action<'_>]; 3] = [
        &[
            Action::splice(BODY, 0, 0, "Hello សួស្តី world"),
            Action::splice(BODY, 5, 1, "\n"),
        ],
        &[
            Action::put(Path::field("title"), Node::from("Essay")),
            Action::put(Path::field("words"), Node::from(2)),
        ],
        &[
            Action::splice(BODY, 0, 5, "Good morning"),
            Action::DeleteField {
                path: Path::field("words"),
            },
        ],
    ];
    for burst in bursts {
        for action in burst {
            // A field that this type of document has not got is no edit.
            if let Ok(row) = draft.edit(action) {
                rows.push(row.to_vec());
            }
        }
        if let Ok(undone) = draft.undo() {
            rows.extend(undone.iter().map(<[u8]>::to_vec));
        }
        if let Ok(redone) = draft.redo() {
            rows.extend(redone.iter().map(<[u8]>::to_vec));
        }
        let committed = draft.commit(1_767_323_045).expect("a sound burst");
        changes.extend(committed.map(|change| change.bytes));
    }
    let (document, _) = draft.close(0).expect("nothing is open");
    Typed {
        changes,
        rows,
        document,
    }
});

/// The changes of a draft.
pub fn changes() -> &'static [Vec<u8>] {
    &TYPED.changes
}

/// What a target begins with: names and bytes.
#[must_use]
pub fn seeds(target: &super::Target) -> Vec<(String, Vec<u8>)> {
    let golden = cases().into_iter().filter(|case| {
        case.strictness != Strictness::Hash
            && target.golden.iter().any(|name| case.name.starts_with(name))
    });
    let mut seeds: Vec<(String, Vec<u8>)> = golden
        .map(|case| (case.name.replace('/', "-"), case.bytes))
        .collect();
    let typed = &*TYPED;
    let mut add = |name: &str, bytes: Vec<u8>| seeds.push((name.to_owned(), bytes));
    match target.name {
        "parcel_head" => {
            let file = seeds.iter().map(|(_, bytes)| bytes[MAGIC.len()..].to_vec());
            let heads: Vec<_> = file.collect();
            seeds.extend(heads.into_iter().map(|head| ("parcel-head".into(), head)));
        }
        "changes" => add("typed", join(&typed.changes)),
        "snapshot" => add("typed", typed.document.save()),
        "journal" => add("typed", join(&typed.rows)),
        "action" => {
            for (index, row) in typed.rows.iter().enumerate() {
                // A row is an array's head, its kind, and an action.
                add(&format!("row-{index}"), row[2.min(row.len())..].to_vec());
            }
        }
        "view" => add("typed", typed.document.view().to_cbor()),
        "text" => {
            let words = "ស្ត្រី  ស្រ្តី\u{200b} ភាសាខ្មែរ essay ១២៣ 123 re-read ក្\u{200d}ក";
            add("words", words.as_bytes().to_vec());
        }
        _ => {}
    }
    seeds
}
