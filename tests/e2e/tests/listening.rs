//! What comes while a session of the relay looks around reaches it all the same.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
use std::collections::BTreeSet;
use std::sync::Arc;

use stunity_e2e::hand::{comment, op};
use stunity_e2e::{Hand, School};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::{Comment, ConversationStart, CourseGenesis, Enrol, MemberAdd};
use stunity_proto::frame::{Frame, capabilities, flags};
use stunity_proto::pack::has_short_names;
use stunity_proto::{EntryId, Lane, ObjectId, SpaceId};
use stunity_server::log::{Inbox, Join, Message, Proof, Subscriber};
use stunity_sync::relay::{Effect, Session};
use stunity_sync::replica::Outcome;
use stunity_sync::sabotage::{Sabotage, Step};
use stunity_sync::{RelayStore, Target};

const HOST: &str = "relay.example";
const NONCE: [u8; 32] = [3; 32];

/// A live session of a device, driven step by step as the relay's driver does.
struct Line<'a> {
    school: &'a School,
    session: Session,
    inbox: Arc<Inbox>,
    subscriber: Subscriber,
    /// Whether packs that were offered have short names.
    short_names: BTreeSet<bool>,
}

impl<'a> Line<'a> {
    /// Flight one has come.
    async fn open(school: &'a School, hand: &Hand) -> Self {
        Self::open_with(school, hand, 0).await
    }

    async fn open_with(school: &'a School, hand: &Hand, capabilities: u64) -> Self {
        let (mut session, _) = Session::open(HOST.into(), NONCE);
        let inbox: Arc<Inbox> = Arc::default();
        let frame = hand.flight(HOST, NONCE, |flight| {
            flight.flags = flags::LIVE;
            flight.capabilities = capabilities;
        });
        let effects = session.on_frame(&school.log, &frame).await.unwrap();
        let device = hand.key.device_id();
        let log = school.log.clone();
        let mut line = Self {
            school,
            session,
            subscriber: Subscriber::new(log, hand.account, device, inbox.clone()),
            inbox,
            short_names: BTreeSet::new(),
        };
        line.listen(effects);
        line
    }

    fn listen(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Subscribe(targets) => self.subscriber.subscribe(targets),
                Effect::Send(bytes) => {
                    if let Frame::Offer { part, .. } = Frame::decode(&bytes).unwrap() {
                        self.short_names.insert(has_short_names(&part.bytes));
                    }
                }
                _ => {}
            }
        }
    }

    /// Makes the next flush, or takes what it was told; false if there is neither.
    async fn step(&mut self) -> bool {
        if self.session.wants_pump() {
            let effects = self.session.pump(&self.school.log).await.unwrap();
            self.listen(effects);
            return true;
        }
        match self.inbox.take() {
            Some(Message::Batch(batch)) => drop(self.session.on_live(&batch)),
            Some(Message::Rights) => self.session.on_rights_changed(),
            Some(_) => {}
            None => return false,
        }
        true
    }

    /// How far the device was sent a target.
    async fn sent(mut self, target: Target, hand: &Hand) -> u64 {
        self.session.close(&self.school.log).await.unwrap();
        let device = hand.key.device_id();
        let log = self.school.log.cursor_log(device).await.unwrap();
        (log.acknowledged.iter())
            .chain(log.sent.iter().flat_map(|(moved, _)| moved))
            .filter(|cursor| cursor.target == target)
            .map(|cursor| cursor.at.sequence)
            .max()
            .unwrap_or_default()
    }
}

const COURSE: SpaceId = SpaceId([9; 16]);

/// A pupil of a course whose history fills several packs.
async fn reader(school: &School) -> Hand {
    let (_, _, pupil) = course(school).await;
    pupil
}

/// The teacher of the course, its genesis, and the pupil.
async fn course(school: &School) -> (Hand, EntryId, Hand) {
    let mut teacher = Hand::join(school, 10, StaffRoles::TEACHER).await;
    let pupil = Hand::join(school, 20, StaffRoles::default()).await;
    let course = COURSE;
    let genesis = op(CourseGenesis {
        salt: 0,
        imported: false,
        open: false,
        counts_attested: false,
        counts_api_grades: false,
        foreign_id: None,
    });
    let genesis = teacher.write(course, Lane::All, &[], vec![genesis]);
    let heads = [genesis.id()];
    let enrol = op(Enrol {
        account: pupil.account,
    });
    let lane = Lane::One(pupil.account);
    let mut entries = vec![genesis, teacher.write(course, lane, &heads, vec![enrol])];
    for number in 0..60 {
        let remark = op(Comment {
            comment: ObjectId([number; 16]),
            about: ObjectId([7; 16]),
            parent: None,
            text: format!("{number} {}", "ក".repeat(4_900)),
        });
        entries.push(teacher.write(course, Lane::All, &heads, vec![remark]));
    }
    for outcome in school.log.append_entries(None, entries).await.unwrap() {
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    (teacher, heads[0], pupil)
}

/// How far a pupil has read `all` of the course when something that cites it comes to
/// her lane, and how far she must have: a batch was lost on its way to the session.
async fn read_before_what_cites_it() -> (u64, u64) {
    let school = School::new().await;
    let (mut teacher, genesis, pupil) = course(&school).await;
    let colleague = Hand::join(&school, 40, StaffRoles::TEACHER).await;
    let mut line = Line::open(&school, &pupil).await;
    while line.step().await {}
    let added = op(MemberAdd {
        account: colleague.account,
        roles: Roles::TEACHER.0,
    });
    let added = teacher.write(COURSE, Lane::All, &[genesis], vec![added]);
    let heads = [added.id()];
    let lane = Lane::One(pupil.account);
    school.log.append_entries(None, vec![added]).await.unwrap();
    for n in 0..2 {
        let remark = vec![comment(n, ObjectId([7; 16]), "well done")];
        let remark = teacher.write(COURSE, lane, &heads, remark);
        school.log.append_entries(None, vec![remark]).await.unwrap();
    }
    let mut last = None;
    while let Some(message) = line.inbox.take() {
        if let Message::Batch(batch) = message
            && batch.target.lane == Some(lane)
        {
            last = Some(batch);
        }
    }
    assert!(line.session.on_live(&last.unwrap()).is_empty());
    line.session.pump(&school.log).await.unwrap();
    let all = Target {
        space: COURSE,
        lane: Some(Lane::All),
    };
    let end = school.log.ends(&[all]).await.unwrap()[0].sequence;
    (line.sent(all, &pupil).await, end)
}

#[tokio::test]
async fn what_a_lane_cites_goes_before_it() {
    let (sent, end) = read_before_what_cites_it().await;
    assert_eq!(sent, end);
    let _broken = Sabotage::skip(Step::Lacking);
    let (sent, end) = read_before_what_cites_it().await;
    assert!(sent < end, "{sent}");
}

#[tokio::test]
async fn short_names_go_to_those_alone_who_read_them() {
    let school = School::new().await;
    let pupil = reader(&school).await;
    // The packs of one are not kept for the other.
    for (capabilities, short) in [(0, false), (capabilities::SHORT_NAMES, true), (0, false)] {
        let mut line = Line::open_with(&school, &pupil, capabilities).await;
        while line.step().await {}
        assert_eq!(line.short_names, BTreeSet::from([short]));
    }
}

#[tokio::test]
async fn devices_that_know_no_conversations_are_given_none() {
    let school = School::new().await;
    let mut hand = Hand::join(&school, 20, StaffRoles::default()).await;
    let space = SpaceId::of_group(hand.school, hand.account, 5);
    let start = op(ConversationStart {
        kind: 1,
        members: vec![],
        salt: 5,
    });
    let start = hand.write(space, Lane::Talk, &[], vec![start]);
    school.log.append_entries(None, vec![start]).await.unwrap();
    let talk = Target {
        space,
        lane: Some(Lane::Talk),
    };
    for capabilities in [0, capabilities::TALKS] {
        let mut line = Line::open_with(&school, &hand, capabilities).await;
        while line.step().await {}
        assert_eq!(line.sent(talk, &hand).await > 0, capabilities > 0);
    }
}

/// Somebody joins the staff: the school's own space says so to all.
async fn somebody_joins(school: &School, seed: u8) {
    Hand::join(school, seed, StaffRoles::TEACHER).await;
}

#[tokio::test]
async fn what_comes_at_any_moment_of_a_session_is_delivered() {
    let school = School::new().await;
    let pupil = reader(&school).await;
    let lane = Target {
        space: school.log.keys().school().space(),
        lane: Some(Lane::All),
    };
    let mut moment = 0;
    loop {
        let mut line = Line::open(&school, &pupil).await;
        let mut steps = 0;
        loop {
            if steps == moment {
                somebody_joins(&school, 100 + 2 * moment).await;
            }
            steps += 1;
            if !line.step().await && steps > moment {
                break;
            }
        }
        let end = school.log.ends(&[lane]).await.unwrap()[0].sequence;
        assert_eq!(line.sent(lane, &pupil).await, end, "at moment {moment}");
        if steps <= moment + 2 {
            break;
        }
        moment += 1;
    }
    assert!(moment > 3, "the history came in one flush");
}

#[tokio::test]
async fn a_session_too_slow_for_what_is_written_reads_it_from_the_log() {
    let school = School::new().await;
    let pupil = reader(&school).await;
    let lane = Target {
        space: school.log.keys().school().space(),
        lane: Some(Lane::All),
    };
    let mut line = Line::open(&school, &pupil).await;
    while line.step().await {}
    for seed in (30..200).step_by(2) {
        somebody_joins(&school, seed).await;
    }
    while line.step().await {}
    let end = school.log.ends(&[lane]).await.unwrap()[0].sequence;
    assert_eq!(line.sent(lane, &pupil).await, end);
}

#[tokio::test]
async fn joining_once_more_changes_nothing() {
    let school = School::new().await;
    let mut hand = Hand::stranger(school.log.keys().school(), 40);
    let genesis = hand.genesis();
    let join = || Join {
        proof: Proof::Login("ada".into(), hand.account),
        genesis: genesis.clone(),
    };
    school.log.join(join()).await.unwrap();
    let staff = Target {
        space: school.log.keys().school().space(),
        lane: Some(Lane::Staff),
    };
    let before = school.log.ends(&[staff]).await.unwrap();
    // The answer was lost on its way.
    school.log.join(join()).await.unwrap();
    assert_eq!(school.log.ends(&[staff]).await.unwrap(), before);
}
