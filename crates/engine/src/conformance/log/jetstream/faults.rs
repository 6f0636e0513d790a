//! Logs in JetStream while servers die, hang, fill up and change their leader under appends of two processes: what was
//! acknowledged is there once, in order, for everybody; what was refused is not; the log goes on without being opened
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use services::nats::{Nats, NatsCluster, NatsOptions};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::super::{all, append, contents, noise, record, records, until_contents};
use super::{PREFIX, Shard, connect, options, says};
use crate::{
    Clock, Fault, Faults, JetStream, JetStreamOptions, Log, LogError, LogOptions, ManualClock,
    Position,
};

/// Longer than an election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Appends at the same time, of each process.
const APPENDERS: usize = 4;

/// Appends of a process between two faults, and as many more are going on when the next comes.
const APPENDS: usize = 12;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    At(Position),
    /// No answer: it may be there or not.
    Unknown,
}

/// How long appends are waited for before more are allowed: what was may all have been refused.
const AGAIN: Duration = Duration::from_secs(2);

/// What a process was told of its appends.
#[derive(Debug, Default)]
struct Told {
    acknowledged: usize,
    refused: usize,
    /// Why the last one was refused.
    reason: Option<LogError>,
}

/// Appends as many records as it is allowed to, several at the same time.
struct Load {
    allowed: Arc<Semaphore>,
    told: watch::Receiver<Told>,
    appenders: Vec<JoinHandle<Vec<(String, Outcome)>>>,
}

impl Load {
    fn start(log: &Log, process: &str) -> Self {
        let allowed = Arc::new(Semaphore::new(0));
        let (tell, told) = watch::channel(Told::default());
        let appenders = (0..APPENDERS).map(|appender| {
            let (log, allowed, tell) = (log.clone(), Arc::clone(&allowed), tell.clone());
            let name = format!("{process}{appender}");
            tokio::spawn(async move { run(&log, &name, &allowed, &tell).await })
        });
        Self {
            appenders: appenders.collect(),
            allowed,
            told,
        }
    }

    /// Allows more appends until enough of them are acknowledged; as many again are then still allowed.
    async fn goes_on(&mut self) {
        let enough = self.told.borrow().acknowledged + APPENDS;
        let reached = async {
            loop {
                self.allowed.add_permits(2 * APPENDS);
                let reached = self.told.wait_for(|told| told.acknowledged >= enough);
                if let Ok(reached) = tokio::time::timeout(AGAIN, reached).await {
                    return reached.is_ok();
                }
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert_eq!(
            reached,
            Ok(true),
            "{enough} are to be acknowledged, and these were: {:?}",
            *self.told.borrow()
        );
    }

    async fn end(self) -> Vec<Vec<(String, Outcome)>> {
        self.allowed.close();
        let mut outcomes = Vec::new();
        for appender in self.appenders {
            outcomes.push(appender.await.expect("no panic"));
        }
        outcomes
    }
}

async fn run(
    log: &Log,
    name: &str,
    allowed: &Semaphore,
    tell: &watch::Sender<Told>,
) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    for number in 0.. {
        let Ok(permit) = allowed.acquire().await else {
            break;
        };
        permit.forget();
        let record = format!("{name} {number}");
        let outcome = match log.append(vec![record.clone().into_bytes()]).await {
            Ok(appended) => {
                tell.send_modify(|told| told.acknowledged += 1);
                Outcome::At(appended.first)
            }
            Err(error @ LogError::Unavailable(_)) => {
                tell.send_modify(|told| {
                    told.refused += 1;
                    told.reason = Some(error);
                });
                Outcome::Unknown
            }
            Err(other) => panic!("{other}"),
        };
        outcomes.push((record, outcome));
    }
    outcomes
}

/// All logs hold the same; of each append what its outcome says; each appender's in its order.
async fn check(logs: &[&Log], outcomes: Vec<Vec<(String, Outcome)>>) {
    let found = all(logs[0]).await;
    for log in &logs[1..] {
        assert_eq!(log.latest().await.expect("asked"), logs[0].ends().next_seq);
        let other = all(log).await;
        let differ = found
            .iter()
            .zip(&other)
            .position(|(one, other)| one != other);
        let differ =
            differ.or((found.len() != other.len()).then_some(found.len().min(other.len())));
        if let Some(differ) = differ {
            let near = |found: &[(Position, Vec<u8>)]| -> Vec<String> {
                let near = found.iter().skip(differ.saturating_sub(2)).take(8);
                near.map(|(at, record)| {
                    format!(
                        "{}.{}: {}",
                        at.seq(),
                        at.index(),
                        String::from_utf8_lossy(record)
                    )
                })
                .collect()
            };
            panic!(
                "of {} and {} records, the {differ}th differs:\n{:#?}\n{:#?}",
                found.len(),
                other.len(),
                near(&found),
                near(&other)
            );
        }
    }
    let mut places: BTreeMap<Vec<u8>, Vec<Position>> = BTreeMap::new();
    for (position, record) in found {
        places.entry(record).or_default().push(position);
    }
    let mut unknown = 0;
    for appender in outcomes {
        let mut before = None;
        for (record, outcome) in appender {
            let at = places.remove(record.as_bytes()).unwrap_or_default();
            match outcome {
                Outcome::At(position) => {
                    assert_eq!(at, [position], "{record}");
                    assert!(before < Some(position), "{record} is out of order");
                    before = Some(position);
                }
                Outcome::Unknown => {
                    unknown += 1;
                    assert!(at.len() <= 1, "{record} is there {} times", at.len());
                }
            }
        }
    }
    assert_eq!(
        places,
        BTreeMap::new(),
        "nobody appended these ({unknown} without an answer)"
    );
}

/// Two processes that have the same shard open.
async fn two(servers: &str) -> [Log; 2] {
    let mut logs = Vec::new();
    for _ in 0..2 {
        let link = connect(servers).await;
        logs.push(open(&link, LogOptions::default(), Clock::System).await);
    }
    logs.try_into().expect("two")
}

async fn open(link: &JetStream, options: LogOptions, clock: Clock) -> Log {
    Log::open_jetstream(link, 0, options, clock)
        .await
        .expect("opens")
}

/// The node that leads the shard's stream.
async fn leader(cluster: &NatsCluster, client: &async_nats::Client) -> usize {
    let info = format!("$JS.API.STREAM.INFO.rialto-{PREFIX}-log-0");
    let ask = async {
        loop {
            let Ok(answer) = client.request(info.clone(), "".into()).await else {
                continue;
            };
            let answer: serde_json::Value = serde_json::from_slice(&answer.payload).expect("JSON");
            let name = answer["cluster"]["leader"].as_str().unwrap_or_default();
            if let Some(node) = cluster.node(name) {
                return node;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ask)
        .await
        .expect("one leads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_may_step_down_hang_or_die_under_appends() {
    let mut cluster = NatsCluster::start().await.expect("starts");
    let logs = two(&cluster.urls()).await;
    let client = async_nats::connect(cluster.url(0)).await.expect("connects");
    let mut loads = [Load::start(&logs[0], "a"), Load::start(&logs[1], "b")];
    goes_on(&mut loads).await;

    let step_down = format!("$JS.API.STREAM.LEADER.STEPDOWN.rialto-{PREFIX}-log-0");
    client.request(step_down, "".into()).await.expect("answers");
    goes_on(&mut loads).await;

    let node = leader(&cluster, &client).await;
    cluster.kill(node);
    goes_on(&mut loads).await;
    // Without what it had alone: servers of 2.9 do not forget it, as `docs/delivery.md` says.
    cluster.replace(node).await.expect("starts again");
    goes_on(&mut loads).await;

    // Two are enough without the third, whoever is connected to it. On a busy machine another may lead by now, so each time
    // it is asked who does.
    for follower in 0..3 {
        if leader(&cluster, &client_of(&cluster, 0).await).await == follower {
            continue;
        }
        cluster.pause(follower).expect("runs");
        goes_on(&mut loads).await;
        cluster.resume(follower).expect("runs");
        goes_on(&mut loads).await;
    }
    // Shorter than it takes the others to elect somebody else: see `docs/delivery.md` for the reason.
    let leading = leader(&cluster, &client_of(&cluster, 0).await).await;
    cluster.pause(leading).expect("runs");
    assert!(matches!(
        logs[0].latest().await,
        Err(LogError::Unavailable(_))
    ));
    cluster.resume(leading).expect("runs");
    goes_on(&mut loads).await;

    let [a, b] = loads;
    let outcomes = [a.end().await, b.end().await].concat();
    cluster.ready().await.expect("all of them");
    // Who was away may still be catching up.
    let (client, end) = (client_of(&cluster, 0).await, logs[0].ends().next_seq);
    let agree = async { while !copies_agree(&client, end).await {} };
    let agreed = tokio::time::timeout(PATIENCE, agree).await;
    agreed.expect("the copies agree");
    check(&[&logs[0], &logs[1]], outcomes.clone()).await;
    // Also for somebody who has nothing of it in memory.
    check(&[&logs[0], &two(&cluster.urls()).await[0]], outcomes).await;
}

/// Whether the servers have the same messages before `end`. A copy cannot be chosen, so each is asked for several times.
async fn copies_agree(client: &async_nats::Client, end: u64) -> bool {
    let get = format!("$JS.API.DIRECT.GET.rialto-{PREFIX}-log-0");
    for number in 1..end {
        let body = format!(r#"{{"seq":{number}}}"#);
        let asked = (0..8).map(|_| client.request(get.clone(), body.clone().into()));
        let copies = join_all(asked).await;
        let mut payloads = copies.iter().flatten().map(|copy| &copy.payload);
        let first = payloads.next();
        if payloads.any(|payload| Some(payload) != first) {
            return false;
        }
    }
    true
}

async fn client_of(cluster: &NatsCluster, node: usize) -> async_nats::Client {
    async_nats::connect(cluster.url(node))
        .await
        .expect("connects")
}

async fn goes_on(loads: &mut [Load; 2]) {
    for load in loads {
        load.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_appends_are_refused_in_time_and_afterwards_go_on() {
    let mut cluster = NatsCluster::start().await.expect("starts");
    let [log, other] = two(&cluster.urls()).await;
    append(&log, [0]).await;
    cluster.kill(0);
    cluster.kill(1);
    let Err(LogError::Unavailable(_)) = log.append(records([1])).await else {
        panic!("one of three cannot make it durable")
    };
    // Many more than are on their way at the same time, and none waits for those before it.
    let began = std::time::Instant::now();
    let many = (0..9).map(|_| log.append(vec![vec![0; 1 << 20]]));
    for refused in join_all(many).await {
        assert!(matches!(refused, Err(LogError::Unavailable(_))));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{began:?}");
    assert!(matches!(log.health().await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.latest().await, Err(LogError::Unavailable(_))));
    cluster.restart(0).await.expect("starts again");
    let again = async {
        while log.health().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("two of three are enough");
    // Until one is acknowledged, appends are tried for a short time only, which servers that have just met may use up.
    let goes_on = async { while log.append(records([1])).await.is_err() {} };
    tokio::time::timeout(PATIENCE, goes_on)
        .await
        .expect("appends go on");
    append(&log, [2]).await;
    other.latest().await.expect("asked");
    let mut found = contents(&other).await;
    // Nobody knows whether these got there.
    found.retain(|found| *found != record(1) && found.len() < 1 << 20);
    assert_eq!(found, records([0, 2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_in_the_middle_of_a_batch() {
    let mut nats = Nats::start().await.expect("starts");
    let logs = two(&nats.url()).await;
    let mut loads = [Load::start(&logs[0], "a"), Load::start(&logs[1], "b")];
    for _ in 0..3 {
        goes_on(&mut loads).await;
        nats.kill();
        nats.restart().await.expect("starts again");
    }
    goes_on(&mut loads).await;
    nats.pause().expect("runs");
    let asked = logs[0].latest().await;
    assert!(matches!(asked, Err(LogError::Unavailable(_))), "{asked:?}");
    nats.resume().expect("runs");
    goes_on(&mut loads).await;
    let [a, b] = loads;
    let outcomes = [a.end().await, b.end().await].concat();
    check(&[&logs[0], &logs[1]], outcomes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_acknowledgements_append_nothing_twice() {
    let shard = Shard::alone().await;
    let faults = Faults::default();
    let options = LogOptions {
        faults: faults.clone(),
        ..LogOptions::default()
    };
    let (log, other) = (
        shard.open(options, Clock::System).await,
        shard.open(LogOptions::default(), Clock::System).await,
    );
    let mut loads = [Load::start(&log, "a"), Load::start(&other, "b")];
    for lost in [1, 3, 20] {
        faults.next(lost, Fault::AnswerLost);
        goes_on(&mut loads).await;
    }
    let [a, b] = loads;
    let outcomes = [a.end().await, b.end().await].concat();
    let all = || outcomes.iter().flatten();
    assert!(all().all(|(_, outcome)| *outcome != Outcome::Unknown));
    check(&[&log, &other], outcomes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_whose_clocks_differ_share_one_order_and_its_times() {
    let second = |second| Timestamp::from_second(second).expect("in range");
    let shard = Shard::alone().await;
    let clock = |at| Clock::Manual(ManualClock::new(second(at)));
    let early = shard.open(LogOptions::default(), clock(1_000)).await;
    let late = shard.open(LogOptions::default(), clock(5_000)).await;
    append(&early, [0]).await;
    assert_eq!(append(&late, [1]).await.at, second(5_000));
    // The other tells of it, and of its time. Nobody follows the log: then the server would be asked as well, which may
    // answer sooner and says nothing of times.
    let told = async {
        while early.ends().next_seq < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("told");
    assert_eq!(append(&early, [2]).await.at, second(5_000));
    let mut loads = [Load::start(&early, "a"), Load::start(&late, "b")];
    goes_on(&mut loads).await;
    let [a, b] = loads;
    let _ = (a.end().await, b.end().await);
    for log in [&early, &late] {
        log.latest().await.expect("asked");
        let batches = log.read(0, usize::MAX, usize::MAX).await.expect("reads");
        let times: Vec<Timestamp> = batches.iter().map(|batch| batch.appended_at()).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(log.find_time(second(1_001)).await.expect("finds"), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_told_is_asked_for() {
    let shard = Shard::alone().await;
    let log = shard.open(LogOptions::default(), Clock::System).await;
    let mut tail = log.tail();
    shard
        .publish("1 1 0", b"from a process that dies before it tells")
        .await;
    let told = tokio::time::timeout(PATIENCE, tail.wait_for(|next| *next == 2)).await;
    assert!(matches!(told, Ok(Ok(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_refuses_says_so_and_goes_on_after_a_trim() {
    let nats = Nats::start_with(NatsOptions {
        store_bytes_max: 4 << 20,
        ..NatsOptions::default()
    });
    let nats = nats.await.expect("starts");
    let limited = JetStreamOptions {
        stream_bytes_max: Some(1 << 20),
        ..options(&nats.url())
    };
    let unlimited = JetStreamOptions {
        prefix: "unlimited".to_owned(),
        ..options(&nats.url())
    };
    for (options, reason) in [
        (limited, "maximum bytes exceeded"),
        (unlimited, "resources"),
    ] {
        let link = JetStream::connect(options).await.expect("connects");
        let log = open(&link, LogOptions::default(), Clock::System).await;
        let mut appended = 0;
        let why = loop {
            match log.append(vec![noise(appended, 100 << 10)]).await {
                Ok(_) => appended += 1,
                Err(why) => break why,
            }
        };
        assert!(appended > 5, "{appended}");
        assert!(matches!(why, LogError::Unavailable(_)), "{why}");
        assert!(says(&why).contains(reason), "{}", says(&why));
        log.trim(appended - 1).await.expect("trims");
        log.health().await.expect("has room");
        let expected = [
            noise(appended - 2, 100 << 10),
            noise(appended - 1, 100 << 10),
            record(1),
        ];
        append(&log, [1]).await;
        until_contents(&log, &expected).await;
        // The last message of a stream is never removed, but counts as gone.
        assert_eq!(log.trim(u64::MAX).await.expect("trims"), 3);
        assert!(contents(&log).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_fit_into_the_servers_messages() {
    let nats = Nats::start().await.expect("starts");
    let link = connect(&nats.url()).await;
    let log = open(&link, LogOptions::default(), Clock::System).await;
    let appends = (0..12).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { log.append(vec![noise(n, 300 << 10)]).await })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.expect("no panic").expect("appends");
    }
    log.append(vec![noise(0, 1_000_000)]).await.expect("fits");
    let Err(LogError::TooLarge { bytes_max, .. }) = log.append(vec![noise(0, 2 << 20)]).await
    else {
        panic!("a message is 1 MiB at most")
    };
    assert_eq!(bytes_max, (1 << 20) - 1024);
    assert_eq!(all(&log).await.len(), 13);
    let promises = log.promises().join("\n");
    for said in [
        "has one copy",
        "`sync_interval: always`",
        "`max_payload: 8MB`",
    ] {
        assert!(promises.contains(said), "{promises}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_copy_near_by_has_is_read_from_the_leader() {
    let shard = Shard::alone().await;
    shard.make_without_direct_reads().await;
    let options = || LogOptions {
        tail_bytes_max: 0,
        ..LogOptions::default()
    };
    let log = shard.open(options(), Clock::System).await;
    append(&log, [1, 2]).await;
    log.append(vec![noise(3, 2 << 20)]).await.expect("appends");
    let log = shard.open(options(), Clock::System).await;
    assert_eq!(
        contents(&log).await,
        [record(1), record(2), noise(3, 2 << 20)]
    );
    assert_eq!(log.read(9, 1, 1).await.expect("reads"), []);
}
