//! How much an account may publish in a second and in a day, in all processes together.
//!
//! What is used up is counted in the store. A process takes from there in portions and gives them out from memory, so a
//! limited account costs a few small transactions a second and not one for each call. A portion that is not given out is
//! not given back: of its allowance an account may miss one portion for each process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::{AccountId, AccountPolicy};
use store::quota::Span;

use crate::{Error, Hub, Result, Scope};

const SECOND: i64 = 1;
const DAY: i64 = 86_400;
/// The part of an allowance that is taken at once.
const PORTION: i64 = 50;
/// Spans are kept so long after their end.
const KEPT: i64 = 2;

/// What is left of the portion that was taken last, by account and length of span.
#[derive(Default)]
pub struct Quotas {
    left: Mutex<HashMap<(AccountId, i64), (Span, i64)>>,
}

impl Quotas {
    /// Gives out what was taken before; `false` if that is not enough.
    fn spend(&self, account: AccountId, span: Span, amount: i64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.get_mut(&(account, span.seconds)) {
            Some((of, rest)) if *of == span && *rest >= amount => {
                *rest -= amount;
                true
            }
            _ => false,
        }
    }

    /// Keeps what is left of a portion.
    fn keep(&self, account: AccountId, span: Span, rest: i64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = left.entry((account, span.seconds)).or_insert((span, 0));
        if kept.0 == span {
            kept.1 += rest;
        } else {
            *kept = (span, rest);
        }
    }
}

fn span_at(now: Timestamp, seconds: i64) -> Span {
    Span {
        seconds,
        number: now.as_second().div_euclid(seconds),
    }
}

impl Hub {
    /// Takes `events` out of the account's allowances.
    ///
    /// # Errors
    /// [`Error::Busy`] with the time when there is more, if an allowance is used up: nothing may be published then.
    pub(crate) async fn spend(
        &self,
        account: AccountId,
        policy: &AccountPolicy,
        events: u32,
    ) -> Result<()> {
        let limits = [
            (SECOND, policy.max_events_per_second, "a second"),
            (DAY, policy.max_events_per_day, "a day"),
        ];
        for (seconds, limit, name) in limits {
            let Some(limit) = limit else { continue };
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let span = span_at(self.now(), seconds);
            let amount = i64::from(events);
            if self.quotas.spend(account, span, amount)
                || self.take_portion(account, span, amount, limit).await?
            {
                continue;
            }
            if amount > limit {
                let message = format!(
                    "account {account} may publish {limit} events {name}, and this call has {events}: send fewer in one call"
                );
                return Err(model::Invalid::one("", "over-limit", message).into());
            }
            self.metrics.over_quota.inc();
            return Err(Error::Busy {
                what: format!(
                    "account {account} has published the {limit} events {name} that it may"
                ),
                retry_after: self.until_next(span),
            });
        }
        Ok(())
    }

    /// What an account has used up of its allowance of today (UTC), as far as it is counted: only limited accounts are.
    /// Portions that processes have taken and not given out yet count as used.
    pub async fn quota_used_today(&self, scope: Scope) -> Result<u64> {
        let span = span_at(self.now(), DAY);
        Ok(store::quota::used(&mut self.db.read().await?, scope, span).await?)
    }

    async fn take_portion(
        &self,
        account: AccountId,
        span: Span,
        amount: i64,
        limit: i64,
    ) -> Result<bool> {
        let scope = Scope(account);
        let portion = (limit / PORTION).max(amount);
        for wanted in [portion, amount] {
            let mut tx = self.db.begin().await?;
            if store::quota::take(&mut tx, scope, span, wanted, limit).await? {
                tx.commit().await?;
                self.quotas.keep(account, span, wanted - amount);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn until_next(&self, span: Span) -> Duration {
        let end = Timestamp::from_second((span.number + 1).saturating_mul(span.seconds));
        let left = end.unwrap_or(Timestamp::MAX).duration_since(self.now());
        Duration::try_from(left)
            .unwrap_or_default()
            .max(Duration::from_secs(1))
    }

    /// Forgets what was used up in spans that are over.
    pub(crate) async fn forget_quotas(&self, tx: &mut engine::Tx) -> Result<()> {
        for seconds in [SECOND, DAY] {
            let mut span = span_at(self.now(), seconds);
            span.number -= KEPT;
            store::quota::forget_before(tx, span).await?;
        }
        Ok(())
    }
}
