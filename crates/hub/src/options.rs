//! Everything about the hub that an operator may set, every number with its reason.
//!
//! Filled by `server` from the configuration file; the defaults here and in `rialto.default.toml` are the same
//! (a test compares them).

use std::time::Duration;

use model::event_post::PostLimits;
use model::retry::RetryPolicy;

#[derive(Clone)]
pub struct Options {
    pub limits: PostLimits,
    pub delivery: DeliveryOptions,
    pub files: FileOptions,
    pub retention: RetentionOptions,
    pub dedupe: DedupeOptions,
    pub collect: CollectOptions,
    pub jobs: JobOptions,
    pub segments: SegmentOptions,
    pub identity: IdentityOptions,
    pub processes: ProcessOptions,
    /// The mail server; `None`: mails wait in the outbox until one is configured.
    pub mail: Option<outbound::mail::MailOptions>,
    pub sign_in: SignInOptions,
    pub outbound: outbound::ClientOptions,
}

#[derive(Clone)]
pub struct DeliveryOptions {
    pub retry: RetryPolicy,
    /// Total time of one push, connecting included: long enough for a slow receiver, short enough that a hanging
    /// one is found out soon.
    pub timeout: Duration,
    /// How much of an answer is read; more is cut off.
    pub response_bytes_max: usize,
    /// Pushes in flight at once, all destinations together.
    pub concurrency_max: usize,
    /// Pushes in flight at once to one destination; it is worked up to, as long as answers come well.
    pub concurrency_per_destination_max: u32,
    /// Failures in a row that open a destination's circuit.
    pub circuit_failures: u32,
    /// How often cursor and sets are saved: what a crash may repeat.
    pub checkpoint_every: Duration,
    /// Documents in one compound push at most.
    pub eventbatch_documents_max: usize,
    /// Memory for batches of the log that were read lately.
    pub cache_bytes_max: usize,
}

#[derive(Clone)]
pub struct FileOptions {
    /// An event file is closed when it reaches this size.
    pub size_bytes_max: usize,
    pub documents_max: usize,
    /// An event file is closed when its first event has waited this long.
    pub age_max: Duration,
    /// Files that nobody deleted are removed after this time.
    pub keep: Duration,
}

#[derive(Clone)]
pub struct RetentionOptions {
    /// Events are kept at least this long, for replays and questions.
    pub age: Duration,
    /// What an enabled destination still needs is kept up to this age.
    pub backlog_age_max: Duration,
    /// The log is trimmed to this size, whatever is still needed.
    pub log_bytes_max: u64,
    /// What waits for a deleted endpoint is dropped after this time.
    pub deleted_grace: Duration,
}

#[derive(Clone)]
pub struct DedupeOptions {
    /// A repeated `eventId` is answered and not published again for this long.
    pub event_window: Duration,
    /// The same for `Idempotency-Key`.
    pub idempotency_window: Duration,
}

#[derive(Clone)]
pub struct CollectOptions {
    /// How often pull publishers are asked for event files.
    pub every: Duration,
    /// Largest file taken from a pull publisher.
    pub file_bytes_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOptions {
    /// Jobs that work at once in one process, one of each account at most: slices are short, so few are enough.
    pub slices_max: usize,
    /// Jobs of one account that have not ended.
    pub open_max: u64,
    /// Largest file that can be uploaded for a job, in bytes as they are when they are unpacked.
    pub upload_bytes_max: u64,
    /// Ended jobs and their files are kept this long: long enough to read a report after the holidays.
    pub keep: Duration,
    /// A job that waits for somebody (data, a download, an answer) fails after this time.
    pub patience: Duration,
}

/// How endpoints are asked for segments and their rows, and given rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentOptions {
    /// When lists of segments are refreshed, every day in UTC: at night, when producers have little else to do. `None`: only
    /// when somebody asks.
    pub refresh_at: Option<jiff::civil::Time>,
    /// Total time of a call that carries no rows. A list may have to be gathered first.
    pub call_timeout: Duration,
    /// While rows go either way, or an answer to them is waited for: the longest time in which nothing moves.
    pub idle_timeout: Duration,
    /// Total time of a call that carries rows: a large audience over a slow line.
    pub transfer_timeout: Duration,
}

#[derive(Clone)]
pub struct IdentityOptions {
    /// Memory for people who were met lately: who is known there costs no query.
    pub cache_bytes_max: usize,
}

/// How this process gets on with others that share its engines.
#[derive(Clone)]
pub struct ProcessOptions {
    /// Others may work on the same database.
    pub is_shared: bool,
    /// What this process does, for others to know: `flow` is needed to run shards.
    pub roles: String,
    /// A shard whose process has not been heard of for so long is taken over. Short enough that nobody waits long,
    /// long enough that a busy database does not look like a dead process.
    pub lease: Duration,
    /// How often the changes and orders of others are looked for: within this time (and that of a query) a revoked key
    /// stops working everywhere.
    pub follow_every: Duration,
}

/// How people come in.
#[derive(Clone)]
pub struct SignInOptions {
    /// A session ends after this time, used or not: a day's work.
    pub session: Duration,
    /// An invitation is good for so long: a week, people are away.
    pub invitation: Duration,
    /// A ticket for a new password is good for so long: whoever asked is waiting for it.
    pub reset: Duration,
    /// Single sign-on, if there is one.
    pub oidc: Option<crate::oidc::SignOnOptions>,
}

const HOUR: u64 = 3_600;
const MIB: usize = 1 << 20;

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: PostLimits::default(),
            delivery: DeliveryOptions {
                retry: RetryPolicy::default(),
                timeout: Duration::from_secs(15),
                response_bytes_max: 64 << 10,
                concurrency_max: 512,
                concurrency_per_destination_max: 64,
                circuit_failures: 10,
                checkpoint_every: Duration::from_millis(200),
                eventbatch_documents_max: 100,
                cache_bytes_max: 64 * MIB,
            },
            files: FileOptions {
                size_bytes_max: 8 * MIB,
                documents_max: 10_000,
                age_max: Duration::from_secs(300),
                keep: Duration::from_secs(14 * 24 * HOUR),
            },
            retention: RetentionOptions {
                age: Duration::from_secs(7 * 24 * HOUR),
                backlog_age_max: Duration::from_secs(30 * 24 * HOUR),
                log_bytes_max: 64 << 30,
                deleted_grace: Duration::from_secs(24 * HOUR),
            },
            dedupe: DedupeOptions {
                event_window: Duration::from_secs(24 * HOUR),
                idempotency_window: Duration::from_secs(24 * HOUR),
            },
            collect: CollectOptions {
                every: Duration::from_secs(60),
                file_bytes_max: 64 * MIB,
            },
            jobs: JobOptions {
                slices_max: 4,
                open_max: 1_000,
                upload_bytes_max: 16 << 30,
                keep: Duration::from_secs(30 * 24 * HOUR),
                patience: Duration::from_secs(7 * 24 * HOUR),
            },
            segments: SegmentOptions::default(),
            identity: IdentityOptions {
                cache_bytes_max: 64 * MIB,
            },
            processes: ProcessOptions {
                is_shared: false,
                roles: "api,flow,console".to_owned(),
                lease: Duration::from_secs(5),
                follow_every: Duration::from_millis(250),
            },
            mail: None,
            sign_in: SignInOptions {
                session: Duration::from_secs(12 * HOUR),
                invitation: Duration::from_secs(7 * 24 * HOUR),
                reset: Duration::from_secs(HOUR),
                oidc: None,
            },
            outbound: outbound::ClientOptions {
                guard: outbound::Guard::default(),
                connect_timeout: Duration::from_secs(5),
                idle_timeout: Duration::from_secs(60),
                idle_per_host_max: 64,
                user_agent: concat!("rialto/", env!("CARGO_PKG_VERSION")).to_owned(),
            },
        }
    }
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            refresh_at: Some(jiff::civil::time(2, 30, 0, 0)),
            call_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            transfer_timeout: Duration::from_secs(12 * HOUR),
        }
    }
}
