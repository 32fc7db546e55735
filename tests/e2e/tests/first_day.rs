//! Phones that begin at the same place get the same packs, made once.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::sync::atomic::Ordering;

use stunity_client::{Client, Link, NewAssignment, NewCourse, Place, Taken, driver};
use stunity_documents::DocType;
use stunity_e2e::{Hand, School};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::frame::{Frame, capabilities};
use stunity_proto::{Lane, ObjectId, SpaceId};
use stunity_server::sabotage::Sabotage as BrokenRelay;
use stunity_store::{ParcelTo, Span};
use stunity_sync::relay::{Effect, Session};
use stunity_sync::sabotage::Sabotage as BrokenSession;

const HOST: &str = "relay.example";
const NONCE: [u8; 32] = [3; 32];

struct Class {
    school: School,
    teacher: Client,
    course: SpaceId,
}

impl Class {
    async fn new() -> Self {
        let school = School::new().await;
        let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
        school.sync(&mut teacher).await;
        let course = teacher.create_course(NewCourse::default()).unwrap();
        school.sync(&mut teacher).await;
        Self {
            school,
            teacher,
            course,
        }
    }

    /// A phone whose first sync is still to come, of a teacher of the course.
    async fn admitted(&mut self, name: &str) -> Client {
        let phone = self.school.join(name, StaffRoles::TEACHER).await;
        self.admit(&phone).await;
        phone
    }

    async fn admit(&mut self, phone: &Client) {
        let account = phone.store().account();
        (self.teacher)
            .add_staff(self.course, account, Roles::TEACHER)
            .unwrap();
        self.school.sync(&mut self.teacher).await;
    }

    /// So many lessons, each of about 7 KB that compress badly.
    async fn write_lessons(&mut self, count: u64) {
        for n in 0..count {
            let mut lesson = (self.teacher)
                .create_document(DocType::Lesson, self.course, Lane::Staff)
                .unwrap();
            let text: String = (1..400u64)
                .map(|i| format!("{:x} ", (n * 400 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                .collect();
            self.teacher.set_text(&mut lesson, "body", &text).unwrap();
            self.teacher.close_document(lesson).unwrap();
            // An entry each.
            self.teacher.store_mut().seal().unwrap();
        }
        self.school.sync(&mut self.teacher).await;
    }

    fn packs_shared(&self) -> u64 {
        (self.school.log.metrics().packs_shared).load(Ordering::Relaxed)
    }

    fn comment(&mut self, text: &str) -> ObjectId {
        let assignment = NewAssignment {
            title: "Essay".into(),
            ..NewAssignment::default()
        };
        let assignment = (self.teacher)
            .publish_assignment(self.course, assignment)
            .unwrap();
        let place = Place::Course(self.course);
        (self.teacher).reply(place, assignment, None, text).unwrap()
    }
}

#[tokio::test]
async fn a_second_phone_gets_the_packs_of_the_first() {
    let mut class = Class::new().await;
    let mut first = class.admitted("first").await;
    let mut second = class.admitted("second").await;
    class.write_lessons(60).await;
    let made = class.school.sync(&mut first).await;
    assert_eq!(class.packs_shared(), 0);
    let found = class.school.sync(&mut second).await;
    // Sixty lessons fill more than one.
    assert!(class.packs_shared() >= 2, "{}", class.packs_shared());
    assert_eq!(found.new_entries, made.new_entries);
    assert!(!made.explicit && !found.explicit);
    for phone in [&first, &second] {
        assert_eq!(phone.store().doctor().unwrap(), vec![]);
    }

    // What came meanwhile is in the packs of who comes then.
    class.write_lessons(1).await;
    let mut third = class.admitted("third").await;
    class.school.sync(&mut third).await;
    class.school.sync(&mut first).await;
    assert_eq!(class.school.sync(&mut third).await.new_entries, 0);
    assert_eq!(class.school.sync(&mut first).await.new_entries, 0);
}

/// Two phones that lack the same course: one from the middle, one from the start.
async fn apart() -> (Class, Client, Client) {
    let mut class = Class::new().await;
    let mut late = class.school.join("late", StaffRoles::TEACHER).await;
    let mut early = class.admitted("early").await;
    // What one brings to the school's own space, the other has before they part.
    for _ in 0..2 {
        class.school.sync(&mut late).await;
        class.school.sync(&mut early).await;
    }
    class.admit(&late).await;
    class.write_lessons(70).await;
    (class, early, late)
}

#[tokio::test]
async fn phones_that_begin_elsewhere_get_packs_of_their_own() {
    let (class, mut early, mut late) = apart().await;
    for phone in [&mut early, &mut late] {
        assert!(!class.school.sync(phone).await.explicit);
    }
    for phone in [&early, &late] {
        assert_eq!(phone.store().doctor().unwrap(), vec![]);
    }
    assert_eq!(class.school.sync(&mut early).await.new_entries, 0);
    assert_eq!(class.school.sync(&mut late).await.new_entries, 0);
}

#[tokio::test]
async fn a_pack_that_begins_elsewhere_is_noticed() {
    let (class, mut early, mut late) = apart().await;
    let broken = BrokenSession::forget_positions();
    class.school.sync(&mut early).await;
    let result = driver::sync(&mut late, &Link::default()).await;
    // What is not its own it cannot restore: it asks for all of it, in full.
    assert!(!result.is_ok_and(|report| !report.explicit));
    drop(broken);
    class.school.sync(&mut late).await;
    assert_eq!(late.store().doctor().unwrap(), vec![]);
}

/// What a device of this relay is sent before `done`: whether its packs leave out
/// signatures, and the bytes in them that do not compress, where signatures stand.
async fn packs_for(class: &Class, hand: &Hand, capabilities: u64) -> (bool, usize) {
    let (mut session, _) = Session::open(HOST.into(), NONCE);
    let log = &class.school.log;
    let frame = hand.flight(HOST, NONCE, |flight| flight.capabilities = capabilities);
    let mut effects = session.on_frame(log, &frame).await.unwrap();
    while session.wants_pump() {
        effects.extend(session.pump(log).await.unwrap());
    }
    let (mut leaves_out, mut raw) = (false, 0);
    for effect in effects {
        if let Effect::Send(bytes) = effect
            && let Frame::Offer { part, .. } = Frame::decode(&bytes).unwrap()
        {
            if part.offset > 0 {
                continue;
            }
            // Page 3: version, flags, the lengths of columns and of raw.
            leaves_out |= part.bytes[1] & 16 != 0;
            let mut lengths = &part.bytes[2..];
            varint(&mut lengths);
            raw += varint(&mut lengths);
        }
    }
    (leaves_out, raw)
}

/// The next LEB128.
fn varint(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= usize::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

#[tokio::test]
async fn who_does_not_say_so_gets_every_signature() {
    let mut class = Class::new().await;
    let hand = Hand::join(&class.school, 30, StaffRoles::TEACHER).await;
    (class.teacher)
        .add_staff(class.course, hand.account, Roles::TEACHER)
        .unwrap();
    class.write_lessons(40).await;
    let (leaves_out, short) = packs_for(&class, &hand, capabilities::COVERED).await;
    assert!(leaves_out);
    // Not the packs that were made for the other.
    let (leaves_out, long) = packs_for(&class, &hand, 0).await;
    assert!(!leaves_out);
    assert!(long - short > 30 * 64, "{long} {short}");
}

#[tokio::test]
async fn what_came_without_signatures_is_passed_on_and_outlives_a_new_copy() {
    let mut class = Class::new().await;
    let mut phone = class.admitted("phone").await;
    let mut tablet = class.admitted("tablet").await;
    class.school.sync(&mut tablet).await;
    class.write_lessons(20).await;
    class.school.sync(&mut phone).await;
    let unsigned = || -> i64 {
        let raw =
            rusqlite::Connection::open(class.school.path("phone").join("account.db")).unwrap();
        let sql = "SELECT count(*) FROM entries WHERE signature = zeroblob(64)";
        raw.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert!(unsigned() > 14, "{}", unsigned());
    let documents = |client: &Client| client.store().documents(class.course, None).unwrap();
    let lessons = documents(&class.teacher);
    assert_eq!(documents(&phone), lessons);

    // To a tablet that has only what stood in the course before, by hand.
    let span = Span::Held {
        space: class.course,
        lane: None,
        after: 0,
        to: None,
    };
    let to = ParcelTo::Device(tablet.store().device());
    let mut file = Vec::new();
    phone.export_parcel(span, &[to], &mut file).unwrap();
    let Taken::Opened { import, is_whole } = tablet.take_parcel(&mut file.as_slice()).unwrap()
    else {
        panic!("it was for the tablet");
    };
    assert!(is_whole && import.new_entries == 20, "{import:?}");
    assert_eq!(documents(&tablet), lessons);

    // Everything again, and then what the teacher writes next.
    phone.store_mut().resync().unwrap();
    class.school.sync(&mut phone).await;
    assert_eq!(documents(&phone), lessons);
    let mut lesson = class.teacher.open_document(lessons[0].doc).unwrap();
    class.teacher.set_text(&mut lesson, "body", "anew").unwrap();
    class.teacher.close_document(lesson).unwrap();
    class.school.sync(&mut class.teacher).await;
    for device in [&mut phone, &mut tablet] {
        class.school.sync(device).await;
        let view = device.document_view(lessons[0].doc).unwrap();
        assert_eq!(view.text("body"), Some("anew"));
        assert_eq!(device.store().doctor().unwrap(), vec![]);
    }
}

/// A first sync, then an erasure; gives the bytes of packs kept before and after.
async fn kept_over_an_erasure() -> (u64, u64) {
    let mut class = Class::new().await;
    let comment = class.comment("rude");
    let mut phone = class.admitted("phone").await;
    class.write_lessons(30).await;
    class.school.sync(&mut phone).await;
    let before = class.school.log.shared_bytes();
    class.teacher.erase(&comment.0, "request").unwrap();
    class.school.sync(&mut class.teacher).await;
    (before, class.school.log.shared_bytes())
}

#[tokio::test]
async fn packs_that_hold_what_is_erased_go_with_it() {
    let (before, after) = kept_over_an_erasure().await;
    assert!(before > 30 * 1024, "{before}");
    assert_eq!(after, 0);
}

#[tokio::test]
async fn packs_that_stay_after_an_erasure_are_noticed() {
    let _broken = BrokenRelay::keep_packs();
    let (_, after) = kept_over_an_erasure().await;
    assert_ne!(after, 0);
}
