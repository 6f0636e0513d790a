//! What happened: the event itself, apart from who and where. Its type, time and key, and its body as delivered.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::attributes::Writer;
use super::check::Check;
use super::forms::Told;
use super::path::Path;
use super::render;
use super::shape::Leaf;
use crate::event_type::{EventType, NAMESPACE_DEFAULT, VERSION_DEFAULT};
use crate::invalid::shown;
use crate::record::{Digest16, Event};

impl<'a> Check<'a, '_> {
    /// The event without its surroundings.
    pub(super) fn what_happened(
        &mut self,
        told: &Told<'a>,
        at: &Path<'_>,
        compound: bool,
    ) -> Option<Event<'a>> {
        let event_type = self.event_type(told, at);
        let when = self.timestamp(told, &at.member("timestamp"), compound);
        let key = self.key(told, &at.member("eventId"));
        let mut body = String::with_capacity(Writer::bytes_needed(told));
        if let (Some(event_type), Some((_, timestamp))) = (event_type, &when) {
            render::open(
                &mut body,
                told.code.raw(),
                timestamp,
                &event_type.namespace,
                event_type.version,
            );
        }
        self.attributes(told, &at.member("attributes"), event_type, &mut body);
        render::close(&mut body);
        let (event_type, (happened_at_us, _)) = (event_type?, when?);
        Some(Event {
            code: Cow::Borrowed(&event_type.code),
            namespace: Cow::Borrowed(&event_type.namespace),
            ordinal: self.ordinal,
            key,
            happened_at_us,
            body: Cow::Owned(body),
        })
    }

    /// The registered type that the event means: of several, the stated one, else the recognized one, else the first.
    fn event_type(&mut self, told: &Told<'a>, at: &Path<'_>) -> Option<&'a EventType> {
        let code_at = at.member("code");
        let code = self.required_text(told.code, &code_at, self.limits.word_bytes_max)?;
        let registered = self
            .publisher
            .event_types
            .get(&*code)
            .map_or(&[][..], Vec::as_slice);
        if registered.is_empty() {
            let code = shown(&code);
            let advice =
                "register it with POST /v1/eventtype, or correct the code (letter case matters)";
            self.report(
                &code_at,
                "unknown-event-type",
                format_args!("this endpoint publishes no {code}: {advice}"),
            );
            return None;
        }
        let namespace = self.stated(told.namespace, &at.member("namespace"))?;
        let version = self.stated(told.version, &at.member("version"))?;
        let is_named = |kind: &&EventType| {
            namespace
                .as_ref()
                .is_none_or(|stated| kind.namespace == **stated)
        };
        let is_meant = |kind: &&EventType| {
            is_named(kind)
                && version
                    .as_ref()
                    .is_none_or(|stated| stated.parse() == Ok(kind.version))
        };
        let is_recognized = |kind: &&EventType| {
            kind.namespace == NAMESPACE_DEFAULT && kind.version == VERSION_DEFAULT
        };
        let mut meant = registered.iter().filter(is_meant);
        let chosen = meant.clone().find(is_recognized).or_else(|| meant.next());
        if chosen.is_none() {
            let is_version = registered.iter().any(|kind| is_named(&kind));
            let (member, stated) = if is_version {
                ("version", version)
            } else {
                ("namespace", namespace)
            };
            let (code, stated) = (shown(&code), shown(&stated.unwrap_or_default()));
            let message = format_args!(
                "{code} is not registered with the {member} {stated}: register it, or leave it out"
            );
            self.report(&at.member(member), "unknown-event-type", message);
        }
        chosen
    }

    /// `Some(None)`: not stated.
    fn stated(&mut self, leaf: Leaf<'a>, at: &Path<'_>) -> Option<Option<Cow<'a, str>>> {
        if !leaf.is_given() {
            return Some(None);
        }
        self.text_or_number(leaf, at, self.limits.word_bytes_max)
            .map(Some)
    }

    /// When it happened, and the JSON string that says so.
    fn timestamp(
        &mut self,
        told: &Told<'a>,
        at: &Path<'_>,
        compound: bool,
    ) -> Option<(i64, Cow<'a, str>)> {
        if compound && !told.timestamp.is_given() {
            return Some((
                self.now.as_microsecond(),
                Cow::Owned(format!("\"{:.3}\"", self.now)),
            ));
        }
        let text = self.required_text(told.timestamp, at, self.limits.word_bytes_max)?;
        match crate::timestamp::parse(&text) {
            Ok(timestamp) => Some((
                timestamp.as_microsecond(),
                Cow::Borrowed(told.timestamp.raw()),
            )),
            Err(error) => {
                self.report(at, "timestamp", format_args!("{error}"));
                None
            }
        }
    }

    /// Digest of the publisher's own id of the event, within its endpoint.
    fn key(&mut self, told: &Told<'a>, at: &Path<'_>) -> Option<Digest16> {
        if !told.event_id.is_given() {
            return None;
        }
        let id = self.text_or_number(told.event_id, at, self.limits.event_id_bytes_max)?;
        let digest = Sha256::new()
            .chain_update(self.publisher.endpoint.0.to_be_bytes())
            .chain_update([0])
            .chain_update(id.as_bytes())
            .finalize();
        let mut key = Digest16::default();
        key.copy_from_slice(&digest[..16]);
        Some(key)
    }
}
