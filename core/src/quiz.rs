//! Quizzes: questions for all, answers for staff, marks by a teacher's device.
use stunity_model::Roles;
use stunity_model::events::{
    Answer, AnswerKey, AssignmentPublish, AutoMark, Event, Question, QuizAnswers,
};
use stunity_model::work::{AssignmentKind, is_sound};
use stunity_proto::{Lane, ObjectId, SpaceId};
use stunity_store::PendingOp;

use crate::commands::op;
use crate::{Client, ClientError};

/// A question with its answer, as a teacher writes it.
#[derive(Clone, Debug, Default)]
pub struct NewQuestion {
    /// The text.
    pub text: String,
    /// The Khmer text.
    pub text_km: Option<String>,
    /// The options; none for a free answer.
    pub options: Vec<String>,
    /// Points, in hundredths.
    pub points: u64,
    /// The right options, by index.
    pub right: Vec<u64>,
    /// What a free answer should say: shown to staff.
    pub answer: Option<String>,
}

/// A quiz to be published.
#[derive(Clone, Debug, Default)]
pub struct NewQuiz {
    /// Title.
    pub title: String,
    /// Khmer title.
    pub title_km: Option<String>,
    /// What is to be done.
    pub text: String,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// For how long after that it is not late, milliseconds.
    pub grace_ms: u64,
    /// Attempts; 0 for any number.
    pub attempts: u64,
    /// Minutes for an attempt; none without a limit.
    pub timed_minutes: Option<u64>,
    /// The questions.
    pub questions: Vec<NewQuestion>,
}

impl Client {
    /// Publishes a quiz: the questions for the class, the answers for staff, in one
    /// action.
    ///
    /// # Errors
    /// `quiz.malformed` without questions, with too many, or with a right answer
    /// that is no option; the store's.
    pub fn publish_quiz(&mut self, course: SpaceId, new: NewQuiz) -> Result<ObjectId, ClientError> {
        let assignment = self.random_object();
        let mut questions = Vec::with_capacity(new.questions.len());
        let mut answers = Vec::with_capacity(new.questions.len());
        for (id, question) in (1..).zip(new.questions) {
            let options = question.options.len() as u64;
            if question.right.iter().any(|right| *right >= options) {
                return Err(ClientError::Invalid("quiz.malformed"));
            }
            answers.push(Answer {
                question: id,
                options: question.right,
                text: question.answer,
            });
            questions.push(Question {
                id,
                text: question.text,
                text_km: question.text_km,
                options: question.options,
                points: question.points,
            });
        }
        let publish = AssignmentPublish {
            assignment,
            kind: AssignmentKind::Quiz.code(),
            title: new.title,
            title_km: new.title_km,
            text: new.text,
            max_points: questions.iter().map(|question| question.points).sum(),
            due_ms: new.due_ms,
            grace_ms: new.grace_ms,
            attempts: new.attempts,
            timed_minutes: new.timed_minutes,
            questions,
            published: true,
        };
        if !is_sound(&publish) {
            return Err(ClientError::Invalid("quiz.malformed"));
        }
        let key = AnswerKey {
            assignment,
            answers,
        };
        self.enqueue(&[
            op(course, Lane::All, publish, Some(assignment)),
            op(course, Lane::Staff, key, Some(assignment)),
        ])?;
        Ok(assignment)
    }

    /// Writes another answer key; attempts are marked anew by it.
    ///
    /// # Errors
    /// The store's.
    pub fn correct_answer_key(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
        answers: Vec<Answer>,
    ) -> Result<(), ClientError> {
        let key = AnswerKey {
            assignment,
            answers,
        };
        self.enqueue(&[op(course, Lane::Staff, key, Some(assignment))])?;
        Ok(())
    }

    /// Begins an attempt, from which on a time limit runs, or gives the one that is
    /// open.
    ///
    /// # Errors
    /// `quiz.unknown`, `attempts.none-left`, or the store's.
    pub fn begin_quiz(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
    ) -> Result<u64, ClientError> {
        let mut known = self.store.assignments(course)?;
        known.retain(|row| row.assignment == assignment && row.published);
        let known = known.first().ok_or(ClientError::Invalid("quiz.unknown"))?;
        if known.kind != AssignmentKind::Quiz.code() {
            return Err(ClientError::Invalid("quiz.unknown"));
        }
        let attempts = self
            .store
            .quiz_attempts(course, assignment, Some(self.me()))?;
        let last = attempts.last();
        if let Some(open) = last.filter(|row| row.attempt.handed_in.is_none()) {
            return Ok(open.number);
        }
        let number = last.map_or(1, |row| row.number + 1);
        if known.attempts > 0 && number > known.attempts {
            return Err(ClientError::Invalid("attempts.none-left"));
        }
        self.answer(course, assignment, number, Vec::new(), false)?;
        Ok(number)
    }

    /// Answers questions of the open attempt; `last` hands it in. An answer given
    /// again replaces the one before.
    ///
    /// # Errors
    /// `quiz.not-begun`, `quiz.no-such-question`, or the store's.
    pub fn answer_quiz(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
        answers: Vec<Answer>,
        last: bool,
    ) -> Result<(), ClientError> {
        let quiz = self
            .store
            .quiz(course, assignment)?
            .ok_or(ClientError::Invalid("quiz.unknown"))?;
        for answer in &answers {
            let question = quiz.questions.iter().find(|q| q.id == answer.question);
            let options = question.map(|question| question.options.len() as u64);
            if options.is_none_or(|options| answer.options.iter().any(|o| *o >= options)) {
                return Err(ClientError::Invalid("quiz.no-such-question"));
            }
        }
        let attempts = self
            .store
            .quiz_attempts(course, assignment, Some(self.me()))?;
        let open = attempts
            .last()
            .filter(|row| row.attempt.handed_in.is_none())
            .ok_or(ClientError::Invalid("quiz.not-begun"))?;
        self.answer(course, assignment, open.number, answers, last)
    }

    fn answer(
        &mut self,
        course: SpaceId,
        assignment: ObjectId,
        attempt: u64,
        answers: Vec<Answer>,
        last: bool,
    ) -> Result<(), ClientError> {
        let event = QuizAnswers {
            assignment,
            attempt,
            answers,
            last,
            evidence: self.evidence()?,
        };
        let lane = Lane::One(self.me());
        self.enqueue(&[op(course, lane, event, Some(assignment))])?;
        Ok(())
    }

    /// As [`Client::mark_quizzes`], once after entries came: who carries a session's
    /// bytes calls it at its end, and has one more session where it queued marks.
    ///
    /// # Errors
    /// The store's.
    pub fn mark_new_work(&mut self) -> Result<usize, ClientError> {
        if !self.unmarked {
            return Ok(0);
        }
        let queued = self.mark_quizzes()?;
        self.unmarked = false;
        Ok(queued)
    }

    /// Marks what was handed in, in every course that this account teaches and by
    /// the keys held here. A mark that leaves no question open goes to the pupil;
    /// else it waits for the teacher's grade. Runs after each sync; gives how many
    /// marks it queued.
    ///
    /// # Errors
    /// The store's.
    pub fn mark_quizzes(&mut self) -> Result<usize, ClientError> {
        if !self.store.holds_answer_keys()? {
            return Ok(0);
        }
        let mut ops: Vec<PendingOp> = Vec::new();
        for course in self.store.courses()? {
            if !course.roles.any(Roles(Roles::OWNER.0 | Roles::TEACHER.0)) {
                continue;
            }
            for due in self.store.due_marks(course.space)? {
                let lane = match due.marking.open.is_empty() {
                    true => Lane::One(due.student),
                    false => Lane::Staff,
                };
                let mark: Event = AutoMark {
                    assignment: due.assignment,
                    student: due.student,
                    attempt: due.attempt,
                    points: due.marking.points,
                }
                .into();
                ops.push(op(course.space, lane, mark, Some(due.assignment)));
            }
        }
        if !ops.is_empty() {
            self.enqueue(&ops)?;
        }
        Ok(ops.len())
    }
}
