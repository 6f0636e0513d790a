//! What another process asks of the one that runs a shard, and asking it: replays and event files that are to be closed.
//!
//! The verbs call these; where this process runs the shard itself, it is done at once.

use std::collections::HashSet;
use std::time::Duration;

use model::{AccountId, EndpointId};
use store::order::{Order, OrderKind};

use crate::{Hub, Result, Scope};

/// Orders looked at in one step.
const ORDERS_MAX: i64 = 100;
/// How long a caller waits for somebody to carry an order out; it is carried out also if nobody waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks whether that was done.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Hub {
    /// Puts positions back into a destination's set, to be sent again from the start. Durable when it answers.
    pub(crate) async fn flow_replay(
        &self,
        scope: Scope,
        id: EndpointId,
        positions: &[u64],
    ) -> Result<()> {
        if self.replay_here(scope.0, id, positions, None) {
            self.checkpoint().await?;
            return Ok(());
        }
        self.order(scope, id, OrderKind::Replay, positions).await?;
        Ok(())
    }

    /// Closes the open event file of a destination with what was published before now.
    pub(crate) async fn flow_pack(&self, scope: Scope, id: EndpointId) -> Result<()> {
        let shard = self.logs.shard(scope.0);
        if self.flow.holds(shard) {
            // Only what was published before the call: while publishing goes on, there is always more.
            let end = self.logs.at(shard).latest().await?;
            self.route_before(shard, end).await?;
            let before = engine::Position::new(end, 0).as_u64();
            self.pack_one(id, before).await?;
            return Ok(());
        }
        let order = self.order(scope, id, OrderKind::Pack, &[]).await?;
        let done = async {
            loop {
                let mut tx = self.db.read().await?;
                if !store::order::is_open(&mut tx, order).await? {
                    return Result::Ok(());
                }
                drop(tx);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Late, the file is there for the next call.
        tokio::time::timeout(PATIENCE, done).await.unwrap_or(Ok(()))
    }

    async fn order(
        &self,
        scope: Scope,
        id: EndpointId,
        kind: OrderKind,
        positions: &[u64],
    ) -> Result<i64> {
        let mut tx = self.db.begin().await?;
        let order = store::order::insert(&mut tx, scope, id, kind, positions).await?;
        tx.commit().await?;
        Ok(order)
    }

    /// Carries out what others have asked of this process; answers how many orders these were.
    pub async fn obey(&self) -> Result<usize> {
        if !self.is_shared() || self.flow.held().is_empty() {
            return Ok(0);
        }
        let mut tx = self.db.read().await?;
        let orders = store::order::after(&mut tx, 0, ORDERS_MAX).await?;
        drop(tx);
        let mut done = 0;
        for order in orders {
            done += usize::from(self.carry_out(&order).await?);
        }
        if done > 0 {
            self.checkpoint().await?;
        }
        Ok(done)
    }

    async fn carry_out(&self, order: &Order) -> Result<bool> {
        let shard = self.logs.shard(order.account);
        if !self.flow.holds(shard) || !self.flow.is_live(&self.clock) {
            return Ok(false);
        }
        if order.kind == OrderKind::Pack {
            self.flow_pack(Scope(order.account), order.endpoint).await?;
        }
        let _saved = self.flow.saving.lock().await;
        // With the saving lock, what was carried out is either in `found` or no longer in the table.
        let mut tx = self.db.read().await?;
        let is_open = store::order::is_open(&mut tx, order.id).await?;
        drop(tx);
        let known: HashSet<i64> = {
            let state = self.flow.state();
            let found = state.held.get(&shard).map(|held| &held.found.orders);
            found.into_iter().flatten().copied().collect()
        };
        let is_new = is_open && !known.contains(&order.id);
        Ok(is_new
            && self.replay_here(
                order.account,
                order.endpoint,
                &order.positions,
                Some(order.id),
            ))
    }

    /// In the sets of this process; `false` if another one runs the shard.
    fn replay_here(
        &self,
        account: AccountId,
        id: EndpointId,
        positions: &[u64],
        order: Option<i64>,
    ) -> bool {
        let now = self.now();
        let mut state = self.flow.state();
        let Some(held) = state.held.get_mut(&self.logs.shard(account)) else {
            return false;
        };
        held.found.orders.extend(order);
        if !positions.is_empty() {
            let destination = state.schedule.destination(id, account);
            for &position in positions {
                destination.replay(position, now);
            }
            state.schedule.look_at(id, now);
        }
        drop(state);
        self.flow.pump.notify_one();
        true
    }
}
