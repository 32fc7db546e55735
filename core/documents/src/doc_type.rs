//! The types of documents and the fields that each is born with.
use crate::Error;

/// What a field is at birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text that several may type into at once.
    Text,
    /// Fields by name, open to new ones.
    Map,
    /// A sequence.
    List,
    /// A short string that is replaced as a whole: `""`.
    String,
    /// A field that a reader treats as private until it says otherwise:
    /// `"PRIVATE"`, since profiles of minors begin so.
    Visibility,
}

/// A type of document. Codes are stable: they stand in signed entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum DocType {
    /// A lesson of a course.
    Lesson = 1,
    /// An article of a person.
    Article = 2,
    /// A student's work before it is handed in.
    Draft = 3,
    /// Work of a group before it is handed in.
    GroupDraft = 4,
    /// What a person says about herself.
    Profile = 5,
    /// The description of a course.
    CourseDescription = 6,
    /// The description of an assignment. Due date, points and rubric are not in it:
    /// they are frozen in the publish event.
    AssignmentDescription = 7,
    /// Name and picture, where a course shows its class list.
    NameCard = 8,
}

use FieldKind::{List, Map, String, Text, Visibility};

impl DocType {
    /// All types, by code.
    pub const ALL: [Self; 8] = [
        Self::Lesson,
        Self::Article,
        Self::Draft,
        Self::GroupDraft,
        Self::Profile,
        Self::CourseDescription,
        Self::AssignmentDescription,
        Self::NameCard,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The fields of the genesis change, in the order in which it makes them.
    /// A field that comes later is made by who first needs it: the genesis never
    /// changes.
    #[must_use]
    pub const fn fields(self) -> &'static [(&'static str, FieldKind)] {
        match self {
            Self::Lesson => &[
                ("title", Text),
                ("titleKh", Text),
                ("body", Text),
                ("bodyKh", Text),
                ("meta", Map),
                ("resources", List),
            ],
            Self::Article => &[
                ("title", Text),
                ("titleKh", Text),
                ("body", Text),
                ("bodyKh", Text),
                ("meta", Map),
                ("media", List),
                ("hashtags", List),
            ],
            Self::Draft | Self::GroupDraft => {
                &[("body", Text), ("fields", Map), ("attachments", List)]
            }
            Self::Profile => &[
                ("firstName", String),
                ("lastName", String),
                ("bio", Text),
                ("details", Map),
                ("skills", List),
                ("interests", List),
                ("education", List),
                ("experience", List),
                ("profileVisibility", Visibility),
                ("activityVisibility", Visibility),
            ],
            Self::CourseDescription => &[
                ("title", Text),
                ("titleKh", Text),
                ("description", Text),
                ("descriptionKh", Text),
                ("meta", Map),
            ],
            Self::AssignmentDescription => &[
                ("title", Text),
                ("titleKh", Text),
                ("instructions", Text),
                ("instructionsKh", Text),
                ("meta", Map),
                ("resources", List),
            ],
            Self::NameCard => &[
                ("firstName", String),
                ("lastName", String),
                ("firstNameKh", String),
                ("lastNameKh", String),
                ("meta", Map),
            ],
        }
    }
}

impl DocType {
    /// Whether a field of the root stays what the genesis made of it: the type, and
    /// the texts, maps and lists. What is in them may change; if one could be put in
    /// place of another, two devices would type into different texts.
    #[must_use]
    pub fn is_fixed(self, name: &str) -> bool {
        name == crate::TYPE_FIELD
            || self
                .fields()
                .iter()
                .any(|&(field, kind)| field == name && matches!(kind, Text | Map | List))
    }
}

impl TryFrom<u16> for DocType {
    type Error = Error;

    fn try_from(code: u16) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|doc_type| doc_type.code() == code)
            .ok_or(Error::WrongType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_read_back() {
        let codes: Vec<u16> = DocType::ALL.iter().map(|t| t.code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8]);
        for doc_type in DocType::ALL {
            assert_eq!(DocType::try_from(doc_type.code()), Ok(doc_type));
        }
        assert_eq!(DocType::try_from(0), Err(Error::WrongType));
        assert_eq!(DocType::try_from(9), Err(Error::WrongType));
    }
}
