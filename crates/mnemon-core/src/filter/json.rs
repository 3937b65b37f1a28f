//! The JSON form, close to that of mem0 and Chroma.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use super::error::cut;
use super::field::{Holds, TIME};
use super::value::time;
use super::{Bounds, Field, Filter, FilterError, Value};

const OPERATORS: &str = "an operator (eq, ne, in, nin, gt, gte, lt, lte or exists)";

impl Filter {
    /// Reads the JSON form; see [`Filter`]. Of a key that an object has twice, the last is read.
    ///
    /// # Errors
    /// [`FilterError`], with the place as a path from the root.
    pub fn from_json(json: &Json) -> Result<Self, FilterError> {
        let mut reader = Reader { place: String::from("$"), nodes: 0 };
        let filter = reader.filter(json, 1)?;
        filter.check()?;
        Ok(filter)
    }

    /// Writes the JSON form, which is read back as the same filter.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Eq(field, value) => condition(field, json!({"eq": value.to_json()})),
            Self::In(field, values) => {
                let values: Vec<Json> = values.iter().map(Value::to_json).collect();
                condition(field, json!({"in": values}))
            }
            Self::Range(field, bounds) => {
                let bounds = bounds.given().map(|(word, bound)| (word.to_owned(), bound.to_json()));
                condition(field, Json::Object(bounds.collect()))
            }
            Self::Exists(field) => condition(field, json!({"exists": true})),
            Self::And(parts) => json!({"AND": parts.iter().map(Self::to_json).collect::<Vec<_>>()}),
            Self::Or(parts) => json!({"OR": parts.iter().map(Self::to_json).collect::<Vec<_>>()}),
            Self::Not(inner) => json!({"NOT": inner.to_json()}),
        }
    }

    pub(super) fn from_json_text(text: &str) -> Result<Self, FilterError> {
        let json = serde_json::from_str(text).map_err(|error| {
            // The parser counts bytes of a line.
            let before = text.lines().take(error.line().saturating_sub(1)).map(|line| line.chars().count() + 1);
            let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            let end = line.floor_char_boundary(error.column().saturating_sub(1));
            let column = line.get(..end).unwrap_or_default().chars().count() + 1;
            let at = before.sum::<usize>() + column;
            FilterError::Text { at, expected: "JSON".to_owned(), got: error.to_string() }
        })?;
        Self::from_json(&json)
    }
}

fn condition(field: &Field, condition: Json) -> Json {
    Json::Object(Map::from_iter([(field.to_string(), condition)]))
}

impl Value {
    fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => (*number as f64).into(),
            },
            Self::Float(number) => (*number).into(),
            Self::Text(text) => Json::String(text.clone()),
            Self::Time(time) => Json::String(time.to_string()),
        }
    }
}

struct Reader {
    /// Where it reads, as a path from the root.
    place: String,
    nodes: usize,
}

impl Reader {
    fn filter(&mut self, json: &Json, depth: usize) -> Result<Filter, FilterError> {
        if depth > Filter::MAX_DEPTH {
            return Err(FilterError::TooDeep { max: Filter::MAX_DEPTH });
        }
        let Json::Object(entries) = json else {
            return Err(self.expected("an object such as {\"topic\": {\"eq\": \"garden\"}}", json));
        };
        let mut parts = Vec::new();
        for (key, inner) in entries {
            self.count()?;
            let part = self.within(key, |reader| match combination(key) {
                Some("not") => {
                    // mem0 has a list here, of which it is not agreed what more than one would mean.
                    let one = match inner {
                        Json::Array(list) => match list.as_slice() {
                            [one] => one,
                            _ => return Err(reader.expected("one filter", inner)),
                        },
                        one => one,
                    };
                    Ok(!reader.filter(one, depth + 1)?)
                }
                Some(word) => {
                    let Json::Array(list) = inner else { return Err(reader.expected("a list of filters", inner)) };
                    let mut filters = Vec::new();
                    for (at, filter) in list.iter().enumerate() {
                        filters.push(reader.within(&at.to_string(), |reader| reader.filter(filter, depth + 1))?);
                    }
                    Ok(if word == "and" { Filter::And(filters) } else { Filter::Or(filters) })
                }
                None => reader.condition(key, inner),
            })?;
            parts.push(part);
        }
        self.all(parts, json)
    }

    fn condition(&mut self, name: &str, json: &Json) -> Result<Filter, FilterError> {
        let field: Field = name.parse().map_err(|error| self.placed(error))?;
        let Json::Object(entries) = json else {
            return Ok(field.clone().eq(self.value(&field, json, Field::check_value)?));
        };
        let mut parts = Vec::new();
        let mut bounds = Bounds::default();
        for (operator, inner) in entries {
            self.count()?;
            let part = self.within(operator, |reader| {
                let is_bound = |slot: &mut Option<Value>, reader: &mut Self| {
                    *slot = Some(reader.value(&field, inner, Field::check_bound)?);
                    Ok(None)
                };
                match operator.strip_prefix('$').unwrap_or(operator) {
                    "eq" => Ok(Some(field.clone().eq(reader.value(&field, inner, Field::check_value)?))),
                    "ne" => Ok(Some(field.clone().ne(reader.value(&field, inner, Field::check_value)?))),
                    "in" => Ok(Some(Filter::In(field.clone(), reader.values(&field, inner)?))),
                    "nin" => Ok(Some(!Filter::In(field.clone(), reader.values(&field, inner)?))),
                    "exists" => match inner {
                        Json::Bool(true) => Ok(Some(field.clone().exists())),
                        Json::Bool(false) => Ok(Some(!field.clone().exists())),
                        other => Err(reader.expected("true or false", other)),
                    },
                    "gt" => is_bound(&mut bounds.gt, reader),
                    "gte" => is_bound(&mut bounds.gte, reader),
                    "lt" => is_bound(&mut bounds.lt, reader),
                    "lte" => is_bound(&mut bounds.lte, reader),
                    _ => Err(reader.wrong(OPERATORS, format!("`{}`", cut(operator)))),
                }
            })?;
            parts.extend(part);
        }
        if bounds.given().next().is_some() {
            parts.push(Filter::Range(field, bounds));
        }
        self.all(parts, json)
    }

    /// All of the entries of an object.
    fn all(&self, mut parts: Vec<Filter>, json: &Json) -> Result<Filter, FilterError> {
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                parts.push(last);
                Ok(Filter::And(parts))
            }
            (None, _) => Err(self.expected("at least one condition", json)),
        }
    }

    fn values(&mut self, field: &Field, json: &Json) -> Result<Vec<Value>, FilterError> {
        let Json::Array(list) = json else { return Err(self.expected("a list of values", json)) };
        if list.len() > Filter::MAX_LIST {
            return Err(FilterError::TooManyValues { max: Filter::MAX_LIST, max_in_all: Filter::MAX_VALUES });
        }
        let read = |(at, json): (usize, &Json)| {
            self.within(&at.to_string(), |reader| reader.value(field, json, Field::check_value))
        };
        list.iter().enumerate().map(read).collect()
    }

    fn value(
        &self,
        field: &Field,
        json: &Json,
        check: fn(&Field, &Value) -> Result<(), FilterError>,
    ) -> Result<Value, FilterError> {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::number(number).ok_or_else(|| self.expected("a finite number", json))?,
            Json::String(text) if field.holds() == Holds::Time => {
                Value::Time(time(text).ok_or_else(|| self.expected(TIME, json))?)
            }
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(_) => return Err(self.expected("one value (of several, any is {\"in\": [...]})", json)),
            Json::Object(_) => return Err(self.expected("a text, a number, true, false or null", json)),
        };
        check(field, &value).map_err(|error| self.placed(error))?;
        Ok(value)
    }

    /// Refuses early what would be refused later, so that nothing large is built.
    fn count(&mut self) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > Filter::MAX_NODES {
            return Err(FilterError::TooManyConditions { max: Filter::MAX_NODES });
        }
        Ok(())
    }

    fn within<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        let before = self.place.len();
        self.place.push('.');
        self.place.push_str(&cut(key));
        let result = read(self);
        self.place.truncate(before);
        result
    }

    fn expected(&self, expected: &str, got: &Json) -> FilterError {
        self.wrong(expected, cut(&got.to_string()))
    }

    fn wrong(&self, expected: &str, got: String) -> FilterError {
        FilterError::Json { at: self.place.clone(), expected: expected.to_owned(), got }
    }

    /// What is wrong with a field or a value, with its place.
    fn placed(&self, error: FilterError) -> FilterError {
        match error {
            FilterError::Field { expected, got } => self.wrong(&format!("{expected} as the name of a field"), got),
            FilterError::Value { field, expected, got } => self.wrong(&format!("{expected} for {field}"), got),
            other => other,
        }
    }
}

/// `and`, `or` or `not`, where a key is one of them.
fn combination(key: &str) -> Option<&'static str> {
    let word = key.strip_prefix('$').unwrap_or(key);
    ["and", "or", "not"].into_iter().find(|known| word.eq_ignore_ascii_case(known))
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&Json::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
