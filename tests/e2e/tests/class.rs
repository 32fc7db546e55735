//! A class works offline and converges; a grade is nobody's but a teacher's.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, NewAssignment, NewCourse};
use stunity_e2e::{Class, CutLink, noise};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::{Grade, Release};
use stunity_model::grades::Standing;
use stunity_proto::Kind;
use stunity_store::ItemState;
use stunity_sync::Target;
use stunity_sync::relay_store::{LogItem, RelayStore};

#[tokio::test]
async fn work_is_handed_in_graded_and_shown() {
    let mut class = Class::new().await;
    let work = class.essay("ភាសាខ្មែរ essay");
    let item = class.pupil.submit(work).unwrap();
    assert_eq!(class.pupil.store().unsent().unwrap().waiting, 1);
    class.school.sync(&mut class.pupil).await;
    let state = class
        .pupil
        .store()
        .item_status(item)
        .unwrap()
        .unwrap()
        .state;
    assert!(matches!(state, ItemState::Received { .. }), "{state:?}");

    class.school.sync(&mut class.teacher).await;
    let handed_in = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    assert_eq!(handed_in.len(), 1);
    assert_eq!(handed_in[0].text, "ភាសាខ្មែរ essay");
    assert_eq!(handed_in[0].timeliness.code(), "on-time");
    let mut grade = class.mark(850);
    grade.attempt = Some(handed_in[0].entry);
    class.teacher.grade(grade).unwrap();
    class.school.sync(&mut class.teacher).await;

    class.school.sync(&mut class.pupil).await;
    let me = class.pupil.store().account();
    let released = class
        .pupil
        .store()
        .releases(class.course, Some(me))
        .unwrap();
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].points, 850);
    assert!(
        class
            .pupil
            .store()
            .grades(class.course, None)
            .unwrap()
            .is_empty(),
        "the staff's own lane is not the pupil's to read"
    );
    assert_eq!(class.pupil.store().search("ភាសា", 9).unwrap().len(), 1);
}

#[tokio::test]
async fn the_work_that_a_grade_names_goes_by_its_number() {
    let mut class = Class::new().await;
    class.pupil.submit(class.essay("an essay")).unwrap();
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    let store = class.teacher.store();
    let attempt = store.submissions(class.course, None).unwrap()[0].entry;
    let mut grade = class.mark(850);
    grade.attempt = Some(attempt);
    class.teacher.grade(grade).unwrap();
    class.school.sync(&mut class.teacher).await;

    let whole = Target {
        space: class.course,
        lane: None,
    };
    let page = class.school.log.read(whole, 0, 1 << 20).await.unwrap();
    let numbered = |item: &LogItem| item.entry.id() == attempt;
    let number = page.items.iter().find(|item| numbered(item)).unwrap();
    let number = number.position.sequence;
    for code in [Grade::CODE, Release::CODE] {
        let mut of_code = page.items.iter().filter(|item| {
            let kinds = &item.entry.header().kinds;
            kinds.contains(&Kind::Event(code))
        });
        let item = of_code.next().unwrap();
        let named = item.named.iter().map(|named| (named.id, named.sequence));
        assert!(
            named.collect::<Vec<_>>().contains(&(attempt, number)),
            "event {code}"
        );
    }
    // A new device restores what they sign.
    let mut tablet = class.school.join("tablet", StaffRoles::TEACHER).await;
    let account = tablet.store().account();
    let course = class.course;
    class
        .teacher
        .add_staff(course, account, Roles::TEACHER)
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let report = class.school.sync(&mut tablet).await;
    assert!(report.caught_up && !report.explicit);
    let released = tablet.store().releases(course, None).unwrap();
    assert_eq!(released[0].points, 850);
    assert_eq!(tablet.store().grades(course, None).unwrap().len(), 1);
    assert!(tablet.store().doctor().unwrap().is_empty());
}

#[tokio::test]
async fn a_pupils_grade_is_refused_kept_and_explained() {
    let mut class = Class::new().await;
    let forged = class.mark(1000);
    class.pupil.grade(forged).unwrap();
    class.school.sync(&mut class.pupil).await;
    let refused = class.pupil.store().refused().unwrap();
    assert_eq!(refused.len(), 2, "the grade and its release");
    assert!(refused.iter().all(|entry| entry.code == "role.missing"));
    class.school.sync(&mut class.teacher).await;
    assert!(
        class
            .teacher
            .store()
            .grades(class.course, None)
            .unwrap()
            .is_empty()
    );

    // What comes after in the same chain is not stuck behind it.
    let work = class.essay("honest work");
    let item = class.pupil.submit(work).unwrap();
    class.school.sync(&mut class.pupil).await;
    let state = class
        .pupil
        .store()
        .item_status(item)
        .unwrap()
        .unwrap()
        .state;
    assert!(matches!(state, ItemState::Received { .. }), "{state:?}");
    class.school.sync(&mut class.teacher).await;
    let handed_in = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    assert_eq!(handed_in.len(), 1);
}

#[tokio::test]
async fn who_enrols_and_hands_in_before_the_course_has_come_is_believed() {
    let mut class = Class::new().await;
    let open = NewCourse {
        open: true,
        ..NewCourse::default()
    };
    let course = class.teacher.create_course(open).unwrap();
    let essay = NewAssignment::default();
    let assignment = class.teacher.publish_assignment(course, essay).unwrap();
    class.school.sync(&mut class.teacher).await;
    let mut late = class.school.join("late", StaffRoles::default()).await;
    let account = late.store().account();
    late.enrol(course, account).unwrap();
    late.store_mut().seal().unwrap();
    // The app is closed in between.
    drop(late);
    let mut late = Client::open(&class.school.path("late")).unwrap();
    let mut work = class.essay("before I saw the course");
    (work.course, work.assignment) = (course, assignment);
    late.submit(work).unwrap();
    late.store_mut().seal().unwrap();
    class.school.sync(&mut late).await;
    assert!(late.store().refused().unwrap().is_empty());
    class.school.sync(&mut class.teacher).await;
    let store = class.teacher.store();
    assert_eq!(store.submissions(course, None).unwrap().len(), 1);
}

#[tokio::test]
async fn grades_that_do_not_know_each_other_conflict_until_one_is_chosen() {
    let mut class = Class::new().await;
    let mut second = class.school.join("second", StaffRoles::TEACHER).await;
    class
        .teacher
        .add_staff(class.course, second.store().account(), Roles::TEACHER)
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;

    let (one, other) = (class.mark(700), class.mark(900));
    let first = class.teacher.grade(one).unwrap();
    let last = second.grade(other).unwrap();
    for _ in 0..2 {
        class.school.sync(&mut class.teacher).await;
        class.school.sync(&mut second).await;
    }
    let mut both = vec![first, last];
    both.sort();
    for device in [&class.teacher, &second] {
        let rows = device.store().grades(class.course, None).unwrap();
        assert_eq!(rows[0].standing, Standing::Conflict(both.clone()));
    }
    let student = class.pupil.store().account();
    second
        .choose_grade(class.course, class.assignment, student, last, vec![first])
        .unwrap();
    class.school.sync(&mut second).await;
    class.school.sync(&mut class.teacher).await;
    let rows = class.teacher.store().grades(class.course, None).unwrap();
    assert_eq!(rows[0].standing, Standing::Counts(last));
}

#[tokio::test]
async fn nothing_new_costs_few_bytes() {
    let mut class = Class::new().await;
    let report = class.school.sync(&mut class.pupil).await;
    let bytes = report.sent + report.received;
    assert_eq!(report.new_entries, 0);
    // Heads of four WebSocket frames take at most 8 bytes each.
    assert!(bytes + 32 <= 600, "{bytes} bytes");
}

#[tokio::test]
async fn a_link_that_is_cut_every_4_kb_carries_everything_once() {
    let mut class = Class::new().await;
    for lesson in 0..8 {
        let text = noise(lesson, 400);
        class
            .teacher
            .publish_lesson(
                class.course,
                lesson,
                &format!("Lesson {lesson}"),
                None,
                &text,
            )
            .unwrap();
    }
    for device in ["teacher", "pupil"] {
        let link = CutLink::new(class.school.address, 4 * 1024).await;
        let client = match device {
            "teacher" => &mut class.teacher,
            _ => &mut class.pupil,
        };
        link.sync(client, |_| {}).await;
        assert!(link.connections() > 5, "the link was never cut");
        println!(
            "{device}: {} bytes over {} connections",
            link.carried(),
            link.connections()
        );
    }
    assert_eq!(class.pupil.store().lessons(class.course).unwrap().len(), 8);
    class.school.sync(&mut class.pupil).await;
}
