//! Redundancy: a hit that says nothing which a better one does not say already.
//!
//! Likeness alone proves nothing: "I paid 20 for it" and "I paid 30 for it" have nearly the same vector. A hit goes only
//! when the same speaker says, in a better hit, the same words but for a few, every number among them, and as a negation
//! if it is one.

use std::cell::LazyCell;
use std::collections::HashSet;

use crate::cues::Cues;
use crate::language::is_filler;
use crate::pool::Member;
use crate::terms::{Term, is_number};

/// The least cosine of two that say the same.
const LEAST_COSINE: f32 = 0.85;
/// The least share of its terms that a better hit has to have.
const LEAST_SHARE: f32 = 0.8;

/// Whether two passages say the same: each says all that the other says.
#[must_use]
pub fn same_said(a: &Member<'_>, b: &Member<'_>) -> bool {
    said_by(a, &[b]).is_some() && said_by(b, &[a]).is_some()
}

/// A better hit that says all that `member` says, by its index in `kept`; the first where there are several.
///
/// Costs an inner product for each hit of the same speaker that is kept, and little else for those that are not alike.
pub(crate) fn said_by(member: &Member<'_>, kept: &[&Member<'_>]) -> Option<usize> {
    if member.terms.iter().all(|term| is_filler(*term)) {
        return None;
    }
    // Most are like none that is kept, and their terms need not be told apart.
    let terms = LazyCell::new(|| telling(member));
    kept.iter().position(|better| may_say(better, member) && says(better, member, &terms))
}

/// The terms that say something.
fn telling(member: &Member<'_>) -> HashSet<Term> {
    member.terms.iter().copied().filter(|term| !is_filler(*term)).collect()
}

/// What is quickly known.
fn may_say(better: &Member<'_>, member: &Member<'_>) -> bool {
    let alike = || match (better.vector, member.vector) {
        (Some(a), Some(b)) => a.cosine(b) >= LEAST_COSINE,
        _ => true,
    };
    better.speaker() == member.speaker() && better.has(Cues::NEGATED) == member.has(Cues::NEGATED) && alike()
}

fn says(better: &Member<'_>, member: &Member<'_>, terms: &HashSet<Term>) -> bool {
    let there = telling(better);
    let missing = terms.difference(&there).count();
    if !numbers_are_there(better, member) {
        return false;
    }
    if missing == 0 && there.len() == terms.len() {
        return true;
    }
    // Without vectors only the same words prove it; and which words deny something is known of languages that can be read.
    let known = better.vector.is_some() && member.vector.is_some();
    let readable = member.has(Cues::READABLE) && better.has(Cues::READABLE);
    known && readable && (terms.len() - missing) as f32 >= LEAST_SHARE * terms.len() as f32
}

/// Whether every number stands there as often: "room 9, floor 9" is not said by "room 9, floor 12".
fn numbers_are_there(better: &Member<'_>, member: &Member<'_>) -> bool {
    let count = |terms: &[Term], number: Term| terms.iter().filter(|term| **term == number).count();
    let mut numbers = member.terms.iter().copied().filter(|term| is_number(*term));
    numbers.all(|number| count(better.terms, number) >= count(member.terms, number))
}

#[cfg(test)]
mod tests {
    use mnemon_core::Role;

    use super::*;
    use crate::stages::testing::{by, turn, vector};

    /// Vectors of the same direction, so that the words decide.
    fn said(text: &str) -> Member<'static> {
        Member { vector: Some(vector(&[1.0, 0.0])), ..turn(0, text) }
    }

    #[track_caller]
    fn check(better: &Member<'_>, member: &Member<'_>, redundant: bool) {
        assert_eq!(said_by(member, &[better]).is_some(), redundant);
    }

    #[test]
    fn the_same_in_other_words_is_redundant() {
        check(&said("I am allergic to peanuts"), &said("I'm allergic to peanuts!"), true);
        check(&said("I'm allergic to peanuts, as you know"), &said("Well, remember: I am allergic to peanuts"), true);
        check(&said("I am allergic to peanuts and all other nuts"), &said("Peanuts: I am allergic"), true);
        check(&said("I am allergic to peanuts"), &said("I am allergic to peanuts, walnuts and pollen"), false);
    }

    #[test]
    fn what_differs_in_a_number_or_a_no_is_not() {
        check(&said("I paid 20 dollars for the lamp"), &said("I paid 30 dollars for the lamp"), false);
        check(&said("Our room is 12 on floor 9 of the house"), &said("Our room is 9 on floor 9 of the house"), false);
        check(&said("I am allergic to peanuts"), &said("I am not allergic to peanuts"), false);
        check(&said("I am allergic to peanuts"), &by(Role::User, Some("Bo"), said("I am allergic to peanuts")), false);
        let other = Member { vector: Some(vector(&[0.0, 1.0])), ..said("I am allergic to peanuts") };
        check(&said("I am allergic to peanuts"), &other, false);
    }

    #[test]
    fn what_cannot_be_read_has_to_be_the_same() {
        check(
            &said("Ich habe eine Nuss Allergie und das ist so"),
            &said("Eine Nuss Allergie habe ich, das ist so"),
            false,
        );
        check(&said("Ich habe eine Allergie und die Nuss"), &said("Die Nuss und ich habe eine Allergie"), true);
        let without = Member { vector: None, ..said("I am allergic to peanuts") };
        check(&said("Peanuts: I am allergic"), &without, true);
        check(&said("I am allergic to nuts and peanuts"), &without, false);
    }

    #[test]
    fn nothing_says_nothing() {
        check(&said("I am"), &said("I am"), false);
        assert_eq!(said_by(&said("peanuts"), &[]), None);
        assert_eq!(said_by(&said("peanuts"), &[&said("cats"), &said("peanuts"), &said("peanuts")]), Some(1));
    }
}
