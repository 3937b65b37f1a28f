//! Panels whose axes are both logarithmic: how something grows.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::chart::{DrawError, FAINT, Frame, GRID, INK, Panel, Pen, color};
use super::font;

/// Above and below a figure, in pixels, no other may stand.
const FIGURE: i32 = 15;
/// Nor a point.
const DOT: i32 = 11;
/// Left and right of the first and the last label.
const SIDE: i32 = 30;

/// A logarithmic axis: where a value lies between two others, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// From the decade below the least value to that above the largest.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut least, mut largest) = (f64::INFINITY, 0.0f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            (least, largest) = (least.min(value), largest.max(value));
        }
        if least > largest {
            return None;
        }
        let (from, to) = (least.log10().floor(), largest.log10().ceil());
        Some(Self { from, to: if to > from { to } else { from + 1.0 } })
    }

    fn at(self, value: f64) -> Option<f64> {
        (value.is_finite() && value > 0.0).then(|| (value.log10() - self.from) / (self.to - self.from))
    }

    /// Where lines are drawn, and whether they are labelled: each power of ten, and between them 2 and 5.
    fn steps(self) -> Vec<(f64, bool)> {
        let decades = (self.to - self.from).round() as i32;
        let mut steps = Vec::new();
        for decade in 0..=decades {
            let power = 10f64.powi(self.from.round() as i32 + decade);
            steps.push((power, true));
            if decade < decades {
                steps.extend([(2.0 * power, decades <= 2), (5.0 * power, decades <= 2)]);
            }
        }
        steps
    }
}

impl Panel {
    pub(super) fn draw_log<B: DrawingBackend>(&self, pen: &Pen<'_, B>, frame: &Frame) -> Result<(), DrawError> {
        let sizes: Vec<f64> = self.labels.iter().map(|label| label.parse().unwrap_or(f64::NAN)).collect();
        let (Some(y), Some((first, last))) =
            (Axis::of(self.series.iter().flat_map(|series| series.values.iter().copied())), ends(&sizes))
        else {
            return Ok(());
        };
        let width = f64::from(frame.right - frame.left - 2 * SIDE);
        let across = |size: f64| {
            // One size alone stands in the middle.
            let share = if last > first { (size / first).ln() / (last / first).ln() } else { 0.5 };
            frame.left + SIDE + (share * width).round() as i32
        };
        let height = f64::from(frame.bottom - frame.top);
        let up = |value: f64| y.at(value).map(|share| frame.bottom - (share * height).round() as i32);

        for (step, is_labelled) in y.steps() {
            let Some(at) = up(step) else { continue };
            pen.line(&[(frame.left, at), (frame.right, at)], if at == frame.bottom { FAINT } else { GRID }, 1)?;
            if is_labelled {
                pen.text(&short(step), (frame.left - 8, at), 13, FAINT, HPos::Right)?;
            }
        }
        for size in &sizes {
            let x = across(*size);
            pen.line(&[(x, frame.bottom), (x, frame.bottom + 5)], FAINT, 1)?;
            pen.text(&short(*size), (x, frame.bottom + 18), 14, INK, HPos::Center)?;
        }
        let points = |values: &[f64]| -> Vec<(i32, i32, f64)> {
            let pairs = sizes.iter().zip(values);
            pairs.filter_map(|(size, value)| Some((across(*size), up(*value)?, *value))).collect()
        };
        let points: Vec<Vec<(i32, i32, f64)>> = self.series.iter().map(|series| points(&series.values)).collect();
        for (at, points) in points.iter().enumerate().rev() {
            let line: Vec<(i32, i32)> = points.iter().map(|(x, y, _)| (*x, *y)).collect();
            pen.line(&line, color(at), if at == 0 { 3 } else { 2 })?;
            line.iter().try_for_each(|point| pen.dot(*point, if at == 0 { 5 } else { 4 }, color(at)))?;
        }
        // Figures stand over the lines, and only where there is room: one over another, or over a point, says nothing.
        let dots: Vec<(i32, i32)> = points.iter().flatten().map(|(x, y, _)| (*x, *y)).collect();
        let mut figures: Vec<(i32, i32)> = Vec::new();
        for (at, points) in points.iter().enumerate() {
            for (x, y, value) in points {
                let is_far =
                    |place: i32, from: &[(i32, i32)], by| from.iter().all(|(a, b)| a != x || (b - place).abs() > by);
                let is_free = |place: &i32| {
                    (frame.top..frame.bottom - DOT).contains(place)
                        && is_far(*place, &figures, FIGURE)
                        && is_far(*place, &dots, DOT)
                };
                let Some(place) = [y - 14, y + 15].into_iter().find(is_free) else { continue };
                figures.push((*x, place));
                let text = short(*value);
                let half = (font::width(&text, 12.0) / 2.0).ceil() as i32 + 1;
                pen.rectangle((x - half, place - 7), (x + half, place + 7), WHITE)?;
                pen.text(&text, (*x, place), 12, color(at), HPos::Center)?;
            }
        }
        Ok(())
    }
}

fn ends(sizes: &[f64]) -> Option<(f64, f64)> {
    let known = sizes.iter().copied().filter(|size| size.is_finite() && *size > 0.0);
    Some((known.clone().reduce(f64::min)?, known.reduce(f64::max)?))
}

/// A number in as few characters as say it: two digits that count, `k` and `M` for thousands and millions.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value {
        10.0.. => 0,
        1.0.. => 1,
        0.1.. => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0123, 0.1, 0.25, 1.0, 1.26, 9.97, 42.4, 100.0, 999.0, 1_000.0, 1_530.0, 84_000.0, 1e6, 1.25e6];
        let expected =
            ["0.012", "0.1", "0.25", "1", "1.3", "10", "42", "100", "999", "1k", "1.5k", "84k", "1M", "1.2M"];
        assert_eq!(numbers.map(short), expected);
    }

    #[test]
    fn an_axis_ends_at_powers_of_ten() {
        let axis = Axis::of([f64::NAN, 0.0, 3.0, 450.0].into_iter()).unwrap();
        assert_eq!(axis, Axis { from: 0.0, to: 3.0 });
        assert_eq!([1.0, 1000.0].map(|value| axis.at(value)), [Some(0.0), Some(1.0)]);
        assert_eq!([0.0, -1.0, f64::INFINITY].map(|value| axis.at(value)), [None; 3]);
        let labelled: Vec<f64> = axis.steps().into_iter().filter(|(_, is)| *is).map(|(step, _)| step).collect();
        assert_eq!(labelled, [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(Axis::of([10.0].into_iter()), Some(Axis { from: 1.0, to: 2.0 }));
        assert_eq!(Axis::of([0.0].into_iter()), None);
    }
}
