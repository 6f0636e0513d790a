//! Mail: what the outbox hands over to the operator's mail server, and where that stands.
//!
//! Called by the flow's task that empties the outbox. Without a server nothing is lost: a mail waits, says why, and goes
//! when one is configured and the process started again.

use outbound::mail::{Mail, MailFailure, MailOptions, Mailer};

use crate::{Error, Hub, Result};

/// The mailer of these options, if there is a server.
pub(crate) fn mailer(options: Option<&MailOptions>) -> Result<Option<Mailer>> {
    options
        .map(Mailer::new)
        .transpose()
        .map_err(Error::internal)
}

impl Hub {
    /// Hands one mail over; answers what the server said.
    ///
    /// # Errors
    /// [`MailFailure`], which knows whether it may heal.
    pub(crate) async fn mail_send(
        &self,
        mail: &Mail<'_>,
    ) -> std::result::Result<String, MailFailure> {
        match &self.mailer {
            Some(mailer) => mailer.send(mail).await,
            None => Err(MailFailure::NoServer),
        }
    }

    /// Whether mails leave this installation.
    pub fn has_mail_server(&self) -> bool {
        self.mailer.is_some()
    }
}
