//! JSON that keeps what it was read from: values that nobody has to understand go out as they came in, down to the last
//! digit of a number.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ChatError;

/// The fields of an object, in their order, each name once.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The value of a field; `null` counts as none.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    /// Whether a value is an object with this field.
    pub(super) fn is_with(value: &'a RawValue, name: &str) -> bool {
        serde_json::from_str::<Self>(value.get()).is_ok_and(|fields| fields.get(name).is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("expected the field {name:?} once, got it twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

/// Reads values of one file, and says where they stand when they are not what they should be.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn whole(&self) -> Result<&'a RawValue, ChatError> {
        serde_json::from_str(self.text).map_err(|source| ChatError::Syntax { name: self.name.to_owned(), source })
    }

    pub(super) fn object(&self, value: &'a RawValue, path: &str) -> Result<Fields<'a>, ChatError> {
        if !value.get().starts_with('{') {
            return Err(self.wrong(value, path, "an object"));
        }
        serde_json::from_str(value.get()).map_err(|source| self.unreadable(value, path, source))
    }

    pub(super) fn array(&self, value: &'a RawValue, path: &str) -> Result<Vec<&'a RawValue>, ChatError> {
        if !value.get().starts_with('[') {
            return Err(self.wrong(value, path, "an array"));
        }
        serde_json::from_str(value.get()).map_err(|source| self.unreadable(value, path, source))
    }

    pub(super) fn string(&self, value: &'a RawValue, path: &str) -> Result<String, ChatError> {
        if !value.get().starts_with('"') {
            return Err(self.wrong(value, path, "a string"));
        }
        serde_json::from_str(value.get()).map_err(|source| self.unreadable(value, path, source))
    }

    /// The string of a field that has to be there.
    pub(super) fn field(
        &self,
        fields: &Fields<'a>,
        name: &str,
        of: &'a RawValue,
        path: &str,
    ) -> Result<String, ChatError> {
        match fields.get(name) {
            Some(value) => self.string(value, &format!("{path}.{name}")),
            None => Err(self.shape(of, path, format!("an object with {name:?}"), "one without".to_owned())),
        }
    }

    /// A value of another kind than expected.
    pub(super) fn wrong(&self, value: &RawValue, path: &str, expected: &str) -> ChatError {
        self.shape(value, path, expected.to_owned(), kind(value).to_owned())
    }

    pub(super) fn shape(&self, value: &RawValue, path: &str, expected: String, got: String) -> ChatError {
        let (name, path) = (self.name.to_owned(), path.to_owned());
        ChatError::Shape { name, line: self.line(value), path, expected, got }
    }

    fn unreadable(&self, value: &RawValue, path: &str, source: serde_json::Error) -> ChatError {
        ChatError::Unreadable { name: self.name.to_owned(), line: self.line(value), path: path.to_owned(), source }
    }

    /// The line on which a value begins. Values are slices of the text.
    fn line(&self, value: &RawValue) -> usize {
        let at = (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// What a value is, in words.
fn kind(value: &RawValue) -> &'static str {
    match value.get().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A string as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object out of names and values that are JSON.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// An array of values that are JSON.
pub(super) fn array(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}
