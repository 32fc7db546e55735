//! Reads plain values from Automerge and resolves paths in it.
use automerge::{ChangeHash, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value};

use crate::{Error, Key, Node, Path, Scalar};

/// The value of an object, now or as of some heads.
pub(crate) fn object<R: ReadDoc>(
    doc: &R,
    obj: &ObjId,
    kind: ObjType,
    at: Option<&[ChangeHash]>,
) -> Node {
    match kind {
        ObjType::Text => Node::Text(
            match at {
                Some(heads) => doc.text_at(obj, heads),
                None => doc.text(obj),
            }
            .unwrap_or_default(),
        ),
        ObjType::List => {
            let items = match at {
                Some(heads) => doc.list_range_at(obj, .., heads),
                None => doc.list_range(obj, ..),
            };
            Node::List(
                items
                    .map(|item| value(doc, &item.value.clone().into_value(), &item.id(), at))
                    .collect(),
            )
        }
        ObjType::Map | ObjType::Table => {
            let fields = match at {
                Some(heads) => doc.map_range_at(obj, .., heads),
                None => doc.map_range(obj, ..),
            };
            Node::Map(
                fields
                    .map(|field| {
                        let node = value(doc, &field.value.clone().into_value(), &field.id(), at);
                        (field.key.into_owned(), node)
                    })
                    .collect(),
            )
        }
    }
}

/// The value that a field or element has.
pub(crate) fn value<R: ReadDoc>(
    doc: &R,
    value: &Value<'_>,
    id: &ObjId,
    at: Option<&[ChangeHash]>,
) -> Node {
    match value {
        Value::Object(kind) => object(doc, id, *kind, at),
        Value::Scalar(scalar) => Node::Scalar(match scalar.as_ref() {
            // Changes with the last two are refused, so no document has them.
            ScalarValue::Null | ScalarValue::Uint(_) | ScalarValue::Unknown { .. } => Scalar::Null,
            ScalarValue::Boolean(value) => Scalar::Bool(*value),
            ScalarValue::Int(value) => Scalar::Int(*value),
            ScalarValue::F64(value) => Scalar::Float(*value),
            ScalarValue::Str(value) => Scalar::String(value.to_string()),
            ScalarValue::Bytes(value) => Scalar::Bytes(value.clone()),
            ScalarValue::Counter(value) => Scalar::Counter(value.into()),
            ScalarValue::Timestamp(value) => Scalar::Time(*value),
        }),
    }
}

/// A whole document.
pub(crate) fn root<R: ReadDoc>(doc: &R) -> Node {
    object(doc, &ROOT, ObjType::Map, None)
}

pub(crate) fn scalar(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Null => ScalarValue::Null,
        Scalar::Bool(value) => ScalarValue::Boolean(*value),
        Scalar::Int(value) => ScalarValue::Int(*value),
        Scalar::Float(value) => ScalarValue::F64(*value),
        Scalar::String(value) => ScalarValue::Str(value.as_str().into()),
        Scalar::Bytes(value) => ScalarValue::Bytes(value.clone()),
        Scalar::Counter(value) => ScalarValue::counter(*value),
        Scalar::Time(value) => ScalarValue::Timestamp(*value),
    }
}

pub(crate) fn prop(key: &Key<'_>) -> Prop {
    match key {
        Key::Name(name) => Prop::Map(name.to_string()),
        Key::Index(index) => Prop::Seq(*index),
    }
}

pub(crate) fn key(prop: Prop) -> Key<'static> {
    match prop {
        Prop::Map(name) => Key::Name(name.into()),
        Prop::Seq(index) => Key::Index(index),
    }
}

/// The object at a path.
pub(crate) fn resolve<R: ReadDoc>(doc: &R, keys: &[Key<'_>]) -> Result<(ObjId, ObjType), Error> {
    let mut found = (ROOT, ObjType::Map);
    for key in keys {
        if matches!(found.1, ObjType::Text) {
            return Err(Error::NoSuchField);
        }
        found = match doc.get(&found.0, prop(key)) {
            Ok(Some((Value::Object(kind), id))) => (id, kind),
            _ => return Err(Error::NoSuchField),
        };
    }
    Ok(found)
}

/// The path of an object, unless it or something around it was deleted or
/// overwritten.
pub(crate) fn path_of<R: ReadDoc>(doc: &R, obj: &ObjId) -> Option<Path<'static>> {
    let parents = doc.parents(obj).ok()?.visible_path()?;
    Some(
        parents
            .into_iter()
            .map(|(_, prop)| key(prop))
            .collect::<Vec<_>>()
            .into(),
    )
}

/// Length of a string in the units of [`crate::TEXT_ENCODING`].
pub(crate) fn units(text: &str) -> usize {
    // One byte is the common case: a key was pressed.
    if text.len() <= 1 {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}
