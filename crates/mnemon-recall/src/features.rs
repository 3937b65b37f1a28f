//! Features: what each stage says about each candidate, as numbers.

use serde::{Deserialize, Serialize};

/// Declares the features with their names, the stages that measure them and one line each for people.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident $word:literal $stage:literal,)+) => {
        /// Something that a stage measures. Most values lie in 0..=1, none is far outside.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature { $($(#[$doc])* $name,)+ }

        impl Feature {
            /// Every feature, in the order of a row.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name under which its weight is kept.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The stage that measures it.
            #[must_use]
            pub fn stage(self) -> &'static str {
                match self { $(Self::$name => $stage),+ }
            }
        }
    };
}

features! {
    /// BM25 of its words and, counting less, those of its neighbours and its date; relative to the best candidate.
    Words "words" "text",
    /// It has every word of a question of at least three words (names of speakers do not count) by itself.
    EveryWord "every_word" "text",
    /// It is the very text that is asked for, word for word.
    SameText "same_text" "text",
    /// Cosine of question and memory, relative to the best.
    Vector "vector" "vector",
    /// Cosine of the question and the memory with its neighbours mixed in, relative to the best.
    VectorContext "vector_context" "vector",
    /// Cosine of the mean of the question's pieces and the sum of the memory's, relative to the best.
    TokensMean "tokens_mean" "late_interaction",
    /// How well the memory has a piece for each piece of the question, in standard deviations over 4.
    TokensOwn "tokens_own" "late_interaction",
    /// The same with the pieces of the neighbours, at a discount.
    TokensWindow "tokens_window" "late_interaction",
    /// Vector and words of the best candidate of the session, or of the document.
    Session "session" "session",
    /// It was said by the one speaker whom the question names.
    Speaker "speaker" "speaker",
    /// The question is about who asks, and the user said this.
    UserSpeaks "user_speaks" "speaker",
    /// The question is about what the assistant said, and it said this.
    AssistantSpeaks "assistant_speaks" "speaker",
    /// The assistant said it, where assistants talk more than users: from 0 to 1.
    AssistantTalks "assistant_talks" "speaker",
    /// Its time fits a time in the question.
    Date "date" "time",
    /// The question asks for a time, and it names one.
    NamesTime "names_time" "time",
    /// The question asks for a quantity, and it names a number.
    NamesNumber "names_number" "cues",
    /// It ends as a question.
    IsQuestion "is_question" "cues",
    /// Who speaks in it, speaks of themselves.
    FirstPerson "first_person" "cues",
    /// How much longer than 80 words it is, as a logarithm.
    Length "length" "cues",
    /// It is one of the first two turns of its session, where people tell what is new.
    Opening "opening" "cues",
    /// The question asks for help, and it is an order of the user that stands for all time.
    StandingOrder "standing_order" "cues",
    /// The question asks for help, and it tells a preference of the user.
    Preference "preference" "cues",
    /// The turn before it asks, and has the words of the question: relative to the best.
    AnswersWords "answers_words" "neighbours",
    /// The turn before it asks, and is near to the question: relative to the best.
    AnswersVector "answers_vector" "neighbours",
    /// How like it is to what was said before: the mean of its three largest cosines with older candidates.
    Repeats "repeats" "repetition",
}

/// The features of one candidate, in the order of [`Feature::ALL`].
pub type Row = [f32; Feature::ALL.len()];

/// The features of all candidates of a question, one row each, in the order of the candidates.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    rows: Vec<Row>,
}

impl Features {
    pub(crate) fn new(candidates: usize) -> Self {
        Self { rows: vec![[0.0; Feature::ALL.len()]; candidates] }
    }

    /// One row a candidate.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The value of a feature for the candidate at `index` among the candidates.
    #[must_use]
    pub fn get(&self, index: usize, feature: Feature) -> f32 {
        self.rows.get(index).and_then(|row| row.get(feature as usize)).copied().unwrap_or(0.0)
    }

    pub(crate) fn set(&mut self, index: usize, feature: Feature, value: f32) {
        // What cannot be measured says nothing.
        let value = if value.is_finite() { value } else { 0.0 };
        if let Some(cell) = self.rows.get_mut(index).and_then(|row| row.get_mut(feature as usize)) {
            *cell = value;
        }
    }

    /// Sets a feature of all candidates.
    pub(crate) fn set_all(&mut self, feature: Feature, values: &[f32]) {
        values.iter().enumerate().for_each(|(index, value)| self.set(index, feature, *value));
    }
}

/// Values as shares of the largest; what is below 0 counts as 0.
pub(crate) fn of_largest(values: &mut [f32]) {
    let largest = values.iter().copied().fold(0.0, f32::max);
    for value in values {
        *value = if largest > 0.0 { value.max(0.0) / largest } else { 0.0 };
    }
}

/// Values as distances from their mean, in units of four standard deviations, so that they span about as much as shares.
/// All equal values are 0.
pub(crate) fn standardised(values: &mut [f32]) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let variance = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
    let unit = 4.0 * variance.sqrt().max(1e-6);
    for value in values {
        *value = ((f64::from(*value) - mean) / unit) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        let mut values = [2.0, -1.0, 4.0];
        of_largest(&mut values);
        assert_eq!(values, [0.5, 0.0, 1.0]);
        let mut none = [-1.0, -2.0];
        of_largest(&mut none);
        assert_eq!(none, [0.0, 0.0]);
        let mut values = [1.0, 3.0];
        standardised(&mut values);
        assert_eq!(values, [-0.25, 0.25]);
        let mut equal = [7.0; 3];
        standardised(&mut equal);
        assert_eq!(equal, [0.0; 3]);
    }

    #[test]
    fn every_feature_has_its_own_name_and_column() {
        let names: std::collections::HashSet<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        assert_eq!(names.len(), Feature::ALL.len());
        let mut features = Features::new(1);
        for (column, feature) in Feature::ALL.iter().enumerate() {
            assert_eq!(*feature as usize, column);
            assert_eq!(serde_json::to_value(feature).unwrap(), feature.name());
            features.set(0, *feature, column as f32);
        }
        assert!(features.rows()[0].iter().enumerate().all(|(column, value)| *value == column as f32));
        features.set(0, Feature::Words, f32::NAN);
        assert_eq!(features.get(0, Feature::Words), 0.0);
    }
}
