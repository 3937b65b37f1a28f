//! The agent's own summary of what it did.

use std::sync::atomic::{AtomicBool, Ordering};

use mnemon_core::{Role, with_causes};

use super::{Agent, CompactionAim};
use crate::{
    CompactError, Extractive, Fallback, Message, MessageKind, Method, Summarizer, Summary, SummaryRequest, quality,
};

/// Writes summaries with what the agent answered, where that is good enough, and else as the summariser at hand does.
pub(super) struct Answered<'a> {
    agent: String,
    answer: Option<Result<String, Fallback>>,
    /// What the agent was asked about: all that was said. It is more than what a summary stands for.
    history: &'a [Message],
    least_quality: f64,
    /// The answer stands for the whole session: a second summary beside it needs another text.
    is_taken: AtomicBool,
    inner: &'a dyn Summarizer,
}

impl<'a> Answered<'a> {
    pub(super) fn new(
        agent: String,
        answer: Option<Result<String, Fallback>>,
        history: &'a [Message],
        least_quality: f64,
        inner: &'a dyn Summarizer,
    ) -> Self {
        Self { agent, answer, history, least_quality, is_taken: AtomicBool::new(false), inner }
    }

    /// The summary that the answer makes, or why it makes none.
    fn take(&self, text: &str, request: &SummaryRequest<'_>) -> Result<Result<Summary, Fallback>, CompactError> {
        let model = || self.agent.clone();
        let text = text.trim();
        if text.is_empty() {
            return Ok(Err(Fallback::Empty { model: model() }));
        }
        let got = request.counter.count(text);
        if got > request.max_tokens {
            return Ok(Err(Fallback::TooLong { model: model(), expected: request.max_tokens, got }));
        }
        // By words: an answer need not be embedded to be told from one that says nothing.
        let is_told = |message: &Message| message.role != Role::System && message.kind != MessageKind::Bridge;
        let told: Vec<(usize, &Message)> =
            self.history.iter().enumerate().filter(|(_, message)| is_told(message)).collect();
        let sources: Vec<&str> = told.iter().map(|(_, message)| message.content.as_str()).collect();
        let extract = SummaryRequest::new(told, request.max_tokens, request.counter);
        let least = match Extractive::default().summarise(&extract) {
            Ok(extract) => f64::from(extract.meta.quality.score) * self.least_quality,
            Err(CompactError::NothingToSummarise { .. } | CompactError::NoRoom { .. }) => 0.0,
            Err(error) => return Err(error),
        };
        let score = f64::from(quality(&sources, text, None)?.score);
        if score < least {
            let why = format!("its summary has a quality of {score:.2}, expected at least {least:.2}");
            return Ok(Err(Fallback::Failed { model: model(), why }));
        }
        Summary::new(text.to_owned(), request, Method::Model(model())).map(Ok)
    }
}

impl Summarizer for Answered<'_> {
    fn summarise(&self, request: &SummaryRequest<'_>) -> Result<Summary, CompactError> {
        let why = match &self.answer {
            Some(answer) if !self.is_taken.swap(true, Ordering::Relaxed) => match answer {
                Ok(text) => match self.take(text, request)? {
                    Ok(summary) => return Ok(summary),
                    Err(why) => why,
                },
                Err(why) => why.clone(),
            },
            _ => return self.inner.summarise(request),
        };
        let mut summary = self.inner.summarise(request)?;
        summary.meta.fallback = Some(match summary.meta.fallback.take() {
            None => why,
            Some(then) => Fallback::Failed { model: self.agent.clone(), why: format!("{why}, and then: {then}") },
        });
        Ok(summary)
    }
}

/// Asks the agent for a summary in at most so many tokens; `None` where it cannot be asked, as it is not between two
/// turns. The question and the answer are in its history then.
pub(super) fn ask<A: Agent>(
    agent: &mut A,
    history: &[Message],
    max_tokens: usize,
    aim: &CompactionAim,
) -> Option<Result<String, Fallback>> {
    let last = history.iter().rev().find(|message| message.role != Role::System)?;
    if !aim.ask_agent || last.role != Role::Assistant || !last.tool_calls.is_empty() {
        return None;
    }
    let depth = history.iter().map(|message| match &message.kind {
        MessageKind::Summary(meta) => meta.depth + 1,
        _ => 1,
    });
    let asked = aim.prompts.user(SOURCE, max_tokens, depth.max().unwrap_or(1));
    let prompt = format!("{}\n\n{asked}", aim.prompts.system());
    let answer = agent.send_message(&prompt);
    Some(answer.map_err(|error| Fallback::Failed { model: agent.id().kind, why: with_causes(&*error) }))
}

/// Stands where a prompt has its source: the agent has it before its eyes.
const SOURCE: &str = "[Everything that was said in this session before this message]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::fixtures::{TestAgent, talk, with_means};

    /// Asks for 60 tokens about a talk, and gives the summary that comes of the answer.
    fn summarise(answer: Option<&str>) -> Summary {
        with_means(|means| {
            let messages = talk(20);
            let mut agent = TestAgent::new(messages.clone(), 1_000);
            agent.answer = answer.map(str::to_owned);
            let aim = CompactionAim::default();
            let answer = ask(&mut agent, &messages, 60, &aim);
            assert!(
                agent.asked[0].contains("at most 45 words") && agent.asked[0].contains("add nothing, guess nothing")
            );
            let answered = Answered::new("tester".to_owned(), answer, &messages, aim.least_quality, means.summarizer);
            answered.summarise(&SummaryRequest::of(&messages, 60, means.counter)).unwrap()
        })
    }

    #[test]
    fn a_good_answer_is_the_summary() {
        let answer = "On day 2 boat 2 left for Harbour2 with 6 people, on day 11 boat 11 for Harbour2 with 33, \
                      on day 19 boat 19 for Harbour1 with 57.";
        let summary = summarise(Some(answer));
        assert_eq!((summary.text.as_str(), summary.meta.method), (answer, Method::Model("tester".into())));
        assert_eq!((summary.meta.fallback, summary.meta.messages), (None, 20));
    }

    #[test]
    fn another_one_is_not() {
        #[track_caller]
        fn check(answer: Option<&str>, expected: &str) {
            let summary = summarise(answer);
            assert_eq!(summary.meta.method, Method::Extractive);
            assert!(summary.text.contains("boat number"));
            let why = summary.meta.fallback.unwrap().to_string();
            assert!(why.starts_with(expected), "{why}");
        }
        check(None, "tester failed: the model is gone");
        check(Some(" \n"), "tester answered with an empty text");
        check(Some(&"word ".repeat(61)), "tester answered with 61 tokens, expected at most 60");
        check(
            Some("Sure, I can do that for you. All went well so far!"),
            "tester failed: its summary has a quality of 0.",
        );
    }

    #[test]
    fn an_answer_stands_for_one_summary_only() {
        with_means(|means| {
            let messages = talk(8);
            let answered = Answered::new("a".into(), Some(Ok("Boat 1 left.".into())), &messages, 0.0, means.summarizer);
            let request = SummaryRequest::of(&messages, 60, means.counter);
            assert_eq!(answered.summarise(&request).unwrap().text, "Boat 1 left.");
            let second = answered.summarise(&request).unwrap();
            assert_eq!((second.meta.method, second.meta.fallback), (Method::Extractive, None));
        });
    }

    #[test]
    fn an_agent_is_asked_between_turns_only() {
        let ask = |messages: &[Message], aim: &CompactionAim| {
            let mut agent = TestAgent::new(messages.to_vec(), 1_000);
            ask(&mut agent, messages, 10, aim).is_some()
        };
        let mut messages = vec![Message::user("hi"), Message::assistant("hello")];
        let aim = CompactionAim::default();
        assert!(ask(&messages, &aim));
        assert!(!ask(&messages, &CompactionAim { ask_agent: false, ..aim.clone() }));
        messages.push(Message::system("be brief"));
        assert!(ask(&messages, &aim));
        messages.push(Message::user("and?"));
        assert!(!ask(&messages, &aim), "it owes an answer");
        messages.push(Message::assistant("").calling("c", "look", "{}"));
        assert!(!ask(&messages, &aim), "it waits for a result");
        assert!(!ask(&[], &aim));
    }
}
