//! The randomness of an execution: retry jitter, `$random` and `$uuid`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

/// A source of random numbers, shared by its clones.
///
/// It spreads retries and fills test data. It is not for secrets.
#[derive(Debug, Clone)]
pub struct Random(Arc<Source>);

#[derive(Debug)]
enum Source {
    Sequence(Mutex<Rng>),
    Fixed(f64),
}

impl Random {
    /// The same seed gives the same numbers, if they are used in the same order. Another release may give
    /// different numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Source::Sequence(Mutex::new(Rng::with_seed(seed)))))
    }

    /// Different numbers for each source.
    pub fn from_entropy() -> Self {
        Self(Arc::new(Source::Sequence(Mutex::default())))
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
            Source::Sequence(numbers) => lock(numbers).f64(),
        }
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        match &*self.0 {
            Source::Fixed(fraction) => Rng::with_seed(fraction.to_bits()).u64(..),
            Source::Sequence(numbers) => lock(numbers).u64(..),
        }
    }
}

/// A panic between two numbers harms none of them.
fn lock(numbers: &Mutex<Rng>) -> MutexGuard<'_, Rng> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
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
