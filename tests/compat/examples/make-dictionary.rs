//! Makes static dictionary 1 of packs: `cargo run -p stunity-compat --example
//! make-dictionary > core/proto/dictionary/1.zdict`.
//!
//! It is raw content, so what is written here is all that is in it: words of a
//! school in English and Khmer, events and changes as packs carry them. The most
//! useful stands last, where references to it are shortest. Written from
//! nothing but this file; a dictionary that was released never changes.
use std::io::Write as _;

use automerge::{ActorId, AutoCommit, ObjType, ScalarValue, transaction::Transactable as _};
use stunity_model::events::*;
use stunity_proto::{AccountId, BlobId, DocId, EntryId, Hash, ObjectId};

/// Words that school work and talk about it are made of.
const ENGLISH: &str = "Hello everyone, thank you very much. Please read the lesson and answer the questions before Friday. \
I have finished my homework and sent the file. Well done, good work! Could you explain this part again? \
Your answer is correct, but it should be longer; see the feedback below and try again. \
What is the difference between these two examples? Because there are many students in our class, the teacher will help each group with the project. \
The exam about mathematics, science, history, English and Khmer language starts at 8 o'clock on Monday morning. \
This course is for beginners. In this chapter you will learn how to write, how to solve problems and how to work together. \
Complete the assignment by the end of the week. Late work loses points. I don't understand question number 1, 2, 3. \
Which of the following is true? It is important that we think about where, when, who and why. ";
const KHMER: &str = "សួស្តី អរគុណ សូមអានមេរៀន ហើយឆ្លើយសំណួរ កិច្ចការផ្ទះ ខ្ញុំបានធ្វើរួចហើយ ល្អណាស់ \
តើអ្នកយល់ទេ គ្រូបង្រៀន សិស្សានុសិស្ស សាលារៀន ថ្នាក់រៀន ភាសាខ្មែរ គណិតវិទ្យា វិទ្យាសាស្ត្រ ប្រវត្តិវិទ្យា \
ការប្រឡង ចម្លើយត្រឹមត្រូវ មិនត្រឹមត្រូវ ពិន្ទុ សូមព្យាយាមម្តងទៀត ថ្ងៃច័ន្ទ ថ្ងៃសុក្រ នៅពេលដែល ដោយសារតែ \
គឺជា និង នៃ ដែល បាន ក្នុង ទៅ មាន ជា របស់ ពី នេះ នោះ ដើម្បី យើង គេ ក៏ តែ ប៉ុន្តែ ទាំងអស់ កម្ពុជា ";

fn events() -> Vec<Event> {
    let (object, account) = (ObjectId([0; 16]), AccountId([0; 16]));
    let (entry, blob) = (EntryId([0; 32]), BlobId([0; 32]));
    let content = Content {
        text: String::new(),
        blobs: vec![blob],
    };
    let evidence = Evidence {
        wall_ms: 1_790_000_000_000,
        boot: 0,
        since_relay_ms: Some(0),
        relay_ms: Some(1_790_000_000_000),
    };
    let provenance = Some(Provenance {
        doc: DocId([0; 16]),
        heads: vec![Hash([0; 32])],
    });
    vec![
        Submit {
            assignment: object,
            attempt: 1,
            content,
            provenance,
            evidence,
        }
        .into(),
        Comment {
            comment: object,
            about: object,
            parent: None,
            text: String::new(),
        }
        .into(),
        Grade {
            grade: object,
            assignment: object,
            student: account,
            attempt: Some(entry),
            points: 8_500,
            feedback: String::new(),
            supersedes: Vec::new(),
        }
        .into(),
        Release {
            grade: object,
            entry,
            header: None,
            assignment: object,
            attempt: Some(entry),
            points: 8_500,
            feedback: String::new(),
        }
        .into(),
    ]
}

/// What a pack holds of a change: all after its actors.
fn after_actors(chunk: &[u8]) -> &[u8] {
    let genesis = chunk.windows(16).rposition(|w| w == [0; 16]);
    let own = chunk.windows(16).rposition(|w| w == ACTOR);
    let last = genesis.max(own).unwrap_or_default();
    &chunk[last + 16..]
}

const ACTOR: [u8; 16] = [0xa5; 16];

/// Changes of a document as people make them: fields, text, lists.
fn changes() -> Result<Vec<Vec<u8>>, automerge::AutomergeError> {
    let mut doc = AutoCommit::new();
    doc.set_actor(ActorId::from(&[0; 16][..]));
    let text = doc.put_object(automerge::ROOT, "text", ObjType::Text)?;
    let list = doc.put_object(automerge::ROOT, "questions", ObjType::List)?;
    doc.commit();
    let mut doc = doc.fork().with_actor(ActorId::from(&ACTOR[..]));
    let mut out = Vec::new();
    let mut commit = |doc: &mut AutoCommit| {
        doc.commit();
        if let Some(change) = doc.get_last_local_change() {
            out.push(after_actors(change.raw_bytes()).to_vec());
        }
    };
    doc.insert(&list, 0, "first")?;
    let item = doc.insert_object(&list, 1, ObjType::Map)?;
    doc.put(&item, "id", ScalarValue::Uint(1))?;
    doc.put(&item, "text", "Which?")?;
    doc.put(&item, "options", "A")?;
    commit(&mut doc);
    for (key, value) in [
        ("title", "Title"),
        ("title_km", "ចំណងជើង"),
        ("description", "Description"),
        ("category", "science"),
        ("body", "Body"),
        ("content", "Content"),
        ("name", "Name"),
        ("status", "draft"),
    ] {
        doc.put(automerge::ROOT, key, value)?;
    }
    commit(&mut doc);
    let numbers = [
        ("level", 2),
        ("order", 10),
        ("minutes", 45),
        ("points", 100),
    ];
    for (key, value) in numbers {
        doc.put(automerge::ROOT, key, ScalarValue::Uint(value))?;
    }
    doc.put(automerge::ROOT, "published", true)?;
    doc.put(
        automerge::ROOT,
        "due",
        ScalarValue::Timestamp(1_790_000_000_000),
    )?;
    commit(&mut doc);
    doc.splice_text(&text, 0, 0, "The first words of it. ")?;
    commit(&mut doc);
    doc.splice_text(&text, 23, 0, "More. ")?;
    commit(&mut doc);
    doc.splice_text(&text, 4, 2, "a")?;
    doc.splice_text(&text, 10, 0, "new ")?;
    doc.put(automerge::ROOT, "title", "Another")?;
    commit(&mut doc);
    doc.put(automerge::ROOT, "status", "published")?;
    commit(&mut doc);
    doc.put(automerge::ROOT, "title", "x")?;
    doc.put(automerge::ROOT, "body", "y")?;
    doc.put(automerge::ROOT, "level", ScalarValue::Uint(3))?;
    commit(&mut doc);
    Ok(out)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = KHMER.as_bytes().to_vec();
    out.extend_from_slice(ENGLISH.as_bytes());
    for event in events() {
        // The ids themselves help nobody; their heads do.
        let bytes = event.encode();
        let mut zeros = 0;
        for byte in bytes {
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            if zeros <= 2 {
                out.push(byte);
            }
        }
    }
    for change in changes()? {
        out.extend_from_slice(&change);
    }
    std::io::stdout().write_all(&out)?;
    Ok(())
}
