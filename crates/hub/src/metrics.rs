//! What the exchange counts and times, in Prometheus' text form at `/metrics`.
//!
//! Counters are plain atomics, touched on the hot paths; gauges of the flow are computed when asked for.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use model::job::JobCategory;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use store::delivery::Attempt;
use store::outbox::OutboxState;

use crate::Hub;
use crate::flow::{Slice, SliceError};

type Count = Counter<u64, AtomicU64>;
type ByDestination = Family<[(&'static str, String); 1], Gauge>;
type ByResult = Family<[(&'static str, String); 1], Count>;
type BySlice = Family<[(&'static str, &'static str); 2], Count>;

/// Upper bounds in seconds: from a commit on fast storage to a receiver's timeout.
const SECONDS: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 4.0,
    16.0, 64.0,
];

pub struct Metrics {
    /// Events that publishers got an answer for.
    pub published: Count,
    /// Calls of publishers that were refused.
    pub rejected: Count,
    /// Events kept because they broke a rule.
    pub quarantined: Count,
    /// Events or calls answered from the index of keys.
    pub deduplicated: Count,
    pub over_quota: Count,
    pub shards_lost: Count,
    pub routed: Count,
    pub delivered: Count,
    pub packed: Count,
    pub collected: Count,
    pub retried: Count,
    pub dead: Count,
    /// Documents given up because the log no longer holds them.
    pub expired: Count,
    pub unhashable: Count,
    /// Times that a document was withheld for whom it is about.
    pub barred: Count,
    pub unreadable: Count,
    /// Batches of the log whose stored bytes are damaged.
    pub damaged: Count,
    /// Sets of identifiers that were learned.
    pub identity_facts: Count,
    /// Identifiers left out of people because they join too much.
    pub identity_crowded: Count,
    /// Push attempts by status code or failure word.
    attempts: ByResult,
    /// Attempts to tell others what is in the outbox, by what became of the entry.
    told: ByResult,
    /// Slices of jobs, by category and by how they ended.
    slices: BySlice,
    slice: Histogram,
    pub publish: Histogram,
    pub commit: Histogram,
    pub checkpoint: Histogram,
    push: Histogram,
    inside: Histogram,
    end_to_end: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        Self {
            published: Count::default(),
            rejected: Count::default(),
            quarantined: Count::default(),
            deduplicated: Count::default(),
            over_quota: Count::default(),
            shards_lost: Count::default(),
            routed: Count::default(),
            delivered: Count::default(),
            packed: Count::default(),
            collected: Count::default(),
            retried: Count::default(),
            dead: Count::default(),
            expired: Count::default(),
            unhashable: Count::default(),
            barred: Count::default(),
            unreadable: Count::default(),
            damaged: Count::default(),
            identity_facts: Count::default(),
            identity_crowded: Count::default(),
            attempts: ByResult::default(),
            told: ByResult::default(),
            slices: BySlice::default(),
            slice: histogram(),
            publish: histogram(),
            commit: histogram(),
            checkpoint: histogram(),
            push: histogram(),
            inside: histogram(),
            end_to_end: histogram(),
        }
    }

    pub(crate) fn pushed(&self, attempt: &Attempt, is_delivered: bool) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of one call fit a double"
        )]
        self.push.observe(attempt.duration_ms as f64 / 1_000.0);
        if is_delivered {
            self.delivered.inc();
        }
        let result = attempt.status.map_or_else(
            || attempt.failure.clone().unwrap_or_default(),
            |s| s.to_string(),
        );
        self.attempts.get_or_create(&[("result", result)]).inc();
    }

    pub(crate) fn told(&self, state: OutboxState) {
        let result = state.as_str().to_owned();
        self.told.get_or_create(&[("result", result)]).inc();
    }

    pub(crate) fn sliced(
        &self,
        category: JobCategory,
        outcome: &Result<Slice, SliceError>,
        took: Duration,
    ) {
        let result = match outcome {
            Ok(Slice::More) => "more",
            Ok(Slice::Done) => "done",
            Ok(_) => "waiting",
            Err(SliceError::Failed(_)) => "failed",
            Err(_) => "again",
        };
        let labels = [("category", category.as_str()), ("result", result)];
        self.slices.get_or_create(&labels).inc();
        self.slice.observe(took.as_secs_f64());
    }

    pub(crate) fn inside(&self, now: Timestamp, published_at: Timestamp) {
        self.inside.observe(seconds(now, published_at));
    }

    pub(crate) fn end_to_end(&self, now: Timestamp, published_at: Timestamp) {
        self.end_to_end.observe(seconds(now, published_at));
    }

    fn register(&self, registry: &mut Registry) {
        let counters = [
            ("published", "Events taken from publishers", &self.published),
            (
                "rejected_calls",
                "Publish calls that were refused",
                &self.rejected,
            ),
            (
                "quarantined",
                "Events kept because they broke a rule",
                &self.quarantined,
            ),
            (
                "deduplicated",
                "Events answered as already published",
                &self.deduplicated,
            ),
            (
                "over_quota_calls",
                "Publish calls refused because the account's allowance was used up",
                &self.over_quota,
            ),
            (
                "shards_lost",
                "Shards that another process took over from this one",
                &self.shards_lost,
            ),
            (
                "routed",
                "Documents routed, once for each destination",
                &self.routed,
            ),
            (
                "delivered",
                "Calls by which documents were delivered",
                &self.delivered,
            ),
            ("packed", "Documents put into event files", &self.packed),
            (
                "collected",
                "Files collected from pull publishers",
                &self.collected,
            ),
            ("retried", "Attempts that will be made again", &self.retried),
            ("dead", "Documents that became dead letters", &self.dead),
            (
                "expired",
                "Documents given up because the log is kept no longer",
                &self.expired,
            ),
            (
                "unhashable_identifiers",
                "Identifiers left out because they could not be hashed",
                &self.unhashable,
            ),
            (
                "withheld_documents",
                "Times that a document was not delivered because its person is restricted, suppressed, or does not consent",
                &self.barred,
            ),
            (
                "unreadable_records",
                "Log records that could not be read",
                &self.unreadable,
            ),
            (
                "damaged_batches",
                "Batches of the log whose bytes are damaged and that were passed over",
                &self.damaged,
            ),
            (
                "identity_facts",
                "Sets of identifiers that were learned",
                &self.identity_facts,
            ),
            (
                "identity_crowded",
                "Identifiers left out of people because they join too much",
                &self.identity_crowded,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "push_attempts",
            "Push attempts by HTTP status or failure",
            self.attempts.clone(),
        );
        registry.register(
            "outbox_attempts",
            "Attempts to send what is in the outbox, by what became of the entry",
            self.told.clone(),
        );
        registry.register(
            "job_slices",
            "Slices of jobs, by category and by how they ended",
            self.slices.clone(),
        );
        let histograms = [
            (
                "publish_seconds",
                "From the arrival of a publish call to its answer",
                &self.publish,
            ),
            ("commit_seconds", "Group commits of the log", &self.commit),
            (
                "checkpoint_seconds",
                "Checkpoints of the flow",
                &self.checkpoint,
            ),
            ("job_slice_seconds", "Slices of jobs", &self.slice),
            ("push_seconds", "Calls to push destinations", &self.push),
            (
                "inside_seconds",
                "From arrival to the start of the first push",
                &self.inside,
            ),
            (
                "end_to_end_seconds",
                "From arrival to the receiver's answer",
                &self.end_to_end,
            ),
        ];
        for (name, help, histogram) in histograms {
            registry.register(name, help, histogram.clone());
        }
    }
}

fn seconds(now: Timestamp, since: Timestamp) -> f64 {
    Duration::try_from(now.duration_since(since))
        .unwrap_or_default()
        .as_secs_f64()
}

impl Hub {
    /// The metrics in Prometheus' text form.
    pub fn render_metrics(&self) -> String {
        let mut registry = Registry::with_prefix("rialto");
        self.metrics.register(&mut registry);
        let waiting = ByDestination::default();
        let retrying = ByDestination::default();
        let lag = ByDestination::default();
        let circuit = ByDestination::default();
        for standing in self.standings() {
            let label = [("endpoint_id", standing.endpoint.to_string())];
            waiting.get_or_create(&label).set(gauge(standing.waiting));
            retrying.get_or_create(&label).set(gauge(standing.retrying));
            lag.get_or_create(&label)
                .set(gauge(standing.lag.unwrap_or_default().as_secs()));
            circuit
                .get_or_create(&label)
                .set(i64::from(!standing.circuit_closed));
        }
        registry.register(
            "destination_waiting",
            "Documents waiting for a destination",
            waiting,
        );
        registry.register(
            "destination_retrying",
            "Documents being retried at a destination",
            retrying,
        );
        registry.register(
            "destination_lag_seconds",
            "Age of the oldest waiting document",
            lag,
        );
        registry.register(
            "destination_circuit_open",
            "1 while the destination is only probed",
            circuit,
        );
        let router = Gauge::<i64>::default();
        router.set(gauge(self.router_lag()));
        registry.register(
            "router_lag_batches",
            "Batches of the log not yet routed",
            router,
        );
        let shards = Gauge::<i64>::default();
        shards.set(gauge(self.flow.held().len() as u64));
        registry.register(
            "shards_held",
            "Shards whose flow runs in this process",
            shards,
        );
        let log = Gauge::<i64>::default();
        log.set(gauge(
            self.logs.each().map(|(_, log)| log.ends().bytes).sum(),
        ));
        registry.register("log_bytes", "Size of the log", log);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
