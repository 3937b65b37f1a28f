//! Filters from text, from JSON and by hand: what is read is written and read again as the same, and what SQL gives is
//! what `Filter::matches` says, within the scope.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use mnemon_core::{
    Bounds, Field, Filter, FilterError, Kind, Memory, Metadata, NewMemory, NewTurn, Placement, Role, Timestamp, Value,
};
use mnemon_fuzz::scope;
use mnemon_store::{ListFilter, NewSession, RowId, ScopeRow, Store, StoreError};

#[derive(Debug, Arbitrary)]
enum Tree<'a> {
    Eq(Name<'a>, Item<'a>),
    In(Name<'a>, Vec<Item<'a>>),
    Range(Name<'a>, [Option<Item<'a>>; 4]),
    Exists(Name<'a>),
    And(Vec<Tree<'a>>),
    Or(Vec<Tree<'a>>),
    Not(Box<Tree<'a>>),
}

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    Metadata(Vec<&'a str>),
    /// A key that the store has.
    Known(u8),
    Own(u8),
}

#[derive(Debug, Arbitrary)]
enum Item<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Large(u64),
    Float(f64),
    Text(&'a str),
    /// A word that fields have.
    Word(u8),
    Time(i64),
    Nanos(i64),
}

const KEYS: [&str; 6] = ["a", "b", "c", "x.y", "", "a' OR 1=1 --"];
const WORDS: [&str; 8] = ["note", "fact", "turn", "user", "Ann", "file:x", "garden", "1"];

impl Name<'_> {
    fn field(&self) -> Field {
        match self {
            Self::Metadata(path) => Field::metadata(path.iter().copied()),
            Self::Known(n) => Field::metadata([KEYS[usize::from(*n) % KEYS.len()]]),
            Self::Own(n) => match n % 9 {
                0 => Field::Kind,
                1 => Field::Role,
                2 => Field::Speaker,
                3 => Field::Session,
                4 => Field::Pinned,
                5 => Field::Source,
                6 => Field::OccurredAt,
                7 => Field::Time,
                _ => Field::StoredAt,
            },
        }
    }
}

impl Item<'_> {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(value) => Value::Integer((*value).into()),
            Self::Large(value) => Value::Integer((*value).into()),
            Self::Float(value) => Value::Float(*value),
            Self::Text(text) => Value::Text((*text).to_owned()),
            Self::Word(n) => Value::Text(WORDS[usize::from(*n) % WORDS.len()].to_owned()),
            Self::Time(second) => Timestamp::from_second(*second).map_or(Value::Null, Value::Time),
            Self::Nanos(nano) => Timestamp::from_nanosecond((*nano).into()).map_or(Value::Null, Value::Time),
        }
    }
}

impl Tree<'_> {
    fn filter(&self) -> Filter {
        let all = |parts: &[Self]| parts.iter().map(Self::filter).collect();
        match self {
            Self::Eq(name, item) => Filter::Eq(name.field(), item.value()),
            Self::In(name, items) => Filter::In(name.field(), items.iter().map(Item::value).collect()),
            Self::Range(name, bounds) => {
                let [gt, gte, lt, lte] = bounds.each_ref().map(|bound| bound.as_ref().map(Item::value));
                Filter::Range(name.field(), Bounds { gt, gte, lt, lte })
            }
            Self::Exists(name) => Filter::Exists(name.field()),
            Self::And(parts) => Filter::And(all(parts)),
            Self::Or(parts) => Filter::Or(all(parts)),
            Self::Not(inner) => Filter::Not(Box::new(inner.filter())),
        }
    }
}

/// Two scopes with the same memories, and what the first one holds.
struct World {
    store: Store,
    row: ScopeRow,
    memories: Vec<(RowId, Memory)>,
}

impl World {
    fn new() -> Result<Self, StoreError> {
        let store = Store::open_in_memory()?;
        let (own, other) = (scope("own"), scope("other"));
        let metadata = [
            "{}",
            r#"{"a": 1, "b": "garden", "c": null}"#,
            r#"{"a": 1.0, "b": ["garden", 1, null, true]}"#,
            r#"{"a": -0.0, "b": {"c": {"d": "deep"}}}"#,
            r#"{"a": 9223372036854775807, "": "empty", "x.y": true}"#,
            r#"{"a": 18446744073709551615, "b": "Garden", "c": false}"#,
            r#"{"a": 9007199254740993, "b": "g\u00e4rten", "c": [[1], {"d": 1}]}"#,
            r#"{"a": 5e-324, "b": "x\u0000y", "a' OR 1=1 --": "') OR (1=1"}"#,
            r#"{"a": "1", "b": "%", "c": 1.7976931348623157e308}"#,
        ];
        let metadata = |n: usize| -> Metadata { serde_json::from_str(metadata[n % metadata.len()]).expect("JSON") };
        let time = |second| Timestamp::from_second(second).expect("a time");
        for scope in [&own, &other] {
            store.write(|tx| -> Result<(), StoreError> {
                let row = tx.ensure_scope(scope)?;
                let session = tx.start_session(row, &NewSession::unnamed(time(0)), time(0))?;
                for (n, kind) in
                    [Kind::Note, Kind::Fact, Kind::Document, Kind::Summary].iter().cycle().take(18).enumerate()
                {
                    let mut new =
                        NewMemory::new(*kind, format!("memory {n}")).pinned(n % 3 == 0).with_metadata(metadata(n));
                    new.occurred_at = (n % 2 == 0).then(|| time(n as i64 * 86_400));
                    if n % 4 == 1 {
                        new = new.from_origin("file:x", n.to_string());
                    }
                    tx.add_memory(scope, &new, time(1_000 + n as i64))?;
                }
                for (n, role) in
                    [Role::User, Role::Assistant, Role::Tool, Role::System].iter().cycle().take(9).enumerate()
                {
                    let mut turn = NewTurn::new(*role, format!("turn {n}"));
                    turn.metadata = metadata(n);
                    turn.speaker = (n % 2 == 0).then(|| "Ann".to_owned());
                    tx.add_turn(row, session, &turn, Placement::LongTerm, time(2_000 + n as i64))?;
                }
                Ok(())
            })?;
        }
        let (row, memories) = store.read(|snapshot| -> Result<_, StoreError> {
            let row = snapshot.scope_id(&own)?.expect("it was written to");
            let all = snapshot.list(row, &ListFilter { limit: usize::MAX, ..ListFilter::default() })?;
            let rows =
                all.into_iter().map(|memory| Ok((snapshot.memory_row(row, memory.id)?.expect("listed"), memory)));
            Ok((row, rows.collect::<Result<Vec<_>, StoreError>>()?))
        })?;
        Ok(Self { store, row, memories })
    }

    /// Both match the same memories.
    fn same(&self, one: &Filter, other: &Filter) {
        for (_, memory) in &self.memories {
            assert_eq!(one.matches(memory), other.matches(memory), "{one} and {other}");
        }
    }

    fn compare(&self, filter: &Filter) {
        let list = ListFilter { filter: Some(filter.clone()), limit: usize::MAX, ..ListFilter::default() };
        let read = self.store.read(|snapshot| -> Result<_, StoreError> {
            Ok((
                snapshot.matching_rows(self.row, filter)?,
                snapshot.list(self.row, &list)?,
                snapshot.count(self.row, &list)?,
            ))
        });
        let (rows, listed, count) = read.unwrap_or_else(|error| panic!("{filter}: {error:?}"));
        let meant: Vec<&(RowId, Memory)> = self.memories.iter().filter(|(_, memory)| filter.matches(memory)).collect();
        assert_eq!(rows, meant.iter().map(|(row, _)| *row).collect::<Vec<_>>(), "rows of {filter}");
        assert_eq!(listed, meant.iter().map(|(_, memory)| memory.clone()).collect::<Vec<_>>(), "list of {filter}");
        assert_eq!(count, meant.len() as u64, "count of {filter}");
    }
}

thread_local! {
    static WORLD: World = World::new().expect("a store");
}

fn has_two_bounds(filter: &Filter) -> bool {
    match filter {
        Filter::Range(_, bounds) => bounds.given().count() > 1,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(has_two_bounds),
        Filter::Not(inner) => has_two_bounds(inner),
        _ => false,
    }
}

fn check(filter: &Filter, is_text: bool) {
    // As text a range of two bounds is two conditions and a combination of one is that one: what is read means the same, and
    // is the same from then on.
    match filter.to_string().parse::<Filter>() {
        Ok(read) => {
            assert_eq!(read.to_string().parse::<Filter>().as_ref(), Ok(&read), "{filter}");
            WORLD.with(|world| world.same(filter, &read));
            if is_text {
                assert_eq!(&read, filter);
            }
        }
        // Two conditions more are a level more.
        Err(FilterError::TooDeep { .. } | FilterError::TooManyConditions { .. }) if has_two_bounds(filter) => {}
        Err(error) => panic!("{filter}: {error}"),
    }
    let json = filter.to_json();
    assert_eq!(Filter::from_json(&json).as_ref(), Ok(filter), "{json}");
    let line = serde_json::to_string(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    match serde_json::from_str::<Filter>(&line) {
        Ok(read) => assert_eq!(&read, filter, "{line}"),
        Err(error) => panic!("{line}: {error}"),
    }
    WORLD.with(|world| world.compare(filter));
}

// The first byte says how the filter comes: `t` as a line of text, `j` as JSON, anything else as a tree made of the bytes.
fuzz_target!(|data: &[u8]| {
    let Some((way, rest)) = data.split_first() else { return };
    match way {
        b't' => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(filter) = text.parse::<Filter>() {
                assert_eq!(filter.check(), Ok(()), "{text:?}");
                check(&filter, true);
            }
        }
        b'j' => {
            let Ok(json) = serde_json::from_slice(rest) else { return };
            if let Ok(filter) = Filter::from_json(&json) {
                assert_eq!(filter.check(), Ok(()), "{json}");
                check(&filter, false);
            }
        }
        _ => {
            let Ok(tree) = Tree::arbitrary_take_rest(Unstructured::new(rest)) else { return };
            let filter = tree.filter();
            if filter.check().is_ok() {
                check(&filter, false);
            } else {
                // What cannot be run is refused, not answered.
                WORLD.with(|world| {
                    let ran = world.store.read(|snapshot| snapshot.matching_rows(world.row, &filter));
                    assert!(matches!(ran, Err(StoreError::Filter(_))), "{filter:?}: {ran:?}");
                });
            }
        }
    }
});
