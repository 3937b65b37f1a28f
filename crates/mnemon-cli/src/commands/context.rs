//! `mnemon context`

use mnemon::{ContextRequest, Role};

use crate::app::{App, Need, session_names};
use crate::args::Context;
use crate::error::{CliError, Outcome};
use crate::input::text_of;
use crate::output::{Packed, safe_block, show_packed, style};

/// Items that are listed unless all are asked for.
const ROWS: usize = 20;

pub(crate) fn run(app: &mut App, args: &Context) -> Result<Outcome, CliError> {
    let mut request = ContextRequest::new(text_of(&args.input)?);
    request.budget = args.budget;
    request.recent_k = args.recent_k;
    request.ltm_hits_k = args.hits;
    request.asked_at = args.asked_at;
    request.least_trust = args.trust;
    request.filter.clone_from(&args.filter);
    let memory = app.open(Need::Read)?;
    let context = memory.build_context(request)?;
    let out = &mut app.out;
    if out.is_json {
        out.json(&context)?;
    } else if args.text {
        // A program gets the exact text, a person one that cannot play tricks with the terminal.
        let safe = out.is_terminal.then(|| safe_block(context.text()));
        out.raw(safe.as_deref().unwrap_or(context.text()))?;
        out.raw("\n")?;
    } else if args.messages {
        for message in context.messages() {
            let color = match message.role {
                Role::System => style::WARN,
                Role::User => style::NAME,
                _ => style::GOOD,
            };
            out.line(out.paint(color, format!("[{}]", message.role)))?;
            out.line(safe_block(&message.content))?;
        }
    } else {
        let names = session_names(&memory)?;
        let rows = if args.all { usize::MAX } else { ROWS };
        let packed = Packed { context: &context, names: &names, rows, with_dropped: args.all, marked: &[] };
        show_packed(out, &packed)?;
        if !out.is_quiet {
            let all = if args.all { "" } else { "--all lists everything, " };
            out.line(out.dim(format!("  {all}--text writes the prompt itself")))?;
        }
    }
    Ok(Outcome::Done)
}
