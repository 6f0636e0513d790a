//! Signing in at strangers' servers: credentials become a header; access tokens are fetched, kept and renewed.
//!
//! Called by `flow/notify` for every call that a document's `authentication` belongs to, and by the verbs that take such
//! documents ([`Hub::check_authentication`]). Promises: one fetch for all who need the same token at once; a refresh token
//! that the server rotated is stored, sealed, before the access token that came with it is used.

use model::authentication::{PROMPT, origin, spelling};
use model::invalid::shown;
use model::reader::Reader;
use model::{Authentication, Invalid, Secret};
use outbound::Authorization;
use outbound::oauth::{Grant, OAuthError, Turn};
use sha2::{Digest as _, Sha256};

use crate::{Hub, Result, Scope, supplier_key};

/// A header that signs in, and the access token in it, if it is one.
pub(crate) struct SignedIn {
    pub(crate) authorization: Authorization,
    pub(crate) token: Option<Secret>,
}

/// Why nobody can sign in now. All of it may heal: a server comes back, or somebody states other credentials.
#[derive(Debug)]
pub(crate) enum SignInError {
    Token(OAuthError),
    /// Code and sentence.
    Credentials(&'static str, String),
    /// Of ours.
    Store(crate::Error),
}

impl From<crate::Error> for SignInError {
    fn from(error: crate::Error) -> Self {
        Self::Store(error)
    }
}

fn credentials(code: &'static str, why: impl Into<String>) -> SignInError {
    SignInError::Credentials(code, why.into())
}

/// What stands for credentials where they must not be seen. Another refresh token is another one.
fn digest(authentication: &Authentication) -> String {
    let text = authentication.to_json().to_string();
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What binds a sealed refresh token to its row.
fn purpose(scope: Scope, digest: &str) -> String {
    format!("oauth {} {digest}", scope.0)
}

impl Hub {
    /// The header that signs in. `refused` is an access token that was just refused.
    pub(crate) async fn sign_in(
        &self,
        scope: Scope,
        authentication: &Authentication,
        refused: Option<&Secret>,
    ) -> std::result::Result<SignedIn, SignInError> {
        let header = match authentication {
            Authentication::ApiKey { key } => Authorization::bearer(key.expose()),
            Authentication::Basic { user_id, password } => {
                Authorization::basic(user_id, password.expose())
            }
            Authentication::OAuth { .. } | Authentication::OAuthRefreshTokenOnly { .. } => {
                let token = self.access_token(scope, authentication, refused).await?;
                let header = Authorization::bearer(token.expose());
                let authorization =
                    header.map_err(|e| credentials("credentials", e.to_string()))?;
                return Ok(SignedIn {
                    authorization,
                    token: Some(token),
                });
            }
        };
        let authorization =
            header.map_err(|error| credentials("credentials", error.to_string()))?;
        Ok(SignedIn {
            authorization,
            token: None,
        })
    }

    async fn access_token(
        &self,
        scope: Scope,
        authentication: &Authentication,
        refused: Option<&Secret>,
    ) -> std::result::Result<Secret, SignInError> {
        let digest = digest(authentication);
        let mut turn = self.tokens.turn(scope.0, &digest).await;
        if let Some(token) = turn.token(self.now(), refused) {
            return Ok(token);
        }
        if let Some(failure) = turn.failure() {
            return Err(SignInError::Token(failure));
        }
        let mut grant = self.grant(authentication).await?;
        let mut rotated = self.rotated(scope, &digest).await?;
        loop {
            if let Some(rotated) = &rotated {
                grant.refresh_token = rotated.clone();
            }
            match self.fetch(&mut turn, scope, &digest, &grant).await {
                // Another process may have been given a new one meanwhile.
                Err(SignInError::Token(error)) => {
                    let now = self.rotated(scope, &digest).await?;
                    if now == rotated {
                        return Err(SignInError::Token(error));
                    }
                    rotated = now;
                }
                ended => return ended,
            }
        }
    }

    async fn fetch(
        &self,
        turn: &mut Turn,
        scope: Scope,
        digest: &str,
        grant: &Grant,
    ) -> std::result::Result<Secret, SignInError> {
        let asked_at = self.now();
        let timeout = self.options.delivery.timeout;
        let granted = turn.fetch(&self.client, grant, timeout, asked_at).await;
        let granted = granted.map_err(SignInError::Token)?;
        let rotated = granted.refresh_token.as_ref();
        if let Some(rotated) = rotated.filter(|rotated| **rotated != grant.refresh_token) {
            let sealed = self
                .vault
                .seal(&purpose(scope, digest), rotated.expose().as_bytes())
                .map_err(crate::Error::from)?;
            self.store_rotated(scope, digest, sealed).await?;
        }
        // Counted from before the call: what it took is not the token's.
        Ok(turn.keep(&granted, asked_at))
    }

    async fn store_rotated(&self, scope: Scope, digest: &str, sealed: Vec<u8>) -> Result<()> {
        let mut tx = self.db.begin().await?;
        store::oauth::put(&mut tx, scope, digest, sealed, self.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn rotated(&self, scope: Scope, digest: &str) -> Result<Option<Secret>> {
        let mut tx = self.db.read().await?;
        let Some(sealed) = store::oauth::get(&mut tx, scope, digest).await? else {
            return Ok(None);
        };
        let clear = self.vault.open(&purpose(scope, digest), &sealed)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&clear))))
    }

    async fn grant(
        &self,
        authentication: &Authentication,
    ) -> std::result::Result<Grant, SignInError> {
        let (auth_url, client_id, client_secret, refresh_token) = match authentication {
            Authentication::OAuth {
                auth_url,
                client_id,
                client_secret,
                refresh_token,
            } => (
                auth_url,
                client_id.clone(),
                client_secret.clone(),
                refresh_token,
            ),
            Authentication::OAuthRefreshTokenOnly {
                auth_url,
                supplier_key,
                refresh_token,
            } => {
                let found = self.supplier_secret(supplier_key).await?;
                let Some((key, secret)) = found else {
                    return Err(credentials(
                        "supplier-key",
                        "there is no such supplier key (any more): ask the operator for one",
                    ));
                };
                if origin(Some(&key.auth_url)) != origin(Some(auth_url)) {
                    return Err(credentials("supplier-key", supplier_key::ELSEWHERE));
                }
                (auth_url, key.client_id, secret, refresh_token)
            }
            Authentication::ApiKey { .. } | Authentication::Basic { .. } => {
                return Err(credentials("credentials", "no token is needed"));
            }
        };
        let checked = self.client.check(auth_url);
        Ok(Grant {
            auth_url: checked.map_err(|failure| credentials("token-url", failure.to_string()))?,
            client_id,
            client_secret,
            refresh_token: refresh_token.clone(),
        })
    }

    /// What depends on more than an authentication object itself: its URL may be called, its supplier key is known and is
    /// for that URL. Read tolerantly, so that all violations are told together with those of
    /// [`Authentication::read`].
    pub(crate) async fn check_authentication(
        &self,
        authentication: &Reader<'_>,
        invalid: &mut Invalid,
    ) -> Result<()> {
        let stated = |name| {
            let name = spelling(authentication, name);
            let text = authentication.get(name).and_then(|value| value.as_str());
            text.filter(|text| *text != PROMPT && !text.trim().is_empty())
                .map(|text| (authentication.pointer(name), text))
        };
        let auth_url = stated("authURL");
        if let Some((pointer, url)) = &auth_url {
            self.check_url(pointer, url, invalid);
        }
        if let Some((pointer, name)) = stated("supplierKey") {
            let refused = match self.supplier_secret(name).await? {
                None => Some(format!(
                    "there is no supplier key {}: the operator gives them out",
                    shown(name)
                )),
                Some((key, _)) => auth_url
                    .filter(|(_, url)| origin(Some(url)) != origin(Some(&key.auth_url)))
                    .map(|_| supplier_key::ELSEWHERE.to_owned()),
            };
            if let Some(message) = refused {
                invalid.add(pointer, "supplier-key", message);
            }
        }
        Ok(())
    }

    /// A kindness: what counts is the check when dialling, after the name is resolved. What is no URL at all is told
    /// by whoever reads the document.
    pub(crate) fn check_url(&self, pointer: &str, url: &str, invalid: &mut Invalid) {
        let is_told = invalid.violations.iter().any(|v| v.pointer == pointer);
        if let Err(failure) = self.client.check(url)
            && !is_told
        {
            invalid.add(pointer, "url", failure.to_string());
        }
    }
}
