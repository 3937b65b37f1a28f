//! Vectors of pieces: texts read among their neighbours, and a vector for each of their own pieces.
//!
//! Consecutive texts share a window of the model: the end of the text before, then as many texts as fit. A text is so read
//! with what stands before it in view, and a window of 256 pieces serves six turns of a chat instead of one.

use mnemon_core::{EmbedError, Embedder, TextRun, TokenEmbedder, TokenVectors};
use rayon::prelude::*;

use crate::{ModelError, SentenceTransformer, batch};

/// The pieces of a text that get vectors. What a long text is about stands at its beginning.
const OWN: usize = 130;
/// The pieces of the text before that a window begins with.
const BEFORE: usize = 30;

/// A pass through the model.
#[derive(Debug, Clone, PartialEq)]
struct Window {
    pieces: Vec<u32>,
    /// Which of the own texts of all runs is its first.
    first: usize,
    /// Where the pieces of each own text lie, in the order of the texts.
    own: Vec<std::ops::Range<usize>>,
}

/// The pieces around the texts of a window, that of a prompt included, and how many pieces there may be in all.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    start: &'a [u32],
    end: &'a [u32],
    max: usize,
}

impl SentenceTransformer {
    fn embed_windows(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, ModelError> {
        let (mut start, end) = self.reader.around()?;
        // Once a window, not once a text: what stands there gets no vectors.
        let room = self.max_pieces.saturating_sub(start.len() + end.len() + 1);
        start.extend(self.reader.read_head(self.passage_prompt.trim_end(), room)?);
        let frame = Frame { start: &start, end: &end, max: self.max_pieces };
        let windows = |run: &TextRun<'_>| self.windows(run, frame);
        let windows: Vec<Vec<Window>> = runs.par_iter().map(windows).collect::<Result<_, _>>()?;
        let mut windows: Vec<Window> = windows.into_iter().flatten().collect();
        let mut first = 0;
        for window in &mut windows {
            window.first = first;
            first += window.own.len();
        }
        let lengths: Vec<usize> = windows.iter().map(|window| window.pieces.len()).collect();
        let groups = batch::groups(&lengths, rayon::current_num_threads());
        let embed = |group: &Vec<usize>| {
            let group: Vec<&Window> = group.iter().filter_map(|&window| windows.get(window)).collect();
            self.embed_group_of_windows(&group)
        };
        let vectors: Vec<Vec<Vec<TokenVectors>>> = match groups.as_slice() {
            [one] => vec![embed(one)?],
            many => many.par_iter().with_max_len(1).map(embed).collect::<Result<_, _>>()?,
        };
        let mut of_window: Vec<Vec<TokenVectors>> = vec![Vec::new(); windows.len()];
        for (group, vectors) in groups.iter().zip(vectors) {
            for (&window, vectors) in group.iter().zip(vectors) {
                if let Some(place) = of_window.get_mut(window) {
                    *place = vectors;
                }
            }
        }
        Ok(of_window.into_iter().flatten().collect())
    }

    fn windows(&self, run: &TextRun<'_>, frame: Frame<'_>) -> Result<Vec<Window>, ModelError> {
        let own = run.own();
        let read = |text: &&str| self.reader.read_head(text, OWN);
        let texts: Vec<Vec<u32>> =
            run.texts.get(own.clone()).unwrap_or_default().iter().map(read).collect::<Result<_, _>>()?;
        let tail = |at: usize| match run.texts.get(at) {
            Some(text) => self.reader.read_tail(text, BEFORE),
            None => Ok(Vec::new()),
        };
        let before =
            own.clone().map(|at| at.checked_sub(1).map_or(Ok(Vec::new()), tail)).collect::<Result<Vec<_>, _>>()?;
        Ok(windows(&texts, &before, frame))
    }

    /// The vectors of the own texts of each window.
    fn embed_group_of_windows(&self, group: &[&Window]) -> Result<Vec<Vec<TokenVectors>>, ModelError> {
        let texts: Vec<&[u32]> = group.iter().map(|window| window.pieces.as_slice()).collect();
        let rows = self.bert.forward(&texts)?;
        let mut rest = rows.as_slice();
        let mut vectors = Vec::with_capacity(group.len());
        for window in group {
            let (rows, others) = rest.split_at_checked(window.pieces.len() * self.hidden).unwrap_or_default();
            rest = others;
            if !rows.iter().all(|value| value.is_finite()) {
                return Err(ModelError::Output { text: window.first });
            }
            let own = |own: &std::ops::Range<usize>| {
                let pieces = window.pieces.get(own.clone()).unwrap_or_default().to_vec();
                let rows = rows.get(own.start * self.hidden..own.end * self.hidden).unwrap_or_default();
                TokenVectors::new(pieces, self.hidden, rows.to_vec())
            };
            vectors.push(window.own.iter().map(own).collect());
        }
        Ok(vectors)
    }

    fn embed_one_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), ModelError> {
        let pieces = self.reader.read(&self.query_prompt, text)?;
        let around = self.reader.around()?;
        let rows = self.bert.forward(&[&pieces])?;
        let mut vector = Vec::with_capacity(self.hidden);
        self.pooling.pool(&rows, self.hidden, self.normalize, &mut vector);
        if !rows.iter().all(|value| value.is_finite()) {
            return Err(ModelError::Output { text: 0 });
        }
        // The prompt is no part of the question.
        let prompt = self.reader.read_head(&self.query_prompt, pieces.len())?;
        let asked = pieces.get(around.0.len()..).unwrap_or_default();
        let prompt = asked.iter().zip(&prompt).take_while(|(a, b)| a == b).count();
        let start = around.0.len() + prompt;
        let own = start..pieces.len().saturating_sub(around.1.len()).max(start);
        let rows = rows.get(own.start * self.hidden..own.end * self.hidden).unwrap_or_default().to_vec();
        Ok((vector, TokenVectors::new(pieces.get(own).unwrap_or_default().to_vec(), self.hidden, rows)))
    }
}

/// Lays texts into windows. `before` holds the end of the text before each.
fn windows(texts: &[Vec<u32>], before: &[Vec<u32>], frame: Frame<'_>) -> Vec<Window> {
    let room = frame.max.saturating_sub(frame.start.len() + frame.end.len()).max(1);
    let mut windows: Vec<Window> = Vec::new();
    let mut used = usize::MAX;
    for (text, before) in texts.iter().zip(before) {
        let text = text.get(..room).unwrap_or(text);
        if used.saturating_add(text.len()) > room {
            let context = before.len().min(room - text.len());
            let context = before.get(before.len() - context..).unwrap_or_default();
            if let Some(last) = windows.last_mut() {
                last.pieces.extend_from_slice(frame.end);
            }
            windows.push(Window { pieces: [frame.start, context].concat(), first: 0, own: Vec::new() });
            used = context.len();
        }
        if let Some(window) = windows.last_mut() {
            let start = window.pieces.len();
            window.pieces.extend_from_slice(text);
            window.own.push(start..window.pieces.len());
            used += text.len();
        }
    }
    if let Some(last) = windows.last_mut() {
        last.pieces.extend_from_slice(frame.end);
    }
    windows
}

impl TokenEmbedder for SentenceTransformer {
    fn dimension(&self) -> usize {
        self.hidden
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        self.embed_windows(runs).map_err(|error| self.failed(error))
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        self.embed_one_question(text).map_err(|error| self.failed(error))
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.reader.piece(id)
    }
}

impl SentenceTransformer {
    pub(crate) fn failed(&self, error: ModelError) -> EmbedError {
        EmbedError { model: self.model().to_string(), source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use mnemon_core::Purpose;
    use proptest::prelude::*;

    use super::*;
    use crate::{LocateOptions, ModelSource, locate};

    const FRAME: Frame<'_> = Frame { start: &[101], end: &[102], max: 12 };

    #[test]
    fn texts_share_a_window_as_long_as_they_fit() {
        let texts = [vec![1; 4], vec![2; 5], vec![3; 3], vec![4; 30], vec![], vec![5]];
        let before = [vec![9, 9], vec![1; 3], vec![2; 3], vec![3; 3], vec![4; 3], vec![]];
        let got = windows(&texts, &before, FRAME);
        let pieces: Vec<String> = got
            .iter()
            .map(|window| window.pieces.iter().map(|piece| format!("{piece} ")).collect::<String>())
            .collect();
        assert_eq!(
            pieces,
            [
                "101 9 9 1 1 1 1 102 ",
                "101 1 1 1 2 2 2 2 2 102 ",
                "101 2 2 2 3 3 3 102 ",
                "101 4 4 4 4 4 4 4 4 4 4 102 ",
                "101 5 102 "
            ]
        );
        assert_eq!(got[3].own, [1..11, 11..11]);
        assert_eq!(windows(&[], &[], FRAME), []);
    }

    proptest! {
        #[test]
        fn every_text_has_its_pieces_once_and_no_window_is_too_long(
            lengths in prop::collection::vec(0usize..20, 0..20),
            before in 0usize..15,
        ) {
            let texts: Vec<Vec<u32>> = lengths.iter().zip(1000..).map(|(length, piece)| vec![piece; *length]).collect();
            let before = vec![vec![7; before]; texts.len()];
            let windows = windows(&texts, &before, FRAME);
            prop_assert!(windows.iter().all(|window| window.pieces.len() <= FRAME.max && window.pieces.len() >= 2));
            let own: Vec<Vec<u32>> =
                windows.iter().flat_map(|w| w.own.iter().map(|own| w.pieces[own.clone()].to_vec())).collect();
            let expected: Vec<Vec<u32>> = texts.iter().map(|text| text[..text.len().min(10)].to_vec()).collect();
            prop_assert_eq!(own, expected);
        }
    }

    fn model() -> SentenceTransformer {
        SentenceTransformer::load(&locate(&LocateOptions::from_env()).unwrap()).unwrap()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_question_has_the_vector_that_it_has_alone() {
        let model = model();
        for text in ["Where is the ferry?", "", "word ".repeat(400).as_str()] {
            let (vector, tokens) = model.embed_question(text).unwrap();
            let alone = model.embed(&[text], Purpose::Query).unwrap();
            assert!(cosine(&vector, alone.as_slice()) > 0.99999, "{text:?}");
            assert!(tokens.len() <= 254 && tokens.rows().all(|row| (cosine(row, row) - 1.0).abs() < 1e-4));
        }
        let (_, tokens) = model.embed_question("Where is the ferry?").unwrap();
        let pieces: Vec<&str> = tokens.pieces().iter().map(|piece| model.piece(*piece).unwrap()).collect();
        assert_eq!(pieces, ["where", "is", "the", "ferry", "?"]);
        assert_eq!(model.piece(u32::MAX), None);
    }

    #[test]
    fn a_piece_means_what_its_neighbours_make_of_it() {
        let model = model();
        let long = "and then there was more to be told about it ".repeat(8_000);
        let texts =
            vec!["We sat by the river.", "The bank was muddy.", "I need money.", "The bank was closed.", &long, ""];
        let runs = [TextRun { texts: texts.clone(), own: 1..6 }, TextRun { texts: texts[..1].to_vec(), own: 1..9 }];
        let got = model.embed_runs(&runs).unwrap();
        assert_eq!(got.len(), 5);
        assert_eq!(got.iter().map(TokenVectors::len).collect::<Vec<_>>(), [5, 4, 5, 130, 0]);
        // What stands before a word shows in its vector.
        let bank = |tokens: &TokenVectors| tokens.rows().nth(1).unwrap().to_vec();
        let apart = [texts[1], texts[3]].map(|text| TextRun { texts: vec![text], own: 0..1 });
        let alone = model.embed_runs(&apart).unwrap();
        for (among, alone) in [(&got[0], &alone[0]), (&got[2], &alone[1])] {
            let same = cosine(&bank(among), &bank(alone));
            assert!(same > 0.4 && same < 0.98, "{same}");
        }
        // A text that is alone in its window is what the model makes of it alone.
        let one = model.embed_question(texts[1]).unwrap().1;
        let same = one.rows().zip(alone[0].rows()).all(|(a, b)| cosine(a, b) > 0.9999);
        assert!(same && one.pieces() == alone[0].pieces());
    }

    /// The own vectors of windows are the rows that a pass over the same pieces gives, and the mean of all rows of a
    /// text alone is its vector.
    #[track_caller]
    fn check_rows(model: &SentenceTransformer) {
        let texts =
            ["Ann keeps bees behind the old mill.", "Her sister moved to Oslo.", "She sells honey there, at 12 a jar."];
        let runs = [TextRun { texts: texts.to_vec(), own: 1..3 }, TextRun { texts: texts.to_vec(), own: 0..1 }];
        let got = model.embed_runs(&runs).unwrap();
        let ids = texts.map(|text| model.reader.read(&model.passage_prompt, text).unwrap());
        let inner = |text: usize| &ids[text][1..ids[text].len() - 1];
        let shared = [&[101], inner(0), inner(1), inner(2), &[102]].concat();
        let passes = [model.bert.forward(&[&shared]).unwrap(), model.bert.forward(&[&ids[0]]).unwrap()];
        let starts = [(0, 1 + inner(0).len()), (0, 1 + inner(0).len() + inner(1).len()), (1, 1)];
        for ((tokens, text), (pass, start)) in got.iter().zip([1, 2, 0]).zip(starts) {
            assert_eq!(tokens.pieces(), inner(text));
            for (row, expected) in tokens.rows().zip(passes[pass].chunks(model.hidden).skip(start)) {
                let length = cosine(expected, expected).sqrt();
                let worst = row.iter().zip(expected).map(|(a, b)| (a - b / length).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-5, "{worst} in text {text}");
            }
        }
        let mut mean: Vec<f32> = vec![0.0; model.hidden];
        for row in passes[1].chunks(model.hidden) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let alone = model.embed(&texts[..1], Purpose::Passage).unwrap();
        assert!(cosine(&mean, alone.as_slice()) / cosine(&mean, &mean).sqrt() > 0.999_99);
    }

    #[test]
    fn rows_are_those_of_one_pass_over_the_same_pieces() {
        check_rows(&model());
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/.cache/all-MiniLM-L6-v2");
        let folder = std::env::var_os("MNEMON_F32_MODEL").map_or(models, PathBuf::from);
        assert!(folder.join("model.safetensors").is_file(), "expected the f32 weights: run models/fetch.sh");
        check_rows(&SentenceTransformer::load(&ModelSource::Folder(folder)).unwrap());
    }

    #[test]
    fn a_batch_gives_what_its_texts_give_alone() {
        let model = model();
        let texts: Vec<String> = (0..40).map(|n| "the ferry was late again ".repeat(1 + n * 7 % 11)).collect();
        let runs: Vec<TextRun<'_>> = texts.iter().map(|text| TextRun { texts: vec![text], own: 0..1 }).collect();
        let together = model.embed_runs(&runs).unwrap();
        assert_eq!(together.len(), runs.len());
        for (run, together) in runs.iter().zip(&together) {
            let alone = model.embed_runs(std::slice::from_ref(run)).unwrap();
            assert_eq!(alone[0].pieces(), together.pieces());
            assert!(alone[0].rows().zip(together.rows()).all(|(a, b)| cosine(a, b) > 1.0 - 1e-5));
        }
        assert_eq!(model.embed_runs(&[]).unwrap(), []);
    }

    #[test]
    fn prompts_are_read_and_get_no_vectors() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-bert");
        let model = SentenceTransformer::load(&ModelSource::Folder(folder)).unwrap();
        assert!(model.query_prompt.contains("query"), "the fixture has no prompt");
        let (vector, tokens) = model.embed_question("the cat sat").unwrap();
        let pieces = |tokens: &TokenVectors| -> Vec<&str> {
            tokens.pieces().iter().map(|piece| model.piece(*piece).unwrap()).collect()
        };
        assert_eq!(pieces(&tokens), ["the", "cat", "sat"]);
        let expected = model.embed(&["the cat sat"], Purpose::Query).unwrap();
        assert!(vector.iter().zip(expected.as_slice()).all(|(a, b)| (a - b).abs() < 1e-5));
        let run = TextRun { texts: vec!["a dog", "the cat sat", "on the mat"], own: 1..3 };
        let got = model.embed_runs(&[run]).unwrap();
        assert_eq!(got.iter().map(pieces).collect::<Vec<_>>(), [["the", "cat", "sat"], ["on", "the", "mat"]]);
    }

    #[test]
    fn the_end_of_a_text_is_found_behind_white_space() {
        let model = model();
        let text = format!("{}the ferry{}", "word ".repeat(60_000), "\n".repeat(2_000));
        let end = model.reader.read_tail(&text, 3).unwrap();
        let pieces: Vec<&str> = end.iter().map(|piece| model.piece(*piece).unwrap()).collect();
        assert_eq!(pieces, ["word", "the", "ferry"]);
        assert_eq!(model.reader.read_tail("", 3).unwrap(), Vec::<u32>::new());
        assert_eq!(model.reader.around().unwrap(), (vec![101], vec![102]));
    }
}
