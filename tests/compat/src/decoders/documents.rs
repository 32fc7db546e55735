//! Changes and snapshots of documents, the rows of a journal, stored views, and
//! texts on their way into the index.
use stunity_documents::{
    Action, ActorParts, ChangeHash, DocType, Document, Draft, View, change_actor, change_links,
};

use super::same;

/// Who writes what the seeds hold.
pub const WRITER: ActorParts = ActorParts {
    device_prefix: [0x44; 12],
    incarnation_slot: 0x100,
};
const READER: ActorParts = ActorParts {
    device_prefix: [0x45; 12],
    incarnation_slot: 0,
};

/// Pieces with their lengths before them, two bytes each; the last may be cut.
pub fn pieces(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (piece, rest) = rest.split_at(len);
        out.push(piece);
        bytes = rest;
    }
    out
}

/// The other way.
pub fn join(pieces: &[Vec<u8>]) -> Vec<u8> {
    let with_length = |piece: &Vec<u8>| {
        let len = (piece.len() as u16).to_be_bytes();
        [&len[..], piece].concat()
    };
    pieces.iter().flat_map(with_length).collect()
}

/// A document that took a change can be shown, saved and loaded, and says the same.
fn is_sound(document: &Document) {
    let heads: Vec<Vec<u8>> = document
        .heads()
        .iter()
        .filter_map(|head| document.change_bytes(head))
        .collect();
    let saved = document.save();
    let heads = heads.iter().map(Vec::as_slice);
    let again = Document::load_snapshot_verified(document.doc_type(), READER, &saved, heads)
        .expect("what was accepted can be saved and loaded");
    assert_eq!(again.view(), document.view());
    assert_eq!(again.heads(), document.heads());
}

/// Changes, one after the other, as their device sends them.
pub fn changes(bytes: &[u8]) {
    let mut document = Document::new(DocType::Draft, READER).expect("a genesis");
    let mut grew = false;
    for change in pieces(bytes) {
        let Some(actor) = change_actor(change) else {
            assert!(change_links(change).is_none());
            continue;
        };
        let device = ActorParts::from_bytes(actor.0).device_prefix;
        let before = document.heads();
        match document.apply_change(change, &device) {
            Ok(applied) => grew |= !applied.hashes.is_empty(),
            Err(_) => assert_eq!(document.heads(), before, "refused, and yet there"),
        }
    }
    if grew {
        is_sound(&document);
    }
}

/// Snapshots, with the changes of the seeds for heads that were verified.
pub fn snapshot(bytes: &[u8]) {
    let seeds = super::seeds::changes();
    let heads = seeds.iter().map(Vec::as_slice);
    if let Ok(document) = Document::load_snapshot_verified(DocType::Draft, READER, bytes, heads) {
        is_sound(&document);
    }
}

/// Rows of a journal, replayed.
pub fn journal(bytes: &[u8]) {
    let document = Document::new(DocType::Draft, WRITER).expect("a genesis");
    let mut draft = Draft::open(document);
    if draft.replay(pieces(bytes)).is_ok()
        && let Ok(Some(change)) = draft.commit(0)
    {
        let mut other = Document::new(DocType::Draft, READER).expect("a genesis");
        other
            .apply_change(&change.bytes, &WRITER.device_prefix)
            .expect("others take what this device commits");
        is_sound(&other);
    }
}

/// Actions, as rows hold them: one encoding each. Bytes are compared, since a number
/// that is none is not equal to itself.
pub fn action(bytes: &[u8]) {
    let encode = |action: &Action| {
        let mut encoded = Vec::new();
        action.encode(&mut encoded);
        encoded
    };
    if let Ok(action) = Action::decode(bytes) {
        let encoded = encode(&action);
        let again = Action::decode(&encoded).expect("an action that was written");
        assert_eq!(encode(&again), encoded);
    }
}

/// Views, as the database keeps them; as [`action`].
pub fn view(bytes: &[u8]) {
    if let Ok(view) = View::from_cbor(bytes) {
        let encoded = view.to_cbor();
        let again = View::from_cbor(&encoded).expect("a view that was written");
        assert_eq!(again.to_cbor(), encoded);
    }
}

/// Any text can be indexed, searched, cut and highlighted.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let clusters: String = stunity_text::clusters(text).collect();
    same(text.as_bytes(), clusters.as_bytes());
    let index = stunity_text::index_text(text);
    let half = text.len() / 2;
    let half = stunity_text::floor_cluster_boundary(text, half);
    for wanted in [text, &text[half..]] {
        let Some(query) = stunity_text::query(wanted) else {
            continue;
        };
        let (fts, ts) = (query.to_fts5(), query.to_tsquery());
        assert!(!fts.is_empty() && !ts.is_empty());
        assert_eq!(query.matches(text), query.matches_index(&index));
        for range in stunity_text::highlight(text, &query) {
            assert!(text.get(range).is_some());
        }
        let snippet = stunity_text::snippet(text, &query, 8);
        assert!(text[snippet.offset..].starts_with(snippet.text));
    }
}

/// The heads that a seed's changes lead to, for the test that they are what they say.
pub fn heads(changes: &[Vec<u8>]) -> Vec<ChangeHash> {
    let mut document = Document::new(DocType::Draft, READER).expect("a genesis");
    for change in changes {
        document
            .apply_change(change, &WRITER.device_prefix)
            .expect("a sound change");
    }
    document.heads()
}
