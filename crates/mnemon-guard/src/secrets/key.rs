//! What a value is called: whether the words before `=`, `:` or `is` name a credential.

use super::bytes::{at, before, is_blank, run_back};
use super::shape;

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// People choose it: it may be short, and even a word.
    Password,
    /// As a password, which is told more strictly.
    Secret,
    /// A machine made it: it is random.
    Token,
    /// As a token.
    Key,
    /// Credentials come after the name of a scheme.
    Authorization,
}

impl Named {
    /// What stands in the mark.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Token => "token",
            Self::Key => "key",
            Self::Authorization => "authorization",
        }
    }

    /// Whether a person may have chosen the value.
    pub(super) fn is_chosen(self) -> bool {
        matches!(self, Self::Password | Self::Secret)
    }
}

/// A name before a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) named: Named,
    /// Where the words begin that were looked at, in bytes.
    pub(super) start: usize,
    /// Whether blanks stand between name and separator.
    pub(super) spaced: bool,
    /// Whether passwords of several words go by this name.
    pub(super) phrase: bool,
}

/// So many bytes before a separator are looked at.
const REACH: usize = 64;

/// The name that ends before the separator at `end`.
pub(super) fn key_before(text: &str, end: usize) -> Option<Key> {
    let bytes = text.as_bytes();
    let unspaced = run_back(bytes, end, 4, is_blank);
    let name_end = run_back(bytes, unspaced, 6, |byte| matches!(byte, b'"' | b'\'' | b'`' | b'*' | b']' | b'\\'));
    // Most separators have a time, an address or nothing before them.
    if !is_name(before(bytes, name_end)) {
        return None;
    }
    if !may_name(bytes, name_end) {
        return None;
    }
    let mut start = run_back(bytes, name_end, REACH, |byte| is_name(byte) || byte == b' ');
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let name = text.get(start..name_end)?;
    let words = shape::words(name);
    let named = named(&words)?;
    let last = name.rsplit(' ').next().unwrap_or(name);
    let start = name_end - last.len();
    let phrase = words.iter().any(|word| word == "passphrase" || word == "mnemonic" || word == "phrase");
    Some(Key { named, start, spaced: unspaced < end, phrase })
}

/// The same for a name that is given alone, as that of a field.
pub(super) fn named_by(name: &str) -> Option<Named> {
    named(&shape::words(name))
}

/// The password that a clause speaks of before the word `is` at `end`: `the password of the cabin is`.
pub(super) fn password_spoken_of(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    let clause = |byte: u8| !matches!(byte, b'.' | b'!' | b'?' | b';' | b':' | b'\n' | b'\r');
    let mut start = run_back(bytes, end, REACH, clause);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let clause = bytes.get(start..end).unwrap_or_default();
    clause
        .split(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric())
        .any(|word| PASSWORDS.iter().any(|password| word.eq_ignore_ascii_case(password.as_bytes())))
}

/// Whether the last word before a position can be part of the name of a credential. Most are not, and this is quick.
fn may_name(bytes: &[u8], end: usize) -> bool {
    let start = run_back(bytes, end, 16, |byte| byte.is_ascii_alphabetic());
    let word = bytes.get(start..end).unwrap_or_default();
    let ends = |with: &str| {
        word.len()
            .checked_sub(with.len())
            .and_then(|from| word.get(from..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(with.as_bytes()))
    };
    word.is_empty()
        || !before(bytes, start).is_ascii()
        || ENDINGS.iter().any(|ending| ends(ending))
        || AFTER.iter().any(|after| word.eq_ignore_ascii_case(after.as_bytes()))
}

/// What the last words of names end with, when they are ASCII.
const ENDINGS: [&str; 24] = [
    "word",
    "wd",
    "pass",
    "passe",
    "phrase",
    "code",
    "wort",
    "pw",
    "psk",
    "secret",
    "geheim",
    "geheimnis",
    "token",
    "key",
    "credential",
    "credentials",
    "sig",
    "authorization",
    "senha",
    "contrasena",
    "clave",
    "parola",
    "woord",
    "schl",
];

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
}

fn named(words: &[String]) -> Option<Named> {
    let mut words = words;
    while let Some((last, rest)) = words.split_last() {
        if rest.is_empty() || !(AFTER.contains(&last.as_str()) || last.bytes().all(|byte| byte.is_ascii_digit())) {
            break;
        }
        words = rest;
    }
    let (last, rest) = words.split_last()?;
    let last = last.as_str();
    let previous = rest.last().map_or("", String::as_str);
    let named = if is_password(last) || last == "passe" && previous == "de" {
        Named::Password
    } else if matches!(last, "secret" | "clientsecret" | "appsecret" | "geheimnis" | "geheim") {
        Named::Secret
    } else if matches!(last, "token" | "accesstoken" | "authtoken" | "refreshtoken" | "apitoken" | "sastoken") {
        if NO_TOKEN.contains(&previous) {
            return None;
        }
        Named::Token
    } else if MERGED_KEYS.contains(&last)
        || last == "key" && KEYS.contains(&previous)
        || last == "schlüssel" && previous == "api"
        || matches!(last, "credential" | "credentials" | "sig")
    {
        Named::Key
    } else if last == "authorization" {
        Named::Authorization
    } else {
        return None;
    };
    Some(named)
}

fn is_password(word: &str) -> bool {
    PASSWORDS.contains(&word)
}

const PASSWORDS: [&str; 24] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "passwort",
    "kennwort",
    "passwörter",
    "pw",
    "pass",
    "psk",
    "dbpassword",
    "userpassword",
    "rootpassword",
    "wachtwoord",
    "senha",
    "contraseña",
    "contrasena",
    "clave",
    "пароль",
    "hasło",
    "lösenord",
    "parola",
    "motdepasse",
];

/// What stands behind the word that counts: `API_KEY_PROD`, `the password is: `.
const AFTER: [&str; 28] = [
    "is",
    "was",
    "are",
    "now",
    "value",
    "prod",
    "production",
    "dev",
    "test",
    "testing",
    "staging",
    "live",
    "old",
    "new",
    "string",
    "b",
    "base",
    "hex",
    "env",
    "default",
    "main",
    "backup",
    "encoded",
    "ist",
    "lautet",
    "est",
    "es",
    "raw",
];

/// Tokens that lead to the next page, or stand for words of a model.
const NO_TOKEN: [&str; 21] = [
    "page",
    "next",
    "continuation",
    "cursor",
    "cancellation",
    "eos",
    "bos",
    "pad",
    "unk",
    "mask",
    "sep",
    "cls",
    "end",
    "start",
    "stop",
    "special",
    "first",
    "last",
    "per",
    "public",
    "sync",
];

/// What makes a key one that is kept secret.
const KEYS: [&str; 37] = [
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "encrypt",
    "decryption",
    "signing",
    "master",
    "account",
    "shared",
    "storage",
    "license",
    "licence",
    "service",
    "app",
    "application",
    "consumer",
    "session",
    "webhook",
    "deploy",
    "ssh",
    "admin",
    "root",
    "server",
    "client",
    "hmac",
    "aes",
    "jwt",
    "subscription",
    "project",
    "recovery",
    "wifi",
    "wep",
    "wpa",
    "security",
];

const MERGED_KEYS: [&str; 11] = [
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "authkey",
    "accountkey",
    "masterkey",
    "signingkey",
    "appkey",
    "encryptionkey",
    "servicekey",
];

/// Where the name of a value begins whose type stands between: `password: &str = `. `end` is where `=` is.
pub(super) fn typed_colon(bytes: &[u8], end: usize) -> Option<usize> {
    let is_type = |byte: u8| byte.is_ascii_alphanumeric() || b" _<>&'[].".contains(&byte);
    let start = run_back(bytes, end, 48, is_type);
    (start > 0 && at(bytes, start - 1) == b':' && before(bytes, start - 1) != b':').then(|| start - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_passes_every_name() {
        let names =
            PASSWORDS.iter().chain(&MERGED_KEYS).chain(&["token", "authToken", "clientSecret", "appsecret", "sig"]);
        for name in names.chain(&[
            "API_KEY_2",
            "credentials",
            "Authorization",
            "mot de passe",
            "API-Schlüssel",
            "DB_PASSWORD_PROD",
        ]) {
            assert!(key_before(name, name.len()).is_some(), "{name}");
        }
    }
}
