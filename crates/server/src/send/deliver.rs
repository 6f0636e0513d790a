//! Makes one call until it is answered: waits when the exchange is busy or away, and finds out which lines of a refused
//! call are to blame, so that the others are published.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::Clock;
use http::{HeaderMap, HeaderValue, Method};
use outbound::Answer;
use serde::Deserialize;

use super::group::{self, Group};
use super::pieces::Piece;
use crate::partner::{self, Partner, PartnerError};

/// The first wait of ours, doubled with each attempt.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest wait of ours.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How calls are made.
pub(super) struct Delivery {
    pub(super) exchange: Partner,
    pub(super) key: String,
    /// Names this publication of the file; a call that is made again, even by a later run, is published once.
    pub(super) run: String,
    /// How long one call is tried.
    pub(super) patience: Duration,
    /// The exchange is away or busy, for the display.
    pub(super) is_waiting: AtomicBool,
}

/// What came of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) accepted: u64,
    pub(super) quarantined: u64,
    pub(super) refused: Vec<Refused>,
}

/// A line that was refused, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: u64,
    /// Pointer into the line, and a sentence.
    pub(super) violations: Vec<(String, String)>,
}

enum Verdict {
    Taken { accepted: u64, quarantined: u64 },
    Refused(Answer),
}

#[derive(Deserialize, Default)]
struct Problem {
    #[serde(default)]
    errors: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    pointer: String,
    message: String,
}

impl Delivery {
    /// Publishes a group, without the lines that are refused.
    ///
    /// # Errors
    /// When no call can succeed: a wrong key, an address that does not answer for longer than the patience.
    pub(super) async fn deliver(&self, group: Group) -> Result<Done, PartnerError> {
        let mut done = Done::default();
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            match self.publish(&group).await? {
                Verdict::Taken {
                    accepted,
                    quarantined,
                } => {
                    done.accepted += accepted;
                    done.quarantined += quarantined;
                }
                Verdict::Refused(answer) => {
                    let (refused, rest) = blame(group, &answer);
                    done.refused.extend(refused);
                    groups.extend(rest);
                }
            }
        }
        done.refused.sort_by_key(|refused| refused.line);
        Ok(done)
    }

    async fn publish(&self, group: &[Piece]) -> Result<Verdict, PartnerError> {
        let body = Bytes::from(group::body(group));
        let mut headers = HeaderMap::new();
        let line = group.first().map_or(0, |piece| piece.line);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let key = format!("{}-{line}-{:016x}", self.run, hasher.finish());
        if let Ok(value) = HeaderValue::try_from(key) {
            headers.insert("idempotency-key", value);
        }
        let started = Instant::now();
        let mut pause = PAUSE_FIRST;
        loop {
            let call = self.exchange.call(
                Method::POST,
                "/v1/event",
                &self.key,
                headers.clone(),
                body.clone(),
            );
            let (wait, error) = match call.await {
                Ok(answer) => match judge(answer)? {
                    Ok(verdict) => {
                        self.is_waiting.store(false, Ordering::Relaxed);
                        return Ok(verdict);
                    }
                    Err((wait, error)) => (wait, error),
                },
                Err(error @ PartnerError::Failed { .. }) => (None, error),
                Err(error) => return Err(error),
            };
            if started.elapsed() > self.patience {
                return Err(error);
            }
            self.is_waiting.store(true, Ordering::Relaxed);
            tokio::time::sleep(wait.unwrap_or_else(|| pause.mul_f64(0.5 + fastrand::f64() / 2.0)))
                .await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// A verdict, or how long to wait and why; an error is final.
type Judged = Result<Verdict, (Option<Duration>, PartnerError)>;

fn judge(answer: Answer) -> Result<Judged, PartnerError> {
    #[derive(Deserialize, Default)]
    struct Taken {
        #[serde(default)]
        accepted: u64,
        #[serde(default)]
        quarantined: u64,
    }
    let status = answer.status.as_u16();
    let refused = |answer: &Answer| PartnerError::Refused {
        method: Method::POST,
        path: "/v1/event".to_owned(),
        status,
        detail: partner::detail(answer),
    };
    match status {
        200..=299 => {
            let taken: Taken = serde_json::from_slice(&answer.body).unwrap_or_default();
            Ok(Ok(Verdict::Taken {
                accepted: taken.accepted,
                quarantined: taken.quarantined,
            }))
        }
        400 | 413 | 422 => Ok(Ok(Verdict::Refused(answer))),
        408 | 425 | 429 | 500..=599 => {
            let wait = answer.retry_after(Clock::System.now());
            Ok(Err((wait, refused(&answer))))
        }
        _ => Err(refused(&answer)),
    }
}

/// Which lines of a refused call are to blame, and what to try again without them.
fn blame(mut group: Group, answer: &Answer) -> (Vec<Refused>, Vec<Group>) {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let [piece] = &group[..] {
        let mut violations: Vec<(String, String)> = problem
            .errors
            .into_iter()
            .map(|violation| (violation.pointer, violation.message))
            .collect();
        if violations.is_empty() {
            violations.push((String::new(), partner::detail(answer)));
        }
        let refused = Refused {
            line: piece.line,
            violations,
        };
        return (vec![refused], Vec::new());
    }
    let mut blamed: Vec<Vec<(String, String)>> = group.iter().map(|_| Vec::new()).collect();
    for violation in problem.errors {
        let Some(rest) = violation.pointer.strip_prefix("/eventbatch/") else {
            continue;
        };
        let digits = rest.find('/').unwrap_or(rest.len());
        let (index, pointer) = rest.split_at(digits);
        let index: Option<usize> = index.parse().ok();
        if let Some(violations) = index.and_then(|index| blamed.get_mut(index)) {
            violations.push((pointer.to_owned(), violation.message));
        }
    }
    if blamed.iter().all(Vec::is_empty) {
        // Too large, or wrong as a whole: each half by itself.
        let half = group.split_off(group.len() / 2);
        return (Vec::new(), vec![half, group]);
    }
    let mut refused = Vec::new();
    let mut rest = Vec::new();
    for (piece, violations) in group.into_iter().zip(blamed) {
        if violations.is_empty() {
            rest.push(piece);
        } else {
            let line = piece.line;
            refused.push(Refused { line, violations });
        }
    }
    let rest = if rest.is_empty() {
        Vec::new()
    } else {
        vec![rest]
    };
    (refused, rest)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn group(lines: std::ops::Range<u64>) -> Group {
        let piece = |line| Piece {
            line,
            end: line,
            lines: line,
            text: b"{}".to_vec(),
        };
        lines.map(piece).collect()
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
            elapsed: Duration::ZERO,
        }
    }

    fn lines(groups: &[Group]) -> Vec<Vec<u64>> {
        let lines = |group: &Group| group.iter().map(|piece| piece.line).collect();
        groups.iter().map(lines).collect()
    }

    #[test]
    fn the_lines_to_blame_are_told_and_the_others_tried_again() {
        let body = r#"{"errors":[{"pointer":"/eventbatch/1/events/0/code","code":"c","message":"no such code"},
            {"pointer":"/eventbatch/1/channel","code":"c","message":"no channel"},{"pointer":"/eventbatch/2","code":"c","message":"m"}]}"#;
        let (refused, rest) = blame(group(10..14), &answer(400, body));
        let told: Vec<(u64, &str)> = refused
            .iter()
            .map(|one| (one.line, one.violations[0].0.as_str()))
            .collect();
        assert_eq!(told, [(11, "/events/0/code"), (12, "")]);
        assert_eq!(refused[0].violations.len(), 2);
        assert_eq!(lines(&rest), [vec![10, 13]]);
    }

    #[test]
    fn a_call_that_is_wrong_as_a_whole_is_halved_down_to_a_line() {
        let (refused, rest) = blame(group(1..6), &answer(413, r#"{"detail":"too large"}"#));
        assert!(refused.is_empty());
        assert_eq!(lines(&rest), [vec![3, 4, 5], vec![1, 2]]);
        let (refused, rest) = blame(group(7..8), &answer(413, r#"{"detail":"too large"}"#));
        assert_eq!(
            refused[0].violations,
            [(String::new(), "too large".to_owned())]
        );
        assert!(rest.is_empty());
    }

    #[test]
    fn what_can_pass_is_waited_for_and_what_cannot_ends_it() {
        let mut busy = answer(503, "{}");
        busy.headers
            .insert("retry-after", HeaderValue::from_static("7"));
        let Ok(Err((wait, _))) = judge(busy) else {
            panic!("503 passes");
        };
        assert_eq!(wait, Some(Duration::from_secs(7)));
        assert!(matches!(judge(answer(500, "")), Ok(Err((None, _)))));
        let error = judge(answer(403, r#"{"detail":"the key is not known here"}"#))
            .err()
            .expect("final");
        assert!(
            error.to_string().contains("403: the key is not known here"),
            "{error}"
        );
    }
}
