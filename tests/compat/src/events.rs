//! Every event of the model.
use stunity_model::events::*;
use stunity_proto::{AccountId, BlobId, DocId, EntryId, Hash, Lane, ObjectId};

use crate::Case;
use crate::values::*;

const OBJECT: ObjectId = ObjectId([0x81; 16]);
const OTHER: ObjectId = ObjectId([0x82; 16]);
const ENTRY: EntryId = EntryId([0x83; 32]);

fn km() -> Option<String> {
    Some("មេរៀន".into())
}

fn content() -> Content {
    Content {
        text: "What I did.".into(),
        blobs: vec![BlobId([0x84; 32])],
    }
}

fn provenance() -> Option<Provenance> {
    Some(Provenance {
        doc: DOC,
        heads: vec![Hash([0x85; 32])],
    })
}

fn evidence() -> Evidence {
    Evidence {
        wall_ms: MS,
        boot: 7,
        since_relay_ms: Some(90_000),
        relay_ms: None,
    }
}

fn answers() -> Vec<Answer> {
    vec![
        Answer {
            question: 1,
            options: vec![0, 3],
            text: None,
        },
        Answer {
            question: 2,
            options: Vec::new(),
            text: Some("forty".into()),
        },
    ]
}

fn school() -> Vec<Event> {
    vec![
        SchoolProfile {
            name: "School".into(),
            name_km: km(),
        }
        .into(),
        StaffAdmit {
            certificate: Opaque(vec![1, 2, 3]),
        }
        .into(),
        RosterBind {
            account: ACCOUNT,
            root: [0x86; 32],
            in_person: true,
        }
        .into(),
        People {
            source: "OULAD".into(),
            people: vec![(ACCOUNT, "11391".into())],
        }
        .into(),
        Guardianship {
            guardian: ACCOUNT,
            child: ACCOUNT,
            until_ms: MS,
        }
        .into(),
        GuardianshipEnd {
            guardian: ACCOUNT,
            child: ACCOUNT,
        }
        .into(),
        AcceptPending { entry: ENTRY }.into(),
        GuardianAccess {
            guardian: ACCOUNT,
            child: AccountId([0x87; 16]),
            open: true,
        }
        .into(),
    ]
}

fn course() -> Vec<Event> {
    vec![
        CourseGenesis {
            salt: 1 << 40,
            imported: true,
            open: false,
            counts_attested: true,
            counts_api_grades: false,
            foreign_id: Some("BBB 2013J".into()),
        }
        .into(),
        CoursePublish {
            title: "Biology".into(),
            title_km: km(),
            description: "Cells.".into(),
            description_km: None,
            category: "science".into(),
            level: 1,
            published: true,
        }
        .into(),
        MemberAdd {
            account: ACCOUNT,
            roles: 4,
        }
        .into(),
        MemberRemove { account: ACCOUNT }.into(),
        Enrol { account: ACCOUNT }.into(),
        Leave { account: ACCOUNT }.into(),
        GroupSet {
            group: GROUP,
            name: "Reds".into(),
            members: vec![ACCOUNT],
        }
        .into(),
        MemberCutOff {
            account: ACCOUNT,
            last: vec![ENTRY, EntryId([0x88; 32])],
        }
        .into(),
        LessonPublish {
            lesson: OBJECT,
            order: 3,
            title: "Cells".into(),
            title_km: km(),
            content: content(),
            content_km: Some(content()),
            minutes: 45,
            provenance: provenance(),
            published: true,
        }
        .into(),
        LessonComplete { lesson: OBJECT }.into(),
    ]
}

fn assignments() -> Vec<Event> {
    vec![
        AssignmentPublish {
            assignment: OBJECT,
            kind: 4,
            title: "Quiz".into(),
            title_km: None,
            text: "Choose.".into(),
            max_points: 10_000,
            due_ms: Some(MS),
            grace_ms: 60_000,
            attempts: 2,
            timed_minutes: Some(30),
            questions: vec![Question {
                id: 1,
                text: "Which?".into(),
                text_km: km(),
                options: vec!["this".into(), "that".into()],
                points: 500,
            }],
            published: true,
        }
        .into(),
        AnswerKey {
            assignment: OBJECT,
            answers: answers(),
        }
        .into(),
        Extension {
            assignment: OBJECT,
            due_ms: MS,
        }
        .into(),
        Submit {
            assignment: OBJECT,
            attempt: 1,
            content: content(),
            provenance: provenance(),
            evidence: evidence(),
        }
        .into(),
        QuizAnswers {
            assignment: OBJECT,
            attempt: 1,
            answers: answers(),
            last: true,
            evidence: evidence(),
        }
        .into(),
        AutoMark {
            assignment: OBJECT,
            student: ACCOUNT,
            attempt: ENTRY,
            points: 250,
        }
        .into(),
        Grade {
            grade: OTHER,
            assignment: OBJECT,
            student: ACCOUNT,
            attempt: Some(ENTRY),
            points: 8_750,
            feedback: "Good.".into(),
            supersedes: vec![OBJECT],
        }
        .into(),
        Release {
            grade: OTHER,
            entry: ENTRY,
            header: Some(Opaque(vec![4, 5])),
            assignment: OBJECT,
            attempt: None,
            points: 8_750,
            feedback: "Good.".into(),
        }
        .into(),
        Return {
            assignment: OBJECT,
            attempt: ENTRY,
            feedback: "Again.".into(),
        }
        .into(),
        ChooseGrade {
            assignment: OBJECT,
            student: ACCOUNT,
            grade: OTHER,
            over: vec![OBJECT],
        }
        .into(),
        Comment {
            comment: OTHER,
            about: OBJECT,
            parent: None,
            text: "Why?".into(),
        }
        .into(),
    ]
}

fn imports() -> Vec<Event> {
    vec![
        Historical {
            enrolled_day: Some(-159),
            left_day: None,
            result: "Pass".into(),
            work: vec![HistoricalWork {
                assignment: 0,
                day: 18,
                score: Some(78),
                banked: false,
            }],
        }
        .into(),
        ImportExtras {
            table: "studentInfo".into(),
            columns: vec!["region".into()],
            rows: vec![vec!["11391".into(), "East".into()]],
        }
        .into(),
        HistoricalAssignments {
            assignments: vec![HistoricalAssignment {
                assignment: OBJECT,
                foreign_id: "1752".into(),
                kind: "TMA".into(),
                day: None,
                weight: "10".into(),
            }],
        }
        .into(),
        CourseOffer {
            thumbnail: Some(BlobId([0x84; 32])),
            price: 4_000_000,
            currency: "KHR".into(),
        }
        .into(),
    ]
}

fn posts() -> Vec<Event> {
    vec![
        Post {
            post: OBJECT,
            kind: 3,
            text: "Which day?".into(),
            text_km: None,
            media: vec![BlobId([0x84; 32])],
            hashtags: vec!["trip".into()],
            options: vec!["Monday".into(), "Friday".into()],
            starts_ms: Some(MS),
        }
        .into(),
        Like {
            target: OBJECT,
            on: true,
        }
        .into(),
        Follow {
            account: ACCOUNT,
            on: false,
        }
        .into(),
        Block {
            account: ACCOUNT,
            on: true,
        }
        .into(),
        Report {
            target: OBJECT,
            reason: "rude".into(),
        }
        .into(),
        Moderate {
            target: OBJECT,
            hidden: true,
            reason: "rude".into(),
        }
        .into(),
        Vote {
            post: OBJECT,
            option: 1,
        }
        .into(),
        Rsvp {
            post: OBJECT,
            answer: 2,
        }
        .into(),
        NameCard {
            first_name: "Sok".into(),
            last_name: "Dara".into(),
            name_km: Some("សុខ ដារ៉ា".into()),
        }
        .into(),
        ConversationStart {
            kind: 1,
            members: vec![ACCOUNT, AccountId([0x87; 16])],
            salt: 0x0102_0304_0506_0708,
        }
        .into(),
        ConversationMember {
            account: ACCOUNT,
            standing: 2,
        }
        .into(),
        Message {
            message: OBJECT,
            envelope: Opaque(vec![1, 2, 3]),
        }
        .into(),
        Read {
            conversation: SPACE,
            until: OBJECT,
        }
        .into(),
        ConversationName {
            envelope: Opaque(vec![4, 5]),
        }
        .into(),
        Seen { until_ms: MS }.into(),
        Proposal {
            space: SPACE,
            lane: Lane::One(ACCOUNT),
            events: vec![Opaque(Event::from(Enrol { account: ACCOUNT }).encode())],
        }
        .into(),
        ProposalEnd {
            proposal: ENTRY,
            accepted: true,
        }
        .into(),
        Erase {
            entry: ENTRY,
            ops: vec![0, 300],
            reason: "privacy".into(),
        }
        .into(),
        DocumentSuccessor {
            document: DocId([0x85; 16]),
            successor: DocId([0x86; 16]),
        }
        .into(),
    ]
}

/// Every event, in the order of the types.
pub fn cases() -> Vec<Case> {
    let events: Vec<Event> = [school(), course(), assignments(), imports(), posts()].concat();
    let codes: Vec<u16> = events.iter().map(Event::code).collect();
    let types: Vec<u16> = TYPES.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, types, "every type has its golden event");
    events
        .into_iter()
        .zip(TYPES)
        .map(|(event, (code, name))| {
            Case::new(
                format!("event/{code:03}-{name}"),
                event,
                Event::encode,
                Event::decode,
            )
        })
        .collect()
}
