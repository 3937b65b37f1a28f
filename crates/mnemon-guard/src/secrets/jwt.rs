//! JSON web tokens: two or more parts in base64 with stops between them, the first of which begins with `{"`.

use std::ops::Range;

use super::bytes::{at, goes_on, run};

/// The token that begins at `start`.
pub(super) fn token_at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if !goes_on(bytes, start, b"eyJ") {
        return None;
    }
    let part =
        |from: usize| run(bytes, from, bytes.len(), |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let header = part(start);
    let claims = part(header + 1);
    if header - start < 10 || at(bytes, header) != b'.' || claims - header < 8 {
        return None;
    }
    let mut end = claims;
    // A signature; of an encrypted token three parts more.
    for _ in 0..3 {
        if at(bytes, end) != b'.' {
            break;
        }
        let next = part(end + 1);
        if next - end < 8 {
            break;
        }
        end = next;
    }
    // Without a signature it is one only if its claims are JSON too.
    (end > claims || goes_on(bytes, header + 1, b"eyJ")).then_some(start..end)
}
