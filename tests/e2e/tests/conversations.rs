//! Conversations between devices: what is sealed comes to those in them, in one order,
//! and to nobody else.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Between, Client, Receipt};
use stunity_e2e::hand::{code, op};
use stunity_e2e::{Class, Hand, HostileClass, School};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::*;
use stunity_model::talk::Standing;
use stunity_proto::{AccountId, Entry, Kind, Lane, ObjectId, SpaceId};
use stunity_sync::{RelayStore, Target};

/// What a device holds of a conversation, the oldest first.
fn said(client: &Client, conversation: SpaceId) -> Vec<String> {
    let rows = client.store().messages(conversation, None, 100).unwrap();
    let texts = rows.into_iter().rev();
    texts
        .map(|row| String::from_utf8(row.envelope).unwrap())
        .collect()
}

fn say(client: &mut Client, conversation: SpaceId, text: &str) -> ObjectId {
    let envelope = text.as_bytes().to_vec();
    client.send_envelope(conversation, envelope).unwrap()
}

fn unread(client: &Client, conversation: SpaceId) -> u64 {
    let held = client.store().conversation(conversation).unwrap();
    held.unwrap().unread
}

fn refusals(client: &Client) -> Vec<String> {
    let rows = client.store().refused().unwrap();
    rows.into_iter().map(|row| row.code).collect()
}

async fn joined(school: &School, name: &str) -> Client {
    let mut client = school.join(name, StaffRoles::default()).await;
    school.sync(&mut client).await;
    client
}

#[tokio::test]
async fn two_who_begin_the_same_conversation_apart_lose_nothing() {
    let mut class = Class::new().await;
    let (teacher, pupil) = (&mut class.teacher, &mut class.pupil);
    let (to_pupil, to_teacher) = (pupil.store().account(), teacher.store().account());
    let by_teacher = teacher.start_conversation(Between::Two(to_pupil)).unwrap();
    let by_pupil = pupil.start_conversation(Between::Two(to_teacher)).unwrap();
    assert_eq!(by_teacher, by_pupil);
    say(teacher, by_teacher, "good morning");
    say(pupil, by_pupil, "hello");
    assert_eq!(said(pupil, by_pupil), ["hello"]);
    class.school.sync(teacher).await;
    class.school.sync(pupil).await;
    class.school.sync(teacher).await;
    for client in [&*teacher, &*pupil] {
        assert_eq!(said(client, by_teacher), ["good morning", "hello"]);
        assert_eq!(refusals(client), Vec::<String>::new());
    }
    // There it is: beginning it once more states nothing.
    assert_eq!(
        teacher.start_conversation(Between::Two(to_pupil)).unwrap(),
        by_teacher
    );
    assert_eq!(class.school.sync(pupil).await.new_entries, 0);
}

#[tokio::test]
async fn who_is_removed_from_a_group_reads_nothing_new_and_says_nothing_more() {
    let mut class = Class::new().await;
    let mut friend = joined(&class.school, "friend").await;
    let (school, teacher, pupil) = (&class.school, &mut class.teacher, &mut class.pupil);
    let of = |client: &Client| client.store().account();
    let group = Between::Group(vec![of(pupil), of(&friend)]);
    let group = teacher.start_conversation(group).unwrap();
    say(teacher, group, "welcome");
    school.sync(teacher).await;
    for client in [&mut *pupil, &mut friend] {
        school.sync(client).await;
        assert_eq!(said(client, group), ["welcome"]);
    }
    say(pupil, group, "from the pupil");
    school.sync(pupil).await;
    teacher
        .set_conversation_member(group, of(pupil), Standing::Out)
        .unwrap();
    school.sync(teacher).await;
    say(teacher, group, "among ourselves");
    school.sync(teacher).await;
    // Written without knowing of the removal.
    say(pupil, group, "still here");
    school.sync(pupil).await;
    assert_eq!(refusals(pupil), ["member.cut-off"]);
    school.sync(&mut friend).await;
    let among = ["welcome", "from the pupil", "among ourselves"];
    assert_eq!(said(&friend, group), among);
    assert_eq!(said(teacher, group), among);
    assert!(!said(pupil, group).contains(&"among ourselves".to_owned()));

    // Taken in again, the pupil reads and writes.
    teacher
        .set_conversation_member(group, of(pupil), Standing::In)
        .unwrap();
    school.sync(teacher).await;
    school.sync(pupil).await;
    say(pupil, group, "thank you");
    school.sync(pupil).await;
    school.sync(teacher).await;
    assert_eq!(said(teacher, group).last().unwrap(), "thank you");
    assert_eq!(refusals(pupil), ["member.cut-off"]);
}

#[tokio::test]
async fn hosts_say_who_is_in_it_and_everybody_may_leave() {
    let mut class = Class::new().await;
    let friend = joined(&class.school, "friend").await;
    let (school, teacher, pupil) = (&class.school, &mut class.teacher, &mut class.pupil);
    let of = |client: &Client| client.store().account();
    let group = teacher
        .start_conversation(Between::Group(vec![of(pupil)]))
        .unwrap();
    school.sync(teacher).await;
    school.sync(pupil).await;
    let refused = pupil.set_conversation_member(group, of(&friend), Standing::In);
    assert_eq!(refused.unwrap_err().code(), "role.missing");
    // Stated all the same, the relay says so too.
    let event = ConversationMember {
        account: of(&friend),
        standing: 1,
    };
    pupil.state(group, Lane::Talk, event).unwrap();
    school.sync(pupil).await;
    assert_eq!(refusals(pupil), ["role.missing"]);
    teacher
        .set_conversation_member(group, of(pupil), Standing::Host)
        .unwrap();
    teacher
        .set_conversation_member(group, of(teacher), Standing::Out)
        .unwrap();
    school.sync(teacher).await;
    school.sync(pupil).await;
    pupil
        .set_conversation_member(group, of(&friend), Standing::In)
        .unwrap();
    school.sync(pupil).await;
    let held = pupil.store().conversation(group).unwrap().unwrap();
    let mut members = vec![of(pupil), of(&friend)];
    members.sort();
    let shown: Vec<AccountId> = held.members.iter().map(|(member, _)| *member).collect();
    assert_eq!(shown, members);
}

#[tokio::test]
async fn reading_is_shown_to_others_only_if_its_author_wants() {
    let mut class = Class::new().await;
    let (school, teacher, pupil) = (&class.school, &mut class.teacher, &mut class.pupil);
    let with = Between::Two(pupil.store().account());
    let conversation = teacher.start_conversation(with).unwrap();
    let first = say(teacher, conversation, "one");
    let second = say(teacher, conversation, "two");
    school.sync(teacher).await;
    school.sync(pupil).await;
    assert_eq!(unread(pupil, conversation), 2);
    assert_eq!(unread(teacher, conversation), 0);
    pupil.mark_read(conversation, first, Receipt::Own).unwrap();
    school.sync(pupil).await;
    assert_eq!(unread(pupil, conversation), 1);
    school.sync(teacher).await;
    pupil.mark_read(conversation, first, Receipt::Own).unwrap();
    school.sync(pupil).await;
    assert_eq!(school.sync(teacher).await.new_entries, 0);
    pupil
        .mark_read(conversation, second, Receipt::Shown)
        .unwrap();
    school.sync(pupil).await;
    assert_eq!(unread(pupil, conversation), 0);
    assert_eq!(school.sync(teacher).await.new_entries, 1);
}

#[tokio::test]
async fn what_somebody_said_and_erases_is_gone_everywhere() {
    let mut class = Class::new().await;
    let (school, teacher, pupil) = (&class.school, &mut class.teacher, &mut class.pupil);
    let with = Between::Two(pupil.store().account());
    let conversation = teacher.start_conversation(with).unwrap();
    say(teacher, conversation, "stays");
    school.sync(teacher).await;
    say(teacher, conversation, "goes");
    school.sync(teacher).await;
    school.sync(pupil).await;
    let newest = pupil.store().messages(conversation, None, 1).unwrap();
    let erase = |entry| Erase {
        entry,
        ops: vec![0],
        reason: "request".into(),
    };
    pupil
        .state(conversation, Lane::Talk, erase(newest[0].entry))
        .unwrap();
    school.sync(pupil).await;
    assert_eq!(said(pupil, conversation), ["stays", "goes"], "another's");
    teacher
        .state(conversation, Lane::Talk, erase(newest[0].entry))
        .unwrap();
    school.sync(teacher).await;
    school.sync(pupil).await;
    for client in [&*teacher, &*pupil] {
        assert_eq!(said(client, conversation), ["stays"]);
    }
}

fn message(id: u8) -> (Kind, Vec<u8>) {
    op(Message {
        message: ObjectId([id; 16]),
        envelope: Opaque(vec![id]),
    })
}

fn start(kind: u8, members: &[AccountId], salt: u64) -> (Kind, Vec<u8>) {
    op(ConversationStart {
        kind,
        members: members.to_vec(),
        salt,
    })
}

/// A conversation of the teacher and the pupil that the relay holds, and the entry that
/// began it.
async fn private(class: &mut HostileClass) -> (SpaceId, Entry) {
    let with = Between::Two(class.pupil.store().account());
    let space = class.teacher.start_conversation(with).unwrap();
    class.school.sync(&mut class.teacher).await;
    let target = Target {
        space,
        lane: Some(Lane::Talk),
    };
    let page = class.school.log.read(target, 0, 1 << 20).await.unwrap();
    let entries = page.items.into_iter().map(|item| item.entry);
    let mut begun = entries.filter(|entry| entry.header().lane == Lane::Talk);
    (space, begun.next().unwrap())
}

#[tokio::test]
async fn nobody_writes_into_a_conversation_of_others() {
    let mut class = HostileClass::new().await;
    let (space, begun) = private(&mut class).await;
    let school = class.school.log.keys().school();
    let teacher = class.teacher.store().account();
    let mut mallory = class.mallory.clone();
    let me = mallory.account;
    let heads = [begun.id()];
    let own = SpaceId::of_group(school, me, 5);
    let of_teacher = SpaceId::of_group(school, teacher, 5);
    let cases = [
        (space, &[][..], vec![message(1)], "role.missing"),
        (space, &[], vec![start(0, &[teacher], 0)], "event.malformed"),
        (space, &[], vec![start(1, &[teacher], 5)], "event.malformed"),
        (space, &heads, vec![message(1)], "role.missing"),
        (of_teacher, &[], vec![start(1, &[], 5)], "event.malformed"),
        (of_teacher, &[], vec![message(1)], "space.unknown"),
        (
            own,
            &[],
            vec![message(1), start(1, &[], 5)],
            "space.unknown",
        ),
        (own, &[], vec![start(0, &[me], 0)], "event.malformed"),
        (own, &[], vec![start(1, &[], 5), message(1)], ""),
        (own, &[], vec![start(1, &[], 5)], "space.exists"),
    ];
    for (n, (space, heads, ops, expected)) in cases.into_iter().enumerate() {
        let entry = mallory.draft(space, Lane::Talk, heads, ops);
        let outcome = &class.upload(std::slice::from_ref(&entry)).await[0];
        assert_eq!(code(outcome), expected, "case {n}");
        // Of what is unknown nothing stays, not even a place in the chain.
        if expected != "space.unknown" {
            mallory.went(&entry);
        }
    }
    class.school.sync(&mut class.pupil).await;
    assert_eq!(said(&class.pupil, space), Vec::<String>::new());
}

#[tokio::test]
async fn an_envelope_has_a_length_and_nothing_else_is_said_of_it() {
    let class = HostileClass::new().await;
    let school = class.school.log.keys().school();
    let mut mallory = class.mallory.clone();
    let space = SpaceId::of_group(school, mallory.account, 5);
    let begun = mallory.write(space, Lane::Talk, &[], vec![start(1, &[], 5)]);
    assert_eq!(
        code(&class.upload(std::slice::from_ref(&begun)).await[0]),
        ""
    );
    for (len, expected) in [
        (0, "envelope.length"),
        (MAX_INLINE + 1, "envelope.length"),
        (MAX_INLINE, ""),
        (1, ""),
    ] {
        let envelope = || Opaque(vec![0xff; len]);
        let said = Message {
            message: ObjectId([1; 16]),
            envelope: envelope(),
        };
        let named = ConversationName {
            envelope: envelope(),
        };
        for ops in [op(said), op(named)] {
            let entry = mallory.write(space, Lane::Talk, &[begun.id()], vec![ops]);
            assert_eq!(code(&class.upload(&[entry]).await[0]), expected, "{len}");
        }
    }
}

#[tokio::test]
async fn a_course_and_a_conversation_never_share_a_space() {
    let mut class = HostileClass::new().await;
    let (space, begun) = private(&mut class).await;
    let school = class.school.log.keys().school();
    let mut colleague = class.colleague.clone();
    let genesis = || {
        op(CourseGenesis {
            salt: 0,
            imported: false,
            open: true,
            counts_attested: false,
            counts_api_grades: false,
            foreign_id: None,
        })
    };
    let group = SpaceId::of_group(school, colleague.account, 9);
    for (space, lane, heads, ops, expected) in [
        (space, Lane::All, vec![], vec![genesis()], "space.exists"),
        (group, Lane::All, vec![], vec![genesis()], ""),
        (
            group,
            Lane::Talk,
            vec![],
            vec![start(1, &[], 9)],
            "space.exists",
        ),
        (
            space,
            Lane::All,
            vec![begun.id()],
            vec![card()],
            "space.unknown",
        ),
    ] {
        let entry = colleague.write(space, lane, &heads, ops);
        assert_eq!(code(&class.upload(&[entry]).await[0]), expected);
    }
    let pupil = class.pupil.store().account();
    let view = class.school.log.view(colleague.account).await.unwrap();
    assert!(view.iter().all(|target| target.space != space));
    let view = class.school.log.view(pupil).await.unwrap();
    let talk = Target {
        space,
        lane: Some(Lane::Talk),
    };
    assert!(view.contains(&talk));
}

fn card() -> (Kind, Vec<u8>) {
    op(NameCard {
        first_name: "M".into(),
        last_name: "M".into(),
        name_km: None,
    })
}

#[tokio::test]
async fn a_second_beginning_behind_another_operation_makes_no_owner() {
    let mut class = HostileClass::new().await;
    let outsider = Hand::join(&class.school, 80, StaffRoles::TEACHER).await;
    let unknown = (Kind::Event(9_000), vec![0x82, 0x19, 0x23, 0x28, 0]);
    let genesis = op(CourseGenesis {
        salt: 0,
        imported: false,
        open: true,
        counts_attested: false,
        counts_api_grades: true,
        foreign_id: None,
    });
    let heads = class.heads(Lane::All).await;
    let entry = outsider.draft(class.course, Lane::All, &heads, vec![unknown, genesis]);
    let outcome = &class.upload(std::slice::from_ref(&entry)).await[0];
    assert_eq!(code(outcome), "space.exists");
    let report = class.carry(std::slice::from_ref(&entry));
    assert_ne!(HostileClass::judged(&report, &entry), "");
    let staff = class.teacher.store().class_list(class.course, Roles::STAFF);
    assert_eq!(staff.unwrap().len(), 2);
    class.is_unharmed_and_usable().await;
}
