//! The journal of an open burst: what the store keeps of it until it is committed.
use automerge::ChangeHash;
use minicbor::{Decoder, Encoder};

use crate::node::infallible;
use crate::{Action, Error};

/// What a row of the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// An action that begins a step.
    Edit,
    /// An action that goes on with the step before.
    Joined,
    /// The last step is taken back.
    Undo,
    /// What was taken back last is done again.
    Redo,
    /// The first action of a step that takes back a committed burst.
    Revert(ChangeHash),
}

const EDIT: u8 = 0;
const JOINED: u8 = 1;
const UNDO: u8 = 2;
const REDO: u8 = 3;
const REVERT: u8 = 4;
const HASH_BYTES: usize = 32;

/// Rows that an action has added to the journal. The caller stores each, in order,
/// and clears all of the document's when a burst is committed.
#[derive(Clone, Copy, Debug)]
pub struct JournalRows<'a> {
    journal: &'a Journal,
    first: usize,
}

impl<'a> JournalRows<'a> {
    /// The rows: each a CBOR array of its kind and an encoded [`Action`].
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let journal = self.journal;
        (self.first..journal.len()).map(|at| journal.row(at))
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.journal.len() - self.first
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All rows of a burst, one after another in one buffer: a row costs no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Journal {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn row(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    pub fn rows_from(&self, first: usize) -> JournalRows<'_> {
        JournalRows {
            journal: self,
            first,
        }
    }

    /// Adds an action, and returns its row.
    pub fn push(&mut self, kind: RowKind, action: &Action<'_>) -> &[u8] {
        let start = self.bytes.len();
        self.head(kind);
        action.encode(&mut self.bytes);
        self.ends.push(self.bytes.len());
        &self.bytes[start..]
    }

    /// Adds a row without an action: undo, redo.
    pub fn push_mark(&mut self, kind: RowKind) {
        self.head(kind);
        self.ends.push(self.bytes.len());
    }

    /// Adds a row that was stored.
    pub fn push_row(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    fn head(&mut self, kind: RowKind) {
        // Written by hand, since most keystrokes come here: an array of at most three
        // items and a small number are a byte each (RFC 8949, 3).
        let (len, code) = match kind {
            RowKind::Edit => (2, EDIT),
            RowKind::Joined => (2, JOINED),
            RowKind::Undo => (1, UNDO),
            RowKind::Redo => (1, REDO),
            RowKind::Revert(_) => (3, REVERT),
        };
        self.bytes.extend_from_slice(&[0x80 | len, code]);
        if let RowKind::Revert(hash) = kind {
            infallible(Encoder::new(&mut self.bytes).bytes(&hash.0).map(drop));
        }
    }

    /// What a row says: its kind, and its action's bytes.
    pub fn read(row: &[u8]) -> Result<(RowKind, &[u8]), Error> {
        let [head, code, rest @ ..] = row else {
            return Err(Error::DamagedJournal);
        };
        let kind = match (head, *code) {
            (0x82, EDIT) => RowKind::Edit,
            (0x82, JOINED) => RowKind::Joined,
            (0x81, UNDO) if rest.is_empty() => RowKind::Undo,
            (0x81, REDO) if rest.is_empty() => RowKind::Redo,
            (0x83, REVERT) => {
                let mut r = Decoder::new(rest);
                let hash = r.bytes().map_err(|_| Error::DamagedJournal)?;
                let hash: [u8; HASH_BYTES] = hash.try_into().map_err(|_| Error::DamagedJournal)?;
                let rest = rest.get(r.position()..).ok_or(Error::DamagedJournal)?;
                return Ok((RowKind::Revert(ChangeHash(hash)), rest));
            }
            _ => return Err(Error::DamagedJournal),
        };
        Ok((kind, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Path;

    #[test]
    fn rows_are_these_bytes_and_read_back() {
        const BODY: Path<'static> = Path::field("body");
        let action = Action::splice(BODY, 0, 0, "a");
        let mut journal = Journal::default();
        journal.push(RowKind::Edit, &action);
        journal.push(RowKind::Joined, &action);
        journal.push_mark(RowKind::Undo);
        journal.push_mark(RowKind::Redo);
        let revert = RowKind::Revert(ChangeHash([7; 32]));
        journal.push(revert, &action);
        let hex: Vec<String> = journal
            .rows_from(0)
            .iter()
            .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        let action_hex = "85038164626f647900006161";
        assert_eq!(hex[0], format!("8200{action_hex}"));
        assert_eq!(hex[1], format!("8201{action_hex}"));
        assert_eq!(hex[2..4], ["8102", "8103"]);
        assert_eq!(hex[4], format!("83045820{}{action_hex}", "07".repeat(32)));
        let (kind, bytes) = Journal::read(journal.row(4)).unwrap();
        assert_eq!(kind, revert);
        assert_eq!(Action::decode(bytes), Ok(action));
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        for row in [
            &[][..],
            &[0x82],
            &[0x81, 2, 0],
            &[0x82, 9],
            &[0x83, 4, 0x41, 0],
        ] {
            assert_eq!(Journal::read(row), Err(Error::DamagedJournal));
        }
    }
}
