//! Packs a sentence-transformer as int8, and verifies the sums of a packed one.
//!
//! `cargo run --release -p mnemon-models --features tool -- pack --from FOLDER --to models/all-MiniLM-L6-v2`

mod error;
mod pack;
mod quantize;
mod sums;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::ToolError;

/// Packs embedding models for Mnemon.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write model.int8.safetensors and copy the small files beside it.
    Pack {
        /// The folder of a sentence-transformer: config.json, tokenizer.json, model.safetensors.
        #[arg(long)]
        from: PathBuf,
        /// The folder to write to.
        #[arg(long)]
        to: PathBuf,
        /// The name of the model.
        #[arg(long, default_value = "all-MiniLM-L6-v2")]
        name: String,
    },
    /// Check every file that SHA256SUMS names.
    Verify {
        /// The folder of the packed model.
        #[arg(default_value = "models/all-MiniLM-L6-v2")]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(lines) => {
            // A reader that went away is no failure of the work, which is done.
            let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<Vec<String>, ToolError> {
    match arguments.command {
        Command::Pack { from, to, name } => {
            let report = pack::pack(&from, &to, &name)?;
            sums::write(&to)?;
            Ok(vec![report])
        }
        Command::Verify { folder } => {
            let files = sums::verify(&folder)?;
            Ok(files.into_iter().map(|file| format!("{file}: as summed")).collect())
        }
    }
}
