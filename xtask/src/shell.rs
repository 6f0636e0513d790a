//! Starting other programs: found, announced, run at the root of the repository, and their exit code kept.
//!
//! It exists so that every command of `xtask` behaves alike. All of them call it. It promises that what runs was
//! printed first, and that `cargo` runs as if typed by hand: the variables that the outer `cargo run` set for `xtask`
//! are taken away, because some build scripts would otherwise build their crate again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Why a command of `xtask` failed, as a sentence, with the exit code to hand on.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// A failure of our own, told by `sentence`; exits with 1.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            code: 1,
        }
    }

    fn of(program: &str, status: ExitStatus) -> Self {
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .filter(|code| *code != 0);
        Self {
            sentence: format!("`{program}` ended with {status}"),
            code: code.unwrap_or(1),
        }
    }

    /// The exit code, never 0.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sentence)
    }
}

/// The root of the repository: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    // At run time first: a target directory may be shared by several clones.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent()
        .map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Folders beside `PATH`: where Debian has servers, which only root has in its `PATH`, and PostgreSQL by its version.
const SERVERS: &[&str] = &["/usr/sbin", "/usr/lib/postgresql/*/bin"];

/// Whether `program` lies in a folder of `PATH`, or where Debian has servers.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(SERVERS.iter().flat_map(folders));
    folders.any(|folder| folder.join(program).is_file())
}

/// The folders that a pattern with at most one `*` stands for.
fn folders(pattern: &&str) -> Vec<PathBuf> {
    let Some((above, below)) = pattern.split_once("/*/") else {
        return vec![PathBuf::from(pattern)];
    };
    let versions = std::fs::read_dir(above).into_iter().flatten().flatten();
    versions.map(|version| version.path().join(below)).collect()
}

/// The cargo that started us, at the root, with a clean environment.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

fn set_by_cargo_run(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Prints the command as one would type it, runs it with our own input and output, and hands on its failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::of(&shown, status))
    }
}

/// Runs a command silently and answers what it printed on its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let shown = shown(command);
    let output = command
        .output()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Failure::of(&shown, output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!(
                "{}={}",
                name.to_string_lossy(),
                value.to_string_lossy()
            ));
        }
    }
    words.push(program.to_string_lossy().into_owned());
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_hands_on_its_exit_code_and_its_words() {
        let failure =
            run(Command::new("sh").args(["-c", "exit 7"])).expect_err("exit 7 is a failure");
        assert_eq!(failure.code(), 7);
        assert!(
            failure.to_string().starts_with("`sh -c exit 7`"),
            "{failure}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = run(&mut Command::new("no-such-program")).expect_err("it cannot start");
        assert!(failure.to_string().contains("no-such-program"), "{failure}");
        assert!(!installed("no-such-program") && installed("sh"));
    }

    #[test]
    fn cargo_starts_without_what_the_outer_cargo_set() {
        assert!(set_by_cargo_run("CARGO_MANIFEST_DIR") && set_by_cargo_run("CARGO_PKG_NAME"));
        assert!(!set_by_cargo_run("CARGO_HOME") && !set_by_cargo_run("CARGO_TARGET_DIR"));
    }
}
