//! Fields with several values, none of which knew of the other.
use automerge::{ObjId, ObjType, Prop, ROOT, ReadDoc, Value};

use crate::actor::actor_bytes;
use crate::limits::MAX_DEPTH;
use crate::{ActorParts, Key, Node, Path, read};

/// A field that two devices set without knowing of each other. All values are kept
/// until somebody chooses: see [`crate::Draft::resolve`]. Texts merge and have none.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldConflict {
    /// The field.
    pub path: Path<'static>,
    /// The values and who set them. The last is the one that the view shows.
    pub values: Vec<(Node, ActorParts)>,
}

pub(crate) fn conflicts<R: ReadDoc>(doc: &R) -> Vec<FieldConflict> {
    let mut found = Vec::new();
    walk(doc, &ROOT, ObjType::Map, &Path::new(&[]), &mut found);
    found
}

fn walk<R: ReadDoc>(
    doc: &R,
    obj: &ObjId,
    kind: ObjType,
    path: &Path<'static>,
    found: &mut Vec<FieldConflict>,
) {
    if path.keys().len() > MAX_DEPTH {
        return;
    }
    let items: Vec<(Prop, Value<'static>, ObjId, bool)> = match kind {
        ObjType::Text => return,
        ObjType::List => doc
            .list_range(obj, ..)
            .map(|item| {
                let value = item.value.clone().into_value();
                (Prop::Seq(item.index), value, item.id(), item.conflict)
            })
            .collect(),
        ObjType::Map | ObjType::Table => doc
            .map_range(obj, ..)
            .map(|item| {
                let value = item.value.clone().into_value();
                let prop = Prop::Map(item.key.clone().into_owned());
                (prop, value, item.id(), item.conflict)
            })
            .collect(),
    };
    for (prop, value, id, conflict) in items {
        let key: Key<'static> = read::key(prop.clone());
        let path = path.join(key);
        if conflict {
            let values = doc.get_all(obj, prop).unwrap_or_default();
            found.push(FieldConflict {
                path: path.clone(),
                values: values
                    .iter()
                    .filter_map(|(value, id)| {
                        Some((read::value(doc, value, id, None), author(id)?))
                    })
                    .collect(),
            });
        }
        if let Value::Object(kind) = value {
            walk(doc, &id, kind, &path, found);
        }
    }
}

fn author(id: &ObjId) -> Option<ActorParts> {
    match id {
        ObjId::Root => None,
        ObjId::Id(_, actor, _) => Some(ActorParts::from_bytes(actor_bytes(actor)?)),
    }
}
