//! Strings that a pack tells by the entries they stand in: with short names, an id that
//! stands in one entry is not written once more for another.
use crate::{Entry, Kind, Op, Salts};

/// Strings of one entry that can be told: those of an event stand at its beginning.
const MOST: usize = 64;
/// Bytes of an entry's operations in which they are looked for: one that is large and
/// named often must not cost a reader more than what is sent.
const REACH: usize = 4096;
/// Where the strings of an entry's operations begin: after its author and its lane's.
const IN_OPS: u64 = 2;

/// The strings of 16 or 32 bytes of an operation, each with where it begins: what
/// follows a head of a byte string of that length, read from the left. Text may look
/// like a head; that does no harm.
pub(super) fn scan(op: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(rest) = op.get(at..).filter(|rest| !rest.is_empty()) {
            let (head, len) = match rest {
                [0x58, 32, ..] => (2, 32),
                [0x50, ..] => (1, 16),
                _ => (1, 0),
            };
            at += head;
            if len > 0
                && let Some(string) = op.get(at..at + len)
            {
                let begin = at;
                at += len;
                return Some((begin, string));
            }
        }
        None
    })
}

/// What an entry tells, by number: its author, the account or group of its lane, and
/// the strings of its operations, save changes. Of an entry of which something was
/// erased nothing: who erased less would count otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    ids: Vec<(u64, [u8; 16])>,
    hashes: Vec<(u64, [u8; 32])>,
}

impl Strings {
    /// Those of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let mut strings = Self::default();
        let header = entry.header();
        if matches!(entry.body().salts, Salts::Each(_)) {
            return strings;
        }
        strings.ids.push((0, header.author.0));
        strings.ids.extend(header.lane.id().map(|id| (1, id)));
        let ops = header.kinds.iter().zip(&entry.body().ops);
        let told = ops
            .filter(|(kind, _)| !matches!(kind, Kind::Change { .. }))
            .filter_map(|(_, op)| match op {
                Op::Present(bytes) => Some(bytes),
                Op::Erased(_) => None,
            })
            .scan(REACH, |left, op| {
                let reached = op.get(..*left).unwrap_or(op);
                *left -= reached.len();
                Some(scan(reached))
            })
            .flatten();
        for ((_, string), number) in told.take(MOST).zip(IN_OPS..) {
            if let Ok(id) = string.try_into() {
                strings.ids.push((number, id));
            } else if let Ok(hash) = string.try_into() {
                strings.hashes.push((number, hash));
            }
        }
        strings
    }

    /// The string of a number.
    pub(super) fn get(&self, number: u64) -> Option<&[u8]> {
        fn find<const N: usize>(list: &[(u64, [u8; N])], number: u64) -> Option<&[u8]> {
            let found = list.binary_search_by_key(&number, |(of, _)| *of).ok()?;
            Some(&list[found].1)
        }
        find(&self.ids, number).or_else(|| find(&self.hashes, number))
    }

    /// The number of a string, the first that it has.
    pub(super) fn number(&self, string: &[u8]) -> Option<u64> {
        fn find<const N: usize>(list: &[(u64, [u8; N])], string: &[u8]) -> Option<u64> {
            let found = list.iter().find(|(_, held)| held == string)?;
            Some(found.0)
        }
        match string.len() {
            16 => find(&self.ids, string),
            _ => find(&self.hashes, string),
        }
    }
}

/// Ids used of late: most are used again soon.
#[derive(Clone, Default)]
pub(super) struct Recent(Vec<[u8; 16]>);

/// How many are remembered: each use moves them.
const RECENT: usize = 64;

impl Recent {
    /// How many others were used since; none if too many.
    pub fn rank(&self, id: &[u8; 16]) -> Option<u64> {
        let found = self.0.iter().rev().position(|held| held == id)?;
        Some(found as u64)
    }

    /// The id of a rank.
    pub fn get(&self, rank: u64) -> Option<[u8; 16]> {
        let rank = usize::try_from(rank).ok()?;
        self.0.iter().rev().nth(rank).copied()
    }

    /// It is used.
    pub fn note(&mut self, id: [u8; 16]) {
        match self.0.iter().rposition(|held| *held == id) {
            Some(found) => {
                self.0.remove(found);
            }
            None if self.0.len() == RECENT => {
                self.0.remove(0);
            }
            None => {}
        }
        self.0.push(id);
    }
}

/// How an id is written, with short names: numbers that name no id of the table, then
/// by how late it was used, or by its place in the table.
pub(super) mod id {
    pub const WHOLE: u64 = 0;
    pub const ABBREVIATED: u64 = 1;
    pub const TOLD: u64 = 2;
    pub const NAMED: u64 = 3;

    pub fn recent(rank: u64) -> u64 {
        NAMED + 2 * rank
    }

    pub fn of_table(index: u64) -> u64 {
        NAMED + 1 + 2 * index
    }
}

/// Which entry tells a string of an operation: the entry itself, the one before it in
/// the pack, or one that the operation names, by their order.
pub(super) mod source {
    pub const OWN: u64 = 0;
    pub const BEFORE: u64 = 1;
    pub const NAMED: u64 = 2;
    /// An operation may name thousands of entries.
    pub const MOST_NAMED: usize = 4;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AccountId, Body, DeviceId, Hash, Header, Heads, Lane, SchoolId, Signature, Signer, SpaceId,
    };

    #[test]
    fn strings_are_found_after_their_heads() {
        let mut op = vec![0x84, 0x18, 68, 0x50];
        op.extend([0x58; 16]);
        op.extend([0x58, 32]);
        op.extend([0x50; 32]);
        op.extend([0x50, 1, 2]);
        let found: Vec<(usize, usize)> = scan(&op).map(|(at, s)| (at, s.len())).collect();
        assert_eq!(found, [(4, 16), (22, 32)]);
    }

    #[test]
    fn strings_far_into_an_entry_are_not_told() {
        let with = |before: usize| {
            let mut op = vec![0; before];
            op.push(0x50);
            op.extend([7; 16]);
            let body = Body::new([0; 16], vec![vec![0x50; 100], op]);
            let header = Header {
                school: SchoolId([1; 16]),
                space: SpaceId([2; 16]),
                lane: Lane::Staff,
                author: AccountId([3; 16]),
                signer: Signer::Device(DeviceId([4; 16])),
                certificate: Hash([5; 32]),
                incarnation: 0,
                sequence: 1,
                previous: None,
                heads: Heads::default(),
                kinds: vec![Kind::Event(40); 2],
                seal: None,
                body_root: body.root().unwrap(),
            };
            let entry = Entry::from_parts(header.encode(), Signature::ZERO, body).unwrap();
            Strings::of(&entry)
        };
        let near = REACH - 100 - 17;
        // Its author, then five of the first operation.
        assert_eq!(with(near).number(&[7; 16]), Some(7));
        assert_eq!(with(near).get(7), Some(&[7; 16][..]));
        assert_eq!(with(near + 1).number(&[7; 16]), None);
    }

    #[test]
    fn the_last_used_ids_are_remembered() {
        let mut recent = Recent::default();
        (0..100).for_each(|n| recent.note([n; 16]));
        recent.note([50; 16]);
        assert_eq!(recent.rank(&[50; 16]), Some(0));
        assert_eq!(recent.get(1), Some([99; 16]));
        assert_eq!(recent.rank(&[36; 16]), Some(63));
        assert_eq!(recent.rank(&[35; 16]), None);
        assert_eq!(recent.get(64), None);
    }
}
