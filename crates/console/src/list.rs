//! Lists, as every page shows them: a page of rows and where to go on, what was searched for in the address so that a
//! link can be shared, and the same rows as CSV under `?format=csv`.
//!
//! A handler reads [`Asked`] from its address, takes its rows by [`by_id`] or [`by_key`], says its [`Column`]s once, and
//! answers [`csv`] or a page with [`table`] in it. Promises: a page never asks for more than [`ROWS`] rows and one, a file
//! has [`CSV_ROWS_MAX`] at most and says so in its name, and no cell of a file is a formula to a spreadsheet.

use std::future::Future;

use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use hub::Page;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::form::{self, Form};
use crate::home::grouped;
use crate::time;

/// Rows on one page.
pub(crate) const ROWS: usize = 50;
/// Rows of one file.
pub(crate) const CSV_ROWS_MAX: usize = 100_000;
/// Rows read at a time where more than a page is looked through.
const STEP: i64 = 1_000;

/// What a list was asked for.
pub(crate) struct Asked {
    path: String,
    query: Form,
}

impl Asked {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self {
            path: uri.path().to_owned(),
            query: form::query(uri),
        }
    }

    /// The same question, whose links lead to another address: where a part of a page is asked for by itself.
    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// A filter; empty when it is not set.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> &'a str {
        self.query.text(name)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.query.number(name)
    }

    /// The key of the last row before the page.
    pub(crate) fn after(&self) -> &str {
        self.text("after")
    }

    pub(crate) fn is_csv(&self) -> bool {
        self.text("format") == "csv"
    }

    /// Whether anything was searched for.
    pub(crate) fn is_filtered(&self) -> bool {
        let mut kept = self.kept("");
        kept.any(|(_, value)| !value.is_empty())
    }

    /// The address of the same list from its beginning, with one more or another filter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.kept(name));
        if !value.is_empty() {
            query.append_pair(name, value);
        }
        match query.finish().as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// The filters but one; where a page begins and in which form are none.
    fn kept<'a>(&'a self, but: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields = self.query.fields();
        fields.filter(move |(name, value)| {
            !value.is_empty() && *name != but && !["after", "format"].contains(name)
        })
    }

    /// A choice between a few values of one filter; the empty one is all.
    pub(crate) fn tabs(&self, label: &str, name: &str, choices: &[(&str, &str)]) -> Markup {
        html! {
            nav.tabs aria-label=(label) {
                @for (word, value) in choices {
                    a href=(self.with(name, value)) aria-current=[(self.text(name) == *value).then_some("page")] { (word) }
                }
            }
        }
    }

    /// The form that searches by words: name and label of each. What else is filtered by stays.
    pub(crate) fn search(&self, fields: &[(&str, &str)]) -> Markup {
        let others = self.query.fields().filter(|(name, _)| {
            !["after", "format"].contains(name) && fields.iter().all(|(known, _)| known != name)
        });
        html! {
            form.search.wide[fields.len() > 1] role="search" method="get" {
                @for (name, value) in others { input type="hidden" name=(name) value=(value); }
                @for (name, label) in fields {
                    label { span.visually-hidden { (label) } input type="search" name=(name) value=(self.text(name)) placeholder=(label); }
                }
                button type="submit" { "Find" }
            }
        }
    }
}

/// The rows of one page or file.
pub(crate) struct Rows<T> {
    pub(crate) rows: Vec<T>,
    /// What `after` says for those behind them; `None` at the end.
    pub(crate) next: Option<String>,
}

/// The rows that were asked for, of a list that goes by number. `keep` says which of those that `page` finds are wanted.
pub(crate) async fn by_id<T, F>(
    asked: &Asked,
    id: impl Fn(&T) -> i64,
    keep: impl Fn(&T) -> bool,
    page: impl Fn(Page) -> F,
) -> hub::Result<Rows<T>>
where
    F: Future<Output = hub::Result<Vec<T>>>,
{
    let key = |row: &T| id(row).to_string();
    by_key(asked, key, keep, |after, limit| {
        let after = after.parse().unwrap_or(0);
        page(Page { after, limit })
    })
    .await
}

/// The same where rows have another key, which is text in the address. `page` is given the last key and how many are
/// wanted; fewer are the end.
pub(crate) async fn by_key<T, F>(
    asked: &Asked,
    key: impl Fn(&T) -> String,
    keep: impl Fn(&T) -> bool,
    page: impl Fn(String, i64) -> F,
) -> hub::Result<Rows<T>>
where
    F: Future<Output = hub::Result<Vec<T>>>,
{
    let rows_max = if asked.is_csv() { CSV_ROWS_MAX } else { ROWS };
    // The first look is for a page; only what is sifted, or a file, needs more.
    let mut limit = if asked.is_csv() { STEP } else { 51 };
    let mut after = asked.after().to_owned();
    let mut rows = Vec::new();
    loop {
        let found = page(after.clone(), limit).await?;
        let is_end = i64::try_from(found.len()).is_ok_and(|found| found < limit);
        if let Some(last) = found.last() {
            after = key(last);
        }
        rows.extend(found.into_iter().filter(&keep));
        if is_end || rows.len() > rows_max {
            let has_more = rows.len() > rows_max;
            rows.truncate(rows_max);
            let next = rows.last().filter(|_| has_more).map(&key);
            return Ok(Rows { rows, next });
        }
        limit = STEP;
    }
}

/// The rows that were asked for, of all that there are: `after` is how many lie before the page.
pub(crate) fn pages<T>(asked: &Asked, all: Vec<T>) -> Rows<T> {
    let rows_max = if asked.is_csv() { CSV_ROWS_MAX } else { ROWS };
    let skipped = asked.number::<usize>("after").unwrap_or(0);
    let has_more = all.len() > skipped.saturating_add(rows_max);
    let rows = all.into_iter().skip(skipped).take(rows_max);
    Rows {
        rows: rows.collect(),
        next: has_more.then(|| (skipped + rows_max).to_string()),
    }
}

type Cell<'a, T, C> = Box<dyn Fn(&T) -> C + 'a>;

/// A column: how a row fills it on the page, and as text in the file.
pub(crate) struct Column<'a, T> {
    name: &'a str,
    class: Option<&'static str>,
    cell: Option<Cell<'a, T, Markup>>,
    text: Option<Cell<'a, T, String>>,
    /// What `sort` says to sort by it; with `-` in front, the other way round.
    sort: Option<&'static str>,
}

impl<T> Column<'_, T> {
    /// Whole sentences, which want room on a narrow page, too.
    pub(crate) fn wordy(mut self) -> Self {
        self.class = Some("wordy");
        self
    }

    /// The handler sorts by it when `sort` says so.
    pub(crate) fn sorted_by(mut self, key: &'static str) -> Self {
        self.sort = Some(key);
        self
    }

    fn head(&self, asked: &Asked) -> Markup {
        let Some(key) = self.sort else {
            return html! { @if self.text.is_none() { span.visually-hidden { (self.name) } } @else { (self.name) } };
        };
        let (mark, next) = match self.order(asked) {
            Some("ascending") => (" ↑", format!("-{key}")),
            Some(_) => (" ↓", key.to_owned()),
            None => ("", key.to_owned()),
        };
        html! { a href=(asked.with("sort", &next)) { (self.name) span aria-hidden="true" { (mark) } } }
    }

    fn order(&self, asked: &Asked) -> Option<&'static str> {
        let asked = asked.text("sort");
        match self.sort {
            Some(key) if asked == key => Some("ascending"),
            Some(key) if asked.strip_prefix('-') == Some(key) => Some("descending"),
            _ => None,
        }
    }
}

/// A column that looks other on the page than in the file.
pub(crate) fn column<'a, T>(
    name: &'a str,
    cell: impl Fn(&T) -> Markup + 'a,
    text: impl Fn(&T) -> String + 'a,
) -> Column<'a, T> {
    Column {
        name,
        class: None,
        cell: Some(Box::new(cell)),
        text: Some(Box::new(text)),
        sort: None,
    }
}

/// A text that leads to the row's own page; in the file the text alone.
pub(crate) fn linked<'a, T>(
    name: &'a str,
    to: impl Fn(&T) -> String + 'a,
    text: impl Fn(&T) -> String + Clone + 'a,
) -> Column<'a, T> {
    let same = text.clone();
    column(
        name,
        move |row| html! { a href=(to(row)) { (same(row)) } },
        text,
    )
}

/// Plain text, the same in both.
pub(crate) fn text<'a, T>(
    name: &'a str,
    text: impl Fn(&T) -> String + Clone + 'a,
) -> Column<'a, T> {
    let same = text.clone();
    column(name, move |row| html! { (same(row)) }, text)
}

pub(crate) fn number<'a, T>(
    name: &'a str,
    number: impl Fn(&T) -> u64 + Clone + 'a,
) -> Column<'a, T> {
    let same = number.clone();
    let mut column = column(
        name,
        move |row| html! { (grouped(same(row))) },
        move |row| number(row).to_string(),
    );
    column.class = Some("number");
    column
}

/// An instant, if there is one: in the zone of the person on the page, in UTC in the file.
pub(crate) fn instant<'a, T>(
    name: &'a str,
    at: impl Fn(&T) -> Option<Timestamp> + Clone + 'a,
) -> Column<'a, T> {
    let same = at.clone();
    column(
        name,
        move |row| html! { @match same(row) { Some(at) => (time::at(at)), None => "–" } },
        move |row| at(row).map_or_else(String::new, |at| at.to_string()),
    )
}

/// What can be done with a row; not in the file.
pub(crate) fn actions<'a, T>(cell: impl Fn(&T) -> Markup + 'a) -> Column<'a, T> {
    Column {
        name: "Actions",
        class: Some("actions"),
        cell: Some(Box::new(cell)),
        text: None,
        sort: None,
    }
}

/// What only the file has: what on the page hides behind a link.
pub(crate) fn in_file<'a, T>(name: &'a str, text: impl Fn(&T) -> String + 'a) -> Column<'a, T> {
    Column {
        name,
        class: None,
        cell: None,
        text: Some(Box::new(text)),
        sort: None,
    }
}

/// The rows as a table, with what leads on from it.
pub(crate) fn table<T>(
    asked: &Asked,
    label: &str,
    columns: &[Column<'_, T>],
    rows: &Rows<T>,
) -> Markup {
    let shown = columns.iter().filter(|column| column.cell.is_some());
    let shown: Vec<_> = shown.collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { table {
            thead { tr { @for column in &shown {
                th scope="col" class=[column.class] aria-sort=[column.order(asked)] { (column.head(asked)) }
            } } }
            tbody { @for row in &rows.rows { tr {
                @for column in &shown { td class=[column.class] { @if let Some(cell) = &column.cell { (cell(row)) } } }
            } } }
        } }
        (ends(asked, rows))
    }
}

/// What leads on from a list: the rows behind these, its beginning, its file.
pub(crate) fn ends<T>(asked: &Asked, rows: &Rows<T>) -> Markup {
    html! {
        div.ends {
            @if let Some(next) = &rows.next { a.button href=(asked.with("after", next)) rel="next" { "More" } }
            @if !asked.after().is_empty() { a href=(asked.with("after", "")) { "From the beginning" } }
            a href=(asked.with("format", "csv")) download { "Download as CSV" }
        }
    }
}

/// The rows as a file.
pub(crate) fn csv<T>(name: &str, columns: &[Column<'_, T>], rows: &Rows<T>) -> Response {
    let columns = columns
        .iter()
        .filter_map(|column| Some((column.name, column.text.as_ref()?)));
    let columns: Vec<_> = columns.collect();
    // Spreadsheets take a file for another encoding's without this mark.
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    model::csv::write_row(&mut bytes, columns.iter().map(|(name, _)| *name));
    for row in &rows.rows {
        let cells = columns.iter().map(|(_, text)| harmless(text(row)));
        let cells: Vec<String> = cells.collect();
        model::csv::write_row(&mut bytes, cells.iter().map(String::as_str));
    }
    let name = match rows.next {
        None => format!("attachment; filename=\"{name}.csv\""),
        Some(_) => format!("attachment; filename=\"{name}-first-{CSV_ROWS_MAX}.csv\""),
    };
    let name = HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        ),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, bytes).into_response()
}

/// A text that a spreadsheet would calculate is marked as text.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &'static str) -> Asked {
        Asked::of(&Uri::from_static(address))
    }

    #[test]
    fn a_link_within_a_list_keeps_what_was_searched_for_and_begins_anew() {
        let list = asked("/console/1/endpoints?q=a%26b&status=failed&after=7&format=csv");
        assert_eq!(
            list.with("after", "57"),
            "/console/1/endpoints?q=a%26b&status=failed&after=57"
        );
        assert_eq!(list.with("status", ""), "/console/1/endpoints?q=a%26b");
        assert!(list.is_filtered());
        assert!(!asked("/console/1/endpoints?q=&after=7").is_filtered());
        assert_eq!(
            asked("/console/1/jobs").with("status", ""),
            "/console/1/jobs"
        );
    }

    #[test]
    fn a_cell_is_no_formula_to_a_spreadsheet() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(evil.to_owned()), format!("'{evil}"));
        }
        for good in ["ada@example.com", "", "1-1", "Gold"] {
            assert_eq!(harmless(good.to_owned()), good);
        }
    }
}
