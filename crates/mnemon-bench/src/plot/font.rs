//! The font of the pictures.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

/// Roboto, a part of it: fonts/README.md says where it comes from.
static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../../fonts/Roboto-Regular.subset.ttf")).ok());

/// Pixels that a text of this size is wide.
pub(super) fn width(text: &str, size: f64) -> f64 {
    lay_out(text, size, |_, _| {})
}

/// Hands on every pixel of a text whose baseline begins at (0, 0), with how much of it is covered, from 0 to 1.
pub(super) fn rasterize(text: &str, size: f64, mut pixel: impl FnMut(i32, i32, f32)) {
    let Some(font) = FONT.as_ref() else { return };
    let scaled = font.as_scaled(scale(font, size));
    lay_out(text, size, |id, x| {
        let glyph = id.with_scale_and_position(scaled.scale(), ab_glyph::point(x, 0.0));
        if let Some(outlined) = font.outline_glyph(glyph) {
            let bounds = outlined.px_bounds();
            let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
            outlined.draw(|x, y, cover| {
                pixel(left + i32::try_from(x).unwrap_or(0), top + i32::try_from(y).unwrap_or(0), cover);
            });
        }
    });
}

/// The height of a capital letter, which texts are centred by.
pub(super) fn capital(size: f64) -> f64 {
    0.711 * size
}

fn lay_out(text: &str, size: f64, mut place: impl FnMut(ab_glyph::GlyphId, f32)) -> f64 {
    let Some(font) = FONT.as_ref() else { return 0.0 };
    let scaled = font.as_scaled(scale(font, size));
    let (mut x, mut before) = (0.0, None);
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        x += before.map_or(0.0, |before| scaled.kern(before, id));
        place(id, x);
        x += scaled.h_advance(id);
        before = Some(id);
    }
    f64::from(x)
}

/// The scale at which an em is so many pixels; ab_glyph counts in heights of lines.
fn scale(font: &FontRef<'_>, size: f64) -> PxScale {
    let per_em = font.units_per_em().unwrap_or(2048.0);
    PxScale::from(size as f32 * font.height_unscaled() / per_em)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_holds_what_is_written() {
        let font = FONT.as_ref().unwrap();
        for c in (' '..='~').chain("·×äöü–…≥".chars()) {
            assert_ne!(font.glyph_id(c).0, 0, "{c}");
        }
        assert!(width("mm", 20.0) > width("ii", 20.0));
        assert!((width("recall", 40.0) - 2.0 * width("recall", 20.0)).abs() < 0.1);
        let mut covered = 0.0;
        let (mut top, mut bottom) = (0, 0);
        rasterize("H", 100.0, |_, y, cover| {
            covered += cover;
            (top, bottom) = (top.min(y), bottom.max(y));
        });
        assert!(covered > 1_000.0, "{covered}");
        assert!((f64::from(-top) - capital(100.0)).abs() < 3.0 && bottom <= 1, "{top} {bottom}");
    }
}
