//! Typing a paper: through the client's draft API, and beside it into the bare crate
//! with the same journal.
use std::path::Path as FilePath;

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ObjId, ROOT, ReadDoc};
use rusqlite::{Connection, Statement};
use stunity_client::Client;
use stunity_documents::{
    Action, ActorParts, DocType, Document, Draft, Path, TEXT_ENCODING, genesis_bytes,
};
use stunity_proto::{DocId, Lane};
use stunity_test_support::traces::{Splice, Trace};

/// Keystrokes between two pauses.
const BURST: usize = 1000;
const BODY: Path<'static> = Path::field("body");
const ACTOR: ActorParts = ActorParts {
    device_prefix: [7; 12],
    incarnation_slot: 1,
};

type Failed = Box<dyn std::error::Error>;

/// What came of it.
pub struct Typed {
    /// The document.
    pub doc: DocId,
    /// Keystrokes.
    pub edits: usize,
    /// Processor time of the client, milliseconds.
    pub client_ms: f64,
    /// Processor time of the bare crate and its journal, milliseconds.
    pub bare_ms: f64,
}

/// Nanoseconds that this thread has been on a processor, so that other processes do
/// not count (Linux).
fn processor() -> Result<u64, Failed> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().ok_or("no processor time")?.parse()?)
}

/// Adds the processor time of some work to a sum.
fn timed<T>(sum: &mut u64, work: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    let before = processor()?;
    let result = work()?;
    *sum += processor()? - before;
    Ok(result)
}

/// Automerge alone, with rows for what is typed.
struct Bare<'a> {
    doc: Automerge,
    body: ObjId,
    insert: Statement<'a>,
    step: i64,
}

/// A database as the client's is set up, with a journal.
fn journal(file: &FilePath) -> Result<Connection, Failed> {
    let conn = Connection::open(file)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
         CREATE TABLE journal (
             doc BLOB NOT NULL, step INTEGER NOT NULL, action BLOB NOT NULL,
             PRIMARY KEY (doc, step)
         ) WITHOUT ROWID;
         CREATE TABLE saved (doc BLOB NOT NULL);",
    )?;
    Ok(conn)
}

impl<'a> Bare<'a> {
    fn new(conn: &'a Connection) -> Result<Self, Failed> {
        let mut doc =
            Automerge::new_with_encoding(TEXT_ENCODING).with_actor(ACTOR.to_bytes().into());
        doc.apply_changes([Change::from_bytes(genesis_bytes(DocType::Draft).to_vec())?])?;
        let (_, body) = doc.get(ROOT, "body")?.ok_or("no body")?;
        Ok(Self {
            doc,
            body,
            insert: conn.prepare("INSERT INTO journal (doc, step, action) VALUES (?1, ?2, ?3)")?,
            step: 0,
        })
    }

    fn burst(&mut self, edits: &[&Splice], rows: &[Vec<u8>]) -> Result<usize, Failed> {
        let mut tx = self.doc.transaction();
        for (edit, row) in edits.iter().zip(rows) {
            tx.splice_text(&self.body, edit.pos, edit.delete as isize, &edit.insert)?;
            self.step += 1;
            self.insert
                .execute((&ACTOR.device_prefix, self.step, row))?;
        }
        let (hash, _) = tx.commit();
        let change = self.doc.get_change_by_hash(&hash.ok_or("nothing typed")?);
        Ok(change.ok_or("no change")?.raw_bytes().len())
    }
}

/// The rows of the journal, which cost the bare crate nothing to make.
fn rows(edits: &[&Splice]) -> Result<Vec<Vec<u8>>, Failed> {
    let mut draft = Draft::open(Document::new(DocType::Draft, ACTOR)?);
    let mut rows = Vec::with_capacity(edits.len());
    for burst in edits.chunks(BURST) {
        for edit in burst {
            let action = Action::splice(BODY, edit.pos, edit.delete, &edit.insert);
            rows.push(draft.edit(&action)?.to_vec());
        }
        draft.commit(0)?;
    }
    Ok(rows)
}

/// Types a paper burst by burst, saves it, and opens it again.
pub fn paper(mut client: Client, folder: &FilePath, trace: &Trace) -> Result<Typed, Failed> {
    let edits = trace.splices();
    let rows = rows(&edits)?;
    let conn = journal(&folder.join("bare.db"))?;
    let [mut of_client, mut of_bare] = [0; 2];

    let mut bare = timed(&mut of_bare, || Bare::new(&conn))?;
    let space = client.store().account().space();
    let mut editing = timed(&mut of_client, || {
        Ok(client.create_document(DocType::Draft, space, Lane::Private)?)
    })?;
    let doc = editing.place().doc;
    for (at, (edits, rows)) in edits.chunks(BURST).zip(rows.chunks(BURST)).enumerate() {
        for turn in 0..2 {
            if (at + turn) % 2 == 0 {
                timed(&mut of_bare, || bare.burst(edits, rows))?;
            } else {
                timed(&mut of_client, || {
                    for edit in edits {
                        let action = Action::splice(BODY, edit.pos, edit.delete, &edit.insert);
                        client.edit(&mut editing, &action)?;
                    }
                    client.commit(&mut editing)?;
                    Ok(())
                })?;
            }
        }
    }

    let text = timed(&mut of_bare, || {
        conn.execute("INSERT INTO saved VALUES (?1)", [bare.doc.save()])?;
        let saved: Vec<u8> = conn.query_row("SELECT doc FROM saved", [], |row| row.get(0))?;
        Ok(Automerge::load(&saved)?.text(&bare.body)?)
    })?;
    let read = timed(&mut of_client, || {
        client.close_document(editing)?;
        drop(client);
        let mut client = Client::open(folder)?;
        let mut editing = client.open_document(doc)?;
        Ok(editing.view().text("body").unwrap_or_default().to_owned())
    })?;
    if text != trace.end || read != trace.end {
        return Err("the paper ends in another text".into());
    }
    Ok(Typed {
        doc,
        edits: edits.len(),
        client_ms: of_client as f64 / 1e6,
        bare_ms: of_bare as f64 / 1e6,
    })
}
