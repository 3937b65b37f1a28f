//! What of a measurement of compaction is drawn.

use super::{AtRatio, CompactionReport, Way};
use crate::plot::{Chart, Panel, Series, Shape};
use crate::{BenchError, Picture};

/// The ways that are drawn: there is room for so many lines.
const DRAWN: [Way; 6] =
    [Way::Salient, Way::Extractive, Way::Semantic, Way::Truncate, Way::RandomSentences, Way::RandomMessages];

impl CompactionReport {
    /// Draws how much evidence is kept at each ratio, in whole and of the answers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        picture.draw(&self.chart())
    }

    pub(super) fn chart(&self) -> Chart {
        let panel = |title: &str, value: fn(&AtRatio) -> f64| Panel {
            title: title.to_owned(),
            shape: Shape::Lines,
            labels: self.ratios.iter().map(|ratio| format!("{} %", round(100.0 * ratio))).collect(),
            series: DRAWN
                .iter()
                .filter_map(|drawn| self.ways.iter().find(|kept| kept.way == *drawn))
                .map(|way| Series { name: way.way.to_string(), values: way.at.iter().map(value).collect() })
                .collect(),
        };
        let questions = self.conversations.iter().map(|it| it.questions).sum::<usize>();
        Chart {
            title: "What compaction keeps of the evidence that nobody has asked for yet".to_owned(),
            note: format!(
                "{}: {} conversations, {questions} questions · mnemon {}, {}",
                self.data,
                self.conversations.len(),
                self.machine.mnemon,
                self.machine.model
            ),
            panels: vec![
                panel("Evidence kept word for word, %, by tokens kept", |at| at.evidence),
                panel("Words of the answer kept in it, %, by tokens kept", |at| at.answer),
            ],
        }
    }
}

/// To a tenth, without what would be zeros.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
