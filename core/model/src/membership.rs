//! Roles in a space at the heads that an entry cites.
//!
//! Membership entries form a graph: each cites the latest ones that its author
//! held. A role is judged over all that the cited heads reach, so the answer is
//! the same everywhere and whatever came later or elsewhere.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{AccountId, EntryId, Lane};

/// Roles in a course or a conversation, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Roles(pub u64);

impl Roles {
    /// Made the course; adds and removes staff.
    pub const OWNER: Self = Self(1);
    /// Teaches: publishes, grades, releases.
    pub const TEACHER: Self = Self(2);
    /// Helps: reads everything, comments.
    pub const ASSISTANT: Self = Self(4);
    /// Learns.
    pub const STUDENT: Self = Self(8);
    /// Every role that reads all lanes.
    pub const STAFF: Self = Self(7);
    /// Is in a conversation.
    pub const TALKER: Self = Self(16);
    /// Says who is in a group's conversation.
    pub const HOST: Self = Self(32);

    /// Whether any of `other`'s bits is set.
    #[must_use]
    pub fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a membership entry states of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds roles.
    Add(Roles),
    /// Takes all roles away.
    Remove,
}

/// One membership statement with its place in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The entry that states it.
    pub entry: EntryId,
    /// Its lane: who can read it.
    pub lane: Lane,
    /// The membership heads that the entry cites.
    pub heads: Vec<EntryId>,
    /// Whom it is about.
    pub account: AccountId,
    /// Who states it.
    pub by: AccountId,
    /// What it does.
    pub change: Change,
    /// Of a removal, the last entries that count, if it says so.
    pub last: Option<Vec<EntryId>>,
}

impl Fact {
    /// Whether it is stated for entries of `lane`. A conversation and a course are
    /// never of one space, whatever an evil relay numbers: neither has a say in the
    /// other.
    fn speaks_for(&self, lane: Lane) -> bool {
        (self.lane == Lane::Talk) == (lane == Lane::Talk)
    }
}

/// A removal of somebody by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The entry that states it.
    pub entry: EntryId,
    /// The last entries that count; if it names none, the relay's order says what
    /// came before it.
    pub last: Option<Vec<EntryId>>,
    /// An owner of the course states it.
    pub by_owner: bool,
}

/// The membership statements of a space.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    facts: BTreeMap<EntryId, Vec<Fact>>,
    /// Entries that removals name as the last that count.
    last: BTreeSet<EntryId>,
}

impl Membership {
    /// Takes a statement; again is the same as once.
    pub fn insert(&mut self, fact: Fact) {
        self.last.extend(fact.last.iter().flatten());
        let facts = self.facts.entry(fact.entry).or_default();
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }

    /// Whether an entry states membership.
    #[must_use]
    pub fn contains(&self, entry: &EntryId) -> bool {
        self.facts.contains_key(entry)
    }

    /// Whether a removal names an entry as the last that counts in its chain.
    #[must_use]
    pub fn ends_with(&self, entry: &EntryId) -> bool {
        self.last.contains(entry)
    }

    /// Everything that `heads` reach, themselves included. Heads that are not
    /// held reach nothing.
    fn reach(&self, heads: &[EntryId]) -> BTreeSet<EntryId> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<EntryId> = heads.to_vec();
        while let Some(id) = open.pop() {
            if let Some(facts) = self.facts.get(&id)
                && seen.insert(id)
            {
                open.extend(facts.iter().flat_map(|fact| fact.heads.iter().copied()));
            }
        }
        seen
    }

    /// The roles of an account at the cited heads. A removal ends every addition
    /// that does not know it: where both happen at once, removal wins.
    #[must_use]
    pub fn roles_at(&self, heads: &[EntryId], account: AccountId) -> Roles {
        self.roles_in(&self.reach(heads), account)
    }

    /// The roles of an account by everything held.
    #[must_use]
    pub fn roles_now(&self, account: AccountId) -> Roles {
        self.roles_in(&self.facts.keys().copied().collect(), account)
    }

    /// Every account with a role by everything held.
    #[must_use]
    pub fn members(&self) -> BTreeMap<AccountId, Roles> {
        let accounts: BTreeSet<AccountId> =
            self.facts.values().flatten().map(|f| f.account).collect();
        accounts
            .into_iter()
            .map(|account| (account, self.roles_now(account)))
            .filter(|(_, roles)| *roles != Roles::default())
            .collect()
    }

    fn roles_in(&self, reach: &BTreeSet<EntryId>, account: AccountId) -> Roles {
        let of_account = |id: &EntryId| {
            self.facts
                .get(id)
                .into_iter()
                .flatten()
                .filter(move |fact| fact.account == account)
        };
        let removals: Vec<&Fact> = (reach.iter().flat_map(of_account))
            .filter(|fact| fact.change == Change::Remove)
            .collect();
        let mut roles = Roles::default();
        for id in reach {
            for fact in of_account(id) {
                if let Change::Add(added) = fact.change {
                    let knows = self.reach(&fact.heads);
                    let mut against = removals.iter().filter(|r| r.speaks_for(fact.lane));
                    if against.all(|removal| knows.contains(&removal.entry)) {
                        roles.0 |= added.0;
                    }
                }
            }
        }
        roles
    }

    /// The statements by which others remove an account from where `lane` is and that
    /// the cited heads do not know. Who leaves cuts nothing of the own off.
    #[must_use]
    pub fn removals_beyond(
        &self,
        heads: &[EntryId],
        account: AccountId,
        lane: Lane,
    ) -> Vec<Removal> {
        let removes = |fact: &&Fact| {
            let is_removal = fact.change == Change::Remove && fact.speaks_for(lane);
            fact.account == account && fact.by != account && is_removal
        };
        let mut removals = (self.facts.values().flatten()).filter(removes).peekable();
        if removals.peek().is_none() {
            return Vec::new();
        }
        let reach = self.reach(heads);
        removals
            .filter(|fact| !reach.contains(&fact.entry))
            .map(|fact| Removal {
                entry: fact.entry,
                last: fact.last.clone(),
                by_owner: self.roles_at(&fact.heads, fact.by).any(Roles::OWNER),
            })
            .collect()
    }

    /// The heads to cite in a new entry of `lane` by `author`: the latest
    /// statements that all readers of the lane can read, and those of the author's
    /// own `one:`, without which a pupil would be nobody in `all`; at most four,
    /// sorted.
    #[must_use]
    pub fn heads_for(&self, lane: Lane, author: AccountId) -> Vec<EntryId> {
        let readable = |fact: &Fact| {
            let is_read =
                fact.lane == Lane::All || fact.lane == lane || fact.lane == Lane::One(author);
            is_read && fact.speaks_for(lane)
        };
        let mut heads: BTreeSet<EntryId> = self
            .facts
            .iter()
            .filter(|(_, facts)| facts.iter().any(readable))
            .map(|(id, _)| *id)
            .collect();
        let followed: Vec<EntryId> = heads
            .iter()
            .flat_map(|id| &self.facts[id])
            .flat_map(|fact| fact.heads.iter().copied())
            .collect();
        for id in followed {
            heads.remove(&id);
        }
        heads.into_iter().take(4).collect()
    }

    /// Whether `later` reaches everything that `earlier` reaches, as far as it
    /// is held: heads never go backwards in a chain. What follows from a statement
    /// that is not held (a pupil's enrolment, for other pupils) is not known; whoever
    /// holds it judges.
    #[must_use]
    pub fn covers(&self, later: &[EntryId], earlier: &[EntryId]) -> bool {
        if later.iter().any(|id| !self.facts.contains_key(id)) {
            return true;
        }
        let reach = self.reach(later);
        earlier
            .iter()
            .all(|id| reach.contains(id) || !self.facts.contains_key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> EntryId {
        EntryId([n; 32])
    }

    fn fact(entry: u8, heads: &[u8], account: u8, change: Change) -> Fact {
        Fact {
            entry: id(entry),
            lane: Lane::All,
            heads: heads.iter().map(|n| id(*n)).collect(),
            account: AccountId([account; 16]),
            by: AccountId([1; 16]),
            change,
            last: None,
        }
    }

    fn history(facts: &[Fact]) -> Membership {
        let mut membership = Membership::default();
        for fact in facts {
            membership.insert(fact.clone());
        }
        membership
    }

    #[test]
    fn a_role_is_judged_at_the_cited_heads_not_at_the_latest() {
        let ana = AccountId([7; 16]);
        let membership = history(&[
            fact(1, &[], 7, Change::Add(Roles::TEACHER)),
            fact(2, &[1], 7, Change::Remove),
            fact(3, &[2], 7, Change::Add(Roles::STUDENT)),
        ]);
        assert_eq!(membership.roles_at(&[], ana), Roles::default());
        assert_eq!(membership.roles_at(&[id(1)], ana), Roles::TEACHER);
        assert_eq!(membership.roles_at(&[id(2)], ana), Roles::default());
        assert_eq!(membership.roles_now(ana), Roles::STUDENT);
    }

    #[test]
    fn who_is_removed_by_others_is_cut_off_and_who_leaves_is_not() {
        let ana = AccountId([7; 16]);
        let removed = fact(2, &[1], 7, Change::Remove);
        let left = Fact {
            by: ana,
            ..fact(3, &[1], 7, Change::Remove)
        };
        let membership = history(&[fact(1, &[], 7, Change::Add(Roles::STUDENT)), removed, left]);
        let beyond = |heads: &[EntryId]| -> Vec<EntryId> {
            let removals = membership.removals_beyond(heads, ana, Lane::All);
            removals.into_iter().map(|removal| removal.entry).collect()
        };
        assert_eq!(beyond(&[id(1)]), vec![id(2)]);
        assert_eq!(beyond(&[id(2)]), vec![]);
    }

    #[test]
    fn removal_wins_over_an_addition_that_does_not_know_it() {
        let facts = [
            fact(1, &[], 7, Change::Add(Roles::TEACHER)),
            fact(2, &[1], 7, Change::Remove),
            fact(3, &[1], 7, Change::Add(Roles::ASSISTANT)),
        ];
        let mut reversed = facts.to_vec();
        reversed.reverse();
        for facts in [facts.to_vec(), reversed] {
            let membership = history(&facts);
            assert_eq!(membership.roles_now(AccountId([7; 16])), Roles::default());
        }
    }

    #[test]
    fn a_course_in_the_space_of_a_conversation_has_no_say_in_it() {
        let ana = AccountId([7; 16]);
        let talk = Fact {
            lane: Lane::Talk,
            ..fact(1, &[], 7, Change::Add(Roles::TALKER))
        };
        let membership = history(&[talk, fact(2, &[1], 7, Change::Remove)]);
        assert_eq!(membership.roles_now(ana), Roles::TALKER);
        assert_eq!(membership.heads_for(Lane::Talk, ana), vec![id(1)]);
        let beyond = |lane| membership.removals_beyond(&[id(1)], ana, lane).len();
        assert_eq!((beyond(Lane::Talk), beyond(Lane::All)), (0, 1));
    }

    #[test]
    fn heads_are_the_latest_statements_that_readers_see() {
        let mut facts = vec![
            fact(1, &[], 7, Change::Add(Roles::OWNER)),
            fact(2, &[1], 8, Change::Add(Roles::TEACHER)),
        ];
        let pupil = AccountId([9; 16]);
        facts.push(Fact {
            lane: Lane::One(pupil),
            ..fact(3, &[2], 9, Change::Add(Roles::STUDENT))
        });
        let membership = history(&facts);
        let teacher = AccountId([7; 16]);
        assert_eq!(membership.heads_for(Lane::All, teacher), vec![id(2)]);
        assert_eq!(membership.heads_for(Lane::One(pupil), teacher), vec![id(3)]);
        // A pupil is one by what only staff and the pupil read.
        assert_eq!(membership.heads_for(Lane::All, pupil), vec![id(3)]);
        assert!(membership.covers(&[id(3)], &[id(1)]));
        assert!(!membership.covers(&[id(1)], &[id(3)]));
        assert!(membership.covers(&[id(8)], &[id(3)]));
    }
}
