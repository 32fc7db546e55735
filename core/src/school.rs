//! What the holder of the school root does on a device: the root itself never
//! enters the database.
use stunity_identity::{Certificate, SigningKey, StaffAdmission, StaffRoles};
use stunity_model::events::{Opaque, StaffAdmit};
use stunity_proto::{AccountId, Lane};

use crate::{Client, ClientError};

impl Client {
    /// Admits an account to the staff by the school root, replacing its offices. The
    /// admission goes to the relay like everything else.
    ///
    /// # Errors
    /// `root.other` if the key is not the pinned root, `account.unknown` if nothing
    /// here binds the account to its own root, or the store's.
    pub fn admit_staff(
        &mut self,
        root: &SigningKey,
        account: AccountId,
        roles: StaffRoles,
    ) -> Result<(), ClientError> {
        if self.store.anchor()?.root != root.verifying_key() {
            return Err(ClientError::Invalid("root.other"));
        }
        let of_account = self
            .store
            .root_of(account)?
            .ok_or(ClientError::Invalid("account.unknown"))?;
        let now_ms = self.wall_ms();
        let admission = Certificate::sign(
            StaffAdmission {
                school: self.store.school(),
                account,
                root: of_account,
                roles,
                serial: now_ms,
                date: now_ms,
            },
            root,
        );
        let event = StaffAdmit {
            certificate: Opaque(admission.encode()),
        };
        self.state(self.store.school().space(), Lane::All, event)
    }
}
