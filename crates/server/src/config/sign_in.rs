//! `[sign_in]` and `[oidc]`: how people come in.

use std::path::PathBuf;

use hub::oidc::SignOnOptions;
use hub::options::SignInOptions;
use model::{AccountId, Role, Secret};
use outbound::oidc::OidcOptions;
use serde::Deserialize;

use super::{ConfigError, Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSection {
    pub session: Duration,
    pub invitation: Duration,
    pub reset: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    /// Empty: there is no single sign-on.
    pub issuer: String,
    pub client_id: String,
    #[serde(deserialize_with = "super::secret")]
    pub client_secret: Secret,
    pub client_secret_file: PathBuf,
    pub domains: Vec<String>,
    /// 0: unknown people are refused.
    pub newcomers_account: i64,
    pub newcomers_role: Role,
}

impl SignInSection {
    pub(super) fn options(&self, oidc: &OidcSection) -> SignInOptions {
        SignInOptions {
            session: self.session.0,
            invitation: self.invitation.0,
            reset: self.reset.0,
            oidc: oidc.options(),
        }
    }
}

impl OidcSection {
    /// Takes the secret out of its file, if it is in one.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub(super) fn read_secret(&mut self) -> Result<(), ConfigError> {
        let path = &self.client_secret_file;
        if path.as_os_str().is_empty() || !self.client_secret.expose().is_empty() {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?;
        self.client_secret = Secret::new(text.trim());
        Ok(())
    }

    fn options(&self) -> Option<SignOnOptions> {
        if self.issuer.is_empty() {
            return None;
        }
        let secret = &self.client_secret;
        Some(SignOnOptions {
            provider: OidcOptions {
                issuer: self.issuer.clone(),
                client_id: self.client_id.clone(),
                client_secret: Some(secret.clone()).filter(|secret| !secret.expose().is_empty()),
            },
            domains: self.domains.clone(),
            newcomers: (self.newcomers_account > 0)
                .then_some((AccountId(self.newcomers_account), self.newcomers_role)),
        })
    }
}

/// Sentences on what may be a mistake.
///
/// # Errors
/// A sentence on what cannot work.
pub(super) fn check(oidc: &OidcSection) -> Result<Vec<String>, String> {
    if oidc.issuer.is_empty() {
        return match oidc.client_id.is_empty() {
            true => Ok(Vec::new()),
            false => {
                Err("oidc.client_id is given, and oidc.issuer is empty: name the issuer".to_owned())
            }
        };
    }
    if oidc.client_id.is_empty() {
        return Err(
            "oidc.issuer is given, and oidc.client_id is empty: the issuer has one for you"
                .to_owned(),
        );
    }
    let mut warnings = Vec::new();
    if !oidc.issuer.starts_with("https://") {
        if !oidc.issuer.starts_with("http://") {
            return Err(
                "oidc.issuer is not a URL: write it as the issuer does, https://…".to_owned(),
            );
        }
        let warning =
            "oidc.issuer is not https: whoever is between you and it can sign in as anybody";
        warnings.push(warning.to_owned());
    }
    if oidc.newcomers_account > 0 && oidc.domains.is_empty() {
        let warning = "oidc.newcomers_account is set, and oidc.domains is empty: everybody whom the issuer knows comes in";
        warnings.push(warning.to_owned());
    }
    Ok(warnings)
}
