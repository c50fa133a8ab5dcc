//! One line a change, for those who must be able to tell who did what: target `audit`. It says which
//! members were named, never what was written into them.

use std::net::IpAddr;

use actix_web::HttpRequest;
use portfolio_domain::access::Permitted;
use portfolio_domain::ports::PortError;
use portfolio_domain::staff::StaffName;

use crate::access_log::Notes;
use crate::error::ApiError;

/// A change that is about to be made: by whom, and of what.
#[derive(Debug)]
pub struct Change {
    done: &'static str,
    resource: &'static str,
    id: Option<i64>,
    members: Option<String>,
    caller: StaffName,
    request_id: String,
    client: Option<IpAddr>,
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
        Self {
            done,
            resource,
            id: None,
            members: None,
            caller: permitted.caller().name.clone(),
            request_id: notes.as_ref().map(|notes| notes.request_id.clone()).unwrap_or_default(),
            client: notes.and_then(|notes| notes.client),
        }
    }

    /// It is that of this id.
    #[must_use]
    pub fn of(self, id: i64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// It names these members. With none of them it changes nothing, and is not noted.
    #[must_use]
    pub fn naming(self, members: &[&str]) -> Self {
        Self { members: Some(members.join(",")), ..self }
    }

    /// Says what came of it: that it was made, or that nobody knows. One that was not made is in the access
    /// log alone. `id` is that of what it made.
    ///
    /// # Errors
    ///
    /// Those of `outcome`.
    pub fn noted<T, E: Into<ApiError>>(
        self,
        outcome: Result<Result<T, E>, ApiError>,
        id: impl FnOnce(&T) -> i64,
    ) -> Result<T, ApiError> {
        let outcome = outcome.and_then(|outcome| outcome.map_err(Into::into));
        let Self { done, resource, members, caller, request_id, client, .. } = self;
        if members.as_deref() == Some("") {
            return outcome;
        }
        let (caller, client) = (caller.as_str(), client.map(tracing::field::display));
        match &outcome {
            Ok(made) => {
                let id = self.id.unwrap_or_else(|| id(made));
                tracing::info!(
                    target: "audit", parent: None, caller, resource, id, members, request_id, client, "{done}"
                );
            }
            Err(ApiError::Unavailable(_) | ApiError::Port(PortError::Unavailable(_))) => {
                let id = self.id;
                tracing::warn!(
                    target: "audit", parent: None, caller, resource, id, members, request_id, client,
                    "perhaps {done}"
                );
            }
            Err(_) => {}
        }
        outcome
    }
}

/// Says that a caller may not do what it asked for, or failed to say who it is.
pub fn note_refusal(notes: &Notes, error: &ApiError) {
    let Notes { request_id, method, route, client, .. } = notes;
    let client = client.map(tracing::field::display);
    let caller = notes.caller();
    tracing::warn!(
        target: "audit", parent: None, caller, why = %error, method, route, request_id, client, "refused"
    );
}
