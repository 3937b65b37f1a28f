//! `mnemon doctor --repair`

use std::io;
use std::path::Path;

use mnemon::{ContextManager, Salvaged};

use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, StepProgress, bytes, count, plural, safe_line, style};

/// Lost memories that are listed; JSON has them all.
const LISTED: usize = 20;

pub(super) fn run(app: &mut App, to: &Path) -> Result<Outcome, CliError> {
    let path = app.path()?;
    if !path.exists() {
        return Err(CliError::NoFile { path });
    }
    let mut shown = StepProgress::new(&app.out, "reading");
    let salvaged = ContextManager::salvage(&path, to, &mut |steps| shown.update(steps));
    shown.end();
    let salvaged = salvaged?;
    if app.out.is_json {
        app.out.json(&salvaged)?;
    } else {
        show(&mut app.out, &salvaged)?;
    }
    Ok(if salvaged.lost.is_empty() { Outcome::Done } else { Outcome::Damaged })
}

fn show(out: &mut Output, salvaged: &Salvaged) -> io::Result<()> {
    let path = safe_line(&salvaged.path.display().to_string());
    out.say(format!("{} {path}, {}", out.paint(style::GOOD, "✓"), bytes(salvaged.bytes)))?;
    for table in &salvaged.tables {
        let refused = match table.refused {
            0 => String::new(),
            refused => format!(", {} not sound", count(refused)),
        };
        let (mark, pages) = match (table.is_whole, table.refused) {
            (true, 0) => (out.paint(style::GOOD, "✓"), ""),
            (true, _) => (out.paint(style::WARN, "!"), ""),
            (false, _) => (out.paint(style::WARN, "!"), ", some pages cannot be read"),
        };
        out.say(format!("{mark} {:<13} {} kept{refused}{pages}", table.table, count(table.kept)))?;
    }
    for name in &salvaged.renamed_scopes {
        let name = safe_line(name);
        out.line(format!("{} a scope lost its name and is now {name}", out.paint(style::WARN, "!")))?;
    }
    for lost in salvaged.lost.iter().take(LISTED) {
        let id = lost.id.map_or_else(|| "a memory whose id is lost".to_owned(), |id| id.to_string());
        out.line(format!("{} lost {id} (row {}): {}", out.paint(style::BAD, "✗"), lost.row, lost.why))?;
    }
    if salvaged.lost.len() > LISTED {
        out.line(format!("  ... and {} more, which --json lists", count((salvaged.lost.len() - LISTED) as u64)))?;
    }
    match salvaged.lost.len() {
        0 => out.say("no memory was lost")?,
        lost => out.line(format!("{} lost", plural(lost as u64, "memory was", "memories were")))?,
    }
    out.say(format!("next: `mnemon --db {path} doctor --fix` makes what can be made again"))
}
