//! Who asks: the right to act, as a parameter of the handler.
//!
//! [`Caller<L>`] exists only if the call carried a valid key of level `L` for this environment. 401 when no key was sent;
//! 403 when one was sent that is unknown, revoked, ended, of another level or of the other environment.
//!
//! Handlers of `/manage/v1` name the least role that they need in the account of their path: `Caller<AccountMember>` is a
//! member or an admin of it, or an operator. An account in which somebody has no role answers 404, as if it were not
//! there; a role that is too small answers 403 and says which is needed.

mod manage;

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use hub::{Actor, Bearer, Origin, Scope};
use model::key::{KEY_BYTES_MAX, KeyHash, KeyLevel};
use model::{AccountId, EndpointId, EndpointStatus};

use crate::ApiState;
use crate::door::Level;
use crate::origin;
use crate::problem::{Kind, Problem};

/// A level of rights, as a type.
pub(crate) trait Right: Send + Sync + 'static {
    const LEVEL: Level;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl Right for $name {
            const LEVEL: Level = Level::$name;
        }
    )*};
}

rights! {
    /// The key of one endpoint that is not deleted.
    EndpointKey;
    /// The key of one endpoint, deleted or not.
    AnyEndpointKey;
    /// An endpoint's key or an account's.
    EndpointOrAccountKey;
    /// An account's key.
    AccountKey;
    /// An event-only key (in the header or as `?key=`), or an endpoint's key.
    EventKey;
    /// The operator token, or what an operator who is signed in brings.
    Operator;
    /// An admin of the account in the path, or an operator.
    AccountAdmin;
    /// A member of the account in the path, or more.
    AccountMember;
    /// A viewer of the account in the path, or more.
    AccountViewer;
    /// Anybody with a role in the account of the path. What it answers may hold no data of customers.
    AccountPartner;
    /// Any user, or the operator: for calls that answer what the caller may see.
    User;
    /// A user who has signed in; a token is not enough, so that none can make others or outlive itself.
    Session;
    /// Nobody in particular.
    Public;
}

/// A caller with the right `L`.
pub(crate) struct Caller<L> {
    who: Who,
    scope: Option<Scope>,
    origin: Option<Origin>,
    _right: PhantomData<L>,
}

/// What a caller turned out to be.
enum Who {
    Nobody,
    Operator,
    User(Box<Bearer>),
    Endpoint(EndpointId),
    Account(AccountId),
}

impl<L> Caller<L> {
    fn new(who: Who, scope: Option<Scope>, origin: Option<Origin>) -> Self {
        Self {
            who,
            scope,
            origin,
            _right: PhantomData,
        }
    }

    /// The account on whose behalf the call is made. Handlers of `/manage/v1` have it from their path.
    pub(crate) fn scope(&self) -> Scope {
        self.scope.unwrap_or(Scope(AccountId(0)))
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Who it is, for the verbs.
    pub(crate) fn actor(&self) -> Actor {
        let actor = match &self.who {
            Who::Endpoint(id) => Actor::endpoint(*id),
            Who::Account(id) => Actor::account(*id),
            Who::User(bearer) => bearer.actor(),
            Who::Operator | Who::Nobody => Actor::OPERATOR,
        };
        actor.from(self.origin.clone())
    }

    /// The user, unless it is the bearer of the operator token.
    pub(crate) fn user(&self) -> Option<&Bearer> {
        match &self.who {
            Who::User(bearer) => Some(bearer),
            _ => None,
        }
    }

    /// May do everything everywhere.
    pub(crate) fn is_operator(&self) -> bool {
        match &self.who {
            Who::Operator => true,
            Who::User(bearer) => bearer.is_operator(),
            _ => false,
        }
    }
}

impl Caller<Session> {
    /// The one who has signed in.
    pub(crate) fn bearer(&self) -> Result<&Bearer, Problem> {
        self.user().ok_or_else(|| forbidden(NO_PERSON))
    }
}

/// The operator token opens doors, and is nobody who has a password.
const NO_PERSON: &str =
    "this needs a session, which begins with signing in; the operator token is no person";

impl Caller<EndpointOrAccountKey> {
    /// The endpoint, if it was an endpoint's key.
    pub(crate) fn endpoint(&self) -> Option<EndpointId> {
        match self.who {
            Who::Endpoint(id) => Some(id),
            _ => None,
        }
    }
}

/// The rights that only the key of one endpoint gives.
pub(crate) trait OneEndpoint: Right {}

impl OneEndpoint for EndpointKey {}
impl OneEndpoint for AnyEndpointKey {}
impl OneEndpoint for EventKey {}

impl<L: OneEndpoint> Caller<L> {
    /// The endpoint whose key was sent.
    pub(crate) fn endpoint(&self) -> EndpointId {
        match self.who {
            Who::Endpoint(id) => id,
            _ => EndpointId(0),
        }
    }

    /// The endpoint in the path must be the key's own. Another of the account is forbidden; one of another account
    /// answers like one that does not exist.
    pub(crate) fn own(&self, state: &ApiState, id: EndpointId) -> Result<EndpointId, Problem> {
        if self.endpoint() == id {
            return Ok(id);
        }
        state.hub.endpoint(self.scope(), id)?;
        let why = format!("the key is not the key of endpoint {id}");
        Err(Problem::new(Kind::Forbidden, why))
    }
}

impl<L: Right> FromRequestParts<ApiState> for Caller<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let origin = origin::of(parts, &state.shared.options.trusted_proxies);
        if L::LEVEL == Level::Public {
            return Ok(Self::new(Who::Nobody, None, origin));
        }
        let key = match bearer(&parts.headers)? {
            Some(key) => key,
            None if L::LEVEL == Level::EventKey => query_key(parts).ok_or_else(|| {
                unauthorized("no key was sent: send `Authorization: Bearer <key>` or `?key=`")
            })?,
            None => {
                return Err(unauthorized(
                    "no key was sent: send `Authorization: Bearer <key>`",
                ));
            }
        };
        let (who, scope) = if L::LEVEL.is_manage() {
            (manage::admit(parts, state, L::LEVEL, &key).await?, None)
        } else {
            admit(state, L::LEVEL, &key)?
        };
        Ok(Self::new(who, scope, origin))
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Kind::Unauthorized, detail)
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Forbidden, detail)
}

/// The key of the `Authorization` header, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| forbidden("the key is not readable text"))?
        .trim();
    let (scheme, key) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(unauthorized(
            "the Authorization header is not of the form `Bearer <key>`",
        ));
    }
    Ok(Some(key.to_owned()))
}

/// `?key=`, for beacons, which cannot send headers.
fn query_key(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok();
    debug_assert!(!query.is_empty() || pairs.is_some());
    pairs?
        .0
        .into_iter()
        .find(|(name, _)| name == "key")
        .map(|(_, key)| key)
        .filter(|key| !key.is_empty())
}

/// By a key of the published API.
fn admit(state: &ApiState, wanted: Level, key: &str) -> Result<(Who, Option<Scope>), Problem> {
    if key.len() > KEY_BYTES_MAX {
        return Err(forbidden("the key is not known here"));
    }
    let hash = KeyHash::of(key);
    let hub = &state.hub;
    let entry = hub
        .registry()
        .key(&hash, hub.now())
        .ok_or_else(|| forbidden("the key is not known here, or has been revoked or replaced"))?;
    if entry.environment != state.environment {
        let message = format!(
            "this is a {} key; this address serves {}",
            entry.environment.as_str(),
            state.environment.as_str()
        );
        return Err(forbidden(message));
    }
    let fits = match wanted {
        Level::EndpointKey | Level::AnyEndpointKey => entry.level == KeyLevel::Endpoint,
        Level::EndpointOrAccountKey => entry.level != KeyLevel::Event,
        Level::AccountKey => entry.level == KeyLevel::Account,
        Level::EventKey => entry.level != KeyLevel::Account,
        _ => false,
    };
    if !fits {
        return Err(forbidden(format!(
            "{} is needed; this is an {} key",
            wanted.needs(),
            entry.level.as_str()
        )));
    }
    if let Some(id) = entry.endpoint.filter(|_| wanted != Level::AnyEndpointKey) {
        let is_deleted = hub
            .registry()
            .endpoint(id)
            .is_none_or(|e| e.endpoint.status == EndpointStatus::Deleted);
        if is_deleted {
            return Err(forbidden(format!(
                "endpoint {id} is DELETED: a user must register a new one"
            )));
        }
    }
    let who = match entry.endpoint {
        Some(id) => Who::Endpoint(id),
        None => Who::Account(entry.account),
    };
    Ok((who, Some(Scope(entry.account))))
}
