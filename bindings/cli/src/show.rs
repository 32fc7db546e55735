//! Output for people or machines.
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, FixedOffset};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::{Value, json};
use stunity_client::ClientError;
use stunity_identity::AccountEvent;

static PRINTED: AtomicBool = AtomicBool::new(false);

/// Whether a command has said anything.
pub fn has_printed() -> bool {
    PRINTED.load(Ordering::Relaxed)
}

/// Prints a JSON value, or its text for people.
pub fn print(json: bool, value: &Value, text: impl FnOnce() -> String) {
    PRINTED.store(true, Ordering::Relaxed);
    if json {
        println!("{value}");
    } else {
        let text = text();
        if !text.is_empty() {
            println!("{}", text.trim_end());
        }
    }
}

/// Something needs a person's attention.
pub const ATTENTION: u8 = 5;
/// The link ended before everything had gone and come.
pub const UNREACHABLE: u8 = 3;

/// Prints what was made.
pub fn created(json: bool, name: &str, id: impl std::fmt::Display) {
    let id = id.to_string();
    print(json, &json!({ name: id }), || id.clone());
}

/// Prints a text that another device reads: for people with a QR code to scan.
pub fn shown(json: bool, name: &str, text: &str) {
    print(json, &json!({ name: text }), || {
        format!("{text}\n{}", drawn(text))
    });
}

/// A text as a QR code; nothing if it is too long for one.
pub fn drawn(text: &str) -> String {
    // Capitals are its densest alphabet.
    QrCode::with_error_correction_level(text.to_uppercase(), EcLevel::L)
        .map(|code| code.render::<Dense1x2>().build())
        .unwrap_or_default()
}

/// A relay's time in Cambodia, which keeps one offset all the year.
pub fn time(ms: u64) -> String {
    const HOURS: i32 = 7;
    let zone = FixedOffset::east_opt(HOURS * 3600).expect("seven hours are less than a day");
    i64::try_from(ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .map_or_else(
            || "at an unknown time".to_owned(),
            |time| {
                time.with_timezone(&zone)
                    .format("%Y-%m-%d %H:%M")
                    .to_string()
            },
        )
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// What a type of event is called.
pub fn event_name(code: u16) -> String {
    stunity_model::events::TYPES
        .iter()
        .chain(AccountEvent::TYPES)
        .find(|(known, _)| *known == code)
        .map_or(format!("event {code}"), |(_, name)| (*name).to_owned())
}

/// Points in hundredths as people write them.
pub fn points(hundredths: u64) -> String {
    match hundredths % 100 {
        0 => (hundredths / 100).to_string(),
        rest => format!("{}.{rest:02}", hundredths / 100),
    }
}

/// Points as people write them, in hundredths.
pub fn hundredths(points: f64) -> Result<u64, ClientError> {
    if (0.0..=10_000.0).contains(&points) {
        Ok((points * 100.0).round() as u64)
    } else {
        Err(ClientError::Invalid("points.out-of-range"))
    }
}
