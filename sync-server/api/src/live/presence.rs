//! Who is there: in the memory of this node, told to those who share a conversation,
//! written nowhere.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stunity_proto::AccountId;

/// Sockets that one account has at a node at most: its phones, its tabs.
const MAX_SOCKETS: usize = 20;

#[derive(Clone, Copy, Debug, Default)]
struct Sockets {
    all: usize,
    /// Those that show that the account is there.
    shown: usize,
}

/// The accounts with sockets.
#[derive(Debug, Default)]
pub(super) struct Online(Mutex<BTreeMap<AccountId, Sockets>>);

impl Online {
    fn sockets(&self) -> MutexGuard<'_, BTreeMap<AccountId, Sockets>> {
        // Each step leaves it whole, whatever panicked meanwhile.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an account has as many sockets as one may have.
    pub fn is_full(&self, account: AccountId) -> bool {
        let sockets = self.sockets();
        sockets
            .get(&account)
            .is_some_and(|of| of.all >= MAX_SOCKETS)
    }

    /// A socket more; whether others now see that the account is there.
    pub fn enter(&self, account: AccountId, is_shown: bool) -> bool {
        let mut sockets = self.sockets();
        let of = sockets.entry(account).or_default();
        of.all += 1;
        of.shown += usize::from(is_shown);
        is_shown && of.shown == 1
    }

    /// A socket less; whether others no longer see that the account is there.
    pub fn leave(&self, account: AccountId, is_shown: bool) -> bool {
        let mut sockets = self.sockets();
        let Some(of) = sockets.get_mut(&account) else {
            return false;
        };
        of.all = of.all.saturating_sub(1);
        of.shown = of.shown.saturating_sub(usize::from(is_shown));
        let is_last = is_shown && of.shown == 0;
        if of.all == 0 {
            sockets.remove(&account);
        }
        is_last
    }

    /// Whether others see that an account is there.
    pub fn shows(&self, account: AccountId) -> bool {
        self.sockets().get(&account).is_some_and(|of| of.shown > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_who_is_there_as_long_as_one_socket_shows_it() {
        let (online, ana) = (Online::default(), AccountId([1; 16]));
        assert!(!online.enter(ana, false));
        assert!(!online.shows(ana));
        assert!(online.enter(ana, true));
        assert!(!online.enter(ana, true));
        assert!(!online.leave(ana, true));
        assert!(online.shows(ana));
        assert!(online.leave(ana, true));
        assert!(!online.shows(ana));
        assert!(!online.leave(ana, false));
        assert!(online.sockets().is_empty());
    }

    #[test]
    fn an_account_has_so_many_sockets_and_no_more() {
        let (online, ana) = (Online::default(), AccountId([1; 16]));
        for _ in 0..MAX_SOCKETS {
            assert!(!online.is_full(ana));
            online.enter(ana, true);
        }
        assert!(online.is_full(ana));
    }
}
