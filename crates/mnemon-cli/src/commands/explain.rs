//! `mnemon explain`

use std::collections::{BTreeMap, HashMap};
use std::io;

use mnemon::{Explained, Explanation, SessionId};
use serde_json::json;

use crate::app::{App, Need, scope_name, session_names};
use crate::args::Explain;
use crate::error::{CliError, Outcome};
use crate::input::text_of;
use crate::output::{Entry, Output, cut, milliseconds, pad, pad_left, remark, safe_line, style, width};

/// Columns of the rank and the points before the stages.
const RANK: usize = 4;
const POINTS: usize = 7;
/// Columns of one stage.
const STAGE: usize = 10;
/// Features of a hit that are named.
const FEATURES: usize = 6;

/// The stages of the ranking, in their order, with the heads of their columns.
const STAGES: [(&str, &str); 9] = [
    ("text", "words"),
    ("vector", "vector"),
    ("late_interaction", "pieces"),
    ("neighbours", "answers"),
    ("session", "session"),
    ("speaker", "speaker"),
    ("time", "time"),
    ("cues", "cues"),
    ("repetition", "repeats"),
];

pub(crate) fn run(app: &mut App, args: &Explain) -> Result<Outcome, CliError> {
    let query = args.question.query(text_of(&args.question.query)?);
    let memory = app.open(Need::Read)?;
    let Some(explanation) = memory.explain(query, args.hits)? else {
        remark(&app.out, &format!("nothing to explain in {}", scope_name(memory.scope())));
        if app.out.is_json {
            app.out.json(&serde_json::Value::Null)?;
        }
        return Ok(Outcome::NothingFound);
    };
    if app.out.is_json {
        app.out.json(&document(&explanation))?;
    } else {
        let names = session_names(&memory)?;
        show(&mut app.out, &explanation, &names)?;
    }
    Ok(if explanation.ranked.is_empty() { Outcome::NothingFound } else { Outcome::Done })
}

fn document(explanation: &Explanation) -> serde_json::Value {
    let ranked: Vec<_> = explanation
        .ranked
        .iter()
        .map(|hit| {
            json!({
                "memory": hit.memory, "text": hit.text, "score": hit.score, "points": hit.points,
                "contributions": hit.contributions, "said_by": hit.said_by,
            })
        })
        .collect();
    json!({
        "embedded": explanation.embedded, "words": explanation.words, "speakers": explanation.speakers,
        "times": explanation.times, "relevance": explanation.relevance, "relevance_floor": explanation.relevance_floor,
        "nearness": explanation.nearness, "candidates": explanation.candidates, "ranked": ranked,
        "stages": explanation.stages, "degraded": explanation.degraded,
    })
}

fn show(out: &mut Output, explanation: &Explanation, names: &HashMap<SessionId, String>) -> io::Result<()> {
    show_question(out, explanation)?;
    // Stages that say nothing about any hit have no column.
    let telling: Vec<(&str, &str)> = STAGES
        .into_iter()
        .filter(|(stage, _)| explanation.ranked.iter().any(|hit| points_of(hit).get(stage).is_some_and(|p| *p != 0.0)))
        .collect();
    let heads: String = telling.iter().map(|(_, head)| pad_left(head, STAGE)).collect();
    out.line("")?;
    out.line(out.dim(format!("{}{}{heads}", pad("", RANK), pad_left("points", POINTS))))?;
    for (at, hit) in explanation.ranked.iter().enumerate() {
        show_hit(out, at + 1, hit, &telling, names)?;
    }
    out.line("")?;
    let total: u64 = explanation.stages.iter().map(|stage| stage.micros).sum();
    let stages = explanation.stages.iter().map(|stage| format!("{} {}", stage.stage, milliseconds(stage.micros)));
    let times = format!("{} in all: {}", milliseconds(total), stages.collect::<Vec<_>>().join(", "));
    for line in crate::output::wrap(&times, out.width, 4) {
        out.line(out.dim(line))?;
    }
    Ok(())
}

fn show_question(out: &mut Output, explanation: &Explanation) -> io::Result<()> {
    let mut line = |head: &str, text: String| {
        let text = cut(&safe_line(&text), out.width.saturating_sub(12));
        let head = out.dim(pad(head, 11));
        out.line(format!("{head} {text}"))
    };
    line("compared", explanation.embedded.clone())?;
    line("words", explanation.words.join(" "))?;
    if !explanation.speakers.is_empty() {
        line("speakers", explanation.speakers.join(", "))?;
    }
    if !explanation.times.is_empty() {
        line("times", explanation.times.join(", "))?;
    }
    let nearness = explanation.nearness;
    let parts = [("cosine", nearness.cosine), ("pieces", nearness.tokens), ("words", nearness.words)];
    let parts = parts.iter().filter_map(|(name, value)| Some(format!("{name} {:.2}", (*value)?)));
    let verdict = match explanation.relevance {
        Some(relevance) if relevance < explanation.relevance_floor => {
            format!("{relevance:.2}, below the floor of {:.2}: nothing here is about it", explanation.relevance_floor)
        }
        Some(relevance) => format!("{relevance:.2}, floor {:.2}", explanation.relevance_floor),
        None => "unknown for this model: no floor".to_owned(),
    };
    line(
        "relevance",
        format!(
            "{verdict}   (nearest: {}; {} candidates)",
            parts.collect::<Vec<_>>().join(", "),
            explanation.candidates
        ),
    )?;
    if let Some(degraded) = &explanation.degraded {
        line("note", degraded.to_string())?;
    }
    Ok(())
}

fn show_hit(
    out: &mut Output,
    rank: usize,
    hit: &Explained,
    stages: &[(&str, &str)],
    names: &HashMap<SessionId, String>,
) -> io::Result<()> {
    let points = points_of(hit);
    let cells: String = stages
        .iter()
        .map(|(stage, _)| match points.get(stage) {
            Some(points) if *points != 0.0 => pad_left(&format!("{points:+.2}"), STAGE),
            _ => pad_left("·", STAGE),
        })
        .collect();
    let total = out.bold(pad_left(&format!("{:.2}", hit.points), POINTS));
    out.line(format!("{}{total}{cells}", pad(&format!("{rank}."), RANK)))?;
    let entry = Entry::of_memory(&hit.memory, names);
    let who = format!("{}  {}", entry.date, cut(&entry.who, 20));
    let room = out.width.saturating_sub(RANK + width(&who) + 2);
    let text = cut(&safe_line(&hit.text), room);
    out.line(format!("{}{}  {text}", pad("", RANK), out.paint(style::NAME, who)))?;
    let why = match hit.said_by {
        Some(better) => format!("left out: number {} says all of it", better + 1),
        None => {
            let features = hit.contributions.iter().take(FEATURES);
            let named = features.map(|part| format!("{} {:.2} × {:.2}", part.feature.name(), part.value, part.weight));
            named.collect::<Vec<_>>().join(", ")
        }
    };
    out.line(out.dim(format!("{}{}", pad("", RANK), cut(&why, out.width.saturating_sub(RANK)))))
}

fn points_of(hit: &Explained) -> BTreeMap<&'static str, f32> {
    let mut points = BTreeMap::new();
    for part in &hit.contributions {
        *points.entry(part.feature.stage()).or_default() += part.points();
    }
    points
}
