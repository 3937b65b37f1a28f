//! `mnemon observe`

use mnemon::import::{self, Format, Options};
use mnemon::{NewTurn, Role};
use std::io::IsTerminal;

use crate::app::{App, Need};
use crate::args::Observe;
use crate::error::{CliError, Outcome};
use crate::input::given_or_stdin;
use crate::output::{count, plural, remark};

pub(crate) fn run(app: &mut App, args: &Observe) -> Result<Outcome, CliError> {
    let turns = match (&args.user, &args.assistant) {
        (None, None) => turns_of_stdin()?,
        (Some(user), Some(assistant)) if user == "-" && assistant == "-" => return Err(CliError::StdinTwice),
        (user, assistant) => {
            let said = [(Role::User, user), (Role::Assistant, assistant)];
            let turns = said.into_iter().filter_map(|(role, text)| Some((role, text.as_ref()?)));
            turns
                .map(|(role, text)| Ok(NewTurn::new(role, given_or_stdin(text)?)))
                .collect::<Result<Vec<_>, CliError>>()?
        }
    };
    if turns.iter().all(|turn| turn.text.trim().is_empty() && turn.caption.is_none()) {
        return Err(CliError::NoText);
    }
    let memory = app.open(Need::Make)?;
    let observed = memory.observe_turns(&turns)?;
    if app.out.is_json {
        app.out.json(&observed)?;
    } else {
        if let Some(degraded) = &observed.degraded {
            remark(&app.out, &format!("note: {degraded}"));
        }
        let (turns, tokens) =
            (plural(observed.turns.len() as u64, "turn", "turns"), count(observed.window_tokens as u64));
        let moved = match observed.moved {
            0 => String::new(),
            moved => {
                let summaries = match observed.summarised {
                    0 => String::new(),
                    written => format!(" and {} written", plural(written as u64, "summary", "summaries")),
                };
                format!(", {} moved to long-term memory{summaries}", plural(moved as u64, "turn", "turns"))
            }
        };
        if observed.redacted > 0 {
            let turns = plural(observed.redacted as u64, "turn", "turns");
            remark(&app.out, &format!("note: secrets in {turns} were redacted"));
        }
        if let Some(problem) = &observed.summary_problem {
            remark(&app.out, &format!("note: what left the recent conversation is not summarised yet: {problem}"));
        }
        app.out.say(format!("remembered {turns}; the recent conversation has {tokens} tokens{moved}"))?;
    }
    Ok(Outcome::Done)
}

/// Lines of JSON. Equal lines are said twice, not the same line read twice, so turns get no origin.
fn turns_of_stdin() -> Result<Vec<NewTurn>, CliError> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(CliError::NothingSaid);
    }
    let options = Options { format: Some(Format::Jsonl), ..Options::default() };
    let read = import::read_from(stdin.lock(), "standard input", &options)?;
    if read.memories() > 0 {
        return Err(CliError::NotTurns {
            got: plural(read.memories() as u64, "memory that is none", "memories that are none"),
        });
    }
    let mut conversations = read.conversations.into_iter();
    let Some(conversation) = conversations.next() else { return Err(CliError::NothingSaid) };
    if conversations.next().is_some() || conversation.scope.is_some() {
        return Err(CliError::NotTurns { got: "a line that names a scope".to_owned() });
    }
    let mut sessions = conversation.sessions.into_iter();
    let Some(session) = sessions.next() else { return Err(CliError::NothingSaid) };
    if sessions.next().is_some() || session.name.is_some() {
        return Err(CliError::NotTurns { got: "a line that names a session".to_owned() });
    }
    Ok(session.turns.into_iter().map(|turn| NewTurn { origin: None, ..turn }).collect())
}
