//! 401 and 403, before anything of the body is read.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, ResponseError as _, web};
use portfolio_domain::access::{AccessError, Action, Permitted};
use portfolio_domain::staff::StaffName;
use portfolio_domain::token::Token;

use crate::access_log::Notes;
use crate::audit;
use crate::composition::in_one_session;
use crate::error::{ApiError, CredentialsError};
use crate::headers::field;
use crate::service::{Budget, Service};

/// What the logs say of a request that came to no service at all: a mistake of ours.
const NO_SERVICE: &str = "no service is set up";

/// A request whose caller may do `A`. A handler that has it in its signature can't be reached
/// without; actix hands the body over to be read only afterwards.
#[derive(Debug)]
pub struct Guarded<A> {
    /// The proof that a use case demands.
    pub permitted: Permitted<A>,
    /// What is left of the time that the request may spend on storage.
    pub budget: Budget,
}

impl<A: Action> FromRequest for Guarded<A> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = token(request);
        let shared = request.app_data::<web::Data<Service>>().cloned().zip(Notes::of(request));
        Box::pin(async move {
            let (service, notes) = shared.ok_or_else(|| ApiError::Unavailable(NO_SERVICE.into()))?;
            let judged = judge(token, &service).await;
            told(judged, &service, &notes, |guarded: &Self| &guarded.permitted.caller().name)
        })
    }
}

/// A request that only reads, its credentials not judged yet: that is done in one session with what it reads.
pub struct Reader<A> {
    token: Result<Token, CredentialsError>,
    service: web::Data<Service>,
    notes: Rc<Notes>,
    action: PhantomData<A>,
}

impl<A: Action> FromRequest for Reader<A> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shared = request.app_data::<web::Data<Service>>().cloned().zip(Notes::of(request));
        ready(match shared {
            Some((service, notes)) => Ok(Self { token: token(request), service, notes, action: PhantomData }),
            None => Err(ApiError::Unavailable(NO_SERVICE.into())),
        })
    }
}

impl<A: Action> Reader<A> {
    /// Judges the caller and, when it may do `A`, reads with the proof of it.
    ///
    /// # Errors
    ///
    /// 401, 403 and 503, and those of `read`.
    pub async fn read<T, W>(
        self,
        read: impl FnOnce(Permitted<A>) -> W + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, ApiError>> + Send,
    {
        let Self { token, service, notes, .. } = self;
        let shared = service.clone();
        let judged = async move {
            let token = presented(token, &shared)?;
            let authorizer = shared.authorizer.clone();
            let work = async move {
                let permitted = authorizer.permit(&token).await?;
                let name = permitted.caller().name.clone();
                Ok::<_, AccessError>((name, read(permitted).await))
            };
            let (name, done) = Budget::default()
                .spend(in_one_session(&*shared.sessions, work))
                .await?
                .map_err(AccessError::from)??;
            Ok((name, done))
        };
        let (_, done) = told(judged.await, &service, &notes, |(name, _)| name)?;
        done
    }
}

async fn judge<A: Action>(
    token: Result<Token, CredentialsError>,
    service: &Service,
) -> Result<Guarded<A>, ApiError> {
    let token = presented(token, service)?;
    let mut budget = Budget::default();
    let permitted = budget.spend(service.authorizer.permit(&token)).await??;
    Ok(Guarded { permitted, budget })
}

/// What is to be judged, as soon as it can be.
fn presented(token: Result<Token, CredentialsError>, service: &Service) -> Result<Token, ApiError> {
    let token = token.map_err(ApiError::Credentials)?;
    service.readiness.started().map_err(|waiting| ApiError::Unavailable(waiting.to_string()))?;
    Ok(token)
}

/// Notes whose the request is, and what came of judging it.
fn told<T>(
    judged: Result<T, ApiError>,
    service: &Service,
    notes: &Notes,
    name: impl FnOnce(&T) -> &StaffName,
) -> Result<T, ApiError> {
    match &judged {
        Ok(permitted) => notes.set_caller(name(permitted)),
        Err(ApiError::Access(AccessError::Forbidden { name, .. })) => notes.set_caller(name),
        Err(_) => {}
    }
    judged.map_err(|error| refused(error, service, notes))
}

/// What a caller is told who was not let through: a failed authentication counts against its address.
fn refused(error: ApiError, service: &Service, notes: &Notes) -> ApiError {
    if let Some(reason) = failure(&error) {
        service.metrics.count_failed_authentication(reason);
        let client = notes.client.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        if let Err(throttled) = service.throttle.count_failure(client, Instant::now()) {
            // It has its line in the access log. One more for each guess would be the guesser's to write.
            service.metrics.count_throttled();
            return ApiError::Throttled(throttled);
        }
    } else if error.status_code() != StatusCode::FORBIDDEN {
        return error;
    }
    audit::note_refusal(notes, &error);
    error
}

/// How the credentials failed; `None` when they did not, or there were none.
fn failure(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::Credentials(
            CredentialsError::NoKey | CredentialsError::Spaces | CredentialsError::NotText,
        ) => Some("malformed"),
        ApiError::Access(AccessError::InvalidToken) => Some("invalid"),
        ApiError::Access(AccessError::TokenExpired) => Some("expired"),
        ApiError::Access(AccessError::UserInactive) => Some("inactive"),
        _ => None,
    }
}

/// Reads `Authorization: Token <key>`: words of ASCII, the first of them `Token` in any case.
fn token(request: &HttpRequest) -> Result<Token, CredentialsError> {
    let value = field(request, &header::AUTHORIZATION).unwrap_or_default();
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Token")) {
        return Err(CredentialsError::NotProvided);
    }
    let key = words.next().ok_or(CredentialsError::NoKey)?;
    if words.next().is_some() {
        return Err(CredentialsError::Spaces);
    }
    str::from_utf8(key).map(Token::presented).map_err(|_| CredentialsError::NotText)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use header::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<String, CredentialsError> {
        let value = HeaderValue::from_bytes(value).unwrap();
        let request = TestRequest::default().insert_header((header::AUTHORIZATION, value)).to_http_request();
        token(&request).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_over_any_space() {
        for value in [&b"Token k"[..], b"token k", b"TOKEN\tk", b"  Token   k "] {
            assert_eq!(read(value).as_deref(), Ok("k"), "{value:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_header_is_told_apart() {
        for (value, error) in [
            (&b""[..], CredentialsError::NotProvided),
            (b"Bearer k", CredentialsError::NotProvided),
            (b"k", CredentialsError::NotProvided),
            (b"Tokenk", CredentialsError::NotProvided),
            (b"Token", CredentialsError::NoKey),
            (b"Token ", CredentialsError::NoKey),
            (b"Token a b", CredentialsError::Spaces),
            (b"Token \xff\xfe", CredentialsError::NotText),
        ] {
            assert_eq!(read(value), Err(error), "{value:?}");
        }
        assert_eq!(
            token(&TestRequest::default().to_http_request()).err(),
            Some(CredentialsError::NotProvided)
        );
    }

    #[test]
    fn two_headers_are_one_with_a_space() {
        let request = TestRequest::default()
            .append_header((header::AUTHORIZATION, "Token a"))
            .append_header((header::AUTHORIZATION, "Token b"))
            .to_http_request();
        assert_eq!(token(&request).err(), Some(CredentialsError::Spaces));
    }
}
