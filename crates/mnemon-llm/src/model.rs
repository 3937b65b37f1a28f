//! The model that is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mnemon_core::{EstimateCounter, GenerateError, GenerateProblem, Generated, LanguageModel, Prompt, TokenCounter};

use crate::failure::Failure;
use crate::retry::Patience;
use crate::server::Server;
use crate::worker::Worker;
use crate::{ModelConfig, ModelError};

/// A language model behind HTTP.
///
/// Copies share their connections and the one thread that asks; it ends with the last of them. Any number of threads
/// and futures may ask at once.
#[derive(Clone)]
pub struct Model {
    asker: Arc<Asker>,
    worker: Arc<Worker>,
}

impl Model {
    /// A model as it is configured. Nothing is sent yet.
    ///
    /// # Errors
    /// When the configuration makes no model: a URL that cannot be used, a key that is not there, a number out of its
    /// range. With an `https` address also when this machine has no certificates to trust.
    pub fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        config.check()?;
        let asker = Asker {
            name: format!("{}/{}", config.provider, config.model),
            server: Arc::new(Server::new(config)?),
            counter: Arc::new(EstimateCounter),
            timeout: config.timeout,
            attempt_timeout: config.attempt_timeout,
            max_attempts: config.max_attempts,
            retry_delay: config.retry_delay,
            max_tokens: config.max_tokens,
            context_tokens: config.context_tokens,
        };
        let worker = Worker::start().map_err(ModelError::Thread)?;
        Ok(Self { asker: Arc::new(asker), worker: Arc::new(worker) })
    }

    /// The same with prompts counted as the model itself counts them, where `context_tokens` is set. Otherwise they are
    /// estimated, on the high side, and a prompt that just fits may be refused.
    #[must_use]
    pub fn with_counter(self, counter: Arc<dyn TokenCounter>) -> Self {
        let asker = Asker { counter, ..Asker::clone(&self.asker) };
        Self { asker: Arc::new(asker), ..self }
    }

    /// Answers a prompt without blocking, on any runtime. Dropped, it asks no further.
    ///
    /// # Errors
    /// When there is no answer, with what happened.
    pub async fn generate_async(&self, prompt: &Prompt) -> Result<Generated, GenerateError> {
        let answer = self.worker.run(Arc::clone(&self.asker).answer(prompt.clone())).await;
        self.told(answer)
    }

    fn told(&self, answer: Option<Result<Generated, Failure>>) -> Result<Generated, GenerateError> {
        let ended = || Err(Failure::from(GenerateProblem::Other("what asks it ended on the way".to_owned())));
        let Failure { problem, source, .. } = match answer.unwrap_or_else(ended) {
            Ok(generated) => return Ok(generated),
            Err(failure) => failure,
        };
        Err(GenerateError { model: self.asker.name.clone(), problem, source })
    }
}

impl LanguageModel for Model {
    /// The provider and the model, such as `ollama/llama3.2`.
    fn name(&self) -> &str {
        &self.asker.name
    }

    /// Blocks this thread, which may be one of a runtime: the answer does not need it.
    fn generate(&self, prompt: &Prompt) -> Result<Generated, GenerateError> {
        let answer = self.worker.block(Arc::clone(&self.asker).answer(prompt.clone()));
        self.told(answer)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.asker.name)
            .field("url", &self.asker.server.shown_url())
            .finish_non_exhaustive()
    }
}

/// What the thread needs of a model.
#[derive(Clone)]
struct Asker {
    name: String,
    server: Arc<Server>,
    counter: Arc<dyn TokenCounter>,
    timeout: Duration,
    attempt_timeout: Option<Duration>,
    max_attempts: u32,
    retry_delay: Duration,
    max_tokens: Option<usize>,
    context_tokens: Option<usize>,
}

impl Asker {
    async fn answer(self: Arc<Self>, prompt: Prompt) -> Result<Generated, Failure> {
        let max_tokens = match (prompt.max_tokens, self.max_tokens) {
            (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
            (asked, allowed) => asked.or(allowed),
        };
        if !self.has_room(&prompt, max_tokens) {
            return Err(Failure::from(GenerateProblem::TooLong));
        }
        let max_tokens = max_tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
        let patience = Patience {
            whole: prompt.timeout.unwrap_or(self.timeout),
            attempt: self.attempt_timeout,
            max_attempts: self.max_attempts,
            delay: self.retry_delay,
        };
        patience.ask(&self.name, || self.server.ask(&prompt, max_tokens)).await
    }

    /// Whether the prompt and the longest answer are within what the model reads and writes.
    fn has_room(&self, prompt: &Prompt, max_tokens: Option<usize>) -> bool {
        let Some(context) = self.context_tokens else { return true };
        let system = prompt.system.as_deref().map_or(0, |text| self.counter.count(text));
        let asked = self.counter.count(&prompt.user).saturating_add(system);
        asked.saturating_add(max_tokens.unwrap_or(1)) <= context
    }
}
