//! Bars: how full a budget is, how good a score.

use mnemon::{Block, Manifest};

use super::{Output, style};

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The blocks of a context, in the order in which they stand in it.
pub(crate) const BLOCKS: [Block; 5] = [Block::Pinned, Block::Summary, Block::Recalled, Block::Recent, Block::Input];

/// The tokens of each block that is in the context. They add up to the tokens of the whole: what pieces counted alone
/// come to is scaled to it.
pub(crate) fn block_tokens(manifest: &Manifest) -> Vec<(Block, usize)> {
    let alone =
        |block| -> usize { manifest.included().filter(|item| item.block == block).map(|item| item.tokens).sum() };
    let sum: usize = BLOCKS.into_iter().map(alone).sum();
    let (mut so_far, mut given) = (0, 0);
    let mut blocks = Vec::new();
    for block in BLOCKS {
        let tokens = alone(block);
        if tokens > 0 {
            so_far += tokens;
            let until = (so_far as u128 * manifest.tokens as u128 / sum.max(1) as u128) as usize;
            blocks.push((block, until - given));
            given = until;
        }
    }
    blocks
}

/// The budget as a bar of so many columns, one shape and colour for each block.
pub(crate) fn budget_bar(out: &Output, manifest: &Manifest, columns: usize) -> String {
    let cells = columns.saturating_sub(2).max(1);
    let mut bar = String::from("▕");
    let (mut tokens, mut drawn) = (0, 0);
    for (block, of_block) in block_tokens(manifest) {
        tokens += of_block;
        let until = (tokens * cells).div_ceil(manifest.budget.max(1)).min(cells);
        let (color, shape) = style::of_block(block);
        bar.push_str(&out.paint(color, shape.to_string().repeat(until - drawn)));
        drawn = until;
    }
    bar.push_str(&out.dim("░".repeat(cells - drawn)));
    bar.push('▏');
    bar
}

/// A score from 0 to 1 as a bar of so many columns.
pub(crate) fn score_bar(score: f32, columns: usize) -> String {
    let eighths = (f64::from(score.clamp(0.0, 1.0)) * columns as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    let mut used = eighths / 8;
    if let Some(part) = EIGHTHS.get(eighths % 8).filter(|part| **part != ' ') {
        bar.push(*part);
        used += 1;
    }
    bar.push_str(&" ".repeat(columns.saturating_sub(used)));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_fills_its_columns() {
        assert_eq!(score_bar(0.0, 4), "    ");
        assert_eq!(score_bar(1.0, 4), "████");
        assert_eq!(score_bar(0.5, 4), "██  ");
        assert_eq!(score_bar(0.53, 4), "██▏ ");
        assert_eq!(score_bar(f32::NAN, 4), "    ");
        assert_eq!(score_bar(7.0, 2), "██");
    }
}
