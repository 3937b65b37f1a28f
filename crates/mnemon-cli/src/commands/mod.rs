//! The commands, a file each.

mod add;
mod backup;
mod bench;
mod clear;
mod compact;
mod completions;
mod context;
mod delete;
mod demo;
mod doctor;
mod erase;
mod explain;
mod export;
mod forget;
mod history;
mod import;
mod list;
mod model;
mod observe;
mod pin;
mod repair;
mod scopes;
mod search;
mod show;
mod stats;
mod summarize;

pub(crate) use bench::Bench;
pub(crate) use compact::Compact;
pub(crate) use summarize::Summarize;

use crate::app::App;
use crate::args::Command;
use crate::error::{CliError, Outcome};

pub(crate) fn run(app: &mut App, command: Command) -> Result<Outcome, CliError> {
    match command {
        Command::Demo(args) => demo::run(app, &args),
        Command::Add(args) => add::run(app, args),
        Command::Search(args) => search::run(app, &args),
        Command::Explain(args) => explain::run(app, &args),
        Command::Context(args) => context::run(app, &args),
        Command::Observe(args) => observe::run(app, &args),
        Command::Import(args) => import::run(app, &args),
        Command::Export => export::run(app),
        Command::List(args) => list::run(app, &args),
        Command::Show(args) => show::run(app, &args),
        Command::Pin(args) => pin::run(app, &args, true),
        Command::Unpin(args) => pin::run(app, &args, false),
        Command::Delete(args) => delete::run(app, &args),
        Command::Forget(args) => forget::run(app, &args),
        Command::History(args) => history::run(app, &args),
        Command::Erase(args) => erase::run(app, &args),
        Command::Stats => stats::run(app),
        Command::Scopes => scopes::run(app),
        Command::Model(args) => model::run(app, &args),
        Command::Compact(args) => compact::run(app, &args),
        Command::Summarize(args) => summarize::run(app, &args),
        Command::Clear(args) => clear::run(app, &args),
        Command::Backup(args) => backup::run(app, &args),
        Command::Restore(args) => backup::restore(app, &args),
        Command::Doctor(args) => doctor::run(app, &args),
        Command::Bench(args) => bench::run(app, &args),
        Command::Completions(args) => completions::run(app, &args),
    }
}
