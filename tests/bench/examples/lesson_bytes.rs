//! What the first sync of lessons costs as entries, as entries without the signatures that
//! others cover, and what it would cost as saved documents with the entries that bear
//! their heads (ADR 0006).
//!
//! ```text
//! cargo run --release -p stunity-bench --example lesson_bytes
//! ```
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};
use stunity_proto::pack::{Effort, Explicit, Item, PackOptions, Place, encode_packs};
use stunity_proto::{
    AccountId, ActorId, Body, DeviceId, DocId, Entry, EntryId, Hash, Header, Heads, Kind, Lane, Op,
    Salts, SchoolId, Signature, Signer, SpaceId, limits,
};
use stunity_test_support::traces::{self, Splice};

const BODY: Path<'static> = Path::field("body");
const SCHOOL: SchoolId = SchoolId([1; 16]);
const SPACE: SpaceId = SpaceId([2; 16]);

struct Author {
    account: AccountId,
    device: DeviceId,
    certificate: Hash,
    previous: Option<EntryId>,
    sequence: u64,
}

/// The people of a lane, and what they wrote in it.
struct Written {
    random: ChaCha12Rng,
    heads: Heads,
    authors: Vec<Author>,
    items: Vec<Item>,
    now_ms: u64,
}

impl Written {
    fn new(authors: usize) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(7);
        let mut bytes = || {
            let mut bytes = [0; 32];
            random.fill_bytes(&mut bytes);
            bytes
        };
        let authors = (0..authors)
            .map(|_| Author {
                account: AccountId(bytes()[..16].try_into().expect("16")),
                device: DeviceId(bytes()[..16].try_into().expect("16")),
                certificate: Hash(bytes()),
                previous: None,
                sequence: 0,
            })
            .collect();
        let heads = Heads {
            account: Some(EntryId(bytes())),
            membership: vec![EntryId(bytes())],
        };
        Self {
            random,
            heads,
            authors,
            items: Vec::new(),
            now_ms: 1_790_000_000_000,
        }
    }

    fn seal(&mut self, by: usize, changes: Vec<(DocId, Vec<u8>)>) {
        let mut salt = [0; 16];
        self.random.fill_bytes(&mut salt);
        let mut signature = [0; 64];
        self.random.fill_bytes(&mut signature);
        let (docs, ops): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        let body = Body {
            salts: Salts::Master(salt),
            ops: ops.into_iter().map(Op::Present).collect(),
        };
        let author = &mut self.authors[by];
        author.sequence += 1;
        let kind = |doc| Kind::Change { doc_type: 1, doc };
        let header = Header {
            school: SCHOOL,
            space: SPACE,
            lane: Lane::Staff,
            author: author.account,
            signer: Signer::Device(author.device),
            certificate: author.certificate,
            incarnation: 0,
            sequence: author.sequence,
            previous: author.previous,
            heads: self.heads.clone(),
            kinds: docs.into_iter().map(kind).collect(),
            seal: None,
            body_root: body.root().expect("a body"),
        };
        let entry = Entry::from_parts(header.encode(), Signature(signature), body).expect("sound");
        author.previous = Some(entry.id());
        self.now_ms += 20_000 + u64::from(self.random.next_u32() % 60_000);
        let place = Place {
            space: SPACE,
            lane: Lane::Staff,
            sequence: self.items.len() as u64 + 1,
            received_ms: self.now_ms,
        };
        self.items.push(Item {
            entry,
            place: Some(place),
        });
    }
}

fn packs(items: &[Item]) -> Vec<Vec<u8>> {
    let options = PackOptions {
        explicit: false,
        places: true,
        effort: Effort::Full,
        target: limits::PACK_TARGET,
    };
    encode_packs(items, &Explicit(SCHOOL), options)
}

fn actor(author: &Author) -> ActorParts {
    ActorParts::from_bytes(ActorId::new(author.device, 0, 0).0)
}

/// A part of the trace as if its first edit were in an empty text.
fn part(edits: &[&Splice]) -> Vec<Splice> {
    let first = edits.first().map_or(0, |edit| edit.pos);
    let mut len = 0;
    let mut part = Vec::new();
    for edit in edits {
        let pos = edit.pos.saturating_sub(first).min(len);
        let delete = edit.delete.min(len - pos);
        len = len - delete + edit.insert.encode_utf16().count();
        part.push(Splice {
            pos,
            delete,
            insert: edit.insert.clone(),
        });
    }
    part
}

/// Types a part of the trace, authors in turn, a pause after each burst.
fn write(
    written: &mut Written,
    edits: &[Splice],
    (bursts, per_burst, per_entry): (usize, usize, usize),
) -> Document {
    let mut id = [0; 16];
    written.random.fill_bytes(&mut id);
    let doc = DocId(id);
    let mut drafts: Vec<Draft> = (written.authors.iter())
        .map(|author| Draft::open(Document::new(DocType::Lesson, actor(author)).expect("golden")))
        .collect();
    let mut waiting = Vec::new();
    let mut sent = edits.chunks(per_burst).take(bursts).enumerate().peekable();
    while let Some((at, burst)) = sent.next() {
        // Sessions of twenty bursts.
        let by = at / 20 % written.authors.len();
        for edit in burst {
            let action = Action::splice(BODY, edit.pos, edit.delete, &edit.insert);
            drafts[by].edit(&action).expect("an edit of the trace");
        }
        let time = (written.now_ms / 1000) as i64;
        if let Some(change) = drafts[by].commit(time).expect("a burst") {
            let from = actor(&written.authors[by]).device_prefix;
            for (other, draft) in drafts.iter_mut().enumerate() {
                if other != by {
                    draft.receive(&change.bytes, &from, time).expect("sound");
                }
            }
            waiting.push((doc, change.bytes));
        }
        if waiting.len() >= per_entry || (at + 1) % 20 == 0 || sent.peek().is_none() {
            let changes = std::mem::take(&mut waiting);
            if !changes.is_empty() {
                written.seal(by, changes);
            }
        }
    }
    let last = drafts.swap_remove(0);
    last.close(0).expect("committed").0
}

fn len(packs: &[Vec<u8>]) -> usize {
    packs.iter().map(Vec::len).sum()
}

fn compressed(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, 19).expect("memory").len()
}

/// Of a snapshot: what it states, and where each chain continues.
const STATEMENT: usize = 200;
const CHAIN: usize = 50;

fn main() {
    let Some(trace) = traces::load("automerge-paper.json.gz") else {
        return;
    };
    let edits = trace.splices();
    println!("lessons bursts keystrokes changes/entry authors   signed  covered snapshot");
    for (lessons, bursts, per_burst, per_entry, authors) in [
        (1, 50, 50, 1, 1),
        (1, 200, 50, 1, 1),
        (1, 200, 50, 1, 3),
        (1, 1000, 50, 1, 1),
        (1, 1000, 50, 1, 3),
        (12, 50, 50, 1, 2),
        (12, 100, 50, 1, 3),
        (12, 200, 50, 1, 3),
        (12, 100, 50, 10, 3),
        (12, 100, 200, 20, 3),
    ] {
        let mut written = Written::new(authors);
        let (mut saves, mut heads) = (Vec::new(), Vec::new());
        let step = (edits.len() - bursts * per_burst) / lessons.max(2);
        for lesson in 0..lessons {
            let edits = part(&edits[lesson * step..]);
            let document = write(&mut written, &edits, (bursts, per_burst, per_entry));
            saves.extend(document.save());
            heads.push(written.items.last().expect("written").clone());
        }
        let signed = packs(&written.items);
        // Each chain keeps one signature in each pack.
        let kept = signed.len() * authors;
        let covered = len(&signed) - written.items.len().saturating_sub(kept) * Signature::LEN;
        let beside = STATEMENT + authors * CHAIN + len(&packs(&heads));
        println!(
            "{lessons:7} {bursts:6} {per_burst:10} {per_entry:13} {authors:7} {:8} {covered:8} {:8}",
            len(&signed),
            compressed(&saves) + beside,
        );
    }
}
