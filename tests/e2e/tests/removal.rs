//! Where what counts of somebody who was removed ends: relay and devices say the
//! same, in whatever order things come.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::Client;
use stunity_e2e::hand::{code, comment, grade, op};
use stunity_e2e::{Hand, HostileClass};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::*;
use stunity_proto::{Entry, EntryId, Lane, ObjectId};

/// Something that the colleague says to the staff.
async fn wrote(class: &mut HostileClass, n: u8) -> Entry {
    let heads = class.heads(Lane::Staff).await;
    let student = class.pupil.store().account();
    let ops = vec![
        comment(n, class.assignment, &format!("note {n}")),
        grade(n, class.assignment, student),
    ];
    class
        .colleague
        .write(class.course, Lane::Staff, &heads, ops)
}

async fn said(class: &HostileClass, entry: &Entry) -> String {
    code(&class.upload(std::slice::from_ref(entry)).await[0]).to_owned()
}

fn notes(client: &Client, class: &HostileClass) -> usize {
    client.store().comments(class.assignment).unwrap().len()
}

#[tokio::test]
async fn what_the_remover_had_not_seen_loses_its_effect_until_staff_accept_it() {
    let mut class = HostileClass::new().await;
    let seen = wrote(&mut class, 1).await;
    assert_eq!(said(&class, &seen).await, "");
    class.school.sync(&mut class.teacher).await;
    let unseen = wrote(&mut class, 2).await;
    assert_eq!(said(&class, &unseen).await, "");
    class.cut_off_colleague().await;
    assert_eq!(said(&class, &seen).await, "");
    assert_eq!(said(&class, &unseen).await, "member.cut-off");
    assert_eq!(notes(&class.teacher, &class), 1);
    let waiting = class.teacher.store().pending(None).unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].received_ms.is_some());
    class.teacher.accept_pending(unseen.id()).unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(said(&class, &unseen).await, "");
    assert_eq!(notes(&class.teacher, &class), 2);
    assert_eq!(class.teacher.store().pending(None).unwrap(), []);
}

#[tokio::test]
async fn what_was_withdrawn_leaves_no_trace() {
    let mut class = HostileClass::new().await;
    class.school.sync(&mut class.teacher).await;
    let unseen = wrote(&mut class, 2).await;
    assert_eq!(said(&class, &unseen).await, "");
    class.cut_off_colleague().await;
    class.is_unharmed_and_usable().await;
    class.leaves_no_trace_of(&[unseen.id()]).await;
}

#[tokio::test]
async fn who_was_brought_in_by_somebody_cut_off_is_nobody() {
    let mut class = HostileClass::new().await;
    let mut accomplice = Hand::join(&class.school, 70, StaffRoles::TEACHER).await;
    let heads = class.heads(Lane::Staff).await;
    let added = MemberAdd {
        account: accomplice.account,
        roles: Roles::TEACHER.0,
    };
    let course = class.course;
    let added = class
        .colleague
        .write(course, Lane::All, &heads, vec![op(added)]);
    let ops = vec![grade(3, class.assignment, class.pupil.store().account())];
    let forged = accomplice.write(course, Lane::Staff, &[added.id()], ops);
    for entry in [&added, &forged] {
        assert_eq!(said(&class, entry).await, "");
    }
    // The owner had seen neither when she removed the colleague.
    class.cut_off_colleague().await;
    assert_eq!(said(&class, &added).await, "member.cut-off");
    assert_eq!(said(&class, &forged).await, "role.missing");
    class.is_unharmed_and_usable().await;
    class.leaves_no_trace_of(&[added.id(), forged.id()]).await;
}

#[tokio::test]
async fn an_acceptance_may_overtake_what_it_accepts() {
    let mut class = HostileClass::new().await;
    let late = wrote(&mut class, 1).await;
    class.cut_off_colleague().await;
    // By parcel only; the relay hears of the acceptance first.
    let report = class.carry(std::slice::from_ref(&late));
    assert_eq!(HostileClass::judged(&report, &late), "member.cut-off");
    class.teacher.accept_pending(late.id()).unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(notes(&class.teacher, &class), 1);
    assert_eq!(said(&class, &late).await, "");
    class.school.sync(&mut class.teacher).await;
    assert_eq!(notes(&class.teacher, &class), 1);
}

#[tokio::test]
async fn what_the_last_entry_that_counts_follows_counts_when_it_comes() {
    let mut class = HostileClass::new().await;
    let mut second = class.school.join("second", StaffRoles::TEACHER).await;
    let account = second.store().account();
    let added = class
        .teacher
        .add_staff(class.course, account, Roles::TEACHER);
    added.unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;
    let [one, two, three] = [
        wrote(&mut class, 1).await,
        wrote(&mut class, 2).await,
        wrote(&mut class, 3).await,
    ];
    // The owner has the first two by parcel, nobody else has any.
    class.carry(&[one.clone(), two.clone()]);
    assert_eq!(notes(&class.teacher, &class), 2);
    class.cut_off_colleague().await;
    assert_eq!(said(&class, &one).await, "member.cut-off");
    class.school.sync(&mut second).await;
    assert_eq!(notes(&second, &class), 0);
    assert_eq!(said(&class, &two).await, "");
    assert_eq!(said(&class, &one).await, "");
    assert_eq!(said(&class, &three).await, "member.cut-off");
    class.school.sync(&mut second).await;
    class.school.sync(&mut class.teacher).await;
    for device in [&second, &class.teacher] {
        assert_eq!(notes(device, &class), 2);
        let waiting: Vec<EntryId> = (device.store().pending(None).unwrap().iter())
            .map(|row| row.entry)
            .collect();
        assert_eq!(waiting, [three.id()]);
    }
}

#[tokio::test]
async fn a_pupil_who_was_removed_keeps_what_was_received() {
    let mut class = HostileClass::new().await;
    let me = class.pupil.store().account();
    class.is_unharmed_and_usable().await;
    let removed = class.teacher.remove_member(class.course, me);
    removed.unwrap();
    class.school.sync(&mut class.teacher).await;
    let list = class
        .teacher
        .store()
        .class_list(class.course, Roles::STUDENT);
    assert!(list.unwrap().iter().all(|row| row.account != me));
    let work = class.teacher.store().submissions(class.course, Some(me));
    assert_eq!(work.unwrap().len(), 1);
    let oneself = class.teacher.store().account();
    let error = class.teacher.remove_member(class.course, oneself);
    assert_eq!(error.unwrap_err().code(), "member.oneself");
}

/// A pupil is enrolled where only staff and the pupil read; the others hear of the end.
#[tokio::test]
async fn classmates_hold_back_what_a_removed_pupil_says_until_staff_accept_it() {
    let mut class = HostileClass::new().await;
    let course = class.course;
    let account = class.mallory.account;
    let heads = class.heads(Lane::One(account)).await;
    let mut say = |n: u8| {
        let comment = Comment {
            comment: ObjectId([n; 16]),
            about: ObjectId(course.0),
            parent: None,
            text: format!("word {n}"),
        };
        (class.mallory).write(course, Lane::All, &heads, vec![op(comment)])
    };
    let (seen, unseen) = (say(1), say(2));
    assert_eq!(said(&class, &seen).await, "");
    class.school.sync(&mut class.teacher).await;
    class.teacher.remove_member(course, account).unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(said(&class, &unseen).await, "member.cut-off");
    for (is_accepted, words) in [(false, 1), (true, 2)] {
        if is_accepted {
            class.school.sync(&mut class.teacher).await;
            class.teacher.accept_pending(unseen.id()).unwrap();
            class.school.sync(&mut class.teacher).await;
        }
        class.school.sync(&mut class.pupil).await;
        for client in [&class.teacher, &class.pupil] {
            let shown = client.store().comments(ObjectId(course.0)).unwrap();
            assert_eq!(shown.len(), words);
        }
    }
}
