//! `rialto send FILE`: publishes a file of events as fast as the exchange takes it, and can be stopped at any time.
//!
//! Reading order: `pieces` (what a file is cut into) → `group` (what becomes one call) → `deliver` (one call until it is
//! answered) → `state` (what a later run needs to go on). Promises: memory does not grow with the file; an event is
//! published once, however often a call is made again; every line that is refused is told of, with its place.

mod deliver;
mod group;
mod pieces;
mod state;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::{JoinError, JoinSet};

use crate::partner::{Partner, PartnerError};
use crate::terminal::{FRAME, Screen, bar, count, counted, rate, span};
use deliver::{Delivery, Done, Refused};
use group::{Group, Grouper};
pub use pieces::ReadError;
use state::{Kept, State};

/// Violations told of one line.
const VIOLATIONS_SHOWN: usize = 8;
/// Between two savings of the state.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// What the command line says.
#[derive(Debug, Args)]
pub struct SendFile {
    /// JSON lines, each the body of one `POST /v1/event`, or one JSON array of such; `-` is standard input.
    file: PathBuf,
    /// The publishing endpoint's key.
    #[arg(long, env = "RIALTO_KEY", hide_env_values = true)]
    key: String,
    /// Base URL of the exchange.
    #[arg(
        long,
        env = "RIALTO_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// Lines put into one call, where the form allows it.
    #[arg(long, default_value_t = 100, value_name = "LINES", value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Calls under way at once; 1 keeps the order of the file.
    #[arg(long, default_value_t = 8, value_name = "CALLS", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Begin anew instead of going on where an earlier run stopped.
    #[arg(long)]
    restart: bool,
    /// How long to try an exchange that is busy or away.
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = crate::listen::time)]
    patience: Duration,
}

/// Why not everything was sent. What was is not sent again by a later run.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("{path} cannot be read")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}, which says how far an earlier run came, cannot be used")]
    State {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{path} says how far an earlier run came, but with another {what}: --restart begins anew"
    )]
    Another { path: PathBuf, what: &'static str },
    #[error("reading stopped")]
    Read(#[from] ReadError),
    #[error("publishing stopped")]
    Publish(#[from] PartnerError),
    #[error("a call ended in a way that is not known")]
    Task(#[from] JoinError),
}

/// One publication of one file, under way.
struct Run {
    name: String,
    kept: Option<Kept>,
    state: State,
    size: Option<u64>,
    screen: Screen,
    started: Instant,
    saved: Instant,
    /// Calls answered beyond the first that is not, by their place.
    answered: BTreeMap<u64, Answered>,
    /// The place of the first call that is not answered.
    next: u64,
    /// Events of this run.
    accepted: u64,
    quarantined: u64,
    /// Lines of this run and of those that it goes on with.
    refused: u64,
}

/// A call that was answered.
struct Answered {
    /// Among the calls of this run.
    place: u64,
    /// Of the file, up to the end of what was sent: bytes and whole lines.
    end: u64,
    lines: u64,
    done: Done,
}

impl SendFile {
    /// Sends the file.
    ///
    /// # Errors
    /// [`SendError`]. Refused lines are no error but an exit code of 1.
    pub async fn run(self) -> Result<ExitCode, SendError> {
        let exchange = Partner::new(&self.server)?;
        let (mut run, source) = self.open(exchange.base())?;
        let is_live = run.kept.is_none();
        let delivery = Arc::new(Delivery {
            exchange,
            key: self.key.clone(),
            run: run.state.run.clone(),
            patience: self.patience,
            is_waiting: AtomicBool::new(false),
        });
        let pieces = pieces::read(source, run.state.start());
        let mut grouper = Grouper::new(pieces, run.state.batch, is_live);
        if let Some(kept) = &run.kept {
            kept.save(&run.state)?;
        }
        let ended = tokio::select! {
            ended = run.publish(&mut grouper, &delivery, usize::from(self.concurrency)) => ended.map(|()| true),
            () = crate::signal::stop() => Ok(false),
        };
        run.end(&ended)?;
        Ok(match ended? {
            false => ExitCode::from(INTERRUPTED),
            true if run.refused > 0 => ExitCode::FAILURE,
            true => ExitCode::SUCCESS,
        })
    }

    fn open(&self, server: &str) -> Result<(Run, Box<dyn BufRead + Send>), SendError> {
        let batch = usize::from(self.batch);
        if self.file == Path::new("-") {
            let state = State::new(server, batch, String::new());
            let source = BufReader::new(std::io::stdin());
            return Ok((
                Run::new("-".to_owned(), None, state, None),
                Box::new(source),
            ));
        }
        let failed = |source| SendError::File {
            path: self.file.clone(),
            source,
        };
        let mut file = File::open(&self.file).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let head = state::head(&mut file).map_err(failed)?;
        let kept = Kept::beside(&self.file);
        if self.restart {
            kept.forget();
        }
        let state = kept.open(&mut file, State::new(server, batch, head))?;
        let mut run = Run::new(
            self.file.display().to_string(),
            Some(kept),
            state,
            Some(size),
        );
        if run.state.offset > 0 {
            let line = count(run.state.lines + 1);
            run.screen.say(&format!(
                "going on at line {line}; --restart would begin anew"
            ));
        }
        Ok((run, Box::new(BufReader::with_capacity(1 << 18, file))))
    }
}

impl Run {
    fn new(name: String, kept: Option<Kept>, state: State, size: Option<u64>) -> Self {
        Self {
            name,
            kept,
            size,
            screen: Screen::stderr(),
            started: Instant::now(),
            saved: Instant::now(),
            answered: BTreeMap::new(),
            next: 0,
            accepted: 0,
            quarantined: 0,
            refused: state.refused,
            state,
        }
    }

    async fn publish(
        &mut self,
        grouper: &mut Grouper,
        delivery: &Arc<Delivery>,
        concurrency: usize,
    ) -> Result<(), SendError> {
        let mut under_way = JoinSet::new();
        let mut frames = tokio::time::interval(FRAME);
        let mut place = 0;
        let mut read = Ok(());
        let mut is_read = false;
        while !is_read || !under_way.is_empty() {
            tokio::select! {
                group = grouper.next(), if !is_read && under_way.len() < concurrency => match group {
                    Ok(Some(group)) => {
                        under_way.spawn(call(Arc::clone(delivery), place, group));
                        place += 1;
                    }
                    Ok(None) => is_read = true,
                    // What is under way is still waited for.
                    Err(error) => (is_read, read) = (true, Err(error)),
                },
                Some(answered) = under_way.join_next() => {
                    self.note(answered??)?;
                }
                _ = frames.tick() => self.show(delivery.is_waiting.load(Ordering::Relaxed)),
            }
        }
        Ok(read?)
    }

    /// A call is answered: counts it, and moves the end of what is answered without a gap.
    fn note(&mut self, answered: Answered) -> Result<(), SendError> {
        self.accepted += answered.done.accepted;
        self.quarantined += answered.done.quarantined;
        for refused in &answered.done.refused {
            self.refused += 1;
            self.tell(refused);
        }
        self.answered.insert(answered.place, answered);
        while let Some(answered) = self.answered.remove(&self.next) {
            self.next += 1;
            self.state.offset = answered.end;
            self.state.lines = answered.lines;
            self.state.refused += answered.done.refused.len() as u64;
        }
        if let Some(kept) = &self.kept
            && self.saved.elapsed() > SAVE_EVERY
        {
            kept.save(&self.state)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    fn tell(&mut self, refused: &Refused) {
        let (name, line) = (&self.name, refused.line);
        let mut lines = Vec::new();
        for (pointer, message) in refused.violations.iter().take(VIOLATIONS_SHOWN) {
            let gap = if pointer.is_empty() { "" } else { ": " };
            lines.push(format!("{name}:{line}: {pointer}{gap}{message}"));
        }
        let more = refused.violations.len().saturating_sub(VIOLATIONS_SHOWN);
        if more > 0 {
            lines.push(format!("{name}:{line}: and {more} more"));
        }
        self.screen.say(&lines.join("\n"));
    }

    fn show(&mut self, is_waiting: bool) {
        let line = self.line(is_waiting);
        let shown = match self.size {
            Some(size) => format!("{} {line}", bar(self.state.offset, size, 24)),
            None => line.clone(),
        };
        self.screen.draw(|_| vec![shown], || line);
    }

    fn line(&self, is_waiting: bool) -> String {
        let part = match self.size {
            Some(size) if size > 0 => format!("{} %, ", self.state.offset * 100 / size),
            _ => String::new(),
        };
        let wait = if is_waiting {
            "; waiting for the exchange"
        } else {
            ""
        };
        format!(
            "{part}{} taken, {} a second, {} refused{wait}",
            counted(self.accepted, "event"),
            count(rate(self.accepted, self.started.elapsed())),
            counted(self.refused, "line"),
        )
    }

    /// Saves or forgets the state, and sums up.
    fn end(&mut self, ended: &Result<bool, SendError>) -> Result<(), SendError> {
        if let Some(kept) = &self.kept {
            match ended {
                Ok(true) => kept.forget(),
                _ => kept.save(&self.state)?,
            }
        }
        let kept = match self.quarantined {
            0 => String::new(),
            kept => format!(", {} kept in quarantine", counted(kept, "event")),
        };
        self.screen.say(&format!(
            "{} taken in {}, {} a second; {} refused{kept}",
            counted(self.accepted, "event"),
            span(self.started.elapsed()),
            count(rate(self.accepted, self.started.elapsed())),
            counted(self.refused, "line"),
        ));
        if !matches!(ended, Ok(true)) && self.kept.is_some() {
            self.screen
                .say("the same command goes on where this one stopped");
        }
        Ok(())
    }
}

/// One call, in a task of its own.
async fn call(delivery: Arc<Delivery>, place: u64, group: Group) -> Result<Answered, PartnerError> {
    let (end, lines) = group
        .last()
        .map_or((0, 0), |piece| (piece.end, piece.lines));
    let done = delivery.deliver(group).await?;
    Ok(Answered {
        place,
        end,
        lines,
        done,
    })
}
