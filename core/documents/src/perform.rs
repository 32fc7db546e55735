//! Does an action in an open transaction.
use automerge::transaction::{OwnedTransaction, Transactable};
use automerge::{ObjId, ObjType, ROOT, ReadDoc};

use crate::limits::{
    MAX_BURST_COST, MAX_CHANGE_OPS, MAX_COUNTER, MAX_DEPTH, MAX_INCREMENT, MAX_KEY_BYTES,
};
use crate::view::byte_at;
use crate::{Action, DocType, Error, Key, Node, Path, Scalar, read};

/// A text that was found by its path.
#[derive(Debug)]
struct Slot {
    path: Path<'static>,
    obj: ObjId,
    /// Its length now, in UTF-16 code units.
    len: usize,
    /// No character takes two units, so every position lies between characters.
    is_narrow: bool,
    /// Edited since the view was brought up to date.
    is_dirty: bool,
}

/// The texts that are being edited, and what of the document has changed since the
/// view was brought up to date.
#[derive(Debug)]
pub(crate) struct Fields {
    doc_type: DocType,
    slots: Vec<Slot>,
    dirty: Vec<String>,
}

impl Fields {
    pub fn new(doc_type: DocType) -> Self {
        Self {
            doc_type,
            slots: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// Forgets what it knows of texts: something else may stand at their paths.
    pub fn forget(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            if slot.is_dirty {
                self.mark(&slot.path);
            }
        }
    }

    /// The fields of the root that the view has to read again.
    pub fn take_dirty(&mut self) -> Vec<String> {
        for slot in &mut self.slots {
            if std::mem::take(&mut slot.is_dirty)
                && let Some(Key::Name(name)) = slot.path.keys().first()
                && !self.dirty.iter().any(|known| known == name)
            {
                self.dirty.push(name.to_string());
            }
        }
        std::mem::take(&mut self.dirty)
    }

    fn mark(&mut self, path: &Path<'_>) {
        if let Some(Key::Name(name)) = path.keys().first()
            && !self.dirty.iter().any(|known| known == name)
        {
            self.dirty.push(name.to_string());
        }
    }

    fn text(&mut self, tx: &OwnedTransaction, path: &Path<'_>) -> Result<&mut Slot, Error> {
        let at = match self.slots.iter().position(|slot| slot.path == *path) {
            Some(at) => at,
            None => {
                let (obj, kind) = read::resolve(tx, path.keys())?;
                if kind != ObjType::Text {
                    return Err(Error::NoSuchField);
                }
                let text = tx.text(&obj).map_err(|_| Error::NoSuchField)?;
                self.slots.push(Slot {
                    path: path.to_owned(),
                    obj,
                    len: read::units(&text),
                    is_narrow: !has_wide(&text),
                    is_dirty: false,
                });
                self.slots.len() - 1
            }
        };
        Ok(&mut self.slots[at])
    }

    /// Does `action`; nothing is changed if it fails.
    pub fn perform(&mut self, tx: &mut OwnedTransaction, action: &Action<'_>) -> Result<(), Error> {
        if let Action::TextSplice {
            path,
            pos,
            delete,
            insert,
        } = action
        {
            let slot = self.text(tx, path)?;
            let end = pos.checked_add(*delete).ok_or(Error::OutOfRange)?;
            if end > slot.len || !(slot.is_narrow || on_boundaries(tx, slot, *pos, end)) {
                return Err(Error::OutOfRange);
            }
            let delete = isize::try_from(*delete).map_err(|_| Error::OutOfRange)?;
            tx.splice_text(&slot.obj, *pos, delete, insert)
                .map_err(|_| Error::Internal("splice"))?;
            slot.len = slot.len - (end - pos) + read::units(insert);
            slot.is_narrow &= !has_wide(insert);
            slot.is_dirty = true;
            if !path.is_stable() {
                self.forget();
            }
            return Ok(());
        }
        perform_rare(tx, self.doc_type, action)?;
        let (Action::PutField { path, .. }
        | Action::DeleteField { path }
        | Action::TextSplice { path, .. }
        | Action::ListInsert { path, .. }
        | Action::ListDelete { path, .. }
        | Action::Increment { path, .. }) = action;
        self.mark(path);
        self.forget();
        Ok(())
    }
}

/// Whether a character lies outside of the basic plane: it takes two units.
fn has_wide(text: &str) -> bool {
    // Such a character takes four bytes: one letter of Khmer or English is below.
    text.len() >= 4 && text.chars().any(|character| character.len_utf16() > 1)
}

fn on_boundaries(tx: &OwnedTransaction, slot: &Slot, start: usize, end: usize) -> bool {
    tx.text(&slot.obj)
        .is_ok_and(|text| byte_at(&text, start).is_some() && byte_at(&text, end).is_some())
}

/// The actions that are not typing.
fn perform_rare(
    tx: &mut OwnedTransaction,
    doc_type: DocType,
    action: &Action<'_>,
) -> Result<(), Error> {
    const REFUSED: Error = Error::Internal("action");
    match action {
        Action::TextSplice { .. } => Ok(()),
        Action::PutField { path, value } => {
            check_value(path, value)?;
            let (obj, key) = field(tx, doc_type, path)?;
            if matches!(key, Key::Index(_)) {
                existing(tx, &obj, key)?;
            }
            match value.as_ref() {
                Node::Scalar(value) => tx.put(&obj, read::prop(key), read::scalar(value)),
                tree => tx
                    .put_object(&obj, read::prop(key), object_type(tree))
                    .and_then(|made| fill(tx, &made, tree)),
            }
            .map_err(|_| REFUSED)
        }
        Action::DeleteField { path } => {
            let (obj, key) = field(tx, doc_type, path)?;
            existing(tx, &obj, key)?;
            tx.delete(&obj, read::prop(key)).map_err(|_| REFUSED)
        }
        Action::ListInsert { path, index, value } => {
            check_value(path, value)?;
            let list = list(tx, path)?;
            if *index > tx.length(&list) {
                return Err(Error::OutOfRange);
            }
            insert(tx, &list, *index, value).map_err(|_| REFUSED)
        }
        Action::ListDelete { path, index, count } => {
            let list = list(tx, path)?;
            let end = index.checked_add(*count).ok_or(Error::OutOfRange)?;
            if end > tx.length(&list) {
                return Err(Error::OutOfRange);
            }
            for _ in 0..*count {
                tx.delete(&list, *index).map_err(|_| REFUSED)?;
            }
            Ok(())
        }
        Action::Increment { path, by } => {
            if !(-MAX_INCREMENT..=MAX_INCREMENT).contains(by) {
                return Err(Error::TooLarge("increment"));
            }
            let (obj, key) = field(tx, doc_type, path)?;
            tx.increment(&obj, read::prop(key), *by)
                .map_err(|_| Error::NoSuchField)
        }
    }
}

/// The map or list that holds a field, and the last step to it.
fn field<'p>(
    tx: &OwnedTransaction,
    doc_type: DocType,
    path: &'p Path<'p>,
) -> Result<(ObjId, &'p Key<'p>), Error> {
    let (key, around) = path.keys().split_last().ok_or(Error::NoSuchField)?;
    let (obj, kind) = read::resolve(tx, around)?;
    match (kind, key) {
        (ObjType::Map, Key::Name(name)) if obj == ROOT && doc_type.is_fixed(name) => {
            Err(Error::NoSuchField)
        }
        (ObjType::Map, Key::Name(name)) if name.is_empty() => Err(Error::NoSuchField),
        (ObjType::Map, Key::Name(name)) if name.len() > MAX_KEY_BYTES => {
            Err(Error::TooLarge("key"))
        }
        (ObjType::Map, Key::Name(_)) | (ObjType::List, Key::Index(_)) => Ok((obj, key)),
        _ => Err(Error::NoSuchField),
    }
}

fn existing(tx: &OwnedTransaction, obj: &ObjId, key: &Key<'_>) -> Result<(), Error> {
    match tx.get(obj, read::prop(key)) {
        Ok(Some(_)) => Ok(()),
        _ => Err(Error::NoSuchField),
    }
}

fn list(tx: &OwnedTransaction, path: &Path<'_>) -> Result<ObjId, Error> {
    match read::resolve(tx, path.keys())? {
        (list, ObjType::List) => Ok(list),
        _ => Err(Error::NoSuchField),
    }
}

/// Refuses what others would refuse of us.
fn check_value(path: &Path<'_>, value: &Node) -> Result<(), Error> {
    if path.keys().len() + value.depth() > MAX_DEPTH {
        return Err(Error::TooLarge("depth"));
    }
    check_tree(value)
}

fn check_tree(value: &Node) -> Result<(), Error> {
    match value {
        Node::Map(fields) => fields.iter().try_for_each(|(name, node)| {
            if name.is_empty() || name.len() > MAX_KEY_BYTES {
                return Err(Error::TooLarge("key"));
            }
            check_tree(node)
        }),
        Node::List(items) => items.iter().try_for_each(check_tree),
        Node::Scalar(Scalar::Counter(value)) if !(-MAX_COUNTER..=MAX_COUNTER).contains(value) => {
            Err(Error::TooLarge("counter"))
        }
        Node::Text(_) | Node::Scalar(_) => Ok(()),
    }
}

fn object_type(tree: &Node) -> ObjType {
    match tree {
        Node::Text(_) => ObjType::Text,
        Node::List(_) => ObjType::List,
        Node::Map(_) | Node::Scalar(_) => ObjType::Map,
    }
}

fn fill(
    tx: &mut OwnedTransaction,
    obj: &ObjId,
    tree: &Node,
) -> Result<(), automerge::AutomergeError> {
    match tree {
        Node::Scalar(_) => Ok(()),
        Node::Text(text) => tx.splice_text(obj, 0, 0, text),
        Node::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| insert(tx, obj, index, item)),
        Node::Map(fields) => fields.iter().try_for_each(|(name, node)| match node {
            Node::Scalar(value) => tx.put(obj, name.as_str(), read::scalar(value)),
            tree => {
                let made = tx.put_object(obj, name.as_str(), object_type(tree))?;
                fill(tx, &made, tree)
            }
        }),
    }
}

fn insert(
    tx: &mut OwnedTransaction,
    list: &ObjId,
    index: usize,
    value: &Node,
) -> Result<(), automerge::AutomergeError> {
    match value {
        Node::Scalar(value) => tx.insert(list, index, read::scalar(value)),
        tree => {
            let made = tx.insert_object(list, index, object_type(tree))?;
            fill(tx, &made, tree)
        }
    }
}

/// What a burst has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    ops: u64,
    bytes: usize,
}

impl Cost {
    /// The cost with one more action, unless the change would become too large for
    /// others.
    pub fn with(self, action: &Action<'_>) -> Result<Self, Error> {
        let (ops, bytes) = match action {
            // A key was pressed.
            Action::TextSplice {
                delete: 0, insert, ..
            } if insert.len() == 1 => (1, 16),
            Action::TextSplice { delete, insert, .. } => {
                let characters = insert.chars().count();
                let bytes = 16 + insert.len() + 2 * characters;
                let ops = (characters as u64).saturating_add(*delete as u64);
                (ops, bytes.saturating_add(delete.saturating_mul(8)))
            }
            Action::PutField { path, value } => {
                let (ops, bytes) = value.cost();
                (ops, bytes + last_name(path))
            }
            Action::ListInsert { value, .. } => value.cost(),
            Action::DeleteField { path } | Action::Increment { path, .. } => {
                (1, 24 + last_name(path))
            }
            Action::ListDelete { count, .. } => (*count as u64, count.saturating_mul(16)),
        };
        let sum = Self {
            ops: self.ops.saturating_add(ops),
            bytes: self.bytes.saturating_add(bytes),
        };
        if sum.ops <= MAX_CHANGE_OPS && sum.bytes <= MAX_BURST_COST {
            Ok(sum)
        } else if self.ops == 0 {
            Err(Error::TooLarge("action"))
        } else {
            Err(Error::BurstFull)
        }
    }
}

fn last_name(path: &Path<'_>) -> usize {
    match path.keys().last() {
        Some(Key::Name(name)) => name.len(),
        _ => 0,
    }
}
