//! What screens and APIs read: plain rows from projections. Of several facts
//! about one thing the latest in the relay's order counts; what has no receipt
//! yet stands above all that has.
mod courses;
mod gradebook;
mod grades;
mod guardians;
mod notifications;
mod pending;
mod quizzes;
mod social;
mod states;
mod work;

pub use courses::{AssignmentRow, CourseRow, LessonRow, MemberRow};
pub use gradebook::HistoricalRow;
pub use grades::{GradeRow, GradesRow, ReleaseRow};
pub use guardians::GuardianRow;
pub use notifications::{Notice, NoticeKind};
pub use pending::PendingRow;
pub use quizzes::{DueMark, MarkRow, QuizAttemptRow, QuizRow};
pub use social::{CommentRow, FeedRow, PostRow, ReportRow};
pub use states::{ProgressRow, WorkRow};
pub use work::SubmissionRow;

/// The order in which a later fact replaces an earlier one.
const LATEST_LAST: &str = "sequence IS NULL, sequence, entry, op, item";
/// The same, backwards.
const LATEST_FIRST: &str = "sequence IS NULL DESC, sequence DESC, entry DESC, op DESC, item DESC";

/// The last of each key, in the order of their first appearance.
fn latest<K: Ord + Clone, T>(rows: impl IntoIterator<Item = (K, T)>) -> Vec<T> {
    let mut places = std::collections::BTreeMap::new();
    let mut out: Vec<T> = Vec::new();
    for (key, row) in rows {
        match places.get(&key) {
            Some(&place) => out[place] = row,
            None => {
                places.insert(key, out.len());
                out.push(row);
            }
        }
    }
    out
}

/// Whether an id only stands for an operation that no entry carries yet.
fn is_provisional(id: &stunity_proto::EntryId) -> bool {
    id.0[..24] == [0; 24]
}

/// Files that stand one after the other in a column.
fn blob_ids(column: Option<Vec<u8>>) -> Vec<stunity_proto::BlobId> {
    (column.unwrap_or_default().chunks_exact(32))
        .filter_map(|id| id.try_into().ok().map(stunity_proto::BlobId))
        .collect()
}
