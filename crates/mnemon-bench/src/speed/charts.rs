//! What of a measurement is drawn.

use mnemon::Level;

use super::{Answered, EmbedReport, GrowthReport, LevelTimes, Rate, VectorsReport};
use crate::plot::{Chart, Panel, Series, Shape};
use crate::{BenchError, ContextReport, Picture};

/// Stages that have a bar of their own: there is room for their names.
const STAGES: usize = 4;

impl GrowthReport {
    /// Draws times and sizes by the number of memories, all axes logarithmic.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        let note = format!("made talk, vectors composed of real ones · {}", self.machine.line());
        let chart = Chart { title: "How Mnemon grows with its memories".to_owned(), note, panels: panels(&self.sizes) };
        picture.draw(&chart)
    }
}

impl ContextReport {
    /// Draws what one question costs, stage by stage, in percent.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        let panel = |answered: &Answered| {
            let parts = largest(answered);
            Panel {
                title: format!("{}: {:.1} ms a context; stages of recall, %", answered.level, answered.context_ms.p50),
                shape: Shape::Bars,
                labels: parts.iter().map(|(stage, _)| stage.replace('_', " ")).collect(),
                series: vec![series("share of recall", parts.iter().map(|(_, share)| *share))],
            }
        };
        let memories = self.measured.filled.memories;
        picture.draw(&Chart {
            title: format!("Where the time of a question goes, {memories} memories"),
            note: self.machine.line(),
            panels: self.measured.levels.iter().map(panel).collect(),
        })
    }
}

impl EmbedReport {
    /// Draws texts a second by their length, both axes logarithmic.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        let all = format!("{} threads", self.machine.threads);
        let panel = |title: &str, of_text: fn(&Rate) -> f64| Panel {
            title: title.to_owned(),
            shape: Shape::Log,
            labels: self.rates.iter().map(|rate| rate.pieces.to_string()).collect(),
            series: vec![
                series("one thread", self.rates.iter().map(|rate| rate.one_thread * of_text(rate))),
                series(&all, self.rates.iter().map(|rate| rate.all_threads * of_text(rate))),
            ],
        };
        let panels = vec![
            panel("Texts a second, by word pieces of a text", |_| 1.0),
            panel("Word pieces a second, by word pieces of a text", |rate| rate.pieces as f64),
        ];
        let title = format!("Embedding: a question of 12 word pieces takes {:.2} ms", self.question_ms.p50);
        picture.draw(&Chart { title, note: self.machine.line(), panels })
    }
}

impl VectorsReport {
    /// Draws the time of a search and what it finds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        let ways =
            || [("exact", Some(self.exact)), ("graph", self.graph)].into_iter().filter_map(|(n, w)| Some((n, w?)));
        let mut times = vec![("scan in f32", self.f32_scan_ms.p50)];
        times.extend(ways().map(|(name, way)| (name, way.search_ms.p50)));
        let slowest = times.iter().map(|(_, time)| *time).fold(f64::MIN_POSITIVE, f64::max);
        let time = Panel {
            title: format!("Time of a search, % of the slowest ({slowest:.2} ms)"),
            shape: Shape::Bars,
            labels: times.iter().map(|(name, _)| (*name).to_owned()).collect(),
            series: vec![series("one thread, p50", times.iter().map(|(_, time)| 100.0 * time / slowest))],
        };
        let found = Panel {
            title: "Recall at 10, %".to_owned(),
            shape: Shape::Bars,
            labels: ways().map(|(name, _)| name.to_owned()).collect(),
            series: vec![series("one thread, p50", ways().map(|(_, way)| way.recall))],
        };
        let title = format!("Searching {} vectors of {} values", self.vectors, self.dimension);
        picture.draw(&Chart { title, note: self.machine.line(), panels: vec![time, found] })
    }
}

/// The stages that take most of the time, and the others as one.
fn largest(answered: &Answered) -> Vec<(String, f64)> {
    let mut stages: Vec<(String, f64)> = answered.stages.iter().map(|it| (it.stage.clone(), it.share)).collect();
    stages.sort_by(|a, b| b.1.total_cmp(&a.1));
    let others = stages.split_off(stages.len().min(STAGES));
    if !others.is_empty() {
        stages.push(("others".to_owned(), others.iter().map(|(_, share)| share).sum()));
    }
    stages
}

fn panels(sizes: &[LevelTimes]) -> Vec<Panel> {
    let panel = |title: &str, series: Vec<Series>| Panel {
        title: title.to_owned(),
        shape: Shape::Log,
        labels: sizes.iter().map(|size| size.filled.memories.to_string()).collect(),
        series: series.into_iter().filter(|series| series.values.iter().any(|value| value.is_finite())).collect(),
    };
    let at = |name: &str, level, value: fn(&Answered) -> f64| {
        let of =
            |size: &LevelTimes| size.levels.iter().find(|answered| answered.level == level).map_or(f64::NAN, value);
        series(name, sizes.iter().map(of))
    };
    let filled = |name: &str, value: fn(&LevelTimes) -> f64| series(name, sizes.iter().map(value));
    let (fast, thorough) = (Level::Fast, Level::Thorough);
    vec![
        panel(
            "A question to a prompt (build_context), ms",
            vec![
                at("fast p50", fast, |it| it.context_ms.p50),
                at("fast p99", fast, |it| it.context_ms.p99),
                at("thorough p50", thorough, |it| it.context_ms.p50),
                at("thorough p99", thorough, |it| it.context_ms.p99),
            ],
        ),
        panel(
            "Search and observe, p50, ms",
            vec![
                at("search fast", fast, |it| it.search_ms.p50),
                at("thorough", thorough, |it| it.search_ms.p50),
                at("observe fast", fast, |it| it.observe_ms.p50),
                at("thorough", thorough, |it| it.observe_ms.p50),
            ],
        ),
        panel(
            "Filling, and from opening to the first answer, s",
            vec![
                filled("filling", |it| it.filled.seconds),
                at("first answer, fast", fast, |it| it.first_answer_ms / 1e3),
                at("thorough", thorough, |it| it.first_answer_ms / 1e3),
            ],
        ),
        panel(
            "Space, MB",
            vec![
                filled("file", |it| it.filled.file_bytes as f64 / 1e6),
                at("memory of the process", fast, |it| it.resident_bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6)),
                at("vector index", fast, |it| it.index_bytes as f64 / 1e6),
            ],
        ),
    ]
}

fn series(name: &str, values: impl Iterator<Item = f64>) -> Series {
    Series { name: name.to_owned(), values: values.collect() }
}
