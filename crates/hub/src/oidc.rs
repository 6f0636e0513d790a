//! Single sign-on: somebody whom the operator's issuer knows becomes a user here, in a session.
//!
//! What must be the same when the browser comes back travels with it, sealed: no row, so any process can go on, and
//! nobody fills a table. It is bound to the browser by the cookie in which the caller puts it. Called by `api` and by
//! `console`, each with a [`Callback`] of its own.
//!
//! Who it is: the user whom this identity signed in before; else the one with the e-mail that the issuer vouches for;
//! else nobody, unless the configuration says that unknown people are taken in.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use model::{AccountId, Email, Environment, Role, Secret, User, UserStatus};
use outbound::oidc::{Flow, Identity, Oidc, OidcError, OidcOptions};
use serde_json::{Value, json};

use crate::session::{NewSession, person};
use crate::sign_in::Tries;
use crate::{Error, Hub, Origin, Result, Scope, Session};

/// Where the issuer sends browsers back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callback {
    /// For programs that open a browser: the answer is a session's token.
    Api,
    /// For people: the answer is a page.
    Console,
}

impl Callback {
    /// Below the base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Api => "/manage/v1/oidc/callback",
            Self::Console => "/console/sign-on/callback",
        }
    }
}

/// Signing in at the issuer may take so long.
pub const FLOW_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(600);
/// What binds the sealed text to its purpose.
const PURPOSE: &str = "single sign-on";

/// Which issuer, and who may come in by it.
#[derive(Debug, Clone)]
pub struct SignOnOptions {
    pub provider: OidcOptions,
    /// Only addresses of these domains; any when empty.
    pub domains: Vec<String>,
    /// Unknown people become users, with this role in this account. `None`: they are refused.
    pub newcomers: Option<(AccountId, Role)>,
}

/// A sign-on that was begun.
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What it brings back, sealed; safe in a cookie.
    pub kept: String,
}

/// The issuer, with what is known of it.
pub(crate) fn provider(options: &crate::Options) -> Option<Oidc> {
    let sign_on = options.sign_in.oidc.as_ref()?;
    // The operator has chosen the issuer, and it may be at home.
    let guard = outbound::Guard {
        allow_private: true,
        ..options.outbound.guard.clone()
    };
    let options = outbound::ClientOptions {
        guard,
        ..options.outbound.clone()
    };
    let client = outbound::Client::new(options);
    Some(Oidc::new(client, sign_on.provider.clone()))
}

fn failed(error: &OidcError) -> Error {
    match error {
        OidcError::Refused(_) | OidcError::Token(_) => Error::Forbidden(error.to_string()),
        OidcError::Silent(_) | OidcError::Unusable { .. } => {
            let cause = error as &dyn std::error::Error;
            tracing::error!(
                error = cause,
                "the issuer of the single sign-on cannot be used"
            );
            Error::Conflict(format!("{error}: tell the operator"))
        }
    }
}

fn forbidden(why: impl Into<String>) -> Error {
    Error::Forbidden(why.into())
}

impl Hub {
    fn sign_on(&self) -> Result<(&Oidc, &SignOnOptions)> {
        let options = self.options.sign_in.oidc.as_ref();
        let both = self.oidc.as_ref().zip(options);
        both.ok_or_else(|| Error::NotFound("single sign-on here: it is not configured".to_owned()))
    }

    /// The host of the issuer, for people to know it by; `None`: there is no single sign-on.
    pub fn sign_on_host(&self) -> Option<&str> {
        let (_, options) = self.sign_on().ok()?;
        let issuer = options.provider.issuer.as_str();
        let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        host.split('/').next()
    }

    /// Begins to sign somebody on.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not configured; [`Error::Conflict`] when the issuer cannot be used.
    pub async fn sign_on_start(&self, callback: Callback) -> Result<Begun> {
        let (oidc, _) = self.sign_on()?;
        let mut random = [0u8; 96];
        getrandom::fill(&mut random).map_err(|error| Error::internal(error.to_string()))?;
        let back = format!(
            "{}{}",
            self.base_url(Environment::Production),
            callback.path()
        );
        let flow = Flow::new(&random, back);
        let url = oidc
            .start(&flow, self.now())
            .await
            .map_err(|error| failed(&error))?;
        let until = self.now() + FLOW_TIME_MAX;
        let text = json!({
            "state": flow.state, "nonce": flow.nonce, "verifier": flow.verifier.expose(),
            "redirectUri": flow.redirect_uri, "until": until,
        });
        let sealed = self.vault.seal(PURPOSE, text.to_string().as_bytes())?;
        Ok(Begun {
            url,
            kept: BASE64_URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// Signs on who comes back with a code, if it is the same browser.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it is not, or when the issuer does not vouch for somebody who may come in.
    pub async fn sign_on_finish(
        &self,
        callback: Callback,
        (origin, agent): (Option<&Origin>, Option<&str>),
        kept: &str,
        (state, code): (&str, &str),
    ) -> Result<(User, Session, Secret)> {
        let (oidc, options) = self.sign_on()?;
        let flow = self.begun(kept).filter(|flow| {
            // What was begun at one door ends there.
            flow.state == state && flow.redirect_uri.ends_with(callback.path())
        });
        let flow = flow.ok_or_else(|| {
            forbidden("this sign-on was not begun in this browser, or long ago: begin again")
        })?;
        self.count_try(&Tries::new("sign-on", None, origin)).await?;
        let somebody = oidc
            .finish(&flow, code, self.now())
            .await
            .map_err(|error| failed(&error))?;
        let mut tx = self.db.begin().await?;
        let mut user = self.known_as(&mut tx, options, &somebody, origin).await?;
        let new = NewSession {
            origin,
            agent,
            how: "oidc",
        };
        let (session, token) = self.session_open(&mut tx, &mut user, &new).await?;
        tx.commit().await?;
        Ok((user, session, token))
    }

    /// What a browser brought back, if it is ours and not old.
    fn begun(&self, kept: &str) -> Option<Flow> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(kept).ok()?;
        let clear = self.vault.open(PURPOSE, &sealed).ok()?;
        let text: Value = serde_json::from_slice(&clear).ok()?;
        let until: Timestamp = text["until"].as_str()?.parse().ok()?;
        let word = |name: &str| text[name].as_str().map(str::to_owned);
        let flow = Flow {
            state: word("state")?,
            nonce: word("nonce")?,
            verifier: Secret::new(word("verifier")?),
            redirect_uri: word("redirectUri")?,
        };
        Some(flow).filter(|_| self.now() < until)
    }

    /// The user whom the issuer vouches for.
    async fn known_as(
        &self,
        tx: &mut engine::Tx,
        options: &SignOnOptions,
        somebody: &Identity,
        origin: Option<&Origin>,
    ) -> Result<User> {
        let email = vouched(somebody, &options.domains)?;
        let identity = format!("{} {}", somebody.issuer, somebody.subject);
        let known = match store::user::by_identity(tx, &identity).await? {
            Some(user) => Some(user),
            None => self.linked(tx, &email, &identity, origin).await?,
        };
        let user = match known {
            Some(user) => user,
            None => {
                let name = somebody.name.as_deref().unwrap_or(email.as_str());
                self.newcomer(tx, options, (&email, name, &identity), origin)
                    .await?
            }
        };
        if user.status == UserStatus::Disabled {
            return Err(forbidden(
                "this user is disabled: ask whoever runs the exchange",
            ));
        }
        Ok(user)
    }

    /// Whoever has this address, from now on known by the identity too. Somebody invited has accepted with it.
    async fn linked(
        &self,
        tx: &mut engine::Tx,
        email: &Email,
        identity: &str,
        origin: Option<&Origin>,
    ) -> Result<Option<User>> {
        let Some(mut user) = store::user::by_email(tx, email).await? else {
            return Ok(None);
        };
        if store::user::identity(tx, user.id).await?.is_some() {
            // The address was somebody else's before.
            return Err(forbidden(
                "this address belongs to a user whom the issuer knows as somebody else: ask whoever runs the exchange",
            ));
        }
        store::user::put_identity(tx, user.id, identity).await?;
        if user.status == UserStatus::Invited {
            user.status = UserStatus::Active;
            store::user::put(tx, &user).await?;
            store::ticket::delete_all(tx, user.id).await?;
        }
        let actor = person(&user, None).from(origin.cloned());
        let what = ("user.link", format!("user {}", user.id));
        let detail = json!({ "after": { "identity": identity } });
        self.audit(tx, None, &actor, what, detail).await?;
        Ok(Some(user))
    }

    /// Somebody unknown, if the configuration takes them in.
    async fn newcomer(
        &self,
        tx: &mut engine::Tx,
        options: &SignOnOptions,
        (email, name, identity): (&Email, &str, &str),
        origin: Option<&Origin>,
    ) -> Result<User> {
        let Some((account, role)) = options.newcomers else {
            let why = "nobody has invited you here: ask whoever runs the exchange";
            return Err(forbidden(why));
        };
        let scope = Scope(account);
        self.account(scope)?;
        let name: String = name.chars().take(crate::provider::NAME_CHARS_MAX).collect();
        let is = (false, UserStatus::Active);
        let user = store::user::insert(tx, email, name.trim(), is, self.now()).await?;
        store::user::put_identity(tx, user.id, identity).await?;
        store::member::put(tx, scope, user.id, role, self.now()).await?;
        let actor = person(&user, None).from(origin.cloned());
        let what = ("user.create", format!("user {}", user.id));
        let detail = json!({ "after": {
            "user": crate::user::shown(&user), "identity": identity, "role": role,
        } });
        self.audit(tx, Some(scope), &actor, what, detail).await?;
        Ok(user)
    }
}

/// The address that the issuer vouches for, of a domain that may come in.
fn vouched(somebody: &Identity, domains: &[String]) -> Result<Email> {
    let email = somebody
        .email
        .as_deref()
        .filter(|_| somebody.email_verified);
    let email = email.and_then(|text| text.parse::<Email>().ok());
    let email = email
        .ok_or_else(|| forbidden("the issuer does not vouch for an e-mail address of yours"))?;
    let is_welcome = |domain: &String| domain.eq_ignore_ascii_case(email.domain());
    if !domains.is_empty() && !domains.iter().any(is_welcome) {
        let why = format!("addresses of {} may not sign on here", email.domain());
        return Err(forbidden(why));
    }
    Ok(email)
}
