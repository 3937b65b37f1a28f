//! A packed context: how full it is, what went in, what did not and why.

use std::collections::HashMap;
use std::io;

use mnemon::{Block, Context, Fate, Item, Manifest, SessionId, Timings};

use super::bar::block_tokens;
use super::{Entry, Output, budget_bar, count, cut, milliseconds, pad, pad_left, plural, safe_line, style, width};

/// How a context is shown.
pub(crate) struct Packed<'a> {
    pub(crate) context: &'a Context,
    pub(crate) names: &'a HashMap<SessionId, String>,
    /// At most so many items of what went in.
    pub(crate) rows: usize,
    /// Also list what was left out.
    pub(crate) with_dropped: bool,
    /// Mark these items, by the id of their origin.
    pub(crate) marked: &'a [String],
}

/// At this width and above a table has room for dates and tokens.
const WIDE: usize = 80;

pub(crate) fn show(out: &mut Output, packed: &Packed<'_>) -> io::Result<()> {
    let manifest = packed.context.manifest();
    show_bar(out, manifest)?;
    let mut rows: Vec<&Item> = manifest.included().filter(|item| item.block != Block::Input).collect();
    // The newest turn is considered first and read last.
    let recent = rows.partition_point(|item| item.block < Block::Recent);
    if let Some(recent) = rows.get_mut(recent..) {
        recent.reverse();
    }
    let shown = choose(&rows, packed.rows, packed.marked);
    show_table(out, &shown, packed)?;
    if shown.len() < rows.len() {
        let rest: usize = rows.len() - shown.len();
        out.line(out.dim(format!("  … and {} more", count(rest as u64))))?;
    }
    show_dropped(out, manifest, packed)?;
    show_footer(out, manifest, packed.context.timings())
}

/// The first rows, and those further down that are marked.
fn choose<'a>(rows: &[&'a Item], limit: usize, marked: &[String]) -> Vec<&'a Item> {
    let further = rows.iter().skip(limit).filter(|item| is_marked(item, marked));
    rows.iter().take(limit).chain(further).copied().collect()
}

pub(crate) fn is_marked(item: &Item, marked: &[String]) -> bool {
    let origin = item.source.as_ref().and_then(|source| source.origin.as_ref());
    origin.is_some_and(|origin| marked.contains(&origin.id))
}

fn show_bar(out: &mut Output, manifest: &Manifest) -> io::Result<()> {
    let sum = format!("{} / {} tokens", count(manifest.tokens as u64), count(manifest.budget as u64));
    let columns = (out.width.saturating_sub(width(&sum) + 3)).min(60);
    out.line(format!("  {} {}", budget_bar(out, manifest, columns), out.bold(sum)))?;
    let mut parts: Vec<String> = block_tokens(manifest)
        .into_iter()
        .map(|(block, tokens)| {
            let (color, shape) = style::of_block(block);
            format!("{} {} {}", out.paint(color, shape), block_name(block), count(tokens as u64))
        })
        .collect();
    let free = manifest.budget - manifest.tokens.min(manifest.budget);
    parts.push(out.dim(format!("░ free {}", count(free as u64))));
    out.line(format!("  {}", parts.join("  ")))
}

fn show_table(out: &mut Output, items: &[&Item], packed: &Packed<'_>) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let rows: Vec<(&Item, Entry)> = items
        .iter()
        .filter_map(|item| Some((*item, Entry::of_source(item.source.as_ref()?, &item.text, packed.names))))
        .collect();
    let is_wide = out.width >= WIDE;
    let widest = |of: fn(&Entry) -> &str, most: usize| {
        rows.iter().map(|(_, entry)| width(of(entry))).max().unwrap_or(0).clamp(4, most)
    };
    let who = widest(|entry| &entry.who, if is_wide { 14 } else { 9 });
    let from = widest(|entry| &entry.from, if is_wide { 14 } else { 8 });
    let mut heading = vec!["    ".to_owned(), "score".to_owned()];
    if is_wide {
        heading.extend(["tokens".to_owned(), pad("date", 10)]);
    }
    heading.extend([pad("who", who), pad("from", from), "text".to_owned()]);
    out.line(out.dim(heading.join(" ")))?;
    for (item, entry) in &rows {
        let (color, shape) = style::of_block(item.block);
        let is_marked = is_marked(item, packed.marked);
        let mark = if is_marked { out.paint(style::GOOD, "✓") } else { " ".to_owned() };
        let mut cells = vec![format!("{mark} {} ", out.paint(color, shape))];
        cells.push(pad_left(&item.score.map(|score| format!("{score:.2}")).unwrap_or_default(), 5));
        if is_wide {
            cells.push(pad_left(&count(item.tokens as u64), 6));
            cells.push(out.dim(&entry.date));
        }
        cells.push(out.paint(style::NAME, pad(&entry.who, who)));
        cells.push(out.dim(pad(&entry.from, from)));
        let used = 4 + 1 + 5 + 1 + who + 1 + from + 1 + if is_wide { 6 + 1 + 10 + 1 } else { 0 };
        let fate = fate_name(item.fate).map(|fate| format!("{fate}: ")).unwrap_or_default();
        let text = cut(&format!("{fate}{}", entry.text), out.width.saturating_sub(used));
        cells.push(if is_marked { out.bold(text) } else { text });
        out.line(cells.join(" "))?;
    }
    Ok(())
}

fn show_dropped(out: &mut Output, manifest: &Manifest, packed: &Packed<'_>) -> io::Result<()> {
    let dropped: Vec<&Item> = manifest.dropped().collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let why: Vec<String> = [Fate::OverBudget, Fate::OverShare]
        .into_iter()
        .filter_map(|fate| {
            let number = dropped.iter().filter(|item| item.fate == fate).count();
            (number > 0).then(|| format!("{} {}", count(number as u64), fate_name(fate).unwrap_or_default()))
        })
        .collect();
    let total = plural(dropped.len() as u64, "memory", "memories");
    let line = match why.as_slice() {
        [_] => {
            format!("  left out {total}, {}", dropped.first().and_then(|item| fate_name(item.fate)).unwrap_or_default())
        }
        _ => format!("  left out {total}: {}", why.join(", ")),
    };
    out.line(out.dim(line))?;
    if packed.with_dropped { show_table(out, &dropped, packed) } else { Ok(()) }
}

fn show_footer(out: &mut Output, manifest: &Manifest, timings: Timings) -> io::Result<()> {
    if let Some(degraded) = &manifest.degraded {
        out.line(out.paint(style::WARN, format!("  note: {}", safe_line(&degraded.to_string()))))?;
    }
    let (recall, total) = (milliseconds(timings.recall_us), milliseconds(timings.total_us));
    let footer = format!("  built in {total}, of which recall {recall} · tokens of {}", safe_line(&manifest.tokenizer));
    out.line(out.dim(cut(&footer, out.width)))
}

pub(crate) fn block_name(block: Block) -> &'static str {
    match block {
        Block::Pinned => "pinned",
        Block::Summary => "summary",
        Block::Recalled => "recalled",
        Block::Recent => "recent",
        _ => "input",
    }
}

fn fate_name(fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Included => None,
        Fate::OverShare => Some("over the share of their block"),
        _ => Some("over the budget"),
    }
}
