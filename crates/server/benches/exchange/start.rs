//! Starting: from an empty directory to ready, to the first delivered event, and what an idle hub takes. Everything
//! over HTTP, as an operator and two partners would do it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engines::Engines;
use crate::figures::median;
use crate::http::{once, request};
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{self, TOKEN, World};
use crate::{Result, process};

const ROUNDS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(1);

pub(crate) async fn run() -> Result<()> {
    let receiver = Receiver::start()?;
    let (mut ready_s, mut delivered_s, mut idle_mib) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let world = World::new(&Engines::Embedded)?;
        let started = Instant::now();
        let hub = world.serve().await?;
        ready_s.push(hub.ready_after.as_secs_f64());
        let key = set_up(hub.address, &receiver).await?;
        let template = Template::new(sample::individual(sample::CODE).into_bytes());
        let mut buffer = Vec::new();
        let body = template.numbered(number, &mut buffer);
        call(hub.address, "POST", "/v1/event", &key, body).await?;
        let first = process::until("the first delivery", PATIENCE, || {
            receiver.times(number) == 1
        });
        first.await?;
        delivered_s.push(started.elapsed().as_secs_f64());
        tokio::time::sleep(IDLE).await;
        idle_mib.push(hub.process.memory_mib()?.0);
    }
    println!(
        "  start to ready           {:.3} s   aim < 1",
        median(&ready_s)
    );
    println!(
        "  start to first delivery  {:.3} s   aim < 5",
        median(&delivered_s)
    );
    println!(
        "  idle memory              {:.1} MiB   aim < 60",
        median(&idle_mib)
    );
    Ok(())
}

/// A provider, an account, a publisher, a subscriber and a subscription; answers the publisher's key.
async fn set_up(hub: SocketAddr, receiver: &Receiver) -> Result<String> {
    let manage = async |path: &str, body: Value| {
        let path = format!("/manage/v1{path}");
        call(hub, "POST", &path, TOKEN, body.to_string().as_bytes()).await
    };
    manage("/providers", json!({ "name": "Acme" })).await?;
    let shop = json!({ "name": "Shop", "environment": "production" });
    let account = manage("/accounts", shop).await?["id"].clone();
    let register = async || manage(&format!("/accounts/{account}/registrations"), json!({})).await;
    let (from, to) = (register().await?, register().await?);
    let key = |registration: &Value| registration["endpointKey"].as_str().map(str::to_owned);
    let (from_key, to_key) = (key(&from), key(&to));
    let (from_key, to_key) = (from_key.ok_or("no key")?, to_key.ok_or("no key")?);
    let url = format!("http://{}", receiver.address);
    for (path, method, key, body) in [
        (
            "/v1/endpoint",
            "PUT",
            &from_key,
            world::publisher_definition(),
        ),
        (
            "/v1/eventtype",
            "POST",
            &from_key,
            world::event_type(sample::CODE),
        ),
        (
            "/v1/endpoint",
            "PUT",
            &to_key,
            world::destination_definition(&url),
        ),
    ] {
        call(hub, method, path, key, body.to_string().as_bytes()).await?;
    }
    let subscription = json!({ "publisherEndpointId": from["endpointId"], "eventCode": sample::CODE,
                               "destinationEndpointId": to["endpointId"] });
    manage(&format!("/accounts/{account}/subscriptions"), subscription).await?;
    Ok(from_key)
}

async fn call(hub: SocketAddr, method: &str, path: &str, key: &str, body: &[u8]) -> Result<Value> {
    let (status, answer) = once(hub, &request(method, path, key, body)).await?;
    if !(200..300).contains(&status) {
        let text = String::from_utf8_lossy(&answer);
        return Err(format!("{method} {path}: {status} {text}").into());
    }
    Ok(serde_json::from_slice(&answer)?)
}
