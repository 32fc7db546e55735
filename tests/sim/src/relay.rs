//! The real relay, without sockets.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stunity_proto::DeviceId;
use stunity_server::Log;
use stunity_server::blobs::Blobs;
use stunity_server::db::{Database, Source};
use stunity_server::log::{Inbox, Message, Subscriber};
use stunity_server::platform::Platform;
use stunity_sync::RelayStore;
use stunity_sync::relay::{Effect, Session};
use stunity_test_support::disk::Disk;
use tokio::runtime::Runtime;

use crate::dice::Dice;
use crate::failure::{Failure, OrFail};
use crate::platform::Machine;

/// How clients address the relay.
pub const URL: &str = "https://relay.example";
/// The same in flight one.
pub const HOST: &str = "relay.example";

/// The relay: its folder, its disk, and its log while it runs.
pub struct Relay {
    folder: PathBuf,
    source: Source,
    /// Its disk.
    pub disk: Disk,
    machine: Arc<Machine>,
    log: Option<Log>,
    runtime: Runtime,
    backup: Option<PathBuf>,
    was_restored: bool,
}

/// The relay's side of one connection.
pub struct RelaySide {
    session: Session,
    subscriber: Option<Subscriber>,
    inbox: Arc<Inbox>,
}

/// What the relay does with a connection.
pub enum Answer {
    /// Sends these; then, if there is more, is asked again.
    Send(Vec<Vec<u8>>),
    /// Sends these and ends the connection, for this reason.
    End(Vec<Vec<u8>>, Option<String>),
}

impl Relay {
    /// A relay in a folder, not running yet.
    ///
    /// # Errors
    /// No runtime.
    pub fn new(folder: &Path, machine: Arc<Machine>) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).or_fail("harness")?;
        // One thread: every call is driven to its end before the next begins, so
        // that nothing depends on scheduling.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .or_fail("harness")?;
        Ok(Self {
            folder: folder.to_owned(),
            source: Source::new(folder, None).or_fail("harness")?,
            disk: Disk::mount(folder),
            machine,
            log: None,
            runtime,
            backup: None,
            was_restored: false,
        })
    }

    /// The log; none while the relay is down.
    #[must_use]
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// Runs something to its end.
    pub fn wait<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Starts.
    ///
    /// # Errors
    /// A database that does not open: it must, whatever happened.
    pub fn start(&mut self) -> Result<(), Failure> {
        let log = self
            .runtime
            .block_on(Log::open_with(
                &self.folder,
                &self.source,
                self.machine.clone(),
            ))
            .or_fail("the relay starts again after any crash")?;
        self.log = Some(log);
        Ok(())
    }

    /// Ends, as by `kill -9` or with the power. All [`RelaySide`]s must be gone.
    ///
    /// # Errors
    /// The files'.
    pub fn crash(&mut self, power_cut: Option<&mut Dice>) -> Result<(), Failure> {
        let Some(log) = self.log.take() else {
            return Ok(());
        };
        self.disk.kill();
        if let Database::Sqlite(pool) = log.database() {
            self.runtime.block_on(pool.close());
        }
        drop(log);
        let disk = &self.disk;
        self.runtime.block_on(async {
            while !disk.is_closed() {
                tokio::task::yield_now().await;
            }
        });
        let power_cut = power_cut.map(|dice| dice as &mut dyn rand_core::RngCore);
        self.disk.revive(power_cut).or_fail("harness")
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a backup.
    #[must_use]
    pub fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Whether a backup was put back at some time.
    #[must_use]
    pub fn was_restored(&self) -> bool {
        self.was_restored
    }

    /// Makes a backup while the relay runs; with a bad disk there is none.
    ///
    /// # Errors
    /// The files'.
    pub fn back_up(&mut self) -> Result<(), Failure> {
        let Some(log) = &self.log else {
            return Ok(());
        };
        let to = self.folder.with_extension("backup");
        match self.runtime.block_on(log.backup(&to)) {
            Ok(()) => self.backup = Some(to),
            Err(_) => {
                let _ = std::fs::remove_file(&to);
                let _ = std::fs::remove_dir_all(to.with_extension("backup.files"));
            }
        }
        Ok(())
    }

    /// Puts the backup in the place of the stopped relay's database.
    ///
    /// # Errors
    /// It cannot be restored.
    pub fn restore(&mut self) -> Result<(), Failure> {
        let Some(from) = self.backup.take() else {
            return Ok(());
        };
        let blobs = Blobs::in_folder(&self.folder.join("blobs")).or_fail("harness")?;
        self.runtime
            .block_on(stunity_server::log::restore(&self.source, &blobs, &from))
            .or_fail("a backup is restored")?;
        self.was_restored = true;
        let _ = std::fs::remove_dir_all(from.with_extension("backup.files"));
        std::fs::remove_file(from).or_fail("harness")
    }

    /// Writes what sessions left for their devices' next connections.
    pub fn flush(&self) {
        if let Some(log) = &self.log {
            // As the driver does: what cannot be written costs one round trip.
            let _ = self.runtime.block_on(log.flush());
        }
    }

    /// Whether the relay, while it runs, knows that a device was revoked.
    #[must_use]
    pub fn holds_revocation(&self, device: DeviceId) -> bool {
        let found =
            (self.log.as_ref()).and_then(|log| self.wait(log.device(device)).ok().flatten());
        found.is_some_and(|record| record.revoked)
    }

    /// Takes a parcel that somebody brings; gives the answers for its authors.
    pub fn take_parcel(&self, file: &[u8]) -> Vec<Vec<u8>> {
        let Some(log) = &self.log else {
            return Vec::new();
        };
        let pieces = futures_util::stream::iter([Ok(file)]);
        // What it does not take stays with who brings it.
        self.wait(stunity_server::parcels::take_parcel(log, pieces))
            .unwrap_or_default()
    }

    /// A connection arrives.
    #[must_use]
    pub fn accept(&self) -> Option<(RelaySide, Vec<u8>)> {
        self.log.as_ref()?;
        let mut nonce = [0; 32];
        Platform::fill_random(&*self.machine, &mut nonce);
        let (session, hello) = Session::open(HOST.to_owned(), nonce);
        let side = RelaySide {
            session,
            subscriber: None,
            inbox: Arc::default(),
        };
        match hello {
            Effect::Send(hello) => Some((side, hello)),
            _ => None,
        }
    }
}

impl RelaySide {
    /// A message from the client.
    pub fn on_frame(&mut self, relay: &Relay, bytes: &[u8]) -> Answer {
        let Some(log) = relay.log() else {
            return Answer::End(Vec::new(), None);
        };
        let result = relay.wait(self.session.on_frame(log, bytes));
        if self.subscriber.is_none()
            && let Some(device) = self.session.device()
            && let Ok(Some(record)) = relay.wait(log.device(device))
        {
            self.subscriber = Some(Subscriber::new(
                log.clone(),
                record.account,
                device,
                self.inbox.clone(),
            ));
        }
        self.answer(result)
    }

    /// Whether there is a flush to be made; in how many milliseconds, as the
    /// driver: at once, or after what is on its way in the middle of a pack.
    #[must_use]
    pub fn pumps_in_ms(&self) -> Option<u64> {
        let wait = if self.session.is_receiving() { 20 } else { 1 };
        self.session.wants_pump().then_some(wait)
    }

    /// Makes the next flush.
    pub fn pump(&mut self, relay: &Relay) -> Answer {
        let Some(log) = relay.log() else {
            return Answer::End(Vec::new(), None);
        };
        let result = relay.wait(self.session.pump(log));
        self.answer(result)
    }

    /// Hears what other sessions caused; none if there was nothing.
    pub fn hear(&mut self) -> Option<Answer> {
        let message = self.inbox.take()?;
        Some(match message {
            Message::Batch(batch) => {
                let effects = self.session.on_live(&batch);
                self.answer(Ok(effects))
            }
            Message::Rights => {
                self.session.on_rights_changed();
                Answer::Send(Vec::new())
            }
            Message::Ephemeral(..) => Answer::Send(Vec::new()),
            Message::Replaced => Answer::End(Vec::new(), Some("replaced".into())),
        })
    }

    /// The connection is over.
    pub fn close(&mut self, relay: &Relay) {
        if let Some(log) = relay.log() {
            // As the driver does: what it cannot keep costs one round trip.
            let _ = relay.wait(self.session.close(log));
        }
    }

    fn answer(&mut self, result: Result<Vec<Effect>, stunity_sync::SyncError>) -> Answer {
        let effects = match result {
            Ok(effects) => effects,
            Err(error) => {
                let frame = stunity_sync::relay::error_frame(&error);
                return Answer::End(vec![frame], Some(error.to_string()));
            }
        };
        let mut out = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(bytes) => out.push(bytes),
                Effect::SendShared(bytes) => out.push(bytes.to_vec()),
                Effect::Subscribe(targets) => {
                    if let Some(subscriber) = &self.subscriber {
                        subscriber.subscribe(targets);
                    }
                }
                Effect::Ephemeral(..) => {}
                Effect::Close => return Answer::End(out, None),
            }
        }
        Answer::Send(out)
    }
}
