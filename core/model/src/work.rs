//! Assignments and what became of them: the five types, the states of a piece of
//! work, progress in a course.
use crate::events::{AssignmentPublish, CourseOffer};
use crate::timeliness::Timeliness;

/// Most points of an assignment or grade, in hundredths.
pub const MAX_POINTS: u64 = 1_000_000;

/// Questions of one quiz: with texts of usual length they stay well below what
/// one operation may take.
pub const MAX_QUESTIONS: usize = 200;

/// What is to be handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssignmentKind {
    /// At least one file.
    File,
    /// Text.
    #[default]
    Text,
    /// A web address.
    Link,
    /// A video, as a file or a web address.
    Video,
    /// Answers to questions.
    Quiz,
}

impl AssignmentKind {
    /// All, by their codes.
    pub const ALL: [Self; 5] = [Self::File, Self::Text, Self::Link, Self::Video, Self::Quiz];

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
            Self::File => "FILE",
            Self::Text => "TEXT",
            Self::Link => "LINK",
            Self::Video => "VIDEO",
            Self::Quiz => "QUIZ",
        }
    }

    /// Whether content is what this type asks for. Judged where it is handed in
    /// and shown where it is read; an entry that does not fit is valid all the
    /// same, since the assignment may have changed under it.
    ///
    /// # Errors
    /// A stable code of what is missing.
    pub fn check(self, text: &str, files: usize) -> Result<(), &'static str> {
        let text = text.trim();
        match self {
            Self::File if files == 0 => Err("work.file-missing"),
            Self::Text if text.is_empty() && files == 0 => Err("work.text-missing"),
            Self::Link if !is_link(text) => Err("work.link-missing"),
            Self::Video if files == 0 && !is_link(text) => Err("work.video-missing"),
            Self::Quiz => Err("work.is-quiz"),
            _ => Ok(()),
        }
    }
}

/// A web address: `http` or `https`, a host, nothing that ends it early.
fn is_link(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        host.len() >= 3 && !rest.contains(char::is_whitespace)
    })
}

/// Whether an assignment is one that devices can show: a known type, questions
/// where it is a quiz and only there, each with an id of its own.
#[must_use]
pub fn is_sound(e: &AssignmentPublish) -> bool {
    let quiz = match AssignmentKind::from_code(e.kind) {
        None => return false,
        Some(kind) => kind == AssignmentKind::Quiz,
    };
    let mut ids: Vec<u64> = e.questions.iter().map(|q| q.id).collect();
    ids.sort_unstable();
    ids.dedup();
    quiz != e.questions.is_empty()
        && ids.len() == e.questions.len()
        && ids.len() <= MAX_QUESTIONS
        && e.max_points <= MAX_POINTS
}

/// The highest price of a course, in hundredths.
pub const MAX_PRICE: u64 = 1_000_000_000_000;

/// Whether what a course costs is an amount of a currency, or nothing.
#[must_use]
pub fn is_offer(e: &CourseOffer) -> bool {
    let is_currency = e.currency.len() == 3 && e.currency.bytes().all(|b| b.is_ascii_uppercase());
    match e.price {
        0 => e.currency.is_empty(),
        price => price <= MAX_PRICE && is_currency,
    }
}

/// How far a piece of work came. Apart from whether it came in time: a graded
/// late piece is both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workflow {
    /// Nothing was handed in.
    Pending,
    /// Handed in, not graded since.
    Submitted,
    /// The last attempt was graded.
    Graded,
    /// Given back for another attempt.
    Returned,
}

impl Workflow {
    /// The state in one word, with timeliness where it decides: `PENDING`,
    /// `SUBMITTED`, `GRADED`, `LATE` or `MISSING`. Work that was given back is
    /// pending again.
    #[must_use]
    pub fn status(self, timeliness: Timeliness) -> &'static str {
        match (self, timeliness) {
            (Self::Graded, _) => "GRADED",
            (Self::Submitted, Timeliness::Late) => "LATE",
            (Self::Submitted, _) => "SUBMITTED",
            (Self::Pending, Timeliness::Missing) => "MISSING",
            (Self::Pending | Self::Returned, _) => "PENDING",
        }
    }
}

/// How far a pupil came in a course.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Published lessons.
    pub lessons: u64,
    /// Of these, done.
    pub lessons_done: u64,
    /// Published assignments.
    pub assignments: u64,
    /// Of these, handed in.
    pub handed_in: u64,
    /// Of these, graded.
    pub graded: u64,
    /// Points of what is graded, in hundredths.
    pub points: u64,
    /// Most points of what is graded, in hundredths.
    pub max_points: u64,
}

impl Progress {
    /// Lessons done and work handed in, of all there are: 0–100, rounded down, so
    /// that 100 means everything.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let all = self.lessons + self.assignments;
        let done = self.lessons_done + self.handed_in;
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(0);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// Whether the course is completed: every lesson done, all work graded.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.lessons + self.assignments > 0
            && self.lessons_done == self.lessons
            && self.graded == self.assignments
    }

    /// The grade so far, in hundredths of a percent; none while nothing counts.
    #[must_use]
    pub fn grade(&self) -> Option<u64> {
        self.points
            .saturating_mul(10_000)
            .checked_div(self.max_points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Question;
    use stunity_proto::ObjectId;

    #[test]
    fn each_type_asks_for_its_own_content() {
        use AssignmentKind::*;
        let cases = [
            (File, "", 1, Ok(())),
            (File, "text", 0, Err("work.file-missing")),
            (Text, "text", 0, Ok(())),
            (Text, "scanned", 1, Ok(())),
            (Text, "  ", 0, Err("work.text-missing")),
            (Link, " https://example.org/a?b ", 0, Ok(())),
            (Link, "example", 0, Err("work.link-missing")),
            (Link, "javascript:alert(1)", 0, Err("work.link-missing")),
            (Link, "https://a b.org", 0, Err("work.link-missing")),
            (Video, "https://v.example.org/1", 0, Ok(())),
            (Video, "", 1, Ok(())),
            (Video, "see above", 0, Err("work.video-missing")),
            (Quiz, "42", 0, Err("work.is-quiz")),
        ];
        for (kind, text, files, expected) in cases {
            assert_eq!(kind.check(text, files), expected, "{kind:?} {text:?}");
            assert_eq!(AssignmentKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(AssignmentKind::from_code(5), None);
    }

    #[test]
    fn a_quiz_has_questions_and_nothing_else_has() {
        let question = |id| Question {
            id,
            text: "?".into(),
            text_km: None,
            options: vec![],
            points: 100,
        };
        let publish = |kind, questions| AssignmentPublish {
            assignment: ObjectId([1; 16]),
            kind,
            title: String::new(),
            title_km: None,
            text: String::new(),
            max_points: 100,
            due_ms: None,
            grace_ms: 0,
            attempts: 0,
            timed_minutes: None,
            questions,
            published: true,
        };
        assert!(is_sound(&publish(4, vec![question(1), question(2)])));
        assert!(is_sound(&publish(0, vec![])));
        assert!(!is_sound(&publish(4, vec![])));
        assert!(!is_sound(&publish(1, vec![question(1)])));
        assert!(!is_sound(&publish(4, vec![question(1), question(1)])));
        assert!(!is_sound(&publish(5, vec![])));
    }

    #[test]
    fn a_price_has_a_currency_and_nothing_has_none() {
        let offer = |price, currency: &str| CourseOffer {
            thumbnail: None,
            price,
            currency: currency.into(),
        };
        assert!(is_offer(&offer(0, "")));
        assert!(is_offer(&offer(1, "KHR")));
        for (price, currency) in [(0, "KHR"), (1, ""), (1, "khr"), (MAX_PRICE + 1, "USD")] {
            assert!(!is_offer(&offer(price, currency)), "{price} {currency}");
        }
    }

    #[test]
    fn a_graded_late_piece_is_graded_and_still_late() {
        use Timeliness::*;
        assert_eq!(Workflow::Graded.status(Late), "GRADED");
        assert_eq!(Workflow::Submitted.status(Late), "LATE");
        assert_eq!(Workflow::Submitted.status(Unproven), "SUBMITTED");
        assert_eq!(Workflow::Pending.status(Missing), "MISSING");
        assert_eq!(Workflow::Pending.status(Open), "PENDING");
        assert_eq!(Workflow::Returned.status(OnTime), "PENDING");
    }

    #[test]
    fn progress_is_full_only_when_everything_is_done() {
        let mut progress = Progress {
            lessons: 2,
            lessons_done: 2,
            assignments: 1,
            ..Progress::default()
        };
        assert_eq!((progress.percent(), progress.is_completed()), (66, false));
        progress.handed_in = 1;
        assert_eq!((progress.percent(), progress.is_completed()), (100, false));
        (progress.graded, progress.points, progress.max_points) = (1, 850, 1000);
        assert!(progress.is_completed());
        assert_eq!(progress.grade(), Some(8_500));
        assert_eq!(Progress::default().percent(), 0);
        assert!(!Progress::default().is_completed());
    }
}
