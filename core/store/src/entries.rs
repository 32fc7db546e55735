//! Entries as rows: the bytes as signed, and what became of them.
use rusqlite::{Connection, OptionalExtension, Row, params};
use stunity_model::erasure::is_authority;
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{Body, Entry, EntryId, Header, Signature};

use crate::database::int;
use crate::{StoreError, forks};

/// How far applying an entry came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Stored, not looked at yet.
    Received,
    /// Verified, judged, in the projections.
    Applied,
    /// Something is lacking that may still come.
    Held,
    /// Invalid for ever; kept as evidence.
    Rejected,
    /// The app ended while decoding it.
    Quarantined,
}

impl State {
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Applied,
            2 => Self::Held,
            3 => Self::Rejected,
            4 => Self::Quarantined,
            _ => Self::Received,
        }
    }
}

/// What became of an own entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No answer yet.
    Unacknowledged,
    /// The relay has numbered it.
    Accepted,
    /// Numbered, but staff must accept it.
    Pending,
    /// Refused: the content stays here.
    Refused,
    /// Its operations were written again in another entry.
    Rewritten,
}

impl Sent {
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Accepted,
            2 => Self::Pending,
            3 => Self::Refused,
            4 => Self::Rewritten,
            _ => Self::Unacknowledged,
        }
    }
}

/// Row number of an entry.
pub(crate) type EntryRow = i64;

/// Why an entry was rejected that another copy may still prove.
const BAD_SIGNATURE: &str = "identity.bad-signature";

/// What is verified first, since the rest is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    AccountLog = 0,
    Membership = 1,
    Content = 2,
}

impl Class {
    pub fn of(header: &Header) -> Self {
        let mut class = Self::Content;
        for kind in &header.kinds {
            if let stunity_proto::Kind::Event(code) = kind {
                if *code <= stunity_identity::MAX_ACCOUNT_EVENT {
                    return Self::AccountLog;
                }
                if is_authority(*code) {
                    class = Self::Membership;
                }
            }
        }
        class
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub row: EntryRow,
    pub state: State,
    pub sent: Option<Sent>,
}

pub(crate) fn find(conn: &Connection, id: &EntryId) -> Result<Option<Found>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT entry, state, send FROM entries WHERE id = ?1")?
        .query_row([&id.0], |row| {
            Ok(Found {
                row: row.get(0)?,
                state: State::from_code(row.get(1)?),
                sent: row.get::<_, Option<i64>>(2)?.map(Sent::from_code),
            })
        })
        .optional()?)
}

pub(crate) fn chain_row(conn: &Connection, key: &ChainKey) -> Result<i64, StoreError> {
    let lane = key.lane.to_key();
    let bound = params![
        &key.space.0,
        &lane,
        &key.signer.id(),
        key.signer.kind(),
        key.incarnation
    ];
    let held: Option<i64> = conn
        .prepare_cached(
            "SELECT chain FROM chains WHERE space = ?1 AND lane = ?2 AND signer = ?3
             AND signer_kind = ?4 AND incarnation = ?5",
        )?
        .query_row(bound, |row| row.get(0))
        .optional()?;
    if let Some(chain) = held {
        return Ok(chain);
    }
    conn.prepare_cached(
        "INSERT INTO chains (space, lane, signer, signer_kind, incarnation)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(bound)?;
    Ok(conn.last_insert_rowid())
}

/// Stores an entry that is not held yet.
pub(crate) fn insert(
    conn: &Connection,
    entry: &Entry,
    state: State,
    sent: Option<Sent>,
) -> Result<EntryRow, StoreError> {
    let header = entry.header();
    let chain = chain_row(conn, &ChainKey::of(entry))?;
    forks::note(conn, chain, int(header.sequence), &entry.id())?;
    conn.prepare_cached(
        "INSERT INTO entries
         (id, chain, sequence, author, class, header, signature, body, state, send)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        &entry.id().0,
        chain,
        int(header.sequence),
        &header.author.0,
        Class::of(header) as i64,
        entry.header_bytes(),
        &entry.signature.0,
        entry.body().encode(),
        state.code(),
        sent.map(Sent::code),
    ])?;
    Ok(conn.last_insert_rowid())
}

pub(crate) fn save_evidence(
    conn: &Connection,
    code: &str,
    first: &[u8],
    second: &[u8],
) -> Result<(), StoreError> {
    let (first, second) = if first <= second {
        (first, second)
    } else {
        (second, first)
    };
    conn.prepare_cached(
        "INSERT OR IGNORE INTO evidence (code, first, second) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![code, first, second])?;
    Ok(())
}

pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<(Vec<u8>, [u8; 64], Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

pub(crate) fn assemble(
    (header, signature, body): (Vec<u8>, [u8; 64], Vec<u8>),
) -> Result<Entry, StoreError> {
    Ok(Entry::from_parts(
        header,
        Signature(signature),
        Body::decode(&body)?,
    )?)
}

pub(crate) fn load(conn: &Connection, row: EntryRow) -> Result<Entry, StoreError> {
    let parts = conn
        .prepare_cached("SELECT header, signature, body FROM entries WHERE entry = ?1")?
        .query_row([row], read)?;
    assemble(parts)
}

pub(crate) fn load_by_id(conn: &Connection, id: &EntryId) -> Result<Option<Entry>, StoreError> {
    conn.prepare_cached("SELECT header, signature, body FROM entries WHERE id = ?1")?
        .query_row([&id.0], read)
        .optional()?
        .map(assemble)
        .transpose()
}

pub(crate) fn save_state(
    conn: &Connection,
    row: EntryRow,
    state: State,
    code: Option<&str>,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE entries SET state = ?2, code = ?3 WHERE entry = ?1")?
        .execute(params![row, state.code(), code])?;
    Ok(())
}

pub(crate) fn save_sent(
    conn: &Connection,
    row: EntryRow,
    sent: Sent,
    code: Option<&str>,
    tombstone: Option<&[u8]>,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE entries SET send = ?2, code = ?3, tombstone = coalesce(?4, tombstone)
         WHERE entry = ?1",
    )?
    .execute(params![row, sent.code(), code, tombstone])?;
    Ok(())
}

/// What an applied entry depends on has changed: it is looked at again.
pub(crate) fn reconsider(conn: &Connection, row: EntryRow) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE entries SET state = 0 WHERE entry = ?1 AND state = 1")?
        .execute([row])?;
    Ok(())
}

/// Replaces the body after an erasure; header, id and signature stay.
pub(crate) fn save_body(conn: &Connection, row: EntryRow, body: &Body) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE entries SET body = ?2 WHERE entry = ?1")?
        .execute(params![row, body.encode()])?;
    Ok(())
}

pub(crate) fn save_signature(
    conn: &Connection,
    row: EntryRow,
    signature: &Signature,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE entries SET signature = ?2 WHERE entry = ?1")?
        .execute(params![row, &signature.0])?;
    Ok(())
}

/// Another copy of an entry that is held has come. Its id covers neither signature
/// nor what was erased of it, so that who passes an entry on can spoil both: the
/// relay's copy replaces one that it has not numbered, any copy one that was
/// refused for its signature or waits without one, and a fuller one brings back what a carrier left out
/// (an erasure that counts erases it again).
pub(crate) fn take_copy(
    conn: &Connection,
    row: EntryRow,
    copy: &Entry,
    from_relay: bool,
) -> Result<bool, StoreError> {
    let (state, code, is_numbered): (i64, Option<String>, bool) = conn
        .prepare_cached(
            "SELECT state, code, EXISTS (SELECT 1 FROM numbering n WHERE n.entry = e.entry)
             FROM entries e WHERE entry = ?1",
        )?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let held = load(conn, row)?;
    let state = State::from_code(state);
    let refused = state == State::Rejected && code.as_deref() == Some(BAD_SIGNATURE);
    let doubtful = !held.is_signed() || from_relay && !is_numbered;
    let doubtful = state != State::Applied && copy.is_signed() && doubtful;
    let mut better = false;
    if held.signature != copy.signature && (refused || doubtful) {
        save_signature(conn, row, &copy.signature)?;
        better = true;
    }
    let count = held.header().kinds.len();
    let is_fuller = (0..count).any(|i| held.body().op(i).is_none() && copy.body().op(i).is_some());
    let differs =
        held.is_signed() && copy.is_signed() && held.signature != copy.signature && !better;
    if is_fuller && !differs {
        save_body(conn, row, copy.body())?;
        better = true;
    }
    if better && state != State::Quarantined {
        save_state(conn, row, State::Received, None)?;
    }
    Ok(better)
}

/// Notes that an entry waits for each of `wants` (ids of 16 or 32 bytes).
pub(crate) fn save_wants(
    conn: &Connection,
    row: EntryRow,
    wants: &[Vec<u8>],
) -> Result<(), StoreError> {
    if wants.is_empty() {
        return Ok(());
    }
    let mut insert =
        conn.prepare_cached("INSERT OR IGNORE INTO held (wants, entry) VALUES (?1, ?2)")?;
    for want in wants {
        insert.execute(params![want, row])?;
    }
    Ok(())
}

/// What entries waited for has come: they are judged again.
pub(crate) fn release(conn: &Connection, wanted: &[u8]) -> Result<usize, StoreError> {
    let waiting = conn
        .prepare_cached("DELETE FROM held WHERE wants = ?1 RETURNING entry")?
        .query_map([wanted], |row| row.get(0))?
        .collect::<Result<Vec<EntryRow>, _>>()?;
    let mut released = 0;
    for row in waiting {
        released += conn
            .prepare_cached("UPDATE entries SET state = 0 WHERE entry = ?1 AND state IN (1, 2)")?
            .execute([row])?;
    }
    Ok(released)
}

/// An entry of a chain by its sequence, as packs need it: where a chain is forked, that
/// which the relay has numbered last. With `answered` only what the relay has numbered or
/// refused for good: what it sends leaves out what follows from that, and here another
/// entry may wait at the place.
pub(crate) fn chain_entry(
    conn: &Connection,
    key: &ChainKey,
    sequence: u64,
    answered: bool,
) -> Result<Option<ChainEntry>, StoreError> {
    let found: Option<([u8; 32], Vec<u8>)> = conn
        .prepare_cached(
            "SELECT id, header FROM entries WHERE sequence = ?6 AND chain =
             (SELECT chain FROM chains WHERE space = ?1 AND lane = ?2 AND signer = ?3
              AND signer_kind = ?4 AND incarnation = ?5)
             AND (NOT ?7 OR (send = ?8 AND length(tombstone) > 0)
                OR EXISTS (SELECT 1 FROM numbering n WHERE n.entry = entries.entry))
             ORDER BY (SELECT max(epoch) FROM numbering n WHERE n.entry = entries.entry) DESC,
                entry LIMIT 1",
        )?
        .query_row(
            params![
                &key.space.0,
                key.lane.to_key(),
                &key.signer.id(),
                key.signer.kind(),
                key.incarnation,
                int(sequence),
                answered,
                Sent::Refused.code(),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    found
        .map(|(id, header)| {
            Ok(ChainEntry {
                id: EntryId(id),
                heads: Header::decode(&header)?.heads,
            })
        })
        .transpose()
}
