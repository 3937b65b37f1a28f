//! What a value looks like: random, words, or a place where a value would stand.

/// The parts of a name, in lower case: `dbPassword_2` is `db`, `password`, `2`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        let class = Class::of(c);
        let begins = match (last, class) {
            (_, Class::Other) => false,
            (Some(Class::Upper), Class::Lower) => false,
            (Some(last), class) => last != class,
            (None, _) => true,
        };
        if begins {
            words.push(String::new());
        }
        if class != Class::Other
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        last = Some(class);
    }
    words
}

/// Whether a text is made of words, `like-this` or `LikeThat_2`, and not of random characters.
pub(super) fn is_words(text: &str) -> bool {
    let (mut letters, mut digits, mut jumps) = (0_usize, 0_usize, 0_usize);
    let mut last = Class::Other;
    for c in text.chars() {
        let class = Class::of(c);
        letters += usize::from(matches!(class, Class::Lower | Class::Upper));
        digits += usize::from(class == Class::Digit);
        let jump = matches!(
            (last, class),
            (Class::Lower, Class::Upper | Class::Digit)
                | (Class::Upper, Class::Digit)
                | (Class::Digit, Class::Lower | Class::Upper)
        );
        jumps += usize::from(jump);
        last = class;
    }
    is_uniform(text)
        || match digits {
            0 | 1 => jumps * 7 < letters || jumps < 2,
            // Numbers, long or many.
            _ if digits >= 8 && digits >= letters => false,
            _ => jumps * 6 <= letters + digits,
        }
}

/// Whether a text has so few different characters that it stands for another: `xxxxxxxx`, `1234512345`.
pub(super) fn is_uniform(text: &str) -> bool {
    let mut seen = 0_u128;
    let mut count = 0_usize;
    for byte in text.bytes() {
        seen |= 1_u128 << (byte & 127);
        count += 1;
    }
    (seen.count_ones() as usize) < if count < 12 { 3 } else { 6 }
}

/// Whether a value is one that a generator of keys would give: at least ten letters and digits, and no words.
pub(super) fn is_random(value: &str) -> bool {
    let has_letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.~!@#$%^&*:|".contains(&byte);
    value.len() >= 10
        && has_letter
        && value.bytes().all(known)
        && !value.contains("://")
        && !is_words(value)
        && !is_date(value)
}

/// Whether a value begins like a date or a time: `2024-05-01`, `10:30`.
pub(super) fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let next = bytes.get(digits).copied().unwrap_or(0);
    let then = bytes.get(digits + 1).is_some_and(u8::is_ascii_digit);
    let only = bytes.iter().all(|byte| byte.is_ascii_digit() || b"-/.:TZ+".contains(byte));
    only && then && (digits == 4 && matches!(next, b'-' | b'/') || digits <= 2 && digits > 0 && next != b'+')
}

/// Whether a value stands where a value would: `<token>`, `${TOKEN}`, `your-key-here`, `****`.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let bytes = value.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    let bracketed = matches!((first, last), (b'<', b'>') | (b'{', b'}') | (b'[', b']') | (b'(', b')') | (b'%', b'%'));
    let opens = ["${", "$(", "{{", "%(", "%{", "#{", "<%", "[redacted", "..."];
    if bytes.is_empty() || bracketed || opens.iter().any(|open| value.starts_with(open)) || value.contains('…') {
        return true;
    }
    if let Some(name) = value.strip_prefix(['$', '@', '!', '&', '*', '#', '.', '%', ':'])
        && !name.is_empty()
        && (name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-' | b'.'))
            || name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'))
    {
        return true;
    }
    let same = bytes.iter().all(|byte| *byte == first);
    let masked = bytes.iter().filter(|byte| b"*.xX#?-_".contains(byte)).count() * 4 >= bytes.len() * 3;
    same || masked || is_words(value) && words(value).iter().any(|word| STANDS_FOR.contains(&word.as_str()))
}

/// Whether a single word says something about a password, or is the name of one, rather than being one.
pub(super) fn is_remark(value: &str) -> bool {
    let lower = value.to_lowercase();
    REMARKS.contains(&lower.as_str())
        || words(value).iter().any(|word| NAMES.contains(&word.as_str()) || STANDS_FOR.contains(&word.as_str()))
}

const STANDS_FOR: [&str; 19] = [
    "your",
    "example",
    "examples",
    "placeholder",
    "changeme",
    "redacted",
    "dummy",
    "todo",
    "insert",
    "replace",
    "sample",
    "foo",
    "bar",
    "foobar",
    "lorem",
    "ipsum",
    "masked",
    "hidden",
    "xxx",
];

const NAMES: [&str; 20] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "pass",
    "passwort",
    "secret",
    "secrets",
    "token",
    "tokens",
    "credential",
    "credentials",
    "key",
    "keys",
    "apikey",
    "env",
    "environ",
    "config",
    "settings",
];

/// In lower case.
const REMARKS: [&str; 74] = [
    "required",
    "optional",
    "string",
    "text",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "undefined",
    "empty",
    "unknown",
    "invalid",
    "incorrect",
    "wrong",
    "weak",
    "strong",
    "expired",
    "missing",
    "needed",
    "unset",
    "unchanged",
    "default",
    "number",
    "integer",
    "boolean",
    "bool",
    "bytes",
    "object",
    "array",
    "input",
    "output",
    "value",
    "name",
    "user",
    "username",
    "email",
    "str",
    "int",
    "any",
    "self",
    "args",
    "kwargs",
    "prompt",
    "stdin",
    "file",
    "manual",
    "disabled",
    "enabled",
    "random",
    "generated",
    "same",
    "forgotten",
    "changed",
    "reset",
    "updated",
    "short",
    "plain",
    "plaintext",
    "encrypted",
    "hashed",
    "bcrypt",
    "argon2",
    "argon2id",
    "sha256",
    "sha512",
    "sha-256",
    "base64",
    "aes256",
    "aes-256",
    "utf-8",
    "utf8",
    "oauth2",
    "rsa4096",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_ascii_digit() {
            Self::Digit
        } else if c.is_uppercase() {
            Self::Upper
        } else if c.is_alphabetic() {
            Self::Lower
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_apart_into_words() {
        assert_eq!(words("dbPassword_2"), ["db", "password", "2"]);
        assert_eq!(words("X-API-Key"), ["x", "api", "key"]);
        assert_eq!(words("  the Passwort "), ["the", "passwort"]);
        assert_eq!(words("…"), [""; 0]);
    }

    #[test]
    fn words_are_told_from_random_characters() {
        for text in ["learn-something-new-every-day", "SecretStringBuilder", "HTTP_PROXY_AUTH", "sha256", "next_page_2"]
        {
            assert!(is_words(text), "{text}");
        }
        for text in ["k3J9x0QpZ7aLm2", "9f86d081884c7d659a2feaa0", "MZXW6YTBOI2DGNBV", "aGVsbG8gd29ybGQhIQ"] {
            assert!(!is_words(text), "{text}");
        }
    }

    #[test]
    fn what_stands_for_a_value_is_told() {
        for text in ["<token>", "${TOKEN}", "$TOKEN", "your-api-key", "*****", "xxxx-xxxx", "[redacted: jwt]", ""] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["hunter2", "$ecret99x", "#Blau4711"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
