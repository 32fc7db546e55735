//! A session with the relay, where the host owns the connection.
use std::sync::{Arc, Mutex, PoisonError};

use stunity_client::ClientError;
use stunity_sync::client::{Effect, Event, Session};

use crate::{Account, StunityError, SyncEvent, SyncReport};

/// What the host does next, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Step {
    /// Binary messages to send.
    pub send: Vec<Vec<u8>>,
    /// What to show.
    pub events: Vec<SyncEvent>,
    /// Close the connection, open another, and go on with that.
    pub again: bool,
    /// Close the connection: all is done.
    pub done: bool,
}

/// A session.
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct Syncing {
    account: Arc<Account>,
    state: Mutex<State>,
}

struct State {
    session: Session,
    explicit: bool,
    /// Whether this session carries the marks of what the one before it brought.
    marks: bool,
    report: SyncReport,
}

/// Begins a session that ends once everything went and came.
///
/// # Errors
/// The store's.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn begin_sync(account: Arc<Account>) -> Result<Arc<Syncing>, StunityError> {
    account.rest()?;
    let session = account.lock().client.begin_session(false, false);
    Ok(Arc::new(Syncing {
        account,
        state: Mutex::new(State {
            session,
            explicit: false,
            marks: false,
            report: SyncReport {
                caught_up: false,
                sent: 0,
                received: 0,
                new_entries: 0,
            },
        }),
    }))
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Syncing {
    /// The WebSocket to connect to.
    pub fn url(&self) -> String {
        self.account.lock().client.sync_url()
    }

    /// Takes one binary message of the relay. After an error the session is over;
    /// what was stored stays good.
    pub fn on_frame(&self, bytes: Vec<u8>) -> Result<Step, StunityError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report.received += bytes.len() as u64;
        let mut inner = self.account.lock();
        let effects = match inner.client.on_frame(&mut state.session, &bytes) {
            // The relay took this device to hold what it does not: once more, in full.
            Err(ClientError::Sync(error))
                if error.code() == "decode.missing-context" && !state.explicit =>
            {
                state.explicit = true;
                state.session = inner.client.begin_session(false, true);
                return Ok(Step {
                    again: true,
                    ..Step::default()
                });
            }
            effects => effects?,
        };
        let mut step = Step::default();
        for effect in effects {
            match effect {
                Effect::Send(bytes) => {
                    state.report.sent += bytes.len() as u64;
                    step.send.push(bytes);
                }
                Effect::Event(event) => {
                    match &event {
                        Event::Applied(applied) => state.report.new_entries += applied.new_entries,
                        Event::CaughtUp { .. } => state.report.caught_up = true,
                        _ => {}
                    }
                    step.events.extend(SyncEvent::of(&event));
                }
                Effect::Close => step.done = true,
            }
        }
        step.done |= state.report.caught_up && state.session.is_caught_up();
        // What came was marked: the marks go at once, not at the next sync.
        if step.done && state.report.caught_up && !state.marks && inner.client.mark_new_work()? > 0
        {
            state.marks = true;
            state.explicit = false;
            state.report.caught_up = false;
            state.session = inner.client.begin_session(false, false);
            (step.again, step.done) = (true, false);
        }
        Ok(step)
    }

    /// What the session did until now.
    pub fn report(&self) -> SyncReport {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report.clone()
    }
}
