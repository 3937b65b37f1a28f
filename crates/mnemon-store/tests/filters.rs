//! Filters: what SQL gives is what `Filter::matches` says, and nothing of another scope.
//!
//! `MNEMON_CASES` is the number of filters that are tried; `PROPTEST_RNG_SEED` is the seed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;

use mnemon_core::{
    Bounds, Field, Filter, Kind, Memory, MemoryId, Metadata, NewMemory, NewTurn, Origin, Placement, Role, Scope,
    SessionId, State, Timestamp, Trust, Turn, Value,
};
use mnemon_store::{ListFilter, NewSession, RowId, ScopeRow, Snapshot, Store, StoreError, StoreOptions, WriteTx};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use rusqlite::Connection;
use serde_json::Value as Json;

const SCOPES: usize = 3;
/// Sessions of each scope.
const SESSIONS: usize = 2;
/// Filters that are tried on the same memories.
const FILTERS: usize = 20;
const CASES: u32 = 2_000;

/// A memory, before it has an id.
#[derive(Debug, Clone)]
struct Spec {
    scope: usize,
    /// Session, role and speaker of a turn.
    turn: Option<(usize, Role, Option<String>)>,
    kind: Kind,
    pinned: bool,
    source: Option<String>,
    occurred_at: Option<Timestamp>,
    stored_at: Timestamp,
    metadata: Metadata,
    trust: Option<Trust>,
    importance: Option<f32>,
}

/// A filter that is not yet about the memories of one world.
#[derive(Debug, Clone)]
enum Open {
    /// A condition on anything.
    Free(Filter),
    /// A condition on something that a memory has: which, in what relation, and another value.
    Known(prop::sample::Index, Relation, Value),
    /// Turns of these sessions; one number is of no session.
    Sessions(Vec<usize>),
    And(Vec<Open>),
    Or(Vec<Open>),
    Not(Box<Open>),
}

#[derive(Debug, Clone, Copy)]
enum Relation {
    Eq,
    In,
    Exists,
    Gt,
    Gte,
    Lt,
    Lte,
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = (-3..3_i64).prop_map(|milli| Timestamp::from_millisecond(milli).unwrap());
    let far = (Timestamp::MIN.as_second()..Timestamp::MAX.as_second()).prop_map(|s| Timestamp::from_second(s).unwrap());
    prop_oneof![8 => near, 1 => far]
}

/// Times between two milliseconds too.
fn any_bound_time() -> impl Strategy<Value = Timestamp> {
    let near = (-3_500_000..3_500_000_i128).prop_map(|nano| Timestamp::from_nanosecond(nano).unwrap());
    prop_oneof![3 => any_time(), 2 => near, 1 => prop::sample::select(vec![Timestamp::MIN, Timestamp::MAX])]
}

fn any_word() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "a",
        "A",
        "ä",
        "a\u{308}",
        "a\0",
        "a\0b",
        "'",
        "\"",
        "\\",
        "\\u0061",
        "%",
        "a' OR 1=1 --",
        "x.y",
        "$",
        "$.a",
        "[0]",
        "#-1",
        "\u{1f600}",
        "\u{ffff}",
        "\n",
        "null",
        "1",
        "1.0",
        "true",
    ];
    prop_oneof![6 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![8 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned), 2 => any_word()]
}

/// Numbers that lie close together where types and parsers part ways.
fn any_number() -> impl Strategy<Value = Value> {
    let whole: Vec<i128> = [0, 1 << 24, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
        .into_iter()
        .flat_map(|n: i128| [n, n - 1, n + 1, n - 2, n + 2, -n, -n - 1, 1 - n])
        .filter(|n| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(n))
        .collect();
    let float: Vec<f64> = whole
        .iter()
        .map(|n| *n as f64)
        .flat_map(|n| [n, n.next_up(), n.next_down(), n + 0.5])
        .chain([-0.0, 0.1, 0.2, 0.30000000000000004, 0.3, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e22, 1e23])
        .collect();
    prop_oneof![
        5 => (-2..3_i64).prop_map(Value::from),
        3 => (-4..5_i32).prop_map(|n| Value::from(f64::from(n) / 2.0)),
        3 => prop::sample::select(whole).prop_map(Value::Integer),
        3 => prop::sample::select(float).prop_map(Value::from),
        1 => any::<u64>().prop_map(|bits| Value::from(if f64::from_bits(bits).is_finite() { f64::from_bits(bits) } else { 0.5 })),
    ]
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => any_number(),
        2 => any_word().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn as_json(value: &Value) -> Json {
    Field::metadata(["x"]).eq(value.clone()).to_json()["metadata.x"]["eq"].clone()
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    let json = any_scalar().prop_map(|value| as_json(&value)).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map(any_key(), inner, 0..3).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(any_key(), json, 0..4).prop_map(|map| map.into_iter().collect())
}

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL)
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let turn = prop::option::of((0..SESSIONS, any_role(), prop::option::of(any_word())));
    let kind = prop::sample::select(vec![Kind::Fact, Kind::Note, Kind::Document, Kind::Summary]);
    let origin = prop::option::of(any_word());
    let known = (prop::option::of(any_trust()), prop::option::of(any_importance()));
    (0..SCOPES, turn, kind, any::<bool>(), origin, prop::option::of(any_time()), any_time(), any_metadata(), known)
        .prop_map(|(scope, turn, kind, pinned, source, occurred_at, stored_at, metadata, (trust, importance))| Spec {
            scope,
            kind: if turn.is_some() { Kind::Turn } else { kind },
            pinned: pinned && turn.is_none(),
            turn,
            source,
            occurred_at,
            stored_at,
            metadata,
            trust,
            importance,
        })
}

fn any_trust() -> impl Strategy<Value = Trust> {
    prop::sample::select(Trust::ALL)
}

/// Numbers that 32 bits do not hold exactly among them.
fn any_importance() -> impl Strategy<Value = f32> {
    prop::sample::select(vec![0.0, 0.1, 0.5, 0.7, 1.0])
}

/// A field with a value that it can have.
fn field_and_value() -> impl Strategy<Value = (Field, Value)> {
    let path = prop::collection::vec(any_key(), 1..4).prop_map(Field::Metadata);
    let times = prop::sample::select(vec![Field::OccurredAt, Field::Time, Field::StoredAt]);
    prop_oneof![
        6 => (path, any_scalar()),
        1 => (Just(Field::Kind), prop::sample::select(Kind::ALL).prop_map(Value::from)),
        1 => (Just(Field::Role), any_role().prop_map(Value::from)),
        1 => (prop::sample::select(vec![Field::Speaker, Field::Source]), any_word().prop_map(Value::from)),
        1 => (Just(Field::Pinned), any::<bool>().prop_map(Value::from)),
        1 => (Just(Field::Trust), any_trust().prop_map(Value::from)),
        1 => (Just(Field::Importance), any_number_near_importance()),
        2 => (times, any_bound_time().prop_map(Value::from)),
    ]
}

fn any_number_near_importance() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => prop::sample::select(vec![0.0, 0.1, 0.5, 0.7, 1.0]).prop_map(|number: f64| Value::from(number)),
        1 => any_importance().prop_map(Value::from),
        1 => any_number(),
    ]
}

fn any_bounds<S: Strategy<Value = Value> + 'static>(value: S) -> impl Strategy<Value = Bounds> {
    let value = value.boxed();
    let bound = prop::option::weighted(0.4, value.clone());
    // At least one has to be given.
    (0..4_usize, value, bound.clone(), bound.clone(), bound.clone(), bound).prop_map(|(at, given, gt, gte, lt, lte)| {
        let mut bounds = Bounds { gt, gte, lt, lte };
        *[&mut bounds.gt, &mut bounds.gte, &mut bounds.lt, &mut bounds.lte][at] = Some(given);
        bounds
    })
}

fn any_filter() -> impl Strategy<Value = Open> {
    use Relation::{Eq, Exists, Gt, Gte, In, Lt, Lte};
    let times = prop::sample::select(vec![Field::OccurredAt, Field::Time, Field::StoredAt]);
    let free = prop_oneof![
        3 => field_and_value().prop_map(|(field, value)| Filter::Eq(field, value)),
        1 => prop::collection::vec(field_and_value(), 1..5).prop_map(|list| {
            // Values of the first field, as far as they are of its type.
            let field = list[0].0.clone();
            let fits = |value: &Value| Filter::Eq(field.clone(), value.clone()).check().is_ok();
            let values = list.iter().map(|(_, value)| value.clone()).filter(fits).collect();
            Filter::In(field.clone(), values)
        }),
        1 => field_and_value().prop_map(|(field, _)| Filter::Exists(field)),
        2 => (prop::collection::vec(any_key(), 1..3), any_bounds(any_number()))
            .prop_map(|(path, bounds)| Filter::Range(Field::Metadata(path), bounds)),
        1 => any_bounds(any_trust().prop_map(Value::from)).prop_map(|bounds| Filter::Range(Field::Trust, bounds)),
        1 => any_bounds(any_number_near_importance()).prop_map(|bounds| Filter::Range(Field::Importance, bounds)),
        2 => (times, any_bounds(any_bound_time().prop_map(Value::from)))
            .prop_map(|(field, bounds)| Filter::Range(field, bounds)),
    ];
    let relation = prop::sample::select(vec![Eq, Eq, In, Exists, Gt, Gte, Lt, Lte]);
    let leaf = prop_oneof![
        2 => free.prop_map(Open::Free),
        4 => (any::<prop::sample::Index>(), relation, any_scalar()).prop_map(|(at, how, other)| Open::Known(at, how, other)),
        1 => prop::collection::vec(0..=SCOPES * SESSIONS, 0..4).prop_map(Open::Sessions),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Open::And),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Open::Or),
            1 => inner.prop_map(|filter| Open::Not(Box::new(filter))),
        ]
    })
}

/// Everything that a condition can compare of a memory.
fn known_of(memory: &Memory) -> Vec<(Field, Value)> {
    fn of_json(path: &mut Vec<String>, json: &Json, known: &mut Vec<(Field, Value)>) {
        match json {
            Json::Null => known.push((Field::metadata(path.clone()), Value::Null)),
            Json::Bool(value) => known.push((Field::metadata(path.clone()), (*value).into())),
            Json::String(text) => known.push((Field::metadata(path.clone()), text.clone().into())),
            Json::Number(number) => {
                let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)).map(Value::Integer);
                known.push((Field::metadata(path.clone()), whole.unwrap_or_else(|| number.as_f64().unwrap().into())));
            }
            Json::Array(list) => list.iter().for_each(|json| of_json(path, json, known)),
            Json::Object(entries) => {
                for (key, json) in entries {
                    path.push(key.clone());
                    of_json(path, json, known);
                    path.pop();
                }
            }
        }
    }
    let mut known = vec![
        (Field::Kind, memory.kind.into()),
        (Field::Time, memory.time().into()),
        (Field::StoredAt, memory.stored_at.into()),
        (Field::Trust, memory.trust.into()),
        (Field::Importance, memory.state.importance.into()),
    ];
    known.extend(memory.occurred_at.map(|time| (Field::OccurredAt, time.into())));
    known.extend(memory.origin.iter().map(|origin| (Field::Source, origin.source.clone().into())));
    known.extend(memory.turn.iter().map(|turn| (Field::Role, turn.role.into())));
    known.extend(memory.turn.iter().filter_map(|turn| Some((Field::Speaker, turn.speaker.clone()?.into()))));
    for (key, json) in &memory.metadata {
        of_json(&mut vec![key.clone()], json, &mut known);
    }
    known
}

/// The filter about what there is.
fn closed(open: &Open, known: &[(Field, Value)], sessions: &[SessionId]) -> Filter {
    let all = |parts: &[Open]| parts.iter().map(|part| closed(part, known, sessions)).collect();
    match open {
        Open::Free(filter) => filter.clone(),
        Open::Known(..) if known.is_empty() => Field::Pinned.exists(),
        Open::Known(at, relation, other) => {
            let (field, value) = at.get(known).clone();
            let filter = match relation {
                Relation::Eq => field.clone().eq(value.clone()),
                Relation::In => field.clone().one_of([other.clone(), value.clone()]),
                Relation::Exists => field.clone().exists(),
                Relation::Gt => field.clone().gt(value.clone()),
                Relation::Gte => field.clone().gte(value.clone()),
                Relation::Lt => field.clone().lt(value.clone()),
                Relation::Lte => field.clone().lte(value.clone()),
            };
            // What has no order, or cannot have the other value, is compared alone.
            if filter.check().is_ok() { filter } else { field.eq(value) }
        }
        Open::Sessions(numbers) => {
            let unknown = SessionId::from_bytes([9; 16]);
            Field::Session.one_of(numbers.iter().map(|number| sessions.get(*number).copied().unwrap_or(unknown)))
        }
        Open::And(parts) => Filter::And(all(parts)),
        Open::Or(parts) => Filter::Or(all(parts)),
        Open::Not(inner) => !closed(inner, known, sessions),
    }
}

fn scope(number: usize) -> Scope {
    Scope::user_scope(format!("user{number}")).unwrap()
}

/// What is stored, and the same as a plain list, in the order in which it was stored.
struct World {
    store: Store,
    scopes: Vec<ScopeRow>,
    sessions: Vec<SessionId>,
    memories: Vec<(usize, RowId, Memory)>,
}

impl World {
    fn new(specs: &[Spec]) -> Result<Self, StoreError> {
        let store = Store::open_in_memory()?;
        let epoch = Timestamp::UNIX_EPOCH;
        let (scopes, sessions, memories) = store.write(|tx| -> Result<_, StoreError> {
            let scopes = (0..SCOPES).map(|number| tx.ensure_scope(&scope(number))).collect::<Result<Vec<_>, _>>()?;
            let mut sessions = Vec::new();
            for scope in &scopes {
                for _ in 0..SESSIONS {
                    sessions.push(tx.start_session(*scope, &NewSession::unnamed(epoch), epoch)?);
                }
            }
            let mut positions = vec![0; sessions.len()];
            let mut memories = Vec::new();
            for (at, spec) in specs.iter().enumerate() {
                memories.push(store_one(tx, at, spec, &scopes, &sessions, &mut positions)?);
            }
            Ok((scopes, sessions, memories))
        })?;
        Ok(Self { store, scopes, sessions, memories })
    }

    /// Compares what the store gives with what the filter means. Returns how many of the scope match, and of how many.
    fn check(&self, number: usize, filter: &Filter) -> (usize, usize) {
        let row = self.scopes[number];
        let own: Vec<&(usize, RowId, Memory)> = self.memories.iter().filter(|(scope, ..)| *scope == number).collect();
        let meant: Vec<_> = own.iter().filter(|(.., memory)| filter.matches(memory)).collect();
        let all = ListFilter { filter: Some(filter.clone()), limit: usize::MAX, ..ListFilter::default() };
        let page = ListFilter { limit: 2, offset: 1, newest_first: true, ..all.clone() };
        let facts = ListFilter { kind: Some(Kind::Fact), pinned: true, ..all.clone() };
        let read = |snapshot: &Snapshot<'_>| -> Result<_, StoreError> {
            Ok((
                snapshot.matching_rows(row, filter)?,
                snapshot.list(row, &all)?,
                snapshot.count(row, &all)?,
                snapshot.list(row, &page)?,
                snapshot.count(row, &facts)?,
            ))
        };
        let (rows, listed, count, paged, pinned_facts) = self.store.read(read).unwrap();
        assert_eq!(rows, meant.iter().map(|(_, row, _)| *row).collect::<Vec<_>>(), "rows of {filter}");
        assert_eq!(listed, meant.iter().map(|(.., memory)| memory.clone()).collect::<Vec<_>>(), "list of {filter}");
        assert_eq!(count, meant.len() as u64, "count of {filter}");
        let of_page: Vec<_> = meant.iter().rev().skip(1).take(2).map(|(.., memory)| memory.clone()).collect();
        assert_eq!(paged, of_page, "page of {filter}");
        let facts = meant.iter().filter(|(.., memory)| memory.kind == Kind::Fact && memory.pinned).count();
        assert_eq!(pinned_facts, facts as u64, "pinned facts of {filter}");
        (meant.len(), own.len())
    }
}

/// Stores a memory, and says what it should be when it is read back.
fn store_one(
    tx: &WriteTx<'_>,
    at: usize,
    spec: &Spec,
    scopes: &[ScopeRow],
    sessions: &[SessionId],
    positions: &mut [u32],
) -> Result<(usize, RowId, Memory), StoreError> {
    let text = format!("memory {at}");
    let origin = spec.source.clone().map(|source| Origin { source, id: at.to_string() });
    let metadata = spec.metadata.clone();
    let state = State { importance: spec.importance.unwrap_or(0.5), ..State::default() };
    let (added, turn) = match &spec.turn {
        Some((session, role, speaker)) => {
            let session = spec.scope * SESSIONS + session;
            let new = NewTurn {
                speaker: speaker.clone(),
                metadata: metadata.clone(),
                origin: origin.clone(),
                occurred_at: spec.occurred_at,
                trust: spec.trust,
                state: state.clone(),
                ..NewTurn::new(*role, &text)
            };
            let placement = Placement::LongTerm;
            let added = tx.add_turn(scopes[spec.scope], sessions[session], &new, placement, spec.stored_at)?;
            let position = positions[session];
            positions[session] += 1;
            (
                added,
                Some(Turn { session: sessions[session], position, role: *role, speaker: speaker.clone(), placement }),
            )
        }
        None => {
            let new = NewMemory {
                pinned: spec.pinned,
                metadata: metadata.clone(),
                origin: origin.clone(),
                occurred_at: spec.occurred_at,
                trust: spec.trust,
                state: state.clone(),
                ..NewMemory::new(spec.kind, &text)
            };
            (tx.add_memory(&scope(spec.scope), &new, spec.stored_at)?, None)
        }
    };
    let role = turn.as_ref().map(|turn: &Turn| turn.role);
    let trust = spec.trust.unwrap_or(Trust::of(spec.kind, role, origin.is_some())).min(Trust::most(role));
    let memory = Memory {
        id: added.id,
        scope: scope(spec.scope),
        kind: spec.kind,
        text,
        caption: None,
        turn,
        pinned: spec.pinned,
        priority: 1.0,
        metadata,
        origin,
        occurred_at: spec.occurred_at,
        stored_at: spec.stored_at,
        updated_at: spec.stored_at,
        trust,
        state,
    };
    Ok((spec.scope, added.row, memory))
}

#[test]
fn sql_gives_exactly_what_matches_says_within_the_scope() {
    let cases = std::env::var("MNEMON_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let worlds = cases.div_ceil(FILTERS as u32);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: worlds, failure_persistence: None, ..ProptestConfig::default() });
    let strategy =
        (prop::collection::vec(any_spec(), 0..40), prop::collection::vec((0..SCOPES, any_filter()), FILTERS));
    let (tried, telling, compared) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let result = runner.run(&strategy, |(specs, filters)| {
        let world = World::new(&specs).unwrap();
        let known: Vec<(Field, Value)> = world.memories.iter().flat_map(|(.., memory)| known_of(memory)).collect();
        for (scope, filter) in &filters {
            let (matching, of) = world.check(*scope, &closed(filter, &known, &world.sessions));
            tried.set(tried.get() + 1);
            telling.set(telling.get() + u64::from(0 < matching && matching < of));
            compared.set(compared.get() + of as u64);
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (specs, filters))) => panic!("{reason}\n{specs:#?}\n{filters:#?}"),
        Err(error) => panic!("{error}"),
    }
    println!(
        "{} filters, {} of them true of some and not of all, {} memories",
        tried.get(),
        telling.get(),
        compared.get()
    );
    assert!(tried.get() >= u64::from(cases) && telling.get() * 5 > tried.get(), "too few filters part the memories");
}

/// A file with one memory for each of these metadata, written as they are given.
fn raw(metadata: &[&str]) -> (tempfile::TempDir, Store, ScopeRow) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    for _ in metadata {
        let new = NewMemory::new(Kind::Note, "a note");
        store.write(|tx| tx.add_memory(&scope(0), &new, Timestamp::UNIX_EPOCH)).unwrap();
    }
    let conn = Connection::open(&path).unwrap();
    for (at, metadata) in metadata.iter().enumerate() {
        conn.execute("UPDATE memory SET metadata = ?2 WHERE id = ?1", rusqlite::params![at + 1, metadata]).unwrap();
    }
    let row = store.read(|snapshot| snapshot.scope_id(&scope(0))).unwrap().unwrap();
    (folder, store, row)
}

#[test]
fn json_that_another_program_wrote_is_compared_as_it_is_read() {
    let metadata = [
        "{\"a\": 18446744073709551616}",
        "{\"\\u0061\": 1}",
        "{\"a\": 2, \"a\": 1}",
        " {\n\"a\" :1e0} ",
        "{\"a\": -0}",
        "{\"a\": 9223372036854775809}",
        "{\"a\": 2.4703282292062328e-324}",
        "{\"a\": \"x\\u0000y\"}",
        "{\"a\": 0.1000000000000000055511151231257827021181583404541015625}",
    ];
    let (_folder, store, scope) = raw(&metadata);
    // Rows that another program changed do not fit their checksums, and are not read as memories; what is meant is told by
    // reading their JSON.
    let listed = store.read(|snapshot| snapshot.list(scope, &ListFilter::default()));
    assert!(matches!(listed, Err(StoreError::BadRow { table: "memory", .. })));
    let at = Timestamp::UNIX_EPOCH;
    let memories = metadata.map(|metadata| Memory {
        id: MemoryId::new(at),
        scope: Scope::default(),
        kind: Kind::Note,
        text: "a note".into(),
        caption: None,
        turn: None,
        pinned: false,
        priority: 1.0,
        metadata: serde_json::from_str(metadata).unwrap(),
        origin: None,
        occurred_at: None,
        stored_at: at,
        updated_at: at,
        trust: Trust::User,
        state: State::default(),
    });
    for (filter, expected) in [
        ("a = 1", &[2, 3, 4][..]),
        ("a = 18446744073709551616", &[1]),
        ("a = 9223372036854775809", &[6]),
        ("a = 9223372036854775808", &[]),
        ("a = 0", &[5]),
        ("a > 0 and a < 0.1", &[7]),
        ("a = 0.1", &[9]),
        ("a = x", &[]),
        ("a = \"x\\u0000y\"", &[8]),
    ] {
        let filter: Filter = filter.parse().unwrap();
        assert_eq!(store.read(|snapshot| snapshot.matching_rows(scope, &filter)).unwrap(), expected, "{filter}");
        let meant: Vec<RowId> = (1..).zip(&memories).filter(|(_, m)| filter.matches(m)).map(|(row, _)| row).collect();
        assert_eq!(meant, expected, "{filter}");
    }
}

#[test]
fn damaged_metadata_is_an_error_of_a_filter_that_reads_it() {
    for damaged in ["{\"a\": 1e400}", "[1]", "1"] {
        let (_folder, store, scope) = raw(&["{\"a\": 1}", damaged]);
        let rows = |filter: &str| {
            let filter: Filter = filter.parse().unwrap();
            store.read(|snapshot| snapshot.matching_rows(scope, &filter))
        };
        assert!(matches!(rows("a = 1").unwrap_err(), StoreError::Corrupt(_)), "{damaged}");
        assert_eq!(rows("kind = note").unwrap(), [1, 2]);
    }
}

#[test]
fn the_widest_and_the_deepest_filters_run_and_others_are_refused() {
    let (_folder, store, scope) = raw(&["{\"a\": 1}"]);
    let rows = |filter: &Filter| store.read(|snapshot| snapshot.matching_rows(scope, filter));
    let (never, always) = (Field::Pinned.eq(true), Field::Kind.eq(Kind::Note));
    let wide = |part: &Filter| Filter::Or(vec![part.clone(); Filter::MAX_NODES - 1]);
    assert_eq!(rows(&wide(&never)).unwrap(), [0; 0]);
    assert_eq!(rows(&wide(&always)).unwrap(), [1]);
    assert_eq!(rows(&Filter::And(vec![always.clone(); Filter::MAX_NODES - 1])).unwrap(), [1]);
    // Each level has conditions beside the next one.
    let deep = |of: usize| {
        (1..of).fold(always.clone(), |inner, _| {
            Filter::And(vec![always.clone(), !Filter::Or(vec![never.clone(), !inner])])
        })
    };
    let deepest = deep(Filter::MAX_DEPTH / 4);
    assert_eq!((deepest.check(), rows(&deepest).unwrap()), (Ok(()), vec![1]));
    let nested = (1..Filter::MAX_DEPTH - 1).fold(always.clone(), |inner, _| !inner);
    assert_eq!(rows(&nested).unwrap(), [1]);
    let names = (0..Filter::MAX_LIST).map(|n| n.to_string());
    let lists = Filter::Or(vec![Field::Speaker.one_of(names); Filter::MAX_VALUES / Filter::MAX_LIST]);
    assert_eq!(rows(&lists).unwrap(), [0; 0]);

    for refused in [Filter::And(vec![]), Field::Kind.eq("poem"), (0..Filter::MAX_DEPTH).fold(always, |inner, _| !inner)]
    {
        assert!(matches!(rows(&refused).unwrap_err(), StoreError::Filter(_)), "{refused}");
        let list = ListFilter { filter: Some(refused), ..ListFilter::default() };
        assert!(matches!(store.read(|snapshot| snapshot.count(scope, &list)).unwrap_err(), StoreError::Filter(_)));
    }
}

#[test]
fn a_filter_is_no_sql() {
    let (_folder, store, scope) = raw(&["{\"a\": 1}", "{\"x' OR '1'='1\": \"') OR 1=1 --\"}"]);
    let rows = |filter: Filter| store.read(|snapshot| snapshot.matching_rows(scope, &filter)).unwrap();
    assert_eq!(rows(Field::metadata(["x' OR '1'='1"]).eq("') OR 1=1 --")), [2]);
    assert_eq!(rows(Field::metadata(["a') OR 1=1 --"]).exists()), [0; 0]);
    assert_eq!(rows(Field::Speaker.eq("x' OR 1=1 --").or(Field::Source.one_of(["') OR (1=1"]))), [0; 0]);
    assert_eq!(rows(Field::metadata(["a"]).eq(1)), [1]);
}
