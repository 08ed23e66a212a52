//! A fitted analysis as one parquet file that any reader of parquet opens.
//!
//! A row per feature: `mean` (`Float64`) and `pc1` ... `pcK` (`Float32`). The rest stands in the file's key-value
//! metadata under `fruits.pca`, as JSON with every float in its shortest exact text.

use std::path::Path;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Keep, Pca, PcaParams};
use crate::atomic;
use crate::error::{Error, Result};
use crate::schema::pc;

/// Version of the layout.
const SCHEMA: &str = "fruits-pca/1";
/// Key of the metadata.
const METADATA: &str = "fruits.pca";
/// Column of the mean.
const MEAN: &str = "mean";

/// Floats are texts: JSON readers may round numbers.
#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    version: String,
    solver: String,
    keep_components: Option<usize>,
    keep_variance: Option<String>,
    seed: u64,
    max_passes: usize,
    n_samples: usize,
    n_features: usize,
    n_components: usize,
    explained_variance: Vec<String>,
    further_variance: Vec<String>,
    total_variance: String,
    residual: Option<String>,
    n_passes: usize,
    converged: bool,
    fingerprint: String,
}

impl Pca {
    /// Writes the analysis to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let d = self.n_features();
        let mut columns = vec![Column::new(MEAN.into(), &self.mean)];
        for (i, row) in self.components.chunks_exact(d).enumerate() {
            columns.push(Column::new(pc(i).into(), row));
        }
        let mut frame = DataFrame::new(d, columns)?;
        let header = serde_json::to_string(&self.header())
            .map_err(|e| Error::Internal(format!("header of a PCA: {e}")))?;
        let metadata = KeyValueMetadata::from_static(vec![(METADATA.into(), header)]);
        let path = path.as_ref();
        atomic::write_with(path, |out| {
            let writer = ParquetWriter::new(out).with_key_value_metadata(Some(metadata));
            writer
                .finish(&mut frame)
                .map(drop)
                .map_err(|e| Error::Storage {
                    action: "write",
                    path: path.to_path_buf(),
                    source: std::io::Error::other(e),
                })
        })
    }

    /// Reads what [`Pca::save`] wrote, bit for bit.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be read, [`Error::Invalid`] if it is not whole or not such a file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let foreign = |what: &str| {
            Error::Invalid(format!(
                "`{}` is no saved PCA of this version: {what}; fit again",
                path.display()
            ))
        };
        let mut reader = ParquetReader::new(atomic::open(path)?);
        let metadata = reader.get_metadata().map_err(|e| foreign(&e.to_string()))?;
        let header = metadata
            .key_value_metadata()
            .iter()
            .flatten()
            .find(|kv| kv.key == METADATA);
        let header = header.and_then(|kv| kv.value.as_deref());
        let header = header.ok_or_else(|| foreign("it has no `fruits.pca` metadata"))?;
        let header: Header = serde_json::from_str(header).map_err(|e| foreign(&e.to_string()))?;
        if header.schema != SCHEMA {
            return Err(foreign(&format!(
                "its layout is `{}`, not `{SCHEMA}`",
                header.schema
            )));
        }
        let frame = reader.finish().map_err(|e| foreign(&e.to_string()))?;
        Self::from_parts(header, &frame).ok_or_else(|| foreign("its columns do not fit its header"))
    }

    fn header(&self) -> Header {
        let texts = |values: &[f64]| values.iter().map(f64::to_string).collect();
        let (kept, further) = self.values.split_at(self.n_components());
        let (keep_components, keep_variance) = match self.params.keep {
            Keep::Components(k) => (Some(k), None),
            Keep::Variance(share) => (None, Some(share.to_string())),
        };
        Header {
            schema: SCHEMA.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            solver: self.params.solver.to_string(),
            keep_components,
            keep_variance,
            seed: self.params.seed,
            max_passes: self.params.max_passes,
            n_samples: self.n_samples,
            n_features: self.n_features(),
            n_components: self.n_components(),
            explained_variance: texts(kept),
            further_variance: texts(further),
            total_variance: self.total_variance.to_string(),
            residual: self.residual.map(|r| r.to_string()),
            n_passes: self.n_passes,
            converged: self.converged,
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// None if the parts contradict each other.
    fn from_parts(header: Header, frame: &DataFrame) -> Option<Self> {
        let number = |text: &String| text.parse::<f64>().ok().filter(|x| x.is_finite());
        let keep = match (header.keep_components, &header.keep_variance) {
            (Some(k), None) => Keep::Components(k),
            (None, Some(share)) => Keep::Variance(number(share)?),
            _ => return None,
        };
        let (k, d) = (header.n_components, header.n_features);
        if header.n_samples < 2
            || d == 0
            || k == 0
            || frame.shape() != (d, k + 1)
            || header.explained_variance.len() != k
        {
            return None;
        }
        let mean = frame
            .column(MEAN)
            .ok()?
            .f64()
            .ok()?
            .iter()
            .collect::<Option<Vec<_>>>()?;
        let mut components = Vec::with_capacity(k * d);
        for i in 0..k {
            let column = frame.column(&pc(i)).ok()?.f32().ok()?;
            components.extend(column.iter().collect::<Option<Vec<_>>>()?);
        }
        let values = header
            .explained_variance
            .iter()
            .chain(&header.further_variance);
        let residual = match &header.residual {
            Some(residual) => Some(number(residual)?),
            None => None,
        };
        Some(Self {
            params: PcaParams {
                keep,
                solver: header.solver.parse().ok()?,
                seed: header.seed,
                max_passes: header.max_passes,
            },
            n_samples: header.n_samples,
            mean,
            components,
            values: values.map(number).collect::<Option<Vec<_>>>()?,
            total_variance: number(&header.total_variance)?,
            residual,
            n_passes: header.n_passes,
            converged: header.converged,
            fingerprint: header.fingerprint,
        })
    }
}
