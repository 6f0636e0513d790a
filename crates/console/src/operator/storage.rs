//! How much the exchange keeps, where, and how full that is.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::storage::{LogSize, Storage};
use maud::{Markup, html};

use crate::ConsoleState;
use crate::home::grouped;
use crate::page;
use crate::problem;
use crate::time;
use crate::visitor::Operator;

/// Above this part of its size the log is soon trimmed by size, and no more by age.
const NEARLY_FULL_PERCENT: u64 = 80;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/operator/storage", get(storage))
}

async fn storage(of: Operator) -> Response {
    let storage = match of.hub().storage().await {
        Ok(storage) => storage,
        Err(error) => return problem::of(of.state(), &error),
    };
    let log: u64 = storage.logs.iter().map(|log| log.bytes).sum();
    let full = log.saturating_mul(100) / storage.log_bytes_max.max(1);
    let retention = &of.hub().options().retention;
    let files = |count: u64| format!("{} files", grouped(count));
    let content = html! {
        h1 { "Storage" }
        dl.figures {
            (figure("Log", log, "events, as they were published", full >= NEARLY_FULL_PERCENT))
            (figure("Database", storage.db_bytes, "accounts, subscriptions, jobs, identities", false))
            (figure("Event files", storage.event_files.bytes, &files(storage.event_files.count), false))
            (figure("Files of jobs", storage.job_files.bytes, &files(storage.job_files.count), false))
        }
        h2 { "How full the log is" }
        p { label { (full) " % of the " (bytes(storage.log_bytes_max)) " that it may take " progress value=(full.min(100)) max="100" { (full) " %" } } }
        @if full >= NEARLY_FULL_PERCENT { p.warning { "When it is full, the oldest events go first, whoever still needs them. Give it more room ([retention] log_bytes_max), or look at which destinations are behind." } }
        p { "Events are kept for " (time::length(retention.age)) ", and for who still needs them for " (time::length(retention.backlog_age_max)) " at most." }
        (logs(&storage))
    };
    page::for_operator(&of, "/storage", "Storage", &content).into_response()
}

fn figure(name: &str, size: u64, note: &str, is_bad: bool) -> Markup {
    html! { div.bad[is_bad] { dt { (name) } dd { strong { (bytes(size)) } span { (note) } } } }
}

fn logs(storage: &Storage) -> Markup {
    let oldest =
        |log: &LogSize| html! { @if let Some(at) = log.oldest { (time::at(at)) } @else { "–" } };
    html! {
        h2 { "Shards" }
        div.scroll tabindex="0" role="region" aria-label="Shards" { table {
            thead { tr { th scope="col" { "Shard" } th.number scope="col" { "Size" } th.number scope="col" { "Batches" } th scope="col" { "Oldest" } } }
            tbody { @for log in &storage.logs { tr {
                th scope="row" { (log.shard) }
                td.number { (bytes(log.bytes)) }
                td.number { (grouped(log.batches)) }
                td { (oldest(log)) }
            } } }
        } }
    }
}

/// A size for people, in the largest unit that is not 0, with one digit behind the point.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (1..UNITS.len()).rev().find(|unit| size >> (10 * unit) > 0);
    let Some(unit) = unit else {
        return format!("{size} bytes");
    };
    let tenths = (size >> (10 * (unit - 1))) * 10 / 1_024;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_written_in_the_largest_unit() {
        for (size, expected) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_536, "1.5 KiB"),
            (64 << 30, "64.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
    }
}
