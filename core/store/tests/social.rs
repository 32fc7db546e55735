//! Posts, polls, events, comments, moderation; what happened to whom; states of
//! work.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use stunity_model::events::*;
use stunity_model::work::Workflow;
use stunity_proto::*;
use stunity_store::*;
use support::*;

fn post(id: u8, kind: u8, text: &str) -> Post {
    Post {
        post: object(id),
        kind,
        text: text.into(),
        text_km: None,
        media: vec![],
        hashtags: vec!["birds".into()],
        options: vec![],
        starts_ms: None,
    }
}

fn comment(id: u8, about: u8, parent: Option<u8>, text: &str) -> Comment {
    Comment {
        comment: object(id),
        about: object(about),
        parent: parent.map(object),
        text: text.into(),
    }
}

struct Both {
    class: Class,
    desk: Store,
    phone: Store,
}

impl Both {
    fn new() -> Self {
        let (class, desk, phone) = Class::new();
        Self { class, desk, phone }
    }

    fn desk(&mut self, lane: Lane, what: impl Into<Event>) {
        let op = event(self.class.space, lane, what);
        self.desk.enqueue(&[op], NOW).unwrap();
        self.sync();
    }

    fn phone(&mut self, lane: Lane, what: impl Into<Event>) {
        let op = event(self.class.space, lane, what);
        self.phone.enqueue(&[op], NOW).unwrap();
        self.sync();
    }

    fn private(&mut self, what: impl Into<Event>) {
        let space = self.class.pupil.account.space();
        let op = event(space, Lane::Private, what);
        self.phone.enqueue(&[op], NOW).unwrap();
        self.sync();
    }

    fn one(&self) -> Lane {
        Lane::One(self.class.pupil.account)
    }

    fn sync(&mut self) {
        for store in [&mut self.desk, &mut self.phone] {
            self.class.relay.take(store);
        }
        for store in [&mut self.desk, &mut self.phone] {
            self.class.relay.give(store);
        }
    }

    fn kinds(&self, now_ms: u64) -> Vec<(NoticeKind, bool)> {
        let notices = self.phone.notifications(now_ms, 50).unwrap();
        notices.iter().map(|n| (n.kind, n.seen)).collect()
    }
}

#[test]
fn the_last_vote_of_each_counts() {
    let mut both = Both::new();
    let mut poll = post(1, 3, "Which day?");
    poll.options = vec!["Monday".into(), "Friday".into()];
    both.desk(Lane::All, poll);
    let vote = |option| Vote {
        post: object(1),
        option,
    };
    both.desk(Lane::All, vote(0));
    both.phone(Lane::All, vote(0));
    both.phone(Lane::All, vote(1));
    for store in [&both.desk, &both.phone] {
        let row = &store.posts(None, None, 9).unwrap()[0];
        assert_eq!((row.votes.clone(), row.hashtags.len()), (vec![1, 1], 1));
    }
    assert_eq!(
        both.phone.posts(None, None, 9).unwrap()[0].own_vote,
        Some(1)
    );
    both.phone(Lane::All, vote(7));
    let row = &both.desk.posts(None, None, 9).unwrap()[0];
    assert_eq!(row.votes, [1, 0], "a vote for what is no option is none");
}

#[test]
fn an_event_counts_who_comes() {
    let mut both = Both::new();
    let mut trip = post(1, 6, "To the lake");
    trip.starts_ms = Some(NOW + 5);
    both.desk(Lane::All, trip);
    let answer = |answer| Rsvp {
        post: object(1),
        answer,
    };
    both.phone(Lane::All, answer(2));
    both.phone(Lane::All, answer(1));
    let row = &both.phone.posts(None, None, 9).unwrap()[0];
    assert_eq!((row.answers, row.own_answer), ([0, 1, 0], Some(1)));
    assert_eq!(row.starts_ms, Some(NOW + 5));
}

#[test]
fn comments_stand_below_what_they_answer() {
    let mut both = Both::new();
    both.desk(Lane::All, post(1, 0, "Hello"));
    both.desk(Lane::All, comment(2, 1, None, "first"));
    both.desk(Lane::All, comment(3, 1, None, "second"));
    both.phone(Lane::All, comment(4, 1, Some(2), "to the first"));
    both.desk(Lane::All, comment(5, 1, Some(4), "deeper"));
    both.phone(Lane::All, comment(6, 1, Some(99), "to nothing here"));
    let rows = both.desk.comments(object(1)).unwrap();
    let seen: Vec<(&str, u64)> = rows.iter().map(|r| (r.text.as_str(), r.depth)).collect();
    let expected = [
        ("first", 0),
        ("to the first", 1),
        ("deeper", 2),
        ("second", 0),
        ("to nothing here", 0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_feed_leaves_out_the_blocked_and_the_hidden() {
    let mut both = Both::new();
    for (id, text) in [(1, "one"), (2, "two")] {
        both.desk(Lane::All, post(id, 0, text));
    }
    both.phone(Lane::All, post(3, 0, "mine"));
    let texts = |store: &Store| -> Vec<String> {
        let rows = store.feed(None, 9).unwrap();
        assert!(rows.iter().all(|row| !row.gap_before));
        rows.into_iter().map(|row| row.post.text).collect()
    };
    assert_eq!(texts(&both.phone), ["mine", "two", "one"]);
    let hide = |hidden| Moderate {
        target: object(2),
        hidden,
        reason: "rude".into(),
    };
    both.desk(Lane::All, hide(true));
    assert_eq!(texts(&both.phone), ["mine", "one"]);
    both.desk(Lane::All, hide(false));
    assert_eq!(texts(&both.phone), ["mine", "two", "one"]);
    let block = |on| Block {
        account: AccountId([0; 16]),
        on,
    };
    let teacher = both.class.teacher.account;
    both.private(Block {
        account: teacher,
        ..block(true)
    });
    assert_eq!(texts(&both.phone), ["mine"]);
    assert_eq!(texts(&both.desk), ["mine", "two", "one"], "nobody is told");
    both.private(Block {
        account: teacher,
        ..block(false)
    });
    assert_eq!(texts(&both.phone).len(), 3);
}

#[test]
fn a_page_that_lacks_an_authors_earlier_posts_says_so() {
    let mut both = Both::new();
    let writer = both.class.school.person(3);
    let mut tablet = writer.create(&both.class.path("writer.db"));
    let space = writer.account.space();
    let known = both.class.relay.log.len();
    tablet.enqueue(&[writer.genesis()], NOW).unwrap();
    both.class.relay.bind(&writer);
    for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
        let op = event(space, Lane::Public, post(id, 0, text));
        tablet.enqueue(&[op], NOW).unwrap();
        both.class.relay.take(&mut tablet);
    }
    // A page of posts: entries with their places, and no cursor.
    let mut posts = both.class.relay.log[known..].to_vec();
    posts.remove(posts.len() - 2);
    let mut page = both.class.relay.flush(&posts);
    page.cursors.clear();
    stunity_sync::Replica::apply(&mut both.phone, page).unwrap();
    let gaps: Vec<(String, bool)> = (both.phone.feed(None, 9).unwrap().into_iter())
        .map(|row| (row.post.text, row.gap_before))
        .collect();
    assert_eq!(gaps, [("three".into(), true), ("one".into(), false)]);
}

#[test]
fn reports_reach_the_staff_and_nobody_else() {
    let mut both = Both::new();
    both.desk(Lane::All, post(1, 0, "Hello"));
    let lane = both.one();
    both.phone(
        lane,
        Report {
            target: object(1),
            reason: "rude".into(),
        },
    );
    let rows = both.desk.reports().unwrap();
    assert_eq!((rows[0].target, rows[0].hidden), (object(1), None));
    both.desk(
        Lane::All,
        Moderate {
            target: object(1),
            hidden: true,
            reason: "rude".into(),
        },
    );
    assert_eq!(both.desk.reports().unwrap()[0].hidden, Some(true));
}

#[test]
fn followers_are_those_whose_last_word_was_yes() {
    let mut both = Both::new();
    let (me, teacher) = (both.class.pupil.account, both.class.teacher.account);
    for (on, expected) in [(true, 1), (false, 0), (true, 1)] {
        both.private(Follow {
            account: teacher,
            on,
        });
        assert_eq!(both.phone.following(me).unwrap().len(), expected);
        assert_eq!(both.phone.followers(teacher).unwrap().len(), expected);
    }
}

#[test]
fn notifications_are_folded_and_seen_once_for_all_devices() {
    use NoticeKind::*;
    let mut both = Both::new();
    let lane = both.one();
    // The class begins with an assignment, due in 50 s.
    assert_eq!(both.kinds(0), [(CourseUpdate, false)]);
    assert_eq!(both.kinds(NOW)[1], (AssignmentDue, false));
    assert!(!both.kinds(NOW + 60_000).contains(&(AssignmentDue, false)));

    both.phone(Lane::All, post(1, 0, "Hello"));
    let like = |on| Like {
        target: object(1),
        on,
    };
    both.desk(Lane::All, like(true));
    both.phone(Lane::All, like(true));
    both.desk(Lane::All, comment(2, 1, None, "well said"));
    both.desk(lane, comment(3, 9, None, "see me after class"));
    both.phone(lane, submit(object(9), 1, "done"));
    let piece = both.desk.submissions(both.class.space, None).unwrap()[0].entry;
    both.desk(
        lane,
        Release {
            grade: object(4),
            entry: EntryId::ZERO,
            header: None,
            assignment: object(9),
            attempt: Some(piece),
            points: 900,
            feedback: String::new(),
        },
    );
    both.desk(
        Lane::All,
        Moderate {
            target: object(1),
            hidden: true,
            reason: String::new(),
        },
    );
    let expected = [
        System,
        AssignmentGraded,
        MessageReceived,
        PostComment,
        PostLike,
        CourseUpdate,
    ];
    let seen_as = |seen| expected.map(|kind| (kind, seen)).to_vec();
    assert_eq!(both.kinds(NOW), seen_as(false), "handed in is not due");
    both.desk(Lane::All, like(false));
    assert!(!both.kinds(NOW).contains(&(PostLike, false)), "taken back");
    both.desk(Lane::All, like(true));

    let newest = both.phone.notifications(NOW, 50).unwrap()[0].at_ms;
    both.private(Seen { until_ms: newest });
    both.private(Seen { until_ms: 5 });
    assert_eq!(both.phone.seen_until().unwrap(), newest);
    assert!(both.kinds(NOW).iter().all(|(_, seen)| *seen));
    // The teacher is notified of the message and of nothing of her own.
    both.phone(lane, comment(5, 9, None, "I am ill"));
    let desk = both.desk.notifications(NOW, 50).unwrap();
    assert_eq!(desk[0].kind, MessageReceived);
}

#[test]
fn work_goes_through_its_states() {
    let mut both = Both::new();
    let lane = both.one();
    let (space, me) = (both.class.space, both.class.pupil.account);
    let row = |store: &Store| store.work(space, Some(me)).unwrap().remove(0);
    assert_eq!(row(&both.phone).status(), "PENDING");
    assert_eq!(row(&both.phone).attempts_left, None);
    both.phone(lane, submit(object(9), 1, ""));
    assert_eq!(row(&both.desk).status(), "SUBMITTED");
    assert_eq!(row(&both.desk).lacks, Some("work.text-missing"));
    let first = row(&both.desk).latest.unwrap();
    both.desk(
        lane,
        Return {
            assignment: object(9),
            attempt: first,
            feedback: "empty".into(),
        },
    );
    assert_eq!(row(&both.phone).workflow, Workflow::Returned);
    both.phone(lane, submit(object(9), 2, "better"));
    let second = row(&both.desk).latest.unwrap();
    let release = Release {
        grade: object(4),
        entry: EntryId::ZERO,
        header: None,
        assignment: object(9),
        attempt: Some(second),
        points: 9_000,
        feedback: String::new(),
    };
    both.desk(lane, release);
    let graded = row(&both.phone);
    assert_eq!((graded.status(), graded.points), ("GRADED", Some(9_000)));
    assert!(!graded.handed_in_again);
    both.phone(lane, submit(object(9), 3, "better still"));
    let again = row(&both.desk);
    assert_eq!((again.status(), again.handed_in_again), ("SUBMITTED", true));
    assert_eq!(
        again.points,
        Some(9_000),
        "the last released grade is shown"
    );

    // Another due time, and only so many attempts.
    let mut publish = assignment(object(9), Some(NOW + 50_000));
    (publish.attempts, publish.grace_ms) = (2, 7);
    both.desk(Lane::All, publish);
    both.desk(
        lane,
        Extension {
            assignment: object(9),
            due_ms: NOW + 90_000,
        },
    );
    let extended = row(&both.phone);
    assert_eq!(
        (extended.due_ms, extended.extended),
        (Some(NOW + 90_000), true)
    );
    assert_eq!(extended.attempts_left, Some(0));
    let beyond = both.desk.submissions(space, None).unwrap();
    let flags: Vec<bool> = beyond.iter().map(|row| row.beyond_attempts).collect();
    assert_eq!(flags, [false, false, true]);
}

#[test]
fn a_course_is_completed_when_all_is_done_and_graded() {
    let mut both = Both::new();
    let lane = both.one();
    let (space, me) = (both.class.space, both.class.pupil.account);
    both.desk(
        Lane::All,
        LessonPublish {
            lesson: object(20),
            order: 1,
            title: "Birds".into(),
            title_km: None,
            content: Content {
                text: "They fly.".into(),
                blobs: vec![],
            },
            content_km: None,
            minutes: 5,
            provenance: None,
            published: true,
        },
    );
    let row = |store: &Store| store.progress(space, Some(me)).unwrap().remove(0);
    assert_eq!(row(&both.phone).progress.percent(), 0);
    for _ in 0..2 {
        both.phone(lane, LessonComplete { lesson: object(20) });
    }
    assert_eq!(row(&both.phone).progress.percent(), 50);
    assert_eq!(row(&both.phone).lessons_done, [object(20)]);
    both.phone(lane, submit(object(9), 1, "done"));
    let attempt = both.desk.submissions(space, None).unwrap()[0].entry;
    assert_eq!(row(&both.desk).progress.percent(), 100);
    assert_eq!(row(&both.desk).completed_ms, None);
    both.desk(
        lane,
        Release {
            grade: object(4),
            entry: EntryId::ZERO,
            header: None,
            assignment: object(9),
            attempt: Some(attempt),
            points: 8_500,
            feedback: String::new(),
        },
    );
    let done = row(&both.phone);
    assert_eq!(done.progress.grade(), Some(8_500));
    assert_eq!(done.completed_ms, Some(both.class.relay.now_ms));
}
