//! What a measurement ran on.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine and the program: without them a time says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Machine {
    /// The version of Mnemon.
    pub mnemon: String,
    /// The embedding model: name, revision and class of arithmetic.
    pub model: String,
    /// The processor as it calls itself, where the system tells.
    pub processor: Option<String>,
    /// Threads that run at once.
    pub threads: usize,
    /// The operating system and the architecture.
    pub system: String,
    /// Whether the program was built with optimisation. Without it every time is several times too long.
    pub optimised: bool,
}

impl Machine {
    pub(crate) fn with(model: String) -> Self {
        Self {
            mnemon: env!("CARGO_PKG_VERSION").to_owned(),
            model,
            processor: processor(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            optimised: !cfg!(debug_assertions),
        }
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("unknown processor");
        let warning = if self.optimised { "" } else { " · built without optimisation" };
        let Self { mnemon, model, threads, system, .. } = self;
        format!("mnemon {mnemon}, {model} · {processor}, {threads} threads, {system}{warning}")
    }
}

fn processor() -> Option<String> {
    let about = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = about.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Bytes of memory that this process has in use now, the mapped pages of files among them. `None` where the system does
/// not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    let about = fs::read_to_string("/proc/self/status").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_named_in_a_line() {
        let machine = Machine {
            mnemon: "1.2.3".to_owned(),
            model: "m@1/int8".to_owned(),
            processor: Some("Fast One".to_owned()),
            threads: 8,
            system: "linux x86_64".to_owned(),
            optimised: true,
        };
        assert_eq!(machine.line(), "mnemon 1.2.3, m@1/int8 · Fast One, 8 threads, linux x86_64");
        let slow = Machine { processor: None, optimised: false, ..machine };
        assert!(slow.line().contains("unknown processor") && slow.line().ends_with("built without optimisation"));
        assert!(Machine::with("m".to_owned()).threads >= 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_in_use_is_read() {
        let before = resident_bytes().unwrap();
        let block = vec![1u8; 64 << 20];
        let after = resident_bytes().unwrap();
        assert!(after >= before + (48 << 20), "{before} and {after} with {} more", block.len());
    }
}
