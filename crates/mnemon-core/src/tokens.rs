//! The seam to the tokenizer of the model that will read the prompt.

/// Counts tokens as the model that will read the prompt counts them.
pub trait TokenCounter: Send + Sync {
    /// A name for manifests, such as `o200k_base`.
    fn name(&self) -> &str;

    /// How many tokens the text is.
    fn count(&self, text: &str) -> usize;
}

/// A guess from the script of the text, for models whose tokenizer is not at hand: no table, no allocation.
///
/// A run of letters or digits counts one token for each started five bytes (Latin words come to 1.2 to 1.4 tokens in
/// common vocabularies), every other mark and every character of an unsegmented script counts one. It errs on the
/// high side, so a budget that it guards is seldom passed in truth.
#[derive(Debug, Clone, Copy, Default)]
pub struct EstimateCounter;

impl TokenCounter for EstimateCounter {
    fn name(&self) -> &str {
        "estimate"
    }

    fn count(&self, text: &str) -> usize {
        let mut tokens = 0;
        let mut word = 0usize;
        for c in text.chars() {
            let wide = c.len_utf8() > 2;
            if c.is_alphanumeric() && !wide {
                word += c.len_utf8();
                continue;
            }
            tokens += word.div_ceil(5);
            word = 0;
            tokens += usize::from(!c.is_whitespace() || c == '\n');
        }
        tokens + word.div_ceil(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_the_text() {
        let count = |text| EstimateCounter.count(text);
        assert_eq!(count(""), 0);
        assert_eq!(count("   "), 0);
        assert_eq!(count("a cat"), 2);
        assert_eq!(count("remembrance"), 3);
        assert_eq!(count("我喜欢"), 3);
        assert_eq!(count("end.\n"), 3);
    }
}
