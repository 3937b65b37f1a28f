//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mnemon::import::Format;
use mnemon::{Filter, Kind, Level, MemoryId, MemoryQuery, Period, ReceiptId, Scope, Slot, Timestamp, Trust};

use crate::commands::{Bench, Compact, Summarize};
use crate::input::{metadata_pair, slot, span, time};

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong use of the command line or of a variable
  3  nothing found: a search without a hit, an id or session that is not there
  4  the memory file is damaged

Environment:
  MNEMON_DB, MNEMON_SCOPE, MNEMON_SESSION and MNEMON_CONFIG stand for the options of these names.
  Every setting of the config file has a variable too, such as MNEMON_PROMPT_TOKEN_BUDGET.
  NO_COLOR turns colours off.

Output:
  With --json, a command writes one JSON document to standard output, and an error to standard
  error as {\"error\": {\"message\", \"causes\", \"hint\"}}. `export` always writes one JSON object
  a line.";

/// Long-term memory for agents: remembers every conversation, builds the next prompt under a token budget
#[derive(Debug, Parser)]
#[command(name = "mnemon", version, after_help = AFTER_HELP, max_term_width = 110, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The memory file [default: memory.db in the platform's data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Whose memory: `ann`, or `user=ann,agent=coder,project=garden` [default: the unnamed scope]
    #[arg(long, global = true, value_name = "SCOPE")]
    pub(crate) scope: Option<Scope>,
    /// The conversation, by name [default: the one that was begun last]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// A TOML file with settings [default: config.toml in the platform's config directory, if there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder of an embedding model [default: the one inside the program]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
    /// Write JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Write only what was asked for: no confirmations, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: remember a conversation of a year, reopen the file, answer questions
    Demo(Demo),
    /// Remember a text
    Add(Add),
    /// Find the memories that answer a question best
    Search(Search),
    /// Say why a question is answered as it is, stage by stage
    Explain(Explain),
    /// Build the prompt for the next turn, and show what went into it
    Context(Context),
    /// Take in one exchange of a conversation
    Observe(Observe),
    /// Take in whole conversations from a file
    Import(Import),
    /// Write a scope as lines of JSON, which `import` takes
    Export,
    /// List memories in the order in which they were stored
    List(List),
    /// Show everything about one memory
    Show(One),
    /// Make memories part of every context
    Pin(Several),
    /// Make memories no longer part of every context
    Unpin(Several),
    /// Delete memories
    Delete(Several),
    /// Forget what has expired, and what a policy says; merge what says the same
    Forget(Forget),
    /// Show everything that was ever known about one thing
    History(History),
    /// Delete memories for good, so that no byte of them is left in the file, and keep a receipt
    Erase(Erase),
    /// Count what a scope holds
    Stats,
    /// List every scope of the file
    Scopes,
    /// Show which embedding model the file serves with, or change it
    Model(Model),
    /// Make chat messages shorter, in the shapes of OpenAI and Anthropic; needs no memory file
    Compact(Box<Compact>),
    /// Summarize a conversation; needs no memory file
    Summarize(Box<Summarize>),
    /// Forget everything in a scope
    Clear(Clear),
    /// Copy the memory file while it is in use
    Backup(Backup),
    /// Make the memory file out of a backup
    Restore(Restore),
    /// Look for damage, and at everything that the program depends on
    Doctor(Doctor),
    /// Measure what is found, on questions whose answers are known
    Bench(Bench),
    /// Write a completion script for a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    pub(crate) action: Option<ModelAction>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ModelAction {
    /// Embed everything anew with the model of --model, and switch the file to it; may be stopped and begun again
    Change,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The most tokens of each context
    #[arg(long, value_name = "TOKENS", default_value = "2000", value_parser = positive)]
    pub(crate) budget: usize,
    /// Keep the temporary file (a file given with --db is always kept; MNEMON_DB is not used)
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The text; words are joined with spaces, `-` reads standard input
    #[arg(required = true, value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// What it is: fact, note, document or summary
    #[arg(long, default_value = "note", value_parser = memory_kind)]
    pub(crate) kind: Kind,
    /// Make it part of every context
    #[arg(long)]
    pub(crate) pin: bool,
    /// Something known about it; a VALUE that is JSON is taken as JSON. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata_pair)]
    pub(crate) meta: Vec<(String, serde_json::Value)>,
    /// When it happened: `2025-03-02`, `2025-03-02T18:05`, or with an offset or zone; else UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<Timestamp>,
    /// What it says something about: it takes the place of what was known about that, which stays as history
    #[arg(long, value_name = "SUBJECT/SLOT", value_parser = slot)]
    pub(crate) about: Option<Slot>,
    /// How much it matters, from 0 to 1 (never forgotten) [default: 0.5]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) importance: Option<f32>,
    /// From then on it is not found any more
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) expires: Option<Timestamp>,
    /// How far it may be believed: user, assistant, external or untrusted [default: as its kind says]
    #[arg(long, value_name = "CLASS")]
    pub(crate) trust: Option<Trust>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing that is pinned, and no turn that stands in a window, is forgotten. Without options only what has
expired goes. A memory of normal importance that is never used is half as strong after a half-life; one of importance 1 does
not decay, and each doubling of its uses adds a half-life."
)]
pub(crate) struct Forget {
    /// Let memories decay: `30d`, `12h`, `1y 6mo`
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) half_life: Option<Duration>,
    /// Forget what is weaker, from 0 to 1; with --half-life [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "half_life")]
    pub(crate) least_strength: Option<f32>,
    /// Keep at most so many memories that hold; the weakest go
    #[arg(long, value_name = "N")]
    pub(crate) capacity: Option<usize>,
    /// Only this kind is weak or without room: turn, fact, note, document or summary. May be repeated [default: all]
    #[arg(long)]
    pub(crate) kind: Vec<Kind>,
    /// Delete what is weak or without room, instead of keeping it as history
    #[arg(long)]
    pub(crate) delete: bool,
    /// Merge facts and notes that say the same
    #[arg(long)]
    pub(crate) merge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Of whom or what, as it was given to `add --about`
    pub(crate) subject: String,
    /// What of it
    pub(crate) slot: String,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) question: Question,
    /// At most so many hits
    #[arg(short = 'k', long = "hits", value_name = "N", default_value = "10", value_parser = positive)]
    pub(crate) hits: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) question: Question,
    /// The best so many candidates
    #[arg(short = 'k', long = "hits", value_name = "N", default_value = "5", value_parser = positive)]
    pub(crate) hits: usize,
}

/// What is asked, and of which time.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// The question; words are joined with spaces, `-` reads standard input
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    /// Only what happened before a time: `2025-03-02`, `2025-03-02T18:05`, or with an offset or zone; else UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<Timestamp>,
    /// Only what happened at a time or after it
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<Timestamp>,
    /// The time from which the question looks back: "last week" is the week before [default: when the newest memory
    /// was made]
    #[arg(long, value_name = "TIME", value_parser = time)]
    asked_at: Option<Timestamp>,
    /// As if asked at an earlier time: --before and --asked-at together, and what held then
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["before", "asked_at"])]
    as_of: Option<Timestamp>,
    /// Only memories that match, such as `topic = "garden" and year >= 2020 and kind in (fact, note)`
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// How much work to do: fast or thorough [default: `recall` of the settings, thorough]
    #[arg(long, value_name = "LEVEL")]
    recall: Option<Level>,
    /// Answers of a lower relevance have no hits, from 0 to 1 [default: `relevance_floor` of the settings, 0.16]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    floor: Option<f32>,
    /// Only what may be believed at least so far: user, assistant, external or untrusted
    #[arg(long, value_name = "CLASS")]
    trust: Option<Trust>,
}

impl Question {
    /// The question of this text to memory.
    pub(crate) fn query(&self, text: String) -> MemoryQuery {
        let mut query = MemoryQuery::new(text);
        query.asked_at = self.as_of.or(self.asked_at);
        query.period = Period { from: self.after, to: self.as_of.or(self.before) };
        query.filter.clone_from(&self.filter);
        query.recall = self.recall;
        query.relevance_floor = self.floor;
        query.holding_at = self.as_of;
        query.least_trust = self.trust;
        query
    }
}

#[derive(Debug, Args)]
pub(crate) struct Context {
    /// What the user says now; words are joined with spaces, `-` reads standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) input: Vec<String>,
    /// The most tokens of the context [default: prompt_token_budget of the settings, 4000]
    #[arg(long, value_name = "TOKENS", value_parser = positive)]
    pub(crate) budget: Option<usize>,
    /// At most so many recent turns
    #[arg(long, value_name = "N")]
    pub(crate) recent_k: Option<usize>,
    /// At most so many recalled memories
    #[arg(long, value_name = "N")]
    pub(crate) hits: Option<usize>,
    /// The time from which the input looks back [default: when the newest memory was made]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) asked_at: Option<Timestamp>,
    /// Recall only what may be believed at least so far: user, assistant, external or untrusted
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: Option<Trust>,
    /// Recall only memories that match; pinned ones and recent turns stay
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<Filter>,
    /// Write the prompt itself, as one text, and nothing else
    #[arg(long, conflicts_with = "messages")]
    pub(crate) text: bool,
    /// Write the prompt itself, as chat messages, and nothing else
    #[arg(long)]
    pub(crate) messages: bool,
    /// List everything that was considered, also what was left out
    #[arg(long, short)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Without --user and --assistant, turns are read from standard input, one JSON object a line:
  {\"role\": \"user\", \"text\": \"Hi!\"}
with `speaker`, `time`, `caption`, `priority` and `metadata` as in a file for `import`.")]
pub(crate) struct Observe {
    /// What the user said; `-` reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) user: Option<String>,
    /// What the assistant answered; `-` reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) assistant: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "What was imported before is not stored twice: an import that was stopped goes on where it was
when it is run again. Times are shown and read as UTC where they have no offset.")]
pub(crate) struct Import {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The format: jsonl, locomo or transcript [default: told by the name and the content]
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Leave out what cannot be read, and report it, instead of failing
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// The most that anything in the file is believed: user, assistant, external or untrusted
    #[arg(long, value_name = "TRUST", default_value = "external")]
    pub(crate) trust: Trust,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this kind: turn, fact, note, document or summary
    #[arg(long)]
    pub(crate) kind: Option<Kind>,
    /// Only pinned ones
    #[arg(long)]
    pub(crate) pinned: bool,
    /// Only those that match, such as `topic = "garden" and not exists(private)`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<Filter>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
    /// Leave out so many first
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) offset: usize,
    /// The last stored first
    #[arg(long)]
    pub(crate) newest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The id, whole, as `list` and `search` show it
    pub(crate) id: MemoryId,
}

#[derive(Debug, Args)]
pub(crate) struct Several {
    /// The ids, whole, as `list` and `search` show them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<MemoryId>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "One of --id, --source, --session, --before and --all says what. The file is written anew, so erase
many at once. A receipt holds no word of what was erased; keep the ids to verify it:
  mnemon erase --verify RECEIPT --id ID --id ID"
)]
pub(crate) struct Erase {
    /// This memory; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<MemoryId>,
    /// What came from this source, such as an imported file: `show` tells the source of a memory
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    pub(crate) source: Option<String>,
    /// What happened (else was stored) before a time: `2025-03-02`, `2025-03-02T18:05`, or with an offset or zone; else UTC
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["ids", "source"])]
    pub(crate) before: Option<Timestamp>,
    /// Everything in the scope, and the scope
    #[arg(long, conflicts_with_all = ["ids", "source", "before"])]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// List the receipts of all erasures in the file
    #[arg(long, conflicts_with_all = ["ids", "source", "before", "all", "yes"])]
    pub(crate) receipts: bool,
    /// Hold a receipt against the ids of what was erased
    #[arg(long, value_name = "RECEIPT", requires = "ids", conflicts_with_all = ["receipts", "yes"])]
    pub(crate) verify: Option<ReceiptId>,
}

#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write; it appears when it is whole and checked
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Put it in the place of a backup that is there
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "The backup is not changed. The memory file is the one of --db, or the usual one.")]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// Put it in the place of the memory file that is there, which nobody may have open
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Throw damaged vectors away, and embed what has no vector of the present model
    #[arg(long)]
    pub(crate) fix: bool,
    /// Write everything that can be read and is sound into a new file; the memory file stays as it is
    #[arg(long, value_name = "OUT", conflicts_with = "fix")]
    pub(crate) repair: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number of 1 or more".to_owned()),
    }
}

/// A share that is not nothing.
pub(crate) fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if part > 0.0 && part <= 1.0 => Ok(part),
        _ => Err("expected a number above 0 and at most 1".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// A turn needs a session and a role, which `observe` and `import` give it.
fn memory_kind(text: &str) -> Result<Kind, String> {
    match text.parse::<Kind>() {
        Ok(Kind::Turn) => Err("a turn is part of a conversation: use `mnemon observe`".to_owned()),
        Ok(kind) => Ok(kind),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        let before = Cli::try_parse_from(["mnemon", "--db", "x.db", "--scope", "ann", "--json", "stats"]).unwrap();
        let after = Cli::try_parse_from(["mnemon", "stats", "--json", "--scope", "ann", "--db", "x.db"]).unwrap();
        for cli in [before, after] {
            assert_eq!(cli.global.db, Some("x.db".into()));
            assert_eq!(cli.global.scope, Some("ann".parse().unwrap()));
            assert!(cli.global.json);
        }
    }
}
