//! The seam to language models. None is needed: whoever asks one has another way for when it fails.

use std::error::Error;
use std::time::Duration;

/// What a language model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// What it is told before.
    pub system: Option<String>,
    /// What it is asked.
    pub user: String,
    /// The most tokens of its answer, as it counts them; `None` leaves that to the model.
    pub max_tokens: Option<usize>,
    /// After so long it is given up; `None` leaves that to the model's own settings.
    pub timeout: Option<Duration>,
}

impl Prompt {
    /// A question, and nothing told before.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), ..Self::default() }
    }

    /// The same with something told before.
    #[must_use]
    pub fn told(self, system: impl Into<String>) -> Self {
        Self { system: Some(system.into()), ..self }
    }

    /// The same, answered in at most so many tokens.
    #[must_use]
    pub fn max_tokens(self, tokens: usize) -> Self {
        Self { max_tokens: Some(tokens), ..self }
    }

    /// The same, given up after so long, whatever was tried until then.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { timeout: Some(time), ..self }
    }
}

/// What a language model answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generated {
    /// Its text.
    pub text: String,
    /// Whether it ended because it had no tokens left.
    pub is_cut: bool,
    /// The tokens of the prompt, where the model says so.
    pub prompt_tokens: Option<u64>,
    /// The tokens of the answer, where the model says so.
    pub answer_tokens: Option<u64>,
}

/// A language model gave no answer. It never holds a key.
#[derive(Debug, thiserror::Error)]
#[error("the language model {model} gave no answer: {problem}")]
pub struct GenerateError {
    /// Which model.
    pub model: String,
    /// What happened.
    pub problem: GenerateProblem,
    /// The error underneath, where there is one.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl GenerateError {
    /// A model, by its name, and what happened.
    #[must_use]
    pub fn new(model: impl Into<String>, problem: GenerateProblem) -> Self {
        Self { model: model.into(), problem, source: None }
    }

    /// The same, with the error underneath.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

/// Why a language model gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateProblem {
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// It is asked too often, or too many ask it.
    #[error("it is asked too often")]
    RateLimited,
    /// It cannot be reached, or its server failed.
    #[error("it cannot be reached: {0}")]
    Unavailable(String),
    /// The key or the account is not accepted.
    #[error("expected a key that is accepted, and it was refused")]
    Refused,
    /// The prompt is longer than the model reads.
    #[error("the prompt is longer than it reads")]
    TooLong,
    /// It will not answer such a prompt; asked again, it will not either.
    #[error("it declined to answer: {0}")]
    Declined(String),
    /// What it sent cannot be read, or is empty.
    #[error("expected an answer, got {0}")]
    BadAnswer(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl GenerateProblem {
    /// Whether asking again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::RateLimited | Self::Unavailable(_) | Self::BadAnswer(_))
    }
}

/// A language model. Any number of threads may ask it at once; each waits for its answer.
pub trait LanguageModel: Send + Sync {
    /// Its name, as reports show it.
    fn name(&self) -> &str;

    /// Answers a prompt. Blocks until it did, or was given up.
    ///
    /// # Errors
    /// When there is no answer, with what happened.
    fn generate(&self, prompt: &Prompt) -> Result<Generated, GenerateError>;
}

/// A closure is a language model.
impl<F: Fn(&Prompt) -> Result<Generated, GenerateError> + Send + Sync> LanguageModel for F {
    fn name(&self) -> &str {
        "a closure"
    }

    fn generate(&self, prompt: &Prompt) -> Result<Generated, GenerateError> {
        self(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_answers() {
        let echo = |prompt: &Prompt| Ok(Generated { text: prompt.user.clone(), ..Generated::default() });
        let model: &dyn LanguageModel = &echo;
        assert_eq!(model.generate(&Prompt::new("hi").told("be brief").max_tokens(3)).unwrap().text, "hi");
    }

    #[test]
    fn an_error_says_which_model_and_what_happened() {
        let problem = GenerateProblem::TimedOut(Duration::from_secs(3));
        assert!(problem.is_transient() && !GenerateProblem::Refused.is_transient());
        let error = GenerateError::new("m", problem).because("the line is dead");
        assert_eq!(error.to_string(), "the language model m gave no answer: it took longer than 3s");
        assert_eq!(error.source().unwrap().to_string(), "the line is dead");
    }
}
