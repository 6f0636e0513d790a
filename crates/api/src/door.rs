//! The door: every route, who may use it, and what it says, in one table.
//!
//! [`Door::route`] takes only handlers whose first parameter is a [`Caller`]; from the table come the router, the OpenAPI
//! document and the test that tries every route with every wrong key.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use model::Role;
use tracing::Instrument as _;

use crate::ApiState;
use crate::caller::{Caller, Right};
use crate::origin;
use crate::problem::{Kind, Problem};

/// A file may take so long to arrive: 16 GiB at 6 Mbit/s.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    EndpointKey,
    AnyEndpointKey,
    EndpointOrAccountKey,
    AccountKey,
    EventKey,
    Operator,
    AccountAdmin,
    AccountMember,
    AccountViewer,
    AccountPartner,
    User,
    Session,
    Public,
}

impl Level {
    /// What the caller must bring, for messages and documents.
    pub fn needs(self) -> &'static str {
        match self {
            Self::EndpointKey | Self::AnyEndpointKey => "an endpoint key",
            Self::EndpointOrAccountKey => "an endpoint key or an account key",
            Self::AccountKey => "an account key",
            Self::EventKey => "an event-only key or an endpoint key",
            Self::Operator => "the operator token, or an operator's",
            Self::AccountAdmin => "the role `admin` in the account",
            Self::AccountMember => "the role `member` or more in the account",
            Self::AccountViewer => "the role `viewer` or more in the account",
            Self::AccountPartner => "a role in the account",
            Self::User => "the token of a user",
            Self::Session => "a session, which begins with signing in",
            Self::Public => "no key",
        }
    }

    /// The least role in the account of the path.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::AccountAdmin => Some(Role::Admin),
            Self::AccountMember => Some(Role::Member),
            Self::AccountViewer => Some(Role::Viewer),
            Self::AccountPartner => Some(Role::Partner),
            _ => None,
        }
    }

    /// Of `/manage/v1`: for people and their programs, not for the keys of accounts and endpoints.
    pub fn is_manage(self) -> bool {
        self.role().is_some() || matches!(self, Self::Operator | Self::User | Self::Session)
    }
}

/// One route, as tests and documents see it.
#[derive(Debug, Clone)]
pub struct RouteInfo {
    pub method: Method,
    /// With `{parameters}`.
    pub path: &'static str,
    pub level: Level,
    pub about: About,
}

/// What a route is for, in the words of the document.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub summary: &'static str,
    /// JSON Schema of the request body.
    pub body: Option<serde_json::Value>,
    /// Status and JSON Schema of the answer.
    pub answer: Option<(u16, serde_json::Value)>,
    /// Media type of the answer.
    pub media: Option<&'static str>,
    /// Query parameters: name and what it does.
    pub query: Vec<(&'static str, &'static str)>,
}

impl About {
    pub(crate) fn new(summary: &'static str) -> Self {
        Self {
            summary,
            ..Self::default()
        }
    }

    /// The body is a `T`.
    pub(crate) fn body<T: schemars::JsonSchema>(mut self) -> Self {
        self.body = Some(schema::<T>());
        self
    }

    /// The answer is a `T` with status 200.
    pub(crate) fn answers<T: schemars::JsonSchema>(mut self) -> Self {
        self.answer = Some((200, schema::<T>()));
        self
    }

    pub(crate) fn media(mut self, media: &'static str) -> Self {
        self.media = Some(media);
        self
    }

    pub(crate) fn query(mut self, name: &'static str, what: &'static str) -> Self {
        self.query.push((name, what));
        self
    }
}

/// Whole in itself: a reference would point into the document that the schema becomes a part of.
fn schema<T: schemars::JsonSchema>() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// Argument lists of handlers that begin with a caller.
pub(crate) trait BeginsWithCaller {
    const LEVEL: Level;
}

macro_rules! begins_with_caller {
    ($($rest:ident),*) => {
        impl<M, L: Right, $($rest),*> BeginsWithCaller for (M, Caller<L>, $($rest,)*) {
            const LEVEL: Level = L::LEVEL;
        }
    };
}

begins_with_caller!();
begins_with_caller!(A);
begins_with_caller!(A, B);
begins_with_caller!(A, B, C);
begins_with_caller!(A, B, C, D);
begins_with_caller!(A, B, C, D, E);

/// Collects routes.
#[derive(Default)]
pub(crate) struct Door {
    by_path: BTreeMap<&'static str, MethodRouter<ApiState>>,
    pub(crate) routes: Vec<RouteInfo>,
}

impl Door {
    pub(crate) fn get<H, T>(&mut self, path: &'static str, handler: H, about: About)
    where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        self.route(Method::GET, MethodFilter::GET, path, handler, about);
    }

    pub(crate) fn post<H, T>(&mut self, path: &'static str, handler: H, about: About)
    where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        self.route(Method::POST, MethodFilter::POST, path, handler, about);
    }

    pub(crate) fn put<H, T>(&mut self, path: &'static str, handler: H, about: About)
    where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        self.route(Method::PUT, MethodFilter::PUT, path, handler, about);
    }

    pub(crate) fn patch<H, T>(&mut self, path: &'static str, handler: H, about: About)
    where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        self.route(Method::PATCH, MethodFilter::PATCH, path, handler, about);
    }

    pub(crate) fn delete<H, T>(&mut self, path: &'static str, handler: H, about: About)
    where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        self.route(Method::DELETE, MethodFilter::DELETE, path, handler, about);
    }

    fn route<H, T>(
        &mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
        about: About,
    ) where
        H: Handler<T, ApiState>,
        T: BeginsWithCaller + 'static,
    {
        let is_of_account = path.contains("{accountId}");
        assert!(
            T::LEVEL.role().is_none() || is_of_account,
            "{method} {path}: a role is one in an account, and the path names none"
        );
        let known = self.by_path.remove(path).unwrap_or_default();
        self.by_path.insert(path, known.merge(on(filter, handler)));
        self.routes.push(RouteInfo {
            method,
            path,
            level: T::LEVEL,
            about,
        });
    }

    /// The router; a request may take `request_time_max`, from its head to its answer.
    pub(crate) fn into_router(self, request_time_max: Duration) -> Router<ApiState> {
        let mut router = Router::new();
        for (path, methods) in self.by_path {
            router = router.route(path, methods.fallback(method_not_allowed));
        }
        router
            .fallback(no_such_path)
            // One layer for everything: each layer costs every call several allocations.
            .layer(middleware::from_fn(move |request, next| {
                around(request_time_max, request, next)
            }))
    }
}

/// What every call goes through on its way in and out.
///
/// Browsers may call the published API from anywhere: preflights are answered, the origin is echoed. `/manage/v1` is
/// for programs and gives browsers of other origins nothing.
async fn around(time_max: Duration, mut request: Request, next: Next) -> Response {
    let is_public = request.uri().path().starts_with("/v1/");
    // Publishing is nobody's audit entry, and would feel it.
    let name = (!is_publishing(&request)).then(|| origin::name(&mut request));
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).filter(|_| is_public).cloned();
    let is_preflight = origin.is_some()
        && request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let time_max = if is_upload(&request) {
            UPLOAD_TIME_MAX
        } else {
            time_max
        };
        in_time(time_max, async {
            explained(carried(request, next).await).await
        })
        .await
    };
    if let Some(name) = name {
        response.headers_mut().insert(origin::HEADER, name);
    }
    if let Some(origin) = origin {
        allow(response.headers_mut(), origin, is_preflight);
    }
    response
}

async fn no_such_path(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::new(
        Kind::NotFound,
        format!("there is nothing at {}", uri.path()),
    )
}

/// axum adds the `Allow` header.
async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("{} does not take {method}", uri.path()),
    )
}

/// An error that is not ours (a path or query that the framework could not read) becomes a problem document too.
async fn explained(response: Response) -> Response {
    /// Longer explanations are cut off.
    const DETAIL_BYTES_MAX: usize = 1 << 10;
    let status = response.status();
    let is_explained = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().ends_with(b"json"));
    if is_explained || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), DETAIL_BYTES_MAX).await;
    let detail = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    Problem::of_status(status, detail).into_response()
}

/// What changes something is carried through, also when its caller hangs up or its time is over: a verb that ended
/// between its commit and the registry would leave the two apart until the next start. A body that is cut off ends as an
/// error or as less than JSON, so nothing half-sent is taken. Publishing carries itself and would feel the extra task.
async fn carried(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_publishing(&request) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a call ended early"
            );
            Problem::new(Kind::Internal, "something went wrong in the exchange").into_response()
        }
    }
}

fn is_publishing(request: &Request) -> bool {
    matches!(request.uri().path(), "/v1/event" | "/v1/customEvent")
}

/// A file of any size takes its time; its handler cuts off whoever sends nothing for a while.
fn is_upload(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path().starts_with("/v1/jobs/")
}

/// Whoever sends too slowly gives back what the call holds. The connection ends with the answer, since the rest of
/// the request may still be under way.
async fn in_time(time_max: Duration, answering: impl Future<Output = Response>) -> Response {
    if let Ok(response) = tokio::time::timeout(time_max, answering).await {
        return response;
    }
    let seconds = time_max.as_secs_f64();
    let message = format!("the request took longer than {seconds} s, the limit here");
    let mut response = Problem::new(Kind::RequestTimeout, message).into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if is_preflight {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
        );
        let allowed = HeaderValue::from_static(
            "Authorization, Content-Type, Content-Encoding, Idempotency-Key",
        );
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("86400"),
        );
    } else {
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After"),
        );
    }
}
