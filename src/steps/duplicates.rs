//! Different files that look alike.

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
use fruits_maths::outliers::{closest_pairs, usual_distance};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::frame::{MatrixExt, check_rows, keys, strings};
use crate::schema::SHA256;

/// Pairs of images that look alike, as the report shows them.
const MAX_NEAR_DUPLICATES: usize = 12;
/// Neighbours of an image that are looked at.
const N_NEIGHBORS: usize = 1;

/// Two files that look alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearDuplicate {
    /// The one whose key sorts first.
    pub first: String,
    /// The other.
    pub second: String,
    /// Euclidean distance of their kept components.
    pub distance: f64,
    /// The same, relative to the median distance of an image to its nearest.
    pub relative: f64,
}

/// The closest pairs in the space of `pc1` ... `pcK`, each image with its nearest other, closest first, at most twelve; equal
/// files are left out.
///
/// In: those columns, numeric, `key` (strings or whole numbers) and `sha256` (strings), one row an image.
///
/// # Errors
/// [`Error::Column`](crate::Error::Column) if one is missing, of another type, or holds a null, NaN or infinity, or a key is there
/// twice.
pub fn near_duplicates(frame: &DataFrame) -> Result<Vec<NearDuplicate>> {
    columns(frame)?;
    let points = Matrix::from_scores(frame)?;
    near_duplicates_in(frame, &Space::new(&points, N_NEIGHBORS)?)
}

/// [`near_duplicates`] without the search: among the points of `space`, a row each of `frame`.
///
/// # Errors
/// As [`near_duplicates`], and [`Error::Invalid`](crate::Error::Invalid) if there are other rows.
pub fn near_duplicates_in(frame: &DataFrame, space: &Space) -> Result<Vec<NearDuplicate>> {
    check_rows(frame, space)?;
    let near = space.near(N_NEIGHBORS)?;
    let (keys, digests) = columns(frame)?;
    let keys: Vec<&str> = keys.no_null_iter().collect();
    let usual = usual_distance(&near);
    let pairs = closest_pairs(&near).into_iter();
    let different = pairs.filter(|pair| digests[pair.first] != digests[pair.second]);
    let closest = different.take(MAX_NEAR_DUPLICATES);
    Ok(closest
        .map(|pair| NearDuplicate {
            first: keys[pair.first].to_owned(),
            second: keys[pair.second].to_owned(),
            distance: pair.distance,
            // Where most images have an equal, nothing is usual.
            relative: match usual > 0.0 {
                true => pair.distance / usual,
                false => 1.0,
            },
        })
        .collect())
}

/// What is read beside the scores.
fn columns(frame: &DataFrame) -> Result<(StringChunked, Vec<&str>)> {
    Ok((keys(frame)?, strings(frame, SHA256)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::KEY;

    #[test]
    fn different_files_come_in_pairs_closest_first() {
        let frame = df!(
            KEY => ["a", "b", "c", "d", "e"],
            SHA256 => ["0", "0", "1", "2", "3"],
            "pc1" => [0.0_f32, 0.0, 5.0, 6.0, 10.0],
        )
        .unwrap();
        let found = near_duplicates(&frame).unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|p| (p.first.as_str(), p.second.as_str(), p.distance, p.relative))
            .collect();
        assert_eq!(pairs, [("c", "d", 1.0, 1.0), ("d", "e", 4.0, 4.0)]);
        assert!(near_duplicates(&frame.drop(SHA256).unwrap()).is_err());
    }
}
