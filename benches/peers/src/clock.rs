//! Times and memory of this process.

use std::fs;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What a piece of work took, in seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Took {
    /// Processor time of all threads of the process: it does not count what others do on the same core.
    pub cpu: f64,
    /// Time on the wall.
    pub wall: f64,
}

/// What each of many pieces of work took, in microseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Latencies {
    /// Processor time of each.
    pub cpu: Vec<f64>,
    /// Time on the wall of each.
    pub wall: Vec<f64>,
}

impl Latencies {
    /// Adds one.
    pub fn push(&mut self, took: Took) {
        self.cpu.push(took.cpu * 1e6);
        self.wall.push(took.wall * 1e6);
    }
}

/// Runs some work and says what it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Took, T) {
    let (wall, cpu) = (Instant::now(), processor_seconds());
    let result = work();
    let took = Took { cpu: processor_seconds() - cpu, wall: wall.elapsed().as_secs_f64() };
    (took, result)
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Memory of this process in bytes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// All that is resident.
    pub rss: u64,
    /// The part of it that no file stands behind.
    pub anonymous: u64,
}

impl Memory {
    /// As the kernel counts it now; zeros on systems without /proc.
    #[must_use]
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        Self { rss: bytes("VmRSS:"), anonymous: bytes("RssAnon:") }
    }
}
