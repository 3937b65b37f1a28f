use std::path::PathBuf;

use mnemon::Config;
use mnemon::embed::LocateOptions;

use super::*;

fn garden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/garden.locomo.json")
}

fn bench() -> Bench {
    Bench::load(Config::default(), LocateOptions::from_env()).unwrap()
}

#[test]
fn every_way_is_measured_at_every_ratio() {
    let options = CompactionOptions { ratios: vec![0.7, 0.4], ..CompactionOptions::default() };
    let mut steps = Vec::new();
    let report = compaction(&bench(), &garden(), &options, &mut |progress| {
        assert!(progress.done <= progress.total, "{progress:?}");
        steps.push(progress.step);
    })
    .unwrap();
    steps.dedup();
    assert_eq!(steps, [Step::Embed, Step::Compact]);
    assert_eq!((report.data.as_str(), report.conversations.len()), ("garden.locomo.json", 2));
    assert!(report.embedded >= 20);
    for way in &report.ways {
        assert_eq!(way.at.len(), 2);
        for at in &way.at {
            // Short conversations keep their last ten messages and at least ten.
            assert!((0.0..=100.0).contains(&at.evidence) && at.whole <= at.evidence + 1e-9, "{way:?}");
            assert_eq!(at.by_conversation.len(), 2);
        }
        let is_larger = way.at[0].tokens >= way.at[1].tokens;
        assert!(is_larger && way.at[0].evidence >= 1.0, "{way:?}");
    }
    let chart = report.chart();
    assert_eq!(chart.panels[0].labels, ["70 %", "40 %"]);
    assert_eq!(chart.panels[0].series.len(), 6);
    let again = compaction(&bench(), &garden(), &options, &mut |_| {}).unwrap();
    for (one, other) in report.ways.iter().zip(&again.ways) {
        let figures = |kept: &Kept| kept.at.iter().map(|at| (at.evidence, at.answer, at.tokens)).collect::<Vec<_>>();
        assert_eq!(figures(one), figures(other), "{}", one.way);
    }
}

#[track_caller]
fn check_error(options: &CompactionOptions, expected: &str) {
    let error = compaction(&bench(), &garden(), options, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn options_outside_of_their_range_are_errors() {
    for ratio in [0.0, 1.0, f64::NAN] {
        let options = CompactionOptions { ratios: vec![0.5, ratio], ..CompactionOptions::default() };
        check_error(&options, &format!("expected ratios above 0 and below 1, got {ratio}"));
    }
    let options = CompactionOptions { ratios: Vec::new(), ..CompactionOptions::default() };
    check_error(&options, "expected from 1 to 100 ratios, got 0");
    let options = CompactionOptions { seeds: 0, ..CompactionOptions::default() };
    check_error(&options, "expected from 1 to 1000 seeds, got 0");
    let options = CompactionOptions { conversations: Some("4".parse().unwrap()), ..CompactionOptions::default() };
    check_error(&options, "expected conversations from 0 to 1, got 4");
}
