//! A document as a screen shows it.
use std::collections::BTreeMap;

use automerge::{ObjId, ObjType, Patch as AutomergePatch, PatchAction, ROOT, ReadDoc};
use minicbor::Decoder;

use crate::{Error, Key, Node, Path, read};

/// The plain value of a document: cheap to read, and stored beside it, so that the
/// first screen needs no Automerge.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    root: Node,
}

/// What a received change does to the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// A text has changed here: an editor moves its cursor by this.
    Text {
        /// The text.
        path: Path<'static>,
        /// Where, in UTF-16 code units.
        pos: usize,
        /// How much is gone, in UTF-16 code units.
        delete: usize,
        /// What then stands at `pos`.
        insert: String,
    },
    /// This field, or something in it, has another value.
    Field {
        /// The field.
        path: Path<'static>,
    },
}

impl Default for View {
    fn default() -> Self {
        Self {
            root: Node::Map(BTreeMap::new()),
        }
    }
}

impl View {
    pub(crate) fn of<R: ReadDoc>(doc: &R) -> Self {
        Self {
            root: read::root(doc),
        }
    }

    /// The root: always a map.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The value at a path.
    #[must_use]
    pub fn get(&self, path: &Path<'_>) -> Option<&Node> {
        path.keys()
            .iter()
            .try_fold(&self.root, |node, key| match (node, key) {
                (Node::Map(fields), Key::Name(name)) => fields.get(name.as_ref()),
                (Node::List(items), Key::Index(index)) => items.get(*index),
                _ => None,
            })
    }

    /// The characters of a text or string at the root.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.root.get(name)?.as_str()
    }

    /// The one CBOR encoding of this view.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.root.encode(&mut out);
        out
    }

    /// Reads a stored view.
    ///
    /// # Errors
    /// [`Error::DamagedView`] for anything that [`View::to_cbor`] does not write.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, Error> {
        let mut r = Decoder::new(bytes);
        match Node::decode(&mut r) {
            Ok(root @ Node::Map(_)) if r.position() == bytes.len() => Ok(Self { root }),
            _ => Err(Error::DamagedView),
        }
    }

    /// Brings a field of the root up to date.
    pub(crate) fn refresh<R: ReadDoc>(&mut self, doc: &R, name: &str) {
        let Node::Map(fields) = &mut self.root else {
            return;
        };
        match doc.get(ROOT, name) {
            Ok(Some((value, id))) => {
                fields.insert(name.to_owned(), read::value(doc, &value, &id, None));
            }
            _ => {
                fields.remove(name);
            }
        }
    }

    /// Brings the view up to date after a change. `doc` has the change.
    pub(crate) fn apply<R: ReadDoc>(&mut self, doc: &R, patches: &[Patch]) {
        // Each splice walks through its text; reading it anew does so once.
        const MANY: usize = 32;
        let mut refreshed: Vec<&str> = Vec::new();
        for patch in patches {
            let (Patch::Text { path, .. } | Patch::Field { path }) = patch;
            let Some(Key::Name(name)) = path.keys().first() else {
                *self = Self::of(doc);
                return;
            };
            // What was read anew has all of the change in it.
            if refreshed.contains(&name.as_ref()) {
                continue;
            }
            let spliced = match patch {
                Patch::Text {
                    pos,
                    delete,
                    insert,
                    ..
                } if patches.len() <= MANY => self.splice(path, *pos, *delete, insert),
                _ => false,
            };
            if !spliced {
                self.refresh(doc, name);
                refreshed.push(name);
            }
        }
    }

    fn splice(&mut self, path: &Path<'_>, pos: usize, delete: usize, insert: &str) -> bool {
        let text = path
            .keys()
            .iter()
            .try_fold(&mut self.root, |node, key| match (node, key) {
                (Node::Map(fields), Key::Name(name)) => fields.get_mut(name.as_ref()),
                (Node::List(items), Key::Index(index)) => items.get_mut(*index),
                _ => None,
            });
        let Some(Node::Text(text)) = text else {
            return false;
        };
        let Some(start) = byte_at(text, pos) else {
            return false;
        };
        let Some(end) = byte_at(&text[start..], delete) else {
            return false;
        };
        text.replace_range(start..start + end, insert);
        true
    }
}

/// The byte at which a UTF-16 position lies; none if it is outside of the text or
/// inside a character.
pub(crate) fn byte_at(text: &str, units: usize) -> Option<usize> {
    let mut passed = 0;
    for (byte, character) in text.char_indices() {
        if passed >= units {
            return (passed == units).then_some(byte);
        }
        passed += character.len_utf16();
    }
    (passed == units).then_some(text.len())
}

/// Automerge's patches in this crate's words. Their order counts: each holds after
/// those before it.
pub(crate) fn patches<R: ReadDoc>(doc: &R, from: Vec<AutomergePatch>) -> Vec<Patch> {
    let mut out: Vec<Patch> = Vec::with_capacity(from.len());
    for patch in from {
        let is_text = doc.object_type(&patch.obj) == Ok(ObjType::Text);
        let path = steps(patch.path);
        let patch = match patch.action {
            PatchAction::SpliceText { index, value, .. } => Patch::Text {
                path,
                pos: index,
                delete: 0,
                insert: value.make_string(),
            },
            PatchAction::DeleteSeq { index, length } if is_text => Patch::Text {
                path,
                pos: index,
                delete: length,
                insert: String::new(),
            },
            PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } => Patch::Field {
                path: path.join(Key::Name(key.into())),
            },
            PatchAction::Increment { prop, .. } | PatchAction::Conflict { prop } => Patch::Field {
                path: path.join(read::key(prop)),
            },
            PatchAction::PutSeq { .. }
            | PatchAction::Insert { .. }
            | PatchAction::DeleteSeq { .. }
            | PatchAction::Mark { .. } => Patch::Field { path },
        };
        // Elements of one list come one by one.
        if matches!(patch, Patch::Text { .. }) || out.last() != Some(&patch) {
            out.push(patch);
        }
    }
    out
}

fn steps(path: Vec<(ObjId, automerge::Prop)>) -> Path<'static> {
    path.into_iter()
        .map(|(_, prop)| read::key(prop))
        .collect::<Vec<_>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_inside_a_character_is_none() {
        let text = "a😀ក";
        let at: Vec<_> = (0..=5).map(|units| byte_at(text, units)).collect();
        assert_eq!(at, [Some(0), Some(1), None, Some(5), Some(8), None]);
    }

    #[test]
    fn a_stored_view_is_a_map_and_nothing_more() {
        let view = View::default();
        assert_eq!(View::from_cbor(&view.to_cbor()), Ok(view));
        assert_eq!(View::from_cbor(&[0x80]), Err(Error::DamagedView));
        assert_eq!(View::from_cbor(&[0xa0, 0]), Err(Error::DamagedView));
        assert_eq!(View::from_cbor(&[]), Err(Error::DamagedView));
    }
}
