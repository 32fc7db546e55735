//! Every event type (docs/protocol/07-events.md). An event is a CBOR array of
//! its type code and its fields, in one accepted encoding. A type never changes:
//! a new need gets a new code.
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{
    AccountId, BlobId, DecodeError, DocId, EntryId, GroupId, Hash, Lane, ObjectId, SpaceId,
};

pub use crate::fields::Opaque;
use crate::fields::{Field, record};

/// Longest content inside an event, bytes; longer content is a blob.
pub const MAX_INLINE: usize = 48 * 1024;

/// Last entries that one removal names: as many as fit an entry of one operation. A
/// teacher writes in a lane of each pupil.
pub const MAX_LAST: usize = 7_000;

record! {
    /// Evidence of when something was done, taken when the user acted.
    Evidence {
        /// The device's wall clock, milliseconds since 1970: proves nothing.
        wall_ms: u64,
        /// Random number of this boot: the interval holds within one boot only.
        boot: u32,
        /// Milliseconds by the monotonic clock since the relay time below was
        /// received, if in the same boot.
        since_relay_ms: Option<u64>,
        /// The last signed relay time that the device held: proves "after".
        relay_ms: Option<u64>,
    }
}

record! {
    /// What was handed in or published: text inline, else blobs.
    Content {
        /// Text or a link, at most [`MAX_INLINE`] bytes.
        text: String,
        /// Files by hash; each has a manifest in the same lane.
        blobs: Vec<BlobId>,
    }
}

record! {
    /// From which draft frozen content was taken: provenance, not content.
    Provenance {
        /// The draft.
        doc: DocId,
        /// Its heads.
        heads: Vec<Hash>,
    }
}

record! {
    /// A question of a quiz, without its answer.
    Question {
        /// Names the question in answers and keys.
        id: u64,
        /// The text.
        text: String,
        /// The Khmer text.
        text_km: Option<String>,
        /// The options; none for a free answer.
        options: Vec<String>,
        /// Points, in hundredths.
        points: u64,
    }
}

record! {
    /// An answer to a question.
    Answer {
        /// The question.
        question: u64,
        /// Chosen options by index.
        options: Vec<u64>,
        /// A free answer.
        text: Option<String>,
    }
}

record! {
    /// One piece of work in a historical record.
    HistoricalWork {
        /// Index of the assignment in the course's historical list.
        assignment: u64,
        /// Day handed in, from the course's start.
        day: i64,
        /// The score, 0–100; none if it was not scored.
        score: Option<u64>,
        /// Carried over from an earlier presentation.
        banked: bool,
    }
}

record! {
    /// One assignment of an imported course.
    HistoricalAssignment {
        /// The assignment.
        assignment: ObjectId,
        /// Its id in the source.
        foreign_id: String,
        /// Its type in the source.
        kind: String,
        /// The due day from the course's start; none for the course's end.
        day: Option<i64>,
        /// The weight in the source, verbatim.
        weight: String,
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $code:literal $name:ident {
        $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)?
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$fdoc])* pub $field: $ty),*
            }

            impl $name {
                /// The type code.
                pub const CODE: u16 = $code;
            }

            impl From<$name> for Event {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )*

        /// Any event that this build knows, or the bytes of one that it does not.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($name),)*
            /// A type of another build: kept, forwarded, folded after an update.
            Unknown(u16, Vec<u8>),
        }

        /// Every type code with its name.
        pub const TYPES: &[(u16, &str)] = &[$(($code, stringify!($name))),*];

        impl Event {
            /// The type code.
            #[must_use]
            pub fn code(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $code,)*
                    Self::Unknown(code, _) => *code,
                }
            }

            /// The operation's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                let mut w = Writer::new();
                match self {
                    $(Self::$name(event) => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        w.array(1 + fields.len()).uint($code);
                        $(event.$field.write(&mut w);)*
                        let _ = event;
                    })*
                    Self::Unknown(_, bytes) => return bytes.clone(),
                }
                w.into_bytes()
            }

            /// Reads an operation whose header names it an event.
            ///
            /// # Errors
            /// Any bytes but the one encoding of a known type. An unknown type is
            /// no error, as long as it is an array that begins with its code.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let mut r = Reader::new(bytes);
                let len = r.array()?;
                let code = r.u16()?;
                let event = match code {
                    $($code => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        if len != 1 + fields.len() {
                            return Err(DecodeError::Unexpected("number of fields"));
                        }
                        Self::$name($name { $($field: Field::read(&mut r)?),* })
                    })*
                    code => {
                        for _ in 1..len {
                            r.skip()?;
                        }
                        Self::Unknown(code, bytes.to_vec())
                    }
                };
                r.finish()?;
                Ok(event)
            }
        }
    };
}

events! {
    /// The school's public face.
    20 SchoolProfile {
        /// Its name.
        name: String,
        /// Its Khmer name.
        name_km: Option<String>,
    }
    /// A staff member, admitted by the school root's signature inside.
    21 StaffAdmit {
        /// The certificate, see `stunity_identity::StaffAdmission`.
        certificate: Opaque,
    }
    /// An account's first root.
    22 RosterBind {
        /// The account.
        account: AccountId,
        /// Its root key.
        root: [u8; 32],
        /// Seen in person by staff; else by password at the relay.
        in_person: bool,
    }
    /// People known from another system; they have no keys yet.
    23 People {
        /// Names the system; part of how account ids are made.
        source: String,
        /// Account and id in the source.
        people: Vec<(AccountId, String)>,
    }
    /// A guardian may read a child's released work.
    24 Guardianship {
        /// The guardian.
        guardian: AccountId,
        /// The child.
        child: AccountId,
        /// Until when, milliseconds since 1970.
        until_ms: u64,
    }
    /// A guardianship ends at once.
    25 GuardianshipEnd {
        /// The guardian.
        guardian: AccountId,
        /// The child.
        child: AccountId,
    }
    /// Staff give effect to an entry that waits beyond a cut-off.
    26 AcceptPending {
        /// The entry.
        entry: EntryId,
    }

    /// Whether a guardian may read: consent given, withheld or suspended. Both the
    /// child and the school must not be against it, and one of them for it.
    27 GuardianAccess {
        /// The guardian.
        guardian: AccountId,
        /// The child.
        child: AccountId,
        /// May read, as far as the author is concerned.
        open: bool,
    }

    /// A course begins. Its author is the owner.
    40 CourseGenesis {
        /// Random; makes equal courses differ.
        salt: u64,
        /// Historical records may be written.
        imported: bool,
        /// Anyone in the school may enrol.
        open: bool,
        /// A phone's own interval counts for timeliness.
        counts_attested: bool,
        /// Grades written through an API count.
        counts_api_grades: bool,
        /// Id in the source system of an imported course.
        foreign_id: Option<String>,
    }
    /// The course as its members see it, frozen.
    41 CoursePublish {
        /// Title.
        title: String,
        /// Khmer title.
        title_km: Option<String>,
        /// Description.
        description: String,
        /// Khmer description.
        description_km: Option<String>,
        /// Category.
        category: String,
        /// 0 beginner, 1 intermediate, 2 advanced, 3 expert.
        level: u8,
        /// Visible to those who are not members.
        published: bool,
    }
    /// A member of the staff, or a pupil placed by staff.
    42 MemberAdd {
        /// The account.
        account: AccountId,
        /// Bits, see [`crate::Roles`].
        roles: u64,
    }
    /// A member is removed.
    43 MemberRemove {
        /// The account.
        account: AccountId,
    }
    /// A pupil enrols, or is enrolled.
    44 Enrol {
        /// The account.
        account: AccountId,
    }
    /// A pupil leaves.
    45 Leave {
        /// The account.
        account: AccountId,
    }
    /// A group and who is in it.
    46 GroupSet {
        /// The group.
        group: GroupId,
        /// Its name.
        name: String,
        /// Its members.
        members: Vec<AccountId>,
    }

    /// A member is removed; what counts of theirs ends where the remover says,
    /// whatever order a relay states.
    47 MemberCutOff {
        /// The account.
        account: AccountId,
        /// The last entries in the course that count, one a chain or more, sorted:
        /// these and what they follow in their chains.
        last: Vec<EntryId>,
    }

    /// A lesson as its readers see it, frozen.
    60 LessonPublish {
        /// The lesson.
        lesson: ObjectId,
        /// Place among the lessons.
        order: u64,
        /// Title.
        title: String,
        /// Khmer title.
        title_km: Option<String>,
        /// The text, Markdown.
        content: Content,
        /// The Khmer text.
        content_km: Option<Content>,
        /// How long it takes, minutes.
        minutes: u64,
        /// From which document.
        provenance: Option<Provenance>,
        /// Withdrawn if not.
        published: bool,
    }
    /// A pupil has done a lesson.
    61 LessonComplete {
        /// The lesson.
        lesson: ObjectId,
    }
    /// An assignment, frozen.
    62 AssignmentPublish {
        /// The assignment.
        assignment: ObjectId,
        /// 0 file, 1 text, 2 link, 3 video, 4 quiz.
        kind: u8,
        /// Title.
        title: String,
        /// Khmer title.
        title_km: Option<String>,
        /// What is to be done, with the rubric.
        text: String,
        /// Most points, in hundredths.
        max_points: u64,
        /// When it is due, milliseconds since 1970.
        due_ms: Option<u64>,
        /// For how long after that it is not late, milliseconds.
        grace_ms: u64,
        /// How many attempts; 0 for any number.
        attempts: u64,
        /// Minutes for a timed quiz.
        timed_minutes: Option<u64>,
        /// The questions of a quiz.
        questions: Vec<Question>,
        /// Withdrawn if not.
        published: bool,
    }
    /// The answers of a quiz, for staff alone.
    63 AnswerKey {
        /// The assignment.
        assignment: ObjectId,
        /// The right answers.
        answers: Vec<Answer>,
    }
    /// Another due time for one pupil.
    64 Extension {
        /// The assignment.
        assignment: ObjectId,
        /// When it is due for this pupil, milliseconds since 1970.
        due_ms: u64,
    }
    /// A pupil hands in.
    65 Submit {
        /// The assignment.
        assignment: ObjectId,
        /// Which attempt, from 1.
        attempt: u64,
        /// The work, frozen.
        content: Content,
        /// From which draft.
        provenance: Option<Provenance>,
        /// When, as far as the device can tell.
        evidence: Evidence,
    }
    /// A pupil answers questions of a quiz; later answers replace earlier ones.
    66 QuizAnswers {
        /// The assignment.
        assignment: ObjectId,
        /// Which attempt, from 1.
        attempt: u64,
        /// The answers.
        answers: Vec<Answer>,
        /// Whether the attempt is handed in with this.
        last: bool,
        /// When.
        evidence: Evidence,
    }
    /// A mark computed from an answer key.
    67 AutoMark {
        /// The assignment.
        assignment: ObjectId,
        /// The pupil.
        student: AccountId,
        /// The entry that was marked.
        attempt: EntryId,
        /// Points, in hundredths.
        points: u64,
    }
    /// A grade, for staff to see.
    68 Grade {
        /// The grade.
        grade: ObjectId,
        /// The assignment.
        assignment: ObjectId,
        /// The pupil.
        student: AccountId,
        /// The entry that was graded; none for work outside the system.
        attempt: Option<EntryId>,
        /// Points, in hundredths.
        points: u64,
        /// What is said about it.
        feedback: String,
        /// The grades that its author knew and replaces.
        supersedes: Vec<ObjectId>,
    }
    /// A grade is shown to its pupil.
    69 Release {
        /// The grade.
        grade: ObjectId,
        /// The entry in which it was written.
        entry: EntryId,
        /// Its signed header, where another than its author releases it.
        header: Option<Opaque>,
        /// The assignment.
        assignment: ObjectId,
        /// The entry that was graded.
        attempt: Option<EntryId>,
        /// Points, in hundredths.
        points: u64,
        /// What is said about it.
        feedback: String,
    }
    /// Work goes back to its pupil for another attempt.
    70 Return {
        /// The assignment.
        assignment: ObjectId,
        /// The entry that was handed in.
        attempt: EntryId,
        /// Why.
        feedback: String,
    }
    /// Of grades that do not know each other, this one counts.
    71 ChooseGrade {
        /// The assignment.
        assignment: ObjectId,
        /// The pupil.
        student: AccountId,
        /// The grade that counts.
        grade: ObjectId,
        /// The grades that it was chosen over.
        over: Vec<ObjectId>,
    }
    /// Somebody says something about something.
    72 Comment {
        /// The comment.
        comment: ObjectId,
        /// What it is about: a lesson, an assignment, a post.
        about: ObjectId,
        /// The comment that it answers.
        parent: Option<ObjectId>,
        /// The text, 1–5,000 characters.
        text: String,
    }
    /// What another system knew of one pupil in one course.
    73 Historical {
        /// Day of enrolment, from the course's start.
        enrolled_day: Option<i64>,
        /// Day on which the pupil left.
        left_day: Option<i64>,
        /// Final result, verbatim.
        result: String,
        /// The work, in the order of the source.
        work: Vec<HistoricalWork>,
    }
    /// Columns of another system that have no home here, verbatim.
    74 ImportExtras {
        /// The table's name.
        table: String,
        /// The columns.
        columns: Vec<String>,
        /// The rows; the first value names what the row is about.
        rows: Vec<Vec<String>>,
    }
    /// The assignments of an imported course, in order.
    75 HistoricalAssignments {
        /// The assignments.
        assignments: Vec<HistoricalAssignment>,
    }

    /// What a course looks like in a list, and what it costs.
    76 CourseOffer {
        /// A picture.
        thumbnail: Option<BlobId>,
        /// The price, in hundredths; 0 for none.
        price: u64,
        /// Of which currency, three capital letters of ISO 4217; empty without a price.
        currency: String,
    }

    /// A post.
    90 Post {
        /// The post.
        post: ObjectId,
        /// 0 text, 1 image, 2 video, 3 poll, 4 quiz, 5 article, 6 event.
        kind: u8,
        /// The text, 1–5,000 characters.
        text: String,
        /// The Khmer text.
        text_km: Option<String>,
        /// At most ten files.
        media: Vec<BlobId>,
        /// At most ten, without the sign.
        hashtags: Vec<String>,
        /// Options of a poll, questions' options of a quiz.
        options: Vec<String>,
        /// When an event takes place, milliseconds since 1970.
        starts_ms: Option<u64>,
    }
    /// A like, given or taken back.
    91 Like {
        /// A post or comment.
        target: ObjectId,
        /// Given or taken back.
        on: bool,
    }
    /// Following, begun or ended.
    92 Follow {
        /// The account followed.
        account: AccountId,
        /// Begun or ended.
        on: bool,
    }
    /// Blocking, begun or ended.
    93 Block {
        /// The account.
        account: AccountId,
        /// Begun or ended.
        on: bool,
    }
    /// Something is reported to the staff.
    94 Report {
        /// What.
        target: ObjectId,
        /// Why.
        reason: String,
    }
    /// Staff hide or restore something.
    95 Moderate {
        /// What.
        target: ObjectId,
        /// Hidden or restored.
        hidden: bool,
        /// Why.
        reason: String,
    }
    /// A vote in a poll, or an answer in a quiz post; the last one counts.
    96 Vote {
        /// The post.
        post: ObjectId,
        /// The option, by index.
        option: u64,
    }
    /// An answer to an event; the last one counts.
    97 Rsvp {
        /// The post.
        post: ObjectId,
        /// 0 no, 1 yes, 2 perhaps.
        answer: u8,
    }
    /// How a person is called where a class list is shown.
    98 NameCard {
        /// First name.
        first_name: String,
        /// Last name.
        last_name: String,
        /// Name in Khmer.
        name_km: Option<String>,
    }

    /// A conversation begins. Its space's id follows from what is said here.
    110 ConversationStart {
        /// 0 between two, 1 of a group.
        kind: u8,
        /// Who is in it besides its starter: sorted, each once; one for kind 0, at most
        /// [`crate::talk::MAX_MEMBERS`] for kind 1.
        members: Vec<AccountId>,
        /// Random, and the space's id follows from it; 0 for kind 0.
        salt: u64,
    }
    /// Somebody comes into a group's conversation, or is in it no more.
    111 ConversationMember {
        /// The account.
        account: AccountId,
        /// 0 is in it no more, 1 is in it, 2 is in it and says who else is.
        standing: u8,
    }
    /// A message, sealed for those in the conversation.
    112 Message {
        /// The message: the same when it is sealed again.
        message: ObjectId,
        /// What nobody but they can open, 1 to [`MAX_INLINE`] bytes.
        envelope: Opaque,
    }
    /// How far the author has read: for all in the conversation where it stands there,
    /// for the own devices alone in `private`.
    113 Read {
        /// The conversation.
        conversation: SpaceId,
        /// The newest message that was read.
        until: ObjectId,
    }
    /// What a group's conversation is called, sealed as messages are.
    114 ConversationName {
        /// 1 to [`MAX_INLINE`] bytes.
        envelope: Opaque,
    }

    /// Notifications up to here were seen.
    140 Seen {
        /// The newest that was seen, milliseconds since 1970.
        until_ms: u64,
    }
    /// An API asks a device of the account to sign something, see [`crate::proposals`].
    /// It decides nothing.
    141 Proposal {
        /// Where the events are to stand.
        space: SpaceId,
        /// In which lane.
        lane: Lane,
        /// The events, encoded.
        events: Vec<Opaque>,
    }
    /// A device has answered a proposal.
    142 ProposalEnd {
        /// The entry that states the proposal.
        proposal: EntryId,
        /// Signed; else dismissed.
        accepted: bool,
    }
    /// Operations are erased everywhere.
    150 Erase {
        /// The entry.
        entry: EntryId,
        /// Indices of its operations.
        ops: Vec<u64>,
        /// Why, as a stable code.
        reason: String,
    }
    /// A document goes on as another one that has its text and not its history:
    /// the changes of the old one are erased.
    151 DocumentSuccessor {
        /// The old document.
        document: DocId,
        /// The new one.
        successor: DocId,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_apart_from_the_account_log() {
        let mut codes: Vec<u16> = TYPES.iter().map(|(code, _)| *code).collect();
        assert!(codes.iter().all(|code| *code >= 20));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), TYPES.len());
    }

    #[test]
    fn an_unknown_type_keeps_its_bytes() {
        let mut w = Writer::new();
        w.array(3).uint(9_000).text("later").array(0);
        let bytes = w.into_bytes();
        let event = Event::decode(&bytes).unwrap();
        assert_eq!(event, Event::Unknown(9_000, bytes.clone()));
        assert_eq!(event.encode(), bytes);
    }

    #[test]
    fn a_historical_record_is_small() {
        let event = Event::from(Historical {
            enrolled_day: Some(-45),
            left_day: None,
            result: "Pass".into(),
            work: (0..5)
                .map(|i| HistoricalWork {
                    assignment: i,
                    day: 19 + 30 * i as i64,
                    score: Some(80),
                    banked: false,
                })
                .collect(),
        });
        let bytes = event.encode();
        assert!(bytes.len() <= 55, "{} bytes", bytes.len());
        assert_eq!(Event::decode(&bytes), Ok(event));
    }

    #[test]
    fn a_field_too_many_or_too_few_is_refused() {
        let mut bytes = Event::from(Enrol {
            account: AccountId([1; 16]),
        })
        .encode();
        bytes.push(0);
        assert!(Event::decode(&bytes).is_err());
        bytes[0] += 1;
        assert!(Event::decode(&bytes).is_err());
    }
}
