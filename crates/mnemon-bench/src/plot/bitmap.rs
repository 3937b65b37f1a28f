//! Drawing into pixels.

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind};

use super::chart::{Chart, DrawError, EM};
use super::font;

/// Pixels of a picture for each of the chart.
const SCALE: u32 = 2;
/// Each pixel is the mean of so many times so many, which makes edges smooth.
const SAMPLES: u32 = 2;

/// The chart as the bytes of a PNG file.
pub(super) fn png(chart: &Chart) -> Result<Vec<u8>, DrawError> {
    let factor = SCALE * SAMPLES;
    let size = chart.size();
    let (width, height) = (size.0 * factor, size.1 * factor);
    let mut pixels = vec![255; (width * height * 3) as usize];
    chart.draw(Canvas { width, height, pixels: &mut pixels }, factor)?;
    let (pixels, width, height) = (averaged(&pixels, width), size.0 * SCALE, size.1 * SCALE);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

struct Canvas<'a> {
    width: u32,
    height: u32,
    /// Red, green and blue, row after row.
    pixels: &'a mut [u8],
}

impl Canvas<'_> {
    fn blend(&mut self, x: i32, y: i32, color: BackendColor, cover: f64) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = ((y * self.width + x) * 3) as usize;
        let alpha = (color.alpha * cover).clamp(0.0, 1.0);
        let (red, green, blue) = color.rgb;
        for (pixel, channel) in self.pixels.iter_mut().skip(at).zip([red, green, blue]) {
            *pixel = (f64::from(*pixel) * (1.0 - alpha) + f64::from(channel) * alpha).round() as u8;
        }
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = std::convert::Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        Ok(())
    }

    fn draw_pixel(
        &mut self,
        (x, y): BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.blend(x, y, color, 1.0);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let (size, color, anchor) = (style.size() / EM, style.color(), style.anchor());
        let width = font::width(text, size);
        let left = match anchor.h_pos {
            HPos::Left => 0.0,
            HPos::Center => width / 2.0,
            HPos::Right => width,
        };
        let baseline = match anchor.v_pos {
            VPos::Top => font::capital(size),
            VPos::Center => font::capital(size) / 2.0,
            VPos::Bottom => 0.0,
        };
        let (left, baseline) = (x - left.round() as i32, y + baseline.round() as i32);
        font::rasterize(text, size, |x, y, cover| self.blend(left + x, baseline + y, color, f64::from(cover)));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let size = style.size() / EM;
        Ok((font::width(text, size).ceil() as u32, font::capital(size).ceil() as u32))
    }
}

/// The means of squares of pixels, row after row.
fn averaged(pixels: &[u8], width: u32) -> Vec<u8> {
    let (row, samples) = ((width * 3) as usize, SAMPLES as usize);
    let mut averaged = Vec::with_capacity(pixels.len() / (samples * samples));
    for rows in pixels.chunks_exact(row * samples) {
        for left in (0..row).step_by(3 * samples) {
            for channel in 0..3 {
                let square = (0..samples).flat_map(|y| (0..samples).map(move |x| y * row + left + 3 * x + channel));
                let sum: usize = square.filter_map(|at| rows.get(at)).map(|value| usize::from(*value)).sum();
                averaged.push(u8::try_from(sum / (samples * samples)).unwrap_or(u8::MAX));
            }
        }
    }
    averaged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_of_pixels_becomes_its_mean() {
        // Two by two pixels of one channel each: red 0, 100, 200 and 0.
        let pixels = [0, 1, 2, 100, 1, 2, 200, 1, 2, 0, 1, 2];
        assert_eq!(averaged(&pixels, 2), [75, 1, 2]);
    }

    #[test]
    fn what_is_outside_is_not_drawn() {
        let mut pixels = vec![255; 12];
        let mut canvas = Canvas { width: 2, height: 2, pixels: &mut pixels };
        let color = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };
        for at in [(-1, 0), (0, -1), (2, 0), (0, 2), (i32::MAX, i32::MIN)] {
            canvas.draw_pixel(at, color).unwrap();
        }
        canvas.blend(1, 1, color, 0.5);
        assert_eq!(pixels, [255, 255, 255, 255, 255, 255, 255, 255, 255, 128, 128, 128]);
    }
}
