//! Puts pieces together into fewer calls, where the form allows it.
//!
//! A piece about one person (`identifiers` and `events` at its top) becomes, as it stands, one group of the compound
//! form `{"eventbatch":[…]}`: the same document as by itself. Everything else is a call of its own. So is an event
//! without a timestamp, which would be refused by itself but given the time of arrival in a group.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::pieces::{Piece, ReadError};

/// Events in one call.
const EVENTS_MAX: usize = 4096;
/// Bytes of one call; an exchange takes 10 MiB unless it is configured otherwise.
const BYTES_MAX: usize = 4 << 20;

/// The pieces of one call, in order; never none.
pub(super) type Group = Vec<Piece>;

/// Makes groups of what is read.
pub(super) struct Grouper {
    pieces: mpsc::Receiver<Result<Piece, ReadError>>,
    /// Pieces in one group at most.
    batch: usize,
    /// Somebody may be typing: what is there is sent when nothing follows at once.
    is_live: bool,
    group: Group,
    events: usize,
    bytes: usize,
    /// Did not fit into the last group.
    held: Option<Piece>,
}

impl Grouper {
    pub(super) fn new(
        pieces: mpsc::Receiver<Result<Piece, ReadError>>,
        batch: usize,
        is_live: bool,
    ) -> Self {
        Self {
            pieces,
            batch,
            is_live,
            group: Vec::new(),
            events: 0,
            bytes: 0,
            held: None,
        }
    }

    /// The next call; none at the end. Nothing is lost when it is not awaited to its end.
    ///
    /// # Errors
    /// Why the file cannot be read on; what was read before has been handed out.
    pub(super) async fn next(&mut self) -> Result<Option<Group>, ReadError> {
        loop {
            let piece = match self.held.take() {
                Some(piece) => piece,
                None if self.is_live && !self.group.is_empty() => match self.pieces.try_recv() {
                    Ok(piece) => piece?,
                    Err(_) => return Ok(self.close()),
                },
                None => match self.pieces.recv().await {
                    Some(piece) => piece?,
                    None => return Ok(self.close()),
                },
            };
            let Some(events) = groupable(&piece.text) else {
                if self.group.is_empty() {
                    return Ok(Some(vec![piece]));
                }
                self.held = Some(piece);
                return Ok(self.close());
            };
            let bytes = piece.text.len();
            let is_full = self.group.len() >= self.batch
                || self.events + events > EVENTS_MAX
                || self.bytes + bytes > BYTES_MAX;
            if is_full && !self.group.is_empty() {
                self.held = Some(piece);
                return Ok(self.close());
            }
            self.events += events;
            self.bytes += bytes;
            self.group.push(piece);
        }
    }

    fn close(&mut self) -> Option<Group> {
        self.events = 0;
        self.bytes = 0;
        let group = std::mem::take(&mut self.group);
        (!group.is_empty()).then_some(group)
    }
}

/// How many events the piece has, if it may be a group.
fn groupable(text: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct Head<'a> {
        identifiers: Option<Vec<IgnoredAny>>,
        #[serde(borrow)]
        events: Option<Vec<Happened<'a>>>,
        eventbatch: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Happened<'a> {
        #[serde(borrow)]
        timestamp: Option<&'a RawValue>,
    }
    let head: Head<'_> = serde_json::from_slice(text).ok()?;
    let events = head.events?;
    let has_time = |event: &Happened<'_>| event.timestamp.is_some_and(|time| time.get() != "\"\"");
    let is_one = head.identifiers.is_some() && head.eventbatch.is_none();
    (is_one && !events.is_empty() && events.iter().all(has_time)).then_some(events.len())
}

/// The body of the call.
pub(super) fn body(group: &[Piece]) -> Vec<u8> {
    if let [piece] = group {
        return piece.text.clone();
    }
    let mut body = b"{\"eventbatch\":[".to_vec();
    for (at, piece) in group.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&piece.text);
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"channel":"web","identifiers":[{"name":"email","value":"a@example.com"}],"events":[{"code":"x","timestamp":"2026-10-16T00:00:00Z"}]}"#;

    async fn groups(texts: &[&str], batch: usize) -> Vec<usize> {
        let (sender, receiver) = mpsc::channel(64);
        for text in texts {
            let piece = Piece {
                line: 1,
                end: 1,
                lines: 0,
                text: text.as_bytes().to_vec(),
            };
            sender.try_send(Ok(piece)).expect("room");
        }
        drop(sender);
        let mut grouper = Grouper::new(receiver, batch, false);
        let mut sizes = Vec::new();
        while let Some(group) = grouper.next().await.expect("readable") {
            serde_json::from_slice::<IgnoredAny>(&body(&group)).expect("JSON");
            sizes.push(group.len());
        }
        sizes
    }

    #[tokio::test]
    async fn events_about_one_person_each_are_grouped_and_all_else_goes_alone() {
        assert_eq!(groups(&[ONE; 5], 2).await, [2, 2, 1]);
        assert_eq!(groups(&[ONE; 3], 1).await, [1, 1, 1]);
        let batch = r#"{"eventbatch":[]}"#;
        assert_eq!(groups(&[ONE, ONE, batch, ONE], 9).await, [2, 1, 1]);
    }

    #[test]
    fn what_a_group_would_treat_otherwise_is_no_group() {
        assert_eq!(groupable(ONE.as_bytes()), Some(1));
        for alone in [
            "not json",
            "[]",
            r#"{"identifiers":[],"events":[]}"#,
            r#"{"identifiers":[],"events":[{"code":"x"}]}"#,
            r#"{"identifiers":[],"events":[{"code":"x","timestamp":""}]}"#,
            r#"{"identifiers":[],"events":[{"code":"x","timestamp":null}]}"#,
            r#"{"events":[{"identifiers":[],"timestamp":"t"}]}"#,
            r#"{"identifiers":[],"events":[{"timestamp":"t"}],"eventbatch":[]}"#,
        ] {
            assert_eq!(groupable(alone.as_bytes()), None, "{alone}");
        }
        let delivered = r#"{"eventbatch":null,"version":"1","x1Id":null,"identifiers":[],"events":[{"timestamp":"t"},{"timestamp":"t"}]}"#;
        assert_eq!(groupable(delivered.as_bytes()), Some(2));
    }
}
