//! The suite on S3, and what only a server far away can do: go, come back, answer slowly, and be full.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{Place, get, list, put};
use crate::{BlobError, Blobs, S3Options};

impl Place {
    pub(super) fn s3() -> Self {
        Self::S3(Mutex::new(services::S3::start().expect("an S3 server")))
    }

    fn server(&self) -> MutexGuard<'_, services::S3> {
        match self {
            Self::S3(server) => server.lock().unwrap_or_else(PoisonError::into_inner),
            Self::Directory(_) => panic!("a directory has no server"),
        }
    }

    pub(super) fn s3_options(&self) -> S3Options {
        S3Options {
            bucket: services::s3::BUCKET.to_owned(),
            prefix: "a/prefix".to_owned(),
            endpoint: Some(self.server().url()),
            region: Some(services::s3::REGION.to_owned()),
            is_path_style: Some(true),
            credentials: Some((
                services::s3::ACCESS_KEY.to_owned(),
                services::s3::SECRET_KEY.to_owned(),
            )),
            timeout: Duration::from_secs(20),
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_its_return_is_enough() {
    let place = Place::s3();
    let blobs = place.open().await;
    put(&blobs, "before", "1").await;
    place.server().stop();
    let errors = [
        blobs.put("while", Bytes::new()).await.expect_err("is away"),
        blobs.get("before").await.expect_err("is away"),
        blobs.delete("before").await.expect_err("is away"),
        blobs.list("").await.expect_err("is away"),
        blobs.health().await.expect_err("is away"),
    ];
    for error in errors {
        assert!(matches!(error, BlobError::Unavailable(_)), "{error}");
        assert!(error.is_retryable());
    }
    place.server().restart().expect("its port is free");
    blobs.health().await.expect("well again");
    assert_eq!(get(&blobs, "before").await.as_deref(), Some(&b"1"[..]));
    put(&blobs, "after", "2").await;
    assert_eq!(list(&blobs, "").await, ["after", "before"]);
}

#[tokio::test]
async fn a_short_absence_is_not_noticed() {
    let place = Place::s3();
    let blobs = place.open().await;
    place.server().stop();
    let putting = tokio::spawn({
        let blobs = blobs.clone();
        async move { blobs.put("key", Bytes::from_static(b"1")).await }
    });
    tokio::task::yield_now().await;
    place.server().restart().expect("its port is free");
    putting.await.expect("done").expect("keeps");
}

#[tokio::test]
async fn a_put_that_nobody_waits_for_is_made() {
    let place = Place::s3();
    let blobs = place.open().await;
    place.server().pause();
    let putting = blobs.put("key", Bytes::from_static(b"1"));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), putting)
            .await
            .is_err(),
        "nothing answers"
    );
    place.server().resume();
    while get(&blobs, "key").await.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_does_not_answer_is_given_up_in_time() {
    let place = Place::s3();
    // Twice what an answer may take, also on a machine that has no time.
    let timeout = Duration::from_secs(2);
    let blobs = Blobs::open_s3(&S3Options {
        timeout,
        ..place.s3_options()
    });
    let blobs = blobs.expect("opens");
    put(&place.open().await, "key", "1").await;
    place.server().pause();
    let start = std::time::Instant::now();
    for error in [
        blobs.get("key").await.expect_err("nothing answers"),
        blobs.put("key", Bytes::new()).await.expect_err("the same"),
        blobs.health().await.expect_err("the same"),
    ] {
        assert!(matches!(error, BlobError::Unavailable(_)), "{error}");
    }
    // Many times what it should be: other tests run beside.
    assert!(start.elapsed() < timeout * 30, "{:?}", start.elapsed());
    place.server().resume();
    assert_eq!(get(&blobs, "key").await.as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn a_full_server_is_told_from_one_that_is_away() {
    let place = Place::s3();
    let blobs = place.open().await;
    put(&blobs, "key", "1").await;
    place.server().fill();
    let error = blobs.put("key", Bytes::new()).await.expect_err("no space");
    assert!(matches!(error, BlobError::Full(_)), "{error}");
    assert_eq!(get(&blobs, "key").await.as_deref(), Some(&b"1"[..]));
    assert!(matches!(blobs.health().await, Err(BlobError::Full(_))));
    place.server().resume();
    put(&blobs, "key", "2").await;
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_its_words_and_without_the_secret() {
    let place = Place::s3();
    let secret = "another-secret".to_owned();
    let options = S3Options {
        credentials: Some((services::s3::ACCESS_KEY.to_owned(), secret.clone())),
        ..place.s3_options()
    };
    assert_eq!(format!("{options:?}"), "s3://rialto/a/prefix");
    let blobs = Blobs::open_s3(&options).expect("asks nothing yet");
    let error = blobs.get("key").await.expect_err("the signature is wrong");
    let why = format!("{error:?}");
    assert!(why.contains("SignatureDoesNotMatch"), "{why}");
    assert!(!why.contains(&secret), "{why}");
    assert!(!format!("{blobs:?}").contains(&secret));
}
