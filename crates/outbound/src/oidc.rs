//! Single sign-on: OpenID Connect's authorization code flow with PKCE, as a relying party.
//!
//! ```text
//!   browser → us        GET  …/oidc/start
//!   us → issuer         GET  <issuer>/.well-known/openid-configuration     (kept for an hour)
//!   us → browser        302  <authorization_endpoint>?…state&nonce&code_challenge
//!   browser → issuer    signs in
//!   issuer → browser    302  <redirect_uri>?code&state
//!   us → issuer         POST <token_endpoint>  code, code_verifier         → id_token
//!   us → issuer         GET  <jwks_uri>                                    (kept; again when a key is not there)
//! ```
//!
//! Called by `hub/oidc`. Promises: an [`Identity`] only from an ID token that the issuer signed with an algorithm of
//! [`jws`], for this client, for this nonce, at this time; bounded time and bytes; no credential in any error. The issuer is
//! the operator's choice, so it may be on a private address; it must be spoken to by TLS unless it is named without.

pub mod jws;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use model::Secret;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::oauth::escaped;
use crate::{Answer, Authorization, Call, Client, Failure};
use jws::{Keys, Refused};

/// Discovery, keys and tokens are small.
const ANSWER_BYTES_MAX: usize = 512 << 10;
/// For one call of the issuer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Discovery and keys are asked for again after this time,
const KEPT: Duration = Duration::from_secs(60 * 60);
/// and keys, when one is not there, not more often than this: anybody can send a token with another key's name.
const KEYS_AGAIN: Duration = Duration::from_secs(10);
/// Clocks differ by so much.
const LEEWAY: Duration = Duration::from_secs(60);
/// Longest subject (OpenID Connect Core §2).
const SUBJECT_BYTES_MAX: usize = 255;

/// Who is asked, and as whom.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// As the issuer writes itself, to the letter.
    pub issuer: String,
    pub client_id: String,
    /// `None` for a public client.
    pub client_secret: Option<Secret>,
}

/// Somebody, as the issuer knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    pub email: Option<String>,
    /// The issuer says that the address is theirs.
    pub email_verified: bool,
    pub name: Option<String>,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the issuer did not answer")]
    Silent(#[source] Failure),
    #[error("the issuer's {what} cannot be used: {why}")]
    Unusable { what: &'static str, why: String },
    /// The code was not taken: it is not the issuer's, or it is used or old.
    #[error("the issuer refused the code: {0}")]
    Refused(String),
    #[error("the ID token is not good: {0}")]
    Token(String),
}

/// What the issuer says about itself.
#[derive(Debug, Clone)]
struct Metadata {
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    /// The client's secret stands in the form, not in the header.
    is_secret_in_form: bool,
}

/// What is kept of the issuer, and since when.
#[derive(Default)]
struct Kept {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    keys: Option<(Arc<Keys>, Timestamp)>,
}

/// One issuer.
pub struct Oidc {
    client: Client,
    options: OidcOptions,
    kept: Mutex<Kept>,
}

/// What must be the same when the browser comes back. Made anew for each sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub state: String,
    pub nonce: String,
    pub verifier: Secret,
    /// Where the issuer sends the browser back to.
    pub redirect_uri: String,
}

impl Flow {
    /// From 96 random bytes.
    pub fn new(random: &[u8; 96], redirect_uri: String) -> Self {
        let [state, nonce, verifier] =
            [0, 32, 64].map(|at| BASE64_URL_SAFE_NO_PAD.encode(&random[at..at + 32]));
        Self {
            state,
            nonce,
            verifier: Secret::new(verifier),
            redirect_uri,
        }
    }

    fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose()))
    }
}

impl Oidc {
    /// `client` may go where the operator's issuer is.
    pub fn new(client: Client, options: OidcOptions) -> Self {
        Self {
            client,
            options,
            kept: Mutex::default(),
        }
    }

    /// Where a browser goes to sign in.
    ///
    /// # Errors
    /// [`OidcError::Silent`] and [`OidcError::Unusable`] when the issuer says nothing useful about itself.
    pub async fn start(&self, flow: &Flow, now: Timestamp) -> Result<String, OidcError> {
        let metadata = self.metadata(now).await?;
        let query = form(&[
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("client_id", &self.options.client_id),
            ("redirect_uri", &flow.redirect_uri),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{query}"))
    }

    /// Who it is that the issuer sent back with this code.
    ///
    /// # Errors
    /// Every [`OidcError`].
    pub async fn finish(
        &self,
        flow: &Flow,
        code: &str,
        now: Timestamp,
    ) -> Result<Identity, OidcError> {
        let token = self.redeem(flow, code, now).await?;
        let keys = self.keys(now, None).await?;
        let claims = match jws::verify(&token, &keys) {
            Err(Refused::UnknownKey) => {
                // The issuer has changed its keys, perhaps.
                let keys = self.keys(now, Some(&keys)).await?;
                jws::verify(&token, &keys)
            }
            verified => verified,
        };
        let claims = claims.map_err(|refused| OidcError::Token(refused.to_string()))?;
        identity(&claims, &self.options, &flow.nonce, now).map_err(OidcError::Token)
    }

    async fn redeem(&self, flow: &Flow, code: &str, now: Timestamp) -> Result<String, OidcError> {
        let metadata = self.metadata(now).await?;
        let options = &self.options;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &flow.redirect_uri),
            ("code_verifier", flow.verifier.expose()),
        ];
        let mut headers = HeaderMap::new();
        match &options.client_secret {
            Some(secret) if !metadata.is_secret_in_form => {
                // Each is encoded like a form's value first (RFC 6749 §2.3.1).
                let (id, secret) = (escaped(&options.client_id), escaped(secret.expose()));
                let basic = Authorization::basic(&id, &secret);
                let basic = basic.map_err(|error| unusable("client", &error))?;
                basic.apply(&mut headers);
            }
            Some(secret) => {
                fields.push(("client_id", &options.client_id));
                fields.push(("client_secret", secret.expose()));
            }
            None => fields.push(("client_id", &options.client_id)),
        }
        let media = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, media);
        let body = form(&fields).into();
        let answer = self
            .call(Method::POST, &metadata.token_endpoint, headers, body)
            .await?;
        let text = serde_json::from_slice::<Value>(&answer.body);
        let text = text.map_err(|error| unusable("token answer", &error))?;
        if !answer.status.is_success() {
            // OAuth's own word, and nothing that a stranger may have put beside it.
            let word = text["error"].as_str().unwrap_or("no reason given");
            let word: String = word
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            return Err(OidcError::Refused(format!("{} {word}", answer.status)));
        }
        let token = text["id_token"].as_str();
        let none = || unusable("token answer", &"it has no ID token");
        token.map(str::to_owned).ok_or_else(none)
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, OidcError> {
        if let Some((metadata, since)) = &self.lock().metadata
            && is_younger(*since, now, KEPT)
        {
            return Ok(Arc::clone(metadata));
        }
        let issuer = &self.options.issuer;
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let text = self.get(&url, "discovery document").await?;
        let metadata =
            read_metadata(&text, issuer).map_err(|why| unusable("discovery document", &why))?;
        let metadata = Arc::new(metadata);
        self.lock().metadata = Some((Arc::clone(&metadata), now));
        Ok(metadata)
    }

    /// The issuer's keys; others than `not`, if there are any and they were not asked for just now.
    async fn keys(&self, now: Timestamp, not: Option<&Arc<Keys>>) -> Result<Arc<Keys>, OidcError> {
        if let Some((keys, since)) = &self.lock().keys {
            let is_other = not.is_none_or(|not| !Arc::ptr_eq(not, keys));
            let age_max = if is_other { KEPT } else { KEYS_AGAIN };
            if is_younger(*since, now, age_max) {
                return Ok(Arc::clone(keys));
            }
        }
        let url = self.metadata(now).await?.jwks_uri.clone();
        let text = self.get(&url, "keys").await?;
        let keys = Arc::new(Keys::read(&text));
        self.lock().keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self, url: &str, what: &'static str) -> Result<Value, OidcError> {
        let answer = self
            .call(Method::GET, url, HeaderMap::new(), Bytes::new())
            .await?;
        if !answer.status.is_success() {
            return Err(unusable(what, &format!("the answer is {}", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| unusable(what, &error))
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, OidcError> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let uri = self.client.check(url).map_err(OidcError::Silent)?;
        let call = Call {
            method,
            uri,
            headers,
            body,
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        self.client.send(call).await.map_err(OidcError::Silent)
    }
}

fn is_younger(since: Timestamp, now: Timestamp, age_max: Duration) -> bool {
    let age = now.duration_since(since);
    // A clock that was set back makes nothing younger.
    !age.is_negative() && age.unsigned_abs() < age_max
}

fn unusable(what: &'static str, why: &dyn std::fmt::Display) -> OidcError {
    OidcError::Unusable {
        what,
        why: why.to_string(),
    }
}

fn read_metadata(text: &Value, issuer: &str) -> Result<Metadata, String> {
    if text["issuer"] != issuer {
        return Err("its issuer is not the one that is configured, to the letter".to_owned());
    }
    let is_tls_needed = issuer.starts_with("https://");
    let url = |name: &str| match text[name].as_str() {
        None => Err(format!("it has no {name}")),
        Some(url) if is_tls_needed && !url.starts_with("https://") => {
            Err(format!("its {name} is not https"))
        }
        Some(url) => Ok(url.to_owned()),
    };
    let methods = text["token_endpoint_auth_methods_supported"].as_array();
    let has = |method: &str| methods.is_some_and(|known| known.iter().any(|m| m == method));
    Ok(Metadata {
        authorization_endpoint: url("authorization_endpoint")?,
        token_endpoint: url("token_endpoint")?,
        jwks_uri: url("jwks_uri")?,
        // Whoever says nothing takes the header.
        is_secret_in_form: has("client_secret_post") && !has("client_secret_basic"),
    })
}

/// What a signed token says, if it says it to us, of this sign-in, now (OpenID Connect Core §3.1.3.7).
fn identity(
    claims: &Value,
    options: &OidcOptions,
    nonce: &str,
    now: Timestamp,
) -> Result<Identity, String> {
    let text = |name: &str| claims[name].as_str().map(str::to_owned);
    if claims["iss"] != options.issuer.as_str() {
        return Err("it is another issuer's".to_owned());
    }
    let audience: Vec<&Value> = match &claims["aud"] {
        Value::Array(audience) => audience.iter().collect(),
        one => vec![one],
    };
    let is_ours = |who: &Value| *who == options.client_id.as_str();
    let party = &claims["azp"];
    let is_authorized = is_ours(party) || (party.is_null() && audience.len() == 1);
    if !audience.into_iter().any(is_ours) || !is_authorized {
        return Err("it was made for another client".to_owned());
    }
    let time = |name: &str| claims[name].as_f64().map(f64::trunc);
    let now = now.as_second() as f64;
    let leeway = LEEWAY.as_secs_f64();
    match time("exp") {
        None => return Err("it does not say when it expires".to_owned()),
        Some(end) if now >= end + leeway => return Err("it has expired".to_owned()),
        Some(_) => {}
    }
    if ["iat", "nbf"]
        .iter()
        .any(|name| time(name).is_some_and(|at| at > now + leeway))
    {
        return Err("it is from the future".to_owned());
    }
    if claims["nonce"] != nonce {
        return Err("it belongs to another sign-in".to_owned());
    }
    let subject = text("sub").filter(|s| (1..=SUBJECT_BYTES_MAX).contains(&s.len()));
    Ok(Identity {
        issuer: options.issuer.clone(),
        subject: subject.ok_or("it does not say who it is")?,
        email: text("email"),
        // Some issuers write it as text.
        email_verified: claims["email_verified"] == true || claims["email_verified"] == "true",
        name: text("name").filter(|name| !name.trim().is_empty()),
    })
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests;
