//! Whether an entry is valid: the same answer on the relay and on every client.
//! Signatures are checked before, by the identity crate.
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{
    AccountId, ActorId, Entry, EntryId, Header, Kind, Lane, SchoolId, Signer, SpaceId,
};

use crate::events::{
    ConversationName, ConversationStart, CourseGenesis, Event, Grade, Leave, MemberCutOff,
    MemberRemove, Message, QuizAnswers, Submit,
};
use crate::membership::{Change, Fact, Membership, Removal, Roles};
use crate::permit::{self, Permitted, SpaceKind, Standing};
use crate::sabotage;
use crate::talk;
use crate::work::MAX_POINTS;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, with effect.
    Accept,
    /// Valid, without effect until staff accept it.
    Pending(&'static str),
    /// Something before it in its chain is missing: it may come again later.
    Gap,
    /// Never valid.
    Refuse(&'static str),
}

/// What judging looks up. The relay fills a table before; clients ask SQLite.
pub trait JudgeView {
    /// The school.
    fn school(&self) -> SchoolId;
    /// The last entry of a chain.
    fn chain_head(&self, chain: &ChainKey) -> Option<(u64, ChainEntry)>;
    /// An entry of a chain by its sequence, if it is held.
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<EntryId>;
    /// The membership of a course; none if the space is unknown.
    fn membership(&self, space: SpaceId) -> Option<&Membership>;
    /// The genesis of a course.
    fn genesis(&self, space: SpaceId) -> Option<&CourseGenesis>;
    /// The beginning of a conversation.
    fn conversation(&self, space: SpaceId) -> Option<&ConversationStart>;
    /// Whether the account teaches or administers at the school.
    fn teaches_at_school(&self, account: AccountId) -> bool;
    /// Whether the account keeps the school's roster.
    fn registers(&self, account: AccountId) -> bool;
    /// Whether the school root signed the admission inside.
    fn is_root_signed(&self, certificate: &[u8]) -> bool;
    /// The actor of an Automerge change; none if it is not one change.
    fn change_actor(&self, change: &[u8]) -> Option<ActorId>;
    /// Whether the signer was cut off before this place of its chain.
    fn is_cut_off(&self, entry: &Entry) -> bool;
    /// Whether one of these entries, which remove the author from the course and
    /// which this one does not know, stands before it in the relay's order.
    fn is_removed_before(&self, entry: &Entry, removals: &[EntryId]) -> bool;
    /// Whether one of these removals names the last entries that count, and this is
    /// neither one of them nor followed by one in its chain.
    fn is_beyond(&self, entry: &Entry, cut_offs: &[CutOff]) -> bool;
    /// Whether the relay's receipt stands for membership that is not held here.
    /// Never on a relay, which holds all of it, nor in a parcel without receipts.
    fn takes_membership_on_trust(&self, entry: &Entry) -> bool;
    /// Whether staff gave effect to this entry.
    fn is_accepted(&self, entry: &Entry) -> bool;
}

/// A removal that says where what counts of somebody ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The entry that states it.
    pub removal: EntryId,
    /// The last entries that count.
    pub last: Vec<EntryId>,
}

/// The removals of an entry's author that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// Those that say where what counts ends.
    pub cut_offs: Vec<CutOff>,
    /// Those that have effect from their place in the relay's order on.
    pub by_order: Vec<EntryId>,
}

/// How others removed the author of an entry. Two who remove each other cannot both
/// cut the other off: an owner does before who is none, and else the relay's order
/// says who was first.
#[must_use]
pub fn removals(header: &Header, membership: &Membership) -> Removals {
    let mut removals = Removals::default();
    let (heads, author) = (&header.heads.membership, header.author);
    let beyond = membership.removals_beyond(heads, author, header.lane);
    if beyond.is_empty() || sabotage::ignores_removals() {
        return removals;
    }
    let removes = (header.kinds.iter()).any(|kind| {
        const REMOVE: [u16; 3] = [MemberRemove::CODE, Leave::CODE, MemberCutOff::CODE];
        matches!(kind, Kind::Event(code) if REMOVE.contains(code))
    });
    let is_owner = membership.roles_at(heads, author).any(Roles::OWNER);
    for Removal {
        entry,
        last,
        by_owner,
    } in beyond
    {
        match last {
            Some(last)
                if (!removes || (by_owner && !is_owner)) && !sabotage::ignores_cut_offs() =>
            {
                removals.cut_offs.push(CutOff {
                    removal: entry,
                    last,
                });
            }
            _ => removals.by_order.push(entry),
        }
    }
    removals
}

/// What one event says of an account's membership: a removal may say where what counts
/// ends.
type Stated = (AccountId, Change, Option<Vec<EntryId>>);

fn stated(header: &Header, event: Event) -> Vec<Stated> {
    let add = |account, roles| (account, Change::Add(roles), None);
    let remove = |account| (account, Change::Remove, None);
    let one = match event {
        Event::CourseGenesis(_) => add(header.author, Roles::OWNER),
        Event::MemberAdd(e) => add(e.account, Roles(e.roles)),
        Event::Enrol(e) => add(e.account, Roles::STUDENT),
        Event::MemberRemove(e) => remove(e.account),
        Event::MemberCutOff(e) => (e.account, Change::Remove, Some(e.last)),
        Event::Leave(e) => remove(e.account),
        // Who was in an imported course and stayed is a pupil of it.
        Event::Historical(e) if e.left_day.is_none() => match header.lane {
            Lane::One(account) => add(account, Roles::STUDENT),
            _ => return Vec::new(),
        },
        Event::ConversationStart(e) => {
            let starter = talk::Kind::from_code(e.kind).map_or(Roles::TALKER, talk::Kind::starter);
            let others = e.members.iter().map(|other| add(*other, Roles::TALKER));
            return others.chain([add(header.author, starter)]).collect();
        }
        Event::ConversationMember(e) => match talk::Standing::from_code(e.standing) {
            Some(talk::Standing::Out) | None => remove(e.account),
            Some(standing) => add(e.account, standing.roles()),
        },
        _ => return Vec::new(),
    };
    vec![one]
}

/// The membership statements of an entry in a course or a conversation.
#[must_use]
pub fn facts(entry: &Entry) -> Vec<Fact> {
    let header = entry.header();
    entry
        .ops()
        .filter_map(|(kind, op)| match kind {
            Kind::Event(_) => Event::decode(op?).ok(),
            _ => None,
        })
        .flat_map(|event| stated(header, event))
        .map(|(account, change, last)| Fact {
            entry: entry.id(),
            lane: header.lane,
            heads: header.heads.membership.clone(),
            account,
            by: header.author,
            change,
            last,
        })
        .collect()
}

/// Judges an entry whose signature is good.
#[must_use]
pub fn judge(entry: &Entry, view: &dyn JudgeView) -> Verdict {
    match check(entry, view) {
        Err(verdict) => verdict,
        Ok(permitted) => match pending(entry, view, permitted) {
            Some(code) if !view.is_accepted(entry) => Verdict::Pending(code),
            _ => Verdict::Accept,
        },
    }
}

/// Why a valid entry has no effect of its own.
fn pending(entry: &Entry, view: &dyn JudgeView, permitted: Permitted) -> Option<&'static str> {
    let header = entry.header();
    if view.is_cut_off(entry) {
        return Some("device.cut-off");
    }
    if let Some(membership) = view.membership(header.space)
        && header.lane != Lane::Keys
    {
        let Removals { cut_offs, by_order } = removals(header, membership);
        if (!cut_offs.is_empty() && view.is_beyond(entry, &cut_offs))
            || (!by_order.is_empty() && view.is_removed_before(entry, &by_order))
        {
            return Some("member.cut-off");
        }
    }
    let counts = |genesis: &CourseGenesis| genesis.counts_api_grades;
    (permitted == Permitted::ByPolicy
        && !view.genesis(header.space).is_some_and(counts)
        && !sabotage::ignores_policy())
    .then_some("vouched.proposal")
}

fn check(entry: &Entry, view: &dyn JudgeView) -> Result<Permitted, Verdict> {
    let header = entry.header();
    if header.school != view.school() {
        return Err(Verdict::Refuse("school.other"));
    }
    if header.seal.is_some() {
        return Err(Verdict::Refuse("seal.unsupported"));
    }
    check_chain(entry, view)?;
    // The account log has its own rules, in the identity crate.
    if header.lane == Lane::Keys {
        return Ok(Permitted::Yes);
    }
    let space = SpaceKind::of(header.school, header.space, header.lane);
    let roles = roles(entry, view, space).map_err(Verdict::Refuse)?;
    let mut permitted = Permitted::Yes;
    for (index, (kind, op)) in entry.ops().enumerate() {
        // Erased operations were judged before they were erased.
        let Some(op) = op else { continue };
        // What a space begins with is looked for at the beginning alone.
        if index > 0 && begins(kind) {
            return Err(Verdict::Refuse("space.exists"));
        }
        let standing = standing(entry, view, space, roles, op, kind);
        if check_op(entry, view, space, &standing, kind, op)? == Permitted::ByPolicy {
            permitted = Permitted::ByPolicy;
        }
    }
    Ok(permitted)
}

/// Whether an operation is the beginning of a course or a conversation.
#[must_use]
pub fn begins(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Event(CourseGenesis::CODE | ConversationStart::CODE)
    )
}

/// The author's roles at the cited heads, in a space that has begun.
fn roles(entry: &Entry, view: &dyn JudgeView, space: SpaceKind) -> Result<Roles, &'static str> {
    let header = entry.header();
    let membership = view.membership(header.space);
    let beginning = match entry.ops().next() {
        Some((kind, Some(op))) if begins(kind) => {
            Some(Event::decode(op).map_err(|_| "event.malformed")?)
        }
        _ => None,
    };
    let has_begun = match space {
        SpaceKind::Course => view.genesis(header.space).is_some(),
        SpaceKind::Conversation => view.conversation(header.space).is_some(),
        SpaceKind::School | SpaceKind::Account => true,
    };
    match (space, beginning) {
        // Who makes a course owns it, from its first entry on.
        (SpaceKind::Course, Some(Event::CourseGenesis(_))) => match membership {
            Some(_) => Err("space.exists"),
            None => Ok(Roles::OWNER),
        },
        (SpaceKind::Conversation, Some(Event::ConversationStart(start))) => {
            if talk::space_of(header.school, header.author, &start)? != header.space {
                return Err("event.malformed");
            }
            let kind = talk::Kind::from_code(start.kind).ok_or("event.malformed")?;
            // Both of two may begin theirs before they hear of each other.
            let may_again = kind == talk::Kind::Direct && has_begun;
            match membership {
                Some(_) if !may_again => Err("space.exists"),
                _ => Ok(kind.starter()),
            }
        }
        _ if !has_begun => Err("space.unknown"),
        _ => Ok(membership
            .map(|held| held.roles_at(&header.heads.membership, header.author))
            .unwrap_or_default()),
    }
}

fn check_chain(entry: &Entry, view: &dyn JudgeView) -> Result<(), Verdict> {
    let header = entry.header();
    let chain = ChainKey::of(entry);
    let head = view.chain_head(&chain);
    let last = head.as_ref().map_or(0, |(sequence, _)| *sequence);
    if header.sequence <= last {
        return Err(Verdict::Refuse(
            match view.chain_entry(&chain, header.sequence) {
                Some(id) if id == entry.id() => "entry.replay",
                _ => "entry.fork",
            },
        ));
    }
    if header.sequence > last + 1 {
        return Err(Verdict::Gap);
    }
    let Some((_, head)) = head else {
        return Ok(());
    };
    if header.previous != Some(head.id) {
        return Err(Verdict::Refuse("entry.fork"));
    }
    if let Some(membership) = view.membership(header.space)
        && !membership.covers(&header.heads.membership, &head.heads.membership)
    {
        return Err(Verdict::Refuse("heads.backwards"));
    }
    Ok(())
}

fn standing(
    entry: &Entry,
    view: &dyn JudgeView,
    space: SpaceKind,
    roles: Roles,
    op: &[u8],
    kind: Kind,
) -> Standing {
    let header = entry.header();
    let author = header.author;
    let is_self = match (space, header.lane) {
        (SpaceKind::Account, _) => header.space == author.space(),
        (_, Lane::One(whose)) => whose == author,
        _ => false,
    };
    let staff = roles.any(Roles::STAFF);
    let reads_lane = match header.lane {
        // Who is in a group is stated to the staff; the relay admits readers.
        Lane::All | Lane::Group(_) => {
            staff || roles.any(Roles::STUDENT) || sees_only_all(entry, view)
        }
        Lane::One(whose) => staff || (whose == author && roles.any(Roles::STUDENT)),
        Lane::Talk => roles.any(Roles::TALKER),
        _ => staff,
    };
    let root_signed = matches!(kind, Kind::Event(21))
        && matches!(Event::decode(op), Ok(Event::StaffAdmit(e)) if view.is_root_signed(&e.certificate.0));
    let relay_bind = header.signer.is_vouched()
        && matches!(
            Event::decode(op),
            Ok(Event::RosterBind(e)) if e.account == author && !e.in_person
        );
    Standing {
        relay_bind,
        is_self,
        roles,
        teaches_at_school: view.teaches_at_school(author),
        registers: view.registers(author),
        root_signed,
        reads_lane,
    }
}

/// A pupil's entry in `all` cites an enrolment that only staff and the pupil can
/// read. Other pupils, who do not hold it, take membership from the relay's
/// receipt; whoever holds it judges by it.
fn sees_only_all(entry: &Entry, view: &dyn JudgeView) -> bool {
    let heads = &entry.header().heads.membership;
    let trusts = view.takes_membership_on_trust(entry) || sabotage::takes_anybody_for_a_member();
    trusts
        && view
            .membership(entry.header().space)
            .is_some_and(|m| !heads.is_empty() && heads.iter().any(|head| !m.contains(head)))
}

fn check_op(
    entry: &Entry,
    view: &dyn JudgeView,
    space: SpaceKind,
    standing: &Standing,
    kind: Kind,
    op: &[u8],
) -> Result<Permitted, Verdict> {
    let header = entry.header();
    let vouched = header.signer.is_vouched();
    let refuse = |code| Err(Verdict::Refuse(code));
    let (rules, code) = match kind {
        Kind::Change { doc_type, .. } => {
            let actor = view.change_actor(op);
            let Signer::Device(device) = header.signer else {
                return refuse("vouched.never");
            };
            match actor {
                None => return refuse("change.malformed"),
                Some(actor)
                    if !actor.belongs_to(device)
                        && actor != ActorId::GENESIS
                        && !sabotage::takes_any_actor() =>
                {
                    return refuse("actor.foreign");
                }
                Some(_) => (permit::DOCUMENTS, doc_type),
            }
        }
        Kind::Event(code) => (permit::RULES, code),
        // A file belongs to what its lane may say.
        Kind::Manifest => {
            let own_space = space == SpaceKind::Account && standing.is_self;
            return if standing.reads_lane || own_space {
                Ok(Permitted::Yes)
            } else {
                refuse("role.missing")
            };
        }
        Kind::Handshake => return refuse("handshake.unsupported"),
    };
    let event = match kind {
        Kind::Event(code) => match Event::decode(op) {
            Ok(event) if event.code() != code => return refuse("event.malformed"),
            // Kept and forwarded; folded by those who know it.
            Ok(Event::Unknown(..)) => return Ok(Permitted::Yes),
            Ok(event) => Some(event),
            Err(_) => return refuse("event.malformed"),
        },
        _ => None,
    };
    let permitted = permit::permit(rules, code, space, header.lane, vouched, standing)
        .map_err(Verdict::Refuse)?;
    if let Some(event) = event {
        check_event(entry, view, &event, standing)?;
    }
    Ok(permitted)
}

/// What the table cannot say: that an event is about whom its lane says.
fn check_event(
    entry: &Entry,
    view: &dyn JudgeView,
    event: &Event,
    standing: &Standing,
) -> Result<(), Verdict> {
    let header = entry.header();
    let genesis = view.genesis(header.space);
    let refuse = |code| Err(Verdict::Refuse(code));
    let about = match event {
        Event::Guardianship(e) => Some(e.child),
        Event::GuardianshipEnd(e) => Some(e.child),
        Event::GuardianAccess(e) => Some(e.child),
        Event::MemberAdd(e) => Some(e.account),
        Event::MemberRemove(e) => Some(e.account),
        Event::MemberCutOff(e) => Some(e.account),
        Event::Enrol(e) => Some(e.account),
        Event::Leave(e) => Some(e.account),
        _ => None,
    };
    if let (Some(account), Lane::One(whose)) = (about, header.lane)
        && account != whose
    {
        return refuse("lane.mismatch");
    }
    let teaches = standing.roles.any(Roles(Roles::OWNER.0 | Roles::TEACHER.0));
    match event {
        Event::MemberAdd(e) if header.lane == Lane::All => {
            let staff_only = e.roles & !Roles::STAFF.0 == 0 && e.roles != 0;
            if !staff_only {
                return refuse("lane.mismatch");
            }
            if e.roles & Roles::OWNER.0 != 0 && !standing.roles.any(Roles::OWNER) {
                return refuse("role.missing");
            }
        }
        Event::MemberAdd(e) if e.roles != Roles::STUDENT.0 => return refuse("lane.mismatch"),
        Event::MemberCutOff(e) if !e.last.is_sorted_by(|a, b| a < b) => {
            return refuse("event.malformed");
        }
        Event::Enrol(e)
            if !teaches && (e.account != header.author || !genesis.is_some_and(|g| g.open)) =>
        {
            return refuse("enrolment.closed");
        }
        Event::Historical(_) | Event::HistoricalAssignments(_) | Event::ImportExtras(_)
            if !genesis.is_some_and(|g| g.imported) && !is_genesis_entry(entry) =>
        {
            return refuse("course.not-imported");
        }
        Event::Submit(Submit { attempt: 0, .. })
        | Event::QuizAnswers(QuizAnswers { attempt: 0, .. }) => return refuse("event.malformed"),
        Event::Grade(Grade { points, .. }) if *points > MAX_POINTS => {
            return refuse("event.malformed");
        }
        Event::AssignmentPublish(e) if !crate::work::is_sound(e) => {
            return refuse("event.malformed");
        }
        // Its entry names it, so it stands there alone.
        Event::Proposal(e) => {
            crate::proposals::read(e).map_err(Verdict::Refuse)?;
            if header.kinds.len() != 1 {
                return refuse("proposal.malformed");
            }
        }
        Event::ConversationMember(e) => {
            talk::check_member(header.author, standing.roles, e).map_err(Verdict::Refuse)?;
        }
        Event::Message(Message { envelope, .. })
        | Event::ConversationName(ConversationName { envelope }) => {
            talk::check_envelope(envelope).map_err(Verdict::Refuse)?;
        }
        Event::Read(e) if header.lane == Lane::Talk && e.conversation != header.space => {
            return refuse("lane.mismatch");
        }
        Event::CourseOffer(e) if !crate::work::is_offer(e) => return refuse("event.malformed"),
        Event::Comment(e) => check_text(&e.text)?,
        Event::Report(e) => check_text(&e.reason)?,
        Event::Rsvp(e) if e.answer > 2 => return refuse("event.malformed"),
        Event::Post(e) => {
            check_text(&e.text)?;
            crate::social::check(e).map_err(Verdict::Refuse)?;
        }
        _ => {}
    }
    Ok(())
}

fn is_genesis_entry(entry: &Entry) -> bool {
    matches!(
        entry.ops().next(),
        Some((Kind::Event(CourseGenesis::CODE), _))
    )
}

fn check_text(text: &str) -> Result<(), Verdict> {
    match text.chars().take(5_001).count() {
        1..=5_000 => Ok(()),
        _ => Err(Verdict::Refuse("text.length")),
    }
}
