//! `reliability`: see docs/RELIABILITY.md.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mnemon_reliability::{Plan, Report, Result, coherence, damage, faults, kill, model, power};

/// Kills, power losses, faults, damage and crowds, against the real engine.
#[derive(Debug, Parser)]
#[command(name = "reliability", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills writers at any moment and compares what they left with what was acknowledged. Counts kills.
    Kill {
        #[command(flatten)]
        common: Common,
        /// The most writers on one file.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
        writers: u64,
        /// Writers acknowledge before they have done it: losses must be found.
        #[arg(long)]
        boast: bool,
    },
    /// Records what is written, and opens what a disk may hold if the power fails in the middle of it. Counts images.
    Power {
        #[command(flatten)]
        common: Common,
        /// When what is written is on the disk: full, normal, or off, with which losses must be found.
        #[arg(long, default_value = "full")]
        synchronous: power::Synchronous,
    },
    /// Lets calls on files fail, once or for ever. Counts cases.
    Faults {
        #[command(flatten)]
        common: Common,
    },
    /// Damages the file, its log and saved indexes, and reads everything. Counts damaged files.
    Damage {
        #[command(flatten)]
        common: Common,
    },
    /// The cases of a round of `damage`.
    #[command(hide = true)]
    DamageCases {
        /// Where the files are that are damaged.
        folder: PathBuf,
        /// The seed of the run.
        seed: u64,
        /// The round.
        round: u64,
    },
    /// The cases of a round of `faults`.
    #[command(hide = true)]
    FaultCases {
        /// The seed of the run.
        seed: u64,
        /// The round.
        round: u64,
    },
    /// Does everything that the engine can in a long random order, with nothing that goes wrong, and compares it with a
    /// model. Counts operations.
    Model {
        #[command(flatten)]
        common: Common,
    },
    /// Lets crowds of processes and threads write and ask at once. Counts answers that were checked.
    Coherence {
        #[command(flatten)]
        common: Common,
        /// Processes with the file open.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
        processes: u64,
        /// Threads of each.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
        threads: u64,
    },
    /// A process that `coherence` starts.
    #[command(hide = true)]
    CrowdMember(coherence::Member),
    /// A writer that `kill` starts.
    #[command(hide = true)]
    Writer(kill::Orders),
}

#[derive(Debug, Args)]
struct Common {
    /// Ends after so many.
    #[arg(long, default_value_t = u64::MAX)]
    count: u64,
    /// Ends after so many seconds, whichever comes first.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The seed of all choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this round: what a replay command asks for.
    #[arg(long)]
    only: Option<u64>,
    /// Rounds that run at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Common {
    fn plan(&self) -> Plan {
        let time = Duration::from_secs(self.seconds);
        Plan { count: self.count, time, seed: self.seed, only: self.only, jobs: self.jobs }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A writer whose parent is gone has nobody to tell.
            let _ = writeln!(std::io::stderr(), "reliability: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn run(command: Command) -> Result<bool> {
    let (report, json): (Report, bool) = match command {
        Command::Kill { common, writers, boast } => (kill::run(common.plan(), writers, boast)?, common.json),
        Command::Power { common, synchronous } => (power::run(common.plan(), synchronous)?, common.json),
        Command::Faults { common } => (faults::run(common.plan())?, common.json),
        Command::Damage { common } => (damage::run(common.plan())?, common.json),
        Command::Model { common } => (model::run(common.plan())?, common.json),
        Command::DamageCases { folder, seed, round } => return damage::cases(&folder, seed, round).map(|()| true),
        Command::Coherence { common, processes, threads } => {
            (coherence::run(common.plan(), processes, threads)?, common.json)
        }
        Command::CrowdMember(member) => return member.take_part().map(|()| true),
        Command::FaultCases { seed, round } => return faults::cases(seed, round).map(|()| true),
        Command::Writer(orders) => return orders.carry_out().map(|()| true),
    };
    report.write(&mut std::io::stdout(), json)?;
    Ok(report.findings.is_empty())
}
