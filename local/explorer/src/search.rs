//! All schedules of one and two faults, and random schedules of more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fastrand::Rng;

use super::fault::{AT_THE_END, Fault, FaultKind, Point, PointNumber};
use super::kinds::OrderKind;
use super::run::{Ground, Run, RunError, Wiring};

/// How many schedules there are and how many were run, for one first fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The points of a run without faults at which it can happen.
    pub points: usize,
    /// The schedules that begin with it.
    pub possible: usize,
    /// Those that have been run.
    pub run: usize,
}

/// A schedule that broke an invariant.
#[derive(Debug)]
pub struct Failure {
    /// The kind of order.
    pub kind: OrderKind,
    /// The faults that happened to it.
    pub faults: Vec<Fault>,
    /// Its result.
    pub run: Run,
}

/// A search through the schedules of one kind of order.
#[derive(Debug)]
pub struct Search<'a> {
    /// The kind.
    pub kind: OrderKind,
    /// The stack.
    pub wiring: &'a Wiring,
    /// Whether to stop at the first failure.
    pub stops_at_first: bool,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    /// The counts by first fault.
    pub counts: BTreeMap<FaultKind, Counts>,
    /// The schedules that broke something.
    pub failures: Vec<Failure>,
}

impl Found {
    /// All counts together, except points, which several faults share.
    pub fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| Counts {
            points: sum.points.max(counts.points),
            possible: sum.possible + counts.possible,
            run: sum.run + counts.run,
        })
    }

    fn absorb(&mut self, other: Self) {
        for (kind, counts) in other.counts {
            let all = self.counts.entry(kind).or_default();
            all.points += counts.points;
            all.possible += counts.possible;
            all.run += counts.run;
        }
        self.failures.extend(other.failures);
    }
}

impl Search<'_> {
    /// The run in which nothing goes wrong.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn baseline(&self) -> Result<Run, RunError> {
        Ground::new(self.kind, self.wiring)?.run(&[])
    }

    /// Runs every schedule of `depth` faults, 1 or 2. The event of a kind counts as one of them.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn exhaustive(&self, depth: usize) -> Result<Found, RunError> {
        let ground = Ground::new(self.kind, self.wiring)?;
        let baseline = ground.run(&[])?;
        let mut found = Found::default();
        let firsts = self.faults_from(&baseline.points, 0, &[], depth);
        for fault in &firsts {
            let same = firsts.iter().filter(|other| other.kind == fault.kind);
            let points: BTreeSet<_> = same.map(|other| other.point).collect();
            found.counts.entry(fault.kind).or_default().points = points.len();
        }
        if !baseline.violations.is_empty() {
            found.failures.push(Failure { kind: self.kind, faults: Vec::new(), run: baseline });
        }
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let shared: Mutex<Result<Found, RunError>> = Mutex::new(Ok(found));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(first) = firsts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let part = self.begin_with(&ground, *first, depth);
                        let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        match (&mut *all, part) {
                            (Ok(found), Ok(part)) => found.absorb(part),
                            (all, Err(error)) => *all = Err(error),
                            (Err(_), Ok(_)) => {}
                        }
                        let has_failed = all.as_ref().map_or(true, |found| !found.failures.is_empty());
                        stop.fetch_or(has_failed && self.stops_at_first, Ordering::Relaxed);
                    }
                });
            }
        });
        let mut found = shared.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        // Everything before a failure has been run, so the first failure is always the same.
        found.failures.sort_by_key(|failure| firsts.iter().position(|first| Some(first) == failure.faults.first()));
        if self.stops_at_first {
            found.failures.truncate(1);
        }
        Ok(found)
    }

    /// Every schedule that begins with this fault.
    fn begin_with(&self, ground: &Ground, first: Fault, depth: usize) -> Result<Found, RunError> {
        let mut found = Found::default();
        let alone = ground.run(&[first])?;
        if depth == 1 {
            found.counts.insert(first.kind, Counts { points: 0, possible: 1, run: 1 });
            self.judge(vec![first], alone, &mut found);
            return Ok(found);
        }
        let seconds = self.faults_from(&alone.points, first.point + 1, &[first], depth);
        let mut counts = Counts { points: 0, possible: seconds.len(), run: 0 };
        for second in seconds {
            let faults = vec![first, second];
            let run = ground.run(&faults)?;
            counts.run += 1;
            self.judge(faults, run, &mut found);
            if self.stops_at_first && !found.failures.is_empty() {
                break;
            }
        }
        found.counts.insert(first.kind, counts);
        Ok(found)
    }

    /// Runs `schedules` random schedules of up to `depth` faults.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn random(&self, depth: usize, schedules: usize, seed: u64) -> Result<Found, RunError> {
        let ground = Ground::new(self.kind, self.wiring)?;
        let mut random = Rng::with_seed(seed);
        let mut found = Found::default();
        for _ in 0..schedules {
            let mut faults: Vec<Fault> = Vec::new();
            let mut last = ground.run(&faults)?;
            while faults.len() < depth {
                let from = faults.last().map_or(0, |fault| fault.point + 1);
                let all = self.faults_from(&last.points, from, &faults, depth);
                let Some(fault) = random.choice(&all) else { break };
                faults.push(*fault);
                last = ground.run(&faults)?;
            }
            let Some(first) = faults.first() else { continue };
            let counts = found.counts.entry(first.kind).or_default();
            counts.possible += 1;
            counts.run += 1;
            self.judge(faults, last, &mut found);
        }
        Ok(found)
    }

    fn judge(&self, faults: Vec<Fault>, run: Run, found: &mut Found) {
        if !run.violations.is_empty() {
            found.failures.push(Failure { kind: self.kind, faults, run });
        }
    }

    /// Every fault at the points from `from` on that can extend a schedule of `depth` faults that begins with
    /// `so_far`. If a kind is about an event, each schedule has exactly one.
    fn faults_from(&self, points: &[Point], from: PointNumber, so_far: &[Fault], depth: usize) -> Vec<Fault> {
        let events = self.kind.events();
        let lacks_event = !events.is_empty() && !so_far.iter().any(|fault| fault.kind.is_event());
        let has_room = !lacks_event || so_far.len() + 1 < depth;
        // A long outage is already hundreds of faults, and has as many points. It is run alone, with each
        // event, and in the random schedules, but not in pairs.
        let is_pair = depth == 2 && events.is_empty();
        let mut faults = Vec::new();
        for (number, point) in (0..).zip(points).skip(from as usize) {
            let mut push = |kind, lands| faults.push(Fault { point: number, kind, lands });
            if lacks_event && !matches!(point, Point::Invocation { .. }) {
                for event in events {
                    push(*event, None);
                }
            }
            if !has_room {
                continue;
            }
            for kind in FaultKind::at(point, self.kind.provider().guard) {
                if is_pair && kind == FaultKind::LongOutage {
                    continue;
                }
                if !kind.is_held_back() {
                    push(kind, None);
                    continue;
                }
                let later = (number + 1..).zip(points.iter().skip(number as usize + 1));
                let stores = later.filter(|(_, point)| matches!(point, Point::Store { .. } | Point::Payment { .. }));
                // The second attempt is itself a point, so later points move by one.
                let shift = u32::from(kind == FaultKind::HungTwice);
                let landings = stores.map(|(number, _)| number + shift).chain([AT_THE_END]);
                landings.for_each(|lands| push(kind, Some(lands)));
            }
        }
        faults
    }
}
