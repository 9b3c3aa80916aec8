//! Items that seem to bear a wrong label, because those that look and read like them bear another.
//!
//! Each item is judged by its nearest neighbours among all others, in every view separately: what shows like it and what
//! reads like it. Neighbours are looked for in the encoders' features and not in the common space, because that space was
//! made of these very labels: a training learns some wrong ones by heart, and is no witness against them.

use rayon::prelude::*;

use super::spread_out;
use crate::core::UnitVector;

/// Neighbours that judge an item, in each view.
const NEIGHBOURS: usize = 10;

/// Items that judge, at most; of more, those at equal distances do. Keeps the work below all pairs of a large collection.
const JUDGES: usize = 20_000;

/// An item whose neighbours bear another label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// The item.
    pub item: usize,
    /// The label that its neighbours bear.
    pub suggested: u32,
    /// Neighbours' votes for that label less those for the best of its own, in (0, 1]; mean over views.
    pub lead: f64,
}

/// Items whose neighbours agree better on a label that the item does not bear, by how much, most first. `views` each hold a
/// point of every item, `labels` each item's classes; an item without any neither judges nor is judged. A neighbour's vote counts as its cosine.
pub fn suspects(views: &[&[UnitVector]], labels: &[Vec<u32>], classes: usize) -> Vec<Suspect> {
    let labelled: Vec<usize> = (0..labels.len()).filter(|&item| !labels[item].is_empty()).collect();
    let judges: Vec<usize> = spread_out(&labelled, JUDGES).copied().collect();
    let judged = |item: usize| {
        let mut votes = vec![0.0; classes];
        for view in views {
            vote(view, labels, &judges, item, &mut votes);
        }
        let share = |class: u32| votes[class as usize] / views.len() as f64;
        let own = labels[item].iter().map(|&class| share(class)).fold(0.0, f64::max);
        let others = (0..classes as u32).filter(|class| !labels[item].contains(class));
        let suggested = others.max_by(|&a, &b| share(a).total_cmp(&share(b)))?;
        let lead = share(suggested) - own;
        (lead > 0.0).then_some(Suspect { item, suggested, lead })
    };
    let mut found: Vec<Suspect> = labelled.par_iter().copied().filter_map(judged).collect();
    found.sort_by(|a, b| b.lead.total_cmp(&a.lead).then(a.item.cmp(&b.item)));
    found
}

/// Adds a view's votes about an item, which sum to 1 where each neighbour bears one label.
fn vote(view: &[UnitVector], labels: &[Vec<u32>], judges: &[usize], item: usize, votes: &mut [f64]) {
    let mut near: Vec<(f32, usize)> =
        judges.iter().filter(|&&judge| judge != item).map(|&judge| (view[item].cosine(&view[judge]), judge)).collect();
    if near.len() > NEIGHBOURS {
        near.select_nth_unstable_by(NEIGHBOURS - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        near.truncate(NEIGHBOURS);
    }
    let weight = |cosine: f32| f64::from(cosine.max(0.0));
    let all: f64 = near.iter().map(|(cosine, _)| weight(*cosine)).sum();
    if all > 0.0 {
        for (cosine, judge) in near {
            for &class in &labels[judge] {
                votes[class as usize] += weight(cosine) / all;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Points around a direction of their class's own.
    fn clouds(classes: usize, each: usize, spread: f32) -> (Vec<UnitVector>, Vec<Vec<u32>>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut point = |class: usize| {
            let mut values: Vec<f32> = (0..8).map(|_| spread * rng.random_range(-1.0f32..1.0)).collect();
            values[class] += 1.0;
            UnitVector::new(values, 8).expect("a point")
        };
        let classes: Vec<usize> = (0..classes * each).map(|n| n % classes).collect();
        (classes.iter().map(|&c| point(c)).collect(), classes.iter().map(|&c| vec![c as u32]).collect())
    }

    #[test]
    fn wrong_labels_are_found_before_all_others() {
        let (points, truth) = clouds(4, 30, 0.5);
        let mut labels = truth.clone();
        for item in [3, 40, 77] {
            labels[item] = vec![(truth[item][0] + 1) % 4];
        }
        let found = suspects(&[&points, &points], &labels, 4);
        let mut first: Vec<usize> = found.iter().take(3).map(|suspect| suspect.item).collect();
        first.sort_unstable();
        assert_eq!(first, [3, 40, 77]);
        assert!(found.iter().take(3).all(|suspect| truth[suspect.item] == [suspect.suggested]));
    }

    #[test]
    fn nobody_is_suspected_where_all_agree_or_none_can_judge() {
        let (points, truth) = clouds(3, 20, 0.1);
        assert_eq!(suspects(&[&points], &truth, 3), []);
        assert_eq!(suspects(&[&points[..1]], &truth[..1], 3), []);
        assert_eq!(suspects(&[&[]], &[], 3), []);
    }
}
