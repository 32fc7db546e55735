//! The core in a browser's worker. SQLite lies on the origin's private files (OPFS),
//! through a pool of handles that only a dedicated worker gets; the worker owns
//! sockets and requests and hands their bytes in. `bindings/typescript` gives it its
//! face.
#![cfg(target_family = "wasm")]
use std::path::Path;
use std::sync::Arc;

use js_sys::{Array, Uint8Array};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHPoolCfg, OpfsSAHPoolUtil, install};
use stunity_client::{Boot, Platform};
use stunity_ffi::{Account, Joining, StunityError, Syncing, begin_join, begin_sync, json};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// The error of a call, as JSON in the message.
fn thrown(error: StunityError) -> JsError {
    JsError::new(&json::write(&error))
}

/// A browser's clock and randomness.
struct Browser;

impl Platform for Browser {
    fn wall_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    /// A page is not told of the device's starts, nor of its sleep.
    fn boot(&self) -> Option<Boot> {
        None
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::getrandom(bytes).expect("every browser that has workers has randomness");
    }
}

fn platform() -> Arc<dyn Platform> {
    Arc::new(Browser)
}

/// The account's name among the origin's files: one account an origin.
const FOLDER: &str = "account";
const DATABASE: &str = "account/account.db";

/// The origin's files. There is one owner at a time: the worker that holds the lock.
#[wasm_bindgen]
pub struct Storage {
    pool: OpfsSAHPoolUtil,
}

/// Opens the origin's files.
#[wasm_bindgen(js_name = openStorage)]
pub async fn open_storage() -> Result<Storage, JsError> {
    let pool = install::<WasmOsCallback>(&OpfsSAHPoolCfg::default(), true)
        .await
        .map_err(|_| {
            thrown(StunityError::InUse {
                code: "store.in-use".to_owned(),
            })
        })?;
    Ok(Storage { pool })
}

#[wasm_bindgen]
impl Storage {
    /// Opens the account.
    pub fn open(&self) -> Result<WebAccount, JsError> {
        let account = Account::open_with(Path::new(FOLDER), platform()).map_err(thrown)?;
        Ok(WebAccount { account })
    }

    /// Begins to join a school. The ticket is JSON.
    pub fn join(&self, relay: &str, ticket: &str) -> Result<WebJoining, JsError> {
        let ticket = json::read(ticket).map_err(thrown)?;
        let joining = begin_join(Path::new(FOLDER), relay, ticket, platform()).map_err(thrown)?;
        // What a cut join left behind; the call before said that it is no account.
        self.pool.delete_db(DATABASE)?;
        Ok(WebJoining { joining })
    }
}

/// An account that joins.
#[wasm_bindgen]
pub struct WebJoining {
    joining: Arc<Joining>,
}

#[wasm_bindgen]
impl WebJoining {
    /// The next request, as JSON; none once it is over.
    pub fn request(&self) -> Option<String> {
        self.joining.request().map(|request| json::write(&request))
    }

    /// Takes the relay's answer: the account, or none if there is more to ask.
    #[wasm_bindgen(js_name = onAnswer)]
    pub fn on_answer(&self, status: u16, body: Vec<u8>) -> Result<Option<WebAccount>, JsError> {
        let joined = self.joining.on_answer(status, body).map_err(thrown)?;
        Ok(joined.map(|account| WebAccount { account }))
    }
}

/// An open account.
#[wasm_bindgen]
pub struct WebAccount {
    account: Arc<Account>,
}

#[wasm_bindgen]
impl WebAccount {
    /// Answers a query; both are JSON.
    pub fn ask(&self, query: &str) -> Result<String, JsError> {
        json::answer(&self.account, query).map_err(thrown)
    }

    /// Begins a session that ends once everything went and came.
    #[wasm_bindgen(js_name = beginSync)]
    pub fn begin_sync(&self) -> Result<WebSyncing, JsError> {
        let syncing = begin_sync(self.account.clone()).map_err(thrown)?;
        Ok(WebSyncing { syncing })
    }
}

/// What the worker does next, in this order.
#[wasm_bindgen(getter_with_clone)]
pub struct WebStep {
    /// Binary messages to send: `Uint8Array`s.
    pub send: Array,
    /// What to show, as JSON.
    pub events: String,
    /// Close the connection, open another, and go on with that.
    pub again: bool,
    /// Close the connection: all is done.
    pub done: bool,
}

/// A session.
#[wasm_bindgen]
pub struct WebSyncing {
    syncing: Arc<Syncing>,
}

#[wasm_bindgen]
impl WebSyncing {
    /// The WebSocket to connect to.
    pub fn url(&self) -> String {
        self.syncing.url()
    }

    /// Takes one binary message of the relay.
    #[wasm_bindgen(js_name = onFrame)]
    pub fn on_frame(&self, bytes: Vec<u8>) -> Result<WebStep, JsError> {
        let step = self.syncing.on_frame(bytes).map_err(thrown)?;
        Ok(WebStep {
            send: step
                .send
                .iter()
                .map(|bytes| Uint8Array::from(&bytes[..]))
                .collect(),
            events: json::write(&step.events),
            again: step.again,
            done: step.done,
        })
    }

    /// What the session did until now, as JSON.
    pub fn report(&self) -> String {
        json::write(&self.syncing.report())
    }
}
