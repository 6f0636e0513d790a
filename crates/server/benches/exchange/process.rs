//! Processes that are measured: what they use is read from `/proc`, so nothing in them has to cooperate.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// Clock ticks a second in `/proc/<pid>/stat`; Linux shows 100 to programs on every machine.
const TICKS_PER_S: f64 = 100.0;

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// This program in another role.
    pub(crate) fn role(role: &str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(format!("role:{role}")).args(arguments);
        Self::spawn(command)
    }

    /// The next line that it prints. Blocks.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a child process ended before it said what was expected".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// User and system time of all its threads so far, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        cpu_s(&self.child.id().to_string())
    }

    /// Resident memory in MiB: now, and at most so far.
    pub(crate) fn memory_mib(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next());
            Ok(kib
                .ok_or("no such field in /proc/<pid>/status")?
                .parse::<f64>()?
                / 1024.0)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Asks it to end in order, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of this process.
pub(crate) fn own_cpu_s() -> Result<f64> {
    cpu_s("self")
}

/// CPU seconds so far of the programs of this name that this process has started, and of what these have.
pub(crate) fn started_cpu_s(names: &[&str]) -> Result<f64> {
    let mut total_s = 0.0;
    let mut ours = vec![std::process::id().to_string()];
    let mut others: Vec<(String, Stat)> = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let id = entry?.file_name().to_string_lossy().into_owned();
        // One that has ended meanwhile counts no more.
        if id.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(stat) = stat(&id)
        {
            others.push((id, stat));
        }
    }
    while let Some(parent) = ours.pop() {
        for (id, stat) in others.iter().filter(|(_, stat)| stat.parent == parent) {
            if names.contains(&&*stat.name) {
                total_s += stat.own_cpu_s + stat.ended_cpu_s;
            }
            ours.push(id.clone());
        }
    }
    Ok(total_s)
}

fn cpu_s(process: &str) -> Result<f64> {
    Ok(stat(process)?.own_cpu_s)
}

struct Stat {
    name: String,
    parent: String,
    own_cpu_s: f64,
    /// Of its children that have ended.
    ended_cpu_s: f64,
}

fn stat(process: &str) -> Result<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses and may hold spaces.
    let (name, rest) = stat.rsplit_once(')').ok_or("an odd /proc/<pid>/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // User and system time stand side by side.
    let seconds = |at: usize| {
        let ticks = fields.iter().skip(at).take(2);
        let ticks = ticks.filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_S
    };
    Ok(Stat {
        name: name
            .split_once('(')
            .map_or(name, |(_, name)| name)
            .to_owned(),
        parent: fields.get(1).copied().unwrap_or_default().to_owned(),
        own_cpu_s: seconds(11),
        ended_cpu_s: seconds(13),
    })
}

/// Waits until `is_so`, looking every two milliseconds.
pub(crate) async fn until(
    what: &str,
    patience: Duration,
    mut is_so: impl FnMut() -> bool,
) -> Result<()> {
    let started = std::time::Instant::now();
    while !is_so() {
        if started.elapsed() > patience {
            return Err(format!("{what}: not within {patience:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
