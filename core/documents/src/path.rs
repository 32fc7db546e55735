//! Where a field is.
use std::borrow::Cow;
use std::fmt;

/// One step from the root of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// The field of a map.
    Name(Cow<'a, str>),
    /// The element of a list.
    Index(usize),
}

/// The steps from the root to a field.
///
/// ```
/// use stunity_documents::{Key, Path};
/// const SKILLS: Path<'static> = Path::field("skills");
/// assert_eq!(SKILLS.join(Key::Index(2)).to_string(), "/skills/2");
/// ```
#[derive(Clone, Debug)]
pub struct Path<'a>(Keys<'a>);

/// Not a `Cow`: that would make a path invariant, so that none could be compared with
/// one of another lifetime.
#[derive(Clone, Debug)]
enum Keys<'a> {
    One([Key<'a>; 1]),
    Borrowed(&'a [Key<'a>]),
    Owned(Vec<Key<'a>>),
}

impl<'a> Key<'a> {
    /// A step into a map.
    #[must_use]
    pub const fn name(name: &'a str) -> Self {
        Self::Name(Cow::Borrowed(name))
    }

    /// The same step, with nothing borrowed.
    #[must_use]
    pub fn into_owned(self) -> Key<'static> {
        match self {
            Self::Name(name) => Key::Name(Cow::Owned(name.into_owned())),
            Self::Index(index) => Key::Index(index),
        }
    }
}

impl<'a> Path<'a> {
    /// The path of a field of the root.
    #[must_use]
    pub const fn field(name: &'a str) -> Self {
        Self(Keys::One([Key::name(name)]))
    }

    /// A path by its steps.
    #[must_use]
    pub const fn new(keys: &'a [Key<'a>]) -> Self {
        Self(Keys::Borrowed(keys))
    }

    /// The steps.
    #[must_use]
    pub fn keys(&self) -> &[Key<'a>] {
        match &self.0 {
            Keys::One(key) => key,
            Keys::Borrowed(keys) => keys,
            Keys::Owned(keys) => keys,
        }
    }

    /// The same path, with nothing borrowed.
    #[must_use]
    pub fn to_owned(&self) -> Path<'static> {
        let keys: Vec<_> = self.keys().iter().cloned().map(Key::into_owned).collect();
        keys.into()
    }

    /// This path and one more step.
    #[must_use]
    pub fn join(&self, key: Key<'a>) -> Self {
        let keys: Vec<_> = self.keys().iter().cloned().chain([key]).collect();
        keys.into()
    }

    /// Whether all steps are names: then moving elements of lists leaves it valid.
    pub(crate) fn is_stable(&self) -> bool {
        self.keys().iter().all(|key| matches!(key, Key::Name(_)))
    }
}

impl<'a> From<Vec<Key<'a>>> for Path<'a> {
    fn from(keys: Vec<Key<'a>>) -> Self {
        Self(Keys::Owned(keys))
    }
}

impl PartialEq<Path<'_>> for Path<'_> {
    fn eq(&self, other: &Path<'_>) -> bool {
        self.keys() == other.keys()
    }
}

impl Eq for Path<'_> {}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in self.keys() {
            match key {
                Key::Name(name) => write!(f, "/{name}")?,
                Key::Index(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}
