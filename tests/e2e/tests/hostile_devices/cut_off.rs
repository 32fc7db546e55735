//! Who was removed and what was revoked go on in vain.
use stunity_e2e::HostileClass;
use stunity_e2e::hand::{code, comment, op};
use stunity_model::events::{AcceptPending, CourseGenesis};
use stunity_proto::{Lane, SpaceId};

use crate::{grade, scene};

#[tokio::test]
async fn what_a_removed_teacher_sends_later_waits_for_staff_of_that_course() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let before = scene.colleague.write(
        scene.course,
        Lane::Staff,
        &scene.staff,
        vec![comment(8, scene.assignment, "in time")],
    );
    assert_eq!(code(&class.upload(&[before]).await[0]), "");
    class.remove_colleague().await;
    // She goes on citing what she held while she taught.
    let ops = vec![grade(&scene)];
    let late = scene
        .colleague
        .write(scene.course, Lane::Staff, &scene.staff, ops);
    let outcomes = class.upload(std::slice::from_ref(&late)).await;
    assert_eq!(code(&outcomes[0]), "member.cut-off");
    let report = class.school.sync(&mut class.teacher).await;
    assert_eq!(report.held, ["member.cut-off"]);
    // As staff of another course she has no say in this one.
    let elsewhere = SpaceId([0xe1; 16]);
    let genesis = CourseGenesis {
        salt: 2,
        imported: false,
        open: false,
        counts_attested: false,
        counts_api_grades: false,
        foreign_id: None,
    };
    let begun = scene
        .colleague
        .write(elsewhere, Lane::All, &[], vec![op(genesis)]);
    let accept = AcceptPending { entry: late.id() };
    let heads = [begun.id()];
    let accepted = scene
        .colleague
        .write(elsewhere, Lane::Staff, &heads, vec![op(accept)]);
    let outcomes = class.upload(&[begun.clone(), accepted.clone()]).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    class.carry(&[begun, accepted]);
    class.school.sync(&mut class.teacher).await;
    let grades = |class: &HostileClass| class.teacher.store().grades(class.course, None).unwrap();
    assert_eq!(grades(&class), []);
    // The owner has.
    let accept = AcceptPending { entry: late.id() };
    stunity_e2e::say(&mut class.teacher, scene.course, Lane::Staff, accept);
    class.school.sync(&mut class.teacher).await;
    assert_eq!(grades(&class).len(), 1);
    assert_eq!(class.comments().len(), 1);
    let outcomes = class.upload(std::slice::from_ref(&late)).await;
    assert_eq!(code(&outcomes[0]), "", "the relay gives it effect too");
}

#[tokio::test]
async fn a_revoked_device_goes_on_in_vain() {
    let mut class = HostileClass::new().await;
    let scene = scene(&class).await;
    let mut owner = scene.colleague.clone();
    let (mut lost, added) = owner.add_device(80);
    let say = |text| vec![comment(8, scene.assignment, text)];
    let (lane, heads) = (Lane::Staff, &scene.staff);
    let good = lost.write(scene.course, lane, heads, say("mine"));
    let revoked = owner.revoke(&lost, scene.course, lane);
    let thief = lost.write(scene.course, lane, heads, vec![grade(&scene)]);
    let outcomes = class
        .upload(&[added.clone(), good.clone(), revoked.clone()])
        .await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    assert_eq!(
        code(&class.upload(std::slice::from_ref(&thief)).await[0]),
        "device.cut-off"
    );
    let report = class.school.sync(&mut class.teacher).await;
    assert_eq!(report.held, ["device.cut-off"]);
    assert_eq!(class.comments().len(), 1);
    class.is_unharmed_and_usable().await;
    let id = thief.id();
    class.leaves_no_trace_of(&[id]).await;
}
