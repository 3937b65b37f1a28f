//! Telling what was only repeated from what is new.
//!
//! What a context shows, an assistant says again: quoted, cut, joined with other text. Were it stored each time, every
//! recall would make itself stronger. Shingles of words (Broder, "On the resemblance and containment of documents", 1997)
//! tell how much of a text stood in the context word for word.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use mnemon_core::is_unsegmented;
use twox_hash::XxHash3_64;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// So many words in a row make a shingle. Four are often the same by chance (`i would like to`), six miss repetitions
/// with a word changed here and there.
const WORDS: usize = 5;
/// A text with fewer words than a shingle is told anywhere if it has at least so many words and so many bytes. A shorter
/// one (`yes`, `thank you`) is part of too much: it must be a whole line.
const FEWEST_WORDS: usize = 3;
const FEWEST_BYTES: usize = 12;

/// What a text says, as hashes: case, punctuation, spacing and the forms of characters (NFKC) do not matter.
///
/// Holds 8 bytes for each word, and no text. Equal texts have equal fingerprints on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    shingles: Vec<u64>,
    /// All of them in one, by which the same text is known again.
    whole: u64,
}

impl Fingerprint {
    /// The fingerprint of a text. Linear in its length.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (words, _) = words(text);
        let hashes: Vec<u64> = words.iter().map(|word| word.hash).collect();
        let mut shingles: Vec<u64> = if hashes.len() >= WORDS {
            hashes.windows(WORDS).map(|window| shingle(window, Place::Anywhere)).collect()
        } else if hashes.is_empty() {
            Vec::new()
        } else {
            let bytes: usize = words.iter().map(|word| word.bytes).sum();
            let enough = hashes.len() >= FEWEST_WORDS && bytes >= FEWEST_BYTES;
            vec![shingle(&hashes, if enough { Place::Anywhere } else { Place::Line })]
        };
        shingles.sort_unstable();
        shingles.dedup();
        Self { whole: mix(&hashes, 0), shingles }
    }

    /// The number of different shingles; 0 for a text without words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shingles.len()
    }

    /// Whether the text has no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shingles.is_empty()
    }
}

/// Remembers what contexts showed, and tells how much of a new text repeats it.
///
/// ```
/// use mnemon_guard::{EchoFilter, Fingerprint};
///
/// let mut shown = EchoFilter::default();
/// shown.show("note 7", Fingerprint::of("Ann planted three cherry trees behind the barn in 2019."));
///
/// let said = "As you told me: ann planted THREE cherry trees, behind the barn in 2019";
/// assert!(shown.share(said) > 0.7);
/// let answer = format!("{said}\nThey should bear their first real harvest this summer.");
/// let echo = shown.echo(&answer);
/// assert!(echo.share < EchoFilter::<&str>::THRESHOLD, "half of it is new");
/// assert!(echo.lines[0].share > 0.7 && echo.lines[1].share == 0.0);
/// assert_eq!(shown.closest(said), Some(&"note 7"));
/// ```
#[derive(Debug, Clone)]
pub struct EchoFilter<K> {
    capacity: usize,
    /// What was shown, by the name that the caller has for it; the oldest first.
    shown: VecDeque<(K, Fingerprint)>,
    /// In how many of `shown` each shingle is.
    shingles: HashMap<u64, u32>,
    /// The shingles of all of `shown`, counted in each.
    size: usize,
}

/// How much of a text is repeated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Echo {
    /// The share of its words that are, from 0 to 1; 0 for a text without words.
    pub share: f32,
    /// The same for each of its lines that has words, in their order.
    pub lines: Vec<LineEcho>,
}

/// How much of a line is repeated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LineEcho {
    /// Where the line stands in the text, in bytes, without its line break.
    pub range: Range<usize>,
    /// The share of its words that are repeated, from 0 to 1.
    pub share: f32,
}

impl<K> Default for EchoFilter<K> {
    /// A filter that holds [`EchoFilter::CAPACITY`] shingles.
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

impl<K> EchoFilter<K> {
    /// From this share on a text is best not stored: no more than one word in five is new, which is what introduces a
    /// quotation ("As you told me on Monday: …") or rounds it off.
    pub const THRESHOLD: f32 = 0.8;
    /// The shingles of some 300 contexts of 200 words, in about 2 MB.
    pub const CAPACITY: usize = 1 << 16;

    /// A filter that holds at most so many shingles, about one a word of what was shown. With 0 it holds nothing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, shown: VecDeque::new(), shingles: HashMap::new(), size: 0 }
    }

    /// Remembers that a text was shown, and what it is of. The same text shown again counts as new. The oldest leave when
    /// there is no room; of a text that has none for itself alone a part is kept. Linear in the number of texts.
    pub fn show(&mut self, of: K, mut fingerprint: Fingerprint) {
        fingerprint.shingles.truncate(self.capacity);
        if fingerprint.is_empty() {
            return;
        }
        if let Some(known) = self.shown.iter().position(|(_, shown)| shown.whole == fingerprint.whole) {
            self.remove(known);
        }
        while self.size + fingerprint.len() > self.capacity {
            self.remove(0);
        }
        for &shingle in &fingerprint.shingles {
            *self.shingles.entry(shingle).or_insert(0) += 1;
        }
        self.size += fingerprint.len();
        self.shown.push_back((of, fingerprint));
    }

    /// Forgets what was shown of something. Linear in the number of texts.
    pub fn forget(&mut self, of: &K)
    where
        K: PartialEq,
    {
        while let Some(known) = self.shown.iter().position(|(shown, _)| shown == of) {
            self.remove(known);
        }
    }

    /// Forgets everything that was shown.
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// The number of texts that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The share of the words of a text that were shown word for word, from 0 to 1. Linear in its length.
    #[must_use]
    pub fn share(&self, text: &str) -> f32 {
        self.echo(text).share
    }

    /// What the text repeats most of, by the number of shingles; the one shown last where several are equal. `None` where it
    /// repeats nothing. Linear in what was shown.
    #[must_use]
    pub fn closest(&self, text: &str) -> Option<&K> {
        let said = Fingerprint::of(text);
        let common = |shown: &Fingerprint| {
            said.shingles.iter().filter(|shingle| shown.shingles.binary_search(shingle).is_ok()).count()
        };
        let best = self.shown.iter().map(|(of, shown)| (common(shown), of)).max_by_key(|(common, _)| *common)?;
        Some(best).filter(|(common, _)| *common > 0).map(|(_, of)| of)
    }

    /// The same as [`EchoFilter::share`], line by line.
    #[must_use]
    pub fn echo(&self, text: &str) -> Echo {
        let (words, lines) = words(text);
        let hashes: Vec<u64> = words.iter().map(|word| word.hash).collect();
        let mut repeated = vec![false; words.len()];
        let mut mark = |range: Range<usize>| repeated.get_mut(range).unwrap_or_default().fill(true);
        if !self.is_empty() {
            for size in FEWEST_WORDS..=WORDS {
                for (start, window) in hashes.windows(size).enumerate() {
                    if self.shingles.contains_key(&shingle(window, Place::Anywhere)) {
                        mark(start..start + size);
                    }
                }
            }
            for line in &lines {
                let whole = hashes.get(line.words.clone()).unwrap_or_default();
                if whole.len() < WORDS && self.shingles.contains_key(&shingle(whole, Place::Line)) {
                    mark(line.words.clone());
                }
            }
        }
        let share = |range: Range<usize>| {
            let part = repeated.get(range).unwrap_or_default();
            part.iter().filter(|&&repeated| repeated).count() as f32 / part.len().max(1) as f32
        };
        let lines = lines.into_iter().map(|line| LineEcho { share: share(line.words), range: line.range });
        Echo { share: share(0..words.len()), lines: lines.collect() }
    }

    fn remove(&mut self, index: usize) {
        let Some((_, fingerprint)) = self.shown.remove(index) else { return };
        self.size -= fingerprint.len();
        for shingle in fingerprint.shingles {
            if let Some(count) = self.shingles.get_mut(&shingle) {
                *count -= 1;
                if *count == 0 {
                    self.shingles.remove(&shingle);
                }
            }
        }
    }
}

/// Where a run of words counts.
#[derive(Debug, Clone, Copy)]
enum Place {
    Anywhere,
    /// As a whole line.
    Line,
}

fn shingle(words: &[u64], place: Place) -> u64 {
    mix(words, 1 + place as u64)
}

/// A hash of hashes in their order.
fn mix(hashes: &[u64], seed: u64) -> u64 {
    let mixed = hashes
        .iter()
        .fold(seed, |mixed, hash| (mixed.rotate_left(23) ^ hash).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31));
    // The count, so that words which hash to nothing count too.
    (mixed ^ hashes.len() as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// A word, normalised. In scripts without spaces each character is one.
struct Word {
    hash: u64,
    bytes: usize,
}

struct Line {
    range: Range<usize>,
    words: Range<usize>,
}

/// The words of a text, and its lines that have any.
fn words(text: &str) -> (Vec<Word>, Vec<Line>) {
    let mut words = Vec::new();
    let mut lines = Vec::new();
    let mut word = String::new();
    let mut start = 0;
    for line in text.split_inclusive(is_break) {
        let first = words.len();
        let trimmed = line.trim_end_matches(is_break);
        for c in trimmed.nfkc().flat_map(char::to_lowercase) {
            if is_unsegmented(c) && c.is_alphanumeric() {
                finish(&mut word, &mut words);
                word.push(c);
                finish(&mut word, &mut words);
            } else if c.is_alphanumeric() || is_combining_mark(c) && !word.is_empty() {
                word.push(c);
            } else if !matches!(c, '\'' | '’') {
                // What an apostrophe joins is one word, with it or without.
                finish(&mut word, &mut words);
            }
        }
        finish(&mut word, &mut words);
        if words.len() > first {
            lines.push(Line { range: start..start + trimmed.len(), words: first..words.len() });
        }
        start += line.len();
    }
    (words, lines)
}

fn finish(word: &mut String, words: &mut Vec<Word>) {
    if !word.is_empty() {
        words.push(Word { hash: XxHash3_64::oneshot(word.as_bytes()), bytes: word.len() });
        word.clear();
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(texts: &[&str]) -> EchoFilter<usize> {
        let mut filter = EchoFilter::default();
        texts.iter().enumerate().for_each(|(at, text)| filter.show(at, Fingerprint::of(text)));
        filter
    }

    #[track_caller]
    fn check(shown_texts: &[&str], text: &str, expected: f32) {
        let share = shown(shown_texts).share(text);
        assert!((share - expected).abs() < 1e-6, "{text:?}: {share}, expected {expected}");
    }

    #[test]
    fn case_punctuation_spacing_and_forms_do_not_matter() {
        let text = "Ann's café opens at nine, on Sundays at ten.";
        check(&[text], "ANN’S CAFE\u{301} — opens at nine… on\nSundays at ｔｅｎ", 1.0);
        check(&[text], "She opens the shop at eight on weekdays only", 0.0);
    }

    #[test]
    fn a_part_is_counted_by_words() {
        // Six of ten words, in a row of at least five.
        check(&["we met in the old harbour of Bergen"], "So we met in the old harbour that day too", 0.6);
        // Four in a row are not enough.
        check(&["we met in the old harbour of Bergen"], "we met in the small house by the lake", 0.0);
    }

    #[test]
    fn short_texts_are_told_as_what_they_are() {
        check(&["likes green tea"], "Ann likes green tea very much", 0.5);
        check(&["yes"], "yes that is what I said", 0.0);
        check(&["thank you"], "thank you\nfor everything that you did", 2.0 / 7.0);
        check(&[""], "anything", 0.0);
        check(&["anything"], "…", 0.0);
    }

    #[test]
    fn scripts_without_spaces_are_told_by_their_characters() {
        check(&["我昨天在图书馆看到了她"], "我昨天在图书馆看到了她。", 1.0);
        check(&["私は図書館で彼女に会った"], "明日は雨が降るでしょう", 0.0);
    }

    #[test]
    fn lines_are_told_apart() {
        let echo = shown(&["the cat sleeps under the warm stove"])
            .echo("First something new.\r\n\r\n> The cat sleeps under the warm stove.\u{2028}And more");
        let lines: Vec<(Range<usize>, f32)> = echo.lines.into_iter().map(|line| (line.range, line.share)).collect();
        assert_eq!(lines, [(0..20, 0.0), (24..62, 1.0), (65..73, 0.0)]);
    }

    #[test]
    fn what_is_repeated_most_is_named() {
        let texts =
            ["Ann planted three cherry trees behind the barn", "Ann planted three pear trees by the old wall", "yes"];
        let filter = shown(&texts);
        assert_eq!(filter.closest("You planted three pear trees by the old wall, Ann"), Some(&1));
        assert_eq!(filter.closest("She wrote that Ann planted three cherry trees behind it"), Some(&0));
        assert_eq!(filter.closest("Something else was said about the weather"), None);
        assert_eq!(EchoFilter::<()>::default().closest(texts[0]), None);
    }

    #[test]
    fn what_is_forgotten_is_repeated_by_nobody() {
        let (ferry, bakery) = ("the ferry leaves at nine", "the bakery opens at six");
        let mut filter = shown(&[ferry, bakery]);
        filter.show(0, Fingerprint::of("the boiler is due in may"));
        filter.forget(&0);
        assert_eq!([ferry, bakery, "the boiler is due in may"].map(|text| filter.share(text)), [0.0, 1.0, 0.0]);
        assert_eq!((filter.len(), filter.closest(ferry), filter.closest(bakery)), (1, None, Some(&1)));
    }

    #[test]
    fn the_oldest_leave_and_what_is_shown_again_is_new() {
        let texts = ["one two three four five six", "a b c d e f", "k l m n o p"];
        // Two shingles each.
        let mut filter = EchoFilter::new(4);
        filter.show((), Fingerprint::of(texts[0]));
        filter.show((), Fingerprint::of(texts[1]));
        filter.show((), Fingerprint::of(texts[0]));
        filter.show((), Fingerprint::of(texts[2]));
        assert_eq!([0, 1, 2].map(|text| filter.share(texts[text])), [1.0, 0.0, 1.0]);
        assert_eq!(filter.len(), 2);
        filter.show((), Fingerprint::of("a text of ten words that is too long here now"));
        assert_eq!((filter.len(), filter.size), (1, 4));
        filter.clear();
        assert!(filter.is_empty() && filter.shingles.is_empty() && filter.share(texts[0]) == 0.0);
        let mut none = EchoFilter::new(0);
        none.show((), Fingerprint::of(texts[0]));
        assert!(none.is_empty());
    }

    /// The same by comparing every run of words with every run of words. Texts are of small letters and spaces.
    struct Naive {
        shown: Vec<Vec<String>>,
        capacity: usize,
    }

    impl Naive {
        fn words(text: &str) -> Vec<String> {
            text.split_whitespace().map(str::to_owned).collect()
        }

        fn runs(words: &[String]) -> Vec<Vec<String>> {
            let mut runs: Vec<Vec<String>> = words.windows(5.min(words.len()).max(1)).map(<[String]>::to_vec).collect();
            runs.sort();
            runs.dedup();
            runs
        }

        fn show(&mut self, text: &str) {
            let words = Self::words(text);
            if words.is_empty() {
                return;
            }
            self.shown.retain(|shown| *shown != words);
            self.shown.push(words);
            while self.shown.iter().map(|shown| Self::runs(shown).len()).sum::<usize>() > self.capacity {
                self.shown.remove(0);
            }
        }

        fn share(&self, text: &str) -> f32 {
            let words = Self::words(text);
            let mut repeated = vec![false; words.len()];
            for run in self.shown.iter().flat_map(|shown| Self::runs(shown)) {
                let bytes: usize = run.iter().map(String::len).sum();
                if run.len() >= 3 && (run.len() == 5 || bytes >= 12) {
                    for start in 0..words.len() {
                        if words[start..].starts_with(&run) {
                            repeated[start..start + run.len()].fill(true);
                        }
                    }
                } else {
                    let mut start = 0;
                    for line in text.split('\n') {
                        let line = Self::words(line);
                        if line == run {
                            repeated[start..start + line.len()].fill(true);
                        }
                        start += line.len();
                    }
                }
            }
            repeated.iter().filter(|&&repeated| repeated).count() as f32 / repeated.len().max(1) as f32
        }
    }

    fn text(words: std::ops::Range<usize>) -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec!["a", "b", "garden", "letters"]);
        let gap = prop::sample::select(vec![" ", " ", " ", "\n"]);
        prop::collection::vec((word, gap), words)
            .prop_map(|words| words.into_iter().map(|(word, gap)| word.to_owned() + gap).collect())
    }

    proptest! {
        #[test]
        fn shares_are_those_of_a_naive_comparison(
            shown in prop::collection::vec(text(0..12), 0..12), asked in text(0..40), capacity in 12_usize..40,
        ) {
            let mut filter = EchoFilter::new(capacity);
            let mut naive = Naive { shown: Vec::new(), capacity };
            for shown in &shown {
                filter.show((), Fingerprint::of(shown));
                naive.show(shown);
                prop_assert_eq!(filter.share(&asked), naive.share(&asked));
                prop_assert_eq!(filter.len(), naive.shown.len());
                prop_assert!(filter.size <= capacity);
            }
        }

        #[test]
        fn any_text_is_an_echo_of_itself(text in any::<String>()) {
            let mut filter = EchoFilter::default();
            filter.show((), Fingerprint::of(&text));
            let echo = filter.echo(&text);
            // A short text of several lines is known as a whole only where it is long enough to be told anywhere.
            let words = words(&text).0.len();
            prop_assert!(echo.share <= 1.0);
            if words >= WORDS || words > 0 && echo.lines.len() == 1 {
                prop_assert_eq!(echo.share, 1.0);
            }
            for line in echo.lines {
                prop_assert!(text.get(line.range).is_some());
            }
        }
    }
}
