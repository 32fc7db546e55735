//! Where this process owns its connections.
use std::path::Path;
use std::sync::Arc;

use stunity_client::{Client, Link, System, driver};

use crate::joining::how;
use crate::{Account, StunityError, SyncEvent, SyncReport, Ticket};

/// Hears what a sync does, on the thread that called it.
#[cfg_attr(feature = "uniffi", uniffi::export(with_foreign))]
pub trait SyncObserver: Send + Sync {
    /// Something happened. A listener that fails hears no more; the sync goes on.
    fn on_event(&self, event: SyncEvent) -> Result<(), StunityError>;
}

/// A sync holds the client for one frame at a time.
struct Shared(Arc<Account>);

impl driver::Access for Shared {
    fn with<T>(&mut self, work: impl FnOnce(&mut Client) -> T) -> T {
        work(&mut self.0.lock().client)
    }
}

/// Opens the account in a folder. Works offline.
///
/// # Errors
/// `account.none`, in use, or damaged.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn open_account(folder: String) -> Result<Arc<Account>, StunityError> {
    Account::open_with(Path::new(&folder), System::shared())
}

/// Makes this device the first of an account of a school, in an empty folder. Waits
/// for the relay: not for a main thread.
///
/// # Errors
/// `account.exists`; the relay cannot be reached or refuses.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn join_account(
    folder: String,
    relay: String,
    ticket: Ticket,
) -> Result<Arc<Account>, StunityError> {
    let joined = Client::join(Path::new(&folder), &relay, &how(ticket)?, None)?;
    Ok(Account::new(joined))
}

/// Syncs once: everything that waits goes, everything new comes. A cut is no loss:
/// the next sync goes on from there. Waits for the relay: not for a main thread; other
/// calls of the account go on meanwhile.
///
/// # Errors
/// The relay cannot be reached or refuses, the link was cut.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn sync_account(
    account: Arc<Account>,
    observer: Option<Arc<dyn SyncObserver>>,
) -> Result<SyncReport, StunityError> {
    account.rest()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(stunity_client::ClientError::from)?;
    let mut observer = observer;
    let mut account = Shared(account);
    let report = runtime.block_on(driver::watch(&mut account, &Link::default(), |event| {
        let heard = observer
            .as_ref()
            .zip(SyncEvent::of(event))
            .map_or(Ok(()), |(observer, event)| observer.on_event(event));
        if heard.is_err() {
            observer = None;
        }
    }))?;
    Ok(SyncReport {
        caught_up: report.caught_up,
        sent: report.sent,
        received: report.received,
        new_entries: report.new_entries,
    })
}
