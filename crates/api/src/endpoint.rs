//! A path and the methods it knows: with and without trailing slash, `HEAD` wherever `GET` is, `Allow`
//! on `OPTIONS` and on every 405. Each method comes with what the OpenAPI document says of it.

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route};
use utoipa::openapi::HttpMethod;
use utoipa::openapi::path::Operation;

use crate::access_log::Notes;
use crate::body::PATCH_TYPES;
use crate::error::ApiError;

/// What answers at one path.
pub struct Endpoint {
    path: String,
    base: String,
    resource: Resource,
    methods: Vec<Method>,
    /// What the document says of some of the methods. It is made for the document alone, and not by
    /// every worker that starts.
    described: Vec<(HttpMethod, fn() -> Operation)>,
}

impl Endpoint {
    /// Nothing yet, at `path`, which has no trailing slash.
    #[must_use]
    pub fn at(path: &str) -> Self {
        let (base, rest) = base_and_rest(path);
        Self {
            path: path.to_owned(),
            base: base.to_owned(),
            resource: web::resource([rest.to_owned(), format!("{rest}/")]),
            methods: Vec::new(),
            described: Vec::new(),
        }
    }

    /// Nothing yet, at every path below one: `path` ends with the name of what varies, slashes and all.
    #[must_use]
    pub fn below(path: &str) -> Self {
        let (_, rest) = base_and_rest(path);
        Self { resource: web::resource(rest.replace('}', ":.*}")), ..Self::at(path) }
    }

    /// Its path, with a name in braces for every part that varies.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its path up to the first part that varies.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The methods that it knows, but for `OPTIONS`, which every one knows.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// What the OpenAPI document says of it.
    pub fn documented(&self) -> impl Iterator<Item = (HttpMethod, Operation)> {
        self.described.iter().map(|(method, describe)| (method.clone(), describe()))
    }

    /// Answers `GET`, and `HEAD` with the same headers. What is not described is not for API consumers.
    #[must_use]
    pub fn get<F, Args>(mut self, handler: F, describe: Option<fn() -> Operation>) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described.extend(describe.map(|describe| (HttpMethod::Get, describe)));
        self.method(Method::GET, handler.clone()).method(Method::HEAD, handler)
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<F, Args>(mut self, handler: F, describe: Option<fn() -> Operation>) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described.extend(describe.map(|describe| (HttpMethod::Post, describe)));
        self.method(Method::POST, handler)
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<F, Args>(mut self, handler: F, describe: Option<fn() -> Operation>) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described.extend(describe.map(|describe| (HttpMethod::Delete, describe)));
        self.method(Method::DELETE, handler)
    }

    /// Answers `PATCH`.
    #[must_use]
    pub fn patch<F, Args>(mut self, handler: F, describe: Option<fn() -> Operation>) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described.extend(describe.map(|describe| (HttpMethod::Patch, describe)));
        self.method(Method::PATCH, handler)
    }

    fn method<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        self.resource = self.resource.route(web::method(method).to(handler));
        self
    }

    /// Puts it among the paths below its [`base`](Self::base).
    pub fn register(self, config: &mut ServiceConfig) {
        let names: Vec<_> = self.methods.iter().map(Method::as_str).chain(["OPTIONS"]).collect();
        let allow = names.join(", ");
        let patches = self.methods.contains(&Method::PATCH);
        let resource = self.resource.route(options(allow.clone(), patches)).default_service(web::to(
            move |request: HttpRequest| {
                let (allow, method) = (allow.clone(), request.method().to_string());
                async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed { method, allow }) }
            },
        ));
        // Told here, where it is known: asked for it, actix matches the path with every pattern once more.
        let pattern: Rc<str> = self.path.into();
        config.service(resource.wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
            if let Some(notes) = Notes::of(request.request()) {
                notes.set_route(&pattern);
            }
            next.call(request)
        })));
    }
}

fn base_and_rest(path: &str) -> (&str, &str) {
    path.split_at(path.find("/{").unwrap_or(path.len()))
}

/// Without credentials: a CORS preflight carries none (contract, section 9).
fn options(allow: String, patches: bool) -> Route {
    web::method(Method::OPTIONS).to(move || {
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((header::ALLOW, allow.as_str()));
        if patches {
            answer.insert_header(("Accept-Patch", PATCH_TYPES.join(", ")));
        }
        async move { answer.finish() }
    })
}
