//! The randomness of an execution: retry jitter, `$random` and `$uuid`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers, shared by its clones.
///
/// It spreads retries and fills test data. It is not for secrets.
#[derive(Debug, Clone)]
pub struct Random(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// `SplitMix64`'s state. One atomic addition per number, so concurrent users never get the same one.
    Sequence(AtomicU64),
    Fixed(f64),
}

/// `SplitMix64`'s increment: the golden ratio of 2^64 (Steele, Lea, Flood, 2014).
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The same seed gives the same numbers, if they are used in the same order.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Source::Sequence(AtomicU64::new(seed))))
    }

    /// Different numbers for each source.
    pub fn from_entropy() -> Self {
        // A new `RandomState` has random keys from the operating system.
        Self::seeded(RandomState::new().hash_one(0_u8))
    }

    /// Always the same fraction of the range, clamped to 0–1. With 1 every jittered delay has its maximum,
    /// with 0 it is zero.
    pub fn fixed(fraction: f64) -> Self {
        Self(Arc::new(Source::Fixed(fraction.clamp(0.0, 1.0))))
    }

    /// A number from 0 up to but not including 1 (a fixed fraction may be 1).
    pub fn unit(&self) -> f64 {
        match &*self.0 {
            Source::Fixed(fraction) => *fraction,
            // A double's mantissa holds 53 bits.
            #[allow(clippy::cast_precision_loss)]
            Source::Sequence(_) => (self.bits() >> 11) as f64 / (1_u64 << 53) as f64,
        }
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        match &*self.0 {
            Source::Fixed(fraction) => mix(fraction.to_bits()),
            Source::Sequence(state) => mix(state.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA)),
        }
    }
}

/// `SplitMix64`'s output function.
fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays() {
        let draw = |seed| {
            let random = Random::seeded(seed);
            (0..4).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn units_stay_in_their_range() {
        let random = Random::from_entropy();
        for _ in 0..1000 {
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit), "{unit}");
        }
    }
}
