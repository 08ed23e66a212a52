//! The frames as rows.

use std::collections::BTreeMap;

use fruits_maths::Matrix;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{MatrixExt, column, sizes};
use crate::record::{ClassCount, ProjectionRecord};
use crate::schema;

/// An accepted image.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImageRow<'a> {
    pub(super) key: &'a str,
    pub(super) label: &'a str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) thumbnail: &'a [u8],
}

/// A file that could not be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct RejectedRow<'a> {
    pub(super) key: &'a str,
    pub(super) size_bytes: u64,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// Positions of all images in a plane.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub(super) x: Vec<f32>,
    pub(super) y: Vec<f32>,
}

/// All rows of a run.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) images: Vec<ImageRow<'a>>,
    pub(super) rejected: Vec<RejectedRow<'a>>,
    /// First two components, if PCA ran; with one component the second is 0.
    pub(super) pca: Option<Plane>,
    /// The projections with their positions, as far as the run came.
    pub(super) projections: Vec<(&'a ProjectionRecord, Plane)>,
    /// What was measured of each image, by column, as far as the run came; NaN where it was not.
    pub(super) scores: BTreeMap<String, Vec<f32>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        projections: &'a [ProjectionRecord],
        images: &'a DataFrame,
        rejected: &'a DataFrame,
    ) -> Result<Self> {
        let keys = texts(images, schema::KEY)?;
        let labels = texts(images, schema::LABEL)?;
        let widths = column(images, schema::WIDTH)?.u32()?.iter();
        let heights = column(images, schema::HEIGHT)?.u32()?.iter();
        let thumbnails = column(images, schema::THUMBNAIL)?.binary()?;
        let rows = keys
            .into_iter()
            .zip(labels)
            .zip(widths.zip(heights))
            .enumerate();
        let rows: Vec<_> = rows
            .map(|(i, ((key, label), (width, height)))| ImageRow {
                key,
                label,
                width: width.unwrap_or(0),
                height: height.unwrap_or(0),
                thumbnail: thumbnails.get(i).unwrap_or(&[]),
            })
            .collect();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].key >= pair[1].key) {
            return Err(Error::Invalid(format!(
                "images must be sorted by key, each once: `{}` stands before `{}`",
                pair[0].key, pair[1].key
            )));
        }
        Ok(Self {
            images: rows,
            rejected: rejected_rows(rejected)?,
            pca: plane(images, &schema::pc(0), &schema::pc(1))?,
            scores: scores(projections, images)?,
            projections: planes(projections, images)?,
        })
    }

    /// The row of the image `key`.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.images.binary_search_by(|row| row.key.cmp(key)).ok()
    }

    /// Class of each image as an index into `classes`.
    pub(super) fn class_numbers(&self, classes: &[ClassCount]) -> Result<Vec<u16>> {
        let numbers: BTreeMap<&str, u16> = (0..=u16::MAX)
            .zip(classes)
            .map(|(i, class)| (class.label.as_str(), i))
            .collect();
        let number = |row: &ImageRow| {
            numbers.get(row.label).copied().ok_or_else(|| {
                Error::Internal(format!(
                    "class `{}` is not in the record of the run",
                    row.label
                ))
            })
        };
        self.images.iter().map(number).collect()
    }
}

fn planes<'a>(
    projections: &'a [ProjectionRecord],
    images: &DataFrame,
) -> Result<Vec<(&'a ProjectionRecord, Plane)>> {
    let mut planes = Vec::new();
    for projection in projections {
        let [x, y] = schema::positions(&projection.name);
        planes.extend(plane(images, &x, &y)?.map(|plane| (projection, plane)));
    }
    Ok(planes)
}

fn scores(
    projections: &[ProjectionRecord],
    images: &DataFrame,
) -> Result<BTreeMap<String, Vec<f32>>> {
    let mut scores = BTreeMap::new();
    let known = [schema::LABEL_AGREEMENT, schema::OUTLIER_SCORE].map(str::to_owned);
    let trust = projections.iter().map(|p| schema::trust(&p.name));
    for name in known.into_iter().chain(trust) {
        if let Ok(column) = images.column(&name) {
            let values = column.f32()?.iter().map(|v| v.unwrap_or(f32::NAN));
            scores.insert(name, values.collect());
        }
    }
    Ok(scores)
}

fn rejected_rows(frame: &DataFrame) -> Result<Vec<RejectedRow<'_>>> {
    let keys = texts(frame, schema::KEY)?;
    let sizes = sizes(frame, schema::SIZE_BYTES)?;
    let reasons = texts(frame, schema::REASON)?;
    let messages = texts(frame, schema::MESSAGE)?;
    let words = reasons.into_iter().zip(messages);
    Ok(keys
        .into_iter()
        .zip(sizes)
        .zip(words)
        .map(|((key, size_bytes), (reason, message))| RejectedRow {
            key,
            size_bytes,
            reason,
            message,
        })
        .collect())
}

fn texts<'a>(frame: &'a DataFrame, name: &str) -> Result<Vec<&'a str>> {
    let column = column(frame, name)?.str()?;
    Ok((0..frame.height())
        .map(|i| column.get(i).unwrap_or(""))
        .collect())
}

fn plane(frame: &DataFrame, x: &str, y: &str) -> Result<Option<Plane>> {
    if frame.column(x).is_err() {
        return Ok(None);
    }
    let x = Matrix::from_columns(frame, &[x])?.values().to_vec();
    let y = match frame.column(y) {
        Ok(_) => Matrix::from_columns(frame, &[y])?.values().to_vec(),
        Err(_) => vec![0.0; x.len()],
    };
    Ok(Some(Plane { x, y }))
}
