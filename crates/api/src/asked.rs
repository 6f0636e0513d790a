//! What a call says in its path and its query: read tolerantly, refused with the same documents as everything else.
//!
//! Called by the handlers of the published API. Names of query parameters are taken in any letter case, and unknown
//! ones are ignored, because clients in the field write both.

use std::str::FromStr;

use axum::RequestPartsExt as _;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use model::EndpointId;
use model::invalid::{Invalid, shown};

use crate::problem::{Kind, Problem};

/// The one parameter of a path, decoded.
pub(crate) struct InPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = parts.extract::<Path<String>>().await else {
            let message = "the path is not UTF-8 once it is decoded, so it names nothing here";
            return Err(Problem::new(Kind::NotFound, message));
        };
        Ok(Self(text))
    }
}

impl InPath {
    /// The endpoint that the path names. What cannot be an id is not there.
    pub(crate) fn endpoint(&self) -> Result<EndpointId, Problem> {
        EndpointId::from_str(self.0.trim()).map_err(|_| {
            let message = format!("there is no endpoint {}", shown(&self.0));
            Problem::new(Kind::NotFound, message)
        })
    }
}

/// The query's parameters.
#[derive(Debug, Default)]
pub(crate) struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl Asked {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        match Query::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(Problem::invalid(
                "",
                "query",
                "the query is not of the form `name=value&name=value`",
            )),
        }
    }

    /// The first value of a parameter, empty when it was named without one.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// A parameter that says something.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// `true` or `false`; a parameter that is only named counts as `true`.
    pub(crate) fn flag(&self, name: &str, invalid: &mut Invalid) -> bool {
        let Some(value) = self.raw(name) else {
            return false;
        };
        match value.to_ascii_lowercase().as_str() {
            "" | "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                let message = format!("{name} is {}: expected true or false", shown(value));
                invalid.add("", "query", message);
                false
            }
        }
    }

    /// A whole number of at least 1.
    pub(crate) fn count(&self, name: &str, invalid: &mut Invalid) -> Option<u64> {
        let value = self.text(name)?;
        let number = value.parse::<u64>().ok().filter(|number| *number > 0);
        if number.is_none() {
            let message = format!("{name} is {}: expected a whole number from 1", shown(value));
            invalid.add("", "query", message);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let uri = format!("/v1/endpoint?{query}").parse().expect("a URI");
        Asked::of(&uri).expect("a query")
    }

    #[test]
    fn names_in_any_letter_case_and_the_first_of_several() {
        let asked = asked("EndpointID=7&pagesize=&endpointId=8&name=a+b%20c");
        assert_eq!(asked.text("endpointId"), Some("7"));
        assert_eq!(asked.text("pageSize"), None, "nothing was said");
        assert_eq!(asked.text("name"), Some("a b c"));
    }

    #[test]
    fn flags_and_counts() {
        let mut invalid = Invalid::default();
        let asked = asked(
            "a=true&b&c=FALSE&d=maybe&one=1&zero=0&minus=-3&word=ten&huge=99999999999999999999",
        );
        for (name, expected) in [("a", true), ("b", true), ("c", false), ("missing", false)] {
            assert_eq!(asked.flag(name, &mut invalid), expected, "{name}");
        }
        assert_eq!(asked.count("one", &mut invalid), Some(1));
        assert_eq!(asked.count("missing", &mut invalid), None);
        assert!(invalid.is_empty());

        assert!(!asked.flag("d", &mut invalid));
        for name in ["zero", "minus", "word", "huge"] {
            assert_eq!(asked.count(name, &mut invalid), None, "{name}");
        }
        assert_eq!(invalid.violations.len(), 5, "each is told");
    }
}
