//! Projection of embeddings to two dimensions with t-SNE. Neighbours stay close; distances between groups have no
//! meaning.

use bhtsne::Neighbor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::core::UnitVector;

/// Dimensions before t-SNE; further ones are mostly noise and cost time.
const PCA_DIMS: usize = 32;

/// Rounds of the subspace iteration; more do not change the neighbourhoods.
const ROUNDS: usize = 12;

/// Effective number of neighbours of a point.
const PERPLEXITY: f32 = 30.0;

/// Minimum number of points for t-SNE; fewer are placed on a circle.
const MIN_POINTS: usize = 8;

/// Coordinates of each point in [-1, 1]²: principal components, then t-SNE (van der Maaten and Hinton 2008; Barnes-Hut:
/// van der Maaten 2014) initialized with the first two of them. Distances are cosine distances. The result is
/// deterministic.
pub fn tsne(points: &[UnitVector]) -> Vec<[f32; 2]> {
    if points.len() < MIN_POINTS {
        let turn = |n: usize| std::f32::consts::TAU * n as f32 / points.len() as f32;
        return (0..points.len()).map(|n| [turn(n).cos(), turn(n).sin()]).collect();
    }
    let components = principal_components(points, PCA_DIMS);
    // t-SNE needs small initial coordinates.
    let spread = components.iter().map(|row| row[0].abs()).fold(1e-6, f32::max);
    let initial: Vec<f32> = components.iter().flat_map(|row| [row[0], row[1]]).map(|x| 1e-2 * x / spread).collect();
    let rows: Vec<&[f32]> = components.iter().map(Vec::as_slice).collect();
    let perplexity = PERPLEXITY.min((points.len() - 1) as f32 / 4.0);
    let neighbours = nearest(&rows, (3.0 * perplexity) as usize);
    let fit = || {
        let mut tsne = bhtsne::tSNE::<f32, &[f32], 2>::new(&rows);
        tsne.perplexity(perplexity).epochs(750).initial_embedding(initial).barnes_hut_with_neighbors(0.5, &neighbours);
        tsne.embedding()
    };
    // Several threads would sum in a varying order and give another result each time.
    let single_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let coordinates = single_thread.expect("a thread can be started").install(fit);
    let largest = coordinates.iter().map(|x| x.abs()).fold(1e-6, f32::max);
    // Equal points have no direction of repulsion, which gives NaN; they are put at the origin.
    let scaled = |x: f32| if x.is_finite() { x / largest } else { 0.0 };
    coordinates.as_chunks::<2>().0.iter().map(|point| point.map(scaled)).collect()
}

/// The `count` nearest other rows of each row with their distances, nearest first.
fn nearest(rows: &[&[f32]], count: usize) -> Vec<Vec<Neighbor<f32>>> {
    let of_row = |(at, row): (usize, &&[f32])| {
        let distance = |other: &[f32]| row.iter().zip(other).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt();
        let others = rows.iter().enumerate().filter(|(index, _)| *index != at);
        let mut found: Vec<Neighbor<f32>> =
            others.map(|(index, other)| Neighbor { index, distance: distance(other) }).collect();
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index)));
        found.truncate(count);
        found
    };
    rows.par_iter().enumerate().map(of_row).collect()
}

/// Projection on the first `count` principal components, `[n][count]`, by subspace iteration (Rutishauser 1969) from
/// random directions.
fn principal_components(points: &[UnitVector], count: usize) -> Vec<Vec<f32>> {
    let dims = points[0].dims();
    let count = count.min(dims).min(points.len());
    let mut mean = vec![0f32; dims];
    for point in points {
        for (sum, x) in mean.iter_mut().zip(point.as_slice()) {
            *sum += x / points.len() as f32;
        }
    }
    let centered: Vec<Vec<f32>> =
        points.iter().map(|point| point.as_slice().iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut directions: Vec<Vec<f32>> =
        (0..count).map(|_| (0..dims).map(|_| rng.random_range(-1.0f32..1.0)).collect()).collect();
    orthonormalize(&mut directions);
    for _ in 0..ROUNDS {
        directions = directions
            .par_iter()
            .map(|direction| {
                let mut next = vec![0f32; dims];
                for row in &centered {
                    let along = dot(row, direction);
                    next.iter_mut().zip(row).for_each(|(sum, x)| *sum += along * x);
                }
                next
            })
            .collect();
        orthonormalize(&mut directions);
    }
    centered.par_iter().map(|row| directions.iter().map(|direction| dot(row, direction)).collect()).collect()
}

/// Gram-Schmidt, applied twice against rounding errors. A direction that depends on the previous ones becomes 0.
fn orthonormalize(directions: &mut [Vec<f32>]) {
    for at in 0..directions.len() {
        let (before, rest) = directions.split_at_mut(at);
        let direction = &mut rest[0];
        let length = dot(direction, direction).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(direction, other);
                direction.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let remaining = dot(direction, direction).sqrt();
        let scale = if remaining > 1e-6 * length { 1.0 / remaining } else { 0.0 };
        direction.iter_mut().for_each(|x| *x *= scale);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_class_stay_together_and_the_result_is_deterministic() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let class = |n: usize| n % 5;
        let points: Vec<UnitVector> = (0..200)
            .map(|n| {
                let mut values: Vec<f32> = (0..40).map(|_| rng.random_range(-0.2f32..0.2)).collect();
                values[class(n)] += 1.0;
                UnitVector::new(values, 40).expect("a point")
            })
            .collect();
        let coordinates = tsne(&points);
        let distance = |a: usize, b: usize| {
            let ([x, y], [v, w]) = (coordinates[a], coordinates[b]);
            (x - v).hypot(y - w)
        };
        let with_own = (0..200)
            .filter(|&a| {
                let nearest = (0..200).filter(|&b| b != a).min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c)));
                nearest.is_some_and(|b| class(a) == class(b))
            })
            .count();
        assert!(with_own > 190, "the nearest neighbour of {with_own} of 200 is of the same class");
        assert!(coordinates.iter().flatten().all(|x| x.abs() <= 1.0));
        assert_eq!(coordinates, tsne(&points));
    }

    #[test]
    fn few_points_and_equal_points_have_finite_coordinates() {
        let same = UnitVector::new(vec![1.0, 2.0], 2).expect("a point");
        for count in [0, 1, 7, 8, 40] {
            let coordinates = tsne(&vec![same.clone(); count]);
            assert!(
                coordinates.len() == count && coordinates.iter().flatten().all(|x| x.is_finite()),
                "{count}: {coordinates:?}"
            );
        }
    }
}
