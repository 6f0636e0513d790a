//! What a job found and what came of it, for people. What is not known here is shown as it is written down.

use hub::Job;
use jiff::Timestamp;
use maud::{Markup, html};
use model::EndpointId;
use serde_json::{Map, Value};

use crate::event::endpoint;
use crate::home::grouped;
use crate::time;
use crate::visitor::{In, Viewer};

/// Members that are shown by themselves.
const KNOWN: [&str; 11] = [
    "receipt",
    "digests",
    "reports",
    "lists",
    "failed",
    "lastTrouble",
    "problems",
    "operationType",
    "places",
    "searchedLogBefore",
    "verified",
];

pub(super) fn of(of: &In<Viewer>, job: &Job) -> Markup {
    let Value::Object(report) = &job.report else {
        return html! {};
    };
    let others = report.iter().filter(|(name, value)| {
        !KNOWN.contains(&name.as_str()) && name.as_str() != "clearedAt" && !value.is_null()
    });
    let others: Map<String, Value> = others.map(|(k, v)| (k.clone(), v.clone())).collect();
    html! {
        @if let Some(text) = report.get("failed").and_then(Value::as_str) { p.said.bad { (text) } }
        @if let Some(text) = report.get("lastTrouble").and_then(Value::as_str) {
            @if !job.status.is_final() { p.warning { "The last trouble: " (text) } }
        }
        @if let Some(receipt) = report.get("receipt") { (receipt_of(receipt, report.get("digests"))) }
        @if let Some(lists) = report.get("lists").and_then(Value::as_array) { (lists_of(of, lists)) }
        @if report.contains_key("places") || report.contains_key("verified") { (privacy(report)) }
        @if let Some(problems) = report.get("problems").and_then(Value::as_array) {
            @if !problems.is_empty() {
                h2 { "Rows that were not taken" }
                ul { @for problem in problems.iter().filter_map(Value::as_str) { li { (problem) } } }
            }
        }
        @if !others.is_empty() {
            h2 { "Also" }
            pre.code tabindex="0" { (serde_json::to_string_pretty(&others).unwrap_or_default()) }
        }
    }
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| "–".to_owned(), grouped)
}

fn instant(value: &Value) -> Markup {
    let at = value
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    html! { @match at { Some(at) => (time::at(at)), None => "–" } }
}

fn receipt_of(receipt: &Value, digests: Option<&Value>) -> Markup {
    let parcels = receipt["handedOver"].as_array();
    let parcels = parcels.map(Vec::as_slice).unwrap_or_default();
    let digest = |file: &Value| &digests.unwrap_or(&Value::Null)[file.as_str().unwrap_or_default()];
    html! {
        h2 { "Receipt" }
        dl.properties {
            dt { "Handed over" } dd { (instant(&receipt["at"])) }
            dt { "Rows sent" } dd { (number(&receipt["rowsSent"])) }
            dt { "Accepted there" } dd { @if receipt["rowsAccepted"].is_null() { "the destination does not say" } @else { (number(&receipt["rowsAccepted"])) } }
            @if !receipt["rowsRefused"].is_null() { dt { "Refused there" } dd { (number(&receipt["rowsRefused"])) } }
            @if let Some(rate) = receipt["matchRate"].as_f64() { dt { "Match rate" } dd { progress max="100" value=(rate) aria-label="Match rate" {} " " (rate) " % of the rows that were read" } }
            @if receipt["valuesLeftEmpty"].as_u64().is_some_and(|values| values > 0) {
                dt { "Values left empty" } dd { (number(&receipt["valuesLeftEmpty"])) ", because they could not be sent" }
            }
        }
        @if !parcels.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Handed over" { table {
                thead { tr { th scope="col" { "File" } th scope="col" { "Does" } th.number scope="col" { "Rows" } th.number scope="col" { "Bytes" } th scope="col" { "SHA-256" } } }
                tbody { @for parcel in parcels { tr {
                    @let digest = digest(&parcel["file"]);
                    td { (parcel["file"].as_str().unwrap_or("–")) }
                    td { (parcel["shareAction"].as_str().unwrap_or("–")) }
                    td.number { (number(&parcel["rows"])) }
                    td.number { (number(&digest["bytes"])) }
                    td { code { (digest["sha256"].as_str().unwrap_or("–")) } }
                } } }
            } }
        }
    }
}

/// What the endpoints answered to being asked for their audiences.
fn lists_of(of: &In<Viewer>, lists: &[Value]) -> Markup {
    html! {
        h2 { "What they answered" }
        div.scroll tabindex="0" role="region" aria-label="Answers" { table {
            thead { tr { th scope="col" { "Endpoint" } th scope="col" { "As" } th.number scope="col" { "Audiences" } th scope="col" { "Answer" } } }
            tbody { @for list in lists { tr {
                td { @if let Some(id) = list["endpointId"].as_i64() { (endpoint(of, EndpointId(id))) } }
                td { (list["role"].as_str().unwrap_or("–")) }
                td.number { (number(&list["segments"])) }
                td { @match list["error"].as_str() {
                    Some(why) => { span.status.failed { "failed" } " " span.said-by-stranger { (why) } }
                    None => {
                        span.status.active { "told" }
                        @if list["unreadable"].as_u64().is_some_and(|count| count > 0) { " " (number(&list["unreadable"])) " could not be read" }
                    }
                } }
            } } }
        } }
    }
}

/// What a place is called, for people.
fn place(name: &str) -> String {
    match name {
        "log" => "events in the log",
        "others" => "jobs that were under way",
        "event files" => "rows in event files",
        "data files" => "rows in files of other jobs",
        "identities" => "identifiers",
        "facts" => "facts that joined them",
        "restrict" => "people restricted",
        "lift" => "people no longer restricted",
        "collect" => "documents collected",
        "jobs" => "reports of other jobs",
        "quarantine" => "refused events",
        "rows of shares" => "what shares have sent",
        "test pushes" => "pushes of test drives",
        other => other,
    }
    .to_owned()
}

fn privacy(report: &Map<String, Value>) -> Markup {
    let empty = Map::new();
    let places = report.get("places").and_then(Value::as_object);
    let places = places.unwrap_or(&empty);
    let verified = report.get("verified");
    html! {
        h2 { "What was found, place by place" }
        div.scroll tabindex="0" role="region" aria-label="Places" { table {
            thead { tr { th scope="col" { "Place" } th.number scope="col" { "Found" } @if verified.is_some() { th.number scope="col" { "Left, when looked for again" } } } }
            tbody { @for (name, found) in places { tr {
                td { (place(name)) }
                td.number { (number(found)) }
                @if let Some(verified) = verified { td.number { @if !verified["left"][name].is_null() { (number(&verified["left"][name])) } } }
            } } }
        } }
        @if places.is_empty() { p { "Nothing was found anywhere." } }
        dl.properties {
            @if let Some(end) = report.get("searchedLogBefore").filter(|end| !end.is_null()) { dt { "The log was searched" } dd { "before position " (number(end)) } }
            @if let Some(verified) = verified {
                @let left: u64 = verified["left"].as_object().map_or(0, |left| left.values().filter_map(Value::as_u64).sum());
                dt { "Looked for again" } dd { (instant(&verified["at"])) ": "
                    @if left == 0 { span.status.active { "nothing was left" } } @else { span.status.failed { (grouped(left)) " were still there" } } }
            }
            @if let Some(at) = report.get("clearedAt") { dt { "The request itself was cleared away" } dd { (instant(at)) } }
        }
    }
}
