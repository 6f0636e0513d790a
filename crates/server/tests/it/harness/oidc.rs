//! An OpenID Connect provider of our own: discovery, the authorization code flow with PKCE, keys that it changes.
//!
//! Everybody who comes to it is [`Provider::somebody`]. It checks what a strict provider checks – the client and its secret,
//! the redirect URI, that a code is used once, the verifier – and can be told to sign lies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use engine::ManualClock;
use model::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use server::config::Config;
use server::listener::{self, Listener};

use super::{Http, TestHub, noon};

const CLIENT: &str = "rialto & co";
const SECRET: &str = "s3cret/+ of the client";

/// A running provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) http: Http,
    shared: Arc<Shared>,
    _listener: Listener,
}

struct Shared {
    issuer: String,
    clock: ManualClock,
    state: Mutex<Inner>,
}

struct Inner {
    somebody: Value,
    /// Put over what is true.
    lies: Value,
    key: Key,
    kid: u32,
    codes: HashMap<String, HashMap<String, String>>,
    key_requests: u32,
}

/// What it signs with.
enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl TestHub {
    /// A fresh hub with an issuer, under the same clock.
    pub(crate) async fn with_issuer(change: impl FnOnce(&mut Config)) -> (Self, Provider) {
        let clock = ManualClock::new(noon());
        let provider = Provider::start(&clock).await;
        let issuer = provider.issuer.clone();
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let hub = Self::open(directory, clock, |config| {
            config.oidc.issuer = issuer;
            config.oidc.client_id = CLIENT.to_owned();
            config.oidc.client_secret = Secret::new(SECRET);
            change(config);
        });
        (hub.await, provider)
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// One that was made for these tests and opens nothing: making one takes long.
    fn rsa() -> Self {
        let document = include_bytes!("../fixtures/oidc-issuer.pk8");
        Self::Rsa(RsaKeyPair::from_pkcs8(document).expect("a key"))
    }

    fn p256() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Self::P256(pair.expect("a key"))
    }

    fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn public(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encode(parts.n), "e": encode(parts.e) })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.expect("signed");
                signature
            }
            Self::P256(pair) => {
                let signature = pair.sign(&random, message).expect("signed");
                signature.as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

impl Provider {
    /// At the time of `clock`; signs with RSA.
    pub(crate) async fn start(clock: &ManualClock) -> Self {
        let socket = listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("a port");
        let address = socket.local_addr().expect("an address");
        let issuer = format!("http://{address}");
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            clock: clock.clone(),
            state: Mutex::new(Inner {
                somebody: json!({ "sub": "1", "email": "ada@example.com", "email_verified": true, "name": "Ada" }),
                lies: json!({}),
                key: Key::rsa(),
                kid: 1,
                codes: HashMap::new(),
                key_requests: 0,
            }),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&shared));
        Self {
            issuer,
            http: Http::new(address),
            shared,
            _listener: Listener::serve(socket, router),
        }
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.shared.state.lock().expect("not poisoned")
    }

    /// Whoever comes next.
    pub(crate) fn somebody(&self, claims: Value) {
        self.state().somebody = claims;
    }

    /// What its tokens say instead of the truth.
    pub(crate) fn lie(&self, claims: Value) {
        self.state().lies = claims;
    }

    /// Signs with another key, and publishes only that.
    pub(crate) fn rotate(&self) {
        let mut state = self.state();
        state.kid += 1;
        state.key = match state.key {
            Key::Rsa(_) => Key::p256(),
            Key::P256(_) => Key::ed25519(),
            Key::Ed25519(_) => Key::rsa(),
        };
    }

    /// Signs with another key under the name of the one that is published.
    pub(crate) fn forge(&self) {
        self.state().key = Key::ed25519();
    }

    pub(crate) fn key_requests(&self) -> u32 {
        self.state().key_requests
    }
}

type Shares = State<Arc<Shared>>;

async fn discovery(State(shared): Shares) -> Json<Value> {
    let issuer = &shared.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn authorize(
    State(shared): Shares,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let is = |name: &str, value: &str| asked.get(name).map(String::as_str) == Some(value);
    let has = |name: &str| asked.get(name).is_some_and(|value| value.len() >= 20);
    let is_sound = is("response_type", "code")
        && is("client_id", CLIENT)
        && is("code_challenge_method", "S256")
        && asked["scope"].split(' ').any(|scope| scope == "openid")
        && ["state", "nonce", "code_challenge"].into_iter().all(has);
    if !is_sound {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let mut state = shared.state.lock().expect("not poisoned");
    let code = format!("code-{}", state.codes.len());
    let back = format!(
        "{}?code={code}&state={}",
        asked["redirect_uri"], asked["state"]
    );
    state.codes.insert(code, asked);
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

async fn token(State(shared): Shares, headers: HeaderMap, body: String) -> Response {
    let refused = |word: &str| {
        let body = Json(json!({ "error": word, "error_description": "password hunter2" }));
        (StatusCode::BAD_REQUEST, body).into_response()
    };
    let uri = format!("/?{body}").parse().expect("a form");
    let Query(sent) = Query::<HashMap<String, String>>::try_from_uri(&uri).expect("a form");
    let escaped = "rialto%20%26%20co:s3cret%2F%2B%20of%20the%20client";
    let basic = format!("Basic {}", BASE64_STANDARD.encode(escaped));
    if headers
        .get(header::AUTHORIZATION)
        .is_none_or(|is| is != basic.as_str())
    {
        return refused("invalid_client");
    }
    let mut state = shared.state.lock().expect("not poisoned");
    let asked = state.codes.get_mut(&sent["code"]).map(std::mem::take);
    let asked = asked.filter(|asked| {
        let challenge = encode(digest(&SHA256, sent["code_verifier"].as_bytes()));
        asked.get("code_challenge") == Some(&challenge)
            && asked.get("redirect_uri") == sent.get("redirect_uri")
    });
    let Some(asked) = asked else {
        return refused("invalid_grant");
    };
    let now = shared.clock.now().as_second();
    let mut claims = json!({
        "iss": shared.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
    });
    for over in [&state.somebody, &state.lies] {
        for (name, value) in over.as_object().expect("an object") {
            claims[name] = value.clone();
        }
    }
    let head = json!({ "alg": state.key.algorithm(), "kid": state.kid.to_string(), "typ": "JWT" });
    let signed = format!(
        "{}.{}",
        encode(head.to_string()),
        encode(claims.to_string())
    );
    let signature = encode(state.key.sign(signed.as_bytes()));
    Json(json!({ "token_type": "Bearer", "id_token": format!("{signed}.{signature}") }))
        .into_response()
}

async fn keys(State(shared): Shares) -> Json<Value> {
    let mut state = shared.state.lock().expect("not poisoned");
    state.key_requests += 1;
    let mut key = state.key.public();
    key["kid"] = state.kid.to_string().into();
    key["use"] = "sig".into();
    Json(json!({ "keys": [key] }))
}
