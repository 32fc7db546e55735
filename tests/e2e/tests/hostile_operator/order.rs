//! What a relay numbers, in whatever order: roots, revocations and removals hold.
use stunity_client::Client;
use stunity_e2e::hand::{code, comment, op, release};
use stunity_e2e::{Hand, HostileClass};
use stunity_identity::{Certificate, StaffRoles};
use stunity_model::Roles;
use stunity_model::events::{MemberCutOff, RosterBind};
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::{Entry, EntryId, Lane};

use crate::{Operator, grade, judged};

#[tokio::test]
async fn another_root_for_an_account_that_has_one_binds_nothing() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let school = class.mallory.school.space();
    let staff = class.heads(Lane::Staff).await;
    for (account, heads) in [
        (class.colleague.account, staff.clone()),
        (
            class.mallory.account,
            class.heads(Lane::One(class.mallory.account)).await,
        ),
    ] {
        // The operator's own keys under the account's name.
        let mut forged = Hand::stranger(class.mallory.school, 110);
        forged.account = account;
        let genesis = {
            let certificate = forged.certificate.clone();
            let mut device = certificate.body().clone();
            device.account = account;
            forged.certificate = Certificate::sign(device, &forged.root);
            forged.genesis()
        };
        let bind = RosterBind {
            account,
            root: *forged.root.verifying_key().as_bytes(),
            in_person: false,
        };
        let bound = operator.vouch(&class, account, (school, Lane::Staff), &[], vec![op(bind)]);
        let lane = if account == class.colleague.account {
            Lane::Staff
        } else {
            Lane::One(account)
        };
        let note = comment(3, class.assignment, "forged");
        let said = forged.draft(class.course, lane, &heads, vec![note]);
        // At the very beginning of the order, or before it.
        for (epoch, sequence) in [(1, 1), (0, 1), (1, 0)] {
            let entries = [
                (bound.clone(), epoch, sequence),
                (genesis.clone(), epoch, sequence),
                (said.clone(), epoch, sequence),
            ];
            for device in [&mut class.teacher, &mut class.pupil] {
                operator.deliver(device, &entries);
            }
        }
        for device in [&class.teacher, &class.pupil] {
            let comments = device.store().comments(class.assignment).unwrap();
            assert_eq!(comments, [], "another root speaks for {account}");
        }
    }
    // Who they were, they still are.
    let mut colleague = class.colleague.clone();
    let note = comment(4, class.assignment, "honest");
    let entry = colleague.write(class.course, Lane::Staff, &staff, vec![note]);
    assert_eq!(code(&class.upload(&[entry]).await[0]), "");
    class.school.sync(&mut class.teacher).await;
    assert_eq!(class.comments().len(), 1);
    class.is_unharmed_and_usable().await;
}

#[tokio::test]
async fn no_order_brings_a_revoked_device_back() {
    let mut class = HostileClass::new().await;
    let operator = Operator::of(&class);
    let staff = class.heads(Lane::Staff).await;
    let mut owner = class.colleague.clone();
    let (mut lost, added) = owner.add_device(80);
    let note = |text: &str| vec![comment(4, class.assignment, text)];
    let good = lost.write(class.course, Lane::Staff, &staff, note("mine"));
    let revoked = owner.revoke(&lost, class.course, Lane::Staff);
    let thief = lost.write(class.course, Lane::Staff, &staff, vec![grade(&class)]);
    // The device had been let go on, and its entry is said to stand before all else.
    let orders: [&[&Entry]; 4] = [
        &[&added, &good, &thief, &revoked],
        &[&thief, &added, &good, &revoked],
        &[&revoked, &thief, &good, &added],
        &[&added, &revoked, &good, &thief, &added],
    ];
    for (turn, order) in orders.iter().enumerate() {
        for entry in *order {
            let sequence = 20_000 + 100 * turn as u64;
            let at = if entry.id() == thief.id() {
                2
            } else {
                sequence
            };
            operator.deliver(&mut class.teacher, &[((*entry).clone(), 1, at)]);
        }
        let grades = class.teacher.store().grades(class.course, None).unwrap();
        assert_eq!(grades, [], "order {turn}");
        let comments = class.comments();
        assert_eq!(comments.len(), 1, "order {turn}");
    }
}

/// A colleague's entry that the owner holds, and what she signs after the owner
/// removed her: a grade, a release, and another entry in the first one's place.
async fn removed_teacher(class: &mut HostileClass) -> [Entry; 3] {
    let mut colleague = class.colleague.clone();
    let mut other = colleague.clone();
    let (course, pupil) = (class.course, class.pupil.store().account());
    let staff = class.heads(Lane::Staff).await;
    let note = comment(4, class.assignment, "in time");
    let kept = colleague.write(course, Lane::Staff, &staff, vec![note]);
    assert_eq!(code(&class.upload(&[kept]).await[0]), "");
    class.school.sync(&mut class.teacher).await;
    [
        colleague.write(course, Lane::Staff, &staff, vec![grade(class)]),
        colleague.write(
            course,
            Lane::One(pupil),
            &staff,
            vec![release(class.assignment)],
        ),
        other.write(course, Lane::Staff, &staff, vec![grade(class)]),
    ]
}

#[tokio::test]
async fn no_order_slips_in_what_a_removed_teacher_signs_later() {
    let mut class = HostileClass::new().await;
    let mut second = class.school.join("second", StaffRoles::TEACHER).await;
    let late = removed_teacher(&mut class).await;
    let account = class.colleague.account;
    class.teacher.remove_member(class.course, account).unwrap();
    // The operator numbers what she signs before the removal, which had to come by
    // the relay too, and what stands in another's place beside it.
    let numbered = class.upload(&late[..2]).await;
    assert!(numbered.iter().all(|outcome| code(outcome).is_empty()));
    let operator = Operator::of(&class);
    let fork = [(late[2].clone(), 1, 20_000)];
    operator.deliver(&mut class.teacher, &fork);
    operator.deliver(&mut class.pupil, &fork);
    class.school.sync(&mut class.pupil).await;
    assert_eq!(releases(&class.pupil, &class), 1, "nobody knows better yet");
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    // Nor does who hears of all of it in that order.
    let account = second.store().account();
    let added = class
        .teacher
        .add_staff(class.course, account, Roles::TEACHER);
    added.unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;
    for device in [&class.teacher, &class.pupil, &second] {
        let store = device.store();
        assert_eq!(store.grades(class.course, None).unwrap(), []);
        assert_eq!(releases(device, &class), 0);
    }
    let comments = class.comments();
    assert_eq!(comments.len(), 1, "what she wrote in time stays");
    // The owner sees what waits, and may give effect to it.
    let waiting = class.teacher.store().pending(Some(class.course)).unwrap();
    let mut ids: Vec<EntryId> = waiting.iter().map(|row| row.entry).collect();
    let mut all: Vec<EntryId> = late.iter().map(Entry::id).collect();
    ids.sort();
    all.sort();
    assert_eq!(ids, all);
    assert!(waiting.iter().all(|row| row.code == "member.cut-off"));
    class.teacher.accept_pending(late[0].id()).unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;
    for device in [&class.teacher, &second] {
        let grades = device.store().grades(class.course, None).unwrap();
        assert_eq!(grades.len(), 1);
    }
}

fn releases(device: &Client, class: &HostileClass) -> usize {
    device.store().releases(class.course, None).unwrap().len()
}

#[tokio::test]
async fn a_removed_teacher_removes_nobody_in_return() {
    let mut class = HostileClass::new().await;
    let staff = class.heads(Lane::Staff).await;
    let mut colleague = class.colleague.clone();
    let cut_off = MemberCutOff {
        account: class.teacher.store().account(),
        last: vec![],
    };
    let back = colleague.write(class.course, Lane::All, &staff, vec![op(cut_off)]);
    class.cut_off_colleague().await;
    class.school.sync(&mut class.pupil).await;
    let operator = Operator::of(&class);
    for device in [&mut class.teacher, &mut class.pupil] {
        let applied = operator.deliver(device, &[(back.clone(), 1, 20_000)]);
        assert_eq!(judged(&applied, &back), "member.cut-off");
        let owners = device.store().class_list(class.course, Roles::OWNER);
        assert_eq!(owners.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_device_that_passes_over_cut_offs_lets_the_removed_teacher_in() {
    let mut class = HostileClass::new().await;
    let late = removed_teacher(&mut class).await;
    let account = class.colleague.account;
    let removed = class.teacher.remove_member(class.course, account);
    removed.unwrap();
    class.upload(&late[..1]).await;
    let _broken = Sabotage::skip(Check::CutOff);
    class.school.sync(&mut class.teacher).await;
    let grades = class.teacher.store().grades(class.course, None).unwrap();
    assert_eq!(grades.len(), 1);
}
