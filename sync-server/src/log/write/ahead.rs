//! What a batch will ask for, read at once: a class that hands in would else have each
//! of its devices looked up by itself, seven statements each.
use std::collections::BTreeSet;

use stunity_proto::pack::ChainKey;
use stunity_proto::{AccountId, DeviceId, EntryId, Hash, Header, Lane, Signer, SpaceId};

use super::{End, Writer};
use crate::db::{Value, wanted};
use crate::error::ServerError;
use crate::log::Request;
use crate::log::write::chain_entry;

/// Keys that one statement looks for.
const AT_ONCE: usize = 32;
/// So many are looked up together; fewer by themselves, as they are asked for.
const SEVERAL: usize = 4;

impl Writer<'_> {
    /// Reads what these requests will ask for.
    pub(super) async fn read_ahead(&mut self, requests: &[Request]) -> Result<(), ServerError> {
        let entries = requests.iter().filter_map(|request| match request {
            Request::Append { entries, .. } => Some(entries),
            _ => None,
        });
        let headers: Vec<&Header> = entries.flatten().map(|entry| entry.header()).collect();
        if headers.len() < SEVERAL {
            return Ok(());
        }
        let school = self.log.keys().school();
        let authors: BTreeSet<AccountId> = (headers.iter().map(|header| header.author))
            .filter(|author| !self.authority.has_log(*author))
            .collect();
        for authors in keys(authors, |author| vec![author.0.into()]).chunks(AT_ONCE) {
            self.authority
                .load_logs(&mut self.db, school, authors, AT_ONCE)
                .await?;
        }
        self.read_chains(&headers).await?;
        self.read_ends(&headers).await?;
        self.read_mirrored(&headers).await?;
        self.read_sequences(&headers).await
    }

    async fn read_chains(&mut self, headers: &[&Header]) -> Result<(), ServerError> {
        let chains: BTreeSet<ChainKey> = (headers.iter())
            .map(|header| ChainKey {
                signer: header.signer,
                incarnation: header.incarnation,
                space: header.space,
                lane: header.lane,
            })
            .filter(|chain| !self.memory.chains.contains_key(chain))
            .collect();
        let of_devices: Vec<ChainKey> = (chains.into_iter())
            .filter(|chain| matches!(chain.signer, Signer::Device(_)))
            .collect();
        for chains in of_devices.chunks(AT_ONCE).filter(|c| c.len() >= SEVERAL) {
            let keys: Vec<Vec<Value>> = (chains.iter())
                .map(|chain| {
                    vec![
                        chain.signer.id().to_vec().into(),
                        i64::from(chain.incarnation).into(),
                        chain.space.0.into(),
                        chain.lane.to_key().into(),
                    ]
                })
                .collect();
            let rows = wanted(
                "signer, incarnation, space, lane",
                &keys,
                AT_ONCE,
                "SELECT c.signer, c.incarnation, c.space, c.lane, c.sequence, c.id, \
                 c.account_head, c.membership_heads FROM wanted w CROSS JOIN chain c \
                 WHERE c.signer = w.signer AND c.incarnation = w.incarnation \
                 AND c.space = w.space AND c.lane = w.lane AND c.signer_kind = 0",
            )
            .all(&mut self.db)
            .await?;
            for chain in chains {
                self.memory.chains.insert(*chain, None);
            }
            for row in &rows {
                let key = ChainKey {
                    signer: Signer::Device(DeviceId::try_from(row.get::<&[u8]>(0)?)?),
                    incarnation: row.get::<i64>(1)? as u32,
                    space: SpaceId::try_from(row.get::<&[u8]>(2)?)?,
                    lane: Lane::from_key(row.get(3)?)?,
                };
                let last = (row.get::<i64>(4)? as u64, chain_entry(row, 5)?);
                self.memory.chains.insert(key, Some(last));
            }
        }
        Ok(())
    }

    async fn read_ends(&mut self, headers: &[&Header]) -> Result<(), ServerError> {
        let ends: BTreeSet<(SpaceId, Vec<u8>)> = (headers.iter())
            .flat_map(|header| {
                [
                    (header.space, Vec::new()),
                    (header.space, header.lane.to_key()),
                ]
            })
            .filter(|end| !self.memory.ends.contains_key(end))
            .collect();
        let ends: Vec<_> = ends.into_iter().collect();
        for ends in ends.chunks(AT_ONCE).filter(|ends| ends.len() >= SEVERAL) {
            let keys: Vec<Vec<Value>> = (ends.iter())
                .map(|(space, lane)| vec![space.0.into(), lane.into()])
                .collect();
            let rows = wanted(
                "space, lane",
                &keys,
                AT_ONCE,
                "SELECT t.space, t.lane, t.sequence, t.hash FROM wanted w \
                 CROSS JOIN target_end t WHERE t.space = w.space AND t.lane = w.lane",
            )
            .all(&mut self.db)
            .await?;
            for end in ends {
                self.memory.ends.insert(end.clone(), End::START);
            }
            for row in &rows {
                let at = (SpaceId::try_from(row.get::<&[u8]>(0)?)?, row.get(1)?);
                let end = End {
                    sequence: row.get(2)?,
                    hash: Hash::try_from(row.get::<&[u8]>(3)?)?,
                };
                self.memory.ends.insert(at, end);
            }
        }
        Ok(())
    }

    async fn read_mirrored(&mut self, headers: &[&Header]) -> Result<(), ServerError> {
        let authors: BTreeSet<(SpaceId, AccountId)> = (headers.iter())
            .filter(|header| {
                [header.lane, Lane::All].into_iter().all(|lane| {
                    let known = (header.space, header.author, lane);
                    !self.memory.mirrored.contains(&known)
                })
            })
            .map(|header| (header.space, header.author))
            .collect();
        let key = |(space, account): (SpaceId, AccountId)| vec![space.0.into(), account.0.into()];
        for keys in keys(authors, key).chunks(AT_ONCE) {
            let rows = wanted(
                "space, account",
                keys,
                AT_ONCE,
                "SELECT m.space, m.account, m.lane FROM wanted w CROSS JOIN mirrored m \
                 WHERE m.space = w.space AND m.account = w.account",
            )
            .all(&mut self.db)
            .await?;
            for row in &rows {
                self.memory.mirrored.insert((
                    SpaceId::try_from(row.get::<&[u8]>(0)?)?,
                    AccountId::try_from(row.get::<&[u8]>(1)?)?,
                    Lane::from_key(row.get(2)?)?,
                ));
            }
        }
        Ok(())
    }

    /// Where the heads that entries cite are numbered.
    async fn read_sequences(&mut self, headers: &[&Header]) -> Result<(), ServerError> {
        let cited: BTreeSet<(SpaceId, Lane, EntryId)> = (headers.iter())
            .flat_map(|header| {
                let heads = header.heads.account.iter().chain(&header.heads.membership);
                heads.map(|id| (header.space, header.lane, *id))
            })
            .filter(|cited| !self.memory.sequences.contains_key(cited))
            .collect();
        let cited: Vec<_> = cited.into_iter().collect();
        for cited in cited.chunks(AT_ONCE).filter(|c| c.len() >= SEVERAL) {
            let keys: Vec<Vec<Value>> =
                (cited.iter()).map(|(_, _, id)| vec![id.0.into()]).collect();
            let rows = wanted(
                "id",
                &keys,
                AT_ONCE,
                "SELECT e.id, n.space, n.lane, n.sequence FROM wanted w \
                 CROSS JOIN entry e CROSS JOIN numbering n WHERE e.id = w.id AND n.entry = e.n",
            )
            .all(&mut self.db)
            .await?;
            let mut places = Vec::with_capacity(rows.len());
            for row in &rows {
                places.push((
                    EntryId::try_from(row.get::<&[u8]>(0)?)?,
                    SpaceId::try_from(row.get::<&[u8]>(1)?)?,
                    Lane::from_key(row.get(2)?)?,
                    row.get::<i64>(3)?,
                ));
            }
            for (space, lane, id) in cited {
                let at = places.iter().filter(|(of, in_space, in_lane, _)| {
                    (of, in_space) == (id, space) && [*lane, Lane::All].contains(in_lane)
                });
                let first = at.map(|(.., sequence)| *sequence).min();
                self.memory.sequences.insert((*space, *lane, *id), first);
            }
        }
        Ok(())
    }
}

/// Keys of what is to be looked up, or none if they are too few.
fn keys<T>(items: BTreeSet<T>, key: impl Fn(T) -> Vec<Value>) -> Vec<Vec<Value>> {
    if items.len() < SEVERAL {
        return Vec::new();
    }
    items.into_iter().map(key).collect()
}
