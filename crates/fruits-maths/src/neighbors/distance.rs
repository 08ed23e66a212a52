//! Distances of rows.

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Squared Euclidean distance of two rows in float64, summed in a fixed order.
#[must_use]
pub fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 4;
    let mut sums = [0.0f64; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            let difference = f64::from(a[lane]) - f64::from(b[lane]);
            sums[lane] += difference * difference;
        }
    }
    for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        let difference = f64::from(a) - f64::from(b);
        sums[lane] += difference * difference;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Refuses NaN and infinities.
///
/// # Errors
/// [`Error::NotFinite`] that names the first row with such a value.
pub fn check_finite(points: &Matrix) -> Result<()> {
    match points.values().iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            row: at / points.n_cols(),
            column: at % points.n_cols(),
            value: points.values()[at],
        }),
    }
}
