//! Scripts and what they mean for finding words.

/// Whether a character belongs to a script that writes no spaces between words (Chinese, Japanese, Thai, …) or glues
/// endings to them (Korean). Words of such scripts are found by their pairs of neighbouring characters.
#[must_use]
pub fn is_unsegmented(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'     // Thai, Lao
        | '\u{0F00}'..='\u{0FFF}'   // Tibetan
        | '\u{1000}'..='\u{109F}'   // Myanmar
        | '\u{1100}'..='\u{11FF}'   // Hangul letters
        | '\u{1780}'..='\u{17FF}'   // Khmer
        | '\u{3005}'..='\u{3007}'   // ideographic marks
        | '\u{3040}'..='\u{318F}'   // Hiragana, Katakana, Bopomofo, Hangul letters
        | '\u{31A0}'..='\u{31FF}'
        | '\u{3400}'..='\u{9FFF}'   // Han
        | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7FF}'   // Hangul syllables
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FFDC}'   // half-width forms
        | '\u{20000}'..='\u{3FFFF}')
}
