//! `mnemon erase`

use mnemon::{ContextManager, ErasureRow, MemoryId, ReceiptId, Selection};
use serde_json::json;

use super::clear::confirm;
use crate::app::{App, Need, scope_name};
use crate::args::Erase;
use crate::error::{CliError, Outcome};
use crate::output::{minute, plural, remark, safe_line};

pub(crate) fn run(app: &mut App, args: &Erase) -> Result<Outcome, CliError> {
    if args.receipts {
        return receipts(app);
    }
    if let Some(receipt) = args.verify {
        return verify(app, receipt, &args.ids);
    }
    // A variable that names a session for every command is no word to erase it.
    let session = app.global.session.clone();
    check_one(args, session.as_deref())?;
    let memory = app.open_without_model(Need::Write)?;
    let scope = scope_name(memory.scope());
    let (selection, what) = selection(args, session, &memory)?;
    if !args.yes {
        let path = app.path()?.display().to_string();
        confirm(&format!("Erase {what} of {scope} in {path}, for good? Type yes: "))?;
    }
    let erasure = memory.erase(&selection)?;
    let receipt = erasure.receipt;
    if app.out.is_json {
        app.out.json(&json!({"receipt": receipt, "ids": erasure.ids, "pending": erasure.pending}))?;
    } else {
        let memories = plural(receipt.memories, "memory", "memories");
        app.out.say(format!("erased {memories} of {}, receipt {}", safe_line(&scope), receipt.id))?;
    }
    let Some(why) = erasure.pending else { return Ok(Outcome::Done) };
    remark(&app.out, &format!("bytes are still in the file: {why}; the next command that writes goes on with it"));
    Ok(Outcome::Unwell)
}

fn check_one(args: &Erase, session: Option<&str>) -> Result<(), CliError> {
    let given = [!args.ids.is_empty(), args.source.is_some(), args.before.is_some(), args.all, session.is_some()];
    match given.into_iter().filter(|given| *given).count() {
        1 => Ok(()),
        got => Err(CliError::Selection { got }),
    }
}

/// What is selected, and how to say it.
fn selection(args: &Erase, session: Option<String>, memory: &ContextManager) -> Result<(Selection, String), CliError> {
    if let Some(name) = session {
        let id = memory.in_session(name.as_str()).session()?;
        let scope = || scope_name(memory.scope());
        let id = id.ok_or_else(|| CliError::NoSession { name: name.clone(), scope: scope() })?;
        return Ok((Selection::Session(id), format!("session {name:?}")));
    }
    Ok(match (&args.source, args.before) {
        (Some(source), _) => (Selection::Source(source.clone()), format!("what came from {source:?}")),
        (None, Some(time)) => (Selection::HappenedBefore(time), format!("what happened before {}", minute(time))),
        (None, None) if args.all => (Selection::All, "everything".to_owned()),
        (None, None) => {
            let what = plural(args.ids.len() as u64, "memory", "memories");
            (Selection::Ids(args.ids.clone()), what)
        }
    })
}

fn receipts(app: &mut App) -> Result<Outcome, CliError> {
    let receipts = app.open_without_model(Need::Read)?.receipts()?;
    if app.out.is_json {
        app.out.json(&json!({"receipts": receipts}))?;
        return Ok(Outcome::Done);
    }
    for receipt in receipts {
        app.out.line(line(&receipt))?;
    }
    Ok(Outcome::Done)
}

fn line(receipt: &ErasureRow) -> String {
    let memories = plural(receipt.memories, "memory", "memories");
    let state = match receipt.finished_at {
        Some(time) => format!("no byte left since {}", minute(time)),
        None => "bytes still in the file".to_owned(),
    };
    format!("{}  {}  {memories}, {state}", receipt.id, minute(receipt.requested_at))
}

fn verify(app: &mut App, receipt: ReceiptId, ids: &[MemoryId]) -> Result<Outcome, CliError> {
    let Some(verified) = app.open_without_model(Need::Read)?.verify(receipt, ids)? else {
        remark(&app.out, &format!("no receipt {receipt} in the file"));
        return Ok(Outcome::NothingFound);
    };
    if app.out.is_json {
        app.out.json(&json!({"receipt": receipt, "verified": verified, "holds": verified.holds()}))?;
    } else {
        let yes = |good: bool| if good { "yes" } else { "no" };
        app.out.line(format!("the receipt is about these ids and no other   {}", yes(verified.fits)))?;
        app.out.line(format!("none of them is in the file                   {}", yes(verified.still_there == 0)))?;
        app.out.line(format!("no byte of them is left in the file           {}", yes(verified.is_finished)))?;
    }
    Ok(if verified.holds() { Outcome::Done } else { Outcome::Unwell })
}
