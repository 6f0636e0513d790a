//! The OpenAPI 3.1 document, made from the table of routes.

use serde_json::{Map, Value, json};

use crate::door::{Level, RouteInfo};

/// The whole document.
pub(crate) fn document(routes: &[RouteInfo]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = route.path.replace("{*", "{");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = item {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rialto",
            "summary": "An open exchange for customer events and audiences",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "A key of the level that the operation names." },
                "operator": { "type": "http", "scheme": "bearer", "description": "The operator token." },
                "query": { "type": "apiKey", "in": "query", "name": "key", "description": "An event-only key, for beacons." },
            },
            "schemas": { "Problem": problem() },
            "responses": {
                "Problem": {
                    "description": "Why the call was refused",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
    })
}

fn operation(route: &RouteInfo) -> Value {
    let about = &route.about;
    let (status, schema) = about.answer.clone().unwrap_or((200, json!({})));
    let media = about.media.unwrap_or("application/json");
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": about.summary,
        "description": format!("Needs {}.", route.level.needs()),
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": {
            status.to_string(): { "description": "Done", "content": { media: { "schema": schema } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
        "security": match route.level {
            Level::Public => json!([]),
            Level::Operator => json!([{ "operator": [] }]),
            Level::EventKey => json!([{ "key": [] }, { "query": [] }]),
            _ => json!([{ "key": [] }]),
        },
    });
    if let Some(body) = &about.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    operation
}

fn parameters(route: &RouteInfo) -> Vec<Value> {
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let in_query = route.about.query.iter();
    parameters.extend(in_query.map(|(name, what)| {
        json!({ "name": name, "in": "query", "required": false, "description": what, "schema": { "type": "string" } })
    }));
    parameters
}

/// `get_v1_eventfiles_name`
fn operation_id(route: &RouteInfo) -> String {
    let words = route
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words {
        id.push('_');
        id.push_str(word);
    }
    id
}

fn tag(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/manage/") => "manage",
        _ if path.starts_with("/v1/") => "exchange",
        _ => "service",
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "message"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "message": { "type": "string", "description": "The same as detail: an answer with this member is an error." },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "message"],
                    "properties": {
                        "pointer": { "type": "string" },
                        "code": { "type": "string" },
                        "message": { "type": "string" },
                    },
                },
            },
        },
    })
}
