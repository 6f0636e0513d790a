//! The audit trail as a file, written while it is read: a page in memory at a time, however long the trail is.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use hub::{AuditFilter, Page};
use model::AccountId;

use super::{AuditView, Params, filter};
use crate::ApiState;
use crate::problem::Problem;

/// Entries read, and sent, in one piece.
const PAGE_ROWS: i64 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

const CSV_HEAD: &str =
    "id,createdAt,accountId,actor,actorName,action,subject,detail,address,requestId\r\n";

pub(super) fn file(
    state: ApiState,
    account: Option<AccountId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = filter(&mut params, account);
    let format = params.word("format", "`ndjson` or `csv`", |text| match text {
        "ndjson" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        _ => None,
    });
    params.finish()?;
    let format = format.unwrap_or(Format::Ndjson);
    let (media, name, head) = match format {
        Format::Ndjson => ("application/x-ndjson", "audit.ndjson", ""),
        Format::Csv => ("text/csv; charset=utf-8", "audit.csv", CSV_HEAD),
    };
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let begun = Some((0, head.to_owned()));
    let pages = stream::try_unfold(begun, move |at| {
        let (state, filter) = (state.clone(), filter.clone());
        async move {
            let Some((after, mut text)) = at else {
                return Ok(None);
            };
            let next = page(&state, &filter, format, after, &mut text).await?;
            let next = next.map(|after| (after, String::new()));
            Ok::<_, hub::Error>(Some((Bytes::from(text), next)))
        }
    });
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// Adds the entries after one; answers where to go on, if there may be more.
async fn page(
    state: &ApiState,
    filter: &AuditFilter,
    format: Format,
    after: i64,
    text: &mut String,
) -> Result<Option<i64>, hub::Error> {
    let page = Page {
        after,
        limit: PAGE_ROWS,
    };
    let entries = state.hub.audit_trail(filter, page).await?;
    let is_last = entries.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
    let last = entries.last().map(|entry| entry.id);
    for entry in entries {
        let view = AuditView::from(entry);
        match format {
            Format::Ndjson => {
                let line = serde_json::to_string(&view).map_err(hub::Error::internal)?;
                text.push_str(&line);
                text.push('\n');
            }
            Format::Csv => row(&view, text),
        }
    }
    Ok(last.filter(|_| !is_last))
}

fn row(view: &AuditView, text: &mut String) {
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let fields = [
        view.id.to_string(),
        view.created_at.to_string(),
        view.account_id
            .map_or_else(String::new, |id| id.to_string()),
        view.actor.clone(),
        optional(&view.actor_name),
        view.action.clone(),
        view.subject.clone(),
        view.detail.to_string(),
        optional(&view.address),
        optional(&view.request_id),
    ];
    text.push_str(&fields.map(|field| quoted(&field)).join(","));
    text.push_str("\r\n");
}

/// As RFC 4180 has it. What a spreadsheet would take for a formula begins with an apostrophe, which it does not show.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if is_formula || field.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_breaks_its_row_or_calculates() {
        for (field, written) in [
            ("user 3", "user 3"),
            ("a,b", "\"a,b\""),
            ("{\"a\":1}", "\"{\"\"a\"\":1}\""),
            ("=cmd()", "\"'=cmd()\""),
            ("+ada@example.com", "\"'+ada@example.com\""),
            ("", ""),
        ] {
            assert_eq!(quoted(field), written);
        }
    }
}
