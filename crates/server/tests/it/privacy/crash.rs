//! The exchange is killed with `kill -9` again and again while it erases somebody. The request comes to its end, and nothing
//! is left of the person.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{COOKIE, EMAIL, GRACE, everywhere, planted_in};
use crate::harness::scene::Scene;
use crate::harness::{Launch, TestHub, embedded_only, wait};
use crate::identity::seen;

const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_person_is_erased() {
    let (scene, crm) = planted_in(Scene::of(TestHub::start_today().await).await).await;
    // Batches enough that taking her out of them takes a while.
    for n in 0..200 {
        let step = [("cookie", COOKIE), ("email", EMAIL)];
        scene.hub.published(&scene.shop, seen(&step[n % 2..])).await;
    }
    scene.settle().await;
    let (account, directory) = (scene.account.clone(), scene.hub.leave().await);
    let mut launch = Launch::new(directory.path());
    let mut process = launch.start().await;

    let path = "/v1/jobs/gdprRequest?operationType=remove&generateOutput=false";
    let bearer = format!("Bearer {}", account.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/csv"),
    ];
    let asked = process
        .http()
        .send("POST", path, &headers, format!("cookie\n{COOKIE}\n"))
        .await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let path = format!("/v1/jobs/gdprRequest/{}", asked.json()["jobId"]);

    for _ in 0..6 {
        wait(Duration::from_millis(fastrand::u64(5..400))).await;
        process.kill();
        process = launch.start().await;
    }
    let begun = Instant::now();
    let done = loop {
        let job: Value = process.http().get(&path, &account.key).await.json();
        if job["status"] == "COMPLETED" {
            break job;
        }
        assert_ne!(job["status"], "FAILED", "{job}");
        assert!(begun.elapsed() < PATIENCE, "{job}\n{}", launch.logged());
        wait(LOOK_EVERY).await;
    };
    assert_eq!(done["records"]["matched"], 1, "{done}");
    drop(crm);
    // A process that works on makes files and removes them while they are looked through. What it has written is there.
    process.kill();
    if embedded_only("only there all files are ours") {
        let left = everywhere(directory.path(), &[EMAIL, COOKIE]);
        assert_eq!(left, Vec::<String>::new());
        assert!(
            !everywhere(directory.path(), &[GRACE]).is_empty(),
            "who was not asked for stays"
        );
    }
}
