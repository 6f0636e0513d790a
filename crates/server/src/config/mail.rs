//! The mail server: the section `[mail]`.

use std::path::PathBuf;

use model::Secret;
use outbound::mail::{MailOptions, MailSecurity, Mailer};
use serde::Deserialize;

use super::{ConfigError, Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSection {
    /// Empty: no mail is sent.
    pub server: String,
    /// 0: as `security` has it.
    pub port: u16,
    pub security: Security,
    pub user: String,
    #[serde(deserialize_with = "super::secret")]
    pub password: Secret,
    pub password_file: PathBuf,
    pub from: String,
    pub connect_timeout: Duration,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    None,
    Starttls,
    Tls,
}

impl MailSection {
    /// Takes the password out of its file, if it is in one.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub(super) fn read_password(&mut self) -> Result<(), ConfigError> {
        if self.password_file.as_os_str().is_empty() || !self.password.expose().is_empty() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&self.password_file);
        let text = text.map_err(|source| ConfigError::File {
            path: self.password_file.clone(),
            source,
        })?;
        self.password = Secret::new(text.trim_end_matches(['\r', '\n']));
        Ok(())
    }

    /// `None` where no server is named.
    pub fn options(&self) -> Option<MailOptions> {
        if self.server.is_empty() {
            return None;
        }
        let security = match self.security {
            Security::None => MailSecurity::None,
            Security::Starttls => MailSecurity::Starttls,
            Security::Tls => MailSecurity::Tls,
        };
        Some(MailOptions {
            server: self.server.clone(),
            port: match self.port {
                0 => security.port(),
                port => port,
            },
            security,
            credentials: (!self.user.is_empty())
                .then(|| (self.user.clone(), self.password.clone())),
            from: self.from.clone(),
            connect_timeout: self.connect_timeout.0,
            timeout: self.timeout.0,
        })
    }
}

/// Sentences on what may be a mistake.
///
/// # Errors
/// A sentence on what cannot be meant.
pub(super) fn check(mail: &MailSection) -> Result<Vec<String>, String> {
    if mail.user.is_empty() != mail.password.expose().is_empty() {
        return Err("mail.user and mail.password (or mail.password_file) come together".to_owned());
    }
    let Some(options) = mail.options() else {
        if mail.user.is_empty() {
            return Ok(Vec::new());
        }
        return Err("mail.user is given, and mail.server is empty: name the server".to_owned());
    };
    if mail.server.contains(':') && !mail.server.contains("::") {
        return Err(
            "mail.server is a name or an address alone: its port goes into mail.port".to_owned(),
        );
    }
    Mailer::new(&options).map_err(|error| format!("mail.from: {error}"))?;
    let is_here = mail.server == "localhost" || mail.server.starts_with("127.");
    let mut warnings = Vec::new();
    if mail.security == Security::None && !mail.user.is_empty() && !is_here {
        warnings.push(
            "mail.security is \"none\": the password of the mail server and every mail, invitations and credentials \
             among them, can be read on the way; use \"starttls\" or \"tls\""
                .to_owned(),
        );
    }
    Ok(warnings)
}
