//! Which texts to take under a budget: those that say most that has not been said, for what they cost.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use mnemon_core::Role;
use ndarray::Array2;

use crate::cues::Finder;
use crate::sentences::{is_question, sentences};
use crate::terms::{Details, terms};

/// A text that may be taken.
pub(crate) struct Candidate<'a> {
    pub(crate) text: &'a str,
    /// In tokens.
    pub(crate) cost: usize,
    /// What the owner thinks of it; 1 is usual.
    pub(crate) weight: f32,
    /// What it stands in, with others.
    pub(crate) line: Option<Line>,
}

/// What texts share that stand side by side, such as the name of who said them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Texts of one line have the same number.
    pub(crate) number: usize,
    /// What the first of them costs more, in tokens.
    pub(crate) cost: usize,
}

/// How much more a text is worth that shows a cue, as a share of what its terms are worth.
struct Worth {
    first_person: f32,
    time: f32,
    number: f32,
    decision: f32,
    important: f32,
    open: f32,
    /// Each of the first [`ENTITIES`] names.
    entity: f32,
}

/// What people say of themselves, and when, is what is asked about later. The values are round ones,
/// the first three and the last picked among a few by hand with the dev part of LoCoMo; the others are guesses.
const WORTH: Worth =
    Worth { first_person: 1.0, time: 0.75, number: 0.3, decision: 0.5, important: 0.5, open: 0.4, entity: 0.2 };
const ENTITIES: usize = 3;
/// A question tells what is spoken of, and seldom what is so.
const QUESTION: f32 = 0.25;
/// A name or a number counts beside the term that it is, because nothing else can stand for it.
const DETAIL: f32 = 1.0;
/// How fast a term is worth less with each text that has it already: 1/√(1 + texts).
fn worn(texts: f32) -> f32 {
    1.0 / (1.0 + texts).sqrt()
}
/// What a text loses when its vector is the same as one that was taken.
const NOVELTY: f32 = 0.5;
/// What is left of the worth of a text whose very terms were taken in another one.
const REPEATED: f32 = 0.1;
/// What a text gains when it is the most central one.
const CENTRALITY: f32 = 0.1;

/// How much more a text of a person is worth than one of a model: a model can say again what it said, and is long where
/// people are short. A round value, checked with the dev part of BEAM (chats with an assistant).
const PERSON: f32 = 2.0;

/// What a text is worth by who says it, who may be called by a name or by a role.
pub(crate) fn voice(speaker: &str) -> f32 {
    let models = [Role::Assistant, Role::Tool, Role::System];
    if models.iter().any(|role| role.as_str() == speaker) { 1.0 } else { PERSON }
}

/// Texts made ready for a choice.
pub(crate) struct Salience {
    items: Vec<Item>,
    /// What a term is worth: its surprise among the texts, ln((n + 1) / (texts with it + ½)).
    surprise: Vec<f32>,
    rows: Option<Array2<f32>>,
    /// The texts of each line.
    lines: HashMap<usize, Vec<usize>>,
}

struct Item {
    /// Each term once, with how much of it the text says.
    terms: Vec<(usize, f32)>,
    factor: f32,
    cost: usize,
    line: Option<Line>,
    /// Items of equal terms have the same.
    twin: usize,
}

impl Salience {
    pub(crate) fn new(candidates: &[Candidate<'_>], finder: &Finder, rows: Option<Array2<f32>>) -> Self {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut texts: Vec<f32> = Vec::new();
        let mut items: Vec<Item> = candidates
            .iter()
            .map(|candidate| {
                let (statements, questions): (Vec<&str>, Vec<&str>) =
                    sentences(candidate.text).into_iter().partition(|sentence| !is_question(sentence));
                let statements = statements.join("\n");
                let details = Details::of(&statements);
                // Ordered, because the order of a sum decides its last bits.
                let mut said: BTreeMap<String, f32> = BTreeMap::new();
                for question in questions {
                    said.extend(terms(question).into_iter().map(|term| (term, QUESTION)));
                }
                said.extend(terms(&statements).into_iter().map(|term| (term, 1.0)));
                // The mark keeps a detail apart from the term of the same letters.
                said.extend(details.iter().map(|detail| (format!("={detail}"), DETAIL)));
                let mut terms: Vec<(usize, f32)> = said
                    .into_iter()
                    .map(|(term, share)| {
                        let new = texts.len();
                        let number = *numbers.entry(term).or_insert(new);
                        if number == new {
                            texts.push(0.0);
                        }
                        (number, share)
                    })
                    .collect();
                terms.sort_unstable_by_key(|(term, _)| *term);
                for (term, _) in &terms {
                    if let Some(count) = texts.get_mut(*term) {
                        *count += 1.0;
                    }
                }
                Item {
                    terms,
                    factor: candidate.weight.max(0.0) * factor(candidate.text, &statements, &details, finder),
                    cost: candidate.cost.max(1),
                    line: candidate.line,
                    twin: 0,
                }
            })
            .collect();
        if let Some(rows) = rows.as_ref().filter(|rows| rows.nrows() == items.len()) {
            for (item, centrality) in items.iter_mut().zip(centralities(rows)) {
                item.factor *= 1.0 + CENTRALITY * centrality;
            }
        }
        let mut twins: HashMap<Vec<usize>, usize> = HashMap::new();
        for item in &mut items {
            let new = twins.len();
            item.twin = *twins.entry(item.terms.iter().map(|(term, _)| *term).collect()).or_insert(new);
        }
        let mut lines: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(line) = item.line {
                lines.entry(line.number).or_default().push(index);
            }
        }
        let n = items.len() as f32;
        let surprise = texts.into_iter().map(|texts| ((n + 1.0) / (texts + 0.5)).ln()).collect();
        Self { items, surprise, rows, lines }
    }

    /// What a text is worth when nothing was taken yet, whatever its cost.
    pub(crate) fn worth(&self, index: usize) -> f32 {
        let Some(item) = self.items.get(index) else { return 0.0 };
        item.factor * item.terms.iter().map(|(term, share)| share * self.surprise(*term)).sum::<f32>()
    }

    /// Takes texts one by one, each time the one that is worth most for its cost beside what was taken, while they cost
    /// no more than `budget` together. `taken` were taken before, outside of the budget. In the order of taking.
    ///
    /// The worth falls with what was taken (it is submodular), so that most candidates need not be looked at again in a
    /// round: lazy greedy, Minoux 1978; the scaling by cost is that of Lin and Bilmes, NAACL 2010. Only beside what was
    /// taken of the same line a text gains by being cheaper: those are looked at again.
    pub(crate) fn choose(&self, taken: &[usize], budget: usize) -> Vec<usize> {
        let mut state = self.nothing_taken();
        let mut is_free = vec![true; self.items.len()];
        for &index in taken {
            self.take(index, &mut state);
            if let Some(free) = is_free.get_mut(index) {
                *free = false;
            }
        }
        let mut heap: BinaryHeap<Entry> = (0..self.items.len())
            .filter(|&index| is_free.get(index).copied().unwrap_or(false))
            .map(|index| Entry { gain: f32::MAX, index: Reverse(index), round: usize::MAX })
            .collect();
        let (mut left, mut order) = (budget, Vec::new());
        while let Some(entry) = heap.pop() {
            let Reverse(index) = entry.index;
            let cost = self.cost(index, &state);
            // What was looked at again is there twice.
            if !is_free.get(index).copied().unwrap_or(false) || cost > left {
                continue;
            }
            if entry.round != order.len() {
                let gain = self.gain(index, &mut state);
                heap.push(Entry { gain, index: entry.index, round: order.len() });
                continue;
            }
            left -= cost;
            let begun = self.take(index, &mut state);
            order.push(index);
            if let Some(free) = is_free.get_mut(index) {
                *free = false;
            }
            for &other in begun {
                if is_free.get(other).copied().unwrap_or(false) {
                    let gain = self.gain(other, &mut state);
                    heap.push(Entry { gain, index: Reverse(other), round: order.len() });
                }
            }
        }
        order
    }

    fn nothing_taken(&self) -> State {
        State {
            texts: vec![0.0; self.surprise.len()],
            is_taken: vec![false; self.items.len()],
            chosen: Vec::new(),
            nearest: vec![(0.0, 0); self.items.len()],
            begun: HashSet::new(),
        }
    }

    /// What a text costs beside what was taken; more than any budget for what does not exist.
    fn cost(&self, index: usize, state: &State) -> usize {
        let Some(item) = self.items.get(index) else { return usize::MAX };
        let opening = item.line.filter(|line| !state.begun.contains(&line.number)).map_or(0, |line| line.cost);
        item.cost.saturating_add(opening)
    }

    fn gain(&self, index: usize, state: &mut State) -> f32 {
        let Some(item) = self.items.get(index) else { return 0.0 };
        let said: f32 = item
            .terms
            .iter()
            .map(|(term, share)| {
                share * self.surprise(*term) * worn(state.texts.get(*term).copied().unwrap_or_default())
            })
            .sum();
        let novelty = match (&self.rows, state.nearest.get_mut(index)) {
            (Some(rows), Some((nearest, seen))) if index < rows.nrows() => {
                for &other in state.chosen.get(*seen..).unwrap_or_default() {
                    *nearest = rows.row(index).dot(&rows.row(other)).max(*nearest);
                }
                *seen = state.chosen.len();
                1.0 - NOVELTY * nearest.clamp(0.0, 1.0)
            }
            _ => 1.0,
        };
        let repeated = if state.is_taken.get(item.twin) == Some(&true) { REPEATED } else { 1.0 };
        item.factor * said * novelty * repeated / self.cost(index, state) as f32
    }

    /// Takes a text. Returns those of its line when it is the first of it: they cost less from now on.
    fn take(&self, index: usize, state: &mut State) -> &[usize] {
        let Some(item) = self.items.get(index) else { return &[] };
        for (term, share) in &item.terms {
            if let Some(texts) = state.texts.get_mut(*term) {
                *texts += share;
            }
        }
        if let Some(is_taken) = state.is_taken.get_mut(item.twin) {
            *is_taken = true;
        }
        if self.rows.as_ref().is_some_and(|rows| index < rows.nrows()) {
            state.chosen.push(index);
        }
        match item.line {
            Some(line) if state.begun.insert(line.number) => self.lines.get(&line.number).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    fn surprise(&self, term: usize) -> f32 {
        self.surprise.get(term).copied().unwrap_or_default()
    }
}

/// What was taken so far.
struct State {
    /// How many taken texts have each term.
    texts: Vec<f32>,
    /// Of which twins one was taken.
    is_taken: Vec<bool>,
    /// What was taken, where there are vectors.
    chosen: Vec<usize>,
    /// For each text the largest cosine with the first so many of `chosen`.
    nearest: Vec<(f32, usize)>,
    /// Of which lines one was taken.
    begun: HashSet<usize>,
}

struct Entry {
    gain: f32,
    index: Reverse<usize>,
    /// How many were taken when the gain was computed.
    round: usize,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

fn factor(text: &str, statements: &str, details: &Details, finder: &Finder) -> f32 {
    let found = finder.find(statements);
    let open = finder.find(text).open;
    let cues = [
        (found.first_person, WORTH.first_person),
        (found.time, WORTH.time),
        (found.number || !details.numbers.is_empty(), WORTH.number),
        (found.decision, WORTH.decision),
        (found.important, WORTH.important),
        (open, WORTH.open),
    ];
    let entities = details.entities.len().min(ENTITIES) as f32 * WORTH.entity;
    1.0 + entities + cues.iter().filter(|(is_there, _)| *is_there).map(|(_, worth)| worth).sum::<f32>()
}

/// How near each row is to all of them, from 0 (the farthest) to 1 (the nearest).
fn centralities(rows: &Array2<f32>) -> Vec<f32> {
    let Some(mean) = rows.mean_axis(ndarray::Axis(0)) else { return Vec::new() };
    let near: Vec<f32> = rows.outer_iter().map(|row| row.dot(&mean)).collect();
    let least = near.iter().copied().fold(f32::INFINITY, f32::min);
    let most = near.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let spread = if most > least { most - least } else { 1.0 };
    near.into_iter().map(|value| (value - least) / spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cues;

    fn choose(texts: &[&str], taken: &[usize], budget: usize) -> Vec<usize> {
        let candidates: Vec<_> =
            texts.iter().map(|text| Candidate { text, cost: 10, weight: 1.0, line: None }).collect();
        Salience::new(&candidates, &Finder::new(&Cues::default()), None).choose(taken, budget)
    }

    #[test]
    fn facts_come_before_small_talk_and_repetition() {
        let texts = [
            "Wow, that sounds great!",
            "I moved to Oslo on 3 May 2021.",
            "How are you?",
            "I moved to Oslo on 3 May 2021.",
            "The boat needs a new mast.",
        ];
        assert_eq!(choose(&texts, &[], 20), [1, 4]);
        assert_eq!(choose(&texts, &[1], 10), [4], "what was taken need not be said again");
        assert_eq!(choose(&texts, &[], 9), [0; 0]);
        assert_eq!(choose(&texts, &[], 999).len(), 5);
        assert_eq!(choose(&[], &[], 5), [0; 0]);
    }

    #[test]
    fn people_are_heard_before_models() {
        assert!(["user", "Nora", "Assistant Professor"].iter().all(|name| voice(name) == PERSON));
        assert!(["assistant", "tool", "system"].iter().all(|name| voice(name) == 1.0));
    }

    /// Beside a text that was taken, the next one of its line is worth more than the same text in another line.
    #[test]
    fn a_line_is_paid_once() {
        let line = |number| Some(Line { number, cost: 6 });
        let texts = ["I moved to Oslo in 2021.", "The mast is broken.", "The sail is torn."];
        let chosen = |lines: [Option<Line>; 3]| {
            let candidates: Vec<_> =
                texts.iter().zip(lines).map(|(text, line)| Candidate { text, cost: 5, weight: 1.0, line }).collect();
            Salience::new(&candidates, &Finder::new(&Cues::default()), None).choose(&[], 16)
        };
        assert_eq!(chosen([line(0), line(1), line(0)]), [0, 2]);
        assert_eq!(chosen([line(0), line(0), line(1)]), [0, 1]);
        assert_eq!(chosen([line(0), line(1), line(2)]), [0]);
        assert_eq!(chosen([None; 3]).len(), 3);
    }

    /// The lazy choice is the choice of looking at every candidate in every round.
    #[test]
    fn lazy_is_greedy() {
        let words = ["boat", "mast", "sail", "rope", "Oslo", "I", "tree", "wind", "12", "rain"];
        let texts: Vec<String> = (0..40usize)
            .map(|i| (0..4).map(|j| words[(i * 7 + j * (i + 3)) % words.len()]).collect::<Vec<_>>().join(" "))
            .collect();
        let line = |i: usize| Some(Line { number: i / 3, cost: 2 }).filter(|_| !i.is_multiple_of(7));
        let candidate = |(i, text)| Candidate { text, cost: 3 + i % 5, weight: 1.0, line: line(i) };
        let candidates: Vec<_> = texts.iter().map(String::as_str).enumerate().map(candidate).collect();
        let salience = Salience::new(&candidates, &Finder::new(&Cues::default()), None);
        let budget = 70;
        let mut state = salience.nothing_taken();
        let (mut left, mut expected) = (budget, Vec::new());
        loop {
            let fits = |index: &usize| !expected.contains(index) && salience.cost(*index, &state) <= left;
            let fitting: Vec<usize> = (0..40).filter(fits).collect();
            let gains = fitting.into_iter().map(|index| (salience.gain(index, &mut state), index));
            let Some((_, index)) = gains.reduce(|best, next| if next.0 > best.0 { next } else { best }) else { break };
            left -= salience.cost(index, &state);
            salience.take(index, &mut state);
            expected.push(index);
        }
        assert_eq!(salience.choose(&[], budget), expected);
    }
}
