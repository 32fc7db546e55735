//! One account on one device.
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use stunity_proto::ObjectId;
use stunity_store::{Location, Store};

use crate::ClientError;
use crate::documents::OpenDocuments;

/// A device of one account.
pub struct Client {
    pub(crate) store: Store,
    pub(crate) relay: String,
    pub(crate) open: OpenDocuments,
}

/// The relay's address is kept beside the database.
pub(crate) fn relay_file(folder: &Path) -> PathBuf {
    folder.join("relay")
}

pub(crate) fn database(folder: &Path) -> Location {
    Location::File(folder.join("account.db"))
}

/// A random id.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    OsRng.fill_bytes(&mut id);
    id
}

pub(crate) fn random_object() -> ObjectId {
    ObjectId(random_id())
}

impl Client {
    /// Opens the account in a folder. Works offline.
    ///
    /// # Errors
    /// No account there, or its database is open elsewhere or damaged.
    pub fn open(folder: &Path) -> Result<Self, ClientError> {
        let relay = std::fs::read_to_string(relay_file(folder))?;
        let mut client = Self {
            store: Store::open(database(folder), Box::new(OsRng))?,
            relay: relay.trim().to_owned(),
            open: OpenDocuments::new(),
        };
        client.recover_documents()?;
        Ok(client)
    }

    /// The local store: every query.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The local store, to maintain it.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The relay's base URL.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }
}
