//! Changes of documents whose past is not here. Who edits on what a colleague gave
//! her by parcel sends some before the colleague does; who sends thousands fills
//! everybody's database with what nobody can read.
use std::collections::BTreeSet;

use stunity_documents::limits::MAX_WAITING_OF_AUTHOR;
use stunity_proto::{AccountId, DocId, Entry, Hash};

use super::Writer;
use crate::db::{Value, insert_rows, sql};
use crate::error::ServerError;
use crate::log::changes::{self, is_genesis};
use crate::sabotage::judges_nothing;

/// What the changes of an entry do to those that wait.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Changes whose past is here.
    settled: BTreeSet<(DocId, Hash)>,
    /// A change, and one that it lacks.
    waiting: Vec<(DocId, Hash, Hash)>,
}

impl Writer<'_> {
    /// How the changes of an entry stand to what is here; none if its author has
    /// too many that wait already.
    pub(super) async fn link(&mut self, entry: &Entry) -> Result<Option<Links>, ServerError> {
        let mut links = Links::default();
        for (doc, hash, follows) in changes::links(entry) {
            let mut is_settled = true;
            for dep in follows {
                if !links.settled.contains(&(doc, dep)) && !self.is_settled(doc, dep).await? {
                    links.waiting.push((doc, hash, dep));
                    is_settled = false;
                }
            }
            if is_settled {
                links.settled.insert((doc, hash));
            }
        }
        let new: BTreeSet<_> = links
            .waiting
            .iter()
            .map(|(doc, hash, _)| (doc, hash))
            .collect();
        let full = !new.is_empty()
            && !judges_nothing()
            && self.waiting_of(entry.header().author).await? + new.len() > MAX_WAITING_OF_AUTHOR;
        Ok((!full).then_some(links))
    }

    async fn is_settled(&mut self, doc: DocId, hash: Hash) -> Result<bool, ServerError> {
        if is_genesis(&hash) {
            return Ok(true);
        }
        let found: Option<i64> = sql(
            "SELECT entry FROM document_change c WHERE doc = $1 AND hash = $2 AND NOT EXISTS \
             (SELECT 1 FROM waiting_change w WHERE w.doc = c.doc AND w.hash = c.hash)",
        )
        .bind(doc.0)
        .bind(hash.0)
        .scalar(&mut self.db)
        .await?;
        Ok(found.is_some())
    }

    /// How many changes of an account wait.
    async fn waiting_of(&mut self, author: AccountId) -> Result<usize, ServerError> {
        let count: Option<i64> = sql(
            "SELECT COUNT(*) FROM (SELECT DISTINCT doc, hash FROM waiting_change \
             WHERE author = $1) AS changes",
        )
        .bind(author.0)
        .scalar(&mut self.db)
        .await?;
        Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    /// Keeps what waits, and lets go what waited for the changes of an entry that
    /// was stored.
    pub(super) async fn save_links(
        &mut self,
        author: AccountId,
        links: Links,
    ) -> Result<(), ServerError> {
        let rows = links.waiting.into_iter().map(|(doc, hash, lacks)| {
            let ids = [&doc.0[..], &hash.0, &lacks.0, &author.0];
            ids.map(Value::from).to_vec()
        });
        let after = "ON CONFLICT DO NOTHING";
        insert_rows(&mut self.db, "waiting_change", rows.collect(), after).await?;
        let mut settled: Vec<_> = links.settled.into_iter().collect();
        while let Some((doc, hash)) = settled.pop() {
            let waited: Vec<Vec<u8>> =
                sql("SELECT hash FROM waiting_change WHERE doc = $1 AND lacks = $2")
                    .bind(doc.0)
                    .bind(hash.0)
                    .scalars(&mut self.db)
                    .await?;
            if waited.is_empty() {
                continue;
            }
            sql("DELETE FROM waiting_change WHERE doc = $1 AND lacks = $2")
                .bind(doc.0)
                .bind(hash.0)
                .execute(&mut self.db)
                .await?;
            for hash in waited {
                let hash = Hash::try_from(&hash[..])?;
                if self.is_settled(doc, hash).await? {
                    settled.push((doc, hash));
                }
            }
        }
        Ok(())
    }
}
