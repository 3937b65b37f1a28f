//! Summaries by a language model.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use mnemon_core::{LanguageModel, Prompt, with_causes};

use super::{Extractive, Fallback, Method, Prompts, Summarizer, Summary, SummaryRequest};
use crate::{CompactError, MessageKind};

/// Asks a language model. When it fails, or answers with nothing or with more than was allowed, [`Extractive`] writes the
/// summary, and its [`fallback`](crate::SummaryMeta::fallback) says why.
#[derive(Clone)]
pub struct ModelSummarizer {
    model: Arc<dyn LanguageModel>,
    /// What it is told.
    pub prompts: Prompts,
    /// After so long it is given up.
    pub timeout: Option<Duration>,
    /// Writes the summary when the model does not.
    pub fallback: Extractive,
}

impl ModelSummarizer {
    /// Summaries by this model.
    #[must_use]
    pub fn new(model: Arc<dyn LanguageModel>) -> Self {
        Self { model, prompts: Prompts::default(), timeout: None, fallback: Extractive::default() }
    }

    /// The same with other prompts.
    #[must_use]
    pub fn with_prompts(self, prompts: Prompts) -> Self {
        Self { prompts, ..self }
    }

    /// The same, given up after so long.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    fn ask(&self, request: &SummaryRequest<'_>) -> Result<String, Fallback> {
        let model = self.model.name().to_owned();
        let depth = request.messages.iter().map(|(_, message)| match &message.kind {
            MessageKind::Summary(meta) => meta.depth + 1,
            _ => 1,
        });
        let user = self.prompts.user(&transcript(request), request.max_tokens, depth.max().unwrap_or(1));
        let prompt = Prompt {
            system: Some(self.prompts.system()),
            user,
            max_tokens: Some(request.max_tokens),
            timeout: self.timeout,
        };
        let answer = match self.model.generate(&prompt) {
            Ok(answer) => answer,
            Err(error) => return Err(Fallback::Failed { model, why: with_causes(&error) }),
        };
        let text = answer.text.trim();
        let got = request.counter.count(text);
        if text.is_empty() {
            return Err(Fallback::Empty { model });
        }
        if got > request.max_tokens {
            return Err(Fallback::TooLong { model, expected: request.max_tokens, got });
        }
        if answer.is_cut {
            return Err(Fallback::Cut { model });
        }
        Ok(text.to_owned())
    }
}

impl Summarizer for ModelSummarizer {
    fn summarise(&self, request: &SummaryRequest<'_>) -> Result<Summary, CompactError> {
        if request.messages.iter().all(|(_, message)| message.is_empty()) {
            return Err(CompactError::NothingToSummarise { got: format!("{} without text", request.messages.len()) });
        }
        match self.ask(request) {
            Ok(text) => Summary::new(text, request, Method::Model(self.model.name().to_owned())),
            Err(why) => {
                let mut summary = self.fallback.summarise(request)?;
                summary.meta.fallback = Some(why);
                Ok(summary)
            }
        }
    }
}

impl std::fmt::Debug for ModelSummarizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSummarizer")
            .field("model", &self.model.name())
            .field("prompts", &self.prompts)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The messages as a model reads them: who speaks, when, and what.
fn transcript(request: &SummaryRequest<'_>) -> String {
    let mut text = String::new();
    for (_, message) in &request.messages {
        if message.kind == MessageKind::Bridge || message.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(at) = message.at {
            // Writing to a string cannot fail.
            let _ = write!(text, "[{}] ", at.strftime("%Y-%m-%d %H:%M"));
        }
        let _ = match &message.kind {
            MessageKind::Summary(_) => write!(text, "{}", message.content),
            _ => write!(text, "{}: {}", message.speaker(), message.content),
        };
        for call in &message.tool_calls {
            let _ = write!(text, "\n[calls {} with {}]", call.name, call.arguments);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use mnemon_core::{EstimateCounter, GenerateError, GenerateProblem, Generated};

    use super::*;
    use crate::{Domain, Message};

    fn messages() -> Vec<Message> {
        vec![
            Message::user("I moved to Oslo on 3 May 2021, and the boat is red.").with_id("a"),
            Message::assistant("Nice! We decided to paint it blue.").with_id("b"),
        ]
    }

    fn summarise(answer: Result<Generated, GenerateError>) -> Summary {
        let answer = Mutex::new(Some(answer));
        let model = move |_: &Prompt| answer.lock().unwrap().take().unwrap();
        let messages = messages();
        let request = SummaryRequest::of(&messages, 20, &EstimateCounter);
        ModelSummarizer::new(Arc::new(model)).summarise(&request).unwrap()
    }

    fn answer(text: &str) -> Generated {
        Generated { text: text.to_owned(), ..Generated::default() }
    }

    #[test]
    fn the_answer_of_the_model_is_the_summary() {
        let summary = summarise(Ok(answer("  The person moved to Oslo on 3 May 2021.\n")));
        assert_eq!(summary.text, "The person moved to Oslo on 3 May 2021.");
        assert_eq!(summary.meta.method, Method::Model("a closure".into()));
        assert_eq!((summary.meta.fallback, summary.meta.ids), (None, vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn the_extractive_one_answers_when_the_model_does_not() {
        #[track_caller]
        fn check(answer: Result<Generated, GenerateError>, expected: &str) {
            let summary = summarise(answer);
            assert_eq!(summary.meta.method, Method::Extractive);
            assert_eq!(summary.meta.fallback.unwrap().to_string(), expected);
            assert!(summary.text.contains("Oslo") && summary.meta.tokens_after <= 20);
        }
        let error =
            GenerateError { model: "m".into(), problem: GenerateProblem::RateLimited, source: Some("429".into()) };
        check(Err(error), "a closure failed: the language model m gave no answer: it is asked too often: 429");
        check(Ok(answer(" \n")), "a closure answered with an empty text");
        check(Ok(answer(&"word ".repeat(30))), "a closure answered with 30 tokens, expected at most 20");
        check(Ok(Generated { is_cut: true, ..answer("It was") }), "the answer of a closure was cut off");
    }

    #[test]
    fn the_model_is_told_the_domain_the_limit_and_the_source() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let model = move |prompt: &Prompt| {
            seen.lock().unwrap().push(prompt.clone());
            Ok(answer("ok"))
        };
        let mut messages = messages();
        let prompts = Prompts { domain: Domain::Technical, ..Prompts::default() };
        let summarizer =
            ModelSummarizer::new(Arc::new(model)).with_prompts(prompts).with_timeout(Duration::from_secs(3));
        let first = summarizer.summarise(&SummaryRequest::of(&messages, 20, &EstimateCounter)).unwrap();
        messages.insert(0, first.into_message());
        let second = summarizer.summarise(&SummaryRequest::of(&messages, 20, &EstimateCounter)).unwrap();
        assert_eq!((second.meta.depth, second.meta.messages), (2, 4));
        let asked = asked.lock().unwrap();
        assert_eq!((asked[0].max_tokens, asked[0].timeout), (Some(20), Some(Duration::from_secs(3))));
        assert!(asked[0].user.contains("errors with their text") && asked[0].user.contains("user: I moved"));
        assert!(asked[1].user.contains("earlier parts are summaries") && asked[1].user.contains("[Summary of 2"));
    }
}
