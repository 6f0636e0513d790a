//! What keeps a destination from being emptied, and people from being shared who must not be.

use hub::Actor;
use hub::share::NewShare;
use model::endpoint::ShareAction;
use model::job::{ExportDetails, JobCategory, JobStatus};
use model::share::{Guard, IdentifierPair};
use serde_json::json;
use store::job::NewJob;

use super::world::{PUSH_PUSH, World, people};

/// People are named by the CRM's own ids, which the destination does not know.
fn by_id(new: &mut NewShare) {
    new.identifier = Some(IdentifierPair {
        source: "Crm Id".to_owned(),
        destination: "hashed_email".to_owned(),
    });
}

const HEADER_ONLY: &str = "Crm Id,First Name,Email,Points,City\n";

#[tokio::test]
async fn an_empty_replace_stops_and_asks_and_is_refused_or_done() {
    let world = World::of(PUSH_PUSH).await;
    let (share, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..100)).await;
    world.until(job, JobStatus::Completed).await;
    assert_eq!(world.consumer.audience().rows.len(), 80);

    for is_approved in [false, true] {
        let job = world.again(share).await;
        world.until(job, JobStatus::WaitingToReceiveData).await;
        world.upload(job, HEADER_ONLY).await;
        let asks = world.until(job, JobStatus::WaitingForApproval).await;
        let question = asks.question.unwrap_or_default();
        assert!(question.contains("empty"), "{question}");
        assert_eq!(world.consumer.audience().rows.len(), 80, "nothing was done");
        world.approve(job, is_approved).await;
        let end = if is_approved {
            JobStatus::Completed
        } else {
            JobStatus::Canceled
        };
        world.until(job, end).await;
        let left = if is_approved { 0 } else { 80 };
        assert_eq!(world.consumer.audience().rows.len(), left);
    }
    // Never with another number of members in between.
    let sizes: Vec<usize> = world.consumer.audience().sizes.into_iter().collect();
    assert_eq!(sizes, [0, 80]);
}

#[tokio::test]
async fn a_suddenly_much_smaller_source_stops_and_asks_and_one_that_is_a_little_smaller_does_not() {
    let world = World::of(PUSH_PUSH).await;
    let strict = Guard {
        shrink_percent_max: Some(20),
        ..Guard::default()
    };
    let (share, job) = world
        .share(ShareAction::Replace, |new| new.guard = strict)
        .await;
    let mut jobs = vec![job];
    for (rows, asks) in [(1_000, false), (850, false), (600, true)] {
        let job = match jobs.pop() {
            Some(job) => job,
            None => world.again(share).await,
        };
        world.until(job, JobStatus::WaitingToReceiveData).await;
        world.upload(job, people(0..rows)).await;
        if asks {
            let question = world
                .until(job, JobStatus::WaitingForApproval)
                .await
                .question;
            let question = question.unwrap_or_default();
            assert!(
                question.contains("480") && question.contains("680"),
                "{question}"
            );
            assert_eq!(world.consumer.audience().rows.len(), 680);
        } else {
            world.until(job, JobStatus::Completed).await;
        }
    }
}

#[tokio::test]
async fn what_the_identity_cannot_match_is_guarded_too() {
    let world = World::of(PUSH_PUSH).await;
    let (_, job) = world.share(ShareAction::Replace, by_id).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..50)).await;
    // Nobody was ever seen with both.
    let asks = world.until(job, JobStatus::WaitingForApproval).await;
    assert_eq!((asks.records.read, asks.records.unmatched), (50, 50));
}

#[tokio::test]
async fn people_are_found_through_what_the_same_rows_taught() {
    let world = World::of(PUSH_PUSH).await;
    let (_, job) = world
        .share(ShareAction::Add, |new| new.upload_identities = true)
        .await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..50)).await;
    world.until(job, JobStatus::Completed).await;
    // Now ids alone are enough.
    let by_name = |new: &mut NewShare| {
        by_id(new);
        new.destination_segment_name = Some("By id".to_owned());
        new.attributes = Some(Default::default());
    };
    let (_, job) = world.share(ShareAction::Replace, by_name).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, "Crm Id\nc-0\nc-4\nc-11\nc-999\n").await;
    let done = world.until(job, JobStatus::Completed).await;
    let counts = (done.records.matched, done.records.unmatched);
    assert_eq!(counts, (2, 2), "c-4 has no address, c-999 is nobody");
    let book = world.consumer.book();
    let audience = book
        .audiences
        .values()
        .find(|audience| audience.name == "By id");
    let rows = &audience.expect("it was made").rows;
    for n in [0, 11] {
        assert!(rows.contains_key(&super::world::hashed(n)), "{n}: {rows:?}");
    }
}

#[tokio::test]
async fn whoever_is_on_the_suppression_list_is_rejected_with_a_reason() {
    let world = World::of(PUSH_PUSH).await;
    let path = format!("/accounts/{}", world.account.id);
    let policy = json!({ "policy": { "suppressionList": "honour", "contactConsent": "honour" } });
    let set = world.hub.manage("PATCH", &path, policy).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let hub = &world.hub.server.hub;
    let person = model::Subject {
        kind: "email",
        value: "person1@example.com",
        mode: model::hashing::HashMode::None,
        algorithm: None,
    };
    let added = hub
        .suppression_add(
            &Actor::OPERATOR,
            world.scope(),
            "asked by letter",
            &[person],
        )
        .await;
    added.expect("it is listed");
    let (_, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    let csv = "Email,contactConsent\nPERSON1@example.com,yes\nperson2@example.com,no\nperson3@example.com,\n";
    world.upload(job, csv).await;
    world.until(job, JobStatus::Completed).await;
    let rejected = world.file(job, "rejected.csv").await;
    assert_eq!(
        rejected,
        "file,row,column,reason\n1,2,,suppressed\n1,3,,unconsented\n"
    );
    let rows = world.consumer.audience().rows;
    assert_eq!(
        rows.into_keys().collect::<Vec<_>>(),
        [super::world::hashed(3)]
    );
}

#[tokio::test]
async fn an_import_teaches_who_belongs_together_and_goes_nowhere() {
    let world = World::of(PUSH_PUSH).await;
    let new = NewJob {
        category: JobCategory::IdentityImport,
        status: JobStatus::WaitingToReceiveData,
        name: None,
        producer: Some(world.source.id),
        destination: None,
        share: None,
        details: ExportDetails::default(),
        state: "{}".to_owned(),
        steps: Vec::new(),
        first_at: world.hub.server.hub.now(),
    };
    let hub = &world.hub.server.hub;
    let job = hub.job_create(&Actor::OPERATOR, world.scope(), new).await;
    let job = job.expect("a job");
    let csv = format!("{}c-1,two,few\n", people(0..50));
    world.upload_to(job, csv).await;
    let done = world.until(job, JobStatus::Completed).await;
    assert_eq!((done.records.matched, done.records.rejected), (50, 1));
    assert_eq!(world.files(job).await, ["rejected.csv"]);

    let (_, job) = world.share(ShareAction::Add, by_id).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world
        .upload(job, "Crm Id,First Name,Points\nc-7,Ann,1\n")
        .await;
    world.until(job, JobStatus::Completed).await;
    let rows = world.consumer.audience().rows;
    assert!(rows.contains_key(&super::world::hashed(7)), "{rows:?}");
}
