//! The documented example, served: what most tests start from.

use portfolio_testkit::{Kind, Server, Site};
use serde_json::Value;

use crate::PROGRAM;
use crate::wire::{self, Reply};

/// The employer without an image, which the tests change.
pub(crate) const EMPLOYER: &str = "/api/portfolios/employers/123";
/// An address of the right kind where no employer is.
pub(crate) const NOBODY: &str = "/api/portfolios/employers/124";
pub(crate) const JSON: &str = "application/json";

/// A server over the documented example, and keys for it.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) site: Site,
    /// Of a user who may do everything.
    pub(crate) key: String,
}

impl Stage {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, &[])
    }

    /// With more flags of `serve`.
    pub(crate) fn with(kind: Kind, flags: &[&str]) -> Self {
        let site = Site::new(PROGRAM, kind);
        let said = site.ok(&["demo"]);
        let key = said.lines().find(|line| line.starts_with("pf_")).unwrap().to_owned();
        let server = site.serve_unready(flags);
        server.wait_until_ready();
        Self { server, site, key }
    }

    /// A key of a user who may do everything with employers but change them.
    pub(crate) fn stranger(&self) -> String {
        let others = ["4221", "4222", "4224"].map(|code| ["--permission", code]);
        self.site.key("stranger", others.as_flattened())
    }

    /// Sends a request with these headers and no others but `Host` and `Content-Length`.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: Option<&[u8]>,
    ) -> Reply {
        wire::exchange(&self.server, &wire::request(method, path, headers, body))
    }

    /// A `PATCH` of [`EMPLOYER`] by the one who may, with more headers.
    pub(crate) fn patch_with(&self, body: &[u8], headers: &[(&str, &[u8])]) -> Reply {
        let token = format!("Token {}", self.key);
        let usual = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        self.send("PATCH", EMPLOYER, &[&usual, headers].concat(), Some(body))
    }

    /// A `PATCH` of [`EMPLOYER`] by the one who may.
    pub(crate) fn patch(&self, body: impl AsRef<[u8]>) -> Reply {
        self.patch_with(body.as_ref(), &[])
    }

    /// The employer as it is: an object that names no member changes nothing.
    pub(crate) fn employer(&self) -> Value {
        let reply = self.patch("{}");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// A member of the employer that is text.
    pub(crate) fn text(&self, member: &str) -> String {
        self.employer()[member].as_str().unwrap().to_owned()
    }

    /// Every event that it has logged, up to a request that is sent for that.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.send("GET", "/last", &[("X-Request-Id", b"last")], None);
        let _ = self.server.logged(|event| event["request_id"] == "last");
        self.server.events()
    }

    /// Every line of the same.
    pub(crate) fn log(&self) -> String {
        self.events();
        self.server.log().join("\n")
    }
}
