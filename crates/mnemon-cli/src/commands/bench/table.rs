//! Tables of percentages.

use std::io;

use crate::output::{Output, count, pad, pad_left, safe_line, style, width};

/// Columns of a figure.
const FIGURE: usize = 8;
/// Columns of a number of questions.
const QUESTIONS: usize = 11;
/// The widest name that is not cut.
const NAME: usize = 24;

/// Rows of figures under names of columns.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) name: String,
    pub(super) questions: usize,
    /// In percent, one for each column.
    pub(super) figures: Vec<f64>,
}

impl Table {
    pub(super) fn show(&self, out: &mut Output) -> io::Result<()> {
        let names = self.rows.iter().map(|row| width(&safe_line(&row.name))).max().unwrap_or(0);
        let names = names.max(width(&self.title)).min(NAME);
        // Where lines are too narrow, the last columns are left out; JSON has them all.
        let fit = out.width.saturating_sub(2 + names + QUESTIONS) / FIGURE;
        out.line("")?;
        let mut head = format!("{}{}", pad(&self.title, names), pad_left("questions", QUESTIONS));
        for column in self.columns.iter().take(fit) {
            head.push_str(&pad_left(column, FIGURE));
        }
        out.line(format!("  {}", out.dim(head)))?;
        for row in &self.rows {
            let name = out.paint(style::NAME, pad(&safe_line(&row.name), names));
            let mut line = format!("{name}{}", pad_left(&count(row.questions as u64), QUESTIONS));
            for figure in row.figures.iter().take(fit) {
                line.push_str(&pad_left(&format!("{figure:.1}"), FIGURE));
            }
            out.line(format!("  {line}"))?;
        }
        Ok(())
    }
}
