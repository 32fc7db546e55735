//! What goes over HTTP: joining, and parcels that are handed over.
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use stunity_proto::SchoolId;

use crate::join::{Join, Joining, Request, School, refusal, unhex};
use crate::platform::{Platform, System};
use crate::{Client, ClientError, HandedOver};

/// How long the relay may take to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(120);

fn unreachable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unreachable(error.to_string())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER))
        .build()
        .into()
}

/// Status and body.
type Answer = (u16, Vec<u8>);

fn answer_of(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, ClientError> {
    let mut answer = answer.map_err(unreachable)?;
    let body = answer.body_mut().read_to_vec().map_err(unreachable)?;
    Ok((answer.status().as_u16(), body))
}

/// The body, unless the relay refused.
fn accepted((status, body): Answer) -> Result<Vec<u8>, ClientError> {
    if (200..300).contains(&status) {
        Ok(body)
    } else {
        Err(refusal(&body))
    }
}

fn ask(relay: &str, request: &Request) -> Result<Answer, ClientError> {
    let url = format!("{relay}{}", request.path);
    answer_of(match &request.body {
        None => agent().get(url).call(),
        Some(body) => agent()
            .post(url)
            .content_type("application/json")
            .send(body),
    })
}

/// The school of a relay, and the relay's own certificates.
pub(crate) fn fetch_school(relay: &str, expected: Option<SchoolId>) -> Result<School, ClientError> {
    let request = Request {
        path: "/api/school",
        body: None,
    };
    School::from_answer(&accepted(ask(relay, &request)?)?, expected)
}

#[derive(Deserialize)]
struct Answers {
    answers: Vec<String>,
}

impl Client {
    /// Makes this device the first of an account and joins a school through its
    /// relay. `expected` is the school id from an invitation on paper; without
    /// it the relay's own word is pinned.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses; then no account is left in `folder`.
    pub fn join(
        folder: &Path,
        relay: &str,
        joining: &Joining,
        expected: Option<SchoolId>,
    ) -> Result<Self, ClientError> {
        Self::join_with(folder, relay, joining, expected, System::shared())
    }

    /// As [`Client::join`], with other clocks and randomness.
    ///
    /// # Errors
    /// As [`Client::join`].
    pub fn join_with(
        folder: &Path,
        relay: &str,
        joining: &Joining,
        expected: Option<SchoolId>,
        platform: Arc<dyn Platform>,
    ) -> Result<Self, ClientError> {
        let mut join = Join::new(folder, relay, joining.clone(), expected, platform)?;
        while let Some(request) = join.request() {
            let (status, body) = ask(join.relay(), &request)?;
            if let Some(client) = join.on_answer(status, &body)? {
                return Ok(client);
            }
        }
        Err(ClientError::Invalid("account.malformed"))
    }

    /// Hands the files that this device carries over to its relay, one after the
    /// other; each that the relay took is carried no longer.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses a file: it and those after it stay.
    pub fn hand_over_parcels(&mut self) -> Result<Vec<HandedOver>, ClientError> {
        let mut done = Vec::new();
        for parcel in self.store.carried()? {
            let mut file = Vec::new();
            while let Some(piece) = self.store.carried_piece(parcel.name, file.len() as u64)? {
                file.extend_from_slice(&piece);
            }
            let url = format!("{}/api/parcels", self.relay);
            let body = accepted(answer_of(agent().post(url).send(&file[..]))?)?;
            let answers: Answers = serde_json::from_slice(&body).map_err(unreachable)?;
            self.store.drop_carried(parcel.name)?;
            done.push(HandedOver {
                name: parcel.name,
                answers: answers.answers.iter().filter_map(|a| unhex(a)).collect(),
            });
        }
        Ok(done)
    }
}
