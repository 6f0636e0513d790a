//! How often one may try to sign in, and to have a new password mailed.
//!
//! Three counts: of one person from one address, which is what somebody who mistypes meets; of one person from
//! everywhere, which many machines that guess together meet (SP 800-63B allows a hundred); and of one address, which
//! whoever goes through a list of people meets. An address is a /64 for IPv6: that is what one customer has.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use engine::Tx;
use model::Email;
use sha2::{Digest, Sha256};

use crate::{Error, Hub, Origin, Result};

const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many tries in which time.
const OF_ADDRESS: (i64, Duration) = (60, QUARTER_HOUR);
const OF_BOTH: (i64, Duration) = (10, QUARTER_HOUR);
const OF_USER: (i64, Duration) = (100, DAY);

/// What is counted, by hashes: the table says nothing about people.
pub(crate) struct Tries {
    of_address: [u8; 32],
    of_user: Option<OfUser>,
}

/// A person, if it is known who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OfUser {
    /// From this address.
    here: [u8; 32],
    everywhere: [u8; 32],
}

impl Tries {
    /// Of what is tried: `sign-in`, `sign-on` or `reset`, counted apart.
    pub(crate) fn new(what: &str, email: Option<&Email>, origin: Option<&Origin>) -> Self {
        let address = origin.and_then(|origin| origin.address).map(network);
        let address = address.map_or_else(String::new, |address| address.to_string());
        let of_user = email.map(|email| OfUser {
            here: digest(&[what, email.as_str(), &address]),
            everywhere: digest(&[what, email.as_str()]),
        });
        Self {
            of_address: digest(&[what, "", &address]),
            of_user,
        }
    }

    /// What is counted, and how often it may be in which time.
    fn limits(&self) -> Vec<([u8; 32], (i64, Duration))> {
        let mut limits = vec![(self.of_address, OF_ADDRESS)];
        if let Some(OfUser { here, everywhere }) = self.of_user {
            limits.extend([(here, OF_BOTH), (everywhere, OF_USER)]);
        }
        limits
    }

    /// It was them after all.
    pub(crate) async fn forget(&self, tx: &mut Tx) -> Result<()> {
        if let Some(OfUser { here, everywhere }) = self.of_user {
            store::sign_in_try::forget(tx, here).await?;
            store::sign_in_try::forget(tx, everywhere).await?;
        }
        Ok(())
    }
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().into()
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Hub {
    /// Counts one try, or refuses it.
    ///
    /// # Errors
    /// [`Error::Busy`], with the time when the window is over.
    pub(crate) async fn count_try(&self, tries: &Tries) -> Result<()> {
        let now = self.now();
        let mut tx = self.db.begin().await?;
        for (hash, (max, window)) in tries.limits() {
            let (count, since) = store::sign_in_try::count(&mut tx, hash, now, window).await?;
            if count > max {
                let passed = now.duration_since(since).unsigned_abs();
                return Err(Error::Busy {
                    what: "there were too many tries to sign in".to_owned(),
                    retry_after: window.saturating_sub(passed),
                });
            }
        }
        if let Ok(end) = now.checked_sub(DAY) {
            store::sign_in_try::delete_before(&mut tx, end).await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(email: &str, address: &str) -> Tries {
        let origin = Origin {
            address: Some(address.parse().expect("an address")),
            request: "r".to_owned(),
        };
        Tries::new("sign-in", email.parse().ok().as_ref(), Some(&origin))
    }

    #[test]
    fn whoever_has_a_network_is_one_caller() {
        let one = tries("ada@example.com", "2001:db8:1:2::1");
        let other = tries("ada@example.com", "2001:db8:1:2:ffff::9");
        assert_eq!(one.of_address, other.of_address);
        assert_eq!(one.of_user, other.of_user);
        let stranger = tries("ada@example.com", "2001:db8:1:3::1");
        assert_ne!(one.of_address, stranger.of_address);
        let [one, stranger] = [one, stranger].map(|tries| tries.of_user.expect("a person"));
        assert_ne!(one.here, stranger.here);
        assert_eq!(one.everywhere, stranger.everywhere);
        let [here, there] = ["10.0.0.1", "10.0.0.2"].map(|address| tries("a@b.c", address));
        assert_ne!(here.of_address, there.of_address);
        assert_eq!(tries("nobody", "10.0.0.1").of_user, None);
    }
}
