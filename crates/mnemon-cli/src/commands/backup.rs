//! `mnemon backup` and `mnemon restore`

use std::io;

use mnemon::{BackupReport, ContextManager, Existing};

use crate::app::{App, Need};
use crate::args::{Backup, Restore};
use crate::error::{CliError, Outcome};
use crate::output::{Output, StepProgress, bytes, plural, safe_line, style};

pub(crate) fn run(app: &mut App, args: &Backup) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let mut shown = StepProgress::new(&app.out, "copying");
    let report = memory.backup(&args.file, existing(args.replace), &mut |steps| shown.update(steps));
    shown.end();
    show(&mut app.out, "backed up", &report?)?;
    Ok(Outcome::Done)
}

pub(crate) fn restore(app: &mut App, args: &Restore) -> Result<Outcome, CliError> {
    let path = app.path()?;
    if !args.backup.exists() {
        return Err(CliError::NoFile { path: args.backup.clone() });
    }
    let mut shown = StepProgress::new(&app.out, "copying");
    let report = ContextManager::restore(&args.backup, &path, existing(args.replace), &mut |steps| shown.update(steps));
    shown.end();
    show(&mut app.out, "restored", &report?)?;
    Ok(Outcome::Done)
}

fn existing(replace: bool) -> Existing {
    if replace { Existing::Replace } else { Existing::Refuse }
}

fn show(out: &mut Output, done: &str, report: &BackupReport) -> io::Result<()> {
    if out.is_json {
        return out.json(report);
    }
    let memories = plural(report.memories, "memory", "memories");
    let path = safe_line(&report.path.display().to_string());
    out.say(format!("{done} {memories} to {path}, {}; the copy is sound", bytes(report.bytes)))?;
    if report.damaged_memories > 0 {
        let damaged = plural(report.damaged_memories, "memory is", "memories are");
        out.line(out.paint(style::BAD, format!("{damaged} damaged, there as here: see `mnemon doctor --repair`")))?;
    }
    Ok(())
}
