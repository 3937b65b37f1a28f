//! Short forms of every run, so that each change is tried: seconds where the long forms take minutes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

/// Runs the binary; it prints its report as JSON.
fn run(arguments: &str) -> (Output, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reliability"));
    let output =
        command.args(arguments.split(' ')).args(["--seconds", "600", "--jobs", "1", "--json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

/// Nothing is found, and there was something to be found: at least so many of each.
#[track_caller]
fn check(arguments: &str, at_least: &[(&str, u64)]) {
    let (output, report) = run(arguments);
    let counts = &report["counts"];
    assert!(
        output.status.success(),
        "{arguments}: {}\n{}",
        serde_json::to_string_pretty(&report["findings"]).unwrap(),
        String::from_utf8_lossy(&output.stderr)
    );
    for (name, least) in at_least {
        let count = counts[name].as_u64().unwrap_or(0);
        assert!(count >= *least, "{arguments}: expected at least {least} {name}, got {count} of {counts:#}");
    }
}

/// What must fail does, and says how to do the same again.
#[track_caller]
fn finds_losses(arguments: &str) {
    let (output, report) = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    let lost = findings.iter().filter(|finding| finding["what"].as_str().unwrap().contains("lost: "));
    assert!(lost.count() > 0, "{findings:#?}");
    let replay = findings[0]["replay"].as_str().unwrap();
    assert!(replay.starts_with("reliability ") && replay.contains(" --seed 2 --only "), "{replay}");
}

#[test]
fn kills_lose_nothing() {
    check(
        "kill --count 80 --seed 2",
        &[("kills", 80), ("operations acknowledged", 300), ("memories compared", 500), ("files checked", 5)],
    );
}

#[test]
fn what_was_erased_is_gone_though_its_writer_was_killed() {
    check(
        "kill --writers 2 --count 60 --seed 3",
        &[("kills", 60), ("copies checked", 1), ("erased texts looked for", 1)],
    );
}

#[test]
fn whatever_the_order_it_is_what_the_model_says() {
    check(
        "model --count 1500 --seed 2",
        &[
            ("memories compared", 5_000),
            ("questions asked", 200),
            ("reopened", 5),
            ("copies restored", 1),
            ("operations: Erase", 10),
            ("operations: Check", 5),
            ("memories merged", 1),
            ("files checked", 1),
        ],
    );
}

#[test]
fn losses_are_found_when_writers_acknowledge_too_early() {
    finds_losses("kill --boast --count 80 --seed 2");
}

#[test]
fn power_that_fails_loses_nothing_that_was_acknowledged() {
    check("power --count 300 --seed 2", &[("images", 300), ("under way and done", 1), ("under way and not done", 1)]);
}

#[test]
fn power_that_fails_leaves_a_sound_file_of_an_earlier_state() {
    let arguments = "power --synchronous normal --count 300 --seed 2";
    check(arguments, &[("images", 300), ("images of an earlier state", 20)]);
}

#[test]
fn losses_are_found_when_syncs_are_not_done() {
    finds_losses("power --synchronous off --count 1000 --seed 2");
}

#[test]
fn faults_are_errors_and_nothing_is_lost() {
    check(
        "faults --count 120 --seed 2",
        &[
            ("calls that failed", 80),
            ("errors while writing: full", 1),
            ("errors while writing: reading or writing failed", 1),
            ("errors while reading: reading or writing failed", 1),
        ],
    );
}

#[test]
fn damage_ends_no_process_and_gives_no_wrong_answer() {
    check(
        "damage --count 120 --seed 2",
        &[("damaged: File", 20), ("damaged: Log", 20), ("damaged: Index", 20), ("errors: damaged", 20)],
    );
}

#[test]
fn crowds_see_one_state_at_a_time() {
    check("coherence --processes 3 --threads 2 --count 3000 --seed 2", &[("answers checked", 3_000), ("writes", 100)]);
}
