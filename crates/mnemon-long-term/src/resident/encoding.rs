//! The passages of a scope as bytes, so that the next process reads one block instead of a row for each of them.
//!
//! Numbers are written as differences to the passage before, in as few bytes as they need; a term takes 4.

use mnemon_core::{Kind, Role, Timestamp, Trust};
use mnemon_store::{PassageRow, ScopeRow};

use super::passages::{Passage, Passages};

const MAGIC: [u8; 8] = *b"mnpassg2";

/// A header of the magic, the checksum of all that follows (XXH3, 8 bytes), then how many speakers, passages and terms there
/// are (8 bytes each).
const HEADER: usize = 40;

/// Writes the passages that are live.
pub(super) fn encode(passages: &Passages) -> Vec<u8> {
    let live = || passages.each().filter(|passage| passage.live);
    let mut out = vec![0; HEADER];
    for name in passages.speakers() {
        write(&mut out, name.len() as i64);
        out.extend_from_slice(name.as_bytes());
    }
    let (mut last, mut count, mut terms) = ([0; FIELDS], 0u64, 0u64);
    for passage in live() {
        let fields = fields(passage, passages.terms(passage).len());
        fields.iter().zip(&last).for_each(|(field, last)| write(&mut out, field.wrapping_sub(*last)));
        last = fields;
        count += 1;
        terms += passages.terms(passage).len() as u64;
    }
    for passage in live() {
        out.extend(passages.terms(passage).iter().flat_map(|term| term.to_le_bytes()));
    }
    let counts = [passages.speakers().len() as u64, count, terms];
    set(&mut out, 16, &counts.map(u64::to_le_bytes).concat());
    let sum = checksum(out.get(16..).unwrap_or_default());
    set(&mut out, 0, &MAGIC);
    set(&mut out, 8, &sum.to_le_bytes());
    out
}

/// Reads what [`encode`] wrote of a scope; `None` when it is anything else. No bytes make it panic.
pub(super) fn decode(bytes: &[u8], scope: ScopeRow) -> Option<Vec<PassageRow>> {
    let (header, body) = bytes.split_at_checked(HEADER)?;
    let number = |at: usize| Some(u64::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let is_whole = header.starts_with(&MAGIC) && number(8)? == checksum(bytes.get(16..)?);
    if !is_whole {
        return None;
    }
    let [speakers, count, terms] = [number(16)?, number(24)?, number(32)?].map(|count| usize::try_from(count).ok());
    let (speakers, count, terms) = (speakers?, count?, terms?);
    // Every passage and every speaker takes a byte at least.
    let term_bytes = terms.checked_mul(4)?;
    if count.checked_add(speakers)?.checked_add(term_bytes)? > body.len() {
        return None;
    }
    let (mut numbers, terms) = body.split_at_checked(body.len() - term_bytes)?;
    let mut terms = terms.as_chunks().0;
    let mut names = Vec::with_capacity(speakers);
    for _ in 0..speakers {
        let len = usize::try_from(read(&mut numbers)?).ok()?;
        let (name, rest) = numbers.split_at_checked(len)?;
        numbers = rest;
        names.push(std::str::from_utf8(name).ok()?.to_owned());
    }
    let mut rows = Vec::with_capacity(count);
    let mut fields = [0i64; FIELDS];
    for _ in 0..count {
        for field in &mut fields {
            *field = field.wrapping_add(read(&mut numbers)?);
        }
        let [id, memory, run, place, time, ordinal, start, end, words, cues, trust, until, role, speaker, len] = fields;
        let (own, rest) = terms.split_at_checked(usize::try_from(len).ok()?)?;
        terms = rest;
        let is_made = role == MADE;
        let role = if role == 0 || is_made { None } else { Some(Role::from_code(role - 1)?) };
        rows.push(PassageRow {
            id,
            memory,
            scope,
            run,
            place,
            ordinal: ordinal.try_into().ok()?,
            start: start.try_into().ok()?,
            end: end.try_into().ok()?,
            words: words.try_into().ok()?,
            cues: cues.try_into().ok()?,
            terms: own.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
            kind: match (role, is_made) {
                (Some(_), _) => Kind::Turn,
                (None, true) => Kind::Summary,
                (None, false) => Kind::Note,
            },
            is_made,
            role,
            speaker: match usize::try_from(speaker).ok()? {
                0 => None,
                number => Some(names.get(number - 1)?.clone()),
            },
            time: Timestamp::from_millisecond(time).ok()?,
            trust: Trust::from_code(trust)?,
            until: if until == 0 { None } else { Some(Timestamp::from_millisecond(until - EVEN_LATER).ok()?) },
        });
    }
    (numbers.is_empty() && terms.is_empty()).then_some(rows)
}

const FIELDS: usize = 15;

/// More milliseconds than any time lies before 1970, so that no time is written as 0.
const EVEN_LATER: i64 = 1 << 50;

/// Stands for the role of a summary that the engine made.
const MADE: i64 = -1;

fn fields(passage: &Passage, terms: usize) -> [i64; FIELDS] {
    [
        passage.id,
        passage.memory,
        passage.run,
        passage.place,
        passage.time.as_millisecond(),
        passage.ordinal.into(),
        passage.start.into(),
        passage.end.into(),
        passage.words.into(),
        passage.cues.bits().into(),
        passage.trust.code(),
        passage.until.map_or(0, |until| until.as_millisecond() + EVEN_LATER),
        passage.role.map_or(if passage.is_made { MADE } else { 0 }, |role| role.code() + 1),
        passage.speaker_number().map_or(0, |speaker| i64::from(speaker) + 1),
        terms as i64,
    ]
}

/// LEB128 of the number with its sign in the lowest bit.
fn write(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn read(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

fn set(out: &mut [u8], at: usize, bytes: &[u8]) {
    out.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

fn checksum(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::passages::tests::scope;
    use super::*;

    fn any_row() -> impl Strategy<Value = PassageRow> {
        let numbers = (0i64..1 << 40, 0i64..9, 0i64..9, -1_000_000_000_000i64..4_000_000_000_000);
        let texts = (prop::option::of("Speaker [a-z]{1,3}"), prop::collection::vec(any::<u32>(), 0..5), any::<u32>());
        (numbers, texts).prop_map(|((id, run, place, time), (speaker, terms, any))| PassageRow {
            id,
            memory: id / 2,
            scope: scope(),
            run,
            place,
            ordinal: any % 3,
            start: any % 1000,
            end: any,
            words: any % 77,
            cues: any % 256,
            terms,
            kind: match (&speaker, any % 3) {
                (Some(_), _) => Kind::Turn,
                (None, 0) => Kind::Summary,
                (None, _) => Kind::Note,
            },
            is_made: speaker.is_none() && any.is_multiple_of(3),
            role: speaker.is_some().then_some(Role::Assistant),
            speaker,
            time: Timestamp::from_millisecond(time).unwrap(),
            trust: Trust::ALL[any as usize % Trust::ALL.len()],
            until: any.is_multiple_of(2).then(|| Timestamp::from_millisecond(time / 2).unwrap()),
        })
    }

    fn sorted(mut rows: Vec<PassageRow>) -> Vec<PassageRow> {
        rows.sort_by_key(|row| (row.run, row.place, row.id));
        rows
    }

    proptest! {
        #[test]
        fn passages_are_read_as_they_were_written(rows in prop::collection::vec(any_row(), 0..20)) {
            let passages = Passages::new(rows.clone());
            let bytes = encode(&passages);
            prop_assert_eq!(sorted(decode(&bytes, scope()).unwrap()), sorted(rows));
        }

        /// With a checksum that fits, because nothing but the checksum tells of most damage.
        #[test]
        fn damage_is_found_or_does_no_harm(
            rows in prop::collection::vec(any_row(), 1..9),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encode(&Passages::new(rows));
            let at = at.index(bytes.len());
            let is_same = bytes[at] == byte;
            bytes[at] = byte;
            prop_assert_eq!(decode(&bytes, scope()).is_some(), is_same);
            bytes.truncate(HEADER + cut.index(bytes.len() - HEADER));
            let sum = checksum(&bytes[16..]);
            set(&mut bytes, 8, &sum.to_le_bytes());
            let _ = decode(&bytes, scope());
        }
    }

    #[test]
    fn what_is_no_encoding_is_none() {
        for bytes in [&[][..], &[0; HEADER], &MAGIC] {
            assert!(decode(bytes, scope()).is_none());
        }
    }
}
