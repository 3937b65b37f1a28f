//! What a session of an agent leaves to the one that follows, out of memory.

use mnemon_compact::{AgentError, Handover, HandoverRequest};

use crate::context::render;
use crate::{ContextManager, ContextRequest};

/// A context that counts more tokens elsewhere than here is built so often, with a smaller budget each time.
const ATTEMPTS: usize = 4;

/// What memory knows about the next issue: what is pinned, summaries of the session, what is relevant and what was said last, as
/// [`ContextManager::build_context`] gives it for the text of the issue, and without that.
///
/// ```
/// use mnemon::ContextManager;
/// use mnemon::compact::{ContextMonitor, UsageFrom};
/// let memory = ContextManager::builder().without_model().open_in_memory()?;
/// let monitor = ContextMonitor::new(UsageFrom::Agent).with_handover(Box::new(memory.clone()));
/// # Ok::<(), mnemon::Error>(())
/// ```
impl Handover for ContextManager {
    fn build(&self, request: &HandoverRequest<'_>) -> Result<String, AgentError> {
        let issue = request.next.message();
        // The issue stands in a context too, and is no part of the handover.
        let own = self.engine.counter.count(&format!("{}\n{issue}", render::INPUT));
        let mut room = request.max_tokens;
        let mut text = String::new();
        for _ in 0..ATTEMPTS {
            let context = self.build_context(ContextRequest::new(&issue).budget(room + own + FRAMES))?;
            text = known(context.text(), &issue).to_owned();
            let got = request.means.counter.count(&text);
            if got <= request.max_tokens {
                return Ok(text);
            }
            room = (room * request.max_tokens / got).saturating_sub(1);
        }
        // Too long by a token still fails the rotation, which says so.
        Ok(text)
    }
}

/// What chat formats put around two messages and before an answer.
const FRAMES: usize = 16;

/// A context without its input.
fn known<'t>(context: &'t str, input: &str) -> &'t str {
    let before = context.strip_suffix(input).unwrap_or(context).trim_end();
    before.strip_suffix(render::INPUT).unwrap_or(before).trim_end()
}
