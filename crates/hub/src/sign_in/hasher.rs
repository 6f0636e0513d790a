//! Passwords to hashes and back to yes or no, with argon2id.
//!
//! 19 MiB of memory, two passes, one lane: the first of the settings that OWASP recommends. RFC 9106's second (64 MiB,
//! three passes) would cost four times as much of what a small server has, and here guessing needs the installation's key
//! as well, since hashes are sealed. What a hash was made with stands in it, so the settings can be raised.
//!
//! Promises that at most [`RUNNING_MAX`] are computed at once, and that what waits is bounded too: so signing in can take
//! neither the memory nor the threads of everything else.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use model::Secret;
use model::password::{self, CHARS_MAX};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Hashes in the making at once: 38 MiB, and two threads for some 30 ms each.
const RUNNING_MAX: usize = 2;
/// Callers that may wait for their turn; the others are told to come back.
const WAITING_MAX: usize = 64;

pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    /// Of nobody's password: for those who are not known.
    nobody: Arc<OnceLock<String>>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
            nobody: Arc::default(),
        }
    }
}

impl Hasher {
    /// The hash of a password that was checked.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String> {
        let password = password.clone();
        self.turn(move || made(password.expose())).await?
    }

    /// Whether `password` is the one that `hash` was made of. Without a hash it is not, after the same work.
    pub(crate) async fn verify(&self, password: &Secret, hash: Option<String>) -> Result<bool> {
        // What nobody can have chosen is not worth the work, and says nothing about anybody.
        if password.expose().chars().count() > CHARS_MAX {
            return Ok(false);
        }
        let password = password::normal(password);
        let nobody = Arc::clone(&self.nobody);
        self.turn(move || {
            let is_known = hash.is_some();
            let hash = match (&hash, nobody.get()) {
                (Some(hash), _) => hash,
                (None, Some(hash)) => hash,
                (None, None) => {
                    let hash = made(&uuid::Uuid::now_v7().to_string())?;
                    nobody.get_or_init(|| hash)
                }
            };
            let hash =
                PasswordHash::new(hash).map_err(|error| Error::internal(error.to_string()))?;
            let is_right = Argon2::default()
                .verify_password(password.expose().as_bytes(), &hash)
                .is_ok();
            Ok(is_right && is_known)
        })
        .await?
    }

    /// Does the work when it is its turn. Whoever hangs up does not free the memory: the work goes on to its end, and
    /// keeps its place.
    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let busy = || Error::Busy {
            what: "too many people sign in at once".to_owned(),
            retry_after: Duration::from_secs(1),
        };
        let waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let place = Arc::clone(&self.running).acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        drop(waiting);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(Error::internal)
    }
}

fn made(password: &str) -> Result<String> {
    // The defaults are the settings above; a test holds them.
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_how_it_was_made() {
        let hasher = Hasher::default();
        let [right, wrong] = ["three old bridges", "three old bridgez"].map(Secret::new);
        let hash = hasher.hash(&right).await.expect("a hash");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(!hash.contains("bridges"));
        let again = hasher.hash(&right).await.expect("a hash");
        assert_ne!(hash, again, "salted");
        let verified = hasher.verify(&right, Some(hash.clone())).await;
        assert!(verified.expect("verified"));
        let verified = hasher.verify(&wrong, Some(hash)).await;
        assert!(!verified.expect("verified"));
        let verified = hasher.verify(&right, None).await;
        assert!(!verified.expect("verified"), "nobody");
        let endless = Secret::new("x".repeat(1 << 20));
        assert!(!hasher.verify(&endless, None).await.expect("verified"));
    }

    #[tokio::test]
    async fn whoever_comes_when_too_many_wait_is_told_to_come_back() {
        let hasher = Hasher::default();
        let held = hasher.running.acquire_many(2).await.expect("open");
        let waiting = hasher.waiting.acquire_many(64).await.expect("open");
        let refused = hasher.verify(&Secret::new("x"), None).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        drop((held, waiting));
        assert!(hasher.verify(&Secret::new("x"), None).await.is_ok());
    }
}
