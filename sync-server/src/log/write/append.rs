//! Judging entries, and what is answered.
use stunity_identity::{
    ChainPosition, IdentityError, Standing as KeyStanding, sign_tombstone, verify_entry,
};
use stunity_model::{Verdict, judge};
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::receipt::Tombstone;
use stunity_proto::{DeviceId, Entry, EntryId, Header, Lane, Signer, SpaceId};
use stunity_sync::Position;
use stunity_sync::replica::Outcome;

use super::Writer;
use crate::db::sql;
use crate::error::ServerError;
use crate::log::changes;
use crate::log::judging::View;
use crate::metrics::count;
use crate::sabotage::judges_nothing;

impl Writer<'_> {
    /// Judges and stores one entry.
    pub(super) async fn append(
        &mut self,
        from: Option<DeviceId>,
        entry: &Entry,
    ) -> Result<Outcome, ServerError> {
        let header = entry.header();
        let key = ChainKey::of(entry);
        let chain_head = self.chain(&key).await?;
        let last = chain_head.as_ref().map_or(0, |(sequence, _)| *sequence);
        // What lies beyond the chain's end was never here.
        if header.sequence <= last || judges_nothing() {
            self.write_rows().await?;
            if let Some(outcome) = self.known(entry.id()).await? {
                self.note_if_erased(from, entry).await?;
                return Ok(outcome);
            }
        }
        let school = self.log.keys().school();
        if header.school != school {
            return self.refuse(entry, "school.other").await;
        }
        if !self.authority.has_log(header.author) {
            self.write_rows().await?;
            let db = &mut self.db;
            self.authority.load_log(db, school, header.author).await?;
        }
        if header.lane != Lane::Keys && !self.authority.has_course(header.space) {
            self.write_rows().await?;
            let db = &mut self.db;
            self.authority.load_course(db, header.space).await?;
        }
        let standing = match self.verify(entry) {
            _ if judges_nothing() => KeyStanding::Good,
            Ok(standing) => standing,
            // Of a copy without its signature: whoever has that may still come.
            Err("signature.absent") => return Ok(refused_without_tombstone("signature.absent")),
            Err(code) => return self.refuse(entry, code).await,
        };
        let at_place = if header.sequence <= last {
            chain_head
                .as_ref()
                .filter(|(sequence, _)| *sequence == header.sequence)
                .map(|(_, head)| head.id)
        } else {
            None
        };
        let same_heads = chain_head
            .as_ref()
            .is_some_and(|(_, head)| head.heads == header.heads);
        let view = View {
            anchor: &self.log.keys().anchor,
            authority: self.authority,
            chain_head,
            at_place,
            standing,
            stored: None,
        };
        let pending = match judge(entry, &view) {
            _ if judges_nothing() => None,
            Verdict::Accept => None,
            // In a conversation nobody gives effect to what waits.
            Verdict::Pending(code @ "member.cut-off") if header.lane == Lane::Talk => {
                return self.refuse(entry, code).await;
            }
            Verdict::Pending(code) => Some(code),
            Verdict::Gap => return Ok(refused_without_tombstone("chain.gap")),
            // The place in the chain is taken: nothing to continue over.
            Verdict::Refuse(code @ ("entry.fork" | "entry.replay")) => {
                return Ok(refused_without_tombstone(code));
            }
            // What it is judged by may still come: from a device that was not here since
            // this relay was restored, or after a parcel.
            Verdict::Refuse("space.unknown") => {
                return Ok(refused_without_tombstone("space.unknown"));
            }
            Verdict::Refuse(_) if self.lacks_heads(header).await? => {
                return Ok(refused_without_tombstone("heads.unknown"));
            }
            Verdict::Refuse(code) => return self.refuse(entry, code).await,
        };
        let pending = match pending {
            Some(_) if self.is_accepted(header.space, entry.id()).await? => None,
            pending => pending,
        };
        let Some(links) = self.link(entry).await? else {
            return self.refuse(entry, "change.waiting").await;
        };
        self.mirror_keys(entry).await?;
        let n = self.insert(entry, same_heads, pending).await?;
        let position = self
            .number(n, entry, header.space, header.lane, same_heads)
            .await?;
        self.save_links(header.author, links).await?;
        if pending.is_none() {
            self.take_effect(n, entry, &position).await?;
        }
        if (self.authority.course(header.space))
            .is_some_and(|course| course.membership.ends_with(&entry.id()))
        {
            // What it follows may have waited for it.
            self.judge_again(header.space, header.author).await?;
        }
        self.note_if_awaited(entry.id()).await?;
        let head = ChainEntry {
            id: entry.id(),
            heads: header.heads.clone(),
        };
        self.batch.chains.insert(key, (header.sequence, head));
        Ok(match pending {
            None => Outcome::Accepted(position),
            Some(code) => Outcome::Pending {
                position,
                code: code.to_owned(),
            },
        })
    }

    /// Whether an entry cites membership that never came here. What came and has no
    /// effect, or was refused, will not have any later.
    async fn lacks_heads(&mut self, header: &Header) -> Result<bool, ServerError> {
        let Some(course) = self.authority.course(header.space) else {
            return Ok(false);
        };
        let without_effect: Vec<EntryId> = (header.heads.membership.iter())
            .filter(|head| !course.membership.contains(head))
            .copied()
            .collect();
        for head in without_effect {
            self.write_rows().await?;
            if self.known(head).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The answer of an entry that was here before.
    pub(super) async fn known(&mut self, id: EntryId) -> Result<Option<Outcome>, ServerError> {
        let row = sql(
            "SELECT n.space, n.lane, n.sequence, n.received_ms, e.pending, e.header FROM entry e \
             JOIN numbering n ON n.entry = e.n WHERE e.id = $1",
        )
        .bind(id.0)
        .all(&mut self.db)
        .await?;
        for row in row {
            let header = Header::decode(row.get(5)?)?;
            let position = Position {
                space: SpaceId::try_from(row.get::<&[u8]>(0)?)?,
                lane: Lane::from_key(row.get(1)?)?,
                epoch: self.log.inner.epoch,
                sequence: row.get::<i64>(2)? as u64,
                received_ms: row.get::<i64>(3)? as u64,
            };
            if position.space != header.space || position.lane != header.lane {
                continue;
            }
            return Ok(Some(match row.get::<Option<String>>(4)? {
                None => Outcome::Accepted(position),
                Some(code) => Outcome::Pending { position, code },
            }));
        }
        let row = sql("SELECT code, tombstone FROM tombstone WHERE id = $1")
            .bind(id.0)
            .optional(&mut self.db)
            .await?;
        row.map(|row| {
            Ok(Outcome::Refused {
                code: row.get(0)?,
                tombstone: row.get(1)?,
            })
        })
        .transpose()
    }

    /// Signature and certificate of an entry; how its signer stands.
    pub(super) fn verify(&mut self, entry: &Entry) -> Result<KeyStanding, &'static str> {
        let header = entry.header();
        if let Signer::Node(node) = header.signer {
            let keys = self.log.keys();
            let ours = node == keys.node.node_id() && header.certificate == keys.chain.node.hash();
            return match ours && verify_entry(entry, &keys.node.verifying_key()).is_ok() {
                true => Ok(KeyStanding::Good),
                false => Err("signature.bad"),
            };
        }
        let log = self
            .authority
            .log_mut(header.author)
            .ok_or("account.unknown")?;
        if header.lane == Lane::Keys {
            // The log judges its own entries; here on a copy, since the chain
            // may still refuse this one.
            let mut copy = log.clone();
            copy.apply(entry, None).map_err(|_| "account-log.invalid")?;
            let Signer::Device(device) = header.signer else {
                return Err("account-log.invalid");
            };
            let standing = copy.may_sign(device, &ChainPosition::of(entry));
            return match standing {
                KeyStanding::Unknown => Err("device.unknown"),
                standing => Ok(standing),
            };
        }
        match log.verify(entry) {
            Ok(KeyStanding::Unknown) => Err("device.unknown"),
            Ok(standing) => Ok(standing),
            Err(IdentityError::Unsigned) => Err("signature.absent"),
            Err(_) => Err("signature.bad"),
        }
    }

    /// Refuses an entry whose place in the chain is free: a tombstone stands
    /// there, so that the chain can go on.
    pub(super) async fn refuse(
        &mut self,
        entry: &Entry,
        code: &'static str,
    ) -> Result<Outcome, ServerError> {
        let header = entry.header();
        count(&self.log.metrics().refused);
        let keys = self.log.keys();
        let tombstone = Tombstone {
            school: keys.school(),
            entry: entry.id(),
            signer: header.signer,
            incarnation: header.incarnation,
            space: header.space,
            lane: header.lane,
            sequence: header.sequence,
            code: code.to_owned(),
            received_ms: self.now_ms,
            node: keys.node.node_id(),
        };
        let signature = sign_tombstone(&keys.node, &tombstone)
            .map_err(|_| ServerError::Keys("node key".into()))?;
        let mut bytes = tombstone.encode();
        bytes.extend_from_slice(&signature.0);
        // Only a good signature moves a chain: else anybody could.
        let authentic = !matches!(
            code,
            "school.other"
                | "signature.bad"
                | "device.unknown"
                | "account.unknown"
                | "account-log.invalid"
        );
        let key = ChainKey::of(entry);
        let head = self.chain(&key).await?;
        let follows = match &head {
            None => header.sequence == 1,
            Some((sequence, head)) => {
                header.sequence == sequence + 1 && header.previous == Some(head.id)
            }
        };
        if authentic && follows {
            sql(
                "INSERT INTO tombstone (id, code, tombstone) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(entry.id().0)
            .bind(code)
            .bind(&bytes)
            .execute(&mut self.db)
            .await?;
            // The signer's next pack may say "heads as in the entry before".
            let head = ChainEntry {
                id: entry.id(),
                heads: header.heads.clone(),
            };
            self.batch.chains.insert(key, (header.sequence, head));
        }
        Ok(Outcome::Refused {
            code: code.to_owned(),
            tombstone: bytes,
        })
    }

    pub(super) async fn insert(
        &mut self,
        entry: &Entry,
        same_heads: bool,
        pending: Option<&str>,
    ) -> Result<i64, ServerError> {
        let heads = self.head_sequences(entry).await?;
        let n = self.row_number().await?;
        count(&self.log.metrics().accepted);
        self.batch.rows.entry(vec![
            n.into(),
            entry.id().0.into(),
            entry.header_bytes().into(),
            entry.signature.0.into(),
            entry.body().encode().into(),
            same_heads.into(),
            heads.into(),
            pending.into(),
        ]);
        changes::save(&mut self.db, n, entry).await?;
        Ok(n)
    }
}

fn refused_without_tombstone(code: &str) -> Outcome {
    Outcome::Refused {
        code: code.to_owned(),
        tombstone: Vec::new(),
    }
}
