//! `cargo xtask deploy`: the files of `deploy/` held against the schemas of those who read them.
//!
//! `cargo xtask test` calls it. The linters are Python packages that carry the schemas with them, in an environment of
//! their own below `target/`; `cargo xtask setup` installs them once. It promises that nothing is fetched by a check.
//! What of these files is Rialto's own (keys, variables, times) is checked by `crates/server/tests/it/deploy.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options;
use crate::shell::{self, Failure};

/// The linters, and all that they bring, so that every machine has the same.
const PACKAGES: &[&str] = &[
    "attrs==26.1.0",
    "certifi==2026.10.18",
    "charset-normalizer==3.5.2",
    "check-jsonschema==0.39.0",
    "click==8.5.1",
    "idna==3.20",
    "importlib_resources==7.1.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "kubernetes-validate==1.37.0",
    "packaging==26.3",
    "pathspec==1.1.1",
    "PyYAML==6.0.3",
    "referencing==0.37.0",
    "regress==2026.9.1",
    "requests==2.34.2",
    "rpds-py==2026.9.1",
    "ruamel.yaml==0.19.1",
    "typing_extensions==4.16.0",
    "urllib3==2.8.0",
    "yamllint==1.38.0",
];

/// The oldest Kubernetes that the manifests are for, and the newest that the linter knows.
const KUBERNETES: &[&str] = &["1.31", "1.37"];

const YAML_RULES: &str = "{extends: default, rules: {line-length: {max: 140}, document-start: disable, \
                          comments: {min-spaces-from-content: 1}}}";

/// Checks every file of `deploy/` that has a schema.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    options::none(arguments)?;
    install()?;
    let root = shell::root();
    let manifests = yaml_files(&root.join("deploy/kubernetes"))?;
    shell::run(linter("yamllint").args(["--strict", "-d", YAML_RULES, "deploy"]))?;
    for version in KUBERNETES {
        let mut command = linter("kubernetes-validate");
        command.args(["--strict", "--quiet", "-k", version]);
        shell::run(command.args(&manifests))?;
    }
    let mut compose = linter("check-jsonschema");
    compose.args(["--builtin-schema", "vendor.compose-spec"]);
    shell::run(compose.arg("deploy/compose.yaml"))
}

/// Whether Python is there and can make an environment; Debian brings that in a package of its own.
pub(crate) fn python_is_whole() -> bool {
    let tried = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// Installs the linters, unless just these are installed.
pub(crate) fn install() -> Result<(), Failure> {
    let environment = environment();
    let (stamp, wanted) = (environment.join("packages.txt"), PACKAGES.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut venv = Command::new("python3");
    shell::run(venv.args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = linter("pip");
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    shell::run(
        pip.args(["--no-deps", "--only-binary", ":all:"])
            .args(PACKAGES),
    )?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", stamp.display())))
}

fn environment() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| PathBuf::from("target"), PathBuf::from);
    shell::root().join(target).join("deploy-lint")
}

/// A program of the environment, started at the root of the repository.
fn linter(name: &str) -> Command {
    let mut command = Command::new(environment().join("bin").join(name));
    command.current_dir(shell::root());
    command
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong =
        |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!(
            "{} has no manifests",
            folder.display()
        )));
    }
    Ok(files)
}
