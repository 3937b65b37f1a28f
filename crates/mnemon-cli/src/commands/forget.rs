//! `mnemon forget`

use mnemon::{ForgetPolicy, Forgetting};
use serde_json::json;

use crate::app::{App, Need, scope_name};
use crate::args::Forget;
use crate::error::{CliError, Outcome};
use crate::output::plural;

pub(crate) fn run(app: &mut App, args: &Forget) -> Result<Outcome, CliError> {
    // What says the same is told by vectors.
    let memory = if args.merge { app.open(Need::Write)? } else { app.open_without_model(Need::Write)? };
    let usual = ForgetPolicy::default();
    let policy = ForgetPolicy {
        half_life: args.half_life,
        least_strength: args.least_strength.unwrap_or(usual.least_strength),
        capacity: args.capacity,
        kinds: if args.kind.is_empty() { usual.kinds } else { args.kind.clone() },
        how: if args.delete { Forgetting::Delete } else { Forgetting::End },
    };
    let merged = if args.merge { memory.merge_duplicates()? } else { Vec::new() };
    let forgotten = memory.forget(&policy)?;
    let same: usize = merged.iter().map(|merged| merged.merged.len()).sum();
    if app.out.is_json {
        app.out.json(&json!({"scope": memory.scope(), "forgotten": forgotten, "merged": merged}))?;
        return Ok(Outcome::Done);
    }
    let counts = [
        (same, "merged into another that says the same"),
        (forgotten.expired, "expired, and deleted"),
        (forgotten.weak, "weak"),
        (forgotten.over_capacity, "without room"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        app.out.say(format!("{} {what}", plural(count as u64, "memory", "memories")))?;
    }
    if counts.iter().all(|(count, _)| *count == 0) {
        app.out.say(format!("nothing to forget in {}", scope_name(memory.scope())))?;
    }
    Ok(Outcome::Done)
}
