//! Our side of each comparison, and the peers that are Rust or C++.
//!
//! `mnemon-peers GROUP SIDE DATA` answers requests, a line of JSON each, with a line of JSON each: `{"ok": …}` or
//! `{"error": "…"}`. The script benches/peers/run starts one such process for each side and asks them in turn, so that
//! what disturbs the machine disturbs all of them. The sides in Python (peers/worker.py) speak the same.

mod clock;
mod compaction;
mod embed;
mod engine;
mod error;
mod vectors;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::error::Error;

/// A side: whatever answers the requests of its group.
pub(crate) trait Side {
    /// Answers one request.
    fn answer(&mut self, request: &Value) -> Result<Value, Error>;
}

fn side(group: &str, name: &str, data: PathBuf) -> Result<Box<dyn Side>, Error> {
    match group {
        "embed" => embed::side(name, data),
        "vectors" => vectors::side(name, &data),
        "engine" => engine::side(name, &data),
        "compaction" => compaction::side(name),
        _ => Err(Error::Side { group: "the groups", known: "embed, vectors, engine, compaction", got: group.to_owned() }),
    }
}

fn serve(side: &mut dyn Side) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match serde_json::from_str(&line) {
            Ok(request) => side.answer(&request),
            Err(error) => Err(Error::Request { group: "any kind", got: format!("{line} ({error})") }),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error.whole() }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(group), Some(name), Some(data)) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("expected mnemon-peers GROUP SIDE DATA; benches/peers/run calls it so");
        return ExitCode::from(2);
    };
    let served = side(&group, &name, data.into()).map(|mut side| serve(&mut *side));
    match served {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("expected to talk to the script: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{}", json!({ "error": error.whole() }));
            ExitCode::FAILURE
        }
    }
}
