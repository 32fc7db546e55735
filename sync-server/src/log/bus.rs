//! Who is connected to what. Batches are encoded once for each target that
//! somebody reads live; a session that does not keep up loses them, is told so,
//! and reads the gap from the log.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stunity_proto::{AccountId, DeviceId, Lane, SpaceId};
use stunity_sync::Target;
use stunity_sync::relay::LiveBatch;

use super::inbox::{Inbox, Message};

/// How long a device's new session waits for an old one that was told to end: it has
/// to write what it received, and may be busy in the database.
const TAKE_OVER: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Session {
    account: AccountId,
    device: DeviceId,
    inbox: Arc<Inbox>,
    /// Whether it goes only when all that it received is stored.
    is_awaited: bool,
    /// Sorted.
    targets: Box<[Target]>,
}

/// Thousands of sessions are registered, most of them silent: what each adds is small.
#[derive(Debug, Default)]
struct State {
    next: u64,
    sessions: BTreeMap<u64, Session>,
    /// Who reads a target, by the sessions' numbers.
    readers: BTreeMap<Target, Vec<(u64, Arc<Inbox>)>>,
    devices: BTreeMap<DeviceId, u64>,
    accounts: BTreeSet<(AccountId, u64)>,
}

/// The registry of live sessions of this process.
#[derive(Debug, Default)]
pub struct Bus {
    state: Mutex<State>,
}

/// A session's place in the registry; leaving it is automatic.
#[derive(Debug)]
pub struct Subscriber {
    log: super::Log,
    id: u64,
}

impl std::fmt::Debug for super::Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl Bus {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a registry that is still
        // consistent enough: its maps are updated one by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an older session of a device and waits until it has stored what it
    /// received: what a cut link delivered is then known to the next.
    pub async fn take_over(&self, device: DeviceId) {
        let old = {
            let state = self.state();
            let id = state.devices.get(&device);
            let session = id.and_then(|id| state.sessions.get(id));
            session.and_then(|session| {
                session.inbox.put(Message::Replaced);
                session.is_awaited.then(|| session.inbox.clone())
            })
        };
        if let Some(old) = old {
            // One that takes too long goes on alone.
            let _ = tokio::time::timeout(TAKE_OVER, old.closed()).await;
        }
    }

    /// Whether anybody reads a target live.
    #[must_use]
    pub fn has_readers(&self, target: &Target) -> bool {
        self.state().readers.contains_key(target)
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Devices that are connected now.
    #[must_use]
    pub fn devices(&self) -> BTreeSet<DeviceId> {
        self.state().devices.keys().copied().collect()
    }

    /// Gives a batch to all who read its target; answers how many took it, and
    /// how many were too slow.
    pub fn publish(&self, batch: LiveBatch) -> (u64, u64) {
        let batch = Arc::new(batch);
        let state = self.state();
        let (mut took, mut slow) = (0, 0);
        for (_, inbox) in state.readers.get(&batch.target).into_iter().flatten() {
            match inbox.put(Message::Batch(batch.clone())) {
                true => took += 1,
                false => slow += 1,
            }
        }
        (took, slow)
    }

    /// Tells the sessions of an account that its rights have changed.
    pub fn rights_changed(&self, account: AccountId) {
        let state = self.state();
        for (_, id) in state.accounts.range((account, 0)..=(account, u64::MAX)) {
            if let Some(session) = state.sessions.get(id) {
                session.inbox.put(Message::Rights);
            }
        }
    }

    /// Tells all sessions to look into the log.
    pub fn all_look_again(&self) {
        for session in self.state().sessions.values() {
            session.inbox.put(Message::Rights);
        }
    }

    /// Gives presence to the other readers of a lane.
    pub fn ephemeral(&self, from: u64, space: SpaceId, lane: Lane, bytes: &[u8]) {
        let bytes: Arc<[u8]> = bytes.into();
        let state = self.state();
        for lane_of in [None, Some(lane)] {
            let target = Target {
                space,
                lane: lane_of,
            };
            let readers = state.readers.get(&target).into_iter().flatten();
            for (_, inbox) in readers.filter(|(id, _)| *id != from) {
                inbox.put(Message::Ephemeral(space, lane, bytes.clone()));
            }
        }
    }
}

impl Subscriber {
    /// Registers a session; an older one of the same device is told to end.
    #[must_use]
    pub fn new(log: super::Log, account: AccountId, device: DeviceId, inbox: Arc<Inbox>) -> Self {
        let mut state = log.bus().state();
        let id = state.next;
        state.next += 1;
        if let Some(old) = state.devices.insert(device, id)
            && let Some(session) = state.sessions.get(&old)
        {
            session.inbox.put(Message::Replaced);
        }
        state.accounts.insert((account, id));
        state.sessions.insert(
            id,
            Session {
                account,
                device,
                inbox,
                is_awaited: false,
                targets: Box::default(),
            },
        );
        drop(state);
        Self { log, id }
    }

    /// Says that this goes only when all that the session received is stored: another
    /// of the device waits for that.
    pub fn goes_when_stored(&self) {
        if let Some(session) = self.log.bus().state().sessions.get_mut(&self.id) {
            session.is_awaited = true;
        }
    }

    /// The session's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replaces what the session reads live.
    pub fn subscribe(&self, mut targets: Vec<Target>) {
        targets.sort_unstable();
        targets.dedup();
        let wanted = targets.into_boxed_slice();
        let mut guard = self.log.bus().state();
        let state = &mut *guard;
        let Some(session) = state.sessions.get_mut(&self.id) else {
            return;
        };
        let gone = session.targets.iter().filter(|t| !wanted.contains(t));
        for target in gone {
            remove_reader(&mut state.readers, target, self.id);
        }
        for target in wanted.iter().filter(|t| !session.targets.contains(t)) {
            let readers = state.readers.entry(*target).or_default();
            let at = readers.partition_point(|(id, _)| *id < self.id);
            readers.insert(at, (self.id, session.inbox.clone()));
        }
        session.targets = wanted;
    }
}

fn remove_reader(readers: &mut BTreeMap<Target, Vec<(u64, Arc<Inbox>)>>, target: &Target, id: u64) {
    if let Some(of_target) = readers.get_mut(target) {
        if let Ok(at) = of_target.binary_search_by_key(&id, |(id, _)| *id) {
            of_target.remove(at);
        }
        if of_target.is_empty() {
            readers.remove(target);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut guard = self.log.bus().state();
        let state = &mut *guard;
        let Some(session) = state.sessions.remove(&self.id) else {
            return;
        };
        for target in &session.targets {
            remove_reader(&mut state.readers, target, self.id);
        }
        if state.devices.get(&session.device) == Some(&self.id) {
            state.devices.remove(&session.device);
        }
        state.accounts.remove(&(session.account, self.id));
        session.inbox.close();
    }
}
