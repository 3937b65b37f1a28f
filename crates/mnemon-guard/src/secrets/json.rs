//! Credentials in metadata.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::assignment::is_value_of;
use super::key::{Named, named_by};
use super::{Redactor, SecretKind, mark};

/// A credential that was found in a JSON value. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldFinding {
    /// What it is.
    pub kind: SecretKind,
    /// What its mark says.
    pub label: Cow<'static, str>,
    /// Where it stood: a JSON pointer (RFC 6901) of redacted names.
    pub pointer: String,
}

/// A value that is still to be looked at.
struct Open<'v> {
    value: &'v mut Value,
    pointer: String,
    named: Option<Named>,
}

impl Redactor {
    /// Redacts every text in a JSON value: strings, the names of fields, and numbers that are card numbers. What stands in a
    /// field that names a credential (`password`, `api_key`), in itself or in a list, is replaced as a whole.
    pub fn redact_json(&self, value: &mut Value) -> Vec<FieldFinding> {
        let mut found = Vec::new();
        if !self.enabled {
            return found;
        }
        let mut open = vec![Open { value, pointer: String::new(), named: None }];
        while let Some(Open { value, pointer, named }) = open.pop() {
            match value {
                Value::String(_) | Value::Number(_) => self.leaf(value, &pointer, named, &mut found),
                Value::Array(items) => {
                    open.extend(items.iter_mut().enumerate().map(|(number, value)| Open {
                        value,
                        pointer: format!("{pointer}/{number}"),
                        named,
                    }));
                }
                Value::Object(fields) => {
                    self.names(fields, &pointer, &mut found);
                    open.extend(fields.iter_mut().map(|(name, value)| Open {
                        value,
                        pointer: format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                        named: named_by(name).or_else(|| named_by(name.strip_suffix('s')?)),
                    }));
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
        found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        found
    }

    /// The same for the metadata of a memory.
    pub fn redact_metadata(&self, metadata: &mut Map<String, Value>) -> Vec<FieldFinding> {
        let mut value = Value::Object(std::mem::take(metadata));
        let found = self.redact_json(&mut value);
        if let Value::Object(fields) = value {
            *metadata = fields;
        }
        found
    }

    fn leaf(&self, value: &mut Value, pointer: &str, named: Option<Named>, found: &mut Vec<FieldFinding>) {
        let text = match &*value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        };
        let kind = |named| match named {
            Named::Authorization => SecretKind::Authorization,
            _ => SecretKind::Assignment,
        };
        // A number is a password, where it is said to be one; the tokens of a model have numbers too.
        let named = named.filter(|&named| value.is_string() || named == Named::Password);
        let named =
            named.filter(|&named| self.kinds.has(kind(named)) && !self.allows(&text) && is_value_of(named, &text));
        let redacted = self.redact(&text);
        let new = match named {
            Some(named) => {
                // What is known more exactly gives its name to the whole.
                let (kind, label) = match redacted.findings.first() {
                    Some(finding) => (finding.kind, finding.label.clone()),
                    None => (kind(named), named.label().into()),
                };
                let new = mark(&label);
                found.push(FieldFinding { kind, label, pointer: pointer.to_owned() });
                new
            }
            None if redacted.findings.is_empty() => return,
            None => {
                found.extend(redacted.findings.into_iter().map(|finding| FieldFinding {
                    kind: finding.kind,
                    label: finding.label,
                    pointer: pointer.to_owned(),
                }));
                redacted.text.into_owned()
            }
        };
        *value = Value::String(new);
    }

    /// Redacts the names of fields.
    fn names(&self, fields: &mut Map<String, Value>, pointer: &str, found: &mut Vec<FieldFinding>) {
        if !fields.keys().any(|name| !self.redact(name).findings.is_empty()) {
            return;
        }
        for (name, value) in std::mem::take(fields) {
            let redacted = self.redact(&name);
            found.extend(redacted.findings.iter().map(|finding| FieldFinding {
                kind: finding.kind,
                label: finding.label.clone(),
                pointer: pointer.to_owned(),
            }));
            // Two names may become one: none of their values may be lost.
            let mut unique = redacted.text.clone().into_owned();
            let mut number = 2;
            while fields.contains_key(&unique) {
                unique = format!("{} ({number})", redacted.text);
                number += 1;
            }
            fields.insert(unique, value);
        }
    }
}
