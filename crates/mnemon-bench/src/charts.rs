//! What of a result is drawn.

use std::path::Path;

use crate::plot::{Chart, Panel, Series, Shape};
use crate::{BUDGETS, BenchError, LevelScores, LocomoReport, LongMemEvalReport, Picture, QuestionScores, Results};

/// The rank that stands for a ranking where one figure has to.
const RANK: usize = 10;

/// A level and its name.
type Named = (&'static str, fn(&QuestionScores) -> &LevelScores);

impl LocomoReport {
    /// Draws recall by rank and budget, and by category, of the engine and its baselines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        picture.draw(&self.chart())
    }

    fn chart(&self) -> Chart {
        let systems: Vec<(&str, &Results)> = [("mnemon", &self.results)]
            .into_iter()
            .chain(self.baselines.iter().map(|(name, results)| (*name, results)))
            .collect();
        let scores = &self.results.scores;
        let ranks = scores.recall.keys().map(|k| format!("at {k}"));
        let budgets = BUDGETS.iter().map(|tokens| format!("{}k tokens", tokens / 1000));
        let found = systems.iter().map(|(name, results)| {
            let scores = &results.scores;
            let ranks = scores.recall.values().copied();
            series(name, ranks.chain([f64::NAN]).chain(scores.budget.values().copied()))
        });
        let by_category = systems.iter().map(|(name, results)| {
            let categories = self.results.by_category.keys().map(|category| results.by_category.get(category));
            series(name, categories.map(|it| it.and_then(|it| it.recall.get(&RANK)).copied().unwrap_or(f64::NAN)))
        });
        let engine = &self.measured.engine;
        let conversations = plural(self.measured.conversations.len(), "conversation");
        let questions = plural(scores.questions, "question");
        Chart {
            title: "Evidence found for questions about long conversations".to_owned(),
            note: format!(
                "{}: {conversations}, {questions} · mnemon {}, {}",
                name(&self.measured.data),
                engine.mnemon,
                engine.model
            ),
            panels: vec![
                Panel {
                    title: "Recall among the first hits, and under a budget, %".to_owned(),
                    shape: Shape::Lines,
                    labels: ranks.chain([String::new()]).chain(budgets).collect(),
                    series: found.collect(),
                },
                Panel {
                    title: format!("Recall at {RANK} by category, %"),
                    shape: Shape::Bars,
                    labels: self.results.by_category.keys().map(ToString::to_string).collect(),
                    series: by_category.collect(),
                },
            ],
        }
    }
}

impl LongMemEvalReport {
    /// Draws the share of questions with all of their evidence found, by rank and by type of question.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<(), BenchError> {
        picture.draw(&self.chart())
    }

    fn chart(&self) -> Chart {
        let levels: [Named; 2] = [("turns", |scores| &scores.turn), ("sessions", |scores| &scores.session)];
        let views = [("of the user", &self.user_turns), ("of both", &self.all_turns)];
        let lines = views.iter().flat_map(|(whose, view)| {
            levels.iter().map(move |(what, level)| {
                series(&format!("{what} {whose}"), level(&view.scores).recall_all.values().copied())
            })
        });
        let types: Vec<&String> = self.all_turns.by_type.keys().collect();
        let bars = views.iter().flat_map(|(whose, view)| {
            let types = &types;
            levels.iter().map(move |(what, level)| {
                let at =
                    |kind: &&String| view.by_type.get(*kind).and_then(|it| level(it).recall_all.get(&RANK)).copied();
                series(&format!("{what} {whose}"), types.iter().map(|kind| at(kind).unwrap_or(f64::NAN)))
            })
        });
        let (measured, engine) = (&self.measured, &self.measured.engine);
        Chart {
            title: "Evidence found in chats with an assistant".to_owned(),
            note: format!(
                "{}: {}, {} · mnemon {}, {}",
                name(&measured.data),
                plural(measured.questions, "question"),
                plural(measured.turns, "turn"),
                engine.mnemon,
                engine.model
            ),
            panels: vec![
                Panel {
                    title: "Questions with all of their evidence found (recall_all), %".to_owned(),
                    shape: Shape::Lines,
                    labels: crate::LONGMEMEVAL_RANKS.iter().map(|k| format!("at {k}")).collect(),
                    series: lines.collect(),
                },
                Panel {
                    title: format!("recall_all at {RANK} by type, %"),
                    shape: Shape::Bars,
                    labels: types.iter().map(|kind| (*kind).clone()).collect(),
                    series: bars.collect(),
                },
            ],
        }
    }
}

fn series(name: &str, values: impl Iterator<Item = f64>) -> Series {
    Series { name: name.to_owned(), values: values.collect() }
}

/// The name of a file without its ending, short enough for a line.
fn name(file: &str) -> String {
    let stem = Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned());
    if stem.chars().count() > 40 { format!("{}…", stem.chars().take(39).collect::<String>()) } else { stem }
}

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
