//! The first change of every document: the same bytes on every device, so that two
//! devices that make "the same" document offline share its objects.
use crate::DocType;
use automerge::{Change, ChangeHash};

/// The field that tells types apart; without it types of equal fields would share
/// one genesis.
pub const TYPE_FIELD: &str = "type";

/// The bytes of a type's genesis change. Golden: they are never edited, since every
/// document rests on them.
#[must_use]
pub fn genesis_bytes(doc_type: DocType) -> &'static [u8] {
    match doc_type {
        DocType::Lesson => include_bytes!("../golden/1-lesson.genesis"),
        DocType::Article => include_bytes!("../golden/2-article.genesis"),
        DocType::Draft => include_bytes!("../golden/3-draft.genesis"),
        DocType::GroupDraft => include_bytes!("../golden/4-group-draft.genesis"),
        DocType::Profile => include_bytes!("../golden/5-profile.genesis"),
        DocType::CourseDescription => include_bytes!("../golden/6-course-description.genesis"),
        DocType::AssignmentDescription => {
            include_bytes!("../golden/7-assignment-description.genesis")
        }
        DocType::NameCard => include_bytes!("../golden/8-name-card.genesis"),
    }
}

/// The hash of a type's genesis change.
#[must_use]
pub fn genesis_hash(doc_type: DocType) -> ChangeHash {
    genesis_change(doc_type).hash()
}

pub(crate) fn genesis_change(doc_type: DocType) -> Change {
    Change::from_bytes(genesis_bytes(doc_type).to_vec())
        .expect("golden bytes, which a test regenerates")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use automerge::transaction::{CommitOptions, Transactable};
    use automerge::{Automerge, ObjType, ROOT};

    use super::*;
    use crate::actor::GENESIS_ACTOR;
    use crate::{FieldKind, TEXT_ENCODING};

    /// Makes the genesis as it was made once. Time 0 and no message, since both are
    /// part of the bytes.
    fn regenerate(doc_type: DocType) -> Vec<u8> {
        let mut doc = Automerge::new_with_encoding(TEXT_ENCODING).with_actor(GENESIS_ACTOR.into());
        let mut tx = doc.transaction();
        tx.put(ROOT, TYPE_FIELD, i64::from(doc_type.code()))
            .unwrap();
        for &(name, kind) in doc_type.fields() {
            match kind {
                FieldKind::Text => drop(tx.put_object(ROOT, name, ObjType::Text).unwrap()),
                FieldKind::Map => drop(tx.put_object(ROOT, name, ObjType::Map).unwrap()),
                FieldKind::List => drop(tx.put_object(ROOT, name, ObjType::List).unwrap()),
                FieldKind::String => tx.put(ROOT, name, "").unwrap(),
                FieldKind::Visibility => tx.put(ROOT, name, "PRIVATE").unwrap(),
            }
        }
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    #[test]
    fn genesis_is_regenerated_to_the_same_bytes() {
        for doc_type in DocType::ALL {
            assert_eq!(
                regenerate(doc_type),
                genesis_bytes(doc_type),
                "{doc_type:?}"
            );
        }
    }

    #[test]
    fn every_type_has_a_genesis_of_its_own() {
        let hashes: BTreeSet<_> = DocType::ALL.into_iter().map(genesis_hash).collect();
        assert_eq!(hashes.len(), DocType::ALL.len());
    }

    #[test]
    fn the_lesson_genesis_has_the_hash_it_was_born_with() {
        assert_eq!(
            genesis_hash(DocType::Lesson).to_string(),
            "d2dbab8df9bc6949ac36d8fb9a90dc6e6d5653e7f170dc9fedab02eaba3b378e"
        );
    }
}
