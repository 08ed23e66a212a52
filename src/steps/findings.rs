//! Images that stand out among the descriptors: outliers, the one that stands for its class, one image under several labels,
//! and labels that neighbours do not share.

mod conflicts;

use std::collections::BTreeSet;

use fruits_maths::Matrix;
use fruits_maths::copies::Distinct;
use fruits_maths::neighbors::Space;
pub use fruits_maths::outliers::OUTLIER_NEIGHBORS;
use fruits_maths::outliers::{Agreement, agreements, distinct_outlier_factors, representatives};
use fruits_maths::votes::{Classes, DEFAULT_NEIGHBORS};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use self::conflicts::conflicts;
pub use self::conflicts::{Conflict, LabelledCopy, Likeness};
use crate::error::{Error, Result};
use crate::frame::{MatrixExt, check_rows, column, keys, names, strings};
use crate::schema::{KEY, LABEL, LABEL_AGREEMENT, OUTLIER_SCORE, SHA256};

/// Images in each list of the record.
const MAX_LISTED: usize = 12;
/// Nearest images named with each of them.
const MAX_NEIGHBORS: usize = 4;

/// What [`findings`] found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The images that stand out most.
    pub record: FindingsRecord,
    /// `key`, `outlier_score` and `label_agreement`, float32, a row an image in the order of the input.
    pub scores: DataFrame,
}

/// Images that stand out in PCA space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingsRecord {
    /// Neighbours of the outlier score.
    pub outlier_neighbors: usize,
    /// Neighbours that vote on labels.
    pub label_neighbors: usize,
    /// Images with the highest local outlier factor, highest first, at most twelve; of copies, and of what is nearly the same,
    /// the first alone.
    pub outliers: Vec<Outlier>,
    /// The image nearest to the mean of each class.
    pub representatives: Vec<Representative>,
    /// Images that are in the set under several labels.
    #[serde(default, skip_serializing_if = "is_none")]
    pub n_conflicts: u64,
    /// The first of them: those with equal files before others, at most twelve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Images whose neighbours vote for another class than their own.
    pub n_disagreements: u64,
    /// Those with the smallest share of neighbours of their own class, at most twelve; of copies with one label the first alone.
    pub disagreements: Vec<Disagreement>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none(n: &u64) -> bool {
    *n == 0
}

/// An image far from where its neighbours are dense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    /// The image.
    pub key: String,
    /// Local outlier factor; 1 is as dense as its neighbours.
    pub score: f64,
    /// Other images that are copies of it, or nearly the same and not listed for that.
    #[serde(default, skip_serializing_if = "is_none")]
    pub n_alike: u64,
    /// Its nearest images, nearest first.
    pub neighbors: Vec<String>,
}

/// An image that stands for its class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Representative {
    /// The class.
    pub label: String,
    /// The image.
    pub key: String,
}

/// An image whose neighbours are of another class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The image.
    pub key: String,
    /// The class that its neighbours vote for.
    pub predicted: String,
    /// Share of its neighbours that have its own label.
    pub agreement: f64,
    /// Its nearest images, nearest first.
    pub neighbors: Vec<String>,
}

/// Finds what stands out in the space of `pc1` ... `pcK`.
///
/// In: those columns, numeric, and `key` and `label` (strings or whole numbers), one row an image; where there is `sha256`
/// (strings), equal files are told by it. The outlier score is the local outlier factor of 20 neighbours: how much sparser an
/// image lies than its neighbours; 1 is as dense as they are. Copies of one image, see [`Distinct::find`], count once and have one
/// score. Label agreement is the share of the 10 nearest that have the image's label. Of few rows there are n - 1 neighbours.
///
/// # Errors
/// [`Error::Column`] if one is missing, of another type, or holds a null, NaN or infinity, or a key is there twice;
/// [`Error::TooFewRows`] of fewer than 2.
///
/// # References
/// Breunig, Kriegel, Ng & Sander 2000, "LOF: identifying density-based local outliers".
pub fn findings(frame: &DataFrame) -> Result<Findings> {
    findings_with(frame, &mut |_, _| true)
}

/// [`findings`], with `progress(rows done, rows in all)` now and then; `false` stops.
///
/// # Errors
/// As [`findings`], and [`Error::Cancelled`] if `progress` returns `false`.
pub fn findings_with(
    frame: &DataFrame,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Findings> {
    Columns::of(frame)?;
    let points = Matrix::from_scores(frame)?;
    let space = Space::new_with(&points, OUTLIER_NEIGHBORS, progress)?;
    findings_in(frame, &space, progress)
}

/// [`findings_with`] without the search: among the points of `space`, a row each of `frame`, with [`OUTLIER_NEIGHBORS`] of each, or
/// more. Where some are copies, those that are left are searched.
///
/// # Errors
/// As [`findings_with`], and [`Error::Invalid`] if there are fewer neighbours or other rows.
pub fn findings_in(
    frame: &DataFrame,
    space: &Space,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Findings> {
    check_rows(frame, space)?;
    let columns = Columns::of(frame)?;
    let [keys, labels] =
        [&columns.keys, &columns.labels].map(|c| c.no_null_iter().collect::<Vec<_>>());
    if keys.len() < 2 {
        return Err(Error::TooFewRows {
            what: "a search for outliers",
            needed: 2,
            found: keys.len(),
        });
    }
    let near = space.near(OUTLIER_NEIGHBORS)?;
    let voters = near.first(DEFAULT_NEIGHBORS)?;
    let classes = Classes::of(&labels);
    let distinct = Distinct::find(space.points(), &near, progress)?;
    let factors = distinct_outlier_factors(&distinct);
    let conflicts = conflicts(&keys, &labels, columns.digests.as_deref(), &distinct);
    let agreements = agreements(&voters, &classes);

    let named = |i: usize| {
        let nearest = near.indices(i).iter().take(MAX_NEIGHBORS);
        nearest.map(|&j| keys[j as usize].to_owned()).collect()
    };
    let mut disagreeing: Vec<(usize, &Agreement)> = agreements
        .iter()
        .enumerate()
        .filter(|&(i, agreement)| agreement.vote != classes.numbers[i])
        .collect();
    let n_disagreements = disagreeing.len() as u64;
    disagreeing.sort_by(|a, b| a.1.share.total_cmp(&b.1.share).then(a.0.cmp(&b.0)));
    let mut seen = BTreeSet::new();
    disagreeing.retain(|&(i, _)| seen.insert((distinct.first()[i], labels[i])));
    let outlier = |(i, n_alike): (usize, u64)| Outlier {
        key: keys[i].to_owned(),
        score: factors[i],
        n_alike,
        neighbors: named(i),
    };
    let disagreement = |&(i, agreement): &(usize, &Agreement)| Disagreement {
        key: keys[i].to_owned(),
        predicted: classes.names[agreement.vote].to_owned(),
        agreement: agreement.share,
        neighbors: named(i),
    };
    let representative = |i: usize| Representative {
        label: labels[i].to_owned(),
        key: keys[i].to_owned(),
    };
    let record = FindingsRecord {
        outlier_neighbors: near.k(),
        label_neighbors: voters.k(),
        outliers: unlike(&factors, &distinct)
            .into_iter()
            .map(outlier)
            .collect(),
        representatives: representatives(space.points(), &classes)
            .into_iter()
            .map(representative)
            .collect(),
        n_conflicts: conflicts.len() as u64,
        conflicts: conflicts.into_iter().take(MAX_LISTED).collect(),
        n_disagreements,
        disagreements: disagreeing
            .iter()
            .take(MAX_LISTED)
            .map(disagreement)
            .collect(),
    };
    let single =
        |values: &mut dyn Iterator<Item = f64>| values.map(|v| v as f32).collect::<Vec<_>>();
    let scores = vec![
        column(frame, KEY)?.clone(),
        Column::new(OUTLIER_SCORE.into(), single(&mut factors.iter().copied())),
        Column::new(
            LABEL_AGREEMENT.into(),
            single(&mut agreements.iter().map(|a| a.share)),
        ),
    ];
    Ok(Findings {
        record,
        scores: DataFrame::new(keys.len(), scores)?,
    })
}

/// What is read beside the scores.
struct Columns<'a> {
    keys: StringChunked,
    labels: StringChunked,
    digests: Option<Vec<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(frame: &'a DataFrame) -> Result<Self> {
        let digests = frame.column(SHA256).map(|_| strings(frame, SHA256));
        Ok(Self {
            keys: keys(frame)?,
            labels: names(frame, LABEL)?,
            digests: digests.ok().transpose()?,
        })
    }
}

/// The rows with the highest factors, and how many others each stands for: copies, and what is nearly the same as one above it.
fn unlike(factors: &[f64], distinct: &Distinct) -> Vec<(usize, u64)> {
    let mut n_copies = vec![0; factors.len()];
    distinct
        .first()
        .iter()
        .for_each(|&first| n_copies[first] += 1);
    let pairs = distinct.nearly_same();
    let mut rows = distinct.rows().to_vec();
    rows.sort_by(|&a, &b| factors[b].total_cmp(&factors[a]).then(a.cmp(&b)));
    let mut listed: Vec<(usize, u64)> = Vec::new();
    for i in rows {
        let is_like = |&(j, _): &(usize, u64)| pairs.contains(&(i.min(j), i.max(j)));
        match listed.iter().position(is_like) {
            Some(at) => listed[at].1 += n_copies[i],
            None if listed.len() < MAX_LISTED => listed.push((i, n_copies[i] - 1)),
            None => {}
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(points: &[(f32, f32)], labels: &[&str]) -> DataFrame {
        df!(
            KEY => (0..points.len()).map(|i| format!("k{i:03}")).collect::<Vec<_>>(),
            LABEL => labels,
            "pc1" => points.iter().map(|p| p.0).collect::<Vec<_>>(),
            "pc2" => points.iter().map(|p| p.1).collect::<Vec<_>>(),
        )
        .unwrap()
    }

    /// Two grids of 5 x 5, far apart.
    fn grids() -> (Vec<(f32, f32)>, Vec<&'static str>) {
        let grid = |x: f32| (0..25).map(move |i| (x + (i % 5) as f32, (i / 5) as f32));
        let points = grid(0.0).chain(grid(100.0)).collect();
        (points, [["a"; 25], ["b"; 25]].concat())
    }

    #[test]
    fn what_lies_apart_is_an_outlier_and_the_middle_stands_for_its_class() {
        let (mut points, labels) = grids();
        points[7] = (2.0, 60.0);
        let found = findings(&frame(&points, &labels)).unwrap();
        assert_eq!(found.record.outliers[0].key, "k007");
        assert!(found.record.outliers[0].score > 5.0);
        assert_eq!(found.record.outliers[0].neighbors.len(), MAX_NEIGHBORS);
        let second = &found.record.representatives[1];
        assert_eq!((second.label.as_str(), second.key.as_str()), ("b", "k037"));
        assert_eq!(found.record.n_disagreements, 0);
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let (points, labels) = grids();
        let stopped = findings_with(&frame(&points, &labels), &mut |_, _| false);
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }

    #[test]
    fn a_wrong_label_is_found() {
        let (points, mut labels) = grids();
        labels[12] = "b";
        let found = findings(&frame(&points, &labels)).unwrap();
        assert_eq!(found.record.n_disagreements, 1);
        let wrong = &found.record.disagreements[0];
        assert_eq!(
            (
                wrong.key.as_str(),
                wrong.predicted.as_str(),
                wrong.agreement
            ),
            ("k012", "a", 0.0)
        );
        let agreement = found.scores.column(LABEL_AGREEMENT).unwrap();
        assert_eq!(agreement.f32().unwrap().get(12), Some(0.0));
    }

    #[test]
    fn copies_of_one_image_are_one_outlier() {
        let (mut points, mut labels) = grids();
        points[7] = (2.0, 160.0);
        // 30 equal copies, more than neighbours, and 14 that were saved anew, all apart from the others.
        points.extend([(50.0, 50.0); 30]);
        points.extend((0..14).map(|i| (50.3 + i as f32 / 20.0, 50.0)));
        labels.extend(["a"; 44]);
        let found = findings(&frame(&points, &labels)).unwrap();
        let keys: Vec<_> = found.record.outliers.iter().map(|o| &o.key[..]).collect();
        let n_copies = keys.iter().filter(|key| **key >= "k050").count();
        assert_eq!(n_copies, 1, "{:?}", found.record.outliers);
        assert_eq!(keys[0], "k007");
        let of_copies = found
            .record
            .outliers
            .iter()
            .find(|o| o.key.as_str() >= "k050");
        assert_eq!(of_copies.unwrap().n_alike, 43);
        let scores = found.scores.column(OUTLIER_SCORE).unwrap();
        assert!(scores.f32().unwrap().max().unwrap() < 100.0);
    }

    #[test]
    fn one_image_under_two_labels_is_found() {
        let (mut points, mut labels) = grids();
        points.extend([points[3], (points[30].0 + 0.03, points[30].1)]);
        labels.extend(["b", "a"]);
        let mut frame = frame(&points, &labels);
        let look = |frame: &DataFrame| findings(frame).unwrap().record;
        let found = look(&frame);
        let named = |conflict: &Conflict| -> Vec<String> {
            let copies = conflict.copies.iter();
            copies.map(|c| format!("{} {}", c.key, c.label)).collect()
        };
        assert_eq!(found.n_conflicts, 2);
        assert_eq!(named(&found.conflicts[0]), ["k003 a", "k050 b"]);
        assert_eq!(named(&found.conflicts[1]), ["k030 b", "k051 a"]);
        assert_eq!(found.conflicts[0].likeness, Likeness::NearlySame);

        // Equal bytes come first, and tell it wherever they lie.
        let digests = (0..points.len()).map(|i| match i {
            30 | 51 => "equal".to_owned(),
            0 | 49 => "far".to_owned(),
            i => i.to_string(),
        });
        frame
            .with_column(Column::new(SHA256.into(), digests.collect::<Vec<_>>()))
            .unwrap();
        let found = look(&frame);
        let first: Vec<_> = found
            .conflicts
            .iter()
            .map(|c| (c.copies[0].key.as_str(), c.likeness))
            .collect();
        let (file, nearly) = (Likeness::SameFile, Likeness::NearlySame);
        assert_eq!(first, [("k000", file), ("k030", file), ("k003", nearly)]);
    }

    #[test]
    fn duplicates_and_few_rows_have_finite_scores() {
        let found = findings(&frame(&[(1.0, 1.0); 30], &["a"; 30])).unwrap();
        let scores = found.scores.column(OUTLIER_SCORE).unwrap();
        let ones = scores.f32().unwrap().iter().filter(|s| *s == Some(1.0));
        assert_eq!(ones.count(), 30);
        let found = findings(&frame(&[(0.0, 0.0), (1.0, 0.0)], &["a", "b"])).unwrap();
        assert_eq!(found.record.outlier_neighbors, 1);
        assert_eq!(found.record.n_disagreements, 2);
        assert!(findings(&frame(&[(0.0, 0.0)], &["a"])).is_err());
    }
}
