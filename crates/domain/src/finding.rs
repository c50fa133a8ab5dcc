//! What a look at the settings of the service, and of what it stands on, has found.

/// How bad a finding is; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// No promise of the service is broken by it, but an operator should know.
    Warning,
    /// With it, the service can't keep a promise.
    BreaksPromise,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The setting or the thing, as operators call it: `synchronous_commit`, `KEEP_ALIVE`.
    pub subject: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in one line that holds no secret.
    pub found: String,
    /// What follows from it, and what to do; empty when it is as it should be.
    pub advice: String,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, severity: Severity::Ok, found: found.into(), advice: String::new() }
    }

    /// An operator should know.
    #[must_use]
    pub fn warning(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject, severity: Severity::Warning, found: found.into(), advice: advice.into() }
    }

    /// It breaks a promise.
    #[must_use]
    pub fn breaks(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject, severity: Severity::BreaksPromise, found: found.into(), advice: advice.into() }
    }
}
