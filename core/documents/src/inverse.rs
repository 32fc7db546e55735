//! What would take back a committed burst, now that others may have edited too.
//!
//! Positions of the burst are worthless by now, so all is found by the ids of
//! operations. What others did is left alone: characters that they inserted, fields
//! that they set, and what they also deleted, which does not come back.
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::legacy::{Key as OpKey, ObjectId, Op, OpType};
use automerge::{ChangeHash, ObjId, ObjType, ROOT, ReadDoc, Value};

use crate::actor::actor_bytes;
use crate::graph::{Graph, OpId};
use crate::{Action, Error, Key, Node, Path, Scalar, read};

/// The actions that take back burst `hash`, to be done in order. They are none if
/// nothing of it is left.
pub(crate) fn inverse<R: ReadDoc>(
    doc: &R,
    graph: &Graph,
    hash: &ChangeHash,
) -> Result<Vec<Action<'static>>, Error> {
    const MISSING: Error = Error::Internal("own burst");
    let place = graph.place(hash).ok_or(MISSING)?;
    let change = doc.get_change_by_hash(hash).ok_or(MISSING)?;
    let deps = change.deps().to_vec();
    let held = graph.held(place);
    let burst = Burst {
        doc,
        deps,
        made: (held.start, held.end),
        actor: held.actor,
        others: overwritten_by_others(doc, graph, hash),
    };
    let mut by_object: BTreeMap<u64, (ObjId, Vec<Made>)> = BTreeMap::new();
    for (counter, op) in (held.start..).zip(change.decode().operations) {
        let (order, obj) = match &op.obj {
            ObjectId::Root => (0, ROOT),
            ObjectId::Id(id) => (id.counter(), ObjId::Id(id.counter(), id.actor().clone(), 0)),
        };
        // An object that the burst made goes as a whole.
        if !burst.made_by_burst(&obj) {
            let made = Made {
                id: (counter, held.actor),
                op,
            };
            by_object
                .entry(order)
                .or_insert((obj, Vec::new()))
                .1
                .push(made);
        }
    }
    let mut actions = Vec::new();
    for (obj, ops) in by_object.into_values() {
        let Ok(kind) = doc.object_type(&obj) else {
            continue;
        };
        // Deleted meanwhile, or overwritten: there is nothing to go back to.
        let Some(path) = read::path_of(doc, &obj) else {
            continue;
        };
        match kind {
            ObjType::Text | ObjType::List => burst.sequence(&obj, kind, &path, &ops, &mut actions),
            ObjType::Map | ObjType::Table => burst.map(&obj, &path, &ops, &mut actions),
        }
    }
    Ok(actions)
}

/// The operations that changes outside the past of `hash` delete or overwrite.
fn overwritten_by_others<R: ReadDoc>(doc: &R, graph: &Graph, hash: &ChangeHash) -> HashSet<OpId> {
    let past = graph.past(&[*hash]);
    (0..graph.len())
        .filter(|&place| !past.contains(place))
        .filter_map(|place| doc.get_change_by_hash(&graph.held(place).hash))
        .flat_map(|change| change.decode().operations)
        .flat_map(|op| op.pred.into_iter())
        .filter_map(|id| op_id(&id))
        .collect()
}

fn op_id(id: &automerge::legacy::OpId) -> Option<OpId> {
    Some((id.counter(), actor_bytes(id.actor())?))
}

/// An operation of the burst.
struct Made {
    id: OpId,
    op: Op,
}

/// An element of a text or list.
struct Element {
    id: Option<OpId>,
    /// Where it is, in the units of the sequence.
    pos: usize,
    width: usize,
    node: Node,
}

/// Edits of a sequence that happen at one place.
#[derive(Default)]
struct Splice {
    delete: usize,
    insert: Vec<Node>,
}

struct Burst<'a, R> {
    doc: &'a R,
    deps: Vec<ChangeHash>,
    /// Counters of the burst's operations: the first, and the one after the last.
    made: (u64, u64),
    actor: [u8; crate::actor::ACTOR_BYTES],
    others: HashSet<OpId>,
}

fn id_of(id: &ObjId) -> Option<OpId> {
    match id {
        ObjId::Root => None,
        ObjId::Id(counter, actor, _) => Some((*counter, actor_bytes(actor)?)),
    }
}

impl<R: ReadDoc> Burst<'_, R> {
    fn made_by_burst(&self, id: &ObjId) -> bool {
        id_of(id).is_some_and(|id| self.made(&id))
    }

    fn made(&self, (counter, actor): &OpId) -> bool {
        (self.made.0..self.made.1).contains(counter) && *actor == self.actor
    }

    /// What stood in a sequence before the burst where its operation `id` stands: none
    /// if the burst inserted the element.
    fn origins(&self, ops: &[Made]) -> HashMap<OpId, OpId> {
        let mut origins = HashMap::new();
        for Made { id, op } in ops {
            for before in op.pred.iter().filter_map(op_id) {
                let origin = if self.made(&before) {
                    origins.get(&before).copied()
                } else {
                    Some(before)
                };
                if let Some(origin) = origin {
                    origins.insert(*id, origin);
                }
            }
        }
        origins
    }

    fn elements(&self, obj: &ObjId, kind: ObjType, at: Option<&[ChangeHash]>) -> Vec<Element> {
        let items = match at {
            Some(heads) => self.doc.list_range_at(obj, .., heads),
            None => self.doc.list_range(obj, ..),
        };
        let mut pos = 0;
        items
            .map(|item| {
                let id = item.id();
                let node = read::value(self.doc, &item.value.clone().into_value(), &id, at);
                let width = match (kind, &node) {
                    (ObjType::Text, Node::Scalar(Scalar::String(text))) => read::units(text),
                    _ => 1,
                };
                let element = Element {
                    id: id_of(&id),
                    pos,
                    width,
                    node,
                };
                pos += width;
                element
            })
            .collect()
    }

    fn sequence(
        &self,
        obj: &ObjId,
        kind: ObjType,
        path: &Path<'static>,
        ops: &[Made],
        actions: &mut Vec<Action<'static>>,
    ) {
        let now = self.elements(obj, kind, None);
        let before = self.elements(obj, kind, Some(&self.deps));
        let places: HashMap<OpId, &Element> = now
            .iter()
            .filter_map(|element| Some((element.id?, element)))
            .collect();
        let origins = self.origins(ops);
        // What the burst deleted and nobody else did.
        let removed: HashSet<OpId> = ops
            .iter()
            .filter(|made| made.op.action == OpType::Delete)
            .filter_map(|made| origins.get(&made.id))
            .filter(|origin| !self.others.contains(origin))
            .copied()
            .collect();
        let mut splices: BTreeMap<usize, Splice> = BTreeMap::new();
        for element in &now {
            let Some(id) = element.id.filter(|id| self.made(id)) else {
                continue;
            };
            let old = origins
                .get(&id)
                .and_then(|origin| before.iter().find(|old| old.id == Some(*origin)));
            match old {
                // Another value in the same place.
                Some(old) => actions.push(Action::PutField {
                    path: path.join(Key::Index(element.pos)),
                    value: Cow::Owned(old.node.clone()),
                }),
                None => splices.entry(element.pos).or_default().delete += element.width,
            }
        }
        // What comes back stands after the last thing before it that is still there.
        let mut anchor = 0;
        for element in before {
            let Some(id) = element.id else { continue };
            if let Some(there) = places.get(&id) {
                anchor = there.pos + there.width;
            } else if removed.contains(&id) {
                splices.entry(anchor).or_default().insert.push(element.node);
            }
        }
        // From the end, so that positions before stay what they are.
        for (pos, splice) in splices.into_iter().rev() {
            match kind {
                ObjType::Text => {
                    let insert: String = splice.insert.iter().filter_map(Node::as_str).collect();
                    actions.push(Action::TextSplice {
                        path: path.clone(),
                        pos,
                        delete: splice.delete,
                        insert: Cow::Owned(insert),
                    });
                }
                _ => list_splice(path, pos, splice, actions),
            }
        }
    }

    fn map(
        &self,
        obj: &ObjId,
        path: &Path<'static>,
        ops: &[Made],
        actions: &mut Vec<Action<'static>>,
    ) {
        let mut by_name: BTreeMap<String, Vec<&Op>> = BTreeMap::new();
        for Made { op, .. } in ops {
            if let OpKey::Map(name) = &op.key {
                by_name.entry(name.to_string()).or_default().push(op);
            }
        }
        for (name, ops) in by_name {
            let now = self.doc.get(obj, name.as_str()).ok().flatten();
            let before = self
                .doc
                .get_at(obj, name.as_str(), &self.deps)
                .ok()
                .flatten();
            let path = path.join(Key::Name(name.into()));
            let is_ours = now.as_ref().is_some_and(|(_, id)| self.made_by_burst(id));
            match (now, before) {
                (Some(_), Some((value, id))) if is_ours => actions.push(Action::PutField {
                    path,
                    value: Cow::Owned(read::value(self.doc, &value, &id, Some(&self.deps))),
                }),
                (Some(_), None) if is_ours => actions.push(Action::DeleteField { path }),
                (Some((Value::Scalar(_), _)), _) => {
                    let by: i64 = ops
                        .iter()
                        .filter_map(|op| match op.action {
                            OpType::Increment(by) => Some(by),
                            _ => None,
                        })
                        .sum();
                    if by != 0 {
                        actions.push(Action::Increment { path, by: -by });
                    }
                }
                (None, Some((value, id)))
                    if id_of(&id).is_some_and(|id| !self.others.contains(&id)) =>
                {
                    actions.push(Action::PutField {
                        path,
                        value: Cow::Owned(read::value(self.doc, &value, &id, Some(&self.deps))),
                    });
                }
                _ => {}
            }
        }
    }
}

fn list_splice(
    path: &Path<'static>,
    pos: usize,
    splice: Splice,
    actions: &mut Vec<Action<'static>>,
) {
    if splice.delete > 0 {
        actions.push(Action::ListDelete {
            path: path.clone(),
            index: pos,
            count: splice.delete,
        });
    }
    for (offset, node) in splice.insert.into_iter().enumerate() {
        actions.push(Action::ListInsert {
            path: path.clone(),
            index: pos + offset,
            value: Cow::Owned(node),
        });
    }
}
