//! The outbox: what the exchange tells others of changes – notifications, connect calls, mails.
//!
//! A verb puts it there in the transaction of the change ([`Hub::outbox_put`]) and calls [`Hub::outbox_nudge`] once that is
//! committed; `flow/notify` sends it. So a change is never made without being told, nor told without being made. What is
//! put there rests sealed, because it may hold keys and passwords; what people see of it are a summary without secrets,
//! the attempts, and, of a notification, its body.

use engine::Tx;
use model::{AccountId, Authentication, EndpointId, OutboxId};
use serde_json::{Value, json};
use store::outbox::{NewRow, OutboxKind, OutboxRow};
pub use store::outbox::{OutboxFilter, OutboxState};

use crate::{Actor, Error, Hub, Page, Result, Scope};

/// Characters of a URL or an address that a summary repeats.
const SUMMARY_CHARS_MAX: usize = 200;

/// Something to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// To where the endpoint wants to be notified at the time of sending.
    Notification { endpoint: EndpointId, body: Value },
    /// `POST <url>`, on behalf of an endpoint that is being registered.
    Connect {
        endpoint: EndpointId,
        url: String,
        authentication: Option<Authentication>,
        body: Value,
    },
    /// Plain text to one address.
    Mail {
        to: String,
        subject: String,
        text: String,
    },
}

impl Outgoing {
    pub fn kind(&self) -> OutboxKind {
        match self {
            Self::Notification { .. } => OutboxKind::Notification,
            Self::Connect { .. } => OutboxKind::Connect,
            Self::Mail { .. } => OutboxKind::Mail,
        }
    }

    fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::Notification { endpoint, .. } | Self::Connect { endpoint, .. } => Some(*endpoint),
            Self::Mail { .. } => None,
        }
    }

    /// What is told one after the other.
    fn lane(&self, account: Option<AccountId>) -> String {
        match self {
            Self::Notification { endpoint, .. } => format!("endpoint {endpoint}"),
            Self::Connect { endpoint, .. } => format!("connect {endpoint}"),
            Self::Mail { .. } => format!("mail {}", account.map_or(0, |id| id.0)),
        }
    }

    /// What it is, for people; without secrets.
    fn summary(&self) -> String {
        let text = match self {
            Self::Notification { body, .. } => {
                let text = |name: &str| body[name].as_str().unwrap_or_default();
                let what = match text("eventTypeCode") {
                    "" => text("endpointName"),
                    code => code,
                };
                format!("{} {what}", text("changeType"))
            }
            Self::Connect { url, .. } => {
                // Queries may carry keys.
                let place = url.split(['?', '#']).next().unwrap_or_default();
                format!("POST {place}")
            }
            Self::Mail { to, subject, .. } => format!("to {to}: {subject}"),
        };
        text.chars().take(SUMMARY_CHARS_MAX).collect()
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Notification { body, .. } => json!({ "body": body }),
            Self::Connect {
                url,
                authentication,
                body,
                ..
            } => {
                let authentication = authentication.as_ref().map(Authentication::to_json);
                json!({ "url": url, "authentication": authentication, "body": body })
            }
            Self::Mail { to, subject, text } => {
                json!({ "to": to, "subject": subject, "text": text })
            }
        }
    }

    fn of(row: &OutboxRow, clear: &[u8]) -> Result<Self> {
        let mut clear: Value = serde_json::from_slice(clear).map_err(Error::internal)?;
        let endpoint = row.endpoint.unwrap_or(EndpointId(0));
        let text = |name: &str| clear[name].as_str().unwrap_or_default().to_owned();
        Ok(match row.kind {
            OutboxKind::Notification => Self::Notification {
                endpoint,
                body: clear["body"].take(),
            },
            OutboxKind::Connect => Self::Connect {
                endpoint,
                url: text("url"),
                authentication: match &clear["authentication"] {
                    Value::Null => None,
                    stated => Some(Authentication::from_json(stated)?),
                },
                body: clear["body"].take(),
            },
            OutboxKind::Mail => Self::Mail {
                to: text("to"),
                subject: text("subject"),
                text: text("text"),
            },
        })
    }
}

/// What binds a sealed payload to its row.
fn purpose(id: OutboxId) -> String {
    format!("outbox {id}")
}

impl Hub {
    /// Puts something into the outbox, in the transaction of what it tells of. Without a scope it is the operator's own.
    /// After the commit, [`Hub::outbox_nudge`].
    pub(crate) async fn outbox_put(
        &self,
        tx: &mut Tx,
        scope: Option<Scope>,
        outgoing: &Outgoing,
    ) -> Result<OutboxId> {
        let id = store::outbox::take_id(tx).await?;
        let clear = outgoing.to_json().to_string();
        let row = NewRow {
            id,
            endpoint: outgoing.endpoint(),
            kind: outgoing.kind(),
            lane: &outgoing.lane(scope.map(|scope| scope.0)),
            summary: &outgoing.summary(),
            payload: self.vault.seal(&purpose(id), clear.as_bytes())?,
        };
        store::outbox::insert(tx, scope, row, self.now()).await?;
        Ok(id)
    }

    /// Something was put into the outbox and committed: it is sent soon instead of at the next look.
    pub(crate) fn outbox_nudge(&self) {
        self.flow.nudge_notify();
    }

    /// What a row says, opened.
    pub(crate) fn outbox_open(&self, row: &OutboxRow) -> Result<Outgoing> {
        Outgoing::of(row, &self.vault.open(&purpose(row.id), &row.payload)?)
    }

    /// What is and was to be told, of one account, or (the operator's view) of all and the operator's own.
    pub async fn outbox(
        &self,
        scope: Option<Scope>,
        filter: OutboxFilter,
        page: Page,
    ) -> Result<Vec<OutboxRow>> {
        let mut tx = self.db.read().await?;
        Ok(store::outbox::list(&mut tx, scope, filter, page).await?)
    }

    /// One of them, and the body of a notification. Nothing else is shown of what was sent: it holds secrets.
    pub async fn outbox_row(
        &self,
        scope: Option<Scope>,
        id: OutboxId,
    ) -> Result<(OutboxRow, Option<Value>)> {
        let mut tx = self.db.read().await?;
        let found = store::outbox::get(&mut tx, scope, id).await?;
        let row = found.ok_or_else(|| Error::not_found("outbox entry", id))?;
        let body = match row.kind {
            OutboxKind::Notification => match self.outbox_open(&row)? {
                Outgoing::Notification { body, .. } => Some(body),
                _ => None,
            },
            OutboxKind::Connect | OutboxKind::Mail => None,
        };
        Ok((row, body))
    }

    /// Sends it now, as if it had never been tried.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was sent, or is being sent.
    pub async fn outbox_retry(
        &self,
        actor: &Actor,
        scope: Option<Scope>,
        id: OutboxId,
    ) -> Result<OutboxRow> {
        let mut tx = self.db.begin().await?;
        let found = store::outbox::get(&mut tx, scope, id).await?;
        let row = found.ok_or_else(|| Error::not_found("outbox entry", id))?;
        if !store::outbox::restart(&mut tx, scope, id, self.now()).await? {
            let why = match row.state {
                OutboxState::Sent => "was sent",
                OutboxState::Dropped => "was dropped: nobody wants it any more",
                OutboxState::Waiting | OutboxState::Dead => "is being sent just now",
            };
            return Err(Error::Conflict(format!("outbox entry {id} {why}")));
        }
        let detail = json!({ "kind": row.kind.as_str(), "state": row.state.as_str() });
        let subject = format!("outbox entry {id}");
        let scope = row.account.map(Scope);
        self.audit(&mut tx, scope, actor, ("outbox.retry", subject), detail)
            .await?;
        let found = store::outbox::get(&mut tx, scope, id).await?;
        tx.commit().await?;
        self.outbox_nudge();
        found.ok_or_else(|| Error::not_found("outbox entry", id))
    }
}

#[cfg(test)]
mod tests {
    use model::Secret;
    use store::outbox::OutboxState;

    use super::*;

    fn samples() -> [Outgoing; 3] {
        [
            Outgoing::Notification {
                endpoint: EndpointId(7),
                body: json!({ "changeType": "Add", "eventTypeCode": "buy", "notificationKey": "hunter2" }),
            },
            Outgoing::Connect {
                endpoint: EndpointId(7),
                url: "https://shop.example/connect?key=hunter2".to_owned(),
                authentication: Some(Authentication::ApiKey {
                    key: Secret::new("hunter2"),
                }),
                body: json!({ "endpointKey": "hunter2" }),
            },
            Outgoing::Mail {
                to: "ada@example.com".to_owned(),
                subject: "Your key".to_owned(),
                text: "hunter2".to_owned(),
            },
        ]
    }

    #[test]
    fn what_is_put_there_comes_out_of_it() {
        for outgoing in samples() {
            let row = OutboxRow {
                id: OutboxId(1),
                account: None,
                endpoint: outgoing.endpoint(),
                kind: outgoing.kind(),
                state: OutboxState::Waiting,
                summary: outgoing.summary(),
                payload: Vec::new(),
                attempts: 0,
                first_attempt_at: None,
                next_attempt_at: None,
                history: Vec::new(),
                created_at: jiff::Timestamp::UNIX_EPOCH,
                ended_at: None,
            };
            let clear = outgoing.to_json().to_string();
            let out = Outgoing::of(&row, clear.as_bytes()).expect("our own");
            assert_eq!(out, outgoing);
        }
    }

    #[test]
    fn a_summary_holds_no_secret() {
        let summaries = samples().map(|outgoing| outgoing.summary());
        assert_eq!(
            summaries,
            [
                "Add buy",
                "POST https://shop.example/connect",
                "to ada@example.com: Your key"
            ]
        );
    }
}
