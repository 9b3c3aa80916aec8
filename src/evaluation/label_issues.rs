//! Items whose label may be wrong, because their nearest neighbours have another one.
//!
//! The neighbours of an item are searched among all others in every view separately: items with a similar image, and
//! items with similar captions. Neighbours are compared by encoder features and not in the common space, because that
//! space was trained on these labels, and a network partly memorizes wrong ones.

use rayon::prelude::*;

use super::sampling::evenly_spaced;
use crate::core::UnitVector;

/// Voting neighbours of an item, in each view.
const NEIGHBOURS: usize = 10;

/// Maximum number of items that may be neighbours; of more, evenly spaced ones are taken. It limits the work to less
/// than all pairs of a large collection.
const MAX_VOTERS: usize = 20_000;

/// An item whose neighbours have another label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelIssue {
    /// Row of the item.
    pub item: usize,
    /// Class that its neighbours have.
    pub suggested: u32,
    /// Votes for that class minus those for the item's best own class, mean over views, in (0, 1].
    pub margin: f64,
}

/// Items whose neighbours vote for a class that the item does not have, in descending order of margin. Each of `views`
/// has one point per item, and `labels` has the classes of each item; items without a class neither vote nor are
/// examined. A vote counts as much as the neighbour's cosine.
pub fn find_label_issues(views: &[&[UnitVector]], labels: &[Vec<u32>], classes: usize) -> Vec<LabelIssue> {
    let labelled: Vec<usize> = (0..labels.len()).filter(|&item| !labels[item].is_empty()).collect();
    let voters: Vec<usize> = evenly_spaced(&labelled, MAX_VOTERS).copied().collect();
    let examine = |item: usize| {
        let mut votes = vec![0.0; classes];
        for view in views {
            vote(view, labels, &voters, item, &mut votes);
        }
        let share = |class: u32| votes[class as usize] / views.len() as f64;
        let own = labels[item].iter().map(|&class| share(class)).fold(0.0, f64::max);
        let others = (0..classes as u32).filter(|class| !labels[item].contains(class));
        let suggested = others.max_by(|&a, &b| share(a).total_cmp(&share(b)))?;
        let margin = share(suggested) - own;
        (margin > 0.0).then_some(LabelIssue { item, suggested, margin })
    };
    let mut found: Vec<LabelIssue> = labelled.par_iter().copied().filter_map(examine).collect();
    found.sort_by(|a, b| b.margin.total_cmp(&a.margin).then(a.item.cmp(&b.item)));
    found
}

/// Adds the votes of an item's neighbours in one view. They sum to 1 if each neighbour has one class.
fn vote(view: &[UnitVector], labels: &[Vec<u32>], voters: &[usize], item: usize, votes: &mut [f64]) {
    let mut neighbours: Vec<(f32, usize)> =
        voters.iter().filter(|&&voter| voter != item).map(|&voter| (view[item].cosine(&view[voter]), voter)).collect();
    if neighbours.len() > NEIGHBOURS {
        neighbours.select_nth_unstable_by(NEIGHBOURS - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        neighbours.truncate(NEIGHBOURS);
    }
    let weight = |cosine: f32| f64::from(cosine.max(0.0));
    let all: f64 = neighbours.iter().map(|(cosine, _)| weight(*cosine)).sum();
    if all > 0.0 {
        for (cosine, voter) in neighbours {
            for &class in &labels[voter] {
                votes[class as usize] += weight(cosine) / all;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Points around one direction per class.
    fn clusters(classes: usize, each: usize, spread: f32) -> (Vec<UnitVector>, Vec<Vec<u32>>) {
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
    fn wrong_labels_come_first() {
        let (points, truth) = clusters(4, 30, 0.5);
        let mut labels = truth.clone();
        for item in [3, 40, 77] {
            labels[item] = vec![(truth[item][0] + 1) % 4];
        }
        let found = find_label_issues(&[&points, &points], &labels, 4);
        let mut first: Vec<usize> = found.iter().take(3).map(|issue| issue.item).collect();
        first.sort_unstable();
        assert_eq!(first, [3, 40, 77]);
        assert!(found.iter().take(3).all(|issue| truth[issue.item] == [issue.suggested]));
    }

    #[test]
    fn there_are_no_issues_if_all_neighbours_agree_or_there_are_none() {
        let (points, truth) = clusters(3, 20, 0.1);
        assert_eq!(find_label_issues(&[&points], &truth, 3), []);
        assert_eq!(find_label_issues(&[&points[..1]], &truth[..1], 3), []);
        assert_eq!(find_label_issues(&[&[]], &[], 3), []);
    }
}
