//! The call of a push: made, and what its answer repeats of our credentials hidden. In pilot also observed for the
//! checklist, kept for the test drive, and answered by its built-in receiver.
//!
//! Called by `push`; a call of production goes straight to the client. The built-in receiver stands at the end of the real
//! flow – routing, shaping, signing, retries – and only the network is left out: no address is called, so no address has
//! to be allowed.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use model::EndpointId;
use model::partner::checklist::Outcome;
use model::test_drive::{self, ReceiverAnswer};
use outbound::{Answer, Call, Failure, Phase};
use serde_json::json;
use store::test_drive::TestPush;

use crate::registry::Target;
use crate::{Hub, Result, Scope};

/// Characters of a body that are kept: a compound push may be large.
const BODY_CHARS_MAX: usize = 64 << 10;
/// Characters of an answer that are kept.
const ANSWER_CHARS_MAX: usize = 2_000;

impl Hub {
    /// Makes the call of a push.
    pub(super) async fn call_destination(
        &self,
        target: &Target,
        is_test: bool,
        call: Call,
    ) -> std::result::Result<Answer, Failure> {
        if target.is_pilot {
            // Boxed: the future of production's pushes stays small.
            return Box::pin(self.call_in_pilot(target, is_test, call)).await;
        }
        let answer = self.client.send(call).await?;
        if answer.status.is_success() {
            // Nothing of it is kept.
            return Ok(answer);
        }
        Ok(without_credentials(target, answer))
    }

    /// Whether an endpoint is the publisher of a test drive.
    pub(super) fn is_test_publisher(&self, id: EndpointId) -> bool {
        self.registry
            .endpoint(id)
            .is_some_and(|e| e.endpoint.definition.provider_name == test_drive::PROVIDER)
    }

    async fn call_in_pilot(
        &self,
        target: &Target,
        is_test: bool,
        call: Call,
    ) -> std::result::Result<Answer, Failure> {
        let kept = (is_test || target.is_test_receiver).then(|| self.push_of(target, &call));
        let result = if target.is_test_receiver {
            self.answer_as_told(target, &call).await
        } else {
            let result = self.client.send(call).await;
            let result = result.map(|answer| without_credentials(target, answer));
            let outcome = match &result {
                Ok(answer) => Outcome::of_status(answer.status.as_u16()),
                Err(_) => Outcome::Other,
            };
            self.observe(target.account, "push", outcome);
            result
        };
        if let Some(push) = kept
            && let Err(error) = self.keep_push(target, push, &result).await
        {
            tracing::warn!(
                endpoint_id = target.endpoint.0,
                error = &error as &dyn std::error::Error,
                "a push of a test drive could not be kept"
            );
        }
        result
    }

    /// What is sent, for people. Credentials are the receiver's own, and are not repeated.
    pub(super) fn push_of(&self, target: &Target, call: &Call) -> TestPush {
        let headers = call.headers.iter().map(|(name, value)| {
            let value = if name == header::AUTHORIZATION {
                let scheme = value.to_str().unwrap_or_default().split(' ').next();
                format!("{} ***", scheme.unwrap_or_default())
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), value)
        });
        let body = String::from_utf8_lossy(&call.body);
        TestPush {
            id: 0,
            account: target.account,
            endpoint: target.endpoint,
            sent_at: self.now(),
            url: shown(&call.uri),
            headers: headers.collect(),
            body: body.chars().take(BODY_CHARS_MAX).collect(),
            answer: serde_json::Value::Null,
        }
    }

    async fn keep_push(
        &self,
        target: &Target,
        mut push: TestPush,
        result: &std::result::Result<Answer, Failure>,
    ) -> Result<()> {
        push.answer = match result {
            Ok(answer) => json!({
                "status": answer.status.as_u16(),
                "text": answer.excerpt(ANSWER_CHARS_MAX),
                "durationMs": u64::try_from(answer.elapsed.as_millis()).unwrap_or(u64::MAX),
            }),
            Err(failure) => json!({ "failure": failure.code(), "text": failure.to_string() }),
        };
        let mut tx = self.db.begin().await?;
        store::test_drive::add_push(&mut tx, Scope(target.account), &push).await?;
        Ok(tx.commit().await?)
    }

    /// What the built-in receiver says: what it was told to. A timeout is told of at once, nobody has to wait for it.
    async fn answer_as_told(
        &self,
        target: &Target,
        call: &Call,
    ) -> std::result::Result<Answer, Failure> {
        let told = async {
            let mut tx = self.db.read().await?;
            store::test_drive::get(&mut tx, Scope(target.account)).await
        };
        let drive = told.await.ok().flatten();
        let answer = drive.map_or(ReceiverAnswer::Status(200), |drive| drive.answer);
        let ReceiverAnswer::Status(status) = answer else {
            return Err(Failure::Timeout {
                after: call.timeout,
                phase: Phase::Headers,
            });
        };
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            headers: HeaderMap::new(),
            body: Bytes::from(format!("the test receiver answers {status}")),
            truncated: false,
            elapsed: Duration::ZERO,
        })
    }
}

/// Who is called may repeat what it was sent, and people read its answer.
fn without_credentials(target: &Target, mut answer: Answer) -> Answer {
    let authorization = target.authorization.as_ref();
    if let Some(hidden) = authorization.and_then(|a| a.hidden_in(&answer.body)) {
        answer.body = hidden.into();
    }
    answer
}

/// Without a query: keys may stand there.
fn shown(uri: &http::Uri) -> String {
    let text = uri.to_string();
    text.split('?').next().unwrap_or_default().to_owned()
}
