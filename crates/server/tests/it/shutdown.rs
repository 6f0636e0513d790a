//! A hub that is told to stop (SIGTERM) finishes what is under way: nothing is lost, and nothing comes twice.

use std::time::Duration;

use crate::harness::traffic::Traffic;
use crate::harness::wait;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_told_to_stop_under_load_loses_and_repeats_nothing() {
    let mut traffic = Traffic::set_up().await;
    let work = traffic.begin();
    for _ in 0..3 {
        let hub = traffic.launch.start().await;
        wait(Duration::from_millis(fastrand::u64(100..1_000))).await;
        let (status, _) = hub.terminate().await;
        assert!(status.success(), "{status}:\n{}", traffic.launch.logged());
    }
    let mut work = work;
    let hub = traffic.launch.start().await;
    work.stop_publishing().await;
    traffic.drained().await;
    work.stop().await;
    drop(hub);
    let sums = traffic.book.check(&[], Duration::ZERO);
    assert_eq!(sums.repeated, 0);
    assert!(sums.acknowledged > 0, "the publishers got through");
    println!("3 stops: {sums:?}");
}
