//! From how full a context on something is due.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Usage;
use crate::CompactError;
use crate::compactor::share_of;

/// From how full a context on something is due. All are shares of what the model reads at most.
///
/// From `rotate` on a rotation is due, always. From `compact` on a compaction is due; but after one, whether it helped or
/// not, the next is due only when the context was seen below `rearm` in between, or has grown by `regrow` since. So a
/// compaction that frees little is not asked for again at every turn, and a context that wobbles round a threshold brings
/// about one compaction and no more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// A compaction is due.
    pub compact: f64,
    /// A new session is due. Above `compact`, at most 1.
    pub rotate: f64,
    /// Below this the next compaction is due at `compact` again. Above 0, below `compact`.
    pub rearm: f64,
    /// By so much it has to grow after a compaction that left it above `rearm`. Above 0, at most 1.
    pub regrow: f64,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Nothing.
    Fine,
    /// The context should become shorter.
    Compact,
    /// The work should go on in a new session.
    Rotate,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { compact: 0.8, rotate: 0.95, rearm: 0.7, regrow: 0.05 }
    }
}

impl Thresholds {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is outside of its range.
    pub fn check(&self) -> Result<(), CompactError> {
        let wrong = |field, expected, got: f64| Err(CompactError::Setting { field, expected, got: got.to_string() });
        if !(self.compact > 0.0 && self.compact < 1.0) {
            return wrong("compact", "above 0 and below 1", self.compact);
        }
        if !(self.rotate > self.compact && self.rotate <= 1.0) {
            return wrong("rotate", "above compact and at most 1", self.rotate);
        }
        if !(self.rearm > 0.0 && self.rearm < self.compact) {
            return wrong("rearm", "above 0 and below compact", self.rearm);
        }
        if !(self.regrow > 0.0 && self.regrow <= 1.0) {
            return wrong("regrow", "above 0 and at most 1", self.regrow);
        }
        Ok(())
    }

    /// From so many tokens on a compaction is due.
    pub(super) fn compact_tokens(&self, total: usize) -> Result<usize, CompactError> {
        share_of(total, "compact", self.compact)
    }
}

/// Which sessions were compacted and not seen below [`Thresholds::rearm`] since, and the tokens that were left then.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(BTreeMap<String, usize>);

impl Watch {
    pub(super) fn advise(
        &mut self,
        session: &str,
        usage: Usage,
        thresholds: &Thresholds,
    ) -> Result<Advice, CompactError> {
        self.see(session, usage, thresholds)?;
        if usage.used >= share_of(usage.total, "rotate", thresholds.rotate)? {
            return Ok(Advice::Rotate);
        }
        if usage.used < thresholds.compact_tokens(usage.total)? {
            return Ok(Advice::Fine);
        }
        let step = share_of(usage.total, "regrow", thresholds.regrow)?.max(1);
        match self.0.get(session) {
            Some(left) if usage.used < left.saturating_add(step) => Ok(Advice::Fine),
            _ => Ok(Advice::Compact),
        }
    }

    /// Notes a compaction that left so much, whether it helped or not.
    pub(super) fn compacted(
        &mut self,
        session: &str,
        left: Usage,
        thresholds: &Thresholds,
    ) -> Result<(), CompactError> {
        self.0.insert(session.to_owned(), left.used);
        self.see(session, left, thresholds)
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.0.remove(session);
    }

    fn see(&mut self, session: &str, usage: Usage, thresholds: &Thresholds) -> Result<(), CompactError> {
        if usage.used < share_of(usage.total, "rearm", thresholds.rearm)? {
            self.0.remove(session);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const TOTAL: usize = 1_000;

    fn usage(used: usize) -> Usage {
        Usage { used, total: TOTAL }
    }

    /// Looks at each of these usages, compacts down to `after` (with none: not at all) where that is due, and gives what
    /// was due.
    #[track_caller]
    fn check(used: &[usize], after: Option<usize>, expected: &str) {
        let (mut watch, thresholds) = (Watch::default(), Thresholds::default());
        let mut due = String::new();
        for &used in used {
            let advice = watch.advise("s", usage(used), &thresholds).unwrap();
            due.push(match advice {
                Advice::Fine => '.',
                Advice::Compact => 'c',
                Advice::Rotate => 'R',
            });
            if advice == Advice::Compact {
                watch.compacted("s", usage(after.unwrap_or(used)), &thresholds).unwrap();
            }
        }
        assert_eq!(due, expected);
    }

    #[test]
    fn it_compacts_once_until_the_context_fell_or_grew() {
        check(&[0, 799, 800, 949, 950, 2_000], Some(450), "..ccRR");
        // Nothing was freed: not again before it has grown by 50, or was below 700.
        check(&[800, 801, 799, 800, 849, 850, 851, 899, 900], None, "c....c..c");
        check(&[800, 700, 800, 699, 800, 799, 800], None, "c...c..");
        // Rotation is due whatever was done before.
        check(&[949, 950, 949, 950], None, "cR.R");
    }

    #[test]
    fn sessions_do_not_know_of_each_other() {
        let (mut watch, thresholds) = (Watch::default(), Thresholds::default());
        watch.compacted("a", usage(810), &thresholds).unwrap();
        assert_eq!(watch.advise("a", usage(820), &thresholds).unwrap(), Advice::Fine);
        assert_eq!(watch.advise("b", usage(820), &thresholds).unwrap(), Advice::Compact);
        watch.forget("a");
        assert_eq!(watch.advise("a", usage(820), &thresholds).unwrap(), Advice::Compact);
        watch.compacted("a", usage(400), &thresholds).unwrap();
        assert!(watch.0.is_empty(), "what is armed takes no memory");
    }

    #[test]
    fn bad_thresholds_are_told() {
        let usual = Thresholds::default();
        usual.check().unwrap();
        for (thresholds, field) in [
            (Thresholds { compact: 1.0, ..usual }, "compact"),
            (Thresholds { compact: f64::NAN, ..usual }, "compact"),
            (Thresholds { rotate: 0.8, ..usual }, "rotate"),
            (Thresholds { rotate: 1.01, ..usual }, "rotate"),
            (Thresholds { rearm: 0.8, ..usual }, "rearm"),
            (Thresholds { rearm: 0.0, ..usual }, "rearm"),
            (Thresholds { regrow: 0.0, ..usual }, "regrow"),
        ] {
            let error = thresholds.check().unwrap_err();
            assert!(error.to_string().starts_with(&format!("expected {field} to be ")), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Against a model that remembers every usage since the last compaction.
        #[test]
        fn what_is_due_is_what_the_rule_says(
            walk in prop::collection::vec((-120i64..160, 0u8..4), 1..200),
            compact in 0.3f64..0.9, rearm in 0.1f64..1.0, rotate in 0.1f64..1.0, regrow in 0.01f64..0.3,
        ) {
            let thresholds = Thresholds {
                compact,
                rotate: compact + (1.0 - compact) * rotate.max(0.05),
                rearm: compact * rearm.min(0.95),
                regrow,
            };
            thresholds.check().unwrap();
            let at = |share: f64| (TOTAL as f64 * share + 1e-6) as usize;
            let mut watch = Watch::default();
            // What the last compaction left, and everything seen since, that included.
            let mut last: Option<(usize, Vec<usize>)> = None;
            let mut used = 0usize;
            for (step, outcome) in walk {
                used = used.saturating_add_signed(step as isize);
                if let Some((_, seen)) = &mut last {
                    seen.push(used);
                }
                let is_ready = match &last {
                    None => true,
                    Some((left, seen)) => {
                        used >= left + at(regrow).max(1) || seen.iter().any(|&used| used < at(thresholds.rearm))
                    }
                };
                let expected = match used {
                    _ if used >= at(thresholds.rotate) => Advice::Rotate,
                    _ if used >= at(compact) && is_ready => Advice::Compact,
                    _ => Advice::Fine,
                };
                prop_assert_eq!(watch.advise("s", usage(used), &thresholds).unwrap(), expected);
                if expected == Advice::Compact {
                    // It fails, frees a little, or frees half.
                    used = match outcome { 0 => used, 1 => used - used / 20, _ => used / 2 };
                    watch.compacted("s", usage(used), &thresholds).unwrap();
                    last = Some((used, vec![used]));
                }
            }
        }

        /// However it wobbles, by less than the smaller of the two distances, there is one compaction at most.
        #[test]
        fn wobbling_round_the_threshold_compacts_once(steps in prop::collection::vec(0usize..50, 1..300), base in 770usize..850) {
            let (mut watch, thresholds) = (Watch::default(), Thresholds::default());
            let mut compactions = 0;
            for step in steps {
                let usage = usage(base + step);
                if watch.advise("s", usage, &thresholds).unwrap() == Advice::Compact {
                    compactions += 1;
                    // Nothing could be freed.
                    watch.compacted("s", usage, &thresholds).unwrap();
                }
            }
            prop_assert!(compactions <= 1, "{compactions} compactions");
        }
    }
}
