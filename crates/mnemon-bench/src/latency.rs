//! Times of questions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long questions took, one after the other, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// Half of the questions took no longer.
    pub p50: f64,
    /// 99 of 100 questions took no longer.
    pub p99: f64,
}

impl Latency {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self { p50: percentile(&times, 50), p99: percentile(&times, 99) }
    }
}

/// The smallest time that so many of 100 do not exceed (the nearest rank); 0 of none.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(millis: impl IntoIterator<Item = u64>, p50: f64, p99: f64) {
        assert_eq!(Latency::of(millis.into_iter().map(Duration::from_millis)), Latency { p50, p99 });
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        check([], 0.0, 0.0);
        check([7], 7.0, 7.0);
        check([4, 1, 3, 2], 2.0, 4.0);
        check((1..=100).rev(), 50.0, 99.0);
        check(1..=1000, 500.0, 990.0);
    }
}
