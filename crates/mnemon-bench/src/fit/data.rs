//! What a fit learns from, as it is given on a command line.

use std::path::PathBuf;
use std::str::FromStr;

use crate::{BenchError, Numbers};

/// A file in LoCoMo's format and what of it is learnt from: `FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:CATEGORIES`.
///
/// ```
/// use mnemon_bench::fit::DataSet;
/// let set: DataSet = "chats.json:2:1,2,4,6-11".parse()?;
/// assert_eq!((set.file.to_str(), set.weight), (Some("chats.json"), 2.0));
/// assert_eq!(set.categories.unwrap().as_slice(), [1, 2, 4, 6, 7, 8, 9, 10, 11]);
/// # Ok::<(), mnemon_bench::BenchError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// The file.
    pub file: PathBuf,
    /// How much each of its questions counts. Above 0.
    pub weight: f64,
    /// The categories of its questions that are learnt from. `None` takes 1 to 4, as far as it has them.
    pub categories: Option<Numbers>,
}

/// What a fit learns from, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// The data, the conversations of all of it numbered through in this order.
    pub data: Vec<DataSet>,
    /// The ridge: see [`super::fit`].
    pub l2: f64,
}

impl FitOptions {
    /// The ridge that the study of the ranking chose: between 0.3 and 5 the figures hardly move.
    pub const L2: f64 = 2.0;

    /// All of these, with the usual ridge.
    #[must_use]
    pub fn new(data: Vec<DataSet>) -> Self {
        Self { data, l2: Self::L2 }
    }
}

impl FromStr for DataSet {
    type Err = BenchError;

    /// A colon only divides where a weight follows, so that a path may hold one.
    fn from_str(text: &str) -> Result<Self, BenchError> {
        let weighted = |text: &str| {
            let (file, weight) = text.rsplit_once(':')?;
            Some((PathBuf::from(file), weight.parse::<f64>().ok()?))
        };
        let (file, weight, categories) = match text.rsplit_once(':') {
            Some((head, tail)) => match (weighted(text), weighted(head)) {
                // `FILE:1:2` has a weight and a category, and is no file `FILE:1` of weight 2.
                (_, Some((file, weight))) => (file, weight, Some(tail.parse()?)),
                (Some((file, weight)), None) => (file, weight, None),
                (None, None) => (PathBuf::from(text), 1.0, None),
            },
            None => (PathBuf::from(text), 1.0, None),
        };
        if !(weight.is_finite() && weight > 0.0) || file.as_os_str().is_empty() {
            return Err(BenchError::DataSet { got: text.chars().take(200).collect() });
        }
        Ok(Self { file, weight, categories })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, file: &str, weight: f64, categories: Option<&str>) {
        let set = DataSet { file: file.into(), weight, categories: categories.map(|it| it.parse().unwrap()) };
        assert_eq!(text.parse::<DataSet>().unwrap(), set, "{text}");
    }

    #[test]
    fn a_file_may_have_a_weight_and_categories() {
        check("a.json", "a.json", 1.0, None);
        check("a.json:2", "a.json", 2.0, None);
        check("a.json:0.5:1-3", "a.json", 0.5, Some("1-3"));
        check("a.json:2:4", "a.json", 2.0, Some("4"));
        check("c:/a.json", "c:/a.json", 1.0, None);
        check("c:/a.json:2", "c:/a.json", 2.0, None);
    }

    #[test]
    fn what_is_no_data_set_is_refused() {
        for text in ["", ":2", "a.json:0", "a.json:-1", "a.json:inf", "a.json:nan"] {
            let error = text.parse::<DataSet>().unwrap_err().to_string();
            assert_eq!(error, format!("expected FILE, FILE:WEIGHT or FILE:WEIGHT:CATEGORIES, got {text:?}"));
        }
        assert!("a.json:1:x".parse::<DataSet>().is_err());
    }
}
