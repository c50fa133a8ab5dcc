use std::time::Duration;

use serde_json::Value;

/// A client with connections of its own, for a test in which the server may be gone.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the server at this address, `127.0.0.1:PORT`.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self::with_patience(address, Duration::from_mins(1))
    }

    /// A client that waits no longer than this for an answer.
    #[must_use]
    pub fn with_patience(address: &str, patience: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(patience))
            .build()
            .into();
        Self { address: address.to_owned(), agent }
    }

    /// Sends one request over a kept connection.
    ///
    /// # Errors
    ///
    /// Why there is no whole answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, ureq::http::HeaderValue::from_bytes(value).unwrap());
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.map_err(|error| error.to_string())?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok(Answer { status, headers, body })
    }

    /// `PATCH /api/portfolios/employers/ID` with JSON, and these headers beside.
    ///
    /// # Errors
    ///
    /// Why there is no whole answer.
    pub fn patch(&self, id: i64, key: &str, body: &str, headers: &[(&str, &[u8])]) -> Result<Answer, String> {
        let token = format!("Token {key}");
        let path = format!("/api/portfolios/employers/{id}");
        let usual = [("authorization", token.as_bytes()), ("content-type", &b"application/json"[..])];
        self.send("PATCH", &path, &[&usual, headers].concat(), Some(body.as_bytes()))
    }
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// A header, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless the answer is this.
    #[track_caller]
    pub fn assert(&self, status: u16, body: &Value) {
        assert_eq!((self.status, &self.json()), (status, body));
    }
}
