//! Takes changes of others into an Automerge document: in causal order, each once,
//! each checked, whatever the order in which they come.
use std::collections::{HashMap, HashSet};

use automerge::{Automerge, Change, ChangeHash, PatchLog, ReadDoc};

use crate::Error;
use crate::actor::{ACTOR_BYTES, DEVICE_PREFIX_BYTES, GENESIS_ACTOR, actor_bytes};
use crate::audit::Auditor;
use crate::change::{is_of_device, read_change};
use crate::genesis::{genesis_change, genesis_hash};
use crate::graph::Graph;
use crate::limits::{MAX_WAITING, MAX_WAITING_BYTES};
use crate::view::{Patch, patches};
use crate::{ActorParts, DocType};

/// What came of receiving changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The changes that the document now has and had not before: those received, and
    /// those that had waited for them.
    pub hashes: Vec<ChangeHash>,
    /// What that does to the view, in order.
    pub patches: Vec<Patch>,
    /// How many changes wait for others.
    pub waiting: usize,
    /// Changes that turned out to be unsound once what they had waited for came.
    /// They are dropped; their senders may be told.
    pub refused: Vec<(ChangeHash, Error)>,
}

/// What a document knows beside Automerge.
#[derive(Debug)]
pub(crate) struct History {
    pub doc_type: DocType,
    pub actor: ActorParts,
    pub graph: Graph,
    auditor: Auditor,
    waiting: Vec<Change>,
}

/// Changes that were taken out of waiting but are not yet in Automerge.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    ops: usize,
}

/// Operations that are checked before they are applied together: each batch walks
/// through the texts that it touches once.
const BATCH_OPS: usize = 65_536;

impl History {
    /// A history with nothing but the genesis, and the document of it.
    pub fn new(doc_type: DocType, actor: ActorParts) -> Result<(Self, Automerge), Error> {
        let mut doc =
            Automerge::new_with_encoding(crate::TEXT_ENCODING).with_actor(actor.to_automerge());
        let genesis = genesis_change(doc_type);
        doc.apply_changes([genesis.clone()])
            .map_err(|_| Error::Internal("genesis"))?;
        let mut history = Self::empty(doc_type, actor);
        history.graph.add(&genesis, GENESIS_ACTOR);
        Ok((history, doc))
    }

    fn empty(doc_type: DocType, actor: ActorParts) -> Self {
        Self {
            doc_type,
            actor,
            graph: Graph::default(),
            auditor: Auditor::new(doc_type),
            waiting: Vec::new(),
        }
    }

    /// The history of a loaded document.
    pub fn of(doc_type: DocType, actor: ActorParts, doc: &Automerge) -> Result<Self, Error> {
        let mut history = Self::empty(doc_type, actor);
        let genesis = genesis_hash(doc_type);
        for meta in doc.get_changes_meta(&[]) {
            // One root, and it is ours.
            if meta.deps.is_empty() != (meta.hash == genesis) {
                return Err(Error::WrongType);
            }
            let actor = actor_bytes(&meta.actor).ok_or(Error::DamagedSnapshot)?;
            history
                .graph
                .insert(meta.hash, actor, meta.start_op, meta.max_op + 1, &meta.deps);
        }
        if !history.graph.contains(&genesis) {
            return Err(Error::WrongType);
        }
        Ok(history)
    }

    /// The history of a document that was loaded from foreign bytes: each change is
    /// held against the same rules as one that comes alone.
    pub fn audited(doc_type: DocType, actor: ActorParts, doc: &Automerge) -> Result<Self, Error> {
        let mut history = Self::empty(doc_type, actor);
        let genesis = genesis_change(doc_type);
        for change in doc.get_changes(&[]) {
            if change.deps().is_empty() {
                if change.hash() != genesis.hash() {
                    return Err(Error::WrongType);
                }
                history.graph.add(&change, GENESIS_ACTOR);
            } else {
                history.check(doc, &change)?;
            }
        }
        if !history.graph.contains(&genesis.hash()) {
            return Err(Error::WrongType);
        }
        Ok(history)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What the waiting changes wait for, sorted.
    pub fn missing(&self) -> Vec<ChangeHash> {
        let waiting: HashSet<_> = self.waiting.iter().map(Change::hash).collect();
        let mut missing: Vec<_> = self
            .waiting
            .iter()
            .flat_map(Change::deps)
            .filter(|dep| !self.graph.contains(dep) && !waiting.contains(dep))
            .copied()
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Notes a change that Automerge made here.
    pub fn note_own(&mut self, change: &Change) {
        self.graph.add(change, self.actor.to_bytes());
        // Whoever waits with the same number of this actor waits in vain.
        let actor = self.actor.to_automerge();
        self.waiting
            .retain(|waiting| *waiting.actor_id() != actor || waiting.seq() > change.seq());
    }

    /// Whether a change is new here and may be taken up.
    pub fn is_new(&self, change: &Change, actor: &[u8; ACTOR_BYTES]) -> Result<bool, Error> {
        let hash = change.hash();
        if self.graph.contains(&hash) || self.waiting.iter().any(|held| held.hash() == hash) {
            return Ok(false);
        }
        if change.seq() <= self.graph.sequence(actor) {
            return Err(Error::Equivocation);
        }
        if change.deps().is_empty() {
            return Err(Error::WrongType);
        }
        Ok(true)
    }

    /// Reads one change that `device` has signed; none if it is held already. Of
    /// others' actors only the genesis is exempt, and that is always held.
    pub fn screen(
        &self,
        bytes: &[u8],
        device: &[u8; DEVICE_PREFIX_BYTES],
    ) -> Result<Option<Change>, Error> {
        let (change, actor) = read_change(bytes)?;
        if !is_of_device(&actor, device) && actor != GENESIS_ACTOR {
            return Err(Error::ForeignActor);
        }
        Ok(self.is_new(&change, &actor)?.then_some(change))
    }

    pub fn nothing_applied(&self) -> Applied {
        Applied {
            waiting: self.waiting.len(),
            ..Applied::default()
        }
    }

    /// Takes up one change that is new here.
    pub fn take_one(&mut self, doc: &mut Automerge, change: Change) -> Result<Applied, Error> {
        let hash = change.hash();
        let applied = self.take(doc, vec![change], Some(&mut PatchLog::active()))?;
        match applied.refused.iter().find(|(of, _)| *of == hash) {
            Some((_, error)) => Err(*error),
            None => Ok(applied),
        }
    }

    /// Takes up changes that are new here. Those whose dependencies lack wait; what
    /// is too much to wait is refused.
    pub fn take(
        &mut self,
        doc: &mut Automerge,
        changes: Vec<Change>,
        log: Option<&mut PatchLog>,
    ) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        let mut silent = PatchLog::inactive();
        let wants_patches = log.is_some();
        let log = log.unwrap_or(&mut silent);
        let mut pool: Vec<Option<Change>> = std::mem::take(&mut self.waiting)
            .into_iter()
            .chain(changes)
            .map(Some)
            .collect();
        let (mut ready, mut waiting_for) = self.sort_out(&pool);
        let mut batch = Batch::default();
        while let Some(at) = ready.pop() {
            let Some(change) = pool[at].take() else {
                continue;
            };
            let hash = change.hash();
            if let Err(error) = self.check(doc, &change) {
                applied.refused.push((hash, error));
                continue;
            }
            applied.hashes.push(hash);
            batch.ops += change.len();
            batch.changes.push(change);
            for next in waiting_for.remove(&hash).unwrap_or_default() {
                let is_ready = pool[next]
                    .as_ref()
                    .is_some_and(|next| next.deps().iter().all(|dep| self.graph.contains(dep)));
                if is_ready {
                    ready.push(next);
                }
            }
            if batch.ops >= BATCH_OPS {
                self.apply(doc, &mut batch, log)?;
            }
        }
        self.apply(doc, &mut batch, log)?;
        let left = pool.into_iter().flatten().collect();
        applied.refused.extend(self.wait(left));
        applied.waiting = self.waiting.len();
        if wants_patches {
            applied.patches = patches(doc, doc.make_patches(log));
        }
        Ok(applied)
    }

    /// Which of the pool can be applied now, the first last, and which wait for what.
    fn sort_out(&self, pool: &[Option<Change>]) -> (Vec<usize>, HashMap<ChangeHash, Vec<usize>>) {
        let mut ready = Vec::new();
        let mut waiting_for: HashMap<ChangeHash, Vec<usize>> = HashMap::new();
        for (at, change) in pool.iter().enumerate() {
            let deps = change.iter().flat_map(Change::deps);
            let mut missing = deps.filter(|dep| !self.graph.contains(dep)).peekable();
            if missing.peek().is_none() {
                ready.push(at);
            }
            for dep in missing {
                waiting_for.entry(*dep).or_default().push(at);
            }
        }
        ready.reverse();
        (ready, waiting_for)
    }

    /// Checks a change against its past and notes it.
    fn check(&mut self, doc: &Automerge, change: &Change) -> Result<(), Error> {
        let actor = self.graph.check(change)?;
        let place = self.graph.len();
        self.auditor.check(doc, &self.graph, change, actor, place)?;
        self.graph.add(change, actor);
        Ok(())
    }

    fn apply(
        &mut self,
        doc: &mut Automerge,
        batch: &mut Batch,
        log: &mut PatchLog,
    ) -> Result<(), Error> {
        let changes = std::mem::take(batch).changes;
        if changes.is_empty() {
            return Ok(());
        }
        let before = self.graph.len() - changes.len();
        doc.apply_changes_log_patches(changes, log).map_err(|_| {
            self.graph.truncate(before);
            self.auditor.truncate(before);
            Error::Internal("apply")
        })
    }

    /// Keeps what can wait, and returns the rest.
    fn wait(&mut self, changes: Vec<Change>) -> Vec<(ChangeHash, Error)> {
        let mut refused = Vec::new();
        let mut bytes = 0;
        for change in changes {
            bytes += change.raw_bytes().len();
            if self.waiting.len() < MAX_WAITING && bytes <= MAX_WAITING_BYTES {
                self.waiting.push(change);
            } else {
                refused.push((change.hash(), Error::TooManyWaiting));
            }
        }
        refused
    }

    /// Whether the document has a change.
    pub fn change(&self, doc: &Automerge, hash: &ChangeHash) -> Option<Change> {
        self.graph.place(hash)?;
        doc.get_change_by_hash(hash)
    }
}
