//! Progress of long work, on standard error, and only where that is a terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use mnemon::{Progress, Step, Steps};

use super::{Output, count};

/// The two steps of an import as a bar each, the one after the other.
pub(crate) struct ImportProgress {
    is_shown: bool,
    current: Option<(Step, ProgressBar)>,
    /// How many memories were embedded.
    pub(crate) embedded: u64,
}

impl ImportProgress {
    pub(crate) fn new(out: &Output) -> Self {
        let is_shown = !out.is_quiet && std::io::stderr().is_terminal();
        Self { is_shown, current: None, embedded: 0 }
    }

    pub(crate) fn update(&mut self, progress: Progress) {
        if progress.step == Step::Embed {
            self.embedded = progress.done;
        }
        if !self.is_shown {
            return;
        }
        self.show(progress);
        // The first batch may take a while, and its time is part of the rate.
        if progress.step == Step::Store && progress.done == progress.total {
            self.show(Progress { step: Step::Embed, done: 0, ..progress });
        }
    }

    fn show(&mut self, progress: Progress) {
        match &self.current {
            Some((step, bar)) if *step == progress.step => {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            _ => {
                self.end();
                let name = match progress.step {
                    Step::Store => "storing",
                    Step::Embed => "embedding",
                };
                let bar = bar(name, progress.total);
                bar.set_position(progress.done);
                self.current = Some((progress.step, bar));
            }
        }
    }

    /// Takes the bar away: what follows says how it ended.
    pub(crate) fn end(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

/// Work of one kind as a bar.
pub(crate) struct StepProgress {
    bar: Option<ProgressBar>,
}

impl StepProgress {
    pub(crate) fn new(out: &Output, name: &'static str) -> Self {
        let is_shown = !out.is_quiet && std::io::stderr().is_terminal();
        Self { bar: is_shown.then(|| bar(name, 0)) }
    }

    pub(crate) fn update(&mut self, steps: Steps) {
        if let Some(bar) = &self.bar {
            bar.set_length(steps.total);
            bar.set_position(steps.done);
        }
    }

    /// Takes the bar away: what follows says how it ended.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Work of which nobody knows how much there is: how often a step was done.
pub(crate) struct Waiting {
    spinner: Option<ProgressBar>,
}

impl Waiting {
    pub(crate) fn new(out: &Output, name: &'static str) -> Self {
        let is_shown = !out.is_quiet && std::io::stderr().is_terminal();
        let spinner = is_shown.then(|| {
            let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {prefix} {human_pos}  {elapsed}");
            spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner.set_prefix(name);
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { spinner }
    }

    pub(crate) fn step(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.inc(1);
        }
    }

    /// Takes it away: what follows says how it ended.
    pub(crate) fn end(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

fn bar(name: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = "{prefix:>9} ▕{wide_bar}▏ {human_pos} / {human_len}  {rate}{left}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏░").with_key("rate", rate).with_key("left", left));
    bar.set_prefix(name);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn rate(state: &ProgressState, out: &mut dyn Write) {
    // A broken line of progress is not worth an error.
    let _ = write!(out, "{}/s", count(state.per_sec().round() as u64));
}

/// Nothing is known before the first batch is done.
fn left(state: &ProgressState, out: &mut dyn Write) {
    if state.pos() > 0 {
        let _ = write!(out, "  {:#} left", HumanDuration(state.eta()));
    }
}
