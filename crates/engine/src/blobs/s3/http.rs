//! The HTTP connection under `object_store`: the pooled hyper client and the TLS that the product has anyway.
//!
//! `object_store` would bring a second client and a second TLS provider. The addresses here are the operator's, from the
//! configuration, so no address guard is in between: what tenants can name is called through `outbound` alone.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::BlobError;

/// Connecting, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Connections kept for the next call.
const IDLE_MAX: usize = 16;

/// Idle connections are closed before servers and what is between are likely to.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Makes clients for `object_store`; they share one pool of connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    /// From a request to the head of its answer.
    answer_time_max: Duration,
}

impl Connector {
    /// # Errors
    /// [`BlobError::Unavailable`] if this machine trusts no certificate authority and `endpoint` needs one.
    pub(super) fn new(
        endpoint: Option<&str>,
        answer_time_max: Duration,
    ) -> Result<Self, BlobError> {
        let needs_tls = !endpoint.is_some_and(|url| url.starts_with("http://"));
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(needs_tls).map_err(BlobError::Unavailable)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .build(https);
        Ok(Self {
            client,
            answer_time_max,
        })
    }
}

/// The roots that this machine trusts; without any, none, unless they are needed.
fn tls(is_needed: bool) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    // The provider is named: a second one anywhere in the tree would make rustls panic on having to choose.
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
    };
    let config = match builder()?.with_native_roots() {
        Err(error) if is_needed => return Err(error.into()),
        Err(_) => builder()?.with_root_certificates(RootCertStore::empty()),
        Ok(config) => config,
    };
    Ok(config.with_no_client_auth())
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Connector {
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Answering<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(self.answer(request))
    }
}

impl Connector {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(self.time_max(&request), self.client.request(request))
            .await
            .map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?
            .map_err(|error| HttpError::new(kind(&error), error))?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }

    /// A large body may take longer.
    fn time_max(&self, request: &HttpRequest) -> Duration {
        super::longer(self.answer_time_max, request.body().content_length())
    }
}

/// All our requests may be repeated, so what matters is only whether repeating may help.
fn kind(error: &hyper_util::client::legacy::Error) -> HttpErrorKind {
    if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    }
}
