//! Pages of the manual, run as they are written: their blocks of `bash` in an empty directory, on free ports.
//!
//! Called by the tests of the README and of the partner guide.

use std::path::Path;
use std::process::{Command, Output};

use super::process::free_port;

/// The insides of the `bash` blocks behind `mark`, but the lines that begin with one of `but`. Addresses of the page are
/// replaced by free ones, and whatever happens, nothing that it starts is left running.
pub(crate) fn script(page: &str, mark: &str, but: &[&str]) -> String {
    let (_, rest) = page.split_once(mark).expect("the page is marked");
    let mut script = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n".to_owned();
    let mut within = false;
    for line in rest.lines() {
        if line.starts_with("```") {
            within = line == "```bash";
        } else if within && !but.iter().any(|start| line.starts_with(start)) {
            script.push_str(line);
            script.push('\n');
        }
    }
    for address in ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9000"] {
        assert!(script.contains(address), "the page uses {address}");
        script = script.replace(address, &format!("127.0.0.1:{}", free_port()));
    }
    script
}

/// Runs it with the binary `rialto` in the path.
pub(crate) fn run(script: &str, directory: &Path, settings: &[(&str, String)]) -> Output {
    let rialto = Path::new(env!("CARGO_BIN_EXE_rialto"))
        .parent()
        .expect("it is in a directory");
    let mut path = vec![rialto.to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let path = std::env::join_paths(path).expect("it was a path before");
    Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", script])
        .current_dir(directory)
        .env("PATH", path)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("bash starts")
}

/// It ended well and showed all of these.
pub(crate) fn shows(output: &Output, expected: &[&str]) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let all = format!("{}\n{said}\n{complained}", output.status);
    assert!(output.status.success(), "{all}");
    for text in expected {
        assert!(said.contains(text), "the page shows {text}:\n{all}");
    }
}
