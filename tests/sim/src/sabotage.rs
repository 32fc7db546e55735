//! Ways to break what the product promises, one at a time: each must be noticed.
use std::any::Any;
use std::fmt;

use stunity_identity::sabotage::Sabotage as Keys;
use stunity_model::sabotage::{Check, Sabotage as Rules};
use stunity_server::sabotage::Sabotage as Server;
use stunity_store::sabotage::{Promise, Sabotage as Store};
use stunity_sync::sabotage::{Sabotage as Sync, Step};

use crate::config::Profile;

/// One of them.
pub struct Sabotage {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is broken.
    pub what: &'static str,
    /// The worlds in which it shows.
    pub profile: Profile,
    begin: fn() -> Box<dyn Any>,
}

impl Sabotage {
    /// The sabotage of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|sabotage| sabotage.name == name)
    }

    /// Breaks it on this thread, until what this gives is dropped.
    #[must_use]
    pub(crate) fn begin(&self) -> Box<dyn Any> {
        (self.begin)()
    }

    /// Whether the relay's chance is the machine's: then runs of a seed differ.
    #[must_use]
    pub(crate) fn is_unseeded(&self) -> bool {
        self.name == UNSEEDED
    }
}

impl fmt::Debug for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const UNSEEDED: &str = "unseeded";

fn skip(check: Check) -> Box<dyn Any> {
    Box::new(Rules::skip(check))
}

fn break_promise(promise: Promise) -> Box<dyn Any> {
    Box::new(Store::break_promise(promise))
}

/// All, as the command lists them.
pub const ALL: &[Sabotage] = &[
    Sabotage {
        name: "unsynced-device",
        what: "a device promises what is not on its disk",
        profile: Profile::Hostile,
        begin: || break_promise(Promise::Durable),
    },
    Sabotage {
        name: "unsynced-relay",
        what: "the relay acknowledges what is not on its disk",
        profile: Profile::Hostile,
        begin: || Box::new(Server::never_sync()),
    },
    Sabotage {
        name: "write-twice",
        what: "a restored phone sends again what its other copy sent",
        profile: Profile::Hostile,
        begin: || break_promise(Promise::Once),
    },
    Sabotage {
        name: "arrival-order",
        what: "of two facts that one counts which came later to this device",
        profile: Profile::Hostile,
        begin: || break_promise(Promise::AnyOrder),
    },
    Sabotage {
        name: "send-again",
        what: "what the relay answered is sent again",
        profile: Profile::Cuts,
        begin: || break_promise(Promise::Settled),
    },
    Sabotage {
        name: "drop-refused",
        what: "the content of a refused entry is dropped",
        profile: Profile::Hostile,
        begin: || break_promise(Promise::Kept),
    },
    Sabotage {
        name: "believe-cursors",
        what: "the relay compares no running hash",
        profile: Profile::Hostile,
        begin: || Box::new(Sync::skip(Step::RunningHash)),
    },
    Sabotage {
        name: "never-done",
        what: "the relay does not say that all is sent",
        profile: Profile::Cuts,
        begin: || Box::new(Sync::skip(Step::Done)),
    },
    Sabotage {
        name: "skip-signatures",
        what: "any signature is good",
        profile: Profile::EvilRelay,
        begin: || Box::new(Keys::skip_signatures()),
    },
    Sabotage {
        name: "believe-unsigned",
        what: "an entry without a signature needs none",
        profile: Profile::EvilRelay,
        begin: || Box::new(Keys::believe_unsigned()),
    },
    Sabotage {
        name: "ignore-revocations",
        what: "a revoked device goes on",
        profile: Profile::Hostile,
        begin: || Box::new(Keys::ignore_revocations()),
    },
    Sabotage {
        name: "ignore-removals",
        what: "who was removed from a course goes on in it",
        profile: Profile::Hostile,
        begin: || skip(Check::Removal),
    },
    Sabotage {
        name: "anybody-grades",
        what: "pupils may do what teachers may",
        profile: Profile::Hostile,
        begin: || skip(Check::Role),
    },
    Sabotage {
        name: "vouch-for-anything",
        what: "a relay makes teachers",
        profile: Profile::EvilRelay,
        begin: || skip(Check::NeverVouched),
    },
    Sabotage {
        name: "ignore-policy",
        what: "a relay's grades count in every course",
        profile: Profile::EvilRelay,
        begin: || skip(Check::Policy),
    },
    Sabotage {
        name: "keep-erased",
        what: "what was erased stays in the entries",
        profile: Profile::Cuts,
        begin: || skip(Check::Erasure),
    },
    Sabotage {
        name: "believe-clocks",
        what: "a phone's own clock says whether work was in time",
        profile: Profile::Hostile,
        begin: || skip(Check::Clock),
    },
    Sabotage {
        name: UNSEEDED,
        what: "the relay takes its chance from elsewhere than the seed",
        profile: Profile::Cuts,
        begin: || Box::new(()),
    },
];
