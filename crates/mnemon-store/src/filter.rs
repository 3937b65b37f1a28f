//! Filters as SQL: conditions with bound parameters, never pasted text.
//!
//! What is a column becomes a comparison of the column. What is metadata becomes a call of [`FUNCTION`], which runs
//! [`Filter::matches_metadata`] over the stored JSON, so that a filter means exactly the same here, whatever is written there.
//! SQLite's own JSON functions are as fast, but they round whole numbers beyond 63 bits and have a grammar of their own for
//! paths.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

use mnemon_core::{Bounds, Field, Filter, Kind, Metadata, Role, SessionId, Trust, Value};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value as Sql;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ffi, params_from_iter};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::{RowId, ScopeRow, Snapshot, StoreError};

/// `FUNCTION(metadata, filter as JSON)`: whether metadata matches.
const FUNCTION: &str = "mnemon_metadata_matches";

/// A condition over `memory AS m` that is 0 or 1, never null, and the values of its parameters in order.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    pub(crate) values: Vec<Sql>,
}

impl Condition {
    /// The condition of a filter: it holds for exactly those rows whose memories match.
    pub(crate) fn of(filter: &Filter) -> Result<Self, StoreError> {
        filter.check()?;
        Ok(Self::build(filter))
    }

    /// Recursion ends: the filter was checked.
    fn build(filter: &Filter) -> Self {
        if filter.is_about_metadata() {
            return Self::new(format!("{FUNCTION}(m.metadata, ?)"), [Sql::Text(filter.to_json().to_string())]);
        }
        match filter {
            Filter::Eq(field, value) => Self::one_of(field, std::slice::from_ref(value)),
            Filter::In(field, values) => Self::one_of(field, values),
            Filter::Range(field, bounds) => Self::range(field, bounds),
            Filter::Exists(field) => Self::exists(field),
            Filter::And(parts) => Self::all(parts, "AND", Filter::And),
            Filter::Or(parts) => Self::all(parts, "OR", Filter::Or),
            Filter::Not(inner) => {
                let inner = Self::build(inner);
                Self { sql: format!("NOT {}", inner.sql), values: inner.values }
            }
        }
    }

    fn new(sql: String, values: impl Into<Vec<Sql>>) -> Self {
        Self { sql, values: values.into() }
    }

    fn never() -> Self {
        Self::new("0".to_owned(), [])
    }

    /// What is about metadata is one call, after the columns, which are cheaper.
    fn all(parts: &[Filter], word: &str, combine: fn(Vec<Filter>) -> Filter) -> Self {
        let (metadata, columns): (Vec<&Filter>, Vec<&Filter>) = parts.iter().partition(|part| part.is_about_metadata());
        let mut conditions: Vec<Self> = columns.into_iter().map(Self::build).collect();
        if !metadata.is_empty() {
            conditions.push(Self::build(&combine(metadata.into_iter().cloned().collect())));
        }
        Self::balanced(conditions, word)
    }

    /// In pairs of pairs: SQLite allows 1,000 levels, and a list without parentheses has a level for each of its parts.
    fn balanced(mut conditions: Vec<Self>, word: &str) -> Self {
        if conditions.len() > 1 {
            let second = Self::balanced(conditions.split_off(conditions.len() / 2), word);
            let first = Self::balanced(conditions, word);
            let mut values = first.values;
            values.extend(second.values);
            return Self { sql: format!("({} {word} {})", first.sql, second.sql), values };
        }
        conditions.pop().unwrap_or_else(Self::never)
    }

    fn one_of(field: &Field, values: &[Value]) -> Self {
        let of_words = |code: fn(&Value) -> Option<i64>| -> Vec<Sql> {
            values.iter().filter_map(code).map(Sql::Integer).collect()
        };
        let texts = || {
            values.iter().filter_map(|value| match value {
                Value::Text(text) => Some(Sql::Text(text.clone())),
                _ => None,
            })
        };
        match field {
            Field::Kind => Self::among("m.kind", of_words(|value| value.word().map(Kind::code))),
            Field::Role => Self::among("m.role", of_words(|value| value.word().map(Role::code))),
            Field::Speaker => Self::among("m.speaker", texts().collect()),
            Field::Source => Self::among_rows("m.source_id", "source", "name", texts().collect()),
            Field::Session => {
                let ids = values.iter().filter_map(Value::word::<SessionId>);
                Self::among_rows(
                    "m.session_id",
                    "session",
                    "uid",
                    ids.map(|id| Sql::Blob(id.as_bytes().into())).collect(),
                )
            }
            Field::Pinned => Self::among(
                "m.pinned",
                values
                    .iter()
                    .filter_map(|value| match value {
                        Value::Bool(pinned) => Some(Sql::Integer(i64::from(*pinned))),
                        _ => None,
                    })
                    .collect(),
            ),
            Field::Trust => Self::among(column(field), of_words(|value| value.word().map(Trust::code))),
            Field::Importance => Self::among(
                column(field),
                values.iter().filter_map(|value| Some(Sql::Real(value.as_f32()?.into()))).collect(),
            ),
            Field::OccurredAt | Field::Time | Field::StoredAt => {
                // Stored times are whole milliseconds, so no other can be equal to one.
                let times = values.iter().filter_map(Milliseconds::of_value).filter(|time| time.is_whole);
                Self::among(column(field), times.map(|time| Sql::Integer(time.floor)).collect())
            }
            // All of what is about metadata was taken by `build`.
            Field::Metadata(_) => Self::never(),
        }
    }

    fn among(column: &str, values: Vec<Sql>) -> Self {
        // `NULL IN (...)` is null, unless the list is empty.
        Self::new(format!("coalesce({column} IN ({}), 0)", marks(values.len())), values)
    }

    /// Where the column names a row of another table, by a column of that.
    fn among_rows(column: &str, table: &str, name: &str, values: Vec<Sql>) -> Self {
        let marks = marks(values.len());
        Self::new(format!("coalesce({column} IN (SELECT id FROM {table} WHERE {name} IN ({marks})), 0)"), values)
    }

    fn range(field: &Field, bounds: &Bounds) -> Self {
        let column = column(field);
        let compare = |(word, bound)| {
            let sign = match word {
                "gt" => ">",
                "gte" => ">=",
                "lt" => "<",
                _ => "<=",
            };
            let bound = match field {
                Field::Trust => Sql::Integer(Value::word::<Trust>(bound)?.code()),
                Field::Importance => Sql::Real(bound.as_f32()?.into()),
                _ => Sql::Integer(Milliseconds::of_value(bound)?.bound(word)),
            };
            Some(Self::new(format!("coalesce({column} {sign} ?, 0)"), [bound]))
        };
        let parts: Option<Vec<Self>> = bounds.given().map(compare).collect();
        parts.map_or_else(Self::never, |parts| Self::balanced(parts, "AND"))
    }

    fn exists(field: &Field) -> Self {
        Self::new(
            match field {
                Field::Role | Field::Session | Field::Speaker | Field::Source | Field::OccurredAt => {
                    format!("({} IS NOT NULL)", column(field))
                }
                Field::Kind | Field::Pinned | Field::Trust | Field::Importance | Field::Time | Field::StoredAt => {
                    "1".to_owned()
                }
                Field::Metadata(_) => "0".to_owned(),
            },
            [],
        )
    }
}

/// What a row has in place of a field.
fn column(field: &Field) -> &'static str {
    match field {
        Field::Role => "m.role",
        Field::Session => "m.session_id",
        Field::Speaker => "m.speaker",
        Field::Source => "m.source_id",
        Field::OccurredAt => "m.occurred_at",
        Field::Time => "coalesce(m.occurred_at, m.stored_at)",
        Field::StoredAt => "m.stored_at",
        Field::Trust => &TRUST,
        Field::Importance => "coalesce((SELECT importance FROM memory_state WHERE memory_id = m.id), 0.5)",
        // Without an order, or not a column.
        Field::Kind | Field::Pinned | Field::Metadata(_) => "NULL",
    }
}

/// The code of [`Memory::trust`](mnemon_core::Memory::trust): what is written, else what [`Trust::of`] says of such a row.
static TRUST: LazyLock<String> = LazyLock::new(|| {
    let turns = Role::ALL.iter().map(|role| (Kind::Turn, Some(*role)));
    let others = Kind::ALL.iter().filter(|kind| **kind != Kind::Turn).map(|kind| (*kind, None));
    let mut sql = String::from(
        "coalesce((SELECT trust FROM memory_state WHERE memory_id = m.id),
             CASE 100 * m.kind + 10 * coalesce(m.role, 0) + (m.source_id IS NOT NULL)",
    );
    for (kind, role) in turns.chain(others) {
        for is_imported in [false, true] {
            let row = 100 * kind.code() + 10 * role.map_or(0, Role::code) + i64::from(is_imported);
            sql.push_str(&format!(" WHEN {row} THEN {}", Trust::of(kind, role, is_imported).code()));
        }
    }
    sql.push_str(" END)");
    sql
});

/// `?, ?, ?`
fn marks(count: usize) -> String {
    let mut marks = "?, ".repeat(count);
    marks.truncate(marks.len().saturating_sub(2));
    marks
}

/// A time in milliseconds, as rows have it.
struct Milliseconds {
    floor: i64,
    is_whole: bool,
}

impl Milliseconds {
    fn of_value(value: &Value) -> Option<Self> {
        let Value::Time(time) = value else { return None };
        let nanoseconds = time.as_nanosecond();
        // A time lies between the years -9999 and 9999: about 10^14 milliseconds.
        let floor = i64::try_from(nanoseconds.div_euclid(1_000_000)).unwrap_or(i64::MAX);
        Some(Self { floor, is_whole: nanoseconds.rem_euclid(1_000_000) == 0 })
    }

    /// The same bound for whole milliseconds: what is later than a part of one is at the next one or later.
    fn bound(&self, word: &str) -> i64 {
        match word {
            "gte" | "lt" if !self.is_whole => self.floor.saturating_add(1),
            _ => self.floor,
        }
    }
}

impl Snapshot<'_> {
    /// The rows of the memories of a scope that match, ascending. Looks at every row of the scope.
    ///
    /// # Errors
    /// [`StoreError::Filter`] for a filter that cannot be run, [`StoreError::Corrupt`] for metadata that is no JSON, and when
    /// the file cannot be read.
    pub fn matching_rows(&self, scope: ScopeRow, filter: &Filter) -> Result<Vec<RowId>, StoreError> {
        let condition = Condition::of(filter)?;
        let sql = format!("SELECT m.id FROM memory AS m WHERE m.scope_id = ? AND {} ORDER BY m.id", condition.sql);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let values = [Sql::Integer(scope.0)].into_iter().chain(condition.values);
        let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Gives a connection the function that conditions on metadata call.
pub(crate) fn register(conn: &Connection) -> rusqlite::Result<()> {
    // Direct: no schema, which somebody may have tampered with, can call it.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function(FUNCTION, 2, flags, metadata_matches)
}

fn metadata_matches(context: &Context<'_>) -> rusqlite::Result<bool> {
    // Kept by SQLite as long as the parameter stays the same: read once for each statement.
    let asked = context.get_or_create_aux(1, |value| -> Result<Asked, Box<dyn Error + Send + Sync>> {
        let filter: Filter = serde_json::from_slice(value.as_bytes()?)?;
        let mut keys = BTreeSet::new();
        first_keys(&filter, &mut keys);
        Ok(Asked { filter, keys })
    })?;
    let metadata = match context.get_raw(0) {
        ValueRef::Null => Metadata::new(),
        text => Wanted(&asked.keys).read(text.as_bytes()?).map_err(|_| {
            // Without words of its own: SQLite would take them in place of the code.
            rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
        })?,
    };
    Ok(asked.filter.matches_metadata(&metadata))
}

/// A filter about metadata, and the keys that it begins to look at.
struct Asked {
    filter: Filter,
    keys: BTreeSet<String>,
}

fn first_keys(filter: &Filter, keys: &mut BTreeSet<String>) {
    match filter {
        Filter::Eq(field, _) | Filter::In(field, _) | Filter::Range(field, _) | Filter::Exists(field) => {
            if let Field::Metadata(path) = field {
                keys.extend(path.first().cloned());
            }
        }
        Filter::And(parts) | Filter::Or(parts) => parts.iter().for_each(|part| first_keys(part, keys)),
        Filter::Not(inner) => first_keys(inner, keys),
    }
}

/// Reads the entries of these keys and passes over the others, which takes a third of the time of reading all.
#[derive(Clone, Copy)]
struct Wanted<'k>(&'k BTreeSet<String>);

impl Wanted<'_> {
    fn read(self, json: &[u8]) -> serde_json::Result<Metadata> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let metadata = deserializer.deserialize_map(self)?;
        deserializer.end()?;
        Ok(metadata)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::new();
        while let Some(key) = entries.next_key_seed(WantedKey(self.0))? {
            match key {
                Some(key) => drop(metadata.insert(key, entries.next_value()?)),
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(metadata)
    }
}

/// A key, if it is one of these.
struct WantedKey<'k>(&'k BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for WantedKey<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for WantedKey<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<String>, E> {
        Ok(self.0.get(key).cloned())
    }
}
