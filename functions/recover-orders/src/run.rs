//! One run over all due orders, within its time.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use order::{Actor, EpochMs, OrderId};
use orders::work::SHARDS;
use payments::lapsing::NOTICE_MS;
use saga::task::chain;
use serde::Serialize;
use tokio::time::timeout;

use crate::RecoverOrders;
use crate::due::RecoveryOutcome;

/// Maximum number of orders retried at once. Each costs two requests and a start of the workflow.
const CONCURRENCY: usize = 16;

/// How long a run may count at its end. A store that is too slow for this has other alarms.
const COUNT_TIME: Duration = Duration::from_secs(8);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The number of orders by outcome.
    pub taken: BTreeMap<RecoveryOutcome, u64>,
    /// How many due orders the run did not get to; the next run continues with them.
    pub left: u64,
    /// How many orders are parked in total; not known if they could not be counted. An alarm watches this number,
    /// because messages in the parked queue expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<u64>,
    /// How many payments that are captured at the hand-over lapse within a day, if there is a payment provider and they
    /// could be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lapsing: Option<u64>,
    /// How many reads of the work index, or of the claimed payments, failed.
    pub failed_looks: u64,
}

impl Report {
    fn count(&mut self, taken: RecoveryOutcome) {
        *self.taken.entry(taken).or_default() += 1;
    }

    /// How many orders had this outcome.
    pub fn count_of(&self, taken: RecoveryOutcome) -> u64 {
        self.taken.get(&taken).copied().unwrap_or_default()
    }
}

/// Which orders a sweep through the work index takes.
#[derive(Clone, Copy)]
enum Take<'a> {
    /// The orders that are due by then. The sweep counts their attempts.
    Due {
        /// The run, under which an order is parked.
        by: &'a Actor,
        /// Then.
        due_by_ms: EpochMs,
    },
    /// All open orders, on an operator's request.
    Open {
        /// Who asked for it.
        by: &'a Actor,
        /// Which orders are left out.
        skips: &'a (dyn Fn(&OrderId) -> bool + Sync),
    },
}

impl Take<'_> {
    fn due_by_ms(self) -> EpochMs {
        match self {
            Self::Due { due_by_ms, .. } => due_by_ms,
            Self::Open { .. } => EpochMs::MAX,
        }
    }
}

impl RecoverOrders {
    /// Retries every order that is due by `due_by_ms`, for at most `time`. `by` is the run, and orders are parked under it.
    pub async fn run(&self, by: &Actor, due_by_ms: EpochMs, time: Duration) -> Report {
        self.run_shards(&SHARDS, by, due_by_ms, time).await
    }

    /// [`run`](Self::run) over some of the work index's shards.
    pub async fn run_shards(&self, shards: &[&str], by: &Actor, due_by_ms: EpochMs, time: Duration) -> Report {
        self.sweep(shards, time, Take::Due { by, due_by_ms }).await
    }

    /// Retries every open order on an operator's request, as [`take_up`](Self::take_up) does, for at
    /// most `time`. It leaves out parked orders and those that `skips` names.
    pub async fn take_up_all(&self, time: Duration, by: &Actor, skips: &(dyn Fn(&OrderId) -> bool + Sync)) -> Report {
        self.sweep(&SHARDS, time, Take::Open { by, skips }).await
    }

    async fn sweep(&self, shards: &[&str], time: Duration, take: Take<'_>) -> Report {
        let ends_ms = self.now_ms() + EpochMs::try_from(time.as_millis()).unwrap_or(EpochMs::MAX / 2);
        let mut report = Report::default();
        let mut unfinished = Vec::new();
        for shard in shards {
            if !self.sweep_shard(shard, take, ends_ms, &mut report).await {
                unfinished.push(*shard);
            }
        }
        let count = self.count(shards, &unfinished, take.due_by_ms(), &mut report);
        if timeout(COUNT_TIME, count).await.is_err() {
            tracing::warn!("could not count the open orders in time; the next run will retry");
            report.failed_looks += 1;
        }
        report
    }

    /// Counts what alarms watch.
    async fn count(&self, shards: &[&str], unfinished: &[&str], due_by_ms: EpochMs, report: &mut Report) {
        match self.orders.count_parked().await {
            Ok(parked) => report.parked = Some(parked),
            Err(error) => look_failed(&error, report),
        }
        if let Some(payments) = &self.payments {
            match payments.count(shards, self.now_ms() + NOTICE_MS).await {
                Ok(lapsing) => report.lapsing = Some(lapsing),
                Err(error) => look_failed(&error, report),
            }
        }
        for shard in unfinished {
            match self.orders.count_due(shard, due_by_ms).await {
                Ok(left) => report.left += left,
                Err(error) => look_failed(&error, report),
            }
        }
    }

    /// Returns whether the shard was finished before `ends_ms`.
    async fn sweep_shard(&self, shard: &str, take: Take<'_>, ends_ms: EpochMs, report: &mut Report) -> bool {
        let due_by_ms = take.due_by_ms();
        let mut start = None;
        // Taking an order moves its due time, and so the order itself, to a later page, where it is due
        // again if `due_by_ms` is in the future.
        let mut seen = HashSet::new();
        loop {
            if self.now_ms() >= ends_ms {
                return false;
            }
            let page = match self.orders.due(shard, due_by_ms, start).await {
                Ok(page) => page,
                Err(error) => {
                    look_failed(&error, report);
                    return true;
                }
            };
            let fresh: Vec<_> = page.order_ids.into_iter().filter(|order_id| seen.insert(order_id.clone())).collect();
            let taken = stream::iter(fresh)
                .map(|order_id| async move {
                    match take {
                        _ if self.now_ms() >= ends_ms => None,
                        Take::Due { by, due_by_ms } => Some(self.take_due(&order_id, by, due_by_ms).await),
                        Take::Open { skips, .. } if skips(&order_id) => Some(RecoveryOutcome::NotOurs),
                        Take::Open { by, .. } => Some(self.take_up(&order_id, by).await),
                    }
                })
                .buffer_unordered(CONCURRENCY)
                .collect::<Vec<_>>();
            let taken = taken.await;
            taken.iter().flatten().for_each(|taken| report.count(*taken));
            if taken.contains(&None) {
                return false;
            }
            start = page.next;
            if start.is_none() {
                return true;
            }
        }
    }
}

fn look_failed(error: &saga::Unavailable, report: &mut Report) {
    tracing::warn!(reason = chain(error), "could not read an index; the next run will retry");
    report.failed_looks += 1;
}
