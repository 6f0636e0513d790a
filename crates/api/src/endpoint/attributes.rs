//! `/v1/endpointattributes/authkey/{key}`: credentials and connection details with which the exchange calls the
//! endpoint. Each call overwrites the one before, and is in effect at once.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use model::Invalid;
use model::reader::Reader;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::ApiState;
use crate::asked::InPath;
use crate::body::Payload;
use crate::caller::{self, Caller, EndpointKey};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};

/// Names and values as the endpoint defines them; the bare object of them is taken as well.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by people")]
struct AttributesBody {
    /// Values are strings, numbers or booleans; at most 100, of at most 8 KiB each.
    attributes: HashMap<String, Value>,
}

pub(super) fn routes(door: &mut Door) {
    let about = || {
        About::new("Say with which credentials to call the endpoint; in effect at once")
            .body::<AttributesBody>()
            .answers::<bool>()
    };
    door.put("/v1/endpointattributes/authkey/{key}", set, about());
    door.post("/v1/endpointattributes/authkey/{key}", set, about());
}

async fn set(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    InPath(key): InPath,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    if caller::bearer(&headers)?.as_deref() != Some(unquoted(&key)) {
        let message = "the key in the path is not the key of the Authorization header: send the same key twice";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    let attributes = attributes(&payload.json()?)?;
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    let verb = state
        .hub
        .endpoint_set_attributes(&actor, scope, id, attributes);
    verb.await?;
    Ok(Json(true))
}

/// The published example has the key in quotes, and copies of it have typographic ones.
fn unquoted(key: &str) -> &str {
    key.trim().trim_matches(['"', '\'', '“', '”'])
}

fn attributes(body: &Value) -> Result<HashMap<String, String>, Invalid> {
    let mut invalid = Invalid::default();
    let mut attributes = HashMap::new();
    let Some(whole) = Reader::new(body, "", &mut invalid) else {
        return Err(invalid);
    };
    let reader = match whole.get("attributes") {
        None => whole,
        Some(_) => match whole.object("attributes", &mut invalid) {
            Some(reader) => reader,
            None => return Err(invalid),
        },
    };
    for name in reader.names() {
        let text = match reader.get(name) {
            None => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(other) => {
                let found = model::reader::type_name(other);
                let message = format!("expected a string, a number or a boolean, found {found}");
                invalid.add(reader.pointer(name), "type", message);
                continue;
            }
        };
        attributes.insert(name.clone(), text);
    }
    invalid.or(attributes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_and_every_scalar() {
        let expected = HashMap::from([
            ("userId".to_owned(), "me".to_owned()),
            ("port".to_owned(), "8443".to_owned()),
            ("tls".to_owned(), "true".to_owned()),
        ]);
        let flat = json!({ "userId": "me", "port": 8443, "tls": true, "realm": null });
        assert_eq!(attributes(&flat), Ok(expected.clone()));
        let wrapped = json!({ "attributes": flat, "version": 1 });
        assert_eq!(attributes(&wrapped), Ok(expected));
    }

    #[test]
    fn each_violation_says_where() {
        let pointers = |body: Value| -> Vec<String> {
            let invalid = attributes(&body).expect_err("it breaks a rule");
            invalid.violations.into_iter().map(|v| v.pointer).collect()
        };
        assert_eq!(pointers(json!(["userId"])), [""]);
        assert_eq!(pointers(json!({ "attributes": [] })), ["/attributes"]);
        assert_eq!(pointers(json!({ "a/b": {}, "c": [1] })), ["/a~1b", "/c"]);
        assert_eq!(
            pointers(json!({ "attributes": { "x": {} } })),
            ["/attributes/x"]
        );
    }

    #[test]
    fn a_key_in_quotes_is_the_key() {
        for text in ["re_1", "\"re_1\"", "“re_1”", " 're_1' "] {
            assert_eq!(unquoted(text), "re_1");
        }
    }
}
