//! One account on one device.
use std::path::Path;
use std::sync::Arc;

use stunity_proto::ObjectId;
use stunity_store::Store;

use crate::documents::OpenDocuments;
use crate::platform::{Platform, random_id};
use crate::{ClientError, place};

/// A device of one account.
pub struct Client {
    pub(crate) store: Store,
    pub(crate) relay: String,
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) open: OpenDocuments,
    /// Entries came that a teacher's device has not looked at for marking.
    pub(crate) unmarked: bool,
}

impl Client {
    /// Opens the account in a folder. Works offline.
    ///
    /// # Errors
    /// `account.none`, or its database is open elsewhere or damaged.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(folder: &Path) -> Result<Self, ClientError> {
        Self::open_with(folder, crate::System::shared())
    }

    /// As [`Client::open`], with other clocks and randomness.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open_with(folder: &Path, platform: Arc<dyn Platform>) -> Result<Self, ClientError> {
        let (store, relay) = place::open(folder, &platform)?;
        let mut client = Self {
            store,
            relay,
            platform,
            open: OpenDocuments::new(),
            unmarked: true,
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

    /// The device's wall clock, milliseconds since 1970.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.platform.wall_ms()
    }

    pub(crate) fn random_id(&self) -> [u8; 16] {
        random_id(&*self.platform)
    }

    pub(crate) fn random_object(&self) -> ObjectId {
        ObjectId(self.random_id())
    }

    /// The relay's base URL.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }
}
