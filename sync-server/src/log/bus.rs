//! Who is connected to what. Batches are encoded once for each target that
//! somebody reads live; a session that does not keep up loses them, is told so,
//! and reads the gap from the log.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stunity_proto::{AccountId, DeviceId, Lane, SpaceId};
use stunity_sync::Target;
use stunity_sync::relay::LiveBatch;

use tokio::sync::watch;

use super::inbox::{Inbox, Message};

/// How long a device's new session waits for an old one that was told to end: it has
/// to write what it received, and may be busy in the database.
const TAKE_OVER: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Session {
    account: AccountId,
    device: DeviceId,
    inbox: Arc<Inbox>,
    /// Its other end goes when all that the session received is stored; none if
    /// nobody sees to that.
    open: Option<watch::Receiver<()>>,
    targets: BTreeSet<Target>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    sessions: BTreeMap<u64, Session>,
    readers: BTreeMap<Target, BTreeSet<u64>>,
    devices: BTreeMap<DeviceId, u64>,
    accounts: BTreeMap<AccountId, BTreeSet<u64>>,
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
    open: Option<watch::Sender<()>>,
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
                session.open.clone()
            })
        };
        if let Some(mut open) = old {
            // An error says that the other end is gone.
            let _ = tokio::time::timeout(TAKE_OVER, open.changed()).await;
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
        for id in state.readers.get(&batch.target).into_iter().flatten() {
            if let Some(session) = state.sessions.get(id) {
                match session.inbox.put(Message::Batch(batch.clone())) {
                    true => took += 1,
                    false => slow += 1,
                }
            }
        }
        (took, slow)
    }

    /// Tells the sessions of an account that its rights have changed.
    pub fn rights_changed(&self, account: AccountId) {
        let state = self.state();
        for id in state.accounts.get(&account).into_iter().flatten() {
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
            for id in state.readers.get(&target).into_iter().flatten() {
                if let (true, Some(session)) = (*id != from, state.sessions.get(id)) {
                    (session.inbox).put(Message::Ephemeral(space, lane, bytes.clone()));
                }
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
        state.accounts.entry(account).or_default().insert(id);
        state.sessions.insert(
            id,
            Session {
                account,
                device,
                inbox,
                open: None,
                targets: BTreeSet::new(),
            },
        );
        drop(state);
        Self {
            log,
            id,
            open: None,
        }
    }

    /// Says that this goes only when all that the session received is stored: another
    /// of the device waits for that.
    pub fn goes_when_stored(&mut self) {
        let (closing, open) = watch::channel(());
        if let Some(session) = self.log.bus().state().sessions.get_mut(&self.id) {
            session.open = Some(open);
            self.open = Some(closing);
        }
    }

    /// The session's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replaces what the session reads live.
    pub fn subscribe(&self, targets: Vec<Target>) {
        let mut guard = self.log.bus().state();
        let state = &mut *guard;
        let Some(session) = state.sessions.get_mut(&self.id) else {
            return;
        };
        let wanted: BTreeSet<Target> = targets.into_iter().collect();
        let old = std::mem::replace(&mut session.targets, wanted.clone());
        for target in old.difference(&wanted) {
            remove_reader(&mut state.readers, target, self.id);
        }
        for target in wanted.difference(&old) {
            state.readers.entry(*target).or_default().insert(self.id);
        }
    }
}

fn remove_reader(readers: &mut BTreeMap<Target, BTreeSet<u64>>, target: &Target, id: u64) {
    if let Some(ids) = readers.get_mut(target) {
        ids.remove(&id);
        if ids.is_empty() {
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
        if let Some(ids) = state.accounts.get_mut(&session.account) {
            ids.remove(&self.id);
            if ids.is_empty() {
                state.accounts.remove(&session.account);
            }
        }
    }
}
