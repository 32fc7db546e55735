//! Posts and what people make of them.
use crate::events::Post;

/// The types of posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// Text.
    Text,
    /// Pictures.
    Image,
    /// A video.
    Video,
    /// Options to vote for.
    Poll,
    /// Options to answer with; which is right is for talking about it.
    Quiz,
    /// A longer text.
    Article,
    /// Something that takes place.
    Event,
}

impl PostKind {
    /// All, by their codes.
    pub const ALL: [Self; 7] = [
        Self::Text,
        Self::Image,
        Self::Video,
        Self::Poll,
        Self::Quiz,
        Self::Article,
        Self::Event,
    ];

    /// The code in events.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// From the code in events.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Image => "IMAGE",
            Self::Video => "VIDEO",
            Self::Poll => "POLL",
            Self::Quiz => "QUIZ",
            Self::Article => "ARTICLE",
            Self::Event => "EVENT",
        }
    }
}

/// Media and hashtags of a post, each.
pub const MAX_EACH: usize = 10;

/// What a post of its type must have.
///
/// # Errors
/// A stable code.
pub fn check(e: &Post) -> Result<(), &'static str> {
    let kind = PostKind::from_code(e.kind).ok_or("event.malformed")?;
    if e.media.len() > MAX_EACH || e.hashtags.len() > MAX_EACH || e.options.len() > MAX_EACH {
        return Err("post.too-many");
    }
    match kind {
        PostKind::Image | PostKind::Video if e.media.is_empty() => Err("post.media-missing"),
        PostKind::Poll | PostKind::Quiz if e.options.len() < 2 => Err("post.options-missing"),
        PostKind::Event if e.starts_ms.is_none() => Err("post.time-missing"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stunity_proto::{BlobId, ObjectId};

    #[test]
    fn each_type_of_post_needs_what_makes_it_one() {
        let post = |kind: PostKind, media: usize, options: usize, starts_ms| Post {
            post: ObjectId([1; 16]),
            kind: kind.code(),
            text: "text".into(),
            text_km: None,
            media: vec![BlobId([1; 32]); media],
            hashtags: vec![],
            options: vec!["a".into(); options],
            starts_ms,
        };
        use PostKind::*;
        for kind in [Text, Article] {
            assert_eq!(check(&post(kind, 0, 0, None)), Ok(()));
        }
        for kind in [Image, Video] {
            assert_eq!(check(&post(kind, 1, 0, None)), Ok(()));
            assert_eq!(check(&post(kind, 0, 0, None)), Err("post.media-missing"));
        }
        for kind in [Poll, Quiz] {
            assert_eq!(check(&post(kind, 0, 2, None)), Ok(()));
            assert_eq!(check(&post(kind, 0, 1, None)), Err("post.options-missing"));
        }
        assert_eq!(check(&post(Event, 0, 0, Some(1))), Ok(()));
        assert_eq!(check(&post(Event, 0, 0, None)), Err("post.time-missing"));
        assert_eq!(check(&post(Text, 11, 0, None)), Err("post.too-many"));
        let mut unknown = post(Text, 0, 0, None);
        unknown.kind = 7;
        assert_eq!(check(&unknown), Err("event.malformed"));
        for kind in PostKind::ALL {
            assert_eq!(PostKind::from_code(kind.code()), Some(kind));
        }
    }
}
