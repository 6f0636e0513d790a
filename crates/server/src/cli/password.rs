//! Passwords on the command line: from a file or the standard input, never an argument, which others on the machine see.

use std::path::Path;

use super::CliError;

/// What a file says, without the line end; `-` is the standard input.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = read.map_err(|source| CliError::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
