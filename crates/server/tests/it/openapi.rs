//! `/openapi.json`: the document that the server tells of itself is whole, and changes only on purpose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::TestHub;

async fn document(hub: &TestHub) -> Value {
    let answer = hub.http.json("GET", "/openapi.json", None, None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.json()
}

/// Every operation: `(method, path, operation)`.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            operations.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    operations
}

#[tokio::test]
async fn every_route_is_told_and_no_other() {
    let hub = TestHub::start().await;
    let document = document(&hub).await;
    assert_eq!(document["openapi"], "3.1.0");
    let told: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let routes = hub.server.routes.iter();
    let served: BTreeSet<_> = routes
        .map(|route| (route.method.to_string(), route.path.replace("{*", "{")))
        .collect();
    assert_eq!(told, served);
}

#[tokio::test]
async fn every_operation_says_who_may_call_it_and_what_it_answers() {
    let hub = TestHub::start().await;
    let document = document(&hub).await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(
            ids.insert(id.to_owned()),
            "{method} {path}: the id {id} is used twice"
        );
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{method} {path}"
        );
        let schemes = &document["components"]["securitySchemes"];
        for one in operation["security"].as_array().expect("security") {
            for scheme in one.as_object().expect("a scheme").keys() {
                assert!(schemes.get(scheme).is_some(), "{method} {path}: {scheme}");
            }
        }
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{method} {path}"
        );
        assert!(
            responses.contains_key("default"),
            "{method} {path}: how it refuses"
        );
        // Parameters of the path are told, each once.
        let in_path: Vec<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"]
            .as_array()
            .expect("parameters")
            .iter();
        let told: Vec<&str> = parameters
            .filter(|p| p["in"] == "path")
            .filter_map(|p| p["name"].as_str())
            .collect();
        assert_eq!(told, in_path, "{method} {path}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let hub = TestHub::start().await;
    let document = document(&hub).await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => references.push(text.clone()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

/// A change of the published interface shows here. Review it with `cargo insta review`, or run once with
/// `INSTA_UPDATE=always`.
#[tokio::test]
async fn the_interface_changes_only_on_purpose() {
    let hub = TestHub::start().await;
    let document = document(&hub).await;
    let mut lines: Vec<String> = operations(&document)
        .iter()
        .map(|(method, path, op)| summary(method, path, op))
        .collect();
    lines.sort();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("openapi", lines.join("\n"));
    });
}

/// A snapshot that no test compares any more would look like a promise.
#[test]
fn every_snapshot_is_compared() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let sources = files(&here)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let tests: String = sources
        .map(|path| std::fs::read_to_string(path).expect("text"))
        .collect();
    for path in files(&here.join("snapshots")) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let is_compared = name
            .strip_suffix(".snap")
            .is_some_and(|name| tests.contains(&format!("\"{name}\"")));
        assert!(
            is_compared,
            "snapshots/{name}: no test compares it, or it was not reviewed"
        );
    }
}

/// One line: path, method, who, what goes in, what comes out.
fn summary(method: &str, path: &str, operation: &Value) -> String {
    let who = operation["description"].as_str().unwrap_or_default();
    let mut line = format!("{path} {method}: {who}");
    let parameters = operation["parameters"]
        .as_array()
        .expect("parameters")
        .iter();
    for one in parameters.filter(|p| p["in"] == "query") {
        line += &format!(" ?{}", one["name"].as_str().unwrap_or_default());
    }
    if let Some(body) = operation.pointer("/requestBody/content") {
        line += &format!(" < {}", content(body));
    }
    for (status, response) in operation["responses"].as_object().expect("responses") {
        if status != "default" {
            line += &format!(" > {status} {}", content(&response["content"]));
        }
    }
    line
}

fn content(content: &Value) -> String {
    let members = content.as_object().into_iter().flatten();
    let told = members.map(|(media, told)| format!("{media} {}", shape(&told["schema"])));
    told.collect::<Vec<_>>().join(", ")
}

/// A schema in a word or two: `{name, id?}`, `[string]`, `boolean`.
fn shape(schema: &Value) -> String {
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let name = |name: &String| {
            let mark = if required.iter().any(|one| one == name) {
                ""
            } else {
                "?"
            };
            format!("{name}{mark}")
        };
        let names: Vec<String> = properties.keys().map(name).collect();
        return format!("{{{}}}", names.join(", "));
    }
    match &schema["type"] {
        Value::String(word) if word == "array" => format!("[{}]", shape(&schema["items"])),
        Value::String(word) => word.clone(),
        _ => "any".to_owned(),
    }
}
