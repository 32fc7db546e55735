//! Whether the operations of a change mean something here.
//!
//! Automerge applies what it can parse: an operation on an object that does not
//! exist, or after an element that lies in another text, ends in a panic; one that
//! overwrites what does not exist is silently lost in the next snapshot, which then
//! cannot be loaded. So each change is held against what it refers to. Accepted are
//! the operations that [`crate::Draft`] makes, and nothing else.
//!
//! The verdict depends on the change and its past alone, never on what else has
//! arrived: honest devices come to the same one.
use std::collections::{HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpType};
use automerge::{Automerge, Change, ObjType, ReadDoc, ScalarValue};

use crate::actor::{ACTOR_BYTES, actor_bytes};
use crate::graph::{Graph, OpId, Past};
use crate::limits::{MAX_COUNTER, MAX_DEPTH, MAX_INCREMENT, MAX_KEY_BYTES, MAX_REFERRED_OPS};
use crate::{DocType, Error};

/// What other operations must know of one.
#[derive(Clone, Debug)]
struct Known {
    obj: ObjectId,
    key: Key,
    insert: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Make(ObjType),
    Put,
    Counter,
    Delete,
    Increment,
}

impl Known {
    fn of(op: &Op) -> Result<Self, Error> {
        const UNSUPPORTED: Error = Error::Unsupported("operation");
        let kind = match &op.action {
            OpType::Make(kind @ (ObjType::Map | ObjType::List | ObjType::Text)) => {
                Kind::Make(*kind)
            }
            OpType::Put(ScalarValue::Counter(counter)) => {
                if !(-MAX_COUNTER..=MAX_COUNTER).contains(&i64::from(counter)) {
                    return Err(Error::TooLarge("counter"));
                }
                Kind::Counter
            }
            OpType::Put(ScalarValue::Uint(_) | ScalarValue::Unknown { .. }) => {
                return Err(UNSUPPORTED);
            }
            OpType::Put(_) => Kind::Put,
            OpType::Delete => Kind::Delete,
            OpType::Increment(by) => {
                if !(-MAX_INCREMENT..=MAX_INCREMENT).contains(by) {
                    return Err(Error::TooLarge("increment"));
                }
                Kind::Increment
            }
            OpType::Make(ObjType::Table) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
                return Err(UNSUPPORTED);
            }
        };
        Ok(Self {
            obj: op.obj.clone(),
            key: op.key.clone(),
            insert: op.insert,
            kind,
        })
    }
}

/// Remembers operations by the change that made them, so that a series of changes
/// does not decode the same ones again and again.
#[derive(Debug)]
pub(crate) struct Auditor {
    doc_type: DocType,
    known: HashMap<usize, Vec<Known>>,
    /// Operations in `known`.
    size: usize,
}

/// Operations remembered: some megabytes.
const MAX_KNOWN: usize = 65_536;

impl Auditor {
    pub fn new(doc_type: DocType) -> Self {
        Self {
            doc_type,
            known: HashMap::new(),
            size: 0,
        }
    }

    /// Forgets what it knows of changes from `place` on, which were taken back.
    pub fn truncate(&mut self, place: usize) {
        self.known.retain(|&at, _| at < place);
        self.size = self.known.values().map(Vec::len).sum();
    }

    /// Checks a change that fits the graph. `place` is the one that it will have
    /// there; `doc` may lack changes of the graph that this auditor has just seen.
    pub fn check(
        &mut self,
        doc: &Automerge,
        graph: &Graph,
        change: &Change,
        actor: [u8; ACTOR_BYTES],
        place: usize,
    ) -> Result<(), Error> {
        for other in change.other_actor_ids() {
            // An actor is known by its first change, which must be in the past; its
            // operations are looked up below.
            if !actor_bytes(other).is_some_and(|other| graph.knows_actor(&other)) {
                return Err(Error::Inconsistent("unknown actor"));
            }
        }
        let expanded = change.decode();
        let ops = expanded
            .operations
            .iter()
            .map(Known::of)
            .collect::<Result<Vec<_>, _>>()?;
        if self.size > MAX_KNOWN {
            self.forget(graph, doc);
        }
        let past = graph.past(change.deps());
        let mut check = Check {
            auditor: self,
            doc,
            graph,
            past,
            actor,
            start: change.start_op().get(),
            ops: &ops,
            referred: HashSet::new(),
            referred_ops: 0,
        };
        for (index, op) in expanded.operations.iter().enumerate() {
            check.op(op, index)?;
        }
        // Snapshots keep operations, not bytes: on loading, the hash is computed from
        // a new encoding. A change that was encoded in another way would then be gone.
        if Change::from(expanded).raw_bytes() != change.raw_bytes() {
            return Err(Error::Malformed("encoding"));
        }
        self.size += ops.len();
        self.known.insert(place, ops);
        Ok(())
    }

    /// Forgets what can be read from the document again.
    fn forget(&mut self, graph: &Graph, doc: &Automerge) {
        self.known.retain(|&place, _| {
            doc.get_change_meta_by_hash(&graph.held(place).hash)
                .is_none()
        });
        self.size = self.known.values().map(Vec::len).sum();
    }

    fn learn(&mut self, doc: &Automerge, graph: &Graph, place: usize) -> Result<(), Error> {
        if self.known.contains_key(&place) {
            return Ok(());
        }
        let change = doc
            .get_change_by_hash(&graph.held(place).hash)
            .ok_or(Error::Internal("held change"))?;
        let ops = change
            .decode()
            .operations
            .iter()
            .map(Known::of)
            .collect::<Result<Vec<_>, _>>()?;
        self.size += ops.len();
        self.known.insert(place, ops);
        Ok(())
    }
}

/// One check of one change.
struct Check<'a> {
    auditor: &'a mut Auditor,
    doc: &'a Automerge,
    graph: &'a Graph,
    past: Past,
    actor: [u8; ACTOR_BYTES],
    start: u64,
    ops: &'a [Known],
    /// The changes that were referred to, and how many operations they have.
    referred: HashSet<usize>,
    referred_ops: u64,
}

fn op_id(id: &automerge::legacy::OpId) -> Result<OpId, Error> {
    let actor = actor_bytes(id.actor()).ok_or(Error::Malformed("actor"))?;
    Ok((id.counter(), actor))
}

impl Check<'_> {
    /// The operation with this id, which must be before operation `index` of this
    /// change or in its past.
    fn known(&mut self, id: &automerge::legacy::OpId, index: usize) -> Result<Known, Error> {
        const UNKNOWN: Error = Error::Inconsistent("reference");
        let id = op_id(id)?;
        if id.1 == self.actor && id.0 >= self.start {
            let at = usize::try_from(id.0 - self.start).map_err(|_| UNKNOWN)?;
            return match self.ops.get(at) {
                Some(known) if at < index => Ok(known.clone()),
                _ => Err(UNKNOWN),
            };
        }
        let place = self.graph.maker(&id).ok_or(UNKNOWN)?;
        if !self.past.contains(place) {
            return Err(UNKNOWN);
        }
        if self.referred.insert(place) {
            let held = self.graph.held(place);
            self.referred_ops += held.end - held.start;
            // Counted whether they are remembered or not: the verdict is the same
            // everywhere.
            if self.referred_ops > MAX_REFERRED_OPS {
                return Err(Error::TooLarge("references"));
            }
            self.auditor.learn(self.doc, self.graph, place)?;
        }
        let at = usize::try_from(id.0 - self.graph.held(place).start).map_err(|_| UNKNOWN)?;
        let known = self.auditor.known.get(&place).and_then(|ops| ops.get(at));
        known.cloned().ok_or(UNKNOWN)
    }

    fn object(&mut self, obj: &ObjectId, index: usize) -> Result<ObjType, Error> {
        match obj {
            ObjectId::Root => Ok(ObjType::Map),
            ObjectId::Id(id) => match self.known(id, index)?.kind {
                Kind::Make(kind) => Ok(kind),
                _ => Err(Error::Inconsistent("not an object")),
            },
        }
    }

    /// How many objects lie around `obj`, itself counted.
    fn depth(&mut self, obj: &ObjectId, index: usize) -> Result<usize, Error> {
        let mut obj = obj.clone();
        let mut depth = 0;
        while let ObjectId::Id(id) = &obj {
            depth += 1;
            if depth >= MAX_DEPTH {
                return Err(Error::TooLarge("depth"));
            }
            obj = self.known(id, index)?.obj;
        }
        Ok(depth)
    }

    fn op(&mut self, op: &Op, index: usize) -> Result<(), Error> {
        let kind = self.ops[index].kind;
        let object = self.object(&op.obj, index)?;
        match (&op.key, object) {
            (Key::Map(name), ObjType::Map) => {
                if op.insert || name.is_empty() {
                    return Err(Error::Inconsistent("key"));
                }
                if name.len() > MAX_KEY_BYTES {
                    return Err(Error::TooLarge("key"));
                }
                if op.obj == ObjectId::Root && self.auditor.doc_type.is_fixed(name) {
                    return Err(Error::Inconsistent("fixed field"));
                }
            }
            (Key::Seq(ElementId::Head), ObjType::List | ObjType::Text) => {
                if !op.insert {
                    return Err(Error::Inconsistent("key"));
                }
            }
            (Key::Seq(ElementId::Id(id)), ObjType::List | ObjType::Text) => {
                let element = self.known(id, index)?;
                if !element.insert || element.obj != op.obj {
                    return Err(Error::Inconsistent("element"));
                }
            }
            _ => return Err(Error::Inconsistent("key")),
        }
        if object == ObjType::Text && !is_text_op(op) {
            return Err(Error::Unsupported("operation on a text"));
        }
        match kind {
            Kind::Make(_) => {
                self.depth(&op.obj, index)?;
            }
            // Both exist in snapshots only through what they overwrite.
            Kind::Delete | Kind::Increment if op.pred.is_empty() || op.insert => {
                return Err(Error::Inconsistent("nothing to change"));
            }
            _ => {}
        }
        if op.insert && !op.pred.is_empty() {
            return Err(Error::Inconsistent("insertion over something"));
        }
        let mut counters = 0;
        let mut last = None;
        for pred in op.pred.iter() {
            if last.replace(pred) == Some(pred) {
                return Err(Error::Malformed("predecessor named twice"));
            }
            let before = self.known(pred, index)?;
            let same_key = if before.insert {
                op.key == Key::Seq(ElementId::Id(pred.clone()))
            } else {
                before.key == op.key
            };
            if before.obj != op.obj || !same_key {
                return Err(Error::Inconsistent("another field"));
            }
            match before.kind {
                Kind::Make(_) | Kind::Put => {}
                Kind::Counter => counters += 1,
                Kind::Delete | Kind::Increment => {
                    return Err(Error::Inconsistent("nothing to change"));
                }
            }
        }
        if kind == Kind::Increment && counters == 0 {
            return Err(Error::Inconsistent("no counter"));
        }
        Ok(())
    }
}

/// Texts are characters that are inserted and deleted one by one.
fn is_text_op(op: &Op) -> bool {
    match &op.action {
        OpType::Put(ScalarValue::Str(character)) => {
            let mut characters = character.chars();
            op.insert && characters.next().is_some() && characters.next().is_none()
        }
        OpType::Delete => true,
        _ => false,
    }
}
