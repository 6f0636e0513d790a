//! What `Blobs` promise to `hub`.

use bytes::Bytes;
use tempfile::TempDir;

use crate::{BlobError, Blobs};

/// Where blobs rest, so that they can be opened again.
enum Place {
    Directory(TempDir),
    #[cfg(feature = "distributed")]
    S3(std::sync::Mutex<services::S3>),
}

impl Place {
    fn directory() -> Self {
        Self::Directory(TempDir::new().expect("a temporary directory"))
    }

    async fn open(&self) -> Blobs {
        match self {
            Self::Directory(dir) => Blobs::open_directory(&dir.path().join("blobs"))
                .await
                .expect("opens"),
            #[cfg(feature = "distributed")]
            Self::S3(_) => Blobs::open_s3(&self.s3_options()).expect("opens"),
        }
    }
}

super::suite!(
    directory: super::Place::directory(),
    #[cfg(feature = "distributed")] s3: super::Place::s3() => {
    a_value_comes_back_as_it_went,
    a_value_is_replaced_as_a_whole,
    what_is_deleted_is_gone,
    keys_are_listed_by_how_they_begin,
    keys_that_are_none_are_refused,
    no_key_is_a_folder_of_another,
    values_are_there_after_reopening_and_halves_are_not,
    many_writers_do_not_meet,
    many_keys_are_listed,
    a_large_value_is_kept,
    health_is_well_or_says_why,
});

#[cfg(feature = "distributed")]
mod on_s3;

async fn put(blobs: &Blobs, key: &str, value: &'static str) {
    blobs.put(key, Bytes::from(value)).await.expect("keeps");
}

async fn get(blobs: &Blobs, key: &str) -> Option<Bytes> {
    blobs.get(key).await.expect("reads")
}

async fn list(blobs: &Blobs, prefix: &str) -> Vec<String> {
    blobs.list(prefix).await.expect("lists")
}

async fn a_value_comes_back_as_it_went(place: &Place) {
    let blobs = place.open().await;
    put(&blobs, "events/17/0001.json", "{}").await;
    put(&blobs, "empty", "").await;
    let large = Bytes::from(vec![7; 3 << 20]);
    blobs
        .put("Large_1-a=b.bin", large.clone())
        .await
        .expect("keeps");
    assert_eq!(
        get(&blobs, "events/17/0001.json").await.as_deref(),
        Some(&b"{}"[..])
    );
    assert_eq!(get(&blobs, "empty").await.as_deref(), Some(&b""[..]));
    assert_eq!(get(&blobs, "Large_1-a=b.bin").await, Some(large));
    for missing in ["events", "events/17", "events/17/0002.json", "empty/inside"] {
        assert_eq!(get(&blobs, missing).await, None, "{missing}");
    }
}

async fn a_value_is_replaced_as_a_whole(place: &Place) {
    let blobs = place.open().await;
    let value = |byte: u8| Bytes::from(vec![byte; 100_000]);
    blobs.put("key", value(0)).await.expect("keeps");
    let writer = tokio::spawn({
        let blobs = blobs.clone();
        async move {
            for byte in 1..50 {
                blobs.put("key", value(byte)).await.expect("keeps");
            }
        }
    });
    while !writer.is_finished() {
        let read = get(&blobs, "key").await.expect("is always there");
        assert!(
            read.len() == 100_000 && read.iter().all(|byte| *byte == read[0]),
            "a torn value"
        );
    }
    writer.await.expect("done");
    assert_eq!(get(&blobs, "key").await, Some(value(49)));
}

async fn what_is_deleted_is_gone(place: &Place) {
    let blobs = place.open().await;
    put(&blobs, "a/b", "1").await;
    assert!(blobs.delete("a/b").await.expect("removes"));
    assert!(!blobs.delete("a/b").await.expect("is gone"));
    assert!(!blobs.delete("a").await.expect("a folder is no value"));
    assert_eq!(get(&blobs, "a/b").await, None);
    assert!(list(&blobs, "").await.is_empty());
}

async fn keys_are_listed_by_how_they_begin(place: &Place) {
    let blobs = place.open().await;
    for key in ["b/2", "b/10", "b/1/x", "a", "b-1", "bc/d"] {
        put(&blobs, key, "1").await;
    }
    for (prefix, keys) in [
        ("", &["a", "b-1", "b/1/x", "b/10", "b/2", "bc/d"][..]),
        ("b", &["b-1", "b/1/x", "b/10", "b/2", "bc/d"]),
        ("b/", &["b/1/x", "b/10", "b/2"]),
        ("b/1", &["b/1/x", "b/10"]),
        ("b/1/", &["b/1/x"]),
        ("b/2", &["b/2"]),
        ("b/2/", &[]),
        ("nothing/here", &[]),
    ] {
        assert_eq!(list(&blobs, prefix).await, keys, "{prefix}");
    }
}

async fn keys_that_are_none_are_refused(place: &Place) {
    let blobs = place.open().await;
    let (long_name, long_key) = ("n".repeat(201), "a/".repeat(256) + "a");
    let refused = [
        "", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "a\\b", "ä", "a\0",
        &long_name, &long_key,
    ];
    for key in refused {
        let errors = [
            blobs.put(key, Bytes::new()).await.expect_err(key),
            blobs.get(key).await.expect_err(key),
            blobs.delete(key).await.expect_err(key),
        ];
        for error in errors {
            assert!(
                matches!(&error, BlobError::BadKey { key: named, .. } if named == key),
                "{error}"
            );
            assert!(!error.is_retryable());
        }
    }
    for prefix in ["/", "../", "a//", ".partial/", "..", "a/../b"] {
        assert!(
            matches!(blobs.list(prefix).await, Err(BlobError::BadKey { .. })),
            "{prefix}"
        );
    }
}

async fn no_key_is_a_folder_of_another(place: &Place) {
    // S3 knows no folders: what the server of the tests does with one says nothing.
    #[cfg(feature = "distributed")]
    if matches!(place, Place::S3(_)) {
        return;
    }
    let blobs = place.open().await;
    put(&blobs, "a/b", "1").await;
    for key in ["a", "a/b/c"] {
        let error = blobs.put(key, Bytes::new()).await.expect_err(key);
        assert!(
            error
                .to_string()
                .contains("is no key of a blob: another key is a folder of it"),
            "{error}"
        );
    }
    assert_eq!(list(&blobs, "").await, ["a/b"]);
}

async fn values_are_there_after_reopening_and_halves_are_not(place: &Place) {
    let blobs = place.open().await;
    put(&blobs, "a/b", "1").await;
    drop(blobs);
    match place {
        Place::Directory(dir) => {
            let halves = ["old", "young"].map(|name| dir.path().join("blobs/.partial").join(name));
            for half in &halves {
                std::fs::write(half, "half").expect("writes");
            }
            let file = std::fs::File::options().write(true).open(&halves[0]);
            let long_ago = crate::Clock::System.now() - jiff::SignedDuration::from_hours(2);
            file.and_then(|file| file.set_modified(long_ago.into()))
                .expect("ages it");
            let opened = place.open().await;
            assert!(!halves[0].exists());
            assert!(halves[1].exists(), "another process may be writing it");
            opened.scrub().await.expect("scrubs");
            assert!(!halves[1].exists());
        }
        #[cfg(feature = "distributed")]
        Place::S3(_) => {}
    }
    let blobs = place.open().await;
    assert_eq!(list(&blobs, "").await, ["a/b"]);
    assert_eq!(get(&blobs, "a/b").await.as_deref(), Some(&b"1"[..]));
}

async fn many_writers_do_not_meet(place: &Place) {
    let blobs = place.open().await;
    let writers: Vec<_> = (0..32)
        .map(|n| {
            let blobs = blobs.clone();
            tokio::spawn(async move {
                blobs
                    .put(&format!("folder/{}/{n}", n % 4), Bytes::from(vec![n; 1000]))
                    .await
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("done").expect("keeps");
    }
    for n in 0..32_u8 {
        assert_eq!(
            get(&blobs, &format!("folder/{}/{n}", n % 4)).await,
            Some(Bytes::from(vec![n; 1000]))
        );
    }
}

async fn many_keys_are_listed(place: &Place) {
    let blobs = place.open().await;
    let keys: Vec<String> = (0..2_100).map(|n| format!("many/{n:05}")).collect();
    for some in keys.chunks(70) {
        let puts = some.iter().map(|key| {
            let (blobs, key) = (blobs.clone(), key.clone());
            tokio::spawn(async move { blobs.put(&key, Bytes::from_static(b"1")).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.expect("done").expect("keeps");
        }
    }
    assert_eq!(list(&blobs, "many/").await, keys);
    assert_eq!(list(&blobs, "many/01").await, keys[1_000..2_000]);
}

async fn a_large_value_is_kept(place: &Place) {
    let blobs = place.open().await;
    let large = Bytes::from_iter((0..30 << 20).map(|n: u32| n.to_le_bytes()[1]));
    blobs.put("large", large.clone()).await.expect("keeps");
    assert!(get(&blobs, "large").await.expect("is there") == large);
}

async fn health_is_well_or_says_why(place: &Place) {
    let blobs = place.open().await;
    blobs.health().await.expect("well");
    assert!(list(&blobs, "").await.is_empty());
    match place {
        Place::Directory(dir) => {
            std::fs::remove_dir_all(dir.path().join("blobs")).expect("removes");
            assert!(matches!(
                blobs.health().await,
                Err(BlobError::Unavailable(_))
            ));
            let file = dir.path().join("file");
            std::fs::write(&file, "").expect("writes");
            assert!(matches!(
                Blobs::open_directory(&file).await,
                Err(BlobError::Unavailable(_))
            ));
        }
        #[cfg(feature = "distributed")]
        Place::S3(_) => {
            let options = crate::S3Options {
                bucket: "no-such-bucket".to_owned(),
                ..place.s3_options()
            };
            let blobs = Blobs::open_s3(&options).expect("asks nothing yet");
            let error = blobs.health().await.expect_err("there is no bucket");
            let why = std::error::Error::source(&error).expect("a reason");
            assert!(format!("{why:?}").contains("NoSuchBucket"), "{why:?}");
            blobs.get("key").await.expect_err("no bucket is no answer");
        }
    }
}
