//! The status page for people: which devices there are, how far each is, and who
//! has not synced since when. It tells no content and no names, which the relay
//! need not know; ids are shortened.
use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use stunity_proto::{DeviceId, SchoolId, SpaceId};
use stunity_sync::RelayStore;

use crate::db::sql;
use crate::error::ServerError;
use crate::log::Log;
use crate::run::App;

/// Devices and spaces that the page lists; the counts above tell how many there are.
const LISTED: i64 = 200;
/// A device that was silent for so long is marked: a weekend and a holiday.
const LATE_MS: u64 = 4 * 24 * 3_600_000;
const STYLE: &str = include_str!("status.css");

/// What a person reads, in both languages.
struct Both(&'static str, &'static str);

impl std::fmt::Display for Both {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <span class=km lang=km>{}</span>", self.0, self.1)
    }
}

/// Text for HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// How long ago, in the largest unit that fits.
fn ago(ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => Both("just now", "អម្បាញ់មិញ").to_string(),
        1..60 => format!("{minutes} {}", Both("min ago", "នាទីមុន")),
        60..2_880 => format!("{} {}", minutes / 60, Both("h ago", "ម៉ោងមុន")),
        _ => format!("{} {}", minutes / 1_440, Both("days ago", "ថ្ងៃមុន")),
    }
}

struct DeviceRow {
    id: DeviceId,
    staff: bool,
    revoked: bool,
    seen_ms: Option<u64>,
    /// Entries that it may read and had not acknowledged when it was last here;
    /// none if the relay does not know where it stands.
    behind: Option<u64>,
}

struct SpaceRow {
    space: SpaceId,
    title: Option<String>,
    /// Whether it is an account's own.
    account: bool,
    entries: u64,
    lanes: u64,
    last_ms: u64,
}

impl Log {
    /// How far the spaces go, and where each device stood in them.
    async fn device_rows(&self) -> Result<Vec<DeviceRow>, ServerError> {
        let rows = sql(
            "SELECT d.id, d.revoked, d.seen_ms, a.staff_roles FROM device d \
             LEFT JOIN account a ON a.id = d.account \
             ORDER BY d.seen_ms DESC NULLS LAST, d.id LIMIT $1",
        )
        .bind(LISTED)
        .all(self.database())
        .await?;
        let mut devices = Vec::with_capacity(rows.len());
        for row in rows {
            let id = DeviceId::try_from(row.get::<&[u8]>(0)?)?;
            devices.push(DeviceRow {
                id,
                revoked: row.get(1)?,
                seen_ms: row.get::<Option<i64>>(2)?.map(|at| at as u64),
                staff: row.get::<Option<i64>>(3)?.unwrap_or_default() != 0,
                behind: self.behind(id).await?,
            });
        }
        Ok(devices)
    }

    /// Entries numbered since in the targets that a device follows.
    async fn behind(&self, device: DeviceId) -> Result<Option<u64>, ServerError> {
        let Ok(log) = self.cursor_log(device).await else {
            return Ok(None);
        };
        if log.acknowledged.is_empty() && log.sent.is_empty() {
            return Ok(None);
        }
        let mut at = BTreeMap::new();
        let sent = log.sent.iter().flat_map(|(cursors, _)| cursors);
        for cursor in log.acknowledged.iter().chain(sent) {
            at.insert(cursor.target, cursor.at.sequence);
        }
        let mut behind = 0;
        for (target, sequence) in at {
            behind += self.numbered_after(target, sequence).await?;
        }
        Ok(Some(behind))
    }

    async fn space_rows(&self) -> Result<Vec<SpaceRow>, ServerError> {
        let rows = sql("SELECT e.space, e.sequence, \
             (SELECT COUNT(*) FROM target_end l WHERE l.space = e.space AND l.lane <> $1), \
             (SELECT n.received_ms FROM numbering n \
              WHERE n.space = e.space AND n.sequence = e.sequence), \
             (SELECT p.title FROM p_course_page p WHERE p.space = e.space \
              ORDER BY p.sequence DESC LIMIT 1), \
             (SELECT COUNT(*) FROM account a WHERE a.id = e.space) \
             FROM target_end e WHERE e.lane = $1 AND e.sequence > 0 \
             ORDER BY e.sequence DESC, e.space LIMIT $2")
        .bind(Vec::new())
        .bind(LISTED)
        .all(self.database())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SpaceRow {
                    space: SpaceId::try_from(row.get::<&[u8]>(0)?)?,
                    entries: row.get(1)?,
                    lanes: row.get(2)?,
                    last_ms: row.get::<Option<i64>>(3)?.unwrap_or_default() as u64,
                    title: row.get(4)?,
                    account: row.get::<i64>(5)? != 0,
                })
            })
            .collect()
    }
}

fn figure(out: &mut String, value: u64, what: Both) {
    let _ = write!(out, "<li><b>{value}</b>{what}</li>");
}

fn device_line(out: &mut String, device: &DeviceRow, connected: bool, now: u64) {
    let who = match device.staff {
        true => Both("staff", "បុគ្គលិក"),
        false => Both("pupil or parent", "សិស្ស ឬមាតាបិតា"),
    };
    let silent = device.seen_ms.map(|at| now.saturating_sub(at));
    let seen = match (device.revoked, connected, silent) {
        (true, ..) => Both("revoked", "បានដកហូត").to_string(),
        (_, true, _) => format!("<span class=good>● {}</span>", Both("connected", "បានភ្ជាប់")),
        (_, _, Some(ms)) if ms > LATE_MS => format!("<span class=late>{}</span>", ago(ms)),
        (_, _, Some(ms)) => ago(ms),
        (_, _, None) => format!("<span class=late>{}</span>", Both("never", "មិនដែល")),
    };
    let behind = match device.behind {
        None => "–".to_owned(),
        Some(0) => format!(
            "<span class=good>{}</span>",
            Both("has everything", "មានគ្រប់")
        ),
        Some(count) => format!("{count} {}", Both("entries", "ធាតុ")),
    };
    let id = &device.id.to_string()[..8];
    let _ = write!(
        out,
        "<tr><td><code>{id}</code><td>{who}<td>{seen}<td>{behind}</tr>"
    );
}

fn space_line(out: &mut String, space: &SpaceRow, school: SchoolId, now: u64) {
    let id = &space.space.to_string()[..8];
    let title = match &space.title {
        Some(title) => escape(title),
        None if space.space.0 == school.0 => Both("the school", "សាលារៀន").to_string(),
        None if space.account => Both("an account", "គណនី").to_string(),
        None => Both("a course", "វគ្គសិក្សា").to_string(),
    };
    let last = ago(now.saturating_sub(space.last_ms));
    let _ = write!(
        out,
        "<tr><td>{title} <small class=km>{id}</small><td>{}<td>{}<td>{last}</tr>",
        space.entries, space.lanes
    );
}

/// `GET /`.
pub async fn page(State(app): State<App>) -> Result<Response, ServerError> {
    let log = &app.log;
    let (counts, devices, spaces) = (
        log.counts().await?,
        log.device_rows().await?,
        log.space_rows().await?,
    );
    let connected = log.bus().devices();
    let now = log.now_ms();
    let mut figures = String::new();
    figure(
        &mut figures,
        connected.len() as u64,
        Both("connected", "បានភ្ជាប់"),
    );
    figure(&mut figures, counts.devices, Both("devices", "ឧបករណ៍"));
    figure(&mut figures, counts.accounts, Both("accounts", "គណនី"));
    figure(&mut figures, counts.spaces, Both("spaces", "លំហ"));
    figure(&mut figures, counts.lanes, Both("lanes", "ផ្លូវ"));
    figure(&mut figures, counts.entries, Both("entries", "ធាតុ"));
    let mut device_lines = String::new();
    for device in &devices {
        device_line(
            &mut device_lines,
            device,
            connected.contains(&device.id),
            now,
        );
    }
    let mut space_lines = String::new();
    for space in &spaces {
        space_line(&mut space_lines, space, log.school(), now);
    }
    let mut notes = String::new();
    if log.keys().has_root() {
        notes.push_str(
            "<p class=note>The school's root key lies beside this relay. Move it out with \
             <code>stunity-server school move-root</code>.</p>",
        );
    }
    if log.epoch() > 1 {
        let _ = write!(
            notes,
            "<p class=note>This relay was restored from a backup (epoch {}).</p>",
            log.epoch()
        );
    }
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content='width=device-width, initial-scale=1'>\
         <title>Stunity relay</title><style>{STYLE}</style>\
         <h1>Stunity <small lang=km>relay · ស្ថានីយបញ្ជូន</small></h1>{notes}\
         <ul class=figures>{figures}</ul>\
         <h2>{}</h2><div class=wide><table><tr><th>{}<th>{}<th>{}<th>{}</tr>{device_lines}</table></div>\
         <h2>{}</h2><div class=wide><table><tr><th>{}<th>{}<th>{}<th>{}</tr>{space_lines}</table></div>",
        Both("Devices", "ឧបករណ៍"),
        Both("Device", "ឧបករណ៍"),
        Both("Who", "អ្នកប្រើ"),
        Both("Last seen", "ឃើញចុងក្រោយ"),
        Both("Behind", "នៅខ្វះ"),
        Both("Spaces", "លំហ"),
        Both("Space", "លំហ"),
        Both("Entries", "ធាតុ"),
        Both("Lanes", "ផ្លូវ"),
        Both("Last entry", "ធាតុចុងក្រោយ"),
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_text_whatever_it_says() {
        let space = SpaceRow {
            space: SpaceId([1; 16]),
            title: Some("<script>alert('x')</script> & \"គណិត\"".into()),
            entries: 3,
            account: false,
            lanes: 1,
            last_ms: 0,
        };
        let mut out = String::new();
        space_line(&mut out, &space, SchoolId([0; 16]), 120_000);
        assert!(
            out.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;គណិត&quot;")
        );
        assert!(out.contains("2 min ago"));
    }

    #[test]
    fn who_was_silent_for_long_is_marked() {
        let mut device = DeviceRow {
            id: DeviceId([2; 16]),
            staff: false,
            revoked: false,
            seen_ms: Some(0),
            behind: Some(7),
        };
        let line = |device: &DeviceRow, connected| {
            let mut out = String::new();
            device_line(&mut out, device, connected, 30 * 24 * 3_600_000);
            out
        };
        assert!(line(&device, false).contains("<span class=late>30 "));
        assert!(line(&device, false).contains("7 entries"));
        assert!(line(&device, true).contains("connected"));
        device.revoked = true;
        assert!(line(&device, true).contains("revoked"));
    }
}
