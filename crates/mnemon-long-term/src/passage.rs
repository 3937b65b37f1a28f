//! What of a memory is embedded.

use std::borrow::Cow;

use mnemon_core::{Memory, NewMemory, NewTurn};

/// The text that stands for a memory in the space of meanings: who said it, what was said, what was shown with it.
/// On conversations of two people this finds nearly twice what the bare text finds (recall@10 51.0 against 29.1 on
/// LoCoMo 0-4), because questions name people.
pub(crate) fn passage<'a>(speaker: Option<&str>, text: &'a str, caption: Option<&str>) -> Cow<'a, str> {
    match (speaker, caption) {
        (None, None) => Cow::Borrowed(text),
        (Some(speaker), None) => Cow::Owned(format!("{speaker}: {text}")),
        (None, Some(caption)) => Cow::Owned(format!("{text} [{caption}]")),
        (Some(speaker), Some(caption)) => Cow::Owned(format!("{speaker}: {text} [{caption}]")),
    }
}

pub(crate) fn of_turn(turn: &NewTurn) -> Cow<'_, str> {
    passage(turn.speaker.as_deref(), &turn.text, turn.caption.as_deref())
}

pub(crate) fn of_new(new: &NewMemory) -> Cow<'_, str> {
    passage(None, &new.text, new.caption.as_deref())
}

/// Of a memory that is stored. The same as when it was new, so that embedding it later gives the same vector.
pub(crate) fn of_memory(memory: &Memory) -> Cow<'_, str> {
    let speaker = memory.turn.as_ref().and_then(|turn| turn.speaker.as_deref());
    passage(speaker, &memory.text, memory.caption.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_part_of_the_passage() {
        assert_eq!(passage(None, "hi", None), "hi");
        assert_eq!(passage(Some("Ann"), "look", Some("a cat")), "Ann: look [a cat]");
        assert_eq!(passage(None, "look", Some("a cat")), "look [a cat]");
    }
}
