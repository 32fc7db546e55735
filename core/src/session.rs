//! A session of this device with its relay, without the connection: the driver, a
//! browser's socket and the simulator carry the bytes.
use stunity_sync::client::{Effect, Event, Now, Options, Session};

use crate::{Client, ClientError};

/// The host that a flight is bound to, from the relay's URL.
fn host_of(relay: &str) -> &str {
    let rest = relay
        .strip_prefix("https://")
        .or_else(|| relay.strip_prefix("http://"))
        .unwrap_or(relay);
    rest.split('/').next().unwrap_or(rest)
}

/// The WebSocket of a relay, from its URL.
pub(crate) fn socket_url(relay: &str) -> String {
    let url = match relay.strip_prefix("https://") {
        Some(rest) => format!("wss://{rest}"),
        None => format!("ws://{}", relay.strip_prefix("http://").unwrap_or(relay)),
    };
    format!("{url}/sync")
}

impl Client {
    /// The WebSocket that a session is carried by.
    #[must_use]
    pub fn sync_url(&self) -> String {
        socket_url(&self.relay)
    }

    /// A session on a fresh connection. `live` stays for what comes; `explicit` is
    /// for the second try after `decode.missing-context`.
    #[must_use]
    pub fn begin_session(&self, live: bool, explicit: bool) -> Session {
        Session::new(Options {
            host: host_of(&self.relay).to_owned(),
            live,
            upload_only: false,
            explicit,
        })
    }

    fn now(&self) -> Now {
        Now {
            wall_ms: self.wall_ms(),
        }
    }

    /// Takes one message from the relay.
    ///
    /// # Errors
    /// The session is over; what was stored stays good.
    pub fn on_frame(
        &mut self,
        session: &mut Session,
        bytes: &[u8],
    ) -> Result<Vec<Effect>, ClientError> {
        let now = self.now();
        let effects = session.on_frame(&mut self.store, now, bytes)?;
        self.note_relay_time()?;
        self.unmarked |= effects.iter().any(
            |effect| matches!(effect, Effect::Event(Event::Applied(what)) if what.new_entries > 0),
        );
        Ok(effects)
    }

    /// Sends what waits, if the session is live; marks among it, of what came.
    ///
    /// # Errors
    /// As [`Client::on_frame`].
    pub fn on_local_change(&mut self, session: &mut Session) -> Result<Vec<Effect>, ClientError> {
        self.mark_new_work()?;
        let now = self.now();
        Ok(session.on_local_change(&mut self.store, now)?)
    }
}
