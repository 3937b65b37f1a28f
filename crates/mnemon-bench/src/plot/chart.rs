//! A chart: panels, two in a row, under a title.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::font;

/// The chart's own pixels with one row of panels; a picture may have more for each.
pub(super) const WIDTH: u32 = 1120;
pub(super) const HEIGHT: u32 = 548;
/// Pixels of each further row.
const ROW: u32 = 428;

pub(super) const INK: RGBColor = RGBColor(33, 37, 41);
pub(super) const FAINT: RGBColor = RGBColor(95, 102, 110);
pub(super) const GRID: RGBColor = RGBColor(224, 227, 231);
/// Colours that also people tell apart who see fewer (Okabe and Ito), the darker first.
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 90, 160),
    RGBColor(213, 94, 0),
    RGBColor(0, 140, 105),
    RGBColor(160, 95, 145),
    RGBColor(190, 140, 0),
    RGBColor(90, 96, 104),
];

/// The left and right margin, and between the panels.
const MARGIN: i32 = 36;
/// Left of a panel, for the numbers of its axis.
const AXIS: i32 = 40;
const TOP: i32 = 168;
/// Of that, what the legend of the whole takes.
const LEGEND: u32 = 36;
const BOTTOM: i32 = 56;
/// How large plotters asks for a text whose em is one pixel: its SVG backend divides by as much.
pub(super) const EM: f64 = 1.24;
const STEPS: [f64; 6] = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0];

/// Why a chart cannot be drawn.
pub(super) type DrawError = Box<dyn std::error::Error + Send + Sync>;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What was measured, in a line below the title.
    pub(crate) note: String,
    /// Two in a row. Series at the same place have the same colour; a legend names those of the first panel, unless panels
    /// have their own.
    pub(crate) panels: Vec<Panel>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) shape: Shape,
    /// Of the horizontal axis, evenly spaced unless the shape says otherwise.
    pub(crate) labels: Vec<String>,
    pub(crate) series: Vec<Series>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Lines,
    Bars,
    /// Both axes are logarithmic: labels are numbers and stand where they belong, values may be of any size. The panel
    /// has a legend of its own.
    Log,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// One for each label; in percent unless the shape says otherwise. What is no number is not drawn, and parts a line in two.
    pub(crate) values: Vec<f64>,
}

impl Chart {
    /// Width and height in the chart's own pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        let rows = u32::try_from(self.panels.len().div_ceil(2)).unwrap_or(1);
        (WIDTH, HEIGHT + ROW * rows.saturating_sub(1) - self.without_legend())
    }

    /// Pixels that are saved where every panel has a legend of its own.
    fn without_legend(&self) -> u32 {
        if self.panels.first().is_some_and(|first| first.shape == Shape::Log) { LEGEND } else { 0 }
    }

    pub(super) fn svg(&self) -> Result<String, DrawError> {
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, self.size()), 1)?;
        Ok(svg)
    }

    /// Draws it with so many pixels for each of the chart.
    pub(super) fn draw<B: DrawingBackend>(&self, backend: B, factor: u32) -> Result<(), DrawError>
    where
        B::ErrorType: 'static,
    {
        let root = backend.into_drawing_area();
        let pen = Pen { root: &root, factor: i32::try_from(factor)? };
        let size = self.size();
        let (width, height) = (i32::try_from(size.0)?, i32::try_from(size.1)?);
        pen.rectangle((0, 0), (width, height), WHITE)?;
        pen.text(&self.title, (MARGIN, 30), 24, INK, HPos::Left)?;
        pen.text(&self.note, (MARGIN, 58), 14, FAINT, HPos::Left)?;
        self.legend(&pen)?;
        let panel = (width - 3 * MARGIN) / 2;
        for (at, each) in (0..).zip(&self.panels) {
            let (row, column) = (at / 2 * i32::try_from(ROW)? - i32::try_from(self.without_legend())?, at % 2);
            let left = MARGIN + column * (panel + MARGIN);
            let bottom = i32::try_from(HEIGHT)? - BOTTOM + row;
            let frame = Frame { left: left + AXIS, right: left + panel, top: TOP + row, bottom };
            each.draw(&pen, &frame, left)?;
        }
        root.present().map_err(|error| error.to_string())?;
        Ok(())
    }

    fn legend<B: DrawingBackend>(&self, pen: &Pen<'_, B>) -> Result<(), DrawError> {
        match self.panels.first() {
            Some(first) if first.shape != Shape::Log => first.legend(pen, (MARGIN, 88), 15),
            _ => Ok(()),
        }
    }
}

/// The inside of a panel, in the chart's pixels.
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

impl Frame {
    fn y(&self, percent: f64) -> i32 {
        let height = f64::from(self.bottom - self.top);
        self.bottom - (percent.clamp(0.0, 100.0) / 100.0 * height).round() as i32
    }

    /// The middle of one of so many equal parts of the width.
    fn x(&self, part: usize, of: usize) -> f64 {
        f64::from(self.left) + f64::from(self.right - self.left) * (part as f64 + 0.5) / of.max(1) as f64
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, pen: &Pen<'_, B>, frame: &Frame, left: i32) -> Result<(), DrawError> {
        pen.text(&self.title, (left, frame.top - 40), 16, INK, HPos::Left)?;
        if self.shape == Shape::Log {
            self.legend(pen, (left, frame.top - 18), 13)?;
            return self.draw_log(pen, frame);
        }
        for step in STEPS {
            let y = frame.y(step);
            pen.line(&[(frame.left, y), (frame.right, y)], if step == 0.0 { FAINT } else { GRID }, 1)?;
            pen.text(&format!("{step:.0}"), (frame.left - 8, y), 13, FAINT, HPos::Right)?;
        }
        let room = f64::from(frame.right - frame.left) / self.labels.len().max(1) as f64;
        for (at, label) in self.labels.iter().enumerate() {
            let x = frame.x(at, self.labels.len()).round() as i32;
            for (line, text) in (0..).zip(wrapped(label, room - 8.0)) {
                pen.text(&text, (x, frame.bottom + 18 + 17 * line), 14, INK, HPos::Center)?;
            }
        }
        match self.shape {
            Shape::Lines => self.draw_lines(pen, frame),
            Shape::Bars | Shape::Log => self.draw_bars(pen, frame, room),
        }
    }

    /// The names of the series beside their colours, in a line whose middle is at a height.
    fn legend<B: DrawingBackend>(&self, pen: &Pen<'_, B>, at: (i32, i32), size: i32) -> Result<(), DrawError> {
        let (mut x, y) = at;
        for (at, series) in self.series.iter().enumerate() {
            pen.rectangle((x, y - 7), (x + 14, y + 7), color(at))?;
            pen.text(&series.name, (x + 21, y), size, INK, HPos::Left)?;
            // Other fonts than ours may be wider in an SVG.
            x += 21 + (font::width(&series.name, f64::from(size)) * 1.1).ceil() as i32 + 26;
        }
        Ok(())
    }

    fn draw_lines<B: DrawingBackend>(&self, pen: &Pen<'_, B>, frame: &Frame) -> Result<(), DrawError> {
        // The first is drawn last, over the others.
        for (at, series) in self.series.iter().enumerate().rev() {
            let points: Vec<Option<(i32, i32)>> =
                series.values.iter().enumerate().map(|(label, value)| self.point(frame, label, *value)).collect();
            for run in points.split(Option::is_none) {
                let run: Vec<(i32, i32)> = run.iter().copied().flatten().collect();
                pen.line(&run, color(at), if at == 0 { 3 } else { 2 })?;
                run.into_iter().try_for_each(|point| pen.dot(point, if at == 0 { 5 } else { 4 }, color(at)))?;
            }
        }
        self.draw_figures(pen, frame)
    }

    /// The figures of the first series beside its points, where no other point is; of the others there would be too many.
    fn draw_figures<B: DrawingBackend>(&self, pen: &Pen<'_, B>, frame: &Frame) -> Result<(), DrawError> {
        let Some((first, others)) = self.series.split_first() else { return Ok(()) };
        for (label, value) in first.values.iter().enumerate() {
            let Some((x, y)) = self.point(frame, label, *value) else { continue };
            let is_free = |at: i32| {
                let taken = others.iter().filter_map(|it| self.point(frame, label, *it.values.get(label)?));
                taken.into_iter().all(|(_, other)| (other - at).abs() > 12)
            };
            let places = [y - 16, y + 17, y - 32, y + 33];
            let at = places.into_iter().filter(|at| *at < frame.bottom - 8).find(|at| is_free(*at)).unwrap_or(y - 16);
            let text = format!("{value:.1}");
            let half = (font::width(&text, 13.0) / 2.0).ceil() as i32 + 2;
            pen.rectangle((x - half, at - 8), (x + half, at + 8), WHITE)?;
            pen.text(&text, (x, at), 13, color(0), HPos::Center)?;
        }
        Ok(())
    }

    fn point(&self, frame: &Frame, label: usize, value: f64) -> Option<(i32, i32)> {
        value.is_finite().then(|| (frame.x(label, self.labels.len()).round() as i32, frame.y(value)))
    }

    fn draw_bars<B: DrawingBackend>(&self, pen: &Pen<'_, B>, frame: &Frame, room: f64) -> Result<(), DrawError> {
        let bar = (room * 0.8 / self.series.len().max(1) as f64).min(46.0);
        let has_figures = font::width("100", 12.0) * 1.1 < bar;
        for (at, series) in self.series.iter().enumerate() {
            for (label, value) in series.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                let middle = frame.x(label, self.labels.len());
                let left = middle + bar * (at as f64 - self.series.len() as f64 / 2.0);
                let (from, to) = (left.round() as i32, (left + bar).round() as i32 - 1);
                pen.rectangle((from, frame.y(*value)), (to, frame.bottom), color(at))?;
                let figure = format!("{value:.0}");
                if has_figures {
                    pen.text(&figure, (i32::midpoint(from, to), frame.y(*value) - 9), 12, INK, HPos::Center)?;
                }
            }
        }
        Ok(())
    }
}

/// Draws in the chart's pixels.
pub(super) struct Pen<'a, B: DrawingBackend> {
    root: &'a DrawingArea<B, plotters::coord::Shift>,
    factor: i32,
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn text(
        &self,
        text: &str,
        at: (i32, i32),
        size: i32,
        color: RGBColor,
        anchor: HPos,
    ) -> Result<(), DrawError> {
        let style = TextStyle::from(("sans-serif", EM * f64::from(size * self.factor))).color(&color);
        let style = style.pos(Pos::new(anchor, VPos::Center));
        self.put(&Text::new(text.to_owned(), self.scaled(at), style))
    }

    pub(super) fn rectangle(&self, from: (i32, i32), to: (i32, i32), color: RGBColor) -> Result<(), DrawError> {
        self.put(&Rectangle::new([self.scaled(from), self.scaled(to)], color.filled()))
    }

    pub(super) fn line(&self, points: &[(i32, i32)], color: RGBColor, width: i32) -> Result<(), DrawError> {
        let points: Vec<_> = points.iter().map(|point| self.scaled(*point)).collect();
        let width = u32::try_from(width * self.factor)?;
        self.put(&PathElement::new(points, color.stroke_width(width)))
    }

    pub(super) fn dot(&self, at: (i32, i32), radius: i32, color: RGBColor) -> Result<(), DrawError> {
        self.put(&Circle::new(self.scaled(at), radius * self.factor, color.filled()))
    }

    fn scaled(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.factor, y * self.factor)
    }

    /// An error of a backend need not live as long as ours.
    fn put<'b, E>(&self, element: &'b E) -> Result<(), DrawError>
    where
        &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        E: plotters::element::Drawable<B>,
    {
        Ok(self.root.draw(element).map_err(|error| error.to_string())?)
    }
}

pub(super) fn color(at: usize) -> RGBColor {
    COLORS.get(at % COLORS.len()).copied().unwrap_or(INK)
}

/// A label in at most two lines, broken at spaces and hyphens where it is wider than its room.
fn wrapped(label: &str, room: f64) -> Vec<String> {
    let fits = |text: &str| font::width(text, 14.0) * 1.05 <= room;
    if fits(label) {
        return vec![label.to_owned()];
    }
    let breaks = label.char_indices().filter(|(_, c)| matches!(c, ' ' | '-')).map(|(at, c)| at + c.len_utf8());
    let halves = breaks.filter_map(|at| label.split_at_checked(at));
    let wider = |(a, b): &(&str, &str)| font::width(a, 14.0).max(font::width(b, 14.0));
    let best = halves.min_by(|a, b| wider(a).total_cmp(&wider(b)));
    let lines = best.map_or(vec![label], |(a, b)| vec![a.trim_end(), b]);
    lines.into_iter().map(|line| cut(line, fits)).collect()
}

fn cut(text: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let ends = text.char_indices().map(|(at, _)| at).rev();
    let shorter = ends.filter_map(|at| text.get(..at)).map(|start| format!("{}…", start.trim_end()));
    shorter.into_iter().find(|text| fits(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_their_room() {
        assert_eq!(wrapped("multi-session", 200.0), ["multi-session"]);
        assert_eq!(wrapped("single-session-preference", 110.0), ["single-session-", "preference"]);
        assert_eq!(wrapped("temporal reasoning", 80.0), ["temporal", "reasoning"]);
        for room in [10.0, 30.0, 60.0, 90.0] {
            for line in wrapped("single-session-assistant questions", room) {
                assert!(font::width(&line, 14.0) <= room, "{line}");
            }
        }
    }

    #[test]
    fn values_stay_inside_their_frame() {
        let frame = Frame { left: 0, right: 100, top: 10, bottom: 110 };
        assert_eq!([0.0, 50.0, 100.0, 200.0, -5.0].map(|value| frame.y(value)), [110, 60, 10, 10, 110]);
        assert_eq!([0, 1].map(|part| frame.x(part, 2)), [25.0, 75.0]);
    }
}
