//! Query parameters and pages of lists.
//!
//! A list is asked for one row more than it may show: so `next` is null on the last page, and never leads to an empty
//! one.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use hub::Page;
use model::Invalid;
use model::invalid::shown;
use schemars::JsonSchema;
use serde::Serialize;

use crate::ApiState;
use crate::door::About;
use crate::problem::Problem;

/// Rows of a page when none are asked for.
const LIMIT_DEFAULT: usize = 100;
/// Rows of a page at most: what a client reads and we build in one piece.
const LIMIT_MAX: usize = 1_000;

/// One page of a list.
#[derive(Serialize, JsonSchema)]
pub(super) struct List<T, N = i64> {
    pub(super) items: Vec<T>,
    /// `?after=` for the following page; null on the last one.
    pub(super) next: Option<N>,
}

/// Which page of a list of numbered things is asked for.
#[derive(Clone, Copy)]
pub(super) struct Paging {
    pub(super) after: i64,
    pub(super) limit: usize,
}

impl Paging {
    /// One row more than asked for.
    pub(super) fn page(self) -> Page {
        Page {
            after: self.after,
            limit: wanted(self.limit),
        }
    }

    /// The page, of rows that were fetched with [`Paging::page`].
    pub(super) fn list<R, T>(
        self,
        mut rows: Vec<R>,
        id: impl Fn(&R) -> i64,
        view: impl FnMut(R) -> T,
    ) -> List<T> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        List {
            next: rows.last().filter(|_| has_more).map(id),
            items: rows.into_iter().map(view).collect(),
        }
    }
}

/// One row more than a page shows.
pub(super) fn wanted(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// The query of a call. Each parameter is read by its name; [`Params::finish`] refuses what is left over.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    invalid: Invalid,
}

impl FromRequestParts<ApiState> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &ApiState) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|_| {
            Problem::invalid("", "query", "the query is not of the form `?name=value&…`")
        })?;
        Ok(Self {
            pairs: pairs.0,
            known: Vec::new(),
            invalid: Invalid::default(),
        })
    }
}

impl Params {
    /// The value of a parameter, unless absent or empty.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    }

    /// A parameter that `parse` understands, or a violation.
    pub(super) fn word<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            let message = format!("`{name}` is {}: expected {expected}", shown(&text));
            self.invalid.add("", "query", message);
        }
        value
    }

    pub(super) fn id<T: FromStr>(&mut self, name: &'static str) -> Option<T> {
        self.word(name, "an id, a whole number from 1", |text| {
            text.parse().ok()
        })
    }

    pub(super) fn limit(&mut self) -> usize {
        let parse = |text: &str| {
            let number = text.parse().ok()?;
            (1..=LIMIT_MAX).contains(&number).then_some(number)
        };
        self.word("limit", "a whole number from 1 to 1000", parse)
            .unwrap_or(LIMIT_DEFAULT)
    }

    pub(super) fn paging(&mut self) -> Paging {
        let parse = |text: &str| text.parse().ok().filter(|number| *number >= 0);
        let after = self.word("after", "the `next` of the page before", parse);
        Paging {
            after: after.unwrap_or(0),
            limit: self.limit(),
        }
    }

    /// Every violation, unknown parameters among them.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            if !self.known.contains(&name.as_str()) {
                let message = format!(
                    "{} is not a parameter of this call: {}",
                    shown(name),
                    super::input::those_known(&self.known)
                );
                self.invalid.add("", "unknown-parameter", message);
            }
        }
        Ok(self.invalid.or(())?)
    }
}

/// Says that a list comes in pages.
pub(super) fn paged(about: About) -> About {
    about
        .query("after", "the `next` of the page before")
        .query("limit", "items on a page, 1 to 1000; 100 if not given")
}
