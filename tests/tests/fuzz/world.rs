//! A shop that detects whether a request has touched anything.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use local_aws::{BoxFuture, Call, Layer, Next, Outcome};
use proptest::test_runner::{Config, RngSeed};
use system_tests::shops::{Shop, shop};
use tokio::runtime::{Builder, Runtime};

/// The default number of cases, or the developer's; drawn from a seed that a failure prints.
pub fn cases(number: u32) -> Config {
    let said = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config { failure_persistence: None, ..Config::default() };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(number),
    };
    // The test's output is shown only if it fails.
    println!("replay with PROPTEST_RNG_SEED={seed}");
    Config { cases: if said { config.cases } else { number }, rng_seed: RngSeed::Fixed(seed), ..config }
}

/// Counts every call of every service.
#[derive(Debug, Default)]
struct Counter(AtomicUsize);

impl Layer for Counter {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { next.apply(&call).await })
    }
}

/// A shop on a clock that stands still while it works, and the number of calls that its handlers make.
pub struct World {
    pub shop: Shop,
    calls: Arc<Counter>,
    runtime: Runtime,
}

impl World {
    pub fn open() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let calls = Arc::new(Counter::default());
        let shop = runtime.block_on(shop().behind(&calls).open());
        Self { shop, calls, runtime }
    }

    /// How many calls of any service there have been.
    pub fn calls(&self) -> usize {
        self.calls.0.load(Ordering::Relaxed)
    }

    /// Runs a test's asynchronous part. A panic in it fails the test.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}
