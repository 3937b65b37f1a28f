//! Asking again, for a bounded time and a bounded number of times.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use mnemon_core::GenerateProblem;
use tokio::time::{Instant, sleep, timeout};

use crate::ModelConfig;
use crate::failure::Failure;

/// How patiently one answer is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The time for all attempts and the waits between them.
    pub(crate) whole: Duration,
    /// The time for one; `None` is all that is left.
    pub(crate) attempt: Option<Duration>,
    pub(crate) max_attempts: u32,
    /// The wait before the second attempt.
    pub(crate) delay: Duration,
}

impl Patience {
    /// The first answer of `attempt`, or the failure after which it made no sense to go on. A wait that the time does
    /// not allow is not begun: whoever cannot be answered learns so at once.
    pub(crate) async fn ask<T, F, A>(self, name: &str, mut attempt: F) -> Result<T, Failure>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, Failure>>,
    {
        let start = Instant::now();
        let left = move || self.whole.saturating_sub(start.elapsed());
        let once = || {
            let (allowed, told) = match self.attempt.filter(|attempt| *attempt < left()) {
                Some(attempt) => (attempt, attempt),
                None => (left(), self.whole),
            };
            let answer = attempt();
            async move {
                match timeout(allowed, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Failure::from(GenerateProblem::TimedOut(told))),
                }
            }
        };
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.delay)
            .with_max_delay(ModelConfig::LONGEST_DELAY.max(self.delay))
            .with_factor(2.0)
            .with_max_times(usize::try_from(self.max_attempts.saturating_sub(1)).unwrap_or(usize::MAX))
            .with_jitter();
        // A model that cannot keep to the form will seldom learn it by being asked again.
        let mut bad_answers = 0;
        once.retry(waits)
            .sleep(sleep)
            .when(|failure| {
                bad_answers += usize::from(failure.is_bad_answer());
                failure.problem.is_transient() && bad_answers <= 1
            })
            .adjust(|failure, wait| {
                let wait = wait?.max(failure.retry_after.unwrap_or_default());
                (wait < left()).then_some(wait)
            })
            .notify(|failure, wait| {
                tracing::debug!(model = name, problem = %failure.problem, ?wait, "a language model is asked again");
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { whole: Duration::from_secs(60), attempt: None, max_attempts: 4, delay: Duration::from_secs(1) };

    fn unavailable() -> Failure {
        Failure::from(GenerateProblem::Unavailable("no".to_owned()))
    }

    fn limited(seconds: u64) -> Failure {
        Failure { retry_after: Some(Duration::from_secs(seconds)), ..Failure::from(GenerateProblem::RateLimited) }
    }

    /// The outcomes in turn, on a clock that only waits move: the problem at the end, how often it was asked, and the
    /// whole seconds until then.
    fn check(patience: Patience, outcomes: Vec<Result<(), Failure>>, expected: (Option<GenerateProblem>, usize, u64)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let (mut outcomes, mut asked) = (outcomes.into_iter(), 0);
            let result = patience
                .ask("m", || {
                    asked += 1;
                    let outcome = outcomes.next();
                    async move {
                        match outcome {
                            Some(outcome) => outcome,
                            None => std::future::pending().await,
                        }
                    }
                })
                .await;
            let problem = result.err().map(|failure| failure.problem);
            assert_eq!((problem, asked, start.elapsed().as_secs()), expected);
        });
    }

    #[test]
    fn a_transient_failure_is_asked_again_so_often() {
        check(PATIENCE, vec![Ok(())], (None, 1, 0));
        let problem = unavailable().problem;
        let outcomes = || (0..9).map(|_| Err(unavailable())).collect::<Vec<_>>();
        let quick = Patience { delay: Duration::from_millis(1), ..PATIENCE };
        check(quick, outcomes(), (Some(problem.clone()), 4, 0));
        check(Patience { max_attempts: 1, ..quick }, outcomes(), (Some(problem), 1, 0));
        check(quick, vec![Err(unavailable()), Err(limited(0)), Ok(())], (None, 3, 0));
    }

    #[test]
    fn another_failure_is_final() {
        for problem in [
            GenerateProblem::Refused,
            GenerateProblem::TooLong,
            GenerateProblem::Declined("no".to_owned()),
            GenerateProblem::Other("no".to_owned()),
        ] {
            check(PATIENCE, vec![Err(Failure::from(problem.clone())), Ok(())], (Some(problem), 1, 0));
        }
    }

    #[test]
    fn a_bad_answer_is_asked_again_once() {
        let bad = || Failure::bad_answer("nothing");
        let quick = Patience { delay: Duration::from_millis(1), ..PATIENCE };
        check(quick, vec![Err(bad()), Ok(())], (None, 2, 0));
        check(quick, vec![Err(bad()), Err(bad()), Ok(())], (Some(bad().problem), 2, 0));
        check(quick, vec![Err(bad()), Err(unavailable()), Err(bad()), Ok(())], (Some(bad().problem), 3, 0));
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_says() {
        let quick = Patience { delay: Duration::from_millis(1), ..PATIENCE };
        check(quick, vec![Err(limited(7)), Ok(())], (None, 2, 7));
        // Nobody waits for what cannot come in time.
        check(quick, vec![Err(limited(61)), Ok(())], (Some(GenerateProblem::RateLimited), 1, 0));
        check(quick, vec![Err(limited(40)), Err(limited(40)), Ok(())], (Some(GenerateProblem::RateLimited), 2, 40));
    }

    #[test]
    fn a_slow_answer_is_given_up() {
        let patience = Patience { attempt: Some(Duration::from_secs(5)), delay: Duration::from_millis(1), ..PATIENCE };
        check(patience, vec![], (Some(GenerateProblem::TimedOut(Duration::from_secs(5))), 4, 20));
        check(PATIENCE, vec![], (Some(GenerateProblem::TimedOut(Duration::from_secs(60))), 1, 60));
        // The last attempt has what is left, and the whole time is what it took.
        let short = Patience { whole: Duration::from_secs(12), ..patience };
        check(short, vec![], (Some(GenerateProblem::TimedOut(Duration::from_secs(12))), 3, 12));
        check(Patience { whole: Duration::MAX, ..PATIENCE }, vec![Ok(())], (None, 1, 0));
    }

    #[test]
    fn waits_grow() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut times = Vec::new();
        runtime.block_on(async {
            let start = Instant::now();
            let attempt = || {
                times.push(start.elapsed());
                async { Err::<(), _>(unavailable()) }
            };
            PATIENCE.ask("m", attempt).await.unwrap_err();
        });
        let waits: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        // Chance adds up to as much again.
        for (wait, least) in waits.iter().zip([1.0, 2.0, 4.0]) {
            assert!((least..=2.0 * least + 0.01).contains(wait), "{waits:?}");
        }
        assert_eq!(waits.len(), 3);
    }
}
