//! Tests of the language: what filters mean, how they are read and written, and what is refused.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Bounds, Field, Filter, FilterError, Value};
use crate::{Kind, Memory, MemoryId, Metadata, Origin, Placement, Role, Scope, SessionId, State, Trust, Turn};

fn memory(metadata: Json) -> Memory {
    let at = |second| Timestamp::from_second(second).unwrap();
    let Json::Object(metadata) = metadata else { panic!("expected an object, got {metadata}") };
    Memory {
        id: MemoryId::from_bytes([1; 16]),
        scope: Scope::default(),
        kind: Kind::Fact,
        text: "a text".into(),
        caption: None,
        turn: None,
        pinned: false,
        priority: 1.0,
        metadata,
        origin: None,
        occurred_at: None,
        stored_at: at(1_740_900_000),
        updated_at: at(1_740_900_000),
        trust: Trust::User,
        state: State::default(),
    }
}

fn turn() -> Memory {
    let turn = Turn {
        session: SessionId::from_bytes([7; 16]),
        position: 0,
        role: Role::User,
        speaker: Some("Ann".into()),
        placement: Placement::Window,
    };
    Memory {
        kind: Kind::Turn,
        turn: Some(turn),
        pinned: true,
        trust: Trust::External,
        state: State { importance: 0.7, ..State::default() },
        origin: Some(Origin { source: "file:notes.md".into(), id: "1".into() }),
        occurred_at: Some("2025-03-02T00:00:00Z".parse().unwrap()),
        ..memory(json!({}))
    }
}

#[test]
fn a_filter_means_what_its_documentation_says() {
    #[track_caller]
    fn check(metadata: Json, filter: &str, expected: bool) {
        let filter: Filter = filter.parse().unwrap();
        let memory = memory(metadata);
        assert_eq!(filter.matches(&memory), expected, "{filter}");
        assert_eq!((!filter.clone()).matches(&memory), !expected, "not {filter}");
        assert_eq!(filter.matches_metadata(&memory.metadata), expected, "{filter}");
    }
    // A missing field.
    check(json!({}), "a = 1", false);
    check(json!({}), "a != 1", true);
    check(json!({}), "a in (1, null)", false);
    check(json!({}), "a < 1", false);
    check(json!({}), "exists(a)", false);
    check(json!({"a": null}), "exists(a)", true);
    check(json!({"a": null}), "a = null", true);
    // Paths lead through objects only.
    check(json!({"a": {"b": {"": 1}}}), "metadata.a.b.\"\" = 1", true);
    check(json!({"a.b": 1}), "a.b = 1", false);
    check(json!({"a.b": 1}), "\"a.b\" = 1", true);
    check(json!({"a": [{"b": 1}]}), "a.b = 1", false);
    check(json!({"a": {"b": 1}}), "exists(a)", true);
    // One type only.
    check(json!({"a": "1"}), "a = 1", false);
    check(json!({"a": 1}), "a = true", false);
    check(json!({"a": {}}), "a = null", false);
    check(json!({"a": "Ä"}), "a = 'ä'", false);
    // Numbers by their value, exactly.
    check(json!({"a": 1.0}), "a = 1", true);
    check(json!({"a": 1}), "a = 1.0", true);
    check(json!({"a": -0.0}), "a = 0", true);
    check(json!({"a": u64::MAX}), "a = 18446744073709551615", true);
    check(json!({"a": u64::MAX}), "a = 18446744073709551614", false);
    check(json!({"a": u64::MAX}), "a < 18446744073709551616.0", true);
    check(json!({"a": 9_007_199_254_740_993_i64}), "a = 9007199254740992.0", false);
    check(json!({"a": 9_007_199_254_740_993_i64}), "a > 9007199254740992.0", true);
    check(json!({"a": i64::MIN}), "a >= -9223372036854775808", true);
    check(json!({"a": -0.5}), "a < 0", true);
    check(json!({"a": 1e300}), "a > 18446744073709551615", true);
    check(json!({"a": -1e300}), "a < -9223372036854775808", true);
    check(json!({"a": 3}), "a > 2 and a <= 3.0", true);
    check(json!({"a": "3"}), "a > 2", false);
    // Arrays.
    check(json!({"a": ["x", 2, null]}), "a = 2.0", true);
    check(json!({"a": ["x", 2, null]}), "a = null", true);
    check(json!({"a": ["x", 2, null]}), "a in (y, x)", true);
    check(json!({"a": ["x", 2, null]}), "a > 1", false);
    check(json!({"a": [["x"]]}), "a = x", false);
    check(json!({"a": []}), "a != x and exists(a)", true);
    // Combinations.
    check(json!({"a": 1}), "a in ()", false);
    check(json!({"a": 1, "b": 2}), "a = 1 or a = 2 and b = 9", true);
    check(json!({"a": 1, "b": 2}), "(a = 1 or a = 2) and b = 9", false);
    check(json!({"a": 1, "b": 2}), "not a = 2 and b = 2", true);
    assert!(Filter::And(vec![]).matches(&turn()) && !Filter::Or(vec![]).matches(&turn()));
}

#[test]
fn fields_of_the_memory_itself_are_compared_by_their_types() {
    #[track_caller]
    fn check(filter: &str, of_a_turn: bool, of_a_fact: bool) {
        let filter: Filter = filter.parse().unwrap();
        let fact = memory(json!({"kind": "poem", "speaker": "Ann"}));
        assert_eq!((filter.matches(&turn()), filter.matches(&fact)), (of_a_turn, of_a_fact), "{filter}");
    }
    check("kind = turn", true, false);
    check("kind in (fact, Note)", false, true);
    check("metadata.kind = poem", false, true);
    check("role = user", true, false);
    check("role != user", false, true);
    check("speaker = Ann", true, false);
    check("speaker = ann", false, false);
    check("exists(speaker)", true, false);
    check("session = 07070707-0707-0707-0707-070707070707", true, false);
    check("session not in (07070707-0707-0707-0707-070707070708)", true, true);
    check("pinned = true", true, false);
    check("trust = external", true, false);
    check("trust >= assistant", false, true);
    check("trust > untrusted and trust <= User", true, true);
    check("importance = 0.7", true, false);
    check("importance > 0.699 and importance < 1", true, false);
    check("importance <= 0.5 and exists(importance)", false, true);
    check("source = file:notes.md", true, false);
    check("not exists(source)", false, true);
    check("occurred_at = 2025-03-02", true, false);
    check("occurred_at < 2025-03-02", false, false);
    check("occurred_at >= 2025-03-02T01:00+01:00", true, false);
    check("time >= 2025-03-02T00:00:00.000000001Z", false, true);
    check("stored_at <= '2025-03-02T07:20:00Z' and exists(time) and exists(stored_at)", true, true);
    assert!(!Field::Role.eq("user").matches_metadata(&Metadata::from_iter([("role".to_owned(), "user".into())])));
}

#[test]
fn text_is_read_as_the_filter_that_it_says() {
    #[track_caller]
    fn check(text: &str, expected: Filter) {
        assert_eq!(text.parse(), Ok(expected));
    }
    let a = || Field::metadata(["a"]);
    check(" a=1 ", a().eq(1));
    check("A == -1.5e3", Field::metadata(["A"]).eq(-1500.0));
    check("metadata.and = x", Field::metadata(["and"]).eq("x"));
    check("\"not\" = 'it\\'s \\u00e9\\ud83d\\ude00'", Field::metadata(["not"]).eq("it's é😀"));
    check("a.2.x-y <> \"\"", Field::metadata(["a", "2", "x-y"]).ne(""));
    check("NOT a = 1 AND a=2 Or a IN(1,2)", (!a().eq(1)).and(a().eq(2)).or(a().one_of([1, 2])));
    check("a not in (TRUE, null, x_1)", !Filter::In(a(), vec![true.into(), Value::Null, "x_1".into()]));
    check("((a>1))", a().gt(1));
    check("metadata.\"a b\".c < 18446744073709551615", Field::metadata(["a b", "c"]).lt(u64::MAX));
    check("a = 99999999999999999999999", a().eq(1e23));
    check("größe = 世界", Field::metadata(["größe"]).eq("世界"));
    check("{\"a\": 1}", a().eq(1));
}

#[test]
fn text_that_is_no_filter_is_refused_with_its_place() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), expected);
    }
    check("", "expected a condition at character 1 of the filter, got the end");
    check("a = ", "expected a value at character 5 of the filter, got the end");
    check("ä = 1 b", "expected `and`, `or` or the end at character 7 of the filter, got `b`");
    check("a ~ 1", "expected =, !=, <, <=, >, >=, `in` or `not in` at character 3 of the filter, got `~`");
    check("a in 1", "expected `(` at character 6 of the filter, got `1`");
    check("a in (1 2)", "expected `,` or `)` at character 9 of the filter, got `2`");
    check("(a = 1", "expected `and`, `or` or `)` at character 7 of the filter, got the end");
    check("a = \"x", "expected the quote that ends the text at character 7 of the filter, got the end");
    check("a = '\\q'", "expected an escape such as \\n, \\\" or \\u00e9 at character 6 of the filter, got `\\`");
    check("a. = 1", "expected a key at character 4 of the filter, got `=`");
    check("exists a", "expected `(` at character 8 of the filter, got `a`");
    check(
        "a = 1 and or",
        "expected a condition at character 11 of the filter, got the word `or` (as a key it stands in quotes)",
    );
    check(
        "metadata = 1",
        "expected a key behind `metadata.` as the name of a field at character 1 of the filter, got `metadata`",
    );
    check(
        "kind = poem",
        "expected turn, fact, note, document or summary for kind at character 8 of the filter, got \"poem\"",
    );
    check(
        "kind > fact",
        "expected no bounds, because it has no order for kind at character 8 of the filter, got \"fact\"",
    );
    check("year >= abc", "expected a number as a bound for metadata.year at character 9 of the filter, got \"abc\"");
    check(
        "due = 2025-03-02",
        "expected a number, true, false, null, a word that begins with a letter, or a text in quotes for metadata.due \
         at character 7 of the filter, got `2025-03-02`",
    );
    check(
        "time > yesterday",
        "expected a time such as 2025-03-02, 2025-03-02T18:05 or 2025-03-02T18:05:00Z for time at character 8 of the \
         filter, got `yesterday`",
    );
    check("pinned = yes", "expected true or false for pinned at character 10 of the filter, got \"yes\"");
    for number in ["1e400", "-1e400", "1_0", "0x1", "+", "-"] {
        assert!(format!("a = {number}").parse::<Filter>().is_err(), "{number}");
    }
}

#[test]
fn json_is_read_in_the_forms_that_others_have() {
    #[track_caller]
    fn check(json: Json, expected: Filter) {
        assert_eq!(Filter::from_json(&json), Ok(expected));
    }
    let a = || Field::metadata(["a"]);
    check(json!({"a": "x"}), a().eq("x"));
    check(json!({"$and": [{"a": {"$gte": 1}}, {"a": {"$nin": ["x"]}}]}), a().gte(1).and(!a().one_of(["x"])));
    check(json!({"or": [{"a": {"exists": false}}]}), Filter::Or(vec![!a().exists()]));
    check(json!({"NOT": [{"a": null}]}), !a().eq(Value::Null));
    check(json!({"a": 1, "kind": {"ne": "fact"}}), a().eq(1).and(Field::Kind.ne(Kind::Fact)));
    let bounds = Bounds { gt: Some(1.into()), lte: Some(2.5.into()), ..Bounds::default() };
    check(json!({"a": {"gt": 1, "lte": 2.5}}), Filter::Range(a(), bounds));
    check(json!({"time": {"lt": "2025-03-02"}}), Field::Time.lt("2025-03-02T00:00:00Z".parse::<Timestamp>().unwrap()));
    check(json!({"my key.\"and.or\"": 1}), Field::metadata(["my key", "and.or"]).eq(1));
}

#[test]
fn json_that_is_no_filter_is_refused_with_its_place() {
    #[track_caller]
    fn check(json: Json, expected: &str) {
        assert_eq!(Filter::from_json(&json).unwrap_err().to_string(), expected);
    }
    let object = "expected an object such as {\"topic\": {\"eq\": \"garden\"}} at";
    check(json!([]), &format!("{object} $ of the filter, got []"));
    check(json!({"AND": [{"a": 1}, 2]}), &format!("{object} $.AND.1 of the filter, got 2"));
    check(json!({}), "expected at least one condition at $ of the filter, got {}");
    check(json!({"OR": []}), "expected at least one condition in each combination, got none");
    check(json!({"OR": {"a": 1}}), "expected a list of filters at $.OR of the filter, got {\"a\":1}");
    check(json!({"NOT": []}), "expected one filter at $.NOT of the filter, got []");
    check(
        json!({"a": {"like": 1}}),
        "expected an operator (eq, ne, in, nin, gt, gte, lt, lte or exists) at $.a.like of the filter, got `like`",
    );
    check(json!({"a": [1]}), "expected one value (of several, any is {\"in\": [...]}) at $.a of the filter, got [1]");
    check(
        json!({"a": {"in": [1, {}]}}),
        "expected a text, a number, true, false or null at $.a.in.1 of the filter, got {}",
    );
    check(json!({"a": {"lt": "1"}}), "expected a number as a bound for metadata.a at $.a.lt of the filter, got \"1\"");
    check(
        json!({"a..b": 1}),
        "expected names with dots between them as the name of a field at $.a..b of the filter, got `a..b`",
    );
    check(
        json!({"kind.x": 1}),
        "expected no key behind a field of the memory itself (`metadata.` before it makes it a key) as the name of a \
         field at $.kind.x of the filter, got `kind`",
    );
    let error = "{\"a\":\n é}".parse::<Filter>().unwrap_err();
    assert!(matches!(error, FilterError::Text { at: 8, .. }), "{error}");
}

#[test]
fn what_cannot_be_run_is_refused() {
    #[track_caller]
    fn check(filter: Filter, expected: &str) {
        assert_eq!(filter.check().unwrap_err().to_string(), expected);
    }
    let a = || Field::metadata(["a"]);
    check(Filter::And(vec![]), "expected at least one condition in each combination, got none");
    check(
        a().eq(f64::NAN),
        "expected a text, a number that JSON can hold, true, false or null (only fields of the memory itself are times) for metadata.a, got NaN",
    );
    check(a().gt(f64::INFINITY), "expected a number as a bound for metadata.a, got inf");
    check(Filter::Range(a(), Bounds::default()), "expected at least one bound for metadata.a, got none");
    check(Field::metadata([""; 0]).exists(), "expected 1 to 100 keys behind `metadata.` as the name of a field, got 0");
    check(
        Field::Time.eq("now"),
        "expected a time such as 2025-03-02, 2025-03-02T18:05 or 2025-03-02T18:05:00Z for time, got \"now\"",
    );
    check(Field::Session.eq("monday"), "expected the id of a session for session, got \"monday\"");
    assert!(Filter::Eq(a(), Value::Integer(1 << 64)).check().is_err());
    assert!(Filter::Eq(a(), Value::Integer((1 << 64) - 1)).check().is_ok());

    let deep = |levels: usize| (1..levels).fold(a().eq(1), |filter, _| !filter);
    assert_eq!(deep(Filter::MAX_DEPTH).check(), Ok(()));
    check(deep(Filter::MAX_DEPTH + 1), "expected a filter of at most 60 levels, got more");
    let wide = |parts: usize| Filter::Or(vec![a().eq(1); parts]);
    assert_eq!(wide(Filter::MAX_NODES - 1).check(), Ok(()));
    check(wide(Filter::MAX_NODES), "expected a filter of at most 1000 conditions, got more");
    check(wide(Filter::MAX_NODES + 1), "expected a filter of at most 1000 conditions, got more");
    let list = |length: u32| a().one_of(0..length);
    assert_eq!(Filter::And(vec![list(1_000); 10]).check(), Ok(()));
    check(list(1_001), "expected lists of at most 1000 values and 10000 in all, got more");
    check(Filter::And(vec![list(1_000); 11]), "expected lists of at most 1000 values and 10000 in all, got more");
}

#[test]
fn what_is_too_deep_or_too_long_is_refused_before_it_is_built() {
    let of_text = |text: String| text.parse::<Filter>().unwrap_err();
    for open in ["(", "not ", "not(", "((a=1)and("] {
        let error = of_text(open.repeat(10_000));
        assert_eq!(error, FilterError::TooDeep { max: Filter::MAX_DEPTH }, "{open}");
    }
    assert!(matches!(of_text(vec!["a=1"; 2_000].join(" or ")), FilterError::TooManyConditions { .. }));
    assert!(matches!(of_text(format!("a in ({})", "1,".repeat(2_000))), FilterError::TooManyValues { .. }));
    assert!(matches!(of_text(" ".repeat(2 << 20)), FilterError::TooLong { .. }));
    assert!(matches!(of_text("{\"NOT\":".repeat(100_000)), FilterError::Text { .. }));
    let nested = (0..100).fold(json!({"a": 1}), |inner, _| json!({"NOT": inner}));
    assert_eq!(Filter::from_json(&nested), Err(FilterError::TooDeep { max: Filter::MAX_DEPTH }));
    // The deepest that is allowed is read back from its own text.
    let deepest = (1..Filter::MAX_DEPTH).fold(Field::metadata(["a"]).one_of([1]), |inner, _| Filter::And(vec![inner]));
    let text = serde_json::to_string(&deepest).unwrap();
    assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), deepest);
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "kind", "metadata", "and", "", "a.b", "\"", "\\", "ä", "0", "x y", "\0"])
            .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-c]{0,2}"]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-6..6_i32).prop_map(|n| Value::from(f64::from(n) / 2.0)),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ]
}

fn any_time() -> impl Strategy<Value = Value> {
    let second = Timestamp::MIN.as_second()..Timestamp::MAX.as_second();
    (second, 0..1_000_000_000_i32).prop_map(|(second, nano)| Value::Time(Timestamp::new(second, nano).unwrap()))
}

fn field_and_value() -> impl Strategy<Value = (Field, Value)> {
    prop_oneof![
        6 => (prop::collection::vec(any_key(), 1..4).prop_map(Field::Metadata), any_value()),
        1 => (Just(Field::Kind), prop::sample::select(Kind::ALL).prop_map(Value::from)),
        1 => (Just(Field::Role), prop::sample::select(Role::ALL).prop_map(Value::from)),
        1 => (prop::sample::select(vec![Field::Speaker, Field::Source]), any_text().prop_map(Value::from)),
        1 => (Just(Field::Pinned), any::<bool>().prop_map(Value::from)),
        1 => (Just(Field::Trust), prop::sample::select(Trust::ALL).prop_map(Value::from)),
        1 => (Just(Field::Importance), (0.0..1.0).prop_map(|importance: f64| importance.into())),
        2 => (prop::sample::select(vec![Field::OccurredAt, Field::Time, Field::StoredAt]), any_time()),
        1 => (Just(Field::Session), any::<[u8; 16]>().prop_map(|id| SessionId::from_bytes(id).into())),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let number = any_value().prop_filter("a number", |value| matches!(value, Value::Integer(_) | Value::Float(_)));
    let bounds = |value: BoxedStrategy<Value>| {
        let bound = prop::option::of(value);
        (bound.clone(), bound.clone(), bound.clone(), bound)
            .prop_map(|(gt, gte, lt, lte)| Bounds { gt, gte, lt, lte })
            .prop_filter("a bound", |bounds| bounds.given().next().is_some())
    };
    let leaf = prop_oneof![
        field_and_value().prop_map(|(field, value)| Filter::Eq(field, value)),
        (field_and_value(), 0..3_usize).prop_map(|((field, value), length)| Filter::In(field, vec![value; length])),
        field_and_value().prop_map(|(field, _)| Filter::Exists(field)),
        (any_key(), bounds(number.boxed())).prop_map(|(key, bounds)| Filter::Range(Field::metadata([key]), bounds)),
        bounds(any_time().boxed()).prop_map(|bounds| Filter::Range(Field::Time, bounds)),
        bounds(prop::sample::select(Trust::ALL).prop_map(Value::from).boxed())
            .prop_map(|bounds| Filter::Range(Field::Trust, bounds)),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::Or),
            inner.prop_map(|filter| !filter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn json_is_read_back_as_the_same_filter(filter in any_filter()) {
        prop_assert_eq!(filter.check(), Ok(()));
        let text = serde_json::to_string(&filter).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Filter>(&text).unwrap(), &filter);
        prop_assert_eq!(text.parse::<Filter>(), Ok(filter));
    }

    #[test]
    fn text_is_read_back_as_a_filter_that_means_the_same(filter in any_filter(), value in any_value(), key in any_key()) {
        let text = filter.to_string();
        let again: Filter = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
        let fact = memory(json!({key: value_as_json(&value), "a": 1, "b": ["a", 0.5]}));
        prop_assert_eq!(again.matches(&fact), filter.matches(&fact), "{}", text);
        prop_assert_eq!(again.matches(&turn()), filter.matches(&turn()), "{}", text);
        // What was combined of one, and several bounds, are other trees of the same meaning; from there on nothing changes.
        prop_assert_eq!(again.to_string().parse::<Filter>(), Ok(again));
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in any::<String>()) {
        let _ = text.parse::<Filter>();
        let _ = text.parse::<Field>();
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = String::from_utf8_lossy(&bytes).parse::<Filter>();
    }

    #[test]
    fn a_filter_that_was_cut_and_pasted_does_not_make_the_reader_fail(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", " ", "=", "!=", "<", "(", ")", "not", "and", " or ", "in", "exists", "'", "\"", "\\", "\\u", "d83d", ".", ",",
            "1", "-", "1e9", "null", "metadata", "kind", "fact", "time", "2025-03-02", "{", "}", "[", "]", ":", "\u{301}", "é", "😀",
        ]), 0..30),
    ) {
        if let Ok(filter) = parts.concat().parse::<Filter>() {
            prop_assert_eq!(filter.check(), Ok(()));
            prop_assert!(filter.to_string().parse::<Filter>().is_ok());
        }
    }

    #[test]
    fn no_json_makes_the_reader_fail(filter in any_filter(), at in 0..100_usize, other in any_value()) {
        let mut json = filter.to_json();
        let mut left = at;
        spoil(&mut json, &mut left, &value_as_json(&other));
        if let Ok(filter) = Filter::from_json(&json) {
            prop_assert_eq!(filter.check(), Ok(()));
        }
    }
}

fn value_as_json(value: &Value) -> Json {
    Field::metadata(["x"]).eq(value.clone()).to_json()["metadata.x"]["eq"].clone()
}

/// Puts something else in one place.
fn spoil(json: &mut Json, left: &mut usize, other: &Json) {
    if *left == 0 {
        *json = other.clone();
    }
    *left = left.wrapping_sub(1);
    match json {
        Json::Array(list) => list.iter_mut().for_each(|json| spoil(json, left, other)),
        Json::Object(entries) => entries.values_mut().for_each(|json| spoil(json, left, other)),
        _ => {}
    }
}
