//! What stands in the `content` of a message, which is nearly the same in both shapes.

use mnemon::TokenCounter;
use serde_json::value::RawValue;

use super::ChatError;
use super::cost::marks;
use super::raw::{Fields, Reader};

/// The most that OpenAI charges for an image in high detail: 85 tokens and 170 for each of six tiles.
const OPENAI_IMAGE: usize = 1_105;
/// What it charges for one in low detail.
const OPENAI_LOW_IMAGE: usize = 85;
/// The most that Anthropic charges for an image: 1,568 pixels on the long edge, a token for each 750.
const ANTHROPIC_IMAGE: usize = 1_600;
/// An estimate, as only the provider knows: a page of a PDF is 1,500 to 3,000 tokens, and most often 70 to 130 kB in base64.
const FILE_BYTES_PER_TOKEN: usize = 48;
/// OpenAI charges 10 tokens for a second of speech, which is 10 kB in base64 as an MP3 of 64 kbit/s and more as a WAV.
const SOUND_BYTES_PER_TOKEN: usize = 1_000;

/// What stands in a `content`.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    Nothing,
    Text(String),
    Parts(Vec<Part<'a>>),
}

/// A part of a content: a text, an image, a call.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) raw: &'a RawValue,
    pub(super) fields: Fields<'a>,
    /// Its `type`.
    pub(super) kind: String,
    /// What it says, where it is a text.
    text: Option<String>,
    /// The number of the call that it is, among those of its message.
    pub(super) call: Option<usize>,
}

impl<'a> Content<'a> {
    pub(super) fn read(value: Option<&'a RawValue>, path: &str, reader: Reader<'a>) -> Result<Self, ChatError> {
        let Some(value) = value else { return Ok(Self::Nothing) };
        match value.get().bytes().next() {
            Some(b'"') => Ok(Self::Text(reader.string(value, path)?)),
            Some(b'[') => {
                let parts = reader.array(value, path)?;
                let parts = parts.into_iter().enumerate();
                parts
                    .map(|(at, part)| Part::read(part, &format!("{path}[{at}]"), reader))
                    .collect::<Result<_, _>>()
                    .map(Self::Parts)
            }
            _ => Err(reader.wrong(value, path, "a string or an array")),
        }
    }

    pub(super) fn parts(&self) -> &[Part<'a>] {
        match self {
            Self::Parts(parts) => parts,
            _ => &[],
        }
    }

    /// What it says, and of what is no text what it is and costs; calls are told elsewhere.
    pub(super) fn words(&self, counter: &dyn TokenCounter) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                let words = parts.iter().filter(|part| part.call.is_none()).map(|part| part.words(counter));
                let words: Vec<String> = words.filter(|words| !words.is_empty()).collect();
                words.join("\n")
            }
        }
    }
}

impl<'a> Part<'a> {
    fn read(raw: &'a RawValue, path: &str, reader: Reader<'a>) -> Result<Self, ChatError> {
        let fields = reader.object(raw, path)?;
        let kind = reader.field(&fields, "type", raw, path)?;
        let text = match kind.as_str() {
            "text" | "refusal" => Some(reader.field(&fields, &kind, raw, path)?),
            _ => None,
        };
        Ok(Self { raw, fields, kind, text, call: None })
    }

    /// What a model thought. It belongs to the very message that it stands in.
    pub(super) fn is_thought(&self) -> bool {
        matches!(self.kind.as_str(), "thinking" | "redacted_thinking")
    }

    fn words(&self, counter: &dyn TokenCounter) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let bytes = self.raw.get().len();
        let (label, tokens) = match self.kind.as_str() {
            "image_url" if self.setting("image_url", "detail").as_deref() == Some("low") => {
                ("[image]", OPENAI_LOW_IMAGE)
            }
            "image_url" => ("[image]", OPENAI_IMAGE),
            "image" => ("[image]", ANTHROPIC_IMAGE),
            "input_audio" => ("[sound]", bytes / SOUND_BYTES_PER_TOKEN),
            "file" => ("[file]", bytes / FILE_BYTES_PER_TOKEN),
            "document" if self.setting("source", "type").as_deref() == Some("base64") => {
                ("[file]", bytes / FILE_BYTES_PER_TOKEN)
            }
            "document" => ("[file]", counter.count(self.raw.get())),
            // Thoughts, or what a tool of the provider's own found: JSON that the model reads.
            _ => ("", counter.count(self.raw.get())),
        };
        format!("{label}{}", marks(tokens))
    }

    /// A string inside of one of its fields.
    fn setting(&self, field: &str, name: &str) -> Option<String> {
        let inner: Fields<'a> = serde_json::from_str(self.fields.get(field)?.get()).ok()?;
        serde_json::from_str(inner.get(name)?.get()).ok()
    }
}
