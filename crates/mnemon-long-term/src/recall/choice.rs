//! The choice among ranked candidates: which of them a caller gets.

use mnemon_recall::{Pool, Ranking, Vector, redundant};
use mnemon_select::{k_means_diverse, mmr};
use ndarray::Array2;

use super::query::{Diversity, RecallQuery};
use crate::LongTermError;

/// Candidates beyond the ones asked for, to make up for those whose text another has: it costs little to rank them.
const SPARE: usize = 20;
/// So many candidates for each hit are clustered or compared.
const CHOICE: usize = 4;
/// Clusters begin somewhere; the same question gets the same answer.
const SEED: u64 = 0;

/// A candidate that was chosen.
pub(super) struct Chosen {
    /// Its place in the ranking.
    pub(super) place: usize,
    /// The places of those that were left out for it.
    pub(super) repeated_by: Vec<usize>,
}

/// Chooses from a ranking, at least `k` where there are so many, in the order in which they are given to the caller.
pub(super) fn choose(
    pool: &Pool<'_>,
    ranking: &Ranking,
    query: &RecallQuery<'_>,
) -> Result<Vec<Chosen>, LongTermError> {
    let enough = query.k.saturating_add(SPARE);
    let plain =
        |places: Vec<usize>| places.into_iter().map(|place| Chosen { place, repeated_by: Vec::new() }).collect();
    match query.diversity {
        Diversity::None => Ok(plain((0..ranking.ranked.len()).collect())),
        Diversity::Redundancy => {
            let mut chosen: Vec<Chosen> = Vec::new();
            for (place, said_by) in redundant(pool, &ranking.ranked, enough).into_iter().enumerate() {
                match said_by.and_then(|better| chosen.iter_mut().find(|chosen| chosen.place == better)) {
                    Some(better) => better.repeated_by.push(place),
                    None => chosen.push(Chosen { place, repeated_by: Vec::new() }),
                }
            }
            Ok(chosen)
        }
        Diversity::Mmr { lambda } => {
            let best = Best::of(pool, ranking, query.k);
            let order = mmr(best.vectors.view(), &best.relevance(ranking), lambda, query.k)?;
            Ok(plain(best.places_of(order)))
        }
        Diversity::KMeans => {
            let best = Best::of(pool, ranking, query.k);
            let mut places = best.places_of(k_means_diverse(best.vectors.view(), query.k, SEED)?);
            places.sort_unstable();
            Ok(plain(places))
        }
    }
}

/// The best candidates that have vectors, for selections that compare these.
struct Best {
    places: Vec<usize>,
    vectors: Array2<f32>,
}

impl Best {
    fn of(pool: &Pool<'_>, ranking: &Ranking, k: usize) -> Self {
        let vector = |place: usize| pool.members().get(ranking.ranked.get(place)?.member)?.vector;
        let with_vector = (0..ranking.ranked.len()).filter(|place| vector(*place).is_some());
        let places: Vec<usize> = with_vector.take(k.saturating_mul(CHOICE)).collect();
        let columns = places.first().and_then(|place| vector(*place)).map_or(0, |vector| vector.values().count());
        let values: Vec<f32> = places.iter().filter_map(|place| vector(*place)).flat_map(Vector::values).collect();
        // All vectors of one model have one length.
        let vectors = Array2::from_shape_vec((places.len(), columns), values).unwrap_or_default();
        Self { places, vectors }
    }

    /// Scores on the scale of cosines: 1 for the best, 0 for the last.
    fn relevance(&self, ranking: &Ranking) -> Vec<f32> {
        let score = |place: &usize| ranking.ranked.get(*place).map_or(0.0, |ranked| ranked.score);
        let scores: Vec<f32> = self.places.iter().map(score).collect();
        let (first, last) = (scores.first().copied().unwrap_or(0.0), scores.last().copied().unwrap_or(0.0));
        let span = (first - last).max(f32::MIN_POSITIVE);
        scores.into_iter().map(|score| (score - last) / span).collect()
    }

    fn places_of(&self, rows: Vec<usize>) -> Vec<usize> {
        rows.into_iter().filter_map(|row| self.places.get(row).copied()).collect()
    }
}
