//! Packing: whole items under a budget.
//!
//! Items are offered in the order of their worth and taken while they fit. A block that could fill the prompt alone has
//! a share; what it leaves is for the others, and what they leave goes back to the recent turns at the end.

use std::collections::HashSet;

use mnemon_core::{Memory, Placement, TokenCounter};
use mnemon_long_term::{Hit, Signals};
use mnemon_store::{RowId, SummaryRow, WindowRow};

use super::manifest::Source;
use super::render::{self, Content, Group};
use super::{Block, ChatMessage, Fate, Item};
use crate::Error;

/// What a chat format puts around each message, and before the answer, in tokens: as OpenAI documents it for its models,
/// others use less.
const MESSAGE_FRAME: usize = 4;
const ANSWER_FRAME: usize = 3;
/// Pinned memories may take half of what the input leaves, recent turns half of what is left then.
const SHARE: usize = 2;
/// Summaries may take an eighth of what pinned memories leave: they tell what it was about, and what matters is recalled word
/// for word.
const SUMMARY_SHARE: usize = 8;

/// A context that grows.
pub(super) struct Pack<'a> {
    counter: &'a dyn TokenCounter,
    budget: usize,
    input: &'a str,
    input_tokens: usize,
    /// Tokens of what is in, each piece counted alone.
    used: usize,
    entries: Vec<Entry<'a>>,
    groups: HashSet<Group>,
}

/// A context that is done.
pub(super) struct Packed {
    pub(super) text: String,
    pub(super) messages: Vec<ChatMessage>,
    pub(super) tokens: usize,
    pub(super) items: Vec<Item>,
    /// The turns of the window that are in, as recent or as relevant.
    pub(super) accessed: Vec<RowId>,
    /// Everything that was recalled and is in.
    pub(super) used: Vec<RowId>,
}

struct Entry<'a> {
    block: Block,
    fate: Fate,
    row: RowId,
    memory: &'a Memory,
    /// As it stands in the context.
    line: String,
    tokens: usize,
    score: Option<f32>,
    signals: Option<Signals>,
}

impl<'a> Pack<'a> {
    /// A context of the input alone.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`] when that is too much.
    pub(super) fn new(counter: &'a dyn TokenCounter, budget: usize, input: &'a str) -> Result<Self, Error> {
        let alone = Content { input, ..Content::default() };
        let (text, messages) = alone.render();
        let needed = tokens(counter, &text, &messages);
        if needed > budget {
            return Err(Error::BudgetTooSmall { needed, budget });
        }
        let (entries, groups) = (Vec::new(), HashSet::new());
        Ok(Self { counter, budget, input, input_tokens: needed, used: needed, entries, groups })
    }

    pub(super) fn offer_pinned(&mut self, pinned: &'a [(RowId, Memory)]) {
        let limit = self.used + (self.budget - self.used) / SHARE;
        for (row, memory) in pinned {
            let line = render::pinned_line(memory);
            let mut tokens = self.line(&line);
            if self.is_first(Block::Pinned) {
                tokens += self.line(render::PINNED) + MESSAGE_FRAME;
            }
            let fate = self.take(tokens, limit);
            self.entries.push(Entry {
                block: Block::Pinned,
                fate,
                row: *row,
                memory,
                line,
                tokens,
                score: None,
                signals: None,
            });
        }
    }

    /// What stands for turns that left the window. Those that stand for most turns are worth most, of equal ones the newer.
    pub(super) fn offer_summaries(&mut self, summaries: &'a [SummaryRow]) {
        let limit = self.used + (self.budget - self.used) / SUMMARY_SHARE;
        let mut ranked: Vec<&SummaryRow> = summaries.iter().collect();
        ranked.sort_by_key(|summary| std::cmp::Reverse((summary.depth, summary.row)));
        for SummaryRow { row, memory, .. } in ranked {
            let line = render::summary_line(memory);
            let mut tokens = self.line(&line);
            if self.is_first(Block::Summary) {
                tokens += self.line(render::SUMMARY) + MESSAGE_FRAME;
            }
            let fate = self.take(tokens, limit);
            let (block, row) = (Block::Summary, *row);
            self.entries.push(Entry { block, fate, row, memory, line, tokens, score: None, signals: None });
        }
    }

    /// The last turns, in the order of the conversation. The newest are worth most, and there are no gaps: where one
    /// does not fit, the ones before it do not go in either.
    pub(super) fn offer_recent(&mut self, recent: &'a [WindowRow]) {
        let limit = self.used + (self.budget - self.used) / SHARE;
        if !recent.is_empty() {
            self.used += self.line(render::RECENT);
        }
        let mut full = false;
        for row in recent.iter().rev() {
            let line = render::recent_line(&row.memory);
            let tokens = self.line(&line) + MESSAGE_FRAME;
            let fate = if full { Fate::OverShare } else { self.take(tokens, limit) };
            full |= fate != Fate::Included;
            let memory = &row.memory;
            let (block, row) = (Block::Recent, row.row);
            self.entries.push(Entry { block, fate, row, memory, line, tokens, score: None, signals: None });
        }
    }

    /// What was recalled, the best first.
    pub(super) fn offer_recalled(&mut self, hits: &'a [Hit]) {
        for hit in hits {
            let line = render::recalled_line(&hit.memory);
            let mut tokens = self.line(&line);
            let group = Group::of(&hit.memory);
            if !self.groups.contains(&group) {
                tokens += self.line(&render::date_line(hit.memory.time()));
            }
            if self.is_first(Block::Recalled) {
                tokens += self.line(render::RECALLED) + MESSAGE_FRAME;
            }
            let fate = self.take(tokens, self.budget);
            if fate == Fate::Included {
                self.groups.insert(group);
            }
            self.entries.push(Entry {
                block: Block::Recalled,
                fate,
                row: hit.row,
                memory: &hit.memory,
                line,
                tokens,
                score: Some(hit.score),
                signals: Some(hit.signals),
            });
        }
    }

    /// Turns that complete an exchange with what was recalled. They take only what nothing else needs: on conversations
    /// with many answers to a question, room for neighbours at the cost of hits loses evidence.
    pub(super) fn offer_beside(&mut self, beside: &'a [(RowId, Memory)]) {
        for (row, memory) in beside {
            let known = self.entries.iter().any(|entry| entry.row == *row);
            if known || !self.groups.contains(&Group::of(memory)) {
                continue;
            }
            let line = render::recalled_line(memory);
            let tokens = self.line(&line);
            if self.take(tokens, self.budget) == Fate::Included {
                let (block, fate, row) = (Block::Recalled, Fate::Included, *row);
                self.entries.push(Entry { block, fate, row, memory, line, tokens, score: None, signals: None });
            }
        }
    }

    /// Tokens that nothing has taken.
    pub(super) fn room(&self) -> usize {
        self.budget.saturating_sub(self.used)
    }

    /// The rows that are in.
    pub(super) fn shown_rows(&self) -> Vec<RowId> {
        self.entries.iter().filter(|entry| entry.fate == Fate::Included).map(|entry| entry.row).collect()
    }

    /// Makes sure of the budget: pieces counted alone are not always more than the whole, so the whole is counted too, and
    /// the least worthy items leave until it fits.
    pub(super) fn finish(mut self) -> Packed {
        let (text, messages, total) = loop {
            let (text, messages) = self.content().render();
            let total = tokens(self.counter, &text, &messages);
            if total <= self.budget || !self.drop_least() {
                break (text, messages, total);
            }
        };
        let shown = self.entries.iter().filter(|entry| entry.fate == Fate::Included && entry.is_in_window());
        let accessed = shown.map(|entry| entry.row).collect();
        let is_used = |entry: &&Entry<'_>| entry.fate == Fate::Included && entry.block == Block::Recalled;
        let used = self.entries.iter().filter(is_used).map(|entry| entry.row).collect();
        self.entries.sort_by_key(|entry| entry.block);
        let input = Item {
            block: Block::Input,
            fate: Fate::Included,
            tokens: self.input_tokens,
            score: None,
            signals: None,
            source: None,
            text: self.input.to_owned(),
        };
        let items = self.entries.into_iter().map(Entry::into_item).chain([input]).collect();
        Packed { text, messages, tokens: total, items, accessed, used }
    }

    /// Gives what is left to the recent turns.
    pub(super) fn fill_with_recent(&mut self) {
        let shown: HashSet<RowId> = self.shown_rows().into_iter().collect();
        let mut room = self.room();
        let waiting = self.entries.iter_mut().filter(|entry| entry.block == Block::Recent);
        for entry in waiting.filter(|entry| entry.fate != Fate::Included) {
            // It may have come back as relevant; then a turn before it may still go in without it.
            if shown.contains(&entry.row) {
                continue;
            }
            if entry.tokens > room {
                break;
            }
            room -= entry.tokens;
            entry.fate = Fate::Included;
        }
        self.used = self.budget - room;
    }

    fn content(&self) -> Content<'_> {
        let of = |block| {
            let inside = self.entries.iter().filter(move |e| e.block == block && e.fate == Fate::Included);
            inside.map(|entry| (entry.memory, entry.line.as_str()))
        };
        let mut recent: Vec<_> = of(Block::Recent).collect();
        recent.reverse();
        let pinned = of(Block::Pinned).map(|(_, line)| line).collect();
        let mut summaries: Vec<_> = of(Block::Summary).collect();
        summaries.sort_by_key(|(memory, _)| (memory.time(), memory.id));
        let summaries = summaries.into_iter().map(|(_, line)| line).collect();
        Content { pinned, summaries, recalled: of(Block::Recalled).collect(), recent, input: self.input }
    }

    /// Takes out the least worthy item: recalled before summaries before recent before pinned, and of each the last that went in. False
    /// when nothing but the input is left.
    fn drop_least(&mut self) -> bool {
        let last = |entries: &[Entry<'_>], block| {
            entries.iter().rposition(|entry| entry.block == block && entry.fate == Fate::Included)
        };
        let least = [Block::Recalled, Block::Summary, Block::Recent, Block::Pinned]
            .into_iter()
            .find_map(|b| last(&self.entries, b));
        match least.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => {
                entry.fate = Fate::OverBudget;
                true
            }
            None => false,
        }
    }

    fn take(&mut self, tokens: usize, limit: usize) -> Fate {
        match self.used.checked_add(tokens) {
            Some(used) if used <= limit => {
                self.used = used;
                Fate::Included
            }
            Some(used) if used <= self.budget => Fate::OverShare,
            _ => Fate::OverBudget,
        }
    }

    fn is_first(&self, block: Block) -> bool {
        !self.entries.iter().any(|entry| entry.block == block && entry.fate == Fate::Included)
    }

    /// The tokens of a line with its break.
    fn line(&self, line: &str) -> usize {
        self.counter.count(line) + 1
    }
}

impl Entry<'_> {
    fn is_in_window(&self) -> bool {
        self.memory.turn.as_ref().is_some_and(|turn| turn.placement == Placement::Window)
    }

    fn into_item(self) -> Item {
        Item {
            block: self.block,
            fate: self.fate,
            tokens: self.tokens,
            score: self.score,
            signals: self.signals,
            source: Some(Source::of(self.memory)),
            text: self.memory.text.clone(),
        }
    }
}

/// The tokens of a context: of its text or of its messages, whichever are more.
fn tokens(counter: &dyn TokenCounter, text: &str, messages: &[ChatMessage]) -> usize {
    let contents: usize = messages.iter().map(|message| counter.count(&message.content)).sum();
    counter.count(text).max(contents + messages.len() * MESSAGE_FRAME + ANSWER_FRAME)
}
