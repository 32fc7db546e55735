//! Projections of another version are made again, before the relay serves.
use stunity_model::Event;
use stunity_model::rows::{FOLD_VERSION, TABLES};
use stunity_proto::{Kind, Lane, SpaceId};
use stunity_sync::Position;

use super::authority;
use super::write::projected_rows;
use crate::db::{Connection, create_projections, insert_rows, sql};
use crate::error::ServerError;

/// Entries read at once.
const PAGE: i64 = 512;

/// Makes the projections again, if they are of another version.
///
/// # Errors
/// The database's: then they are as before.
pub(crate) async fn refold_if_older(db: &mut Connection) -> Result<(), ServerError> {
    let version: i64 = sql("SELECT version FROM fold")
        .one(&mut *db)
        .await?
        .get(0)?;
    if version == i64::from(FOLD_VERSION) {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    for table in TABLES {
        sql(format!("DROP TABLE IF EXISTS p_{}", table.name))
            .execute(&mut tx)
            .await?;
    }
    create_projections(&mut tx).await?;
    let mut after = 0;
    loop {
        let entries = sql(
            "SELECT e.n, e.header, e.signature, e.body, n.space, n.lane, n.sequence, n.received_ms \
             FROM entry e JOIN numbering n ON n.entry = e.n \
             WHERE e.n > $1 AND e.n <= $1 + $2 AND e.pending IS NULL ORDER BY e.n, n.sequence",
        )
        .bind(after)
        .bind(PAGE)
        .all(&mut tx)
        .await?;
        for row in &entries {
            let n: i64 = row.get(0)?;
            let entry = authority::entry(row.get(1)?, row.get(2)?, row.get(3)?)?;
            let position = Position {
                space: SpaceId::try_from(row.get::<&[u8]>(4)?)?,
                lane: Lane::from_key(row.get(5)?)?,
                epoch: 0,
                sequence: row.get(6)?,
                received_ms: row.get(7)?,
            };
            let header = entry.header();
            // Mirrored keys stand elsewhere too; rows are made of an entry's own place.
            if (position.space, position.lane) != (header.space, header.lane)
                || header.lane == Lane::Keys
            {
                continue;
            }
            for (index, (kind, op)) in entry.ops().enumerate() {
                if let (Kind::Event(_), Some(op)) = (kind, op)
                    && let Ok(event) = Event::decode(op)
                {
                    for (table, values) in projected_rows(n, index, &entry, &event, &position) {
                        insert_rows(&mut tx, &format!("p_{table}"), vec![values], "").await?;
                    }
                }
            }
        }
        after += PAGE;
        let more: Option<i64> = sql("SELECT n FROM entry WHERE n > $1 ORDER BY n LIMIT 1")
            .bind(after)
            .scalar(&mut tx)
            .await?;
        match more {
            // Numbers have gaps: the next page begins with what there is.
            Some(next) => after = after.max(next - 1),
            None => break,
        }
    }
    sql("UPDATE fold SET version = $1")
        .bind(i64::from(FOLD_VERSION))
        .execute(&mut tx)
        .await?;
    tx.commit().await?;
    Ok(())
}
