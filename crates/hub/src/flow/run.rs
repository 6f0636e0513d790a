//! Keeps the tasks going: each periodically and on a nudge, until told to stop.
//!
//! Also [`Hub::settle`], with which tests (and the demo) step the world instead of waiting for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::shard::Shard;
use crate::{Hub, Result};

/// How often destinations are looked at for files that are due by age.
const PACK_EVERY: Duration = Duration::from_secs(1);
/// How often the outbox is looked at for what is due again, or was put there by another process.
const NOTIFY_EVERY: Duration = Duration::from_secs(1);
/// How often jobs are looked at whose time has come, or that another process has put there.
const JOBS_EVERY: Duration = Duration::from_secs(1);
/// How often the log is looked at for what may be trimmed.
const RETIRE_EVERY: Duration = Duration::from_secs(60);
/// After a task failed, before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// The tasks of a running hub. Dropping it leaves them running; [`Running::stop`] ends them in order.
pub struct Running {
    hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Hub {
    /// Starts the work that runs by itself.
    pub fn run(self: &Arc<Self>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![
            tokio::spawn(Arc::clone(self).run_pump(stopped.clone())),
            tokio::spawn(Arc::clone(self).run_checkpoints(stopped.clone())),
            tokio::spawn(Arc::clone(self).run_collector(stopped.clone())),
            tokio::spawn(Arc::clone(self).run_notifier(stopped.clone())),
            tokio::spawn(Arc::clone(self).run_jobs(stopped.clone())),
            tokio::spawn(Arc::clone(self).run_slow_tasks(stopped.clone())),
        ];
        let routers = self
            .logs
            .each()
            .map(|(shard, _)| tokio::spawn(Arc::clone(self).run_router(shard, stopped.clone())));
        tasks.extend(routers);
        if self.is_shared() {
            tasks.push(tokio::spawn(Arc::clone(self).run_follower(stopped.clone())));
            if self.runs_flow() {
                tasks.push(tokio::spawn(Arc::clone(self).run_leases(stopped)));
            }
        }
        Running {
            hub: Arc::clone(self),
            stop,
            tasks,
        }
    }

    /// Routes one shard whenever it runs here and its log grows.
    async fn run_router(self: Arc<Self>, shard: Shard, mut stopped: watch::Receiver<bool>) {
        let mut held = self.flow.held.subscribe();
        loop {
            held.borrow_and_update();
            if self.flow.holds(shard) && !*stopped.borrow() {
                self.route_while_held(shard, &mut held, &mut stopped).await;
                // What is held has changed, perhaps only for others: look again.
                continue;
            }
            if *stopped.borrow() {
                return;
            }
            tokio::select! {
                _ = held.changed() => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn route_while_held(
        &self,
        shard: Shard,
        held: &mut watch::Receiver<usize>,
        stopped: &mut watch::Receiver<bool>,
    ) {
        let mut tail = self.logs.at(shard).tail();
        loop {
            tail.borrow_and_update();
            match self.note("route", self.route_shard(shard)).await {
                Some(report) if report.batches > 0 => {
                    if *stopped.borrow() {
                        return;
                    }
                    continue;
                }
                Some(_) => {}
                None => {
                    // What could not be routed is still there, whether or not anybody publishes again.
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => continue,
                        _ = stopped.changed() => return,
                    }
                }
            }
            tokio::select! {
                _ = tail.changed() => {}
                _ = held.changed() => return,
                _ = stopped.changed() => return,
            }
        }
    }

    /// Learns what other processes have changed, and does what they ask.
    async fn run_follower(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            self.note("follow", self.follow()).await;
            self.note("obey", self.obey()).await;
            tokio::select! {
                () = tokio::time::sleep(self.options.processes.follow_every) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn run_leases(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        /// A lease is renewed so many times before it could be taken.
        const RENEWALS: u32 = 5;
        loop {
            self.note("lease", self.lease()).await;
            tokio::select! {
                () = tokio::time::sleep(self.options.processes.lease / RENEWALS) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn run_pump(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            let now = self.now();
            let alarm = self.flow.state().schedule.ring(now);
            self.pump();
            let asleep = async {
                match alarm {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.flow.pump.notified() => {}
                () = asleep => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn run_checkpoints(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.options.delivery.checkpoint_every) => {}
                _ = stopped.changed() => return,
            }
            let started = std::time::Instant::now();
            match self.note("checkpoint", self.checkpoint()).await {
                Some(true) => self
                    .metrics
                    .checkpoint
                    .observe(started.elapsed().as_secs_f64()),
                Some(false) => {}
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Apart from the rest: strangers may take their time.
    async fn run_collector(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            let round = async {
                self.note("collect", self.collect()).await;
                self.clock.sleep(self.options.collect.every).await;
            };
            // What is cut off in the middle is collected again, and published once.
            tokio::select! {
                () = round => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Sends what is in the outbox, each lane in a task of its own.
    async fn run_notifier(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            self.note("notify", self.notify()).await;
            tokio::select! {
                () = self.flow.notify_nudged() => {}
                () = self.clock.sleep(NOTIFY_EVERY) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Makes jobs of shares that are due, and begins slices of jobs, each in a task of its own.
    async fn run_jobs(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            self.note("shares", self.shares_due()).await;
            self.note("jobs", self.jobs()).await;
            tokio::select! {
                () = self.flow.jobs_nudged() => {}
                () = self.clock.sleep(JOBS_EVERY) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn run_slow_tasks(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut retire_at = self.now();
        loop {
            let now = self.now();
            self.note("pack", self.pack()).await;
            self.note("observe", self.save_observed()).await;
            if now >= retire_at {
                retire_at = now + RETIRE_EVERY;
                self.note("retire", self.retire()).await;
                self.note("refresh", self.refresh_nightly()).await;
            }
            tokio::select! {
                () = self.clock.sleep(PACK_EVERY) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Works until nothing can be done at this moment of the clock: everything in the log is routed, every call that
    /// may be made has been answered, and where the flow stands is saved. Works whether or not [`Hub::run`] does.
    pub async fn settle(self: &Arc<Self>) -> Result<()> {
        if self.is_shared() {
            self.lease().await?;
            self.follow().await?;
            self.obey().await?;
        }
        for shard in self.flow.held() {
            self.logs.at(shard).latest().await?;
        }
        loop {
            let changed = self.flow.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            while self.route().await?.batches > 0 {}
            let now = self.now();
            self.flow.state().schedule.ring(now);
            self.pump();
            let is_told = self.notify().await?.is_idle;
            self.shares_due().await?;
            let is_worked = self.jobs().await?.is_idle;
            let is_idle = is_told && is_worked && {
                let state = self.flow.state();
                state.schedule.is_idle()
                    && !state.schedule.destinations.values().any(|d| d.is_loading)
            };
            if is_idle && self.router_lag() == 0 {
                self.checkpoint().await?;
                return Ok(());
            }
            changed.await;
        }
    }
}

impl Running {
    /// Ends in order: no new calls to destinations, those under way are answered (within `patience`), where the flow
    /// stands is saved, the log is closed. Nothing is lost, and nothing that was answered is sent again.
    pub async fn stop(self, patience: Duration) {
        let hub = &self.hub;
        hub.flow.is_stopping.store(true, Ordering::Relaxed);
        let quiet = async {
            loop {
                let changed = hub.flow.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if hub.flow.state().schedule.in_flight == 0
                    && hub.flow.notify_is_quiet()
                    && hub.flow.jobs_are_quiet()
                {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(patience, quiet).await.is_err() {
            tracing::warn!(
                in_flight = hub.flow.state().schedule.in_flight,
                "calls under way were cut off; they will be made again"
            );
        }
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        if let Err(error) = hub.checkpoint().await {
            complain("checkpoint", &error);
        }
        if let Err(error) = hub.save_observed().await {
            complain("observe", &error);
        }
        if let Err(error) = hub.leave().await {
            complain("leave", &error);
        }
        for (_, log) in hub.logs.each() {
            log.close().await;
        }
    }
}

pub(crate) fn complain(task: &str, error: &crate::Error) {
    tracing::error!(
        task,
        error = error as &dyn std::error::Error,
        "a task failed and is tried again"
    );
}
