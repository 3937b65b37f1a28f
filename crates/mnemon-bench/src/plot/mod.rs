//! Pictures of results: SVG, or PNG with a font of our own, so that they look the same on every machine.

mod bitmap;
mod chart;
mod font;
mod log;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::BenchError;
pub(crate) use chart::{Chart, Panel, Series, Shape};

/// A file that a result is drawn in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Picture {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file could be made here, so that a long run does not end with a picture that has no folder.
    ///
    /// # Errors
    /// When its folder is none.
    pub fn check(&self) -> Result<(), BenchError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.map_or(Ok(true), |folder| Ok(std::fs::metadata(folder)?.is_dir())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.failed(std::io::Error::from(std::io::ErrorKind::NotADirectory))),
            Err(error) => Err(self.failed::<std::io::Error>(error)),
        }
    }

    pub(crate) fn draw(&self, chart: &Chart) -> Result<(), BenchError> {
        let bytes = match self.kind {
            Kind::Svg => chart.svg().map_err(|error| self.failed(error))?.into_bytes(),
            Kind::Png => bitmap::png(chart).map_err(|error| self.failed(error))?,
        };
        std::fs::write(&self.path, bytes).map_err(|error| self.failed(error))
    }

    fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(&self, error: E) -> BenchError {
        BenchError::Picture { path: self.path.clone(), source: error.into() }
    }
}

impl FromStr for Picture {
    type Err = BenchError;

    fn from_str(path: &str) -> Result<Self, BenchError> {
        let extension = Path::new(path).extension().map(|it| it.to_string_lossy().to_ascii_lowercase());
        let kind = match extension.as_deref() {
            Some("svg") => Kind::Svg,
            Some("png") => Kind::Png,
            _ => return Err(BenchError::PictureKind { got: path.chars().take(200).collect() }),
        };
        Ok(Self { path: path.into(), kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let series = |name: &str, values: &[f64]| Series { name: name.to_owned(), values: values.to_vec() };
        Chart {
            title: "What was found <&>".to_owned(),
            note: "garden.json, 6 questions".to_owned(),
            panels: vec![
                Panel {
                    title: "recall at k, %".to_owned(),
                    shape: Shape::Lines,
                    labels: ["5", "10", "25", "50"].map(str::to_owned).to_vec(),
                    series: vec![
                        series("mnemon", &[50.0, 75.0, 90.0, 100.0]),
                        series("dense", &[10.0, 20.0, 30.0, 40.0]),
                    ],
                },
                Panel {
                    title: "recall at 10 by category, %".to_owned(),
                    shape: Shape::Bars,
                    labels: ["1", "2"].map(str::to_owned).to_vec(),
                    series: vec![series("mnemon", &[60.0, 80.0]), series("dense", &[f64::NAN, 200.0])],
                },
            ],
        }
    }

    #[test]
    fn the_ending_is_the_kind() {
        assert_eq!("a/b.SVG".parse::<Picture>().unwrap().kind, Kind::Svg);
        assert_eq!("b.png".parse::<Picture>().unwrap().kind, Kind::Png);
        for path in ["", "png", "a.jpg", "a.svg/"] {
            let result = path.parse::<Picture>();
            // A path that ends in a separator names the same file.
            assert_eq!(result.is_ok(), path == "a.svg/", "{path}");
        }
        let error = "a.gif".parse::<Picture>().unwrap_err().to_string();
        assert_eq!(error, "expected a file name that ends in .svg or .png, got \"a.gif\"");
    }

    #[test]
    fn a_picture_has_every_name_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string().parse::<Picture>().unwrap();
        let draw = |picture: &Picture| {
            picture.check().unwrap();
            picture.draw(&chart()).unwrap();
            std::fs::read(picture.path()).unwrap()
        };
        let svg = String::from_utf8(draw(&path("a.svg"))).unwrap();
        for text in
            ["What was found &lt;&amp;&gt;", "garden.json, 6 questions", "mnemon", "dense", "by category", "75.0"]
        {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(!svg.contains("NaN"), "{svg}");
        let png = draw(&path("a.png"));
        assert_eq!(png, draw(&path("b.png")));
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (2 * chart::WIDTH, 2 * chart::HEIGHT));
        // White ground, and text and lines on it.
        assert_eq!(pixels[..3], [255; 3]);
        let dark = pixels.chunks(3).filter(|pixel| pixel.iter().all(|channel| *channel < 90)).count();
        assert!((2_000..400_000).contains(&dark), "{dark}");
    }

    #[test]
    fn a_picture_without_a_folder_fails_early() {
        let picture: Picture = "nowhere/at/all.svg".parse().unwrap();
        assert_eq!(picture.check().unwrap_err().to_string(), "cannot write the picture nowhere/at/all.svg");
        "here.svg".parse::<Picture>().unwrap().check().unwrap();
    }
}
