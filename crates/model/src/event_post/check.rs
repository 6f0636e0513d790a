//! From what a body says to documents: what stands at which level. Walks on after every violation.
//!
//! An event is refused when a violation was found while it was checked, or when what it shares with others (channel,
//! identifiers) is bad; a shared violation is listed once. Envelope violations refuse the call.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Timestamp;

use super::forms::{List, Post, Scope, Told};
use super::keep::{Keeper, TooMuch};
use super::path::Path;
use super::shape::{Leaf, Shape};
use super::{Parsed, PostLimits};
use crate::account::Strictness;
use crate::identifier::IdentifierDefinition;
use crate::invalid::Invalid;
use crate::publisher::Publisher;
use crate::record::{Digest16, Document, Entry, Event, Identifier, Refused};

pub(super) struct Check<'a, 'c> {
    pub(super) publisher: &'a Publisher,
    pub(super) limits: &'c PostLimits,
    pub(super) strict: bool,
    /// Identifiers that every person must have.
    pub(super) required: Vec<&'a IdentifierDefinition>,
    pub(super) out: Parsed<'a>,
    pub(super) now: Timestamp,
    keys: HashSet<Digest16>,
    /// Events seen, refused ones included.
    pub(super) ordinal: u32,
    pub(super) invalid: Invalid,
    /// Something is wrong that is not one event's: nothing of the call can be taken.
    pub(super) envelope: bool,
    /// Set if the account keeps refused events.
    keep: Option<Keeper<'a, 'c>>,
}

/// What a scope states for all its events.
#[derive(Clone)]
enum Shared<T> {
    /// Nothing: it stands in each event.
    Absent,
    /// Something bad, which is reported.
    Bad,
    Is(T),
}

/// What the events of a scope have in common, and the documents made of them.
struct Common<'a> {
    group: Option<usize>,
    channel: Shared<Cow<'a, str>>,
    /// Moves into the first document.
    person: Shared<Vec<Identifier<'a>>>,
    /// Indices in `entries` of the documents about the shared person, one for each channel.
    documents: Vec<usize>,
}

/// A good event, with what it states itself.
struct Made<'a> {
    event: Event<'a>,
    channel: Cow<'a, str>,
    person: Option<Vec<Identifier<'a>>>,
}

impl<'a, 'c> Check<'a, 'c> {
    pub(super) fn new(
        publisher: &'a Publisher,
        now: Timestamp,
        limits: &'c PostLimits,
        keep: Option<Keeper<'a, 'c>>,
    ) -> Self {
        Self {
            publisher,
            limits,
            strict: publisher.policy.strictness == Strictness::Strict,
            required: publisher
                .identifiers
                .values()
                .filter(|definition| definition.is_required)
                .collect(),
            out: Parsed::default(),
            now,
            keys: HashSet::new(),
            ordinal: 0,
            invalid: Invalid::default(),
            envelope: false,
            keep,
        }
    }

    pub(super) fn post(mut self, post: Shape<Post<'a>>) -> Result<Parsed<'a>, Invalid> {
        match post {
            Shape::Is(post) => self.body(post),
            other => self.misshapen(&other, &Path::Root, "an object"),
        }
        if self.envelope || (self.keep.is_none() && !self.invalid.is_empty()) {
            return Err(self.invalid);
        }
        for (entry, place) in self.out.entries.iter_mut().zip(0..) {
            match entry {
                Entry::Document(document) => document.ordinal = place,
                Entry::Refused(refused) => refused.ordinal = place,
            }
        }
        Ok(self.out)
    }

    fn body(&mut self, post: Post<'a>) {
        match post.eventbatch {
            Shape::Absent | Shape::Null => self.scope(&Path::Root, Shared::Absent, post.top, None),
            Shape::Is(groups) => self.groups(&post.top, groups),
            other => self.misshapen(
                &other,
                &Path::Root.member("eventbatch"),
                "an array of groups",
            ),
        }
    }

    fn groups(&mut self, top: &Scope<'a>, groups: Vec<Shape<Scope<'a>>>) {
        let at = Path::Root.member("eventbatch");
        if is_given(&top.events) {
            let message =
                "events stand beside `eventbatch`: put them into a group of it, or leave it out";
            self.envelope(
                &Path::Root.member("events"),
                "both-levels",
                format_args!("{message}"),
            );
        }
        if is_given(&top.identifiers) {
            let message = "identifiers stand beside `eventbatch`: put them into its groups";
            self.envelope(
                &Path::Root.member("identifiers"),
                "both-levels",
                format_args!("{message}"),
            );
        }
        if groups.is_empty() {
            self.envelope(
                &at,
                "required",
                format_args!("the batch has no groups: send at least one with an event"),
            );
        }
        let channel = self.channel(top.channel, &Path::Root.member("channel"));
        for (index, group) in groups.into_iter().enumerate() {
            match group {
                Shape::Is(scope) => {
                    self.scope(&at.item(index), channel.clone(), scope, Some(index));
                }
                other => self.misshapen(
                    &other,
                    &at.item(index),
                    "an object with `identifiers` and `events`",
                ),
            }
        }
    }

    fn scope(
        &mut self,
        at: &Path<'_>,
        above: Shared<Cow<'a, str>>,
        scope: Scope<'a>,
        group: Option<usize>,
    ) {
        let channel_at = at.member("channel");
        let channel = match above {
            Shared::Absent => self.channel(scope.channel, &channel_at),
            above if !scope.channel.is_given() => above,
            _ => self.two_channels(&channel_at),
        };
        let events_at = at.member("events");
        let events = match scope.events {
            Shape::Is(events) if !events.is_empty() => events,
            Shape::Is(_) | Shape::Absent | Shape::Null => {
                return self.envelope(
                    &events_at,
                    "required",
                    format_args!("there are no events: send at least one"),
                );
            }
            other => return self.misshapen(&other, &events_at, "an array of events"),
        };
        let told = || {
            events.iter().filter_map(|event| {
                if let Shape::Is(told) = event {
                    Some(told)
                } else {
                    None
                }
            })
        };
        let person =
            if is_given(&scope.identifiers) || !told().any(|told| is_given(&told.identifiers)) {
                self.identifiers(&scope.identifiers, &at.member("identifiers"))
                    .map_or(Shared::Bad, Shared::Is)
            } else {
                Shared::Absent
            };
        let channel = match channel {
            Shared::Absent if !told().any(|told| told.channel.is_given()) => {
                self.no_channel(&channel_at)
            }
            channel => channel,
        };
        let mut common = Common {
            group,
            channel,
            person,
            documents: Vec::new(),
        };
        self.out
            .entries
            .reserve(if matches!(common.person, Shared::Absent) {
                events.len()
            } else {
                1
            });
        for (index, event) in events.iter().enumerate() {
            match self.event(event, &events_at.item(index), &common) {
                Some(made) => self.place(made, &events_at.item(index), &mut common),
                None => self.refuse(group, index),
            }
            self.ordinal += 1;
        }
    }

    /// A good event, or `None` after its violations were reported.
    fn event(
        &mut self,
        event: &Shape<Told<'a>>,
        at: &Path<'_>,
        common: &Common<'a>,
    ) -> Option<Made<'a>> {
        let Shape::Is(told) = event else {
            self.wrong_type(event, at, "an event, an object");
            return None;
        };
        let before = self.found();
        let channel_at = at.member("channel");
        let channel = match (&common.channel, told.channel.is_given()) {
            (Shared::Absent, false) => self.no_channel(&channel_at),
            (Shared::Absent, true) => self.channel(told.channel, &channel_at),
            (Shared::Is(_), true) => self.two_channels(&channel_at),
            (shared, _) => shared.clone(),
        };
        let identifiers_at = at.member("identifiers");
        let person = match (&common.person, is_given(&told.identifiers)) {
            (Shared::Absent, _) => Shared::Is(self.identifiers(&told.identifiers, &identifiers_at)),
            (Shared::Bad, _) => Shared::Bad,
            (Shared::Is(_), false) => Shared::Is(None),
            (Shared::Is(_), true) => {
                let message =
                    "identifiers stand both here and above the event: leave one of them out";
                self.report(&identifiers_at, "both-levels", format_args!("{message}"));
                Shared::Bad
            }
        };
        let event = self.what_happened(told, at, common.group.is_some());
        match (channel, person, event) {
            (Shared::Is(channel), Shared::Is(person), Some(event)) if self.found() == before => {
                Some(Made {
                    event,
                    channel,
                    person,
                })
            }
            _ => None,
        }
    }

    fn channel(&mut self, leaf: Leaf<'a>, at: &Path<'_>) -> Shared<Cow<'a, str>> {
        if !leaf.is_given() {
            return Shared::Absent;
        }
        self.text(leaf, at, self.limits.word_bytes_max)
            .map_or(Shared::Bad, Shared::Is)
    }

    fn no_channel<T>(&mut self, at: &Path<'_>) -> Shared<T> {
        let message = "there is no channel: state one for the whole batch or in each event";
        self.report(at, "required", format_args!("{message}"));
        Shared::Bad
    }

    fn two_channels<T>(&mut self, at: &Path<'_>) -> Shared<T> {
        let message = "a channel stands both here and at a level above: leave one of them out";
        self.report(at, "both-levels", format_args!("{message}"));
        Shared::Bad
    }

    /// Puts a good event into its document, unless it repeats another one of the call.
    fn place(&mut self, made: Made<'a>, at: &Path<'_>, common: &mut Common<'a>) {
        let Made {
            event,
            channel,
            person,
        } = made;
        self.out.accepted += 1;
        if let Some(key) = event.key {
            if !self.keys.insert(key) {
                return;
            }
            self.out.keys.push(key);
        }
        if let Some(person) = person {
            let document = self.document(channel, person, event);
            self.out.entries.push(Entry::Document(document));
            return;
        }
        for &index in &common.documents {
            if let Some(Entry::Document(document)) = self.out.entries.get_mut(index)
                && document.channel == channel
            {
                return document.events.push(event);
            }
        }
        if common.documents.len() >= self.limits.channels_max {
            let message = format_args!(
                "events of one person may have {} channels: split the call",
                self.limits.channels_max
            );
            return self.envelope(&at.member("channel"), "too-many", message);
        }
        let first = common
            .documents
            .first()
            .and_then(|&index| self.out.entries.get(index));
        let identifiers = match (first, &mut common.person) {
            (Some(Entry::Document(document)), _) => document.identifiers.clone(),
            (_, Shared::Is(person)) => std::mem::take(person),
            _ => Vec::new(),
        };
        common.documents.push(self.out.entries.len());
        let document = self.document(channel, identifiers, event);
        self.out.entries.push(Entry::Document(document));
    }

    fn document(
        &self,
        channel: Cow<'a, str>,
        identifiers: Vec<Identifier<'a>>,
        event: Event<'a>,
    ) -> Document<'a> {
        Document {
            account: self.publisher.account,
            endpoint: self.publisher.endpoint,
            published_at_us: self.now.as_microsecond(),
            ordinal: 0,
            idempotency: None,
            x1_id: None,
            provider: Cow::Borrowed(&self.publisher.provider),
            source: Cow::Borrowed(&self.publisher.source),
            channel,
            identifiers,
            events: vec![event],
        }
    }

    /// Keeps the event, if the account wants that.
    fn refuse(&mut self, group: Option<usize>, index: usize) {
        let Some(keep) = &mut self.keep else { return };
        let (body, violations) = match keep.keep(group, index) {
            Ok(Some(kept)) => kept,
            Ok(None) => return self.envelope = true,
            Err(TooMuch) => {
                self.keep = None;
                let message = "the refused events are too many bytes to be kept: split the call";
                return self.envelope(&Path::Root, "too-many", format_args!("{message}"));
            }
        };
        self.out.quarantined += 1;
        self.out.entries.push(Entry::Refused(Refused {
            account: self.publisher.account,
            endpoint: self.publisher.endpoint,
            published_at_us: self.now.as_microsecond(),
            ordinal: 0,
            idempotency: None,
            body: Cow::Owned(body),
            violations: Cow::Owned(violations),
        }));
    }
}

/// States something: an empty list says as little as none.
fn is_given<T>(list: &List<T>) -> bool {
    match list {
        Shape::Absent | Shape::Null => false,
        Shape::Is(items) => !items.is_empty(),
        Shape::Isnt(_) => true,
    }
}
