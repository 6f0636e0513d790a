//! Audiences: rows from an upload to the destination that replaces, against reading CSV, SHA-256 and writing CSV alone.
//!
//! Five columns, one identifier that is hashed on the way, and 60 % of the rows have it. The floor does it from one file to
//! another, on one thread; the hub from a job's data to the answer of the destination's server, with reports of the other
//! 40 %, a receipt, and everything durable that a restart needs.

use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;
use crate::engines::Engines;
use crate::figures::{self, Pair};
use crate::http::{Message, once, request};
use crate::process::{Process, own_cpu_s};
use crate::world::{Running, TOKEN, World};

const ROUNDS: usize = 5;
/// A run that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(900);
const SEGMENT: i64 = 8_000_000_000_000_001_152;
/// Of ten rows, those that have the identifier.
const MATCHED_OF_TEN: u64 = 6;

/// So many million rows; several rounds of one, one of ten.
pub(crate) async fn run(millions: u64) -> Result<()> {
    let rows = millions * 1_000_000;
    let world = World::new(&Engines::Embedded)?;
    let file = world.directory.path().join("rows.csv");
    write_rows(&file, rows)?;
    let hub = world.serve().await?;
    let sink = Sink::start().await?;
    let scene = Scene::set_up(hub.address, &sink).await?;
    let rounds = if millions == 1 { ROUNDS } else { 1 };
    let (mut rate, mut cpu) = (Pair::default(), Pair::default());
    for round in 0..=rounds {
        if millions == 1 || round > 0 {
            let (bare_s, bare_cpu_s) = floor(&file)?;
            let before_s = hub.process.cpu_s()?;
            let (took_s, cpu_at_upload_s) = scene.share(&hub, &file, rows).await?;
            let cpu_s = hub.process.cpu_s()? - cpu_at_upload_s;
            // The first one warms up.
            if round > 0 {
                rate.add(rows as f64 / bare_s, rows as f64 / took_s);
                cpu.add(bare_cpu_s * 1e6 / rows as f64, cpu_s * 1e6 / rows as f64);
            }
            let upload_cpu_s = cpu_at_upload_s - before_s;
            println!(
                "  floor {bare_s:.2} s, hub {took_s:.2} s; the upload before took {upload_cpu_s:.2} s of CPU"
            );
        }
    }
    let (lines, expected) = (sink.lines.load(Relaxed), rows / 10 * MATCHED_OF_TEN + 1);
    if lines != expected {
        return Err(format!("the destination got {lines} lines instead of {expected}").into());
    }
    figures::head("bare", "hub");
    rate.print_rate("rows/s", Some("≥ 0.5"));
    cpu.print_cost("CPU, µs a row");
    let (_, peak) = hub.process.memory_mib()?;
    println!("  memory at most {peak:.0} MiB   aim < 200");
    Ok(())
}

fn write_rows(file: &Path, rows: u64) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(file)?);
    writeln!(out, "Crm Id,First Name,Email,Points,City")?;
    for n in 0..rows {
        write!(out, "c-{n},First name {n},")?;
        if n % 10 < MATCHED_OF_TEN {
            write!(out, "Person.{n}@Example.com")?;
        }
        writeln!(out, ",{},Köln", n * 7 % 1_000)?;
    }
    out.flush()?;
    Ok(())
}

/// Seconds, and seconds of CPU, of the floor.
fn floor(file: &Path) -> Result<(f64, f64)> {
    let target = file.with_extension("floor");
    let arguments = [file, &target].map(|path| path.display().to_string());
    let line = Process::role("audience", &arguments)?.line()?;
    let (took, cpu) = line.split_once(' ').ok_or("an odd line")?;
    Ok((took.parse()?, cpu.parse()?))
}

/// The floor itself. Prints seconds and CPU seconds.
pub(crate) fn bare(from: &Path, to: &Path) -> Result<()> {
    let (started, before_s) = (Instant::now(), own_cpu_s()?);
    let mut reader = csv::Reader::from_path(from)?;
    let mut writer = csv::Writer::from_path(to)?;
    writer.write_record(["hashed_email", "fn", "score"])?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let address = std::str::from_utf8(&record[2])?.trim();
        if address.is_empty() {
            continue;
        }
        let hash = Sha256::digest(address.to_lowercase());
        writer.write_field(hex(&hash))?;
        writer.write_field(&record[1])?;
        writer.write_field(&record[3])?;
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()?;
    println!(
        "{} {}",
        started.elapsed().as_secs_f64(),
        own_cpu_s()? - before_s
    );
    Ok(())
}

fn hex(bytes: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// A CRM, an advertising platform, and a share between them.
struct Scene {
    account: i64,
    share: i64,
    crm: String,
    /// The job that was made with the share.
    first: std::cell::Cell<Option<i64>>,
}

impl Scene {
    async fn set_up(hub: SocketAddr, sink: &Sink) -> Result<Self> {
        let manage = async |path: &str, body: Value| {
            let path = format!("/manage/v1{path}");
            call(hub, "POST", &path, TOKEN, &body).await
        };
        manage("/providers", json!({ "name": "Acme" })).await?;
        let new = json!({ "name": "Shop", "environment": "production" });
        let account = number(&manage("/accounts", new).await?["id"])?;
        let register = async |definition: Value| {
            let path = format!("/accounts/{account}/registrations");
            let made = manage(&path, json!({})).await?;
            let key = made["endpointKey"].as_str().ok_or("no key")?.to_owned();
            call(hub, "PUT", "/v1/endpoint", &key, &definition).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((number(&made["endpointId"])?, key))
        };
        let (from, crm) = register(json!({
            "name": "CRM", "providerName": "Acme",
            "endpointTypes": { "segment": { "source": { "enabled": true, "producerType": "push" } } },
            "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "people",
                "identifiers": [{ "name": "Email", "type": "email" }],
                "attributes": [{ "name": "First Name", "type": "string" }, { "name": "Points", "type": "integer" }] }] },
        }))
        .await?;
        let (to, _) = register(json!({
            "name": "Ads", "providerName": "Acme", "url": format!("http://{}", sink.address),
            "endpointTypes": { "segment": { "destination": { "enabled": true, "destinationType": "push",
                "shareActions": { "add": true, "replace": true } } } },
            "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "people",
                "identifiers": [{ "name": "hashed_email", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256" }],
                "attributes": [{ "name": "score", "type": "integer" }, { "name": "fn", "type": "string" }] }] },
        }))
        .await?;
        let segments = json!([{ "id": SEGMENT, "name": "Everybody" }]);
        let path = format!("/v1/endpoint/{from}/segments");
        call(hub, "POST", &path, &crm, &segments).await?;
        let path = format!("/accounts/{account}/shares");
        let made = manage(
            &path,
            json!({
                "sourceEndpointId": from, "segmentId": SEGMENT, "destinationEndpointId": to,
                "destinationSegmentName": "Everybody", "shareAction": "REPLACE",
                "identifier": { "source": "Email", "destination": "hashed_email" },
                "attributes": { "First Name": "fn", "Points": "score" }, "schedule": null, "uploadIdentities": false,
            }),
        )
        .await?;
        Ok(Self {
            account,
            share: number(&made["id"])?,
            crm,
            first: std::cell::Cell::new(Some(number(&made["jobId"])?)),
        })
    }

    /// Uploads the file for a run of the share. Answers the seconds from then to its end, and the hub's CPU seconds so far
    /// when the upload was answered.
    async fn share(&self, hub: &Running, file: &Path, rows: u64) -> Result<(f64, f64)> {
        let job = match self.first.take() {
            Some(job) => job,
            None => {
                let path = format!(
                    "/manage/v1/accounts/{}/shares/{}/run",
                    self.account, self.share
                );
                number(&call(hub.address, "POST", &path, TOKEN, &json!({})).await?["jobId"])?
            }
        };
        let path = format!("/v1/jobs/{job}/data");
        upload(hub.address, &path, &self.crm, file).await?;
        let (started, cpu_s) = (Instant::now(), hub.process.cpu_s()?);
        let path = format!("/v1/jobs/SEGMENT_EXPORT/{job}");
        loop {
            let (_, body) = once(hub.address, &request("GET", &path, &self.crm, b"")).await?;
            let job: Value = serde_json::from_slice(&body)?;
            match job["status"].as_str() {
                Some("COMPLETED") if job["records"]["read"] == rows => {
                    return Ok((started.elapsed().as_secs_f64(), cpu_s));
                }
                Some("COMPLETED" | "FAILED" | "CANCELED" | "WAITING_FOR_APPROVAL") | None => {
                    return Err(format!("the job did not go well: {job}").into());
                }
                Some(_) if started.elapsed() > PATIENCE => {
                    return Err(format!("the job takes too long: {job}").into());
                }
                Some(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn upload(hub: SocketAddr, path: &str, key: &str, file: &Path) -> Result<()> {
    let mut rows = tokio::fs::File::open(file).await?;
    let length = rows.metadata().await?.len();
    let mut stream = TcpStream::connect(hub).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: text/csv\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    tokio::io::copy(&mut rows, &mut stream).await?;
    let mut buffer = Vec::new();
    while Message::parse(&buffer).is_none_or(|message| buffer.len() < message.end) {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the upload was not answered".into());
        }
    }
    let answer = String::from_utf8_lossy(&buffer);
    if answer.starts_with("HTTP/1.1 2") {
        Ok(())
    } else {
        Err(format!("the upload was refused: {answer}").into())
    }
}

async fn call(hub: SocketAddr, method: &str, path: &str, key: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let (status, answer) = once(hub, &request(method, path, key, body.as_bytes())).await?;
    if !(200..300).contains(&status) {
        let text = String::from_utf8_lossy(&answer);
        return Err(format!("{method} {path}: {status} {text}").into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn number(value: &Value) -> Result<i64> {
    value
        .as_i64()
        .ok_or_else(|| format!("{value} is no id").into())
}

/// The destination's server: counts the lines of what it is given, on a thread of its own.
struct Sink {
    address: SocketAddr,
    /// Of the last body.
    lines: Arc<AtomicU64>,
}

impl Sink {
    async fn start() -> Result<Self> {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let lines = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lines);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::spawn(move || {
            // Ends with the process.
            let _ = runtime.block_on(accept(socket, counted));
        });
        Ok(Self { address, lines })
    }
}

async fn accept(socket: std::net::TcpListener, lines: Arc<AtomicU64>) -> Result<()> {
    let socket = TcpListener::from_std(socket)?;
    loop {
        let (stream, _) = socket.accept().await?;
        tokio::spawn(serve(stream, Arc::clone(&lines)));
    }
}

async fn serve(mut stream: TcpStream, lines: Arc<AtomicU64>) -> Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(256 << 10);
    loop {
        buffer.clear();
        let message = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            if let Some(message) = Message::parse(&buffer) {
                break message;
            }
        };
        let is_rows = buffer.starts_with(b"PUT ");
        let is_new = buffer.starts_with(b"POST ");
        let mut left = message.end - message.body;
        let mut count = count_lines(&buffer[message.body..]);
        left -= (buffer.len() - message.body).min(left);
        while left > 0 {
            buffer.clear();
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            count += count_lines(&buffer);
            left -= buffer.len().min(left);
        }
        if is_rows {
            lines.store(count, Relaxed);
        }
        let body = if is_new {
            "17"
        } else {
            r#"{"responseStatus":"success","result":{"totalCount":0,"list":[]}}"#
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
