//! Pages: the newest first, by a time and an id, so that neither repeats nor skips
//! what lies below while new things arrive above.
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Items on a page, if the caller does not say.
const USUAL: u64 = 20;
/// Items on a page at most.
const MOST: u64 = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct PageQuery {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// At most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// Where a page begins, and how long it is.
#[derive(Debug)]
pub struct Slice {
    /// After what.
    pub after: Place,
    /// Items at most.
    pub limit: u64,
}

impl Slice {
    /// For lists that go down by id alone: an id above those of this page.
    #[must_use]
    pub fn below(&self) -> Vec<u8> {
        match self.after == Place::TOP {
            true => vec![0xff; 33],
            false => self.after.id.clone(),
        }
    }
}

impl PageQuery {
    /// What is asked for, of a list whose ids have `id_len` bytes.
    ///
    /// # Errors
    /// `limit.range`, `cursor.malformed`.
    pub fn slice(&self, id_len: usize) -> Result<Slice, Problem> {
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "limit.range"));
        }
        let after = match &self.cursor {
            Some(text) => Place::parse(text, id_len)?,
            None => Place::TOP,
        };
        Ok(Slice { after, limit })
    }
}

/// The place of an item: when, and which. Statements ask for what lies below it:
/// `(at, id) < ($1, $2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Milliseconds since 1970, or another number below 2^63 that falls down the list.
    pub at: u64,
    /// The item.
    pub id: Vec<u8>,
}

impl Place {
    /// Above every item.
    pub const TOP: Self = Self {
        at: i64::MAX as u64,
        id: Vec::new(),
    };

    fn parse(text: &str, id_len: usize) -> Result<Self, Problem> {
        let malformed = || Problem::new(StatusCode::BAD_REQUEST, "cursor.malformed");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (at, id) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let at = u64::from_be_bytes(*at);
        if id.len() != id_len || at > i64::MAX as u64 {
            return Err(malformed());
        }
        let id = id.to_vec();
        Ok(Self { at, id })
    }

    /// Of a list that goes down by id alone.
    #[must_use]
    pub fn of(id: impl Into<Vec<u8>>) -> Self {
        let id = id.into();
        Self { at: 0, id }
    }

    /// As the cursor of the page after it.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.at.to_be_bytes(), self.id.as_slice()].concat())
    }
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// For the page after this one; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` items out of one more, which says whether there is another.
    #[must_use]
    pub fn new(mut items: Vec<(Place, T)>, limit: u64) -> Self {
        let more = items.len() as u64 > limit;
        items.truncate(limit as usize);
        let last = items.last().filter(|_| more);
        Self {
            next_cursor: last.map(|(place, _)| place.text()),
            items: items.into_iter().map(|(_, item)| item).collect(),
        }
    }
}
