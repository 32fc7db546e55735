//! What people do. Each command is one transaction; it works offline and says
//! what it queued.
use stunity_model::Roles;
use stunity_model::events::{
    AssignmentPublish, ChooseGrade, Comment, Content, CourseGenesis, CoursePublish, Enrol, Event,
    Extension, Grade, Leave, LessonComplete, LessonPublish, MemberAdd, NameCard, Provenance,
    Release, Return, Submit,
};
use stunity_model::work::AssignmentKind;
use stunity_proto::{AccountId, BlobId, EntryId, Kind, Lane, ObjectId, SpaceId};
use stunity_store::{ItemId, PendingOp};

use crate::{Client, ClientError};

/// A course to be made.
#[derive(Clone, Debug, Default)]
pub struct NewCourse {
    /// Title.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// Description.
    pub description: String,
    /// Anyone in the school may enrol.
    pub open: bool,
    /// A phone's own interval counts for timeliness.
    pub counts_attested: bool,
    /// Grades written through an API count.
    pub counts_api_grades: bool,
}

/// An assignment to be published.
#[derive(Clone, Debug, Default)]
pub struct NewAssignment {
    /// Title.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// What is to be done.
    pub text: String,
    /// Most points, in hundredths.
    pub max_points: u64,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    pub grace_ms: u64,
    /// Attempts; 0 for any number.
    pub attempts: u64,
    /// What is to be handed in; a quiz is published by [`Client::publish_quiz`].
    pub kind: AssignmentKind,
}

/// A piece of work to hand in.
#[derive(Clone, Debug)]
pub struct Work {
    /// The course.
    pub course: SpaceId,
    /// The assignment.
    pub assignment: ObjectId,
    /// Which attempt, from 1.
    pub attempt: u64,
    /// The work, or its web address.
    pub text: String,
    /// Files of it, whose manifests are queued in the same lane.
    pub blobs: Vec<BlobId>,
}

/// A grade to be written and released.
#[derive(Clone, Debug)]
pub struct NewGrade {
    /// The course.
    pub course: SpaceId,
    /// The assignment.
    pub assignment: ObjectId,
    /// The pupil.
    pub student: AccountId,
    /// The entry that is graded.
    pub attempt: Option<EntryId>,
    /// Points, in hundredths.
    pub points: u64,
    /// What is said about it.
    pub feedback: String,
    /// Grades that it replaces.
    pub supersedes: Vec<ObjectId>,
}

pub(crate) fn op(
    space: SpaceId,
    lane: Lane,
    event: impl Into<Event>,
    object: Option<ObjectId>,
) -> PendingOp {
    let event = event.into();
    PendingOp {
        space,
        lane,
        kind: Kind::Event(event.code()),
        bytes: event.encode(),
        object,
    }
}

impl Client {
    pub(crate) fn enqueue(&mut self, ops: &[PendingOp]) -> Result<Vec<ItemId>, ClientError> {
        let now_ms = self.wall_ms();
        Ok(self.store.enqueue(ops, now_ms)?)
    }

    /// Queues any event in a lane.
    ///
    /// # Errors
    /// The store's.
    pub fn state(
        &mut self,
        space: SpaceId,
        lane: Lane,
        event: impl Into<Event>,
    ) -> Result<(), ClientError> {
        self.enqueue(&[op(space, lane, event, None)]).map(|_| ())
    }

    pub(crate) fn me(&self) -> AccountId {
        self.store.account()
    }

    /// Makes a course; the author is its owner.
    ///
    /// # Errors
    /// The store's.
    pub fn create_course(&mut self, course: NewCourse) -> Result<SpaceId, ClientError> {
        let space = SpaceId(self.random_id());
        let genesis = CourseGenesis {
            salt: 0,
            imported: false,
            open: course.open,
            counts_attested: course.counts_attested,
            counts_api_grades: course.counts_api_grades,
            foreign_id: None,
        };
        let page = CoursePublish {
            title: course.title,
            title_km: course.title_km,
            description: course.description,
            description_km: None,
            category: String::new(),
            level: 0,
            published: true,
        };
        self.enqueue(&[
            op(space, Lane::All, genesis, None),
            op(space, Lane::All, page, None),
        ])?;
        Ok(space)
    }

    /// Adds a teacher or assistant to a course.
    ///
    /// # Errors
    /// The store's.
    pub fn add_staff(
        &mut self,
        course: SpaceId,
        account: AccountId,
        roles: Roles,
    ) -> Result<(), ClientError> {
        let event = MemberAdd {
            account,
            roles: roles.0,
        };
        self.state(course, Lane::All, event)
    }

    /// Enrols a pupil: oneself, where the course is open, or by a teacher.
    ///
    /// # Errors
    /// The store's.
    pub fn enrol(&mut self, course: SpaceId, account: AccountId) -> Result<(), ClientError> {
        self.state(course, Lane::One(account), Enrol { account })
    }

    /// Shows one's name in a lane.
    ///
    /// # Errors
    /// The store's.
    pub fn show_name(
        &mut self,
        space: SpaceId,
        lane: Lane,
        first_name: &str,
        last_name: &str,
        name_km: Option<&str>,
    ) -> Result<(), ClientError> {
        let card = NameCard {
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            name_km: name_km.map(str::to_owned),
        };
        self.state(space, lane, card)
    }

    /// Publishes a lesson.
    ///
    /// # Errors
    /// The store's.
    pub fn publish_lesson(
        &mut self,
        course: SpaceId,
        order: u64,
        title: &str,
        title_km: Option<&str>,
        text: &str,
    ) -> Result<ObjectId, ClientError> {
        let lesson = self.random_object();
        let event = LessonPublish {
            lesson,
            order,
            title: title.to_owned(),
            title_km: title_km.map(str::to_owned),
            content: Content {
                text: text.to_owned(),
                blobs: Vec::new(),
            },
            content_km: None,
            minutes: 0,
            provenance: None,
            published: true,
        };
        self.enqueue(&[op(course, Lane::All, event, Some(lesson))])?;
        Ok(lesson)
    }

    /// Publishes an assignment.
    ///
    /// # Errors
    /// `assignment.is-quiz`, or the store's.
    pub fn publish_assignment(
        &mut self,
        course: SpaceId,
        new: NewAssignment,
    ) -> Result<ObjectId, ClientError> {
        if new.kind == AssignmentKind::Quiz {
            return Err(ClientError::Invalid("assignment.is-quiz"));
        }
        let assignment = self.random_object();
        let event = AssignmentPublish {
            assignment,
            kind: new.kind.code(),
            title: new.title,
            title_km: new.title_km,
            text: new.text,
            max_points: new.max_points,
            due_ms: new.due_ms,
            grace_ms: new.grace_ms,
            attempts: new.attempts,
            timed_minutes: None,
            questions: Vec::new(),
            published: true,
        };
        self.enqueue(&[op(course, Lane::All, event, Some(assignment))])?;
        Ok(assignment)
    }

    /// Gives one pupil another due time.
    ///
    /// # Errors
    /// The store's.
    pub fn extend(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
        student: AccountId,
        due_ms: u64,
    ) -> Result<(), ClientError> {
        self.state(course, Lane::One(student), Extension { assignment, due_ms })
    }

    /// Hands work in.
    ///
    /// # Errors
    /// `attempt.zero`, `attempts.none-left`, what the assignment's type asks for
    /// and the work has not (`work.…-missing`), or the store's.
    pub fn submit(&mut self, work: Work) -> Result<ItemId, ClientError> {
        self.hand_in(work, None)
    }

    pub(crate) fn hand_in(
        &mut self,
        work: Work,
        provenance: Option<Provenance>,
    ) -> Result<ItemId, ClientError> {
        self.check_work(
            work.course,
            work.assignment,
            work.attempt,
            &work.text,
            work.blobs.len(),
        )?;
        let lane = Lane::One(self.me());
        let (content, mut ops) = self.content((work.course, lane), work.text, work.blobs)?;
        let event = Submit {
            assignment: work.assignment,
            attempt: work.attempt,
            content,
            provenance,
            evidence: self.evidence()?,
        };
        ops.push(op(work.course, lane, event, Some(work.assignment)));
        self.enqueue(&ops)?
            .pop()
            .ok_or(ClientError::Invalid("item.missing"))
    }

    /// Whether work may be handed in as it is. An assignment that is not held yet
    /// says nothing against it.
    pub(crate) fn check_work(
        &self,
        course: SpaceId,
        assignment: ObjectId,
        attempt: u64,
        text: &str,
        files: usize,
    ) -> Result<(), ClientError> {
        if attempt == 0 {
            return Err(ClientError::Invalid("attempt.zero"));
        }
        let assignments = self.store.assignments(course)?;
        let Some(known) = assignments.iter().find(|row| row.assignment == assignment) else {
            return Ok(());
        };
        if known.attempts > 0 && attempt > known.attempts {
            return Err(ClientError::Invalid("attempts.none-left"));
        }
        match AssignmentKind::from_code(known.kind) {
            Some(kind) => kind.check(text, files).map_err(ClientError::Invalid),
            None => Ok(()),
        }
    }

    /// Notes that a lesson is done.
    ///
    /// # Errors
    /// The store's.
    pub fn complete_lesson(
        &mut self,
        course: SpaceId,
        lesson: ObjectId,
    ) -> Result<(), ClientError> {
        self.state(course, Lane::One(self.me()), LessonComplete { lesson })
    }

    /// Leaves a course, or takes a pupil out of it.
    ///
    /// # Errors
    /// The store's.
    pub fn leave(&mut self, course: SpaceId, account: AccountId) -> Result<(), ClientError> {
        self.state(course, Lane::One(account), Leave { account })
    }

    /// Writes a grade for the staff and releases it to its pupil, in one action.
    ///
    /// # Errors
    /// The store's.
    pub fn grade(&mut self, new: NewGrade) -> Result<ObjectId, ClientError> {
        let grade = self.random_object();
        let written = Grade {
            grade,
            assignment: new.assignment,
            student: new.student,
            attempt: new.attempt,
            points: new.points,
            feedback: new.feedback.clone(),
            supersedes: new.supersedes,
        };
        let released = Release {
            grade,
            // The grade's entry is sealed later; the grade's own id binds them.
            entry: EntryId::ZERO,
            header: None,
            assignment: new.assignment,
            attempt: new.attempt,
            points: new.points,
            feedback: new.feedback,
        };
        self.enqueue(&[
            op(new.course, Lane::Staff, written, Some(grade)),
            op(new.course, Lane::One(new.student), released, Some(grade)),
        ])?;
        Ok(grade)
    }

    /// Of grades that do not know each other, chooses the one that counts.
    ///
    /// # Errors
    /// The store's.
    pub fn choose_grade(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
        student: AccountId,
        grade: ObjectId,
        over: Vec<ObjectId>,
    ) -> Result<(), ClientError> {
        let event = ChooseGrade {
            assignment,
            student,
            grade,
            over,
        };
        self.state(course, Lane::Staff, event)
    }

    /// Gives work back for another attempt.
    ///
    /// # Errors
    /// The store's.
    pub fn return_work(
        &mut self,
        course: SpaceId,
        student: AccountId,
        assignment: ObjectId,
        attempt: EntryId,
        feedback: &str,
    ) -> Result<(), ClientError> {
        let event = Return {
            assignment,
            attempt,
            feedback: feedback.to_owned(),
        };
        self.state(course, Lane::One(student), event)
    }

    /// Says something about something, in a lane.
    ///
    /// # Errors
    /// The store's.
    pub fn comment(
        &mut self,
        space: SpaceId,
        lane: Lane,
        about: ObjectId,
        text: &str,
    ) -> Result<ObjectId, ClientError> {
        let comment = self.random_object();
        let event = Comment {
            comment,
            about,
            parent: None,
            text: text.to_owned(),
        };
        self.enqueue(&[op(space, lane, event, Some(comment))])?;
        Ok(comment)
    }
}
