//! One line a change, for those who must be able to tell who did what: target `audit`. It says which
//! members were named, never what was written into them.

use std::net::IpAddr;

use actix_web::HttpRequest;
use portfolio_domain::access::Permitted;
use portfolio_domain::ports::PortError;
use portfolio_domain::staff::StaffName;
use portfolio_domain::use_cases::{ImageError, IssueTokenError, PlantError};
use rustix::process::getuid;

use crate::access_log::Notes;
use crate::error::ApiError;

/// An error of a change.
pub trait MayBeMade {
    /// Whether the change may have been made all the same: nobody knows.
    fn may_be_made(&self) -> bool;
}

impl MayBeMade for PortError {
    fn may_be_made(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl MayBeMade for ApiError {
    fn may_be_made(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Port(error) => error.may_be_made(),
            _ => false,
        }
    }
}

impl MayBeMade for ImageError {
    fn may_be_made(&self) -> bool {
        matches!(self, Self::Port(error) if error.may_be_made())
    }
}

impl MayBeMade for IssueTokenError {
    fn may_be_made(&self) -> bool {
        matches!(self, Self::Port(error) if error.may_be_made())
    }
}

impl MayBeMade for PlantError {
    fn may_be_made(&self) -> bool {
        matches!(self, Self::Port(error) if error.may_be_made())
    }
}

/// A change that is about to be made: by whom, and of what.
#[derive(Debug)]
pub struct Change {
    done: &'static str,
    resource: &'static str,
    id: Option<i64>,
    user: Option<StaffName>,
    members: Option<String>,
    caller: StaffName,
    way: Way,
}

/// How a change comes in.
#[derive(Debug)]
enum Way {
    Request {
        id: String,
        client: Option<IpAddr>,
    },
    Command {
        name: &'static str,
        /// The number that the system knows whoever runs it by.
        uid: u32,
    },
}

impl Change {
    /// `request` is about to change a `resource`, which then is, say, "patched".
    #[must_use]
    pub fn by<A>(
        request: &HttpRequest,
        permitted: &Permitted<A>,
        done: &'static str,
        resource: &'static str,
    ) -> Self {
        let notes = Notes::of(request);
        let id = notes.as_ref().map(|notes| notes.request_id.clone()).unwrap_or_default();
        let client = notes.and_then(|notes| notes.client);
        Self::new(permitted, done, resource, Way::Request { id, client })
    }

    /// The command of this `name` (such as "staff add") is about to change a `resource`.
    #[must_use]
    pub fn by_command<A>(
        name: &'static str,
        permitted: &Permitted<A>,
        done: &'static str,
        resource: &'static str,
    ) -> Self {
        Self::new(permitted, done, resource, Way::Command { name, uid: getuid().as_raw() })
    }

    fn new<A>(permitted: &Permitted<A>, done: &'static str, resource: &'static str, way: Way) -> Self {
        let caller = permitted.caller().name.clone();
        Self { done, resource, id: None, user: None, members: None, caller, way }
    }

    /// It is that of this id.
    #[must_use]
    pub fn of(self, id: i64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// It is this user, or belongs to it.
    #[must_use]
    pub fn of_user(self, name: StaffName) -> Self {
        Self { user: Some(name), ..self }
    }

    /// It names these members. With none of them it changes nothing, and is not noted.
    #[must_use]
    pub fn naming(self, members: &[&str]) -> Self {
        Self { members: Some(members.join(",")), ..self }
    }

    /// Says what came of a request's change, as [`told`](Self::told) does. `id` is that of what it made.
    ///
    /// # Errors
    ///
    /// Those of `outcome`.
    pub fn noted<T, E: Into<ApiError>>(
        self,
        outcome: Result<Result<T, E>, ApiError>,
        id: impl FnOnce(&T) -> i64,
    ) -> Result<T, ApiError> {
        self.told(outcome.and_then(|outcome| outcome.map_err(Into::into)), |made| Some(id(made)))
    }

    /// Says what came of it: that it was made, or that nobody knows. One that was not made is in no audit line.
    /// `id` is that of what it made or changed; none when nothing was.
    ///
    /// # Errors
    ///
    /// Those of `outcome`.
    pub fn told<T, E: MayBeMade>(
        self,
        outcome: Result<T, E>,
        id: impl FnOnce(&T) -> Option<i64>,
    ) -> Result<T, E> {
        match &outcome {
            Ok(made) => {
                if let Some(id) = id(made) {
                    Self { id: self.id.or(Some(id)), ..self }.made();
                }
            }
            Err(error) => self.failed(error),
        }
        outcome
    }

    /// Says that it was made.
    pub fn made(self) {
        self.say(true);
    }

    /// Says that it was perhaps made, where `error` leaves that open; else nothing.
    pub fn failed(self, error: &impl MayBeMade) {
        if error.may_be_made() {
            self.say(false);
        }
    }

    fn say(self, made: bool) {
        let Self { done, resource, id, user, members, caller, way } = self;
        if members.as_deref() == Some("") {
            return;
        }
        let (caller, user) = (caller.as_str(), user.as_ref().map(StaffName::as_str));
        let (request_id, client, command, uid) = match way {
            Way::Request { id, client } => (Some(id), client, None, None),
            Way::Command { name, uid } => (None, None, Some(name), Some(uid)),
        };
        let client = client.map(tracing::field::display);
        if made {
            tracing::info!(
                target: "audit", parent: None, caller, resource, id, user, members, request_id, client, command,
                uid, "{done}"
            );
        } else {
            tracing::warn!(
                target: "audit", parent: None, caller, resource, id, user, members, request_id, client, command,
                uid, "perhaps {done}"
            );
        }
    }
}

/// Says that a caller may not do what it asked for, or failed to say who it is.
pub fn note_refusal(notes: &Notes, error: &ApiError) {
    let Notes { request_id, method, client, .. } = notes;
    let client = client.map(tracing::field::display);
    let (caller, route) = (notes.caller(), notes.route());
    tracing::warn!(
        target: "audit", parent: None, caller, why = %error, method, route, request_id, client, "refused"
    );
}
