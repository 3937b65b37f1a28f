//! Fields of JSON objects, taken out with messages about what is wrong with them.

use serde_json::{Map, Value};

use super::error::{Place, Problem, excerpt, excerpt_from};

/// A JSON object of a file, from which fields are taken.
pub(super) struct Fields {
    place: Place,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of a value that has to be an object.
    pub(super) fn new(place: Place, expected: &str, value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self { place, map }),
            other => Err(Problem::new(place, expected, describe(&other))),
        }
    }

    /// Where the object is.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Where a field of the object is.
    pub(super) fn place_of(&self, field: &str) -> Place {
        match &self.place {
            Place::Pointer(pointer) => {
                Place::Pointer(format!("{pointer}/{}", field.replace('~', "~0").replace('/', "~1")))
            }
            place => place.clone(),
        }
    }

    /// Whether a field is there and is not null.
    pub(super) fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is there, null or not.
    pub(super) fn knows(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// A short description of what is left of the object, for messages.
    pub(super) fn describe(&self) -> String {
        match self.map.keys().next() {
            Some(first) => format!("an object of {} fields such as {:?}", self.map.len(), excerpt(first)),
            None => "an empty object".to_owned(),
        }
    }

    /// Takes a field out, as it is.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field)
    }

    /// Takes a string. A missing field and a null are both `None`.
    pub(super) fn take_text(&mut self, field: &str) -> Result<Option<String>, Problem> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, "a string", &other)),
        }
    }

    /// Takes a name: a string, or a whole number.
    pub(super) fn take_name(&mut self, field: &str) -> Result<Option<String>, Problem> {
        match self.take(field) {
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                Err(self.wrong(field, "a string or a whole number", &value))
            }
            Some(Value::String(name)) if name.trim().is_empty() => {
                Err(self.wrong(field, "a name that is not empty", &Value::String(name)))
            }
            Some(Value::String(name)) => Ok(Some(name)),
            None | Some(Value::Null) => Ok(None),
        }
    }

    /// Takes a field that another type reads from text.
    pub(super) fn take_parsed<T>(
        &mut self,
        field: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take_text(field)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.wrong(field, expected, &Value::String(text)))
    }

    /// Takes a field whose value is what is looked for. Any other value stays.
    pub(super) fn take_if<T>(&mut self, field: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.map.get(field).and_then(read)?;
        self.map.remove(field);
        Some(value)
    }

    /// A problem with the value of a field.
    pub(super) fn wrong(&self, field: &str, expected: &str, got: &Value) -> Problem {
        Problem::new(self.place_of(field), format!("{expected} as `{field}`"), describe(got))
    }

    /// What was not taken.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.map
    }
}

/// A short description of a value, for messages.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Number(it) => excerpt(&it.to_string()),
        Value::String(it) => format!("{:?}", excerpt(it)),
        Value::Array(it) => format!("an array of {} values", it.len()),
        Value::Object(it) => match it.keys().next() {
            Some(first) => format!("an object of {} fields such as {:?}", it.len(), excerpt(first)),
            None => "an empty object".to_owned(),
        },
    }
}

/// Parses JSON whose first line is `line` of the file.
pub(super) fn parse(line: usize, expected: &str, text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let line = line + error.line().saturating_sub(1);
        let place = Place::Byte { line, column: error.column().max(1) };
        let near = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let got =
            if error.is_eof() { "the end in the middle of it".to_owned() } else { near_column(near, error.column()) };
        Problem::new(place, expected, got).because(error)
    })
}

/// The part of a line around a byte of it.
fn near_column(line: &str, column: usize) -> String {
    format!("{:?}", excerpt_from(line, column.saturating_sub(20)))
}
