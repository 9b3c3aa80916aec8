//! Points of the common space: finite, of the space's length, of norm 1. All three are checked once, on construction,
//! because later code cannot recover: a NaN distance would clamp to a perfect match.

/// Error of a vector that is not a point of the common space.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VectorError {
    /// The length of the vector differs from that of the space.
    #[error("the vector has {found} dimensions, but the space has {expected}")]
    WrongLength {
        /// Dimensions of the space.
        expected: usize,
        /// Dimensions of the vector.
        found: usize,
    },
    /// A component is NaN or infinite.
    #[error("component {at} of the vector is {value}; every component must be a finite number")]
    NotFinite {
        /// Index of the component.
        at: usize,
        /// Its value.
        value: f32,
    },
    /// The norm is 0.
    #[error("the vector has norm 0 and therefore no direction")]
    Zero,
    /// The norm of a vector that should already be normalized is not 1.
    #[error("the vector has norm {0}, but the norm of a point is 1")]
    NotUnit(f64),
}

/// A point of the common space: `[dims]` finite numbers of Euclidean norm 1 (to f32 precision).
#[derive(Clone, Debug, PartialEq)]
pub struct UnitVector(Box<[f32]>);

impl UnitVector {
    /// Checks that `values` has `dims` finite components and scales it to norm 1.
    ///
    /// # Errors
    /// [`VectorError`] if the length differs, a component is not finite, or the norm is 0.
    pub fn new(values: Vec<f32>, dims: usize) -> Result<Self, VectorError> {
        if values.len() != dims {
            return Err(VectorError::WrongLength { expected: dims, found: values.len() });
        }
        if let Some((at, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(VectorError::NotFinite { at, value });
        }
        // f64, because squares of valid f32 components may overflow or underflow.
        let norm = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err(VectorError::Zero);
        }
        Ok(Self(values.into_iter().map(|v| (f64::from(v) / norm) as f32).collect()))
    }

    /// Builds a point from components that are already normalized, without changing a bit.
    ///
    /// # Errors
    /// [`VectorError::WrongLength`]; [`VectorError::NotUnit`] if the norm is not 1 to three digits, which includes
    /// components that are not finite.
    pub fn from_normalized(values: Vec<f32>, dims: usize) -> Result<Self, VectorError> {
        if values.len() != dims {
            return Err(VectorError::WrongLength { expected: dims, found: values.len() });
        }
        let norm = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        // No range contains NaN.
        if (0.999..1.001).contains(&norm) { Ok(Self(values.into())) } else { Err(VectorError::NotUnit(norm)) }
    }

    /// The components, `[dims]`.
    #[inline]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Number of dimensions.
    #[inline]
    pub fn dims(&self) -> usize {
        self.0.len()
    }

    /// Cosine with another point of the same space, in [-1, 1].
    #[inline]
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(&self.0, &other.0).clamp(-1.0, 1.0)
    }
}

/// Inner product of two slices of equal length, summed in 16 lanes so that the compiler can use vector instructions.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len(), "both vectors are from one space");
    let mut lanes = [0f32; 16];
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_vectors_are_rejected() {
        assert_eq!(UnitVector::new(vec![0.0, 0.0], 2), Err(VectorError::Zero));
        assert_eq!(UnitVector::new(vec![1.0], 2), Err(VectorError::WrongLength { expected: 2, found: 1 }));
        assert!(matches!(UnitVector::new(vec![1.0, f32::NAN], 2), Err(VectorError::NotFinite { at: 1, .. })));
        assert!(matches!(UnitVector::new(vec![f32::INFINITY, 1.0], 2), Err(VectorError::NotFinite { at: 0, .. })));
    }

    #[test]
    fn only_normalized_vectors_are_accepted_as_points() {
        assert!(UnitVector::from_normalized(vec![0.6, 0.8], 2).is_ok());
        assert_eq!(UnitVector::from_normalized(vec![1.0], 2), Err(VectorError::WrongLength { expected: 2, found: 1 }));
        for values in [[0.6, 0.9], [0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 0.0]] {
            assert!(
                matches!(UnitVector::from_normalized(values.to_vec(), 2), Err(VectorError::NotUnit(_))),
                "{values:?}"
            );
        }
    }

    #[test]
    fn extreme_finite_components_keep_their_direction() {
        for scale in [f32::MIN_POSITIVE, 1e-30, 1e30, f32::MAX / 4.0] {
            let v = UnitVector::new(vec![3.0 * scale, 4.0 * scale], 2);
            let v = v.unwrap_or_else(|e| panic!("scale {scale}: {e}"));
            assert!((v.as_slice()[0] - 0.6).abs() < 1e-6 && (v.as_slice()[1] - 0.8).abs() < 1e-6, "scale {scale}");
        }
    }

    proptest! {
        #[test]
        fn norm_is_one_and_cosine_with_itself_is_one(values in prop::collection::vec(-1e6f32..1e6, 1..200)) {
            prop_assume!(values.iter().any(|v| v.abs() > 1e-3));
            let dims = values.len();
            let v = UnitVector::new(values, dims).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!((v.cosine(&v) - 1.0).abs() < 1e-5);
            prop_assert_eq!(UnitVector::from_normalized(v.as_slice().to_vec(), dims), Ok(v));
        }
    }
}
