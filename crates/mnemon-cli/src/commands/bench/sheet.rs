//! Tables of texts: names on the left, figures on the right.

use std::io;

use crate::output::{Output, pad, pad_left, style, width};

/// The least columns between two figures.
const GAP: usize = 2;

/// Rows of figures under names of columns.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<(String, Vec<String>)>,
}

impl Sheet {
    pub(super) fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, name: impl Into<String>, figures: impl IntoIterator<Item = String>) {
        self.rows.push((name.into(), figures.into_iter().collect()));
    }

    pub(super) fn show(&self, out: &mut Output) -> io::Result<()> {
        let names = self.rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let figures = self.rows.iter().filter_map(|(_, figures)| figures.get(at)).map(|figure| width(figure));
                let head = self.columns.get(at).map_or(0, |column| width(column));
                GAP + figures.max().unwrap_or(0).max(head)
            })
            .collect();
        let line = |figures: &[String]| {
            let cells = figures.iter().zip(&widths).map(|(figure, width)| pad_left(figure, *width));
            cells.collect::<String>()
        };
        out.line("")?;
        let head = format!("{}{}", pad("", names), line(&self.columns));
        out.line(format!("  {}", out.dim(head)))?;
        for (name, figures) in &self.rows {
            let name = out.paint(style::NAME, pad(name, names));
            out.line(format!("  {name}{}", line(figures)))?;
        }
        Ok(())
    }
}

/// With three digits that count, and no more than three behind the point.
pub(super) fn three(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let figures = [0.0, 0.0123, 0.5, 1.239, 12.34, 123.4, 1234.0].map(three);
        assert_eq!(figures, ["0.000", "0.012", "0.500", "1.24", "12.3", "123", "1234"]);
    }
}
