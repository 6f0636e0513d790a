//! What the demo tells the person who looks on: who takes part, what is happening, what came of it, what to try next.

use std::time::Duration;

use engine::Clock;

use super::audience::Shared;
use super::crm::Seen;
use super::shop::Refusal;
use super::tally::Sum;
use super::{Demo, Stage};
use crate::config::Config;
use crate::terminal::{Look, Screen, bar, count, rate, span, table};

/// Characters of a progress bar.
const BAR: u64 = 32;

/// Where things stand at one moment.
pub(super) struct Standing {
    /// Calls that the shop makes in all.
    pub(super) calls_all: u64,
    pub(super) calls: u64,
    pub(super) events: u64,
    /// From the first call to the latest answer.
    pub(super) publishing: Duration,
    pub(super) crm_name: String,
    pub(super) crm: Sum,
    pub(super) seen: Seen,
    pub(super) warehouse_name: String,
    pub(super) warehouse: Sum,
    pub(super) files: u64,
}

impl Standing {
    /// All published, and at every subscriber.
    pub(super) fn is_complete(&self) -> bool {
        self.calls == self.calls_all && self.crm.missing == 0 && self.warehouse.missing == 0
    }
}

/// Who takes part, and where.
pub(super) fn introduce(screen: &mut Screen, stage: &Stage, config: &Config, demo: &Demo) {
    let keeps = if demo.data.is_some() {
        "kept"
    } else {
        "removed at the end; --data DIR keeps it"
    };
    let registered = &stage.registered;
    let title = screen.paint(
        Look::Strong,
        "Rialto, an open exchange for customer events: all of it in one process.",
    );
    let all = registered.codes.len();
    let some = registered.crm_codes.len();
    let percent = demo.fail * 100.0;
    let row = |role: &str, name: &str, what: &str| {
        format!(
            "  {role:<11} {name:<24} {}",
            screen.paint(Look::Faint, what)
        )
    };
    let lines = [
        String::new(),
        title,
        String::new(),
        row(
            "exchange",
            stage.exchange.base(),
            &format!("data in {} ({keeps})", config.server.data.display()),
        ),
        row(
            "publisher",
            &registered.shop.name,
            &format!("registers {all} event types"),
        ),
        row(
            "subscriber",
            &registered.crm.name,
            &format!(
                "gets {some} of them pushed, checks signatures, refuses {percent:.0} % of the pushes on purpose"
            ),
        ),
        row(
            "subscriber",
            &registered.warehouse.name,
            &format!("fetches all {all} as event files"),
        ),
        String::new(),
    ];
    screen.say(&lines.join("\n"));
}

/// What a mistake is answered with.
pub(super) fn refusal(screen: &mut Screen, refusal: &Refusal) {
    let mut lines = vec![format!(
        "A malformed event is refused with {}, and with all that is wrong, each at its place:",
        refusal.status
    )];
    let width = refusal
        .errors
        .iter()
        .map(|(pointer, _)| pointer.chars().count())
        .max();
    let width = width.unwrap_or_default();
    for (pointer, message) in &refusal.errors {
        let pointer = screen.paint(Look::Bad, &format!("{pointer:<width$}"));
        lines.push(format!("  {pointer}  {message}"));
    }
    lines.push(String::new());
    lines.push("Then the shop publishes a whole day, as fast as the exchange takes it:".to_owned());
    screen.say(&lines.join("\n"));
}

/// Three bars.
pub(super) fn picture(screen: &Screen, now: &Standing) -> Vec<String> {
    let line = |what: &str, done: u64, all: u64, text: String| {
        let look = if done == all {
            Look::Good
        } else {
            Look::Strong
        };
        format!(
            "  {what:<10} {}  {text}",
            screen.paint(look, &bar(done, all, BAR))
        )
    };
    let published = format!(
        "{} of {} calls, {} events, {} a second",
        count(now.calls),
        count(now.calls_all),
        count(now.events),
        count(rate(now.events, now.publishing)),
    );
    let pushed = format!(
        "{} of {} events; {} pushes refused on purpose, {} came again",
        count(now.crm.received),
        count(now.crm.expected),
        count(now.seen.refused),
        count(now.seen.retried),
    );
    let fetched = format!(
        "{} of {} events in {} files",
        count(now.warehouse.received),
        count(now.warehouse.expected),
        count(now.files),
    );
    vec![
        line("published", now.calls, now.calls_all, published),
        line("pushed", now.crm.received, now.crm.expected, pushed),
        line(
            "fetched",
            now.warehouse.received,
            now.warehouse.expected,
            fetched,
        ),
    ]
}

/// The same for a log file.
pub(super) fn line(now: &Standing) -> String {
    format!(
        "  published {} of {} calls; pushed {} of {} events, {} refused on purpose, {} came again; fetched {} of {} events",
        count(now.calls),
        count(now.calls_all),
        count(now.crm.received),
        count(now.crm.expected),
        count(now.seen.refused),
        count(now.seen.retried),
        count(now.warehouse.received),
        count(now.warehouse.expected),
    )
}

/// The closing table.
pub(super) fn closing(screen: &mut Screen, now: &Standing) {
    let head = [
        "subscriber",
        "how",
        "expected",
        "received",
        "retried",
        "duplicates",
        "missing",
        "median",
        "99 %",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, how, sum, retried, repeated) in [
        (
            &now.crm_name,
            "push",
            &now.crm,
            count(now.seen.retried),
            now.seen.repeated,
        ),
        (
            &now.warehouse_name,
            "pull",
            &now.warehouse,
            "–".to_owned(),
            0,
        ),
    ] {
        let (median, most) = match sum.latency {
            Some((median, most)) => (span(median), span(most)),
            None => ("–".to_owned(), "–".to_owned()),
        };
        rows.push(vec![
            name.clone(),
            how.to_owned(),
            count(sum.expected),
            count(sum.received),
            retried,
            count(sum.duplicates + repeated),
            count(sum.missing),
            median,
            most,
        ]);
    }
    let mut lines = vec![String::new()];
    for (at, line) in table(&rows).into_iter().enumerate() {
        let line = if at == 0 {
            screen.paint(Look::Strong, &line)
        } else {
            line
        };
        lines.push(format!("  {line}"));
    }
    lines.push(String::new());
    lines.push(format!(
        "  {} events published in {}, {} a second; each was on the disk before the shop got its answer.",
        count(now.events),
        span(now.publishing),
        count(rate(now.events, now.publishing)),
    ));
    let note =
        "  median, 99 %: from the start of the shop's call to the subscriber, retries included.";
    lines.push(screen.paint(Look::Faint, note));
    screen.say(&lines.join("\n"));
}

/// The good end.
pub(super) fn all_arrived(screen: &mut Screen) {
    let sentence = screen.paint(Look::Good, "Every event reached every subscriber.");
    screen.say(&format!("\n{sentence}"));
}

/// What was shared, in both directions, with the report of each job.
pub(super) fn audiences(screen: &mut Screen, all: &[Shared]) {
    let head = [
        "audience",
        "job",
        "read",
        "matched",
        "unmatched",
        "rejected",
        "sent",
        "SHA-256 of what was sent",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for shared in all {
        let mut row = vec![shared.what.to_owned(), shared.job.to_string()];
        row.extend(shared.records.map(count));
        row.push(shared.digest.chars().take(16).collect::<String>() + "…");
        rows.push(row);
    }
    let mut lines = vec!["\nThen two audiences change sides:\n".to_owned()];
    for (at, line) in table(&rows).into_iter().enumerate() {
        let line = if at == 0 {
            screen.paint(Look::Strong, &line)
        } else {
            line
        };
        lines.push(format!("  {line}"));
    }
    lines.push(String::new());
    for shared in all {
        lines.push(format!("  {}: {}.", shared.what, shared.how));
        if !shared.left_out.is_empty() {
            let note = "    Left out, by file, row, column and reason:";
            lines.push(screen.paint(Look::Faint, note));
        }
        for row in &shared.left_out {
            lines.push(format!("    {}", screen.paint(Look::Bad, row)));
        }
    }
    if all.iter().all(|shared| shared.is_right) {
        let sentence = "Everybody who was shared is on the other side, under its names and hashes, and nobody else.";
        lines.push(format!("\n{}", screen.paint(Look::Good, sentence)));
    }
    screen.say(&lines.join("\n"));
}

/// What to type in another terminal.
pub(super) fn what_next(screen: &mut Screen, stage: &Stage, ticket: &model::Secret) {
    let registered = &stage.registered;
    let (base, account) = (stage.exchange.base(), registered.account);
    let now = Clock::System.now();
    let heading = |text: &str| format!("\n  {}", screen.paint(Look::Faint, &format!("# {text}")));
    let lines = [
        format!("\n{}", screen.paint(Look::Strong, "The exchange goes on serving, and the shop goes on publishing; Ctrl-C ends it.")),
        heading("see it in a browser: this link signs you in, once, within a quarter of an hour"),
        format!("  {base}/console/enter/{}", ticket.expose()),
        format!("\n{}", screen.paint(Look::Strong, "To try in another terminal:")),
        heading("where it is, and the keys"),
        format!("  export RIALTO={base}"),
        format!("  export SHOP='Authorization: Bearer {}'", registered.shop.key),
        format!("  export WAREHOUSE='Authorization: Bearer {}'", registered.warehouse.key),
        format!("  export OPERATOR='Authorization: Bearer {}'", stage.token),
        heading("publish a purchase, and see it arrive at the CRM in this terminal"),
        "  curl -sS $RIALTO/v1/event -H \"$SHOP\" -H 'Content-Type: application/json' -d '".to_owned(),
        "    {\"channel\": \"web\", \"identifiers\": [{\"name\": \"email\", \"value\": \"antonio@example.com\"}],".to_owned(),
        format!("     \"events\": [{{\"code\": \"ibmcartPurchase\", \"timestamp\": \"{now:.0}\","),
        "                 \"attributes\": [{\"name\": \"orderTotal\", \"value\": 3000, \"type\": \"number\"}]}]}'".to_owned(),
        heading("what happened to it: the id is that of the answer"),
        format!("  curl -sS $RIALTO/manage/v1/accounts/{account}/events/<publicationId> -H \"$OPERATOR\""),
        heading("list the warehouse's event files; .../eventfiles/<name> fetches one, -X DELETE removes it"),
        "  curl -sS $RIALTO/v1/eventfiles -H \"$WAREHOUSE\"".to_owned(),
        heading("what is being tried again, what was given up, and the figures of it all"),
        format!("  curl -sS $RIALTO'/manage/v1/accounts/{account}/deliveries?state=retrying' -H \"$OPERATOR\""),
        "  curl -sS $RIALTO/metrics".to_owned(),
        heading("publish a file of your own, a call or an event a line"),
        format!("  rialto send FILE.jsonl --server $RIALTO --key {}", registered.shop.key),
        String::new(),
    ];
    screen.say(&lines.join("\n"));
}
