//! Fuses the rankings by vectors and by keywords into one.

use super::{request::Target, retrieve::Candidate};

/// k of reciprocal rank fusion, as in Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
/// individual Rank Learning Methods", SIGIR 2009.
const RRF_K: f32 = 60.0;

/// Sorts candidates, best first, and sets their ranks in the vector ranking. With a keyword weight, by reciprocal rank
/// fusion of both rankings; without one, by the vector ranking alone.
pub(super) fn fuse(candidates: &mut [Candidate], target: Target, keyword_weight: Option<f32>) {
    // Cosines of the two modalities are calibrated differently, so only relevances are comparable.
    let by_vector = |a: &Candidate, b: &Candidate| match target {
        Target::Any => b.relevance.total_cmp(&a.relevance).then(b.score.total_cmp(&a.score)),
        Target::Image | Target::Text => b.score.total_cmp(&a.score),
    };
    candidates.sort_by(by_vector);
    let in_vector_ranking = candidates.iter_mut().filter(|candidate| candidate.vector_rank.is_some());
    in_vector_ranking.zip(1..).for_each(|(candidate, rank)| candidate.vector_rank = Some(rank));
    if let Some(weight) = keyword_weight {
        let score = |candidate: &Candidate| fused_score(candidate, weight);
        candidates.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| by_vector(a, b)));
    }
}

fn fused_score(candidate: &Candidate, keyword_weight: f32) -> f32 {
    let part = |weight: f32, rank: Option<usize>| rank.map_or(0.0, |rank| weight / (RRF_K + rank as f32));
    part(1.0 - keyword_weight, candidate.vector_rank) + part(keyword_weight, candidate.keyword_rank)
}
