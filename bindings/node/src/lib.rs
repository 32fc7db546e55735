//! The core in Node. Everything runs on Node's own pool of threads, so that no call
//! stops the event loop; `bindings/typescript` gives it its face.
use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Task};
use napi_derive::napi;
use stunity_ffi::{Account, StunityError, SyncEvent, SyncObserver, json};

/// The error of a call, as JSON in the message.
fn thrown(error: StunityError) -> Error {
    Error::from_reason(json::write(&error))
}

/// Where events go, each as JSON, and at the end an empty text: the promise of the
/// report may be settled before the last of them is heard.
type Listener = ThreadsafeFunction<String, (), String, napi::Status, false>;

struct Observer(Listener);

impl Observer {
    fn tell(&self, text: String) {
        self.0.call(text, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

impl SyncObserver for Observer {
    fn on_event(&self, event: SyncEvent) -> std::result::Result<(), StunityError> {
        self.tell(json::write(&event));
        Ok(())
    }
}

/// An open account.
#[napi]
pub struct NativeAccount {
    account: Arc<Account>,
}

/// Work on another thread that ends in an account.
pub struct Opening(Box<dyn FnMut() -> std::result::Result<Arc<Account>, StunityError> + Send>);

impl Task for Opening {
    type Output = Arc<Account>;
    type JsValue = NativeAccount;

    fn compute(&mut self) -> Result<Self::Output> {
        (self.0)().map_err(thrown)
    }

    fn resolve(&mut self, _: Env, account: Self::Output) -> Result<NativeAccount> {
        Ok(NativeAccount { account })
    }
}

/// Work on another thread that ends in JSON.
pub struct Asking(Box<dyn FnMut() -> std::result::Result<String, StunityError> + Send>);

impl Task for Asking {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> Result<String> {
        (self.0)().map_err(thrown)
    }

    fn resolve(&mut self, _: Env, answer: String) -> Result<String> {
        Ok(answer)
    }
}

/// Opens the account in a folder.
#[napi]
pub fn open_account(folder: String) -> AsyncTask<Opening> {
    AsyncTask::new(Opening(Box::new(move || {
        stunity_ffi::open_account(folder.clone())
    })))
}

/// Joins a school: an account in an empty folder. The ticket is JSON.
#[napi]
pub fn join_account(folder: String, relay: String, ticket: String) -> AsyncTask<Opening> {
    AsyncTask::new(Opening(Box::new(move || {
        stunity_ffi::join_account(folder.clone(), relay.clone(), json::read(&ticket)?)
    })))
}

#[napi]
impl NativeAccount {
    /// Answers a query; both are JSON.
    #[napi]
    pub fn ask(&self, query: String) -> AsyncTask<Asking> {
        let account = self.account.clone();
        AsyncTask::new(Asking(Box::new(move || json::answer(&account, &query))))
    }

    /// Syncs once; the report is JSON.
    #[napi]
    pub fn sync(&self, listener: Listener) -> AsyncTask<Asking> {
        let account = self.account.clone();
        let observer = Arc::new(Observer(listener));
        AsyncTask::new(Asking(Box::new(move || {
            let report = stunity_ffi::sync_account(account.clone(), Some(observer.clone()));
            observer.tell(String::new());
            Ok(json::write(&report?))
        })))
    }
}
