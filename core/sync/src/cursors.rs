//! The cursor list that both sides keep, and the states in which a cut
//! session may have left it (docs/protocol/06-session.md).
use stunity_proto::{Hash, Lane, SpaceId, cbor::Writer, frame::CursorRef, receipt};

use crate::{Cursor, Position, Running, Target, relay_store::CursorLog};

/// Takes removed targets out of a sorted list and puts changed cursors in: a
/// target that begins anew is removed and changed at once.
pub(crate) fn update(list: &mut Vec<Cursor>, changed: &[Cursor], removed: &[Target]) {
    list.retain(|cursor| !removed.contains(&cursor.target));
    for cursor in changed {
        match list.binary_search_by_key(&cursor.target, |c| c.target) {
            Ok(index) => list[index] = *cursor,
            Err(index) => list.insert(index, *cursor),
        }
    }
}

/// Where a list stands for a target; the start if it is not in the list.
pub(crate) fn position(list: &[Cursor], target: Target) -> Running {
    list.binary_search_by_key(&target, |c| c.target)
        .map_or(Running::START, |index| list[index].at)
}

/// A target by its place in the list that the client has before a flush, or in full
/// where it begins anew. `removed`, the targets that the flush takes out, may name
/// some that only the client's list still has: of another history than this log's.
pub(crate) fn reference(list: &[Cursor], removed: &[Target], target: Target) -> CursorRef {
    match list.binary_search_by_key(&target, |c| c.target) {
        Ok(index) => {
            let only_there = removed.iter().filter(|other| {
                **other < target && list.binary_search_by_key(*other, |c| c.target).is_err()
            });
            CursorRef::Known((index + only_there.count()) as u32)
        }
        Err(_) => CursorRef::New(target.space, target.lane),
    }
}

/// The 8 bytes by which the two sides compare their lists.
pub(crate) fn list_hash(list: &[Cursor]) -> [u8; 8] {
    receipt::cursor_list_hash(&encode_list(list))
}

/// A list as frame 9 carries it.
pub(crate) fn encode_list(list: &[Cursor]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(list.len());
    for cursor in list {
        w.array(5).bytes(&cursor.target.space.0);
        w.option(cursor.target.lane, |w, lane| {
            w.bytes(&lane.to_key());
        });
        w.uint(cursor.at.epoch)
            .uint(cursor.at.sequence)
            .bytes(&cursor.at.hash8());
    }
    w.into_bytes()
}

impl CursorLog {
    /// Settles the log on the state whose hash the device names: the list
    /// acknowledged before, or that list with the first of the changes sent.
    /// False if it is none of these; then the log is as before.
    pub(crate) fn settle(&mut self, hash: [u8; 8]) -> bool {
        let mut list = self.acknowledged.clone();
        if list_hash(&list) == hash {
            self.sent.clear();
            return true;
        }
        for count in 0..self.sent.len() {
            let (changed, removed) = &self.sent[count];
            update(&mut list, changed, removed);
            if list_hash(&list) == hash {
                self.acknowledged = list;
                self.sent.clear();
                return true;
            }
        }
        false
    }

    /// Like [`CursorLog::settle`] in the middle of a session: the changes sent
    /// after the named state stay.
    pub(crate) fn acknowledge(&mut self, hash: [u8; 8]) -> bool {
        let mut list = self.acknowledged.clone();
        for count in 0..self.sent.len() {
            let (changed, removed) = &self.sent[count];
            update(&mut list, changed, removed);
            if list_hash(&list) == hash {
                self.acknowledged = list;
                self.sent.drain(..=count);
                return true;
            }
        }
        false
    }
}

/// One numbered entry, as far as running hashes need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub space: SpaceId,
    pub lane: Lane,
    pub sequence: u64,
    pub id: stunity_proto::EntryId,
    pub received_ms: u64,
}

impl Numbered {
    pub(crate) fn new(position: &Position, id: stunity_proto::EntryId) -> Self {
        Self {
            space: position.space,
            lane: position.lane,
            sequence: position.sequence,
            id,
            received_ms: position.received_ms,
        }
    }

    fn is_in(&self, target: Target) -> bool {
        self.space == target.space && target.lane.is_none_or(|lane| lane == self.lane)
    }
}

/// Advances a running hash over those of `entries` that lie in `target`, past
/// `from` and up to `to`. `entries` is sorted by space and sequence. None if a
/// sequence is missing or stands twice: in a whole space they have no gaps.
pub(crate) fn advance(
    target: Target,
    from: Running,
    to: u64,
    epoch: u64,
    entries: &[Numbered],
) -> Option<Running> {
    let mut at = Running { epoch, ..from };
    let start = entries.partition_point(|e| (e.space, e.sequence) <= (target.space, from.sequence));
    for entry in &entries[start..] {
        if entry.space != target.space || entry.sequence > to {
            break;
        }
        if !entry.is_in(target) {
            continue;
        }
        if entry.sequence <= at.sequence
            || (target.lane.is_none() && entry.sequence != at.sequence + 1)
        {
            return None;
        }
        at.hash = next_hash(target, &at.hash, entry);
        at.sequence = entry.sequence;
    }
    (at.sequence == to).then_some(at)
}

fn next_hash(target: Target, previous: &Hash, entry: &Numbered) -> Hash {
    let next = if target.lane.is_some() {
        receipt::next_lane_hash
    } else {
        receipt::next_space_hash
    };
    next(previous, entry.sequence, &entry.id, entry.received_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stunity_proto::EntryId;

    fn cursor(space: u8, sequence: u64) -> Cursor {
        Cursor {
            target: Target {
                space: SpaceId([space; 16]),
                lane: None,
            },
            at: Running {
                epoch: 1,
                sequence,
                hash: Hash([sequence as u8; 32]),
            },
        }
    }

    #[test]
    fn a_cut_after_any_flush_is_recognised() {
        let changes = [vec![cursor(2, 5)], vec![cursor(1, 3)], vec![cursor(2, 9)]];
        for stored in 0..=changes.len() {
            let mut log = CursorLog {
                acknowledged: vec![cursor(3, 1)],
                sent: changes.iter().map(|c| (c.clone(), vec![])).collect(),
            };
            let mut list = log.acknowledged.clone();
            for change in &changes[..stored] {
                update(&mut list, change, &[]);
            }
            assert!(log.settle(list_hash(&list)));
            assert_eq!(log.acknowledged, list);
        }
    }

    #[test]
    fn an_unknown_state_changes_nothing() {
        let mut log = CursorLog {
            acknowledged: vec![cursor(3, 1)],
            sent: vec![(vec![cursor(3, 2)], vec![])],
        };
        let before = log.clone();
        assert!(!log.settle([0; 8]) && !log.acknowledge([0; 8]));
        assert_eq!(log, before);
    }

    #[test]
    fn a_cursor_is_named_by_its_place_in_the_clients_list() {
        // The client's third of four is not of this log's history.
        let theirs: Vec<Cursor> = (1..=4).map(|space| cursor(space, 5)).collect();
        let mut ours = theirs.clone();
        let removed = [ours.remove(2).target];
        for (index, known) in theirs.iter().enumerate() {
            let name = reference(&ours, &removed, known.target);
            let expected = match index {
                2 => CursorRef::New(known.target.space, None),
                _ => CursorRef::Known(index as u32),
            };
            assert_eq!(name, expected);
        }
        // One that both have and the flush takes out moves nobody.
        let name = reference(&theirs, &removed, theirs[3].target);
        assert_eq!(name, CursorRef::Known(3));
    }

    #[test]
    fn a_whole_space_has_no_gaps_and_a_lane_may() {
        let space = SpaceId([1; 16]);
        let entry = |sequence, lane| Numbered {
            space,
            lane,
            sequence,
            id: EntryId([sequence as u8; 32]),
            received_ms: 7,
        };
        let entries = [
            entry(1, Lane::All),
            entry(2, Lane::Staff),
            entry(3, Lane::All),
        ];
        let whole = Target { space, lane: None };
        let lane = Target {
            space,
            lane: Some(Lane::All),
        };
        assert!(advance(whole, Running::START, 3, 1, &entries).is_some());
        assert!(advance(lane, Running::START, 3, 1, &entries).is_some());
        let gap = [entries[0], entries[2]];
        assert!(advance(whole, Running::START, 3, 1, &gap).is_none());
        assert!(advance(lane, Running::START, 2, 1, &entries).is_none());
    }
}
