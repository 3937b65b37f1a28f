//! Progress of a benchmark, on standard error, and only where that is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnemon_bench::{Progress, Step};

use crate::output::Output;

/// The steps of a benchmark as a bar each, the one after the other.
pub(super) struct BenchProgress {
    is_shown: bool,
    current: Option<(Step, ProgressBar)>,
}

impl BenchProgress {
    pub(super) fn new(out: &Output) -> Self {
        Self { is_shown: !out.is_quiet && std::io::stderr().is_terminal(), current: None }
    }

    pub(super) fn update(&mut self, progress: Progress) {
        if !self.is_shown {
            return;
        }
        match &self.current {
            Some((step, bar)) if *step == progress.step => {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            _ => {
                self.end();
                let bar = bar(progress);
                bar.set_position(progress.done);
                self.current = Some((progress.step, bar));
            }
        }
    }

    /// Takes the bar away: what follows says how it ended.
    pub(super) fn end(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(progress: Progress) -> ProgressBar {
    let name = match progress.step {
        Step::Import => "importing",
        Step::Embed => "embedding",
        Step::Ask => "asking",
        Step::Baseline => "baseline",
        Step::Read => "reading",
        Step::Index => "indexing",
        Step::Graph => "graph",
        Step::Compact => "compacting",
    };
    let bar = ProgressBar::with_draw_target(Some(progress.total), ProgressDrawTarget::stderr());
    // Nobody knows how far a graph has come.
    let template = match progress.step {
        Step::Graph => "{prefix:>9} {spinner} {elapsed}",
        _ => "{prefix:>9} ▕{wide_bar}▏ {human_pos} / {human_len}  {eta} left",
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏░"));
    bar.set_prefix(name);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
