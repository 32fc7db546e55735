//! One account on one device.
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};

use stunity_client::{Client, Editing, Platform};
use stunity_proto::DocId;

use crate::{Assignment, Course, Draft, Item, Release, StunityError, Unsent, Who};

/// The text of a draft.
const BODY: &str = "body";

/// An account, open on this device. Every call works offline, is one transaction,
/// and waits for no network, not even while a sync runs.
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct Account {
    inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    /// Drafts that are being written.
    open: BTreeMap<DocId, Editing>,
}

fn id<T: FromStr>(text: &str) -> Result<T, StunityError> {
    text.parse()
        .map_err(|_| StunityError::invalid("id.malformed"))
}

impl Inner {
    /// The draft, opened if it is not.
    fn editing(&mut self, doc: DocId) -> Result<(&mut Client, &mut Editing), StunityError> {
        let editing = match self.open.remove(&doc) {
            Some(editing) => editing,
            None => self.client.open_document(doc)?,
        };
        let editing = self.open.entry(doc).or_insert(editing);
        Ok((&mut self.client, editing))
    }

    /// Makes of what was typed what can be sent, and what others read.
    fn rest(&mut self) -> Result<(), StunityError> {
        while let Some((_, editing)) = self.open.pop_first() {
            self.client.close_document(editing)?;
        }
        Ok(())
    }
}

impl Account {
    pub(crate) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                client,
                open: BTreeMap::new(),
            }),
        })
    }

    /// Opens the account in a folder with a host's clocks and randomness.
    ///
    /// # Errors
    /// `account.none`, in use, or damaged.
    pub fn open_with(
        folder: &Path,
        platform: Arc<dyn Platform>,
    ) -> Result<Arc<Self>, StunityError> {
        Ok(Self::new(Client::open_with(folder, platform)?))
    }

    /// A panic of an earlier call left no half-done step: those are transactions.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Account {
    /// Whose device this is.
    pub fn who(&self) -> Who {
        let inner = self.lock();
        let store = inner.client.store();
        Who {
            school: store.school().to_string(),
            account: store.account().to_string(),
            device: store.device().to_string(),
            relay: inner.client.relay().to_owned(),
        }
    }

    /// The courses that are held, by title.
    pub fn courses(&self) -> Result<Vec<Course>, StunityError> {
        let rows = self.lock().client.store().courses()?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The assignments of a course, by due time.
    pub fn assignments(&self, course: String) -> Result<Vec<Assignment>, StunityError> {
        let rows = self.lock().client.store().assignments(id(&course)?)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Own drafts.
    pub fn drafts(&self) -> Result<Vec<Draft>, StunityError> {
        let mut inner = self.lock();
        inner.rest()?;
        let rows = inner.client.drafts()?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The newest own items, at most `limit`, each with how far it came.
    pub fn status(&self, limit: u32) -> Result<Vec<Item>, StunityError> {
        let rows = self.lock().client.store().items(limit as usize)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// What has not reached the relay: for a warning before signing out.
    pub fn unsent(&self) -> Result<Unsent, StunityError> {
        let unsent = self.lock().client.store().unsent()?;
        Ok(Unsent {
            waiting: unsent.waiting,
            refused: unsent.refused,
        })
    }

    /// Grades of a course that were released to this account.
    pub fn releases(&self, course: String) -> Result<Vec<Release>, StunityError> {
        let inner = self.lock();
        let store = inner.client.store();
        let rows = store.releases(id(&course)?, Some(store.account()))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Begins a draft for an assignment; its id.
    pub fn create_draft(&self, course: String, assignment: String) -> Result<String, StunityError> {
        let mut inner = self.lock();
        let editing = inner.client.create_draft(id(&course)?, id(&assignment)?)?;
        let doc = editing.place().doc;
        inner.open.insert(doc, editing);
        Ok(doc.to_string())
    }

    /// Makes a draft say `text`. Once this returns, no crash loses it. Only what
    /// differs is written, so that what another device types elsewhere stays.
    pub fn write_draft(&self, draft: String, text: String) -> Result<(), StunityError> {
        let mut inner = self.lock();
        let (client, editing) = inner.editing(id(&draft)?)?;
        Ok(client.set_text(editing, BODY, &text)?)
    }

    /// What a draft says.
    pub fn read_draft(&self, draft: String) -> Result<String, StunityError> {
        let mut inner = self.lock();
        let doc: DocId = id(&draft)?;
        if let Some(editing) = inner.open.get_mut(&doc) {
            return Ok(editing.view().text(BODY).unwrap_or_default().to_owned());
        }
        let view = inner.client.document_view(doc)?;
        Ok(view.text(BODY).unwrap_or_default().to_owned())
    }

    /// Takes back the last step of writing; false if there was none.
    pub fn undo_draft(&self, draft: String) -> Result<bool, StunityError> {
        let mut inner = self.lock();
        let (client, editing) = inner.editing(id(&draft)?)?;
        Ok(client.undo(editing)?)
    }

    /// The writer pauses or leaves: what was typed becomes one change per draft,
    /// ready to be sent. A sync does it first.
    pub fn rest(&self) -> Result<(), StunityError> {
        self.lock().rest()
    }

    /// Hands in what a draft says now, as attempt 1, 2, …
    pub fn hand_in(&self, draft: String, attempt: u32) -> Result<(), StunityError> {
        let mut inner = self.lock();
        let (client, editing) = inner.editing(id(&draft)?)?;
        client.submit_draft(editing, u64::from(attempt))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_none_is_a_mistake_of_the_caller() {
        let error = id::<DocId>("not hexadecimal").unwrap_err();
        assert!(matches!(error, StunityError::Invalid { .. }));
        assert_eq!(error.code(), "id.malformed");
    }

    #[test]
    fn an_account_that_is_not_there_is_said_by_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let error = crate::open_account(folder.path().display().to_string()).err();
        assert_eq!(error.unwrap().code(), "account.none");
    }

    #[test]
    fn a_cut_link_can_be_tried_again() {
        let error = stunity_client::ClientError::Unreachable("reset".into());
        assert!(matches!(
            StunityError::from(error),
            StunityError::Unreachable { .. }
        ));
    }
}
