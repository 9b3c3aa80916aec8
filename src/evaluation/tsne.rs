//! The common space on a sheet of paper: neighbours stay neighbours, distances between far ones mean nothing.

use bhtsne::Neighbor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::core::UnitVector;

/// Dimensions that are left before the sheet; what is beyond them is noise that only costs time.
const KEPT: usize = 32;

/// Rounds of the subspace iteration; neighbourhoods do not see more.
const ROUNDS: usize = 12;

/// How many neighbours of a point count.
const PERPLEXITY: f32 = 30.0;

/// Below this number of points there are too few neighbours for a map.
const FEWEST: usize = 8;

/// A place on a sheet for each point, in [-1, 1]²: principal components first, then t-SNE (van der Maaten and Hinton 2008,
/// by trees: van der Maaten 2014) that begins at the first two of them. Cosine distance is what is kept. The same points get
/// the same places.
pub fn layout(points: &[UnitVector]) -> Vec<[f32; 2]> {
    if points.len() < FEWEST {
        let turn = |n: usize| std::f32::consts::TAU * n as f32 / points.len() as f32;
        return (0..points.len()).map(|n| [turn(n).cos(), turn(n).sin()]).collect();
    }
    let components = principal_components(points, KEPT);
    // t-SNE wants a small beginning, far from where it ends.
    let spread = components.iter().map(|row| row[0].abs()).fold(1e-6, f32::max);
    let beginning: Vec<f32> = components.iter().flat_map(|row| [row[0], row[1]]).map(|x| 1e-2 * x / spread).collect();
    let rows: Vec<&[f32]> = components.iter().map(Vec::as_slice).collect();
    let perplexity = PERPLEXITY.min((points.len() - 1) as f32 / 4.0);
    let neighbours = nearest(&rows, (3.0 * perplexity) as usize);
    let fit = || {
        let mut tsne = bhtsne::tSNE::<f32, &[f32], 2>::new(&rows);
        tsne.perplexity(perplexity)
            .epochs(750)
            .initial_embedding(beginning)
            .barnes_hut_with_neighbors(0.5, &neighbours);
        tsne.embedding()
    };
    // Several threads would add in the order in which they come, and the sheet would be another one each time.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let places = alone.expect("the system has a thread to spare").install(fit);
    let most = places.iter().map(|x| x.abs()).fold(1e-6, f32::max);
    // Points that are all the same repel each other in no direction; they share a place.
    let side = |x: f32| if x.is_finite() { x / most } else { 0.0 };
    places.as_chunks::<2>().0.iter().map(|place| place.map(side)).collect()
}

/// The nearest others of each row with their distances, nearest first. Every row has as many.
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

/// Points in the directions in which they differ most, `[n][kept]`, by subspace iteration (Rutishauser 1969) that begins in
/// random directions.
fn principal_components(points: &[UnitVector], kept: usize) -> Vec<Vec<f32>> {
    let dims = points[0].dims();
    let kept = kept.min(dims).min(points.len());
    let mut mean = vec![0f32; dims];
    for point in points {
        for (sum, x) in mean.iter_mut().zip(point.as_slice()) {
            *sum += x / points.len() as f32;
        }
    }
    let centred: Vec<Vec<f32>> =
        points.iter().map(|point| point.as_slice().iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut directions: Vec<Vec<f32>> =
        (0..kept).map(|_| (0..dims).map(|_| rng.random_range(-1.0f32..1.0)).collect()).collect();
    orthonormalise(&mut directions);
    for _ in 0..ROUNDS {
        directions = directions
            .par_iter()
            .map(|direction| {
                let mut next = vec![0f32; dims];
                for row in &centred {
                    let along = dot(row, direction);
                    next.iter_mut().zip(row).for_each(|(sum, x)| *sum += along * x);
                }
                next
            })
            .collect();
        orthonormalise(&mut directions);
    }
    centred.par_iter().map(|row| directions.iter().map(|direction| dot(row, direction)).collect()).collect()
}

/// Gram and Schmidt, twice for the rounding. A direction that is left with nothing is set to 0.
fn orthonormalise(directions: &mut [Vec<f32>]) {
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
        let left = dot(direction, direction).sqrt();
        let scale = if left > 1e-6 * length { 1.0 / left } else { 0.0 };
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
    fn neighbours_stay_neighbours_and_places_stay_places() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let class = |n: usize| n % 5;
        let points: Vec<UnitVector> = (0..200)
            .map(|n| {
                let mut values: Vec<f32> = (0..40).map(|_| rng.random_range(-0.2f32..0.2)).collect();
                values[class(n)] += 1.0;
                UnitVector::new(values, 40).expect("a point")
            })
            .collect();
        let places = layout(&points);
        let apart = |a: usize, b: usize| {
            let ([x, y], [v, w]) = (places[a], places[b]);
            (x - v).hypot(y - w)
        };
        let with_own = (0..200)
            .filter(|&a| {
                let nearest = (0..200).filter(|&b| b != a).min_by(|&b, &c| apart(a, b).total_cmp(&apart(a, c)));
                nearest.is_some_and(|b| class(a) == class(b))
            })
            .count();
        assert!(with_own > 190, "{with_own} of 200 lie beside one of their class");
        assert!(places.iter().flatten().all(|x| x.abs() <= 1.0));
        assert_eq!(places, layout(&points));
    }

    #[test]
    fn few_points_and_equal_points_have_places() {
        let same = UnitVector::new(vec![1.0, 2.0], 2).expect("a point");
        for count in [0, 1, 7, 8, 40] {
            let places = layout(&vec![same.clone(); count]);
            assert!(places.len() == count && places.iter().flatten().all(|x| x.is_finite()), "{count}: {places:?}");
        }
    }
}
