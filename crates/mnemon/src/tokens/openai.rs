//! The vocabularies of OpenAI's models.

use bpe_openai::Tokenizer;
use mnemon_core::TokenCounter;

use super::known::Known;
use super::split::Split;

thread_local! {
    static O200K: Known = const { Known::new() };
    static CL100K: Known = const { Known::new() };
}

/// Counts exactly what tiktoken's `encode_ordinary` would return; a special token's name, such as `<|endoftext|>`, is
/// counted as the text that it is.
///
/// The vocabulary is part of the binary. It is unpacked at the first count of the process (o200k about 50 ms, cl100k
/// about 20 ms) and then shared. A count takes time linear in the text, on a word of a million letters too: about 3 ns a
/// byte of plain English. Each thread that counts keeps 128 KiB of pieces that it has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenAiCounter {
    /// GPT-4o and everything since.
    O200kBase,
    /// GPT-4, GPT-3.5 and the embedding models of their time.
    Cl100kBase,
}

impl TokenCounter for OpenAiCounter {
    fn name(&self) -> &str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
        }
    }

    fn count(&self, text: &str) -> usize {
        match self {
            Self::O200kBase => O200K.with(|known| count(bpe_openai::o200k_base(), Split::O200k, known, text)),
            Self::Cl100kBase => CL100K.with(|known| count(bpe_openai::cl100k_base(), Split::Cl100k, known, text)),
        }
    }
}

/// As [`Tokenizer::count`] for a vocabulary that normalises nothing, which neither of these does.
fn count(tokenizer: &Tokenizer, split: Split, known: &Known, text: &str) -> usize {
    let mut tokens = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let length = split.first(rest.as_bytes()).or_else(|| tokenizer.split(rest).next().map(str::len));
        // The patterns leave nothing out, and no piece is empty.
        let behind = length.filter(|length| *length > 0).and_then(|length| Some((length, rest.get(length..)?)));
        let Some((length, behind)) = behind else { return tokens + tokenizer.count(rest) };
        tokens += known.count(rest.as_bytes(), length, |piece| tokenizer.bpe.count(piece));
        rest = behind;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that a failing text can be made again from its seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as usize) % bound
        }

        fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
            from[self.below(from.len())]
        }

        fn char_in(&mut self, ranges: &[(u32, u32)]) -> char {
            let (low, high) = ranges[self.below(ranges.len())];
            char::from_u32(low + self.below((high - low + 1) as usize) as u32).unwrap_or('\u{FFFD}')
        }
    }

    const WORDS: &[&str] = &[
        "the",
        "Remember",
        "don't",
        "I'LL",
        "we've",
        "naïve",
        "Straße",
        "o'clock",
        "e-mail",
        "HTTPServer",
        "snake_case",
        "camelCaseWord",
        "fn",
        "return;",
        "=>",
        "::",
        "{}",
        "[0]",
        "/*",
        "*/",
        "//",
        "0x1F",
        "3.14159",
        "1,000,000",
        "2024-05-17",
        "12:30",
        "http://example.org/a?b=c&d=%20",
        "<|endoftext|>",
        "<|im_start|>",
        "ÅNGSTRÖM",
        "Привет",
        "мир",
        "日本語",
        "こんにちは",
        "你好,世界",
        "한국어",
        "مرحبا",
        "नमस्ते",
        "สวัสดี",
        "שלום",
        "👩‍👩‍👧",
        "🎉",
        "🇩🇪",
        "e\u{301}",
        "\u{200b}",
        "\u{feff}",
        "\u{0}",
        "'s",
        "'S",
        "ſ",
        "Ⅷ",
        "½",
        "ǅ",
        "ʰ",
        "İ",
        "…",
        "—",
    ];
    const SPACES: &[&str] = &[
        " ", " ", " ", " ", "", "  ", "\n", "\n\n", "\t", "\r\n", " \n ", "   \n", "\u{a0}", "\u{3000}", "\u{2028}",
        "\u{85}",
    ];
    /// Latin, Greek and Cyrillic, Hebrew and Arabic, Indic and Thai, kana and CJK, Hangul, symbols, emoji, and anything.
    const RANGES: &[(u32, u32)] = &[
        (0, 0x7F),
        (0x20, 0x7E),
        (0xA0, 0x24F),
        (0x300, 0x36F),
        (0x370, 0x52F),
        (0x590, 0x6FF),
        (0x900, 0xE7F),
        (0x2000, 0x206F),
        (0x2150, 0x2BFF),
        (0x3040, 0x30FF),
        (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A3),
        (0x1F300, 0x1FAFF),
        (0x1, 0x10FFFF),
    ];

    fn text(random: &mut Random) -> String {
        let mut text = String::new();
        let kind = random.below(4);
        for _ in 0..random.below(120) {
            match if kind == 3 { random.below(3) } else { kind } {
                0 => text.push_str(random.pick(WORDS)),
                1 => text.push(random.char_in(RANGES)),
                _ => {
                    let c = random.char_in(&[(0x20, 0x7E), (0x41, 0x5A), (0x61, 0x7A), (0x9, 0xD), (0x20, 0x20)]);
                    text.extend(std::iter::repeat_n(c, 1 + random.below(9) * random.below(4)));
                }
            }
            if kind != 1 {
                text.push_str(random.pick(SPACES));
            }
        }
        text
    }

    #[track_caller]
    fn check(counter: OpenAiCounter, reference: &tiktoken_rs::CoreBPE) {
        let mut tokens = 0;
        for seed in 0..4000 {
            let text = text(&mut Random(seed));
            let expected = reference.encode_ordinary(&text).len();
            assert_eq!(counter.count(&text), expected, "{} of seed {seed}: {text:?}", counter.name());
            tokens += expected;
        }
        assert!(tokens > 400_000, "the texts are too small to say much: {tokens} tokens");
    }

    #[test]
    fn o200k_counts_as_tiktoken_does() {
        check(OpenAiCounter::O200kBase, tiktoken_rs::o200k_base_singleton());
    }

    #[test]
    fn cl100k_counts_as_tiktoken_does() {
        check(OpenAiCounter::Cl100kBase, tiktoken_rs::cl100k_base_singleton());
    }

    /// The example of OpenAI's cookbook, "How to count tokens with tiktoken".
    #[test]
    fn well_known_counts() {
        assert_eq!(OpenAiCounter::Cl100kBase.count("tiktoken is great!"), 6);
        assert_eq!(OpenAiCounter::O200kBase.count("tiktoken is great!"), 6);
        assert_eq!(OpenAiCounter::O200kBase.count(""), 0);
    }

    /// tiktoken itself takes quadratic time or overflows its stack on some of these.
    #[test]
    fn enormous_words_are_counted() {
        let million = 1_000_000;
        for (unit, expected) in
            [("a", 125_000), (" ", 7_813), ("!", 62_500), ("\n", 62_500), ("我们喜欢记忆", 4 * million)]
        {
            assert_eq!(OpenAiCounter::O200kBase.count(&unit.repeat(million)), expected, "{unit:?}");
        }
    }

    #[test]
    fn the_estimate_is_on_the_high_side() {
        for text in [
            "I moved to Lisbon in March, and the new flat is much brighter than the old one.",
            "Can you remind me what we decided about the garden? I think it was roses, but Tom wanted herbs.",
            "Sure! You decided on three things: roses by the fence, thyme near the door, and no lawn at all.",
            "Order #48213 was shipped on 2024-05-17 at 09:45 and cost 1,249.90 EUR (incl. 19 % VAT).",
            "fn main() {\n    let mut total: u64 = 0;\n    for i in 0..10 {\n        total += i * 2;\n    }\n}\n",
            "const MAX_RETRY_COUNT: usize = 3; // see HTTPServerConfig::retryLimit",
            "Der Schlüssel für die Garage liegt in der obersten Schublade neben dem Fenster.",
            "Le rendez-vous chez le dentiste a été déplacé à jeudi prochain.",
            "Мы договорились встретиться в субботу у входа в парк.",
            "我们决定星期六在公园门口见面。",
            "土曜日に公園の入り口で会うことにしました。",
            "See you there 🎉🎉 can't wait!!",
        ] {
            let (exact, estimate) = (OpenAiCounter::O200kBase.count(text), mnemon_core::EstimateCounter.count(text));
            assert!((exact..=2 * exact).contains(&estimate), "{estimate} for {exact}: {text:?}");
        }
    }
}
