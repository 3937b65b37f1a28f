//! What of a measurement is drawn.

use mnemon::Level;

use super::{Answered, EmbedReport, GrowthReport, LevelTimes, VectorsReport};
use crate::plot::{Chart, Panel, Series, Shape};
use crate::{BenchError, ContextReport, Picture};

impl GrowthReport {
    /// Draws times and sizes by the number of memories, all axes logarithmic.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        let note = format!("talk that is made, the vectors of most composed of others · {}", self.machine.line());
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
        let panel = |answered: &Answered| Panel {
            title: format!("{}: {:.1} ms a context; stages of recall, %", answered.level, answered.context_ms.p50),
            shape: Shape::Bars,
            labels: answered.stages.iter().map(|stage| stage.stage.clone()).collect(),
            series: vec![series("share of recall", answered.stages.iter().map(|stage| stage.share))],
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
        let labels = self.rates.iter().map(|rate| rate.pieces.to_string()).collect();
        let all = format!("{} threads", self.machine.threads);
        let panel = Panel {
            title: "Texts a second by word pieces of a text".to_owned(),
            shape: Shape::Log,
            labels,
            series: vec![
                series("one thread", self.rates.iter().map(|rate| rate.one_thread)),
                series(&all, self.rates.iter().map(|rate| rate.all_threads)),
            ],
        };
        let title = format!("Embedding: a question of 12 word pieces takes {:.2} ms", self.question_ms.p50);
        picture.draw(&Chart { title, note: self.machine.line(), panels: vec![panel] })
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
        let slowest = self.f32_scan_ms.p50;
        let labels: Vec<String> = ways().map(|(name, _)| name.to_owned()).collect();
        let time = Panel {
            title: format!("Time of a search, % of a scan in f32 ({slowest:.2} ms)"),
            shape: Shape::Bars,
            labels: labels.clone(),
            series: vec![series("p50", ways().map(|(_, way)| 100.0 * way.search_ms.p50 / slowest))],
        };
        let found = Panel {
            title: "Recall at 10, %".to_owned(),
            shape: Shape::Bars,
            labels,
            series: vec![series("p50", ways().map(|(_, way)| way.recall))],
        };
        let title = format!("Searching {} vectors of {} values", self.vectors, self.dimension);
        picture.draw(&Chart { title, note: self.machine.line(), panels: vec![time, found] })
    }
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
                at("p99", fast, |it| it.context_ms.p99),
                at("thorough p50", thorough, |it| it.context_ms.p50),
                at("p99", thorough, |it| it.context_ms.p99),
            ],
        ),
        panel(
            "Search and observe, ms",
            vec![
                at("search fast p50", fast, |it| it.search_ms.p50),
                at("thorough p50", thorough, |it| it.search_ms.p50),
                at("observe fast p50", fast, |it| it.observe_ms.p50),
                at("thorough p50", thorough, |it| it.observe_ms.p50),
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
