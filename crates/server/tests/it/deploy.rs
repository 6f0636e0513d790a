//! The files of `deploy/` say what this program understands. (That they are what Kubernetes and Compose understand is
//! checked by `cargo xtask deploy`.)

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::config::Config;

use crate::harness::{rialto, run, said};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("it is there")
}

const FILES: &[&str] = &[
    "Containerfile",
    "compose.yaml",
    "rialto.service",
    "kubernetes/README.md",
    "kubernetes/configmap.yaml",
    "kubernetes/deployment.yaml",
];

/// The block below `key: |` of a YAML file, without its indentation.
fn block(yaml: &str, key: &str) -> String {
    let head = format!("{key}: |");
    let mut lines = yaml.lines().skip_while(|line| line.trim() != head);
    let depth = |line: &str| line.len() - line.trim_start().len();
    let outer = depth(lines.next().expect("the key"));
    let inner = lines.take_while(|line| line.is_empty() || depth(line) > outer);
    inner
        .map(|line| format!("{}\n", line.trim_start()))
        .collect()
}

/// What follows `key` up to the end of its line, for each time that it is there.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim);
    lines.filter_map(move |line| line.trim_start_matches("- ").strip_prefix(key))
}

/// So many seconds, as `60`, `60s` or `"60s"`.
fn seconds(text: &str, key: &str) -> Duration {
    let value = values(text, key).next().expect("the key").trim();
    let digits = value.trim_matches(|c: char| !c.is_ascii_digit());
    Duration::from_secs(digits.parse().expect("a number"))
}

fn database(name: &str) -> Option<String> {
    (name == "RIALTO_ENGINES_DB").then(|| "postgres://rialto:secret@postgres/rialto".to_owned())
}

/// The ConfigMap's file, in a directory that is given with it.
fn config_map() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("rialto.toml");
    let toml = block(&text("kubernetes/configmap.yaml"), "rialto.toml");
    std::fs::write(&path, toml).expect("written");
    (directory, path)
}

#[test]
fn the_configuration_of_the_manifests_can_be_used() {
    let (directory, path) = config_map();
    let path = path.to_str().expect("a path");
    let mut command = rialto(directory.path(), &["config", "check", path]);
    let name = "RIALTO_ENGINES_DB";
    command.env(name, database(name).expect("an address"));
    let output = run(command);
    if cfg!(feature = "distributed") {
        assert!(output.status.success(), "{}", said(&output));
    } else {
        // All else was found good.
        let said = said(&output);
        assert!(said.contains("was built without `distributed`"), "{said}");
    }
}

#[test]
fn every_variable_is_one_that_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    let note = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    Config::load(None, note).expect("the defaults are sound");
    let asked = asked.into_inner();
    for file in FILES {
        let text = text(file);
        let words =
            text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for name in words.filter(|word| word.starts_with("RIALTO_")) {
            assert!(asked.contains(name), "{file}: nobody reads {name}");
        }
    }
}

/// First requests, then pushes under way are waited for, each so long; then there is a last checkpoint to write.
#[test]
fn processes_get_the_time_to_end() {
    let (_directory, path) = config_map();
    let config = Config::load(Some(&path), database).expect("it is sound");
    let least = config.server.shutdown_patience.0 * 2 + Duration::from_secs(5);
    let pod = text("kubernetes/deployment.yaml");
    let grace = seconds(&pod, "terminationGracePeriodSeconds:");
    assert!(grace >= least + seconds(&pod, "seconds:"), "{grace:?}");
    let config = Config::load(None, |_| None).expect("the defaults are sound");
    let least = config.server.shutdown_patience.0 * 2 + Duration::from_secs(5);
    for (file, key) in [
        ("compose.yaml", "stop_grace_period:"),
        ("rialto.service", "TimeoutStopSec="),
    ] {
        let grace = seconds(&text(file), key);
        assert!(grace >= least, "{file}: {grace:?}");
    }
}

#[test]
fn the_image_has_the_engines_that_the_files_name() {
    let build = text("Containerfile");
    let build = build.lines().find(|line| line.contains("cargo build"));
    assert!(build.is_some_and(|line| line.contains("--features distributed")));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("it is there");
    assert!(manifest.contains("\ndistributed = ["));
}

#[test]
fn images_are_named_without_a_registry() {
    let mut images = 0;
    for (file, key) in [
        ("Containerfile", "FROM "),
        ("compose.yaml", "image: "),
        ("kubernetes/deployment.yaml", "image: "),
    ] {
        let text = text(file);
        for image in values(&text, key) {
            let first = image.split('/').next().unwrap_or_default();
            let is_host = image.contains('/') && first.contains(['.', ':']);
            assert!(!is_host, "{file}: {image}");
            images += 1;
        }
    }
    assert!(images >= 8, "{images}");
}

#[test]
fn the_secret_that_is_made_has_the_keys_that_are_asked_for() {
    let (pod, readme) = (
        text("kubernetes/deployment.yaml"),
        text("kubernetes/README.md"),
    );
    let keys: Vec<&str> = values(&pod, "key: ").collect();
    assert!(
        keys.contains(&"db") && keys.contains(&"secret-key"),
        "{keys:?}"
    );
    for key in keys {
        assert!(readme.contains(&format!("--from-literal={key}=")), "{key}");
    }
}
