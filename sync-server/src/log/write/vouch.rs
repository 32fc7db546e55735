//! What this node signs for an account: vouched entries (docs/protocol/07-events.md).
use stunity_identity::sign_entry;
use stunity_model::events::Event;
use stunity_proto::limits::MAX_INCARNATION;
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, Body, Entry, EntryId, Header, Heads, Kind, Lane, Signer, SpaceId};
use stunity_sync::RelayStore;
use stunity_sync::replica::Outcome;

use super::Writer;
use crate::db::sql;
use crate::error::ServerError;
use crate::log::Vouch;

impl Writer<'_> {
    /// Signs and stores one entry for an account that signed in; what became of it.
    pub(super) async fn vouch(&mut self, vouch: &Vouch) -> Result<(EntryId, Outcome), ServerError> {
        let Vouch {
            author,
            space,
            lane,
            ..
        } = *vouch;
        if let Some(name) = vouch.once
            && let Some(stated) = self.stated(name).await?
        {
            return Ok(stated);
        }
        if !self.authority.has_course(space) {
            self.write_rows().await?;
            self.authority.load_course(&mut self.db, space).await?;
        }
        // The latest membership: what the account may do now.
        let heads = (self.authority.course(space))
            .map(|course| course.membership.heads_for(lane, author))
            .unwrap_or_default();
        let entry = self
            .vouched(author, (space, lane), heads, &vouch.events)
            .await?;
        let outcome = self.append(None, &entry).await?;
        if let Some(name) = vouch.once {
            let now = self.log.now_ms();
            sql("INSERT INTO stated_once VALUES ($1, $2, $3)")
                .bind(name)
                .bind(entry.id().0)
                .bind(now)
                .execute(&mut self.db)
                .await?;
        }
        Ok((entry.id(), outcome))
    }

    /// The chain of this node in a lane that an entry may go on which cites these heads.
    /// Cited heads never go backwards in a chain, and a pupil cites an enrolment that
    /// others do not, so not all authors share one.
    async fn chain_of(
        &mut self,
        author: AccountId,
        (space, lane): (SpaceId, Lane),
        heads: &[EntryId],
    ) -> Result<(ChainKey, Option<(u64, ChainEntry)>), ServerError> {
        let mut key = ChainKey {
            signer: Signer::Node(self.log.keys().node.node_id()),
            incarnation: 0,
            space,
            lane,
        };
        let [a, b, c, ..] = author.0;
        // Where two authors come to the same number, the next one is free.
        let mut next = u32::from_be_bytes([0, a, b, c]);
        loop {
            let head = self.chain(&key).await?;
            let goes_on = match (&head, self.authority.course(space)) {
                (Some((_, head)), Some(course)) => {
                    course.membership.covers(heads, &head.heads.membership)
                }
                _ => true,
            };
            if goes_on {
                return Ok((key, head));
            }
            key.incarnation = next;
            next = (next + 1) & MAX_INCARNATION;
        }
    }

    /// What was stated under a name, and what became of it.
    async fn stated(&mut self, name: [u8; 32]) -> Result<Option<(EntryId, Outcome)>, ServerError> {
        let entry = sql("SELECT entry FROM stated_once WHERE name = $1")
            .bind(name)
            .optional(&mut self.db)
            .await?;
        let Some(entry) = entry else {
            return Ok(None);
        };
        let entry = EntryId::try_from(entry.get::<&[u8]>(0)?)?;
        self.write_rows().await?;
        Ok(self.known(entry).await?.map(|outcome| (entry, outcome)))
    }

    /// An entry of this node for an account.
    pub(super) async fn vouched(
        &mut self,
        author: AccountId,
        (space, lane): (SpaceId, Lane),
        heads: Vec<EntryId>,
        events: &[Event],
    ) -> Result<Entry, ServerError> {
        let log = self.log.clone();
        let keys = log.keys();
        let (key, head) = self.chain_of(author, (space, lane), &heads).await?;
        let mut salt = [0; 16];
        rand_core::RngCore::fill_bytes(&mut log.random(), &mut salt);
        let body = Body::new(salt, events.iter().map(Event::encode).collect());
        let header = Header {
            school: keys.school(),
            space,
            lane,
            author,
            signer: key.signer,
            certificate: keys.chain.node.hash(),
            incarnation: key.incarnation,
            sequence: head.as_ref().map_or(1, |(sequence, _)| sequence + 1),
            previous: head.map(|(_, head)| head.id),
            heads: Heads {
                account: None,
                membership: heads,
            },
            kinds: events
                .iter()
                .map(|event| Kind::Event(event.code()))
                .collect(),
            seal: None,
            body_root: body.root()?,
        };
        sign_entry(&header, body, &keys.node).map_err(|_| ServerError::Keys("node key".into()))
    }
}
