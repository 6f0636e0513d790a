//! Who sees a page: somebody who is signed in, and what they may do in the account of its address.
//!
//! The first parameter of every handler but those of signing in. An account in which somebody has no role answers as if it
//! were not there.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::{Actor, Bearer, Origin, Scope};
use model::{Account, AccountId, Role};

use crate::ConsoleState;
use crate::cookie::{self, Said};
use crate::guard;
use crate::problem;

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub(crate) bearer: Bearer,
    pub(crate) origin: Option<Origin>,
    /// What the action before came to.
    pub(crate) said: Option<Said>,
    /// The account in which this browser was last.
    pub(crate) last: Option<AccountId>,
    pub(crate) state: ConsoleState,
}

impl Visitor {
    pub(crate) fn actor(&self) -> Actor {
        self.bearer.actor().from(self.origin.clone())
    }
}

/// A least role in the account of the path, as a type.
pub(crate) trait Least: Send + Sync + 'static {
    const ROLE: Role;
}

macro_rules! least {
    ($($name:ident),*) => {$(
        pub(crate) struct $name;
        impl Least for $name {
            const ROLE: Role = Role::$name;
        }
    )*};
}

least!(Partner, Viewer, Member, Admin);

/// A visitor in an account, with at least the role `R`.
pub(crate) struct In<R> {
    pub(crate) visitor: Visitor,
    pub(crate) account: Arc<Account>,
    pub(crate) role: Role,
    _role: PhantomData<R>,
}

impl<R> In<R> {
    pub(crate) fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    pub(crate) fn hub(&self) -> &Arc<hub::Hub> {
        &self.visitor.state.hub
    }

    pub(crate) fn state(&self) -> &ConsoleState {
        &self.visitor.state
    }

    pub(crate) fn actor(&self) -> Actor {
        self.visitor.actor()
    }

    /// A path inside the account: `/console/17` and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/console/{}{rest}", self.account.id)
    }

    pub(crate) fn may(&self, needed: Role) -> bool {
        self.role >= needed
    }
}

impl FromRequestParts<ConsoleState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let bearer = match cookie::session(&parts.headers) {
            Some(token) => state.hub.bearer(token.expose()).await,
            None => Ok(None),
        };
        let bearer = bearer.map_err(|error| problem::of(state, &error))?;
        // A token of a program is no way into the console.
        let Some(bearer) = bearer.filter(|bearer| bearer.session().is_some()) else {
            return Err(to_sign_in(parts));
        };
        Ok(Self {
            bearer,
            origin: guard::origin(parts, state),
            said: cookie::said(&parts.headers),
            last: cookie::last(&parts.headers),
            state: state.clone(),
        })
    }
}

/// To the page of signing in, and back here afterwards if here is a page.
fn to_sign_in(parts: &Parts) -> Response {
    let mut location = "/console/sign-in".to_owned();
    if parts.method.is_safe() {
        let here = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
        location = format!("{location}?next={next}");
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

impl<R: Least> FromRequestParts<ConsoleState> for In<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let id = account(parts, state).await;
        let found = id.and_then(|id| {
            let account = state.hub.registry().account(id)?;
            Some((account, visitor.bearer.role_in(id)?))
        });
        let Some((account, role)) = found else {
            let why = "There is no such account, or you have no role in it.";
            return Err(problem::shown(
                state,
                StatusCode::NOT_FOUND,
                "Not here",
                why,
            ));
        };
        if role < R::ROLE {
            let why = format!(
                "This needs the role {}; you are {} of this account. An admin of it can give you more.",
                R::ROLE.as_str(),
                role.as_str()
            );
            return Err(problem::shown(
                state,
                StatusCode::FORBIDDEN,
                "Not allowed",
                &why,
            ));
        }
        Ok(Self {
            visitor,
            account,
            role,
            _role: PhantomData,
        })
    }
}

/// A visitor who is an operator.
pub(crate) struct Operator(Visitor);

impl Operator {
    pub(crate) fn visitor(&self) -> &Visitor {
        &self.0
    }

    pub(crate) fn hub(&self) -> &Arc<hub::Hub> {
        &self.0.state.hub
    }

    pub(crate) fn state(&self) -> &ConsoleState {
        &self.0.state
    }

    pub(crate) fn actor(&self) -> Actor {
        self.0.actor()
    }
}

impl FromRequestParts<ConsoleState> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        if visitor.bearer.is_operator() {
            return Ok(Self(visitor));
        }
        let why = "This is for operators of the exchange.";
        Err(problem::shown(
            state,
            StatusCode::FORBIDDEN,
            "Not allowed",
            why,
        ))
    }
}

async fn account(parts: &mut Parts, state: &ConsoleState) -> Option<AccountId> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, text) = params.iter().find(|(name, _)| *name == "accountId")?;
    text.parse().ok().map(AccountId)
}
