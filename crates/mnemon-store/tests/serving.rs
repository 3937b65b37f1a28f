//! The model that a file serves with, through the public interface of the store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mnemon_core::{Kind, ModelId, NewMemory, Scope, Timestamp};
use mnemon_store::{ChangeOp, NewPassage, ScopeRow, Store, StoreError, WriteTx};

type Result<T = ()> = std::result::Result<T, StoreError>;

fn model(name: &str) -> ModelId {
    ModelId { name: name.into(), revision: "1".into(), dtype: "f32".into() }
}

/// A note of one passage; its passage and its scope.
fn note(tx: &WriteTx<'_>, user: &str) -> Result<(i64, ScopeRow)> {
    let scope = Scope::user_scope(user).unwrap();
    let row = tx.add_memory(&scope, &NewMemory::new(Kind::Note, "x"), Timestamp::UNIX_EPOCH)?.row;
    let whole = NewPassage { start: 0, end: 1, words: 1, cues: 0, terms: &[1], is_longer: false, content: 0 };
    Ok((tx.put_passages(row, 1, &[whole])?[0], tx.ensure_scope(&scope)?))
}

fn serving(store: &Store) -> Option<String> {
    store
        .read(|snapshot| snapshot.serving_model())
        .map_err(|error: StoreError| error)
        .unwrap()
        .map(|model| model.id.name)
}

/// Runs `work` in one transaction of a new store with a passage of Ann and one of Bob, which has to be sound afterwards.
fn check(work: impl FnOnce(&WriteTx<'_>, [(i64, ScopeRow); 2]) -> Result) -> Store {
    let store = Store::open_in_memory().unwrap();
    store
        .write(|tx| {
            let notes = [note(tx, "ann")?, note(tx, "bob")?];
            work(tx, notes)
        })
        .unwrap();
    assert_eq!(store.check().unwrap(), []);
    store
}

#[test]
fn the_first_model_that_stores_something_serves() {
    let store = check(|tx, [(passage, _), _]| {
        assert_eq!(tx.serving_model()?, None);
        let first = tx.ensure_model(&model("a"), 2)?;
        tx.put_vector(first, passage, &[1.0, 0.0])?;
        tx.ensure_model(&model("b"), 2)?;
        assert_eq!(tx.serving_model()?.unwrap().row, first);
        Ok(())
    });
    assert_eq!(serving(&store).as_deref(), Some("a"));
}

#[test]
fn nothing_is_switched_while_anything_is_missing() {
    let store = check(|tx, [(one, ann), (two, bob)]| {
        let old = tx.ensure_model(&model("old"), 1)?;
        let new = tx.begin_model_change(&model("new"), 1)?;
        assert_eq!((tx.serving_model()?.unwrap().row, tx.next_model()?.unwrap().row), (old, new));
        let head = tx.head()?;
        let missing = |with_pieces| match tx.switch_model(new, with_pieces) {
            Err(StoreError::ModelIncomplete { missing }) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(false), 2);
        tx.put_vector(new, one, &[1.0])?;
        assert_eq!(missing(false), 1);
        tx.put_vector(new, two, &[1.0])?;
        assert_eq!(missing(true), 2);
        tx.put_token_vectors(new, one, b"abc")?;
        assert_eq!(missing(true), 1);
        tx.put_token_vectors(new, two, b"")?;
        // Until then nobody who follows the log hears of it.
        assert_eq!((tx.head()?, tx.serving_model()?.unwrap().row), (head, old));
        tx.switch_model(new, true)?;
        assert_eq!((tx.serving_model()?.unwrap().row, tx.next_model()?), (new, None));
        for scope in [ann, bob] {
            let changes = tx.changes_since(scope, head)?.unwrap();
            assert_eq!(changes.iter().map(|change| change.op).collect::<Vec<_>>(), [ChangeOp::ModelSwitched]);
        }
        // The old one stores on for nobody; the new one is heard of.
        let head = tx.head()?;
        tx.put_vector(old, one, &[0.5])?;
        assert_eq!(tx.head()?, head);
        tx.put_vector(new, one, &[0.5])?;
        let changes = tx.changes_since(ann, head)?.unwrap();
        let ops: Vec<_> = changes.iter().map(|change| change.op).collect();
        assert_eq!(ops, [ChangeOp::VectorDropped, ChangeOp::VectorStored]);
        Ok(())
    });
    assert_eq!(serving(&store).as_deref(), Some("new"));
}

#[test]
fn a_switch_that_is_not_committed_never_was() {
    let store = check(|tx, [(one, _), (two, _)]| {
        let new = tx.ensure_model(&model("old"), 1).and_then(|_| tx.begin_model_change(&model("new"), 1))?;
        [one, two].iter().try_for_each(|passage| tx.put_vector(new, *passage, &[1.0]).map(|_| ()))
    });
    let failed = store.write(|tx| -> Result {
        let new = tx.model(&model("new"), 1)?.unwrap();
        tx.switch_model(new, false)?;
        Err(StoreError::Full)
    });
    assert!(matches!(failed, Err(StoreError::Full)));
    assert_eq!(serving(&store).as_deref(), Some("old"));
}

#[test]
fn what_other_models_left_is_deleted_in_steps() {
    let store = check(|tx, [(one, ann), (two, _)]| {
        let old = tx.ensure_model(&model("old"), 500)?;
        let given_up = tx.begin_model_change(&model("given up"), 1)?;
        let next = tx.begin_model_change(&model("next"), 1)?;
        for passage in [one, two] {
            tx.put_vector(old, passage, &[0.1; 500])?;
            tx.put_token_vectors(old, passage, &[7; 2000])?;
            tx.put_vector(given_up, passage, &[1.0])?;
            tx.put_vector(next, passage, &[1.0])?;
        }
        tx.save(ann, Some(old), tx.head()?, ["part"])?;
        let drop_all = || -> Result<Vec<u64>> {
            let mut steps = Vec::new();
            loop {
                match tx.drop_other_models(3)? {
                    0 => return Ok(steps),
                    rows => steps.push(rows),
                }
            }
        };
        // Of what serves and of what comes next nothing goes.
        assert_eq!(drop_all()?, [2, 1]);
        assert_eq!((tx.model(&model("given up"), 1)?, tx.count_without_vector(Some(next))?), (None, 0));
        assert_eq!(tx.count_without_vector(Some(old))?, 0);
        tx.switch_model(next, false)?;
        let head = tx.head()?;
        assert_eq!(drop_all()?, [3, 1, 3, 3, 1, 1]);
        assert_eq!(tx.head()?, head, "nobody holds them any more");
        assert_eq!((tx.model(&model("old"), 500)?, tx.count_without_vector(Some(next))?), (None, 0));
        Ok(())
    });
    assert_eq!(serving(&store).as_deref(), Some("next"));
}

#[test]
fn a_change_to_the_model_that_serves_calls_the_change_off() {
    check(|tx, _| {
        tx.ensure_model(&model("old"), 1)?;
        tx.begin_model_change(&model("new"), 1)?;
        tx.begin_model_change(&model("old"), 1)?;
        assert_eq!(tx.next_model()?, None);
        assert_eq!(tx.drop_other_models(9)?, 1);
        Ok(())
    });
}
