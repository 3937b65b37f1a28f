//! Numbers that carry check digits: payment cards and bank accounts.

use std::ops::Range;

use super::bytes::{at, before, run};

/// The payment card number whose first digit is at `start`, where a word or a part of one begins.
///
/// Digits may stand in one piece or in groups of four (fifteen and fourteen digits: 4, 6 and the rest), one space or hyphen
/// between them. One in ten numbers of a right length and beginning passes by chance.
pub(super) fn card_at(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if part_of_more_before(bytes, start) {
        return None;
    }
    let mut digits = Vec::with_capacity(20);
    let mut groups = Vec::with_capacity(5);
    let mut at_byte = start;
    let end = loop {
        let end = run(bytes, at_byte, 20, |byte| byte.is_ascii_digit());
        digits.extend(bytes.get(at_byte..end).unwrap_or_default().iter().map(|byte| byte - b'0'));
        groups.push(end - at_byte);
        if digits.len() > 19 {
            return None;
        }
        let gap = gap(bytes, end);
        // A group after one that is not of four digits is another number, but for the long group of short cards.
        let goes_on = gap > 0 && (end - at_byte == 4 || groups.len() == 2 && end - at_byte == 6);
        if !goes_on || !at(bytes, end + gap).is_ascii_digit() {
            break end;
        }
        at_byte = end + gap;
    };
    // Groups that follow and are not part of the number, such as a year, must not hide it.
    let (end, used) = fitting(bytes, start, &groups, end)?;
    let digits = digits.get(..used)?;
    let next = at(bytes, end);
    let part_of_more =
        next.is_ascii_alphanumeric() || matches!(next, b'.' | b'-') && at(bytes, end + 1).is_ascii_digit();
    let one_piece = end - start == used;
    let known = is_brand(digits) && (used > 14 || !one_piece || names_card(bytes, start));
    (!part_of_more && known && luhn(digits)).then_some(start..end)
}

/// The end and the count of digits of the longest beginning of these groups that is grouped as cards are.
fn fitting(bytes: &[u8], start: usize, groups: &[usize], end: usize) -> Option<(usize, usize)> {
    for count in (1..=groups.len()).rev() {
        let head = groups.get(..count)?;
        let fits = match head {
            [one] => (14..=19).contains(one),
            [4, 6, 4 | 5] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] => true,
            _ => false,
        };
        if !fits {
            continue;
        }
        let digits: usize = head.iter().sum();
        if count == groups.len() {
            return Some((end, digits));
        }
        let mut position = start;
        for (number, group) in head.iter().enumerate() {
            position += if number > 0 { gap(bytes, position) } else { 0 } + group;
        }
        return Some((position, digits));
    }
    None
}

/// The length of the space or hyphen between two groups, 0 where there is none.
fn gap(bytes: &[u8], position: usize) -> usize {
    match (at(bytes, position), at(bytes, position + 1), at(bytes, position + 2)) {
        (b' ' | b'-', _, _) => 1,
        (0xC2, 0xA0, _) => 2,
        (0xE2, 0x80, 0xAF | 0x89 | 0x91) => 3,
        _ => 0,
    }
}

fn part_of_more_before(bytes: &[u8], start: usize) -> bool {
    matches!(before(bytes, start), b'-' | b'.') && before(bytes, start.saturating_sub(1)).is_ascii_digit()
}

fn is_brand(digits: &[u8]) -> bool {
    let head = digits.iter().take(4).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        14 => matches!(head, 3000..=3059 | 3090..=3099 | 3600..=3699 | 3800..=3999),
        15 => matches!(head, 3400..=3499 | 3700..=3799),
        16..=19 => matches!(
            head,
            4000..=4999 | 5000..=6999 | 2200..=2204 | 2221..=2720 | 3528..=3589 | 3800..=3999 | 8100..=8299
        ),
        _ => false,
    }
}

/// Whether the words before a number say that it is a card.
fn names_card(bytes: &[u8], start: usize) -> bool {
    let words = bytes.get(start.saturating_sub(40)..start).unwrap_or_default().to_ascii_lowercase();
    [&b"card"[..], b"karte", b"diners", b"credit", b"carte"]
        .iter()
        .any(|word| words.windows(word.len()).any(|w| w == *word))
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, digit) {
            (0, digit) => u32::from(digit),
            (_, digit) if digit > 4 => u32::from(digit) * 2 - 9,
            (_, digit) => u32::from(digit) * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The bank account number that begins with the letters of its country at `start`, where a word or a part of one begins.
pub(super) fn iban_at(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let country = [at(bytes, start), at(bytes, start + 1)];
    let upper = country[0].is_ascii_uppercase();
    let country = country.map(|byte| byte.to_ascii_uppercase());
    let form = COUNTRIES.iter().find(|(code, _)| code.as_bytes() == country).map(|(_, form)| *form)?;
    let mut remainder = 0;
    let mut position = start + 4;
    for (letter, count) in parts(form) {
        for _ in 0..count {
            position += gap(bytes, position);
            let byte = at(bytes, position);
            let fits = match letter {
                'n' => byte.is_ascii_digit(),
                'a' => byte.is_ascii_alphabetic(),
                _ => byte.is_ascii_alphanumeric(),
            };
            if !fits || byte.is_ascii_uppercase() && !upper || byte.is_ascii_lowercase() && upper {
                return None;
            }
            remainder = mod_97(remainder, byte);
            position += 1;
        }
    }
    let head = bytes.get(start..start + 4)?;
    let checks = head.get(2..)?.iter().all(u8::is_ascii_digit);
    let remainder = head.iter().fold(remainder, |remainder, &byte| mod_97(remainder, byte));
    (checks && remainder == 1 && !at(bytes, position).is_ascii_alphanumeric()).then_some(start..position)
}

fn mod_97(remainder: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    }
}

/// The parts of a form: `a4n14` is four letters and fourteen digits.
fn parts(form: &str) -> impl Iterator<Item = (char, u32)> {
    let mut chars = form.chars().peekable();
    std::iter::from_fn(move || {
        let letter = chars.next()?;
        let mut count = 0;
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
            count = count * 10 + digit;
            chars.next();
        }
        Some((letter, count))
    })
}

/// The form of what follows the check digits: digits (n), letters (a), either (c). From the registry of SWIFT.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("AD", "n8c12"), ("AE", "n19"), ("AL", "n8c16"), ("AT", "n16"), ("AZ", "a4c20"), ("BA", "n16"), ("BE", "n12"),
    ("BG", "a4n6c8"), ("BH", "a4c14"), ("BI", "n23"), ("BR", "n23a1c1"), ("BY", "c4n4c16"), ("CH", "n5c12"),
    ("CR", "n18"), ("CY", "n8c16"), ("CZ", "n20"), ("DE", "n18"), ("DJ", "n23"), ("DK", "n14"), ("DO", "c4n20"),
    ("EE", "n16"), ("EG", "n25"), ("ES", "n20"), ("FI", "n14"), ("FK", "a2n12"), ("FO", "n14"), ("FR", "n10c11n2"),
    ("GB", "a4n14"), ("GE", "a2n16"), ("GI", "a4c15"), ("GL", "n14"), ("GR", "n7c16"), ("GT", "c4c20"), ("HR", "n17"),
    ("HU", "n24"), ("IE", "a4n14"), ("IL", "n19"), ("IQ", "a4n15"), ("IS", "n22"), ("IT", "a1n10c12"), ("JO", "a4n4c18"),
    ("KW", "a4c22"), ("KZ", "n3c13"), ("LB", "n4c20"), ("LC", "a4c24"), ("LI", "n5c12"), ("LT", "n16"), ("LU", "n3c13"),
    ("LV", "a4c13"), ("LY", "n21"), ("MC", "n10c11n2"), ("MD", "c20"), ("ME", "n18"), ("MK", "n3c10n2"), ("MN", "n16"),
    ("MR", "n23"), ("MT", "a4n5c18"), ("MU", "a4n19a3"), ("NL", "a4n10"), ("NO", "n11"), ("OM", "n3c16"),
    ("PK", "a4c16"), ("PL", "n24"), ("PS", "a4c21"), ("PT", "n21"), ("QA", "a4c21"), ("RO", "a4c16"), ("RS", "n18"),
    ("RU", "n14c15"), ("SA", "n2c18"), ("SC", "a4n20a3"), ("SD", "n14"), ("SE", "n20"), ("SI", "n15"), ("SK", "n20"),
    ("SM", "a1n10c12"), ("SV", "a4n20"), ("TN", "n20"), ("TR", "n5c17"), ("UA", "n6c19"), ("VA", "n18"), ("HN", "a4n20"), ("NI", "a4n20"),
    ("SO", "n19"), ("ST", "n21"), ("TL", "n19"), ("VG", "a4n16"), ("XK", "n16"), ("YE", "a4c18"),
];
