//! Bodies of requests: what is wrong with them, one code a field.
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use stunity_model::events::MAX_INLINE;
use stunity_model::work::{MAX_POINTS, MAX_PRICE};

use crate::problem::Problem;

/// A body of JSON.
pub type Body<T> = Result<Json<T>, JsonRejection>;

/// Characters of a title.
pub const TITLE: RangeInclusive<usize> = 1..=200;
/// Characters of a description, of feedback, of a question.
pub const DESCRIPTION: RangeInclusive<usize> = 0..=5_000;
/// Files that one thing names.
const MAX_FILES: usize = 10;
/// The most of a number that counts something.
pub const MOST: u64 = 1_000_000;
/// The last millisecond of the year 9999.
pub const MAX_TIME: u64 = 253_402_300_799_999;

/// An id in a path: one that is none names nothing.
///
/// # Errors
/// `not-found`.
pub fn path_id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// What a field is that says yes where it is left out.
pub(crate) fn yes() -> bool {
    true
}

/// Points as people write them, such as 8.5, in hundredths.
fn hundredths(points: f64, most: u64) -> Option<u64> {
    let scaled = (points * 100.0).round();
    (0.0..=most as f64)
        .contains(&scaled)
        .then_some(scaled as u64)
}

/// Points as people write them.
#[must_use]
pub fn points(hundredths: u64) -> f64 {
    hundredths as f64 / 100.0
}

/// The fields of a body that are wrong.
#[derive(Debug, Default)]
pub struct Fields {
    wrong: Vec<(String, &'static str)>,
}

impl Fields {
    /// Notes that a field is wrong.
    pub fn wrong(&mut self, field: impl Display, code: &'static str) {
        self.wrong.push((field.to_string(), code));
    }

    /// A text of so many characters, else `text.length`.
    pub fn text(&mut self, field: impl Display, text: &str, length: RangeInclusive<usize>) {
        if !length.contains(&text.chars().count()) {
            self.wrong(field, "text.length");
        }
    }

    /// As [`Fields::text`], of a text that may be absent.
    pub fn text_if(
        &mut self,
        field: impl Display,
        text: Option<&str>,
        length: RangeInclusive<usize>,
    ) {
        if let Some(text) = text {
            self.text(field, text, length);
        }
    }

    /// A text that stands inside an event: at most 48 KB, else `text.length`.
    pub fn content(&mut self, field: impl Display, text: &str) {
        if text.len() > MAX_INLINE {
            self.wrong(field, "text.length");
        }
    }

    /// A number up to `most`, else `number.range`.
    pub fn number(&mut self, field: impl Display, number: u64, most: u64) {
        if number > most {
            self.wrong(field, "number.range");
        }
    }

    /// An id, else `id.malformed`.
    pub fn id<T: FromStr>(&mut self, field: impl Display, text: &str) -> Option<T> {
        let id = text.parse().ok();
        if id.is_none() {
            self.wrong(field, "id.malformed");
        }
        id
    }

    /// At most ten ids, else `files.too-many` or `id.malformed`.
    pub fn files<T: FromStr>(&mut self, field: &str, files: &[String]) -> Vec<T> {
        if files.len() > MAX_FILES {
            self.wrong(field, "files.too-many");
        }
        let id = |(n, file): (usize, &String)| self.id(format_args!("{field}[{n}]"), file);
        files.iter().enumerate().filter_map(id).collect()
    }

    /// Points in hundredths, of at most 10,000, else `points.range`.
    pub fn points(&mut self, field: impl Display, points: f64) -> u64 {
        hundredths(points, MAX_POINTS).unwrap_or_else(|| {
            self.wrong(field, "points.range");
            0
        })
    }

    /// A price in hundredths, else `price.range`.
    pub fn price(&mut self, field: impl Display, price: f64) -> u64 {
        hundredths(price, MAX_PRICE).unwrap_or_else(|| {
            self.wrong(field, "price.range");
            0
        })
    }

    /// Whether everything is right.
    ///
    /// # Errors
    /// `body.invalid` with the fields.
    pub fn done(self) -> Result<(), Problem> {
        let wrong: Vec<(&str, &str)> = (self.wrong.iter())
            .map(|(field, code)| (field.as_str(), *code))
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Problem::fields(&wrong)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_hundredths_and_nothing_else() {
        for (given, taken) in [
            (0.0, Some(0)),
            (8.5, Some(850)),
            (10_000.0, Some(1_000_000)),
        ] {
            assert_eq!(hundredths(given, MAX_POINTS), taken, "{given}");
        }
        for given in [-0.5, 10_000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(hundredths(given, MAX_POINTS), None, "{given}");
        }
        assert_eq!(points(850), 8.5);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut fields = Fields::default();
        fields.text("title", "", TITLE);
        fields.text_if("titleKh", Some("ស"), TITLE);
        fields.files::<stunity_proto::BlobId>("files", &["no".to_owned()]);
        let problem = fields.done().unwrap_err();
        let named: Vec<_> = (problem.errors.iter())
            .map(|error| (error.field.as_str(), error.code.as_str()))
            .collect();
        assert_eq!(
            named,
            [("title", "text.length"), ("files[0]", "id.malformed")]
        );
        assert!(Fields::default().done().is_ok());
    }
}
