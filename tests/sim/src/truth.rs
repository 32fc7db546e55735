//! What people really did: what the databases are compared with.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{AccountId, DocId, Lane, ObjectId, SpaceId};
use stunity_store::ItemId;

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Handed work in, from a draft that stays or not.
    Submission {
        assignment: ObjectId,
        is_draft: bool,
    },
    /// Said something.
    Comment { about: ObjectId, lane: Lane },
    /// Graded.
    Grade {
        assignment: ObjectId,
        student: AccountId,
        points: u64,
    },
    /// Published an assignment.
    Assignment { due_ms: Option<u64> },
    /// Published a lesson.
    Lesson,
    /// Gave more time.
    Extension {
        assignment: ObjectId,
        student: AccountId,
        due_ms: u64,
    },
    /// Typed into a document.
    Text { doc: DocId },
}

/// One deed, with a word in it that nothing else has.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The word.
    pub token: String,
    /// The device's number.
    pub device: usize,
    /// Who did it.
    pub author: AccountId,
    /// When, by the world's clock.
    pub at_ms: u64,
    /// Where.
    pub space: SpaceId,
    /// What.
    pub what: What,
    /// The item that carries it.
    pub item: Option<ItemId>,
    /// Whether the app said that it was done, and nothing took that back: a restored
    /// phone knows nothing of what was done after the copy.
    pub is_sure: bool,
    /// The device that erased it, if nothing took that back.
    pub erased_by: Option<usize>,
    /// Erased by a device that was then revoked, so that to whom the revocation came
    /// first it stands there still; or forgotten by a phone that was restored, though
    /// somebody may have it by parcel.
    pub is_disputed: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Truth {
    /// Deeds in order.
    pub deeds: Vec<Deed>,
    /// The courses.
    pub courses: Vec<SpaceId>,
    /// Who teaches where.
    pub staff: BTreeSet<(SpaceId, AccountId)>,
    /// Pupils by course.
    pub pupils: BTreeSet<(SpaceId, AccountId)>,
    /// Pupils who left a course at some time: what they still hold is theirs.
    pub left: BTreeSet<(SpaceId, AccountId)>,
    /// The pupil whom a teacher has removed from a course.
    pub removed: Option<(SpaceId, AccountId)>,
    /// The lesson that the teachers write together.
    pub lesson: Option<DocId>,
    /// Devices' owners by account, for the words of failures.
    pub names: BTreeMap<AccountId, String>,
    /// Words of what nobody may do: never seen as something that counts.
    pub forged: BTreeSet<String>,
    next: u64,
}

impl Truth {
    /// A word that nothing has yet.
    pub fn token(&mut self) -> String {
        self.next += 1;
        format!("«{}»", self.next)
    }

    /// Deeds by their words.
    #[must_use]
    pub fn by_token(&self) -> BTreeMap<&str, &Deed> {
        self.deeds
            .iter()
            .map(|deed| (deed.token.as_str(), deed))
            .collect()
    }

    /// The name of an account's owner.
    #[must_use]
    pub fn name(&self, account: AccountId) -> &str {
        self.names.get(&account).map_or("?", String::as_str)
    }
}

/// The words in a text.
pub fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find('«') {
        rest = &rest[begin..];
        let Some(end) = rest.find('»') else { break };
        let end = end + '»'.len_utf8();
        out.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    out
}
