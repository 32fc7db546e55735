//! Proposals: what an API asks a device of the account to sign, where no relay may sign
//! it for anybody. A proposal decides nothing: only what the device then signs does.
use stunity_proto::{Lane, SpaceId};

use crate::Event;
use crate::events::{
    CourseGenesis, CourseOffer, CoursePublish, Enrol, Leave, MemberAdd, MemberRemove, Moderate,
    Proposal,
};

/// What a proposal is for, as a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new course.
    NewCourse,
    /// Somebody is taken into a course, or gets other roles.
    AddMember,
    /// Somebody is taken out of a course.
    RemoveMember,
    /// Something is hidden or shown again.
    Moderate,
}

impl Purpose {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewCourse => "course.create",
            Self::AddMember => "member.add",
            Self::RemoveMember => "member.remove",
            Self::Moderate => "moderate",
        }
    }
}

/// What a proposal asks to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where.
    pub space: SpaceId,
    /// In which lane.
    pub lane: Lane,
    /// What for: follows from the events, not from what anybody says.
    pub purpose: Purpose,
    /// What.
    pub events: Vec<Event>,
}

/// Reads a proposal. Its purpose is that of the first event; every event must serve it,
/// so that nothing is signed along with what a person is shown.
///
/// # Errors
/// `proposal.malformed`: no event that this build knows and that may be proposed, or
/// events of several purposes.
pub fn read(proposal: &Proposal) -> Result<Asked, &'static str> {
    const MALFORMED: &str = "proposal.malformed";
    let events: Vec<Event> = (proposal.events.iter())
        .map(|bytes| Event::decode(&bytes.0))
        .collect::<Result<_, _>>()
        .map_err(|_| MALFORMED)?;
    let codes: Vec<u16> = events.iter().map(Event::code).collect();
    let purpose = match *codes.as_slice() {
        [CourseGenesis::CODE, CoursePublish::CODE]
        | [CourseGenesis::CODE, CoursePublish::CODE, CourseOffer::CODE] => Purpose::NewCourse,
        [MemberAdd::CODE | Enrol::CODE] => Purpose::AddMember,
        [MemberRemove::CODE | Leave::CODE] => Purpose::RemoveMember,
        [Moderate::CODE] => Purpose::Moderate,
        _ => return Err(MALFORMED),
    };
    Ok(Asked {
        space: proposal.space,
        lane: proposal.lane,
        purpose,
        events,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{GroupSet, Opaque, TYPES};
    use crate::permit::{RULES, SpaceKind, Vouched};
    use stunity_proto::{AccountId, GroupId};

    fn asked(events: &[Event]) -> Result<Purpose, &'static str> {
        let proposal = Proposal {
            space: SpaceId([1; 16]),
            lane: Lane::All,
            events: events.iter().map(|e| Opaque(e.encode())).collect(),
        };
        read(&proposal).map(|asked| asked.purpose)
    }

    fn add(roles: u64) -> Event {
        let account = AccountId([7; 16]);
        MemberAdd { account, roles }.into()
    }

    #[test]
    fn a_proposal_asks_for_one_thing() {
        assert_eq!(asked(&[add(8)]), Ok(Purpose::AddMember));
        let group = GroupSet {
            group: GroupId([2; 16]),
            name: String::new(),
            members: vec![],
        };
        for events in [vec![], vec![add(8), add(2)], vec![group.into()]] {
            assert_eq!(asked(&events), Err("proposal.malformed"), "{events:?}");
        }
        let unknown = Event::Unknown(9_000, vec![0x81, 0x19, 0x23, 0x28]);
        assert_eq!(asked(&[unknown]), Err("proposal.malformed"));
    }

    #[test]
    fn what_is_proposed_is_what_no_relay_may_sign_for_others() {
        for code in [
            CourseGenesis::CODE,
            MemberAdd::CODE,
            MemberRemove::CODE,
            Moderate::CODE,
        ] {
            let mut rules = RULES.iter().filter(|rule| rule.event == code);
            assert!(rules.all(|rule| rule.vouched == Vouched::No), "{code}");
            assert!(TYPES.iter().any(|(known, _)| *known == code));
        }
        // An answer is a device's own.
        let end = RULES.iter().find(|rule| rule.event == 142).unwrap();
        assert_eq!((end.space, end.vouched), (SpaceKind::Account, Vouched::No));
    }
}
