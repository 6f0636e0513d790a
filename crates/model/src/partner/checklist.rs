//! The checklist of a review: what a provider's endpoints have to show in pilot, judged from what they really did.
//!
//! [`Observation`]s are counted by the hub, one row for each (what, outcome) of an account; the list is computed whenever
//! somebody looks, so there is no state of its own that could be wrong.

use jiff::Timestamp;

use super::Form;

/// How often something ended in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// A call (`PUT /v1/endpoint`), a form of publishing (`publish single`), or `push`.
    pub what: String,
    pub outcome: Outcome,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Ways to end, as far as a review asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Done,
    /// 400: the document was wrong.
    Invalid,
    /// 401 or 403: the key was.
    NotAllowed,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 429
    TooMuch,
    Other,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Invalid,
        Self::NotAllowed,
        Self::NotFound,
        Self::Conflict,
        Self::TooMuch,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Invalid => "400",
            Self::NotAllowed => "401-403",
            Self::NotFound => "404",
            Self::Conflict => "409",
            Self::TooMuch => "429",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == text)
    }

    pub fn of_status(status: u16) -> Self {
        match status {
            // 304: it was so already.
            200..=299 | 304 => Self::Done,
            400 => Self::Invalid,
            401 | 403 => Self::NotAllowed,
            404 => Self::NotFound,
            409 => Self::Conflict,
            429 => Self::TooMuch,
            _ => Self::Other,
        }
    }
}

/// What the endpoints of the account are, which decides what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    pub publishes: bool,
    pub takes_pushes: bool,
    pub fetches_files: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Done,
    Open,
    NotApplicable,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Open => "open",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// One thing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Stable.
    pub id: String,
    pub title: String,
    pub state: State,
    /// When it was first seen.
    pub since: Option<Timestamp>,
    /// How often it was seen.
    pub count: u64,
}

/// What is seen in the observations of one account.
struct Seen<'o>(&'o [Observation]);

impl Seen<'_> {
    fn of(&self, what: &str, outcome: Outcome) -> Option<&Observation> {
        let mut all = self.0.iter();
        all.find(|o| o.what == what && o.outcome == outcome)
    }

    /// When all of these had been done, and how often the rarest was.
    fn all_done(&self, whats: &[&str]) -> Option<(Timestamp, u64)> {
        let mut since = Timestamp::MIN;
        let mut count = u64::MAX;
        for what in whats {
            let done = self.of(what, Outcome::Done)?;
            since = since.max(done.first_at);
            count = count.min(done.count);
        }
        Some((since, count))
    }

    /// A call that ended so and was done afterwards.
    fn handled(&self, outcome: Outcome) -> Option<(Timestamp, u64)> {
        let failed = self.0.iter().filter(|o| o.outcome == outcome);
        failed
            .filter_map(|failed| {
                let done = self.of(&failed.what, Outcome::Done)?;
                (done.last_at >= failed.first_at).then_some((failed.first_at, failed.count))
            })
            .min()
    }
}

/// The checklist of an account whose endpoints have these roles and which said that it would publish in these forms.
pub fn checklist(forms: &[Form], roles: Roles, observations: &[Observation]) -> Vec<Item> {
    let seen = Seen(observations);
    let mut items = Vec::new();
    let mut add = |id: &str, title: &str, applies: bool, found: Option<(Timestamp, u64)>| {
        let state = match (applies, found) {
            (_, Some(_)) => State::Done,
            (true, None) => State::Open,
            (false, None) => State::NotApplicable,
        };
        items.push(Item {
            id: id.to_owned(),
            title: title.to_owned(),
            state,
            since: found.map(|(since, _)| since),
            count: found.map_or(0, |(_, count)| count),
        });
    };
    let registered = seen.all_done(&["PUT /v1/endpoint"]);
    add("registered", "registered an endpoint", true, registered);
    for form in Form::ALL {
        let what = format!("publish {}", form.as_str());
        add(
            &format!("published-{}", form.as_str()),
            &format!("published in the {} form", form.as_str()),
            roles.publishes && forms.contains(&form),
            seen.all_done(&[&what]),
        );
    }
    let answered = seen.all_done(&["push"]);
    let title = "received pushes and answered 2xx";
    add("received-pushes", title, roles.takes_pushes, answered);
    let files = ["GET /v1/eventfiles/{name}", "DELETE /v1/eventfiles/{name}"];
    let title = "fetched and deleted event files";
    add(
        "fetched-event-files",
        title,
        roles.fetches_files,
        seen.all_done(&files),
    );
    let reported = seen.all_done(&["PUT /v1/endpoint/{id}/reportfailure"]);
    add("reported-failure", "reported a failure", true, reported);
    for outcome in [
        Outcome::Invalid,
        Outcome::NotAllowed,
        Outcome::NotFound,
        Outcome::Conflict,
        Outcome::TooMuch,
    ] {
        let id = format!("handled-{}", outcome.as_str());
        let title = format!(
            "was answered {} and then did the same call well",
            outcome.as_str()
        );
        add(&id, &title, true, seen.handled(outcome));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn seen(what: &str, outcome: Outcome, first: i64, last: i64) -> Observation {
        Observation {
            what: what.to_owned(),
            outcome,
            count: 2,
            first_at: at(first),
            last_at: at(last),
        }
    }

    fn state(items: &[Item], id: &str) -> State {
        let found = items.iter().find(|item| item.id == id);
        found.expect("it is on the list").state
    }

    #[test]
    fn at_first_everything_that_applies_is_open() {
        let roles = Roles {
            publishes: true,
            takes_pushes: true,
            fetches_files: false,
        };
        let items = checklist(&[Form::Single, Form::Batch], roles, &[]);
        assert_eq!(items.len(), 12);
        assert_eq!(state(&items, "registered"), State::Open);
        assert_eq!(state(&items, "published-batch"), State::Open);
        assert_eq!(state(&items, "published-compound"), State::NotApplicable);
        assert_eq!(state(&items, "received-pushes"), State::Open);
        assert_eq!(state(&items, "fetched-event-files"), State::NotApplicable);
    }

    #[test]
    fn what_was_done_is_done_whoever_asks_for_it() {
        let seen = [
            seen("PUT /v1/endpoint", Outcome::Done, 5, 9),
            seen("publish compound", Outcome::Done, 5, 5),
            seen("GET /v1/eventfiles/{name}", Outcome::Done, 5, 5),
        ];
        let items = checklist(&[], Roles::default(), &seen);
        assert_eq!(state(&items, "registered"), State::Done);
        assert_eq!(items[0].since, Some(at(5)));
        assert_eq!(state(&items, "published-compound"), State::Done);
        assert_eq!(
            state(&items, "fetched-event-files"),
            State::NotApplicable,
            "fetched, but never deleted"
        );
    }

    #[test]
    fn an_error_is_handled_when_the_same_call_succeeds_afterwards() {
        for (done_at, expected) in [(8, State::Done), (3, State::Open)] {
            let seen = [
                seen("POST /v1/event", Outcome::Done, 1, done_at),
                seen("POST /v1/event", Outcome::Invalid, 5, 6),
                seen("PUT /v1/endpoint", Outcome::NotFound, 5, 6),
            ];
            let items = checklist(&[], Roles::default(), &seen);
            assert_eq!(state(&items, "handled-400"), expected);
            assert_eq!(state(&items, "handled-404"), State::Open);
        }
    }

    #[test]
    fn statuses_are_put_into_classes() {
        for (status, outcome) in [
            (200, Outcome::Done),
            (304, Outcome::Done),
            (401, Outcome::NotAllowed),
            (403, Outcome::NotAllowed),
            (503, Outcome::Other),
        ] {
            assert_eq!(Outcome::of_status(status), outcome);
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
    }
}
