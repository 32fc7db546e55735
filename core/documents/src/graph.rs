//! Which changes a document holds, and which came before which.
//!
//! Automerge knows this too but does not say it cheaply: whether an operation was in
//! the past of a change must be known before the change is applied.
use std::collections::{BTreeSet, HashMap};

use automerge::{Change, ChangeHash};

use crate::Error;
use crate::actor::{ACTOR_BYTES, actor_bytes};

/// An operation's id: its counter and its actor.
pub(crate) type OpId = (u64, [u8; ACTOR_BYTES]);

/// A change that is held.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub hash: ChangeHash,
    pub actor: [u8; ACTOR_BYTES],
    /// Counter of its first operation.
    pub start: u64,
    /// Counter after its last one.
    pub end: u64,
    deps: Vec<usize>,
}

/// The changes that came before some change.
pub(crate) enum Past {
    /// All that are held: the common case, someone who had seen everything.
    All,
    /// By place.
    Some(Vec<bool>),
}

impl Past {
    pub fn contains(&self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(places) => places.get(place).copied().unwrap_or(false),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    held: Vec<Held>,
    places: HashMap<ChangeHash, usize>,
    /// The changes of an actor by sequence, so also by counters.
    by_actor: HashMap<[u8; ACTOR_BYTES], Vec<usize>>,
    heads: BTreeSet<usize>,
}

impl Graph {
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.places.contains_key(hash)
    }

    pub fn held(&self, place: usize) -> &Held {
        &self.held[place]
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn place(&self, hash: &ChangeHash) -> Option<usize> {
        self.places.get(hash).copied()
    }

    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<_> = self.heads.iter().map(|&at| self.held[at].hash).collect();
        heads.sort_unstable();
        heads
    }

    /// How many changes of an actor are held.
    pub fn sequence(&self, actor: &[u8; ACTOR_BYTES]) -> u64 {
        self.by_actor.get(actor).map_or(0, |of| of.len() as u64)
    }

    pub fn knows_actor(&self, actor: &[u8; ACTOR_BYTES]) -> bool {
        self.by_actor.contains_key(actor)
    }

    /// The change that made an operation.
    pub fn maker(&self, (counter, actor): &OpId) -> Option<usize> {
        let of = self.by_actor.get(actor)?;
        let after = of.partition_point(|&at| self.held[at].start <= *counter);
        let place = *of.get(after.checked_sub(1)?)?;
        (*counter < self.held[place].end).then_some(place)
    }

    /// What `deps` and their past are.
    pub fn past(&self, deps: &[ChangeHash]) -> Past {
        let mut stack: Vec<usize> = deps.iter().filter_map(|hash| self.place(hash)).collect();
        if self.heads.iter().all(|head| stack.contains(head)) {
            return Past::All;
        }
        let mut places = vec![false; self.held.len()];
        while let Some(place) = stack.pop() {
            if !std::mem::replace(&mut places[place], true) {
                stack.extend_from_slice(&self.held[place].deps);
            }
        }
        Past::Some(places)
    }

    /// Whether `change` fits here: its number, its dependencies, its first counter.
    /// All its dependencies must be held.
    ///
    /// The rules are Automerge's own way of making changes. Without the first two,
    /// applying it would end in a panic; without the third, one change could use up
    /// all counters of a document.
    pub fn check(&self, change: &Change) -> Result<[u8; ACTOR_BYTES], Error> {
        let actor = actor_bytes(change.actor_id()).ok_or(Error::Malformed("actor"))?;
        let sequence = self.sequence(&actor);
        if change.seq() <= sequence {
            return Err(Error::Equivocation);
        }
        if change.seq() != sequence + 1 {
            return Err(Error::Inconsistent("sequence"));
        }
        let last = self.by_actor.get(&actor).and_then(|of| of.last());
        if last.is_some_and(|&last| !change.deps().contains(&self.held[last].hash)) {
            return Err(Error::Inconsistent("own past"));
        }
        if change.deps().is_empty() {
            // Only the genesis has none, and that is always held.
            return Err(Error::WrongType);
        }
        let mut start = 0;
        for dep in change.deps() {
            let place = self.place(dep).ok_or(Error::Inconsistent("dependency"))?;
            start = start.max(self.held[place].end);
        }
        if change.start_op().get() != start {
            return Err(Error::Inconsistent("first counter"));
        }
        Ok(actor)
    }

    /// Adds a change that was checked, or that is the genesis.
    pub fn add(&mut self, change: &Change, actor: [u8; ACTOR_BYTES]) {
        let start = change.start_op().get();
        self.insert(
            change.hash(),
            actor,
            start,
            change.max_op() + 1,
            change.deps(),
        );
    }

    pub fn insert(
        &mut self,
        hash: ChangeHash,
        actor: [u8; ACTOR_BYTES],
        start: u64,
        end: u64,
        deps: &[ChangeHash],
    ) {
        let place = self.held.len();
        let deps: Vec<usize> = deps.iter().filter_map(|hash| self.place(hash)).collect();
        for dep in &deps {
            self.heads.remove(dep);
        }
        self.heads.insert(place);
        self.places.insert(hash, place);
        self.by_actor.entry(actor).or_default().push(place);
        self.held.push(Held {
            hash,
            actor,
            start,
            end,
            deps,
        });
    }

    /// Takes back the changes from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for held in self.held.drain(len..) {
            self.places.remove(&held.hash);
            if let Some(of) = self.by_actor.get_mut(&held.actor) {
                of.pop();
                if of.is_empty() {
                    self.by_actor.remove(&held.actor);
                }
            }
        }
        // A place is a head if no later one depends on it.
        self.heads = (0..self.held.len()).collect();
        for held in &self.held {
            for dep in &held.deps {
                self.heads.remove(dep);
            }
        }
    }
}
