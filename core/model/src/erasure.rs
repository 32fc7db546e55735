//! Erasure: which operations may go, by whom, and what is left of them. The
//! relay and every client decide by this alone, so that all replicas hold the
//! same.
use stunity_identity::MAX_ACCOUNT_EVENT;
use stunity_proto::{Entry, Header, Kind};

use crate::Roles;
use crate::events::{DocumentSuccessor, Erase};
use crate::sabotage::keeps_erased;

/// Event types by which others are judged: they decide who may do what.
#[must_use]
pub fn is_authority(code: u16) -> bool {
    matches!(code, 20..=27 | 40 | 42..=47 | 110 | 111)
}

/// Whether an operation can be erased. Keys, membership and erasures stay:
/// everything else is judged by them.
#[must_use]
pub fn is_erasable(kind: Kind) -> bool {
    match kind {
        Kind::Event(code) => {
            code > MAX_ACCOUNT_EVENT
                && !is_authority(code)
                && !matches!(code, Erase::CODE | DocumentSuccessor::CODE)
        }
        Kind::Change { .. } | Kind::Manifest => true,
        Kind::Handshake => false,
    }
}

/// Whether the erasure in entry `by` has effect on entry `of`: both stand in the
/// same lane, so that whoever reads the one hears of the other, and its author
/// wrote `of` or is staff of the course. `roles` are the author's at the heads
/// that `by` cites; none outside courses.
#[must_use]
pub fn has_effect(by: &Header, of: &Header, roles: Roles) -> bool {
    by.space == of.space
        && by.lane == of.lane
        && (by.author == of.author || roles.any(Roles::STAFF))
}

/// Replaces what may be erased of `ops` by its hashes; gives the places that were
/// not erased before.
pub fn erase(entry: &mut Entry, ops: &[u64]) -> Vec<usize> {
    let kinds = entry.header().kinds.clone();
    let mut places: Vec<usize> = ops
        .iter()
        .filter_map(|op| usize::try_from(*op).ok())
        .filter(|place| kinds.get(*place).is_some_and(|kind| is_erasable(*kind)))
        .filter(|place| entry.body().op(*place).is_some())
        .collect();
    places.sort_unstable();
    places.dedup();
    if !keeps_erased() {
        entry.erase(&places);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Comment, Enrol, RosterBind, TYPES};
    use stunity_proto::{AccountId, EntryId, Hash, Heads, Lane, NodeId, SchoolId, Signer, SpaceId};

    #[test]
    fn what_others_are_judged_by_stays() {
        for code in [RosterBind::CODE, Enrol::CODE, Erase::CODE, 1] {
            assert!(!is_erasable(Kind::Event(code)), "{code}");
        }
        assert!(is_erasable(Kind::Event(Comment::CODE)));
        assert!(is_erasable(Kind::Manifest));
        let kept = TYPES
            .iter()
            .filter(|(code, _)| !is_erasable(Kind::Event(*code)));
        assert_eq!(kept.count(), 8 + 7 + 2 + 2);
    }

    #[test]
    fn authors_and_staff_erase_in_the_lane_that_they_share() {
        let header = |author: u8, lane: Lane| Header {
            school: SchoolId([1; 16]),
            space: SpaceId([2; 16]),
            lane,
            author: AccountId([author; 16]),
            signer: Signer::Node(NodeId([3; 16])),
            certificate: Hash::ZERO,
            incarnation: 0,
            sequence: 1,
            previous: None::<EntryId>,
            heads: Heads::default(),
            kinds: vec![],
            seal: None,
            body_root: Hash::ZERO,
        };
        let of = header(7, Lane::All);
        assert!(has_effect(&header(7, Lane::All), &of, Roles::STUDENT));
        assert!(!has_effect(&header(8, Lane::All), &of, Roles::STUDENT));
        assert!(has_effect(&header(8, Lane::All), &of, Roles::ASSISTANT));
        assert!(!has_effect(&header(8, Lane::Staff), &of, Roles::OWNER));
    }
}
