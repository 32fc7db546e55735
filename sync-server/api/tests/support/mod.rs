//! A client of the API as anybody would write one.
#![allow(dead_code)] // No test needs all of it.
use serde_json::{Value, json};
use stunity_client::Client;
use stunity_e2e::School;

/// Calls the API of a school, as somebody or as nobody.
#[derive(Clone)]
pub struct Caller {
    base: String,
    token: Option<String>,
}

impl Caller {
    /// Nobody yet.
    pub fn new(school: &School) -> Self {
        Self {
            base: format!("http://{}", school.address),
            token: None,
        }
    }

    /// The same as whom this token names.
    pub fn with(&self, token: &str) -> Self {
        Self {
            base: self.base.clone(),
            token: Some(token.to_owned()),
        }
    }

    /// The token of whom this is.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A status, and what was answered; null if it is empty.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, None).await
    }

    /// As [`Caller::get`].
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("POST", path, Some(body.clone())).await
    }

    /// As [`Caller::get`].
    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("PUT", path, Some(body.clone())).await
    }

    /// As [`Caller::get`].
    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.call("DELETE", path, None).await
    }

    async fn call(&self, method: &'static str, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.send(method, path, body, &[]).await;
        (answer.status, answer.body)
    }

    /// Any request, with more headers; a path that begins with a slash is not under `/api`.
    pub async fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let api = if path.starts_with('/') { "" } else { "/api/" };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{api}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let call = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .build()
                .into();
            let mut answer = match body {
                Some(body) => {
                    let request = request.header("content-type", "application/json");
                    agent.run(request.body(body.to_string()).unwrap()).unwrap()
                }
                None => agent.run(request.body(()).unwrap()).unwrap(),
            };
            let text = answer.body_mut().read_to_string().unwrap();
            Answer {
                status: answer.status().as_u16(),
                headers: answer.headers().clone(),
                body: match text.is_empty() {
                    true => Value::Null,
                    false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
                },
            }
        };
        tokio::task::spawn_blocking(call).await.unwrap()
    }
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    /// Null if it is empty.
    pub body: Value,
}

impl Answer {
    /// A header's text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Somebody who registered under this name, without a device.
pub async fn registered(school: &School, name: &str) -> Caller {
    let caller = Caller::new(school);
    let body = json!({ "username": name, "password": "a long word" });
    let (_, answer) = caller.post("auth/register", &body).await;
    caller.with(&text(&answer, "accessToken"))
}

/// Somebody with a device, signed in by a password that the relay's holder set.
pub async fn signed_in(school: &School, device: &Client, name: &str) -> Caller {
    let account = device.store().account();
    (school.log.set_login(name, "a long word", account).await).unwrap();
    let caller = Caller::new(school);
    let body = json!({ "login": name, "password": "a long word" });
    let (_, answer) = caller.post("auth/login", &body).await;
    caller.with(&text(&answer, "accessToken"))
}

/// A status and its code, of a problem.
pub fn refused((status, problem): (u16, Value)) -> (u16, String) {
    (status, text(&problem, "code"))
}

/// A field of text.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
