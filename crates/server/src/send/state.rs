//! What a run leaves beside its file (`<file>.rialto-send`), so that a later one goes on where it stopped.
//!
//! The state names the end of what has been answered for without a gap. Calls beyond it may have been taken as well:
//! they are made again with the same idempotency keys, so they are published once.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SendError;
use super::pieces::Start;

/// The start of the file, kept to tell whether it is still the same.
const HEAD_BYTES: usize = 512;

/// Written as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// Names the publication; part of every idempotency key.
    pub(super) run: String,
    pub(super) server: String,
    /// As at the first run: calls must be cut alike.
    pub(super) batch: usize,
    pub(super) is_array: bool,
    pub(super) offset: u64,
    /// Lines before the offset.
    pub(super) lines: u64,
    pub(super) refused: u64,
    head: String,
}

impl State {
    /// Where reading begins.
    pub(super) fn start(&self) -> Start {
        Start {
            offset: self.offset,
            lines: self.lines,
            is_array: self.is_array,
        }
    }

    /// Of a publication that begins.
    pub(super) fn new(server: &str, batch: usize, head: String) -> Self {
        Self {
            run: (0..20).map(|_| fastrand::alphanumeric()).collect(),
            server: server.to_owned(),
            batch,
            is_array: head
                .trim_start_matches('\u{feff}')
                .trim_start()
                .starts_with('['),
            offset: 0,
            lines: 0,
            refused: 0,
            head,
        }
    }
}

/// A file to be sent and the state beside it.
pub(super) struct Kept {
    path: PathBuf,
}

impl Kept {
    pub(super) fn beside(file: &Path) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push(".rialto-send");
        Self { path: path.into() }
    }

    /// The state of an earlier run that was not finished, else a new one.
    ///
    /// # Errors
    /// When the state is of another file or another exchange, and when it cannot be read.
    pub(super) fn open(&self, file: &mut File, new: State) -> Result<State, SendError> {
        let failed = |source| SendError::State {
            path: self.path.clone(),
            source,
        };
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(new),
            Err(error) => return Err(failed(error)),
        };
        let state: State = serde_json::from_str(&text).map_err(|error| failed(error.into()))?;
        let length = file.metadata().map_err(failed)?.len();
        let is_same = new.head.starts_with(&state.head) && state.offset <= length;
        if !is_same || state.server != new.server {
            return Err(SendError::Another {
                path: self.path.clone(),
                what: if is_same { "exchange" } else { "file" },
            });
        }
        file.seek(SeekFrom::Start(state.offset)).map_err(failed)?;
        Ok(state)
    }

    /// Replaces the state in one step.
    ///
    /// # Errors
    /// When it cannot be written: then resuming would be a promise that is not kept.
    pub(super) fn save(&self, state: &State) -> Result<(), SendError> {
        let failed = |source| SendError::State {
            path: self.path.clone(),
            source,
        };
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(".new");
        let text = serde_json::to_string(state).map_err(|error| failed(error.into()))?;
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| std::fs::rename(&temporary, &self.path))
            .map_err(failed)
    }

    /// All is sent, or a new start is wanted.
    pub(super) fn forget(&self) {
        // Not there is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The start of a file, which is left at its start.
pub(super) fn head(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    Read::by_ref(file)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path, text: &str, server: &str) -> Result<State, SendError> {
        let path = directory.join("events.jsonl");
        std::fs::write(&path, text).expect("written");
        let mut file = File::open(&path).expect("there");
        let new = State::new(server, 100, head(&mut file).expect("readable"));
        Kept::beside(&path).open(&mut file, new)
    }

    #[test]
    fn a_later_run_goes_on_with_the_same_file_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let kept = Kept::beside(&directory.path().join("events.jsonl"));
        let mut state = open(directory.path(), "{}\n{}\n", "a").expect("a new state");
        assert_eq!((state.offset, state.is_array), (0, false));
        state.offset = 3;
        state.lines = 1;
        kept.save(&state).expect("saved");

        let grown = open(directory.path(), "{}\n{}\n{}\n", "a");
        assert_eq!(grown.expect("the same, grown"), state);
        for (text, server, what) in [
            ("[]\n{}\n", "a", "file"),
            ("{}", "a", "file"),
            ("{}\n{}\n", "b", "exchange"),
        ] {
            let error = open(directory.path(), text, server)
                .expect_err(text)
                .to_string();
            assert!(error.contains(&format!("another {what}")), "{error}");
        }
        kept.forget();
        assert_ne!(
            open(directory.path(), "{}\n", "a")
                .expect("a new state")
                .run,
            state.run
        );
    }
}
