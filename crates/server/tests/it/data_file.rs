//! Files of any size, in pieces: written in one go or in several, read anywhere, written anew without a gap.

use std::sync::Arc;

use hub::data_file::{Mark, PIECE_BYTES, Reader};
use hub::{Error, Scope};
use model::{AccountId, JobId};

use crate::harness::{TestHub, embedded_only};

const SCOPE: Scope = Scope(AccountId(1));
const JOB: JobId = JobId(7);
const NAME: &str = "segment.csv";

/// Bytes that say where they are.
fn bytes(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).flat_map(u64::to_be_bytes);
    words.take(length).collect()
}

async fn all(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = reader.read_at(all.len() as u64).await.expect("read");
        if bytes.is_empty() {
            return all;
        }
        all.extend_from_slice(&bytes);
    }
}

/// The file's digest, as another program computes it.
fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    model::hashing::hex(&sha2::Sha256::digest(bytes))
}

#[tokio::test]
async fn a_file_is_what_was_written_wherever_its_pieces_end() {
    let hub = TestHub::start().await;
    let hub = &hub.server.hub;
    for length in [
        0,
        1,
        PIECE_BYTES - 1,
        PIECE_BYTES,
        PIECE_BYTES + 1,
        2 * PIECE_BYTES + 5,
    ] {
        let written = bytes(length);
        let begun = hub.data_file_create(SCOPE, JOB, NAME, "text/csv").await;
        let mut writer = begun.expect("begun");
        for part in written.chunks(1_000_003) {
            writer.append(part).await.expect("written");
        }
        assert_eq!(writer.len(), length as u64);
        let file = hub.data_file_finish(writer).await.expect("complete");
        assert_eq!((file.size_bytes, file.is_complete), (length as u64, true));
        assert_eq!(file.digest, Some(sha256(&written)), "{length}");
        let mut reader = hub.data_file_read(SCOPE, JOB, NAME).await.expect("there");
        assert!(all(&mut reader).await == written, "{length}");
        for at in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, length] {
            let part = reader.read_at(at as u64).await.expect("read");
            let end = length.min((at / PIECE_BYTES + 1) * PIECE_BYTES);
            assert!(part == written[at.min(end)..end], "{length} from {at}");
        }
    }
}

/// Each go may be another process's; what was written after the last mark is forgotten.
#[tokio::test]
async fn a_file_is_written_in_several_goes_from_any_byte() {
    let hub = TestHub::start().await;
    let hub = &hub.server.hub;
    let written = bytes(2 * PIECE_BYTES + 1_000);
    let begun = hub.data_file_create(SCOPE, JOB, NAME, "text/csv").await;
    let mut writer = begun.expect("begun");
    let mut mark = writer.pause().await.expect("durable");
    assert_eq!(mark.bytes, 0);
    for end in [
        1,
        999,
        PIECE_BYTES - 1,
        PIECE_BYTES,
        PIECE_BYTES + 1,
        2 * PIECE_BYTES,
        written.len(),
    ] {
        let resumed = hub.data_file_resume(SCOPE, JOB, NAME, mark).await;
        let mut lost = resumed.expect("it was begun");
        lost.append(&written[..5_000]).await.expect("written");
        lost.pause().await.expect("durable, and lost");
        let resumed = hub.data_file_resume(SCOPE, JOB, NAME, mark).await;
        writer = resumed.expect("it was begun");
        let from = usize::try_from(mark.bytes).expect("it fits");
        writer.append(&written[from..end]).await.expect("written");
        mark = writer.pause().await.expect("durable");
        assert_eq!(mark.bytes, end as u64);
    }
    let unread = hub.data_file_read(SCOPE, JOB, NAME).await;
    assert!(
        matches!(unread, Err(Error::NotFound(_))),
        "it is not complete"
    );
    // A process may die between this and what it writes of it: then the last go is made once more.
    for _ in 0..2 {
        let resumed = hub.data_file_resume(SCOPE, JOB, NAME, mark).await;
        let finished = hub.data_file_finish(resumed.expect("begun")).await;
        assert_eq!(finished.expect("complete").digest, Some(sha256(&written)));
    }
    let mut reader = hub.data_file_read(SCOPE, JOB, NAME).await.expect("there");
    assert!(all(&mut reader).await == written);
    let none = Mark {
        version: 1,
        bytes: 5,
    };
    let resumed = hub.data_file_resume(SCOPE, JOB, "other", none).await;
    assert!(matches!(resumed, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_file_that_is_written_anew_is_the_old_one_until_it_is_complete() {
    let hub = TestHub::start().await;
    let hub = &hub.server.hub;
    let write = async |bytes: &[u8]| {
        let begun = hub.data_file_create(SCOPE, JOB, NAME, "text/csv").await;
        let mut writer = begun.expect("begun");
        writer.append(bytes).await.expect("written");
        writer
    };
    let read = async || {
        let mut reader = hub.data_file_read(SCOPE, JOB, NAME).await.expect("there");
        all(&mut reader).await
    };
    let old = write(b"old").await;
    hub.data_file_finish(old).await.expect("complete");
    let new = write(&bytes(PIECE_BYTES + 1)).await;
    assert!(read().await == b"old");
    hub.data_file_finish(new).await.expect("complete");
    assert!(read().await == bytes(PIECE_BYTES + 1));
    drop(write(b"given up").await);
    assert!(read().await == bytes(PIECE_BYTES + 1));
    let newest = write(b"newest").await;
    hub.data_file_finish(newest).await.expect("complete");
    assert!(read().await == b"newest");
    assert_eq!(hub.data_files(SCOPE, JOB).await.expect("a list").len(), 1);
    assert!(
        hub.data_file_delete(SCOPE, JOB, NAME)
            .await
            .expect("deleted")
    );
    assert!(
        !hub.data_file_delete(SCOPE, JOB, NAME)
            .await
            .expect("looked")
    );
    assert!(hub.data_files(SCOPE, JOB).await.expect("a list").is_empty());
}

/// Names are parts of paths.
#[tokio::test]
async fn a_name_leads_nowhere_else() {
    let hub = TestHub::start().await;
    let long = "x".repeat(101);
    for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "ü", "a b", &long] {
        let begun = hub
            .server
            .hub
            .data_file_create(SCOPE, JOB, name, "text/csv")
            .await;
        assert!(matches!(begun.err(), Some(Error::Internal(_))), "{name}");
    }
}

/// What changed between the copies of the list and of the bytes leaves no trace in a backup.
#[tokio::test]
async fn files_are_backed_up_with_their_list_and_both_agree() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let hub = TestHub::start().await;
    let write = async |name: &str, bytes: &[u8]| {
        let begun = hub
            .server
            .hub
            .data_file_create(SCOPE, JOB, name, "text/csv");
        let mut writer = begun.await.expect("begun");
        writer.append(bytes).await.expect("written");
        writer
    };
    let long = bytes(PIECE_BYTES + 7);
    let whole = write("whole.csv", &long).await;
    hub.server.hub.data_file_finish(whole).await.expect("done");
    let removed = write("removed.csv", &long).await;
    hub.server
        .hub
        .data_file_finish(removed)
        .await
        .expect("done");
    let mut half = write("half.csv", b"half").await;
    let mark = half.pause().await.expect("durable");
    let clock = hub.clock.clone();
    let directory = hub.leave().await;
    let data = directory.path().join("data");
    let folder = data.join("blobs/jobs/1/7");
    std::fs::remove_file(folder.join("removed.csv/0001-000001")).expect("removed");
    std::fs::create_dir(folder.join("later.csv")).expect("a folder");
    std::fs::write(folder.join("later.csv/0001-000000"), "later").expect("written");
    let backup = directory.path().join("backup");
    server::backup::backup(&data, &backup)
        .await
        .expect("backed up");
    let restored = Arc::new(tempfile::tempdir().expect("a directory"));
    let to = restored.path().join("data");
    server::backup::restore(&backup, &to)
        .await
        .expect("restored");
    let hub = TestHub::open(restored, clock, |_| {}).await;
    let hub = &hub.server.hub;
    let names: Vec<String> = hub
        .data_files(SCOPE, JOB)
        .await
        .expect("a list")
        .into_iter()
        .map(|file| file.name)
        .collect();
    assert_eq!(names, ["half.csv", "whole.csv"]);
    let mut reader = hub
        .data_file_read(SCOPE, JOB, "whole.csv")
        .await
        .expect("there");
    assert!(all(&mut reader).await == long);
    let mut half = hub
        .data_file_resume(SCOPE, JOB, "half.csv", mark)
        .await
        .expect("it goes on");
    half.append(b" and half").await.expect("written");
    hub.data_file_finish(half).await.expect("done");
    let mut reader = hub
        .data_file_read(SCOPE, JOB, "half.csv")
        .await
        .expect("there");
    assert!(all(&mut reader).await == b"half and half");
    assert!(!to.join("blobs/jobs/1/7/later.csv/0001-000000").exists());
}
