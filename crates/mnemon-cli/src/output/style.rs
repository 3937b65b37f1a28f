//! Colours. Each is one of the 16 of the terminal, so that they fit its theme.

use anstyle::{AnsiColor, Color, Style};
use mnemon::Block;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = of(AnsiColor::Green);
pub(crate) const WARN: Style = of(AnsiColor::Yellow);
pub(crate) const BAD: Style = of(AnsiColor::Red).bold();
pub(crate) const NAME: Style = of(AnsiColor::Cyan);
/// A piece of text that matters.
pub(crate) const MARK: Style = of(AnsiColor::Black).bg_color(Some(Color::Ansi(AnsiColor::Yellow)));

/// The colour of a block of a context, and what draws it: the shapes differ too, for those who see no colours.
pub(crate) fn of_block(block: Block) -> (Style, char) {
    match block {
        Block::Pinned => (of(AnsiColor::Magenta), '▚'),
        Block::Summary => (of(AnsiColor::Blue), '▞'),
        Block::Recalled => (of(AnsiColor::Cyan), '▓'),
        Block::Recent => (of(AnsiColor::Green), '▒'),
        _ => (of(AnsiColor::Yellow), '█'),
    }
}

const fn of(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}
