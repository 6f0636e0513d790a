//! The program itself, as a child: for what only shows from outside, such as its memory and a disk that is really full.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Http, TOKEN, TestEndpoint, destination_definition, publisher_definition};

/// A running `rialto serve`; killed when dropped.
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Held, so that the program can go on writing to it.
    _stdout: BufReader<ChildStdout>,
    directory: Option<tempfile::TempDir>,
}

impl Binary {
    /// On a directory of its own.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut binary = Self::start_in(directory.path(), None);
        binary.directory = Some(directory);
        binary
    }

    /// On `data`; files may grow to `file_kib_max`, if that is given.
    pub(crate) fn start_in(data: &Path, file_kib_max: Option<u32>) -> Self {
        let mut command = match file_kib_max {
            None => Command::new(env!("CARGO_BIN_EXE_rialto")),
            Some(kib) => {
                // The signal is ignored, so that a write beyond the limit fails as on a full disk.
                let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"", kib * 2);
                let mut shell = Command::new("sh");
                shell.args(["-c", &script, env!("CARGO_BIN_EXE_rialto")]);
                shell
            }
        };
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--pilot-listen",
                "127.0.0.1:0",
            ])
            .arg("--allow-private-destinations")
            .arg("--data")
            .arg(data)
            .env("RIALTO_OPERATOR_TOKEN", TOKEN)
            .envs(super::mix::settings(data))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("a pipe");
        let mut stdout = BufReader::new(stdout);
        let address = loop {
            let mut line = String::new();
            let count = stdout.read_line(&mut line).expect("text");
            assert!(count > 0, "it ended without saying where it listens");
            if let Some((_, address)) = line.split_once("production  http://") {
                break address.trim().parse().expect("an address");
            }
        };
        Self {
            address,
            child,
            _stdout: stdout,
            directory: None,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn http(&self) -> Http {
        Http::new(self.address)
    }

    /// The most memory it had at once.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        memory_peak_bytes(self.id())
    }

    /// A publisher of one event type, registered over HTTP.
    pub(crate) async fn shop(&self, code: &str) -> TestEndpoint {
        self.shop_and_crm(code, None).await
    }

    /// The same, with a push destination at `url` that subscribes to it.
    pub(crate) async fn shop_and_crm(&self, code: &str, url: Option<&str>) -> TestEndpoint {
        let manage = async |path: &str, body: Value| {
            self.call("POST", &format!("/manage/v1{path}"), TOKEN, body)
                .await
        };
        manage("/providers", json!({ "name": "Acme" })).await;
        let account = manage(
            "/accounts",
            json!({ "name": "Shop", "environment": "production" }),
        )
        .await;
        let account = format!("/accounts/{}", account["id"]);
        let register = async |definition: Value| {
            let registered = manage(&format!("{account}/registrations"), json!({})).await;
            let key = registered["endpointKey"]
                .as_str()
                .expect("a key")
                .to_owned();
            self.call("PUT", "/v1/endpoint", &key, definition).await;
            let id = model::EndpointId(registered["endpointId"].as_i64().expect("an id"));
            TestEndpoint { id, key }
        };
        let shop = register(publisher_definition()).await;
        self.call(
            "POST",
            "/v1/eventtype",
            &shop.key,
            json!({ "code": code, "name": code }),
        )
        .await;
        if let Some(url) = url {
            let push = json!({ "enabled": true, "destinationType": "push" });
            let crm = register(destination_definition(url, push)).await;
            let subscription = json!({ "publisherEndpointId": shop.id.0, "eventCode": code, "destinationEndpointId": crm.id.0 });
            manage(&format!("{account}/subscriptions"), subscription).await;
        }
        shop
    }

    async fn call(&self, method: &str, path: &str, key: &str, body: Value) -> Value {
        let answer = self.http().json(method, path, Some(key), Some(body)).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()
    }
}

/// The most memory that a process had at once.
pub(crate) fn memory_peak_bytes(process: u32) -> u64 {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .expect("a figure");
    kib.parse::<u64>().expect("a number") << 10
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
