//! Posts and what people make of them, guardians, what was seen.
use stunity_model::events::{
    Block, Comment, Event, Follow, GuardianAccess, Guardianship, GuardianshipEnd, Like, Moderate,
    Post, Report, Rsvp, Seen, Vote,
};
use stunity_model::social::{PostKind, check};
use stunity_proto::{AccountId, BlobId, Lane, ObjectId, SpaceId};

use crate::commands::op;
use crate::{Client, ClientError};

/// Where something social is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a course, for all its members.
    Course(SpaceId),
    /// In the account's own lane that everybody in the school may read.
    Public,
    /// In the account's own lane that its connections read.
    Connections,
}

/// A post to be written.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// Its type.
    pub kind: PostKind,
    /// The text, 1–5,000 characters.
    pub text: String,
    /// The Khmer text.
    pub text_km: Option<String>,
    /// Files, whose manifests are queued in the same lane.
    pub media: Vec<BlobId>,
    /// Hashtags, without the sign.
    pub hashtags: Vec<String>,
    /// Options of a poll or quiz.
    pub options: Vec<String>,
    /// When an event takes place, milliseconds since 1970.
    pub starts_ms: Option<u64>,
}

impl Client {
    fn place(&self, place: Place) -> (SpaceId, Lane) {
        match place {
            Place::Course(course) => (course, Lane::All),
            Place::Public => (self.me().space(), Lane::Public),
            Place::Connections => (self.me().space(), Lane::Connections),
        }
    }

    /// Writes a post.
    ///
    /// # Errors
    /// What its type asks for and it has not (`post.…-missing`), `post.too-many`,
    /// `text.length`, or the store's.
    pub fn post(&mut self, place: Place, new: NewPost) -> Result<ObjectId, ClientError> {
        let post = self.random_object();
        let event = Post {
            post,
            kind: new.kind.code(),
            text: new.text,
            text_km: new.text_km,
            media: new.media,
            hashtags: new.hashtags,
            options: new.options,
            starts_ms: new.starts_ms,
        };
        check(&event).map_err(ClientError::Invalid)?;
        if !(1..=5_000).contains(&event.text.chars().count()) {
            return Err(ClientError::Invalid("text.length"));
        }
        let (space, lane) = self.place(place);
        self.enqueue(&[op(space, lane, event, Some(post))])?;
        Ok(post)
    }

    /// Says something about something, or answers a comment.
    ///
    /// # Errors
    /// The store's.
    pub fn reply(
        &mut self,
        place: Place,
        about: ObjectId,
        parent: Option<ObjectId>,
        text: &str,
    ) -> Result<ObjectId, ClientError> {
        let comment = self.random_object();
        let event = Comment {
            comment,
            about,
            parent,
            text: text.to_owned(),
        };
        let (space, lane) = self.place(place);
        self.enqueue(&[op(space, lane, event, Some(comment))])?;
        Ok(comment)
    }

    fn say(&mut self, place: Place, event: impl Into<Event>) -> Result<(), ClientError> {
        let (space, lane) = self.place(place);
        self.state(space, lane, event)
    }

    /// Likes a post or comment, or takes it back.
    ///
    /// # Errors
    /// The store's.
    pub fn like(&mut self, place: Place, target: ObjectId, on: bool) -> Result<(), ClientError> {
        self.say(place, Like { target, on })
    }

    /// Votes in a poll; the last vote counts.
    ///
    /// # Errors
    /// The store's.
    pub fn vote(&mut self, place: Place, post: ObjectId, option: u64) -> Result<(), ClientError> {
        self.say(place, Vote { post, option })
    }

    /// Answers an event: 0 no, 1 yes, 2 perhaps; the last answer counts.
    ///
    /// # Errors
    /// `event.malformed` for another answer, or the store's.
    pub fn answer_event(
        &mut self,
        place: Place,
        post: ObjectId,
        answer: u8,
    ) -> Result<(), ClientError> {
        if answer > 2 {
            return Err(ClientError::Invalid("event.malformed"));
        }
        self.say(place, Rsvp { post, answer })
    }

    /// Follows an account, or ends it.
    ///
    /// # Errors
    /// The store's.
    pub fn follow(&mut self, account: AccountId, on: bool) -> Result<(), ClientError> {
        self.say(Place::Public, Follow { account, on })
    }

    /// Blocks an account, or ends it. Only the own devices know.
    ///
    /// # Errors
    /// The store's.
    pub fn block(&mut self, account: AccountId, on: bool) -> Result<(), ClientError> {
        self.state(self.me().space(), Lane::Private, Block { account, on })
    }

    /// Reports something to the staff of a course, or of the school.
    ///
    /// # Errors
    /// The store's.
    pub fn report(
        &mut self,
        course: Option<SpaceId>,
        target: ObjectId,
        reason: &str,
    ) -> Result<(), ClientError> {
        let event = Report {
            target,
            reason: reason.to_owned(),
        };
        match course {
            Some(course) => self.state(course, Lane::One(self.me()), event),
            None => self.state(self.store.school().space(), Lane::Staff, event),
        }
    }

    /// Hides or restores something: in a course by its teachers, else by the
    /// school's registrars.
    ///
    /// # Errors
    /// The store's.
    pub fn moderate(
        &mut self,
        course: Option<SpaceId>,
        target: ObjectId,
        hidden: bool,
        reason: &str,
    ) -> Result<(), ClientError> {
        let event = Moderate {
            target,
            hidden,
            reason: reason.to_owned(),
        };
        let space = course.unwrap_or(self.store.school().space());
        self.state(space, Lane::All, event)
    }

    /// Notes that notifications up to a time were seen, for all devices of the
    /// account. Going back changes nothing.
    ///
    /// # Errors
    /// The store's.
    pub fn mark_seen(&mut self, until_ms: u64) -> Result<(), ClientError> {
        if self.store.seen_until()? >= until_ms {
            return Ok(());
        }
        self.state(self.me().space(), Lane::Private, Seen { until_ms })
    }

    /// Names a guardian of a child until a time: by the school's registrars. The
    /// guardian reads once the child or the school consents.
    ///
    /// # Errors
    /// `guardian.self`, or the store's.
    pub fn name_guardian(
        &mut self,
        guardian: AccountId,
        child: AccountId,
        until_ms: u64,
    ) -> Result<(), ClientError> {
        if guardian == child {
            return Err(ClientError::Invalid("guardian.self"));
        }
        let event = Guardianship {
            guardian,
            child,
            until_ms,
        };
        self.about_child(child, event)
    }

    /// Ends a guardianship at once.
    ///
    /// # Errors
    /// The store's.
    pub fn end_guardianship(
        &mut self,
        guardian: AccountId,
        child: AccountId,
    ) -> Result<(), ClientError> {
        self.about_child(child, GuardianshipEnd { guardian, child })
    }

    /// Lets a guardian read, or suspends it: the child's word or the school's.
    ///
    /// # Errors
    /// The store's.
    pub fn set_guardian_access(
        &mut self,
        guardian: AccountId,
        child: AccountId,
        open: bool,
    ) -> Result<(), ClientError> {
        let event = GuardianAccess {
            guardian,
            child,
            open,
        };
        self.about_child(child, event)
    }

    /// In the school's lane that the child sees.
    fn about_child(
        &mut self,
        child: AccountId,
        event: impl Into<Event>,
    ) -> Result<(), ClientError> {
        self.state(self.store.school().space(), Lane::One(child), event)
    }
}
