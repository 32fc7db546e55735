//! What screens and APIs read: plain rows from projections. Of several facts
//! about one thing the latest in the relay's order counts; what has no receipt
//! yet stands above all that has.
mod conversations;
mod courses;
mod gradebook;
mod grades;
mod guardians;
mod notifications;
mod pending;
mod proposals;
mod quizzes;
mod social;
mod states;
mod work;

pub use conversations::{ConversationRow, MessageRow};
pub use courses::{AssignmentRow, CourseRow, LessonRow, MemberRow};
pub use gradebook::HistoricalRow;
pub use guardians::GuardianRow;
pub use notifications::{Notice, NoticeKind};
pub use pending::PendingRow;
pub use proposals::ProposalRow;
pub use quizzes::{DueMark, MarkRow, QuizAttemptRow, QuizRow};
pub use social::{CommentRow, FeedRow, PostRow, ReportRow};
pub use stunity_model::grades::{Given as GradeRow, Graded as GradesRow, Released as ReleaseRow};
pub use stunity_model::handed_in::Submission as SubmissionRow;
pub use stunity_model::states::{PupilProgress as ProgressRow, Work as WorkRow};

/// The order in which a later fact replaces an earlier one.
const LATEST_LAST: &str = "sequence IS NULL, sequence, entry, op, item";
/// The same, backwards.
const LATEST_FIRST: &str = "sequence IS NULL DESC, sequence DESC, entry DESC, op DESC, item DESC";

/// Whether an id only stands for an operation that no entry carries yet.
fn is_provisional(id: &stunity_proto::EntryId) -> bool {
    id.0[..24] == [0; 24]
}
