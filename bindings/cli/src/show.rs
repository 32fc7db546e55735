//! Output for people or machines.
use serde_json::Value;
use stunity_client::ClientError;

/// Prints a JSON value, or its text for people.
pub fn print(json: bool, value: &Value, text: impl FnOnce() -> String) {
    if json {
        println!("{value}");
    } else {
        let text = text();
        if !text.is_empty() {
            println!("{}", text.trim_end());
        }
    }
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
