//! Metrics of a ranked gallery: average precision, recall, precision at a recall.
//!
//! Class mAP follows the paper: the average precision of a query is the sum of the precisions at each relevant entry of
//! the full ranking, divided by the number of relevant entries. A query without relevant entries counts as 0, and
//! entries with equal scores keep their order in the gallery. Instance recall@K is the fraction of queries with one of
//! their own counterparts (the captions of an image, the image of a caption) among the first K.

use rayon::prelude::*;

use crate::core::UnitVector;

/// Points of a precision-recall curve.
pub const RECALL_LEVELS: usize = 21;

/// Metrics of a set of queries against one gallery.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievalMetrics {
    /// Average precision of each query.
    pub average_precision: Vec<f64>,
    /// Rank (from 1) of the first counterpart of each query; `None` if it has none.
    pub own_rank: Vec<Option<usize>>,
    /// Rank (from 1) of the first entry that is a counterpart or has the same text as one; `None` if there is none.
    pub duplicate_aware_rank: Vec<Option<usize>>,
    /// Interpolated precision at recalls 0, 1/20, … 1, mean over queries.
    pub precision_at_recall: [f64; RECALL_LEVELS],
}

impl RetrievalMetrics {
    /// Mean average precision; 0 without queries.
    pub fn mean_average_precision(&self) -> f64 {
        mean(self.average_precision.iter().copied())
    }

    /// Fraction of the queries with a counterpart among the first `k`.
    pub fn recall(&self, k: usize) -> f64 {
        recall(&self.own_rank, k)
    }

    /// Mean of the recalls at 1, 5 and 10, in [0, 1].
    pub fn mean_recall(&self) -> f64 {
        mean([1, 5, 10].map(|k| self.recall(k)).into_iter())
    }

    /// Like [`Self::recall`], where an entry with the same text as a counterpart counts as one.
    pub fn duplicate_aware_recall(&self, k: usize) -> f64 {
        recall(&self.duplicate_aware_rank, k)
    }
}

fn recall(ranks: &[Option<usize>], k: usize) -> f64 {
    mean(ranks.iter().map(|rank| f64::from(u8::from(rank.is_some_and(|r| r <= k)))))
}

/// Mean; 0 if there are no values.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

/// Ranks the whole gallery by cosine for each query. The closures take the positions of query and entry: `relevant`
/// says whether they share a class, `counterpart` whether they belong to one item, and `same_text` whether the entry is
/// a counterpart or has the same text as one.
///
/// Each thread ranks one query at a time, so memory grows with the gallery and not with queries × gallery.
pub fn evaluate_retrieval(
    queries: &[UnitVector],
    gallery: &[UnitVector],
    relevant: impl Fn(usize, usize) -> bool + Sync,
    counterpart: impl Fn(usize, usize) -> bool + Sync,
    same_text: impl Fn(usize, usize) -> bool + Sync,
) -> RetrievalMetrics {
    let rows: Vec<_> = queries
        .par_iter()
        .enumerate()
        .map(|(query, point)| {
            let scores: Vec<f32> = gallery.iter().map(|entry| point.cosine(entry)).collect();
            let ranking = ranking(&scores);
            (
                precision_of(&ranking, |entry| relevant(query, entry)),
                first_of(&ranking, |entry| counterpart(query, entry)),
                first_of(&ranking, |entry| same_text(query, entry)),
                interpolated(&ranking, |entry| relevant(query, entry)),
            )
        })
        .collect();
    let level = |at: usize| mean(rows.iter().map(|row| row.3[at]));
    RetrievalMetrics {
        precision_at_recall: std::array::from_fn(level),
        average_precision: rows.iter().map(|row| row.0).collect(),
        own_rank: rows.iter().map(|row| row.1).collect(),
        duplicate_aware_rank: rows.iter().map(|row| row.2).collect(),
    }
}

/// Average precision of the full ranking of a gallery by `scores`.
pub fn average_precision(scores: &[f32], relevant: impl Fn(usize) -> bool) -> f64 {
    precision_of(&ranking(scores), relevant)
}

/// Rank (from 1) of the query's first counterpart.
pub fn rank_of_first(scores: &[f32], counterpart: impl Fn(usize) -> bool) -> Option<usize> {
    first_of(&ranking(scores), counterpart)
}

/// Gallery positions in descending order of score; equal scores keep their order.
fn ranking(scores: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
    order
}

fn precision_of(ranking: &[u32], relevant: impl Fn(usize) -> bool) -> f64 {
    let mut hits = 0usize;
    let mut sum = 0.0;
    for (&entry, rank) in ranking.iter().zip(1usize..) {
        if relevant(entry as usize) {
            hits += 1;
            sum += hits as f64 / rank as f64;
        }
    }
    if hits == 0 { 0.0 } else { sum / hits as f64 }
}

/// Interpolated precision: the best precision at each recall level or above (Manning, Raghavan and Schütze 2008, 8.4).
fn interpolated(ranking: &[u32], relevant: impl Fn(usize) -> bool) -> [f64; RECALL_LEVELS] {
    let mut hits: Vec<usize> = Vec::new();
    for (&entry, rank) in ranking.iter().zip(1usize..) {
        if relevant(entry as usize) {
            hits.push(rank);
        }
    }
    let mut best = 0.0;
    let mut levels = [0.0; RECALL_LEVELS];
    let mut level = RECALL_LEVELS;
    for (found, &rank) in (1..=hits.len()).rev().zip(hits.iter().rev()) {
        // Levels above the recall of the first `found` hits are set by later hits.
        while level > 0 && (level - 1) * hits.len() > (RECALL_LEVELS - 1) * found {
            level -= 1;
            levels[level] = best;
        }
        best = f64::max(best, found as f64 / rank as f64);
    }
    levels[..level].fill(best);
    levels
}

fn first_of(ranking: &[u32], matches: impl Fn(usize) -> bool) -> Option<usize> {
    ranking.iter().position(|&entry| matches(entry as usize)).map(|position| position + 1)
}

/// Expected average precision of a random ranking of `gallery` entries, `relevant` of which are relevant.
///
/// The entry at rank k is relevant with probability R/N, and then each of the k-1 before it with (R-1)/(N-1), so
/// E\[AP\] = 1/N · Σₖ (1 + (k-1)(R-1)/(N-1)) / k.
pub fn chance_average_precision(relevant: usize, gallery: usize) -> f64 {
    if relevant == 0 || gallery == 0 {
        return 0.0;
    }
    let others = if gallery == 1 { 0.0 } else { (relevant - 1) as f64 / (gallery - 1) as f64 };
    (1..=gallery).map(|k| (1.0 + (k - 1) as f64 * others) / k as f64).sum::<f64>() / gallery as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        retrieval: Case,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        scores: Vec<Vec<f32>>,
        query_labels: Vec<u32>,
        gallery_labels: Vec<u32>,
        map_all: f64,
        own: Vec<usize>,
        ranks: Vec<usize>,
        recall: std::collections::BTreeMap<String, f64>,
    }

    #[test]
    fn metrics_agree_with_reference_values() {
        let text = include_str!("../../tests/fixtures/dscmr-golden.json");
        let Golden { retrieval: case } = serde_json::from_str(text).expect("the fixture parses");
        let precision = case
            .scores
            .iter()
            .zip(&case.query_labels)
            .map(|(scores, label)| average_precision(scores, |entry| case.gallery_labels[entry] == *label));
        assert!((mean(precision) - case.map_all).abs() < 1e-9);
        let ranks: Vec<Option<usize>> =
            case.scores.iter().zip(&case.own).map(|(scores, own)| rank_of_first(scores, |e| e == *own)).collect();
        // Whether the fixture counts ranks from 0 or from 1 follows from recall@1.
        let first = usize::from(case.ranks.iter().filter(|&&r| r == 1).count() as f64 / 9.0 == case.recall["1"]);
        for (rank, golden) in ranks.iter().zip(&case.ranks) {
            assert_eq!(*rank, Some(golden + 1 - first));
        }
        for (k, value) in &case.recall {
            assert!((recall(&ranks, k.parse().expect("a number")) - value).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_scores_keep_gallery_order_and_precision_without_relevant_entries_is_zero() {
        assert!((average_precision(&[0.5, 0.5, 0.5], |e| e == 2) - 1.0 / 3.0).abs() < 1e-12);
        assert!((average_precision(&[0.5, 0.5, 0.5], |e| e == 0) - 1.0).abs() < 1e-12);
        assert_eq!(average_precision(&[0.5, 0.1], |_| false), 0.0);
        assert_eq!(average_precision(&[], |_| true), 0.0);
    }

    #[test]
    fn interpolated_precision_is_the_best_at_the_recall_or_above() {
        // Relevant at ranks 2, 3 and 6: precisions 1/2, 2/3, 1/2 at recalls 1/3, 2/3, 1.
        let levels = interpolated(&[9, 0, 1, 8, 7, 2], |entry| entry < 3);
        assert!(levels[..=13].iter().all(|p| (p - 2.0 / 3.0).abs() < 1e-12), "{levels:?}");
        assert!(levels[14..].iter().all(|p| (p - 0.5).abs() < 1e-12), "{levels:?}");
        assert_eq!(interpolated(&[0, 1], |_| false), [0.0; RECALL_LEVELS]);
    }

    #[test]
    fn chance_average_precision_is_the_mean_over_all_orders() {
        // All 4! orders of 2 relevant among 4.
        let mut sum = 0.0;
        let mut orders = 0;
        for a in 0..4 {
            for b in 0..4 {
                for c in 0..4 {
                    let d = 6usize.wrapping_sub(a + b + c);
                    if a != b && a != c && b != c && d < 4 && d != a && d != b && d != c {
                        let ranking = [a as u32, b as u32, c as u32, d as u32];
                        sum += precision_of(&ranking, |entry| entry < 2);
                        orders += 1;
                    }
                }
            }
        }
        assert_eq!(orders, 24);
        assert!((chance_average_precision(2, 4) - sum / 24.0).abs() < 1e-12);
        assert_eq!(chance_average_precision(0, 4), 0.0);
        assert_eq!(chance_average_precision(1, 1), 1.0);
    }
}
