//! A log against a model of it: whatever is done to it, in whatever order, it holds exactly what
//! was acknowledged and not trimmed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Place, all, record};
use crate::{Clock, Fault, Faults, Log, LogOptions, Position};

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// Several appends at once.
    Together(usize),
    Fail(u32, Fault),
    FailUntilCleared(Fault),
    Clear,
    /// Trims so many batches after the first.
    Trim(u64),
    Reopen,
    Probe,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = || {
        prop_oneof![
            Just(Fault::DiskFull),
            Just(Fault::SyncFailed),
            Just(Fault::AnswerLost)
        ]
    };
    prop_oneof![
        6 => (1..20_usize).prop_map(Step::Append),
        2 => (2..8_usize).prop_map(Step::Together),
        2 => (1..4_u32, fault()).prop_map(|(commits, fault)| Step::Fail(commits, fault)),
        1 => fault().prop_map(Step::FailUntilCleared),
        2 => Just(Step::Clear),
        2 => (0..5_u64).prop_map(Step::Trim),
        2 => Just(Step::Reopen),
        1 => Just(Step::Probe),
    ]
}

#[test]
fn fuzz_it_holds_what_was_acknowledged_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    fuzzing::run_slow(48, &(vec(step(), 1..30), any::<bool>()), |(steps, warm)| {
        runtime.block_on(run(Place::sqlite(), steps, warm));
        Ok(())
    });
}

#[cfg(feature = "distributed")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn it_does_so_in_postgresql(steps in vec(step(), 1..30), warm: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let place = Place::Postgres(super::postgres::Shard::new());
        runtime.block_on(run(place, steps, warm));
    }
}

async fn run(place: Place, steps: Vec<Step>, warm: bool) {
    let faults = Faults::default();
    let options = LogOptions {
        faults: faults.clone(),
        tail_bytes_max: if warm { 16 << 20 } else { 0 },
        ..LogOptions::default()
    };
    let mut log = place.open_with(options.clone(), Clock::System).await;
    let mut model: Vec<(Position, Vec<u8>)> = Vec::new();
    let mut number = 0;
    for step in steps {
        let mut calls: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut call = |records: usize| {
            calls.push((number..number + records).map(record).collect());
            number += records;
        };
        match step {
            Step::Append(records) => call(records),
            Step::Together(appends) => (1..=appends).for_each(call),
            Step::Fail(commits, fault) => faults.next(commits, fault),
            Step::FailUntilCleared(fault) => faults.until_cleared(fault),
            Step::Clear => faults.clear(),
            Step::Trim(batches) => {
                // It may be refused, but does what its answer and the ends say.
                let _ = log.trim(log.ends().first_seq + batches).await;
                let first = log.ends().first_seq;
                model.retain(|(position, _)| position.seq() >= first);
            }
            Step::Reopen => {
                log.close().await;
                log = place.open_with(options.clone(), Clock::System).await;
            }
            Step::Probe => drop(log.health().await),
        }
        let acknowledged = append_together(&log, calls).await;
        let before = model.last().map(|(position, _)| *position);
        assert!(
            acknowledged
                .first()
                .is_none_or(|(position, _)| Some(*position) > before),
            "a position was reused"
        );
        model.extend(acknowledged);
        assert_eq!(all(&log).await, model);
        assert_eq!(
            log.ends().first_seq,
            model
                .first()
                .map_or(log.ends().next_seq, |(position, _)| position.seq())
        );
    }
}

/// Appends all calls at once; returns what was acknowledged, in order.
async fn append_together(log: &Log, calls: Vec<Vec<Vec<u8>>>) -> Vec<(Position, Vec<u8>)> {
    let appends: Vec<_> = calls
        .into_iter()
        .map(|records| {
            tokio::spawn({
                let log = log.clone();
                async move { (log.append(records.clone()).await, records) }
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for append in appends {
        if let (Ok(appended), records) = append.await.expect("no panic") {
            let (seq, index) = (appended.first.seq(), appended.first.index());
            acknowledged.extend(
                (index..)
                    .zip(records)
                    .map(|(index, record)| (Position::new(seq, index), record)),
            );
        }
    }
    acknowledged.sort();
    acknowledged
}
