//! A fitted analysis as one parquet file that any reader of parquet opens.
//!
//! A row per feature: `mean` (`Float64`) and `pc1` ... `pcK` (`Float32`). The rest stands in the file's key-value
//! metadata under `fruits.pca`, as JSON with every float in its shortest exact text.

use std::path::Path;

use fruits_maths::pca::{Keep, Pca, PcaParams, Solution};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::pc;
use crate::storage::{atomic, parquet};

/// Version of the layout.
const SCHEMA: &str = "fruits-pca/1";
/// Characters of a foreign layout that an error shows.
const MAX_SHOWN: usize = 40;
/// Bytes of the header at most: VGG16's 25,088 variances have 0.6 MB. In memory it takes ten times as much.
const MOST_HEADER_BYTES: usize = 4 << 20;
/// Key of the metadata.
const METADATA: &str = "fruits.pca";
/// Column of the mean.
const MEAN: &str = "mean";

/// Floats are texts, which no reader of JSON rounds.
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

/// See [`super::PcaExt::save`].
pub(super) fn save(pca: &Pca, path: &Path) -> Result<()> {
    let d = pca.n_features();
    let mut columns = vec![Column::new(MEAN.into(), pca.mean())];
    for (i, row) in pca.components().chunks_exact(d).enumerate() {
        columns.push(Column::new(pc(i).into(), row));
    }
    let mut frame = DataFrame::new(d, columns)?;
    let header = serde_json::to_string(&header(pca))
        .map_err(|e| Error::Internal(format!("header of a PCA: {e}")))?;
    let metadata = KeyValueMetadata::from_static(vec![(METADATA.into(), header)]);
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

/// See [`super::PcaExt::load`].
pub(super) fn load(path: &Path) -> Result<Pca> {
    parse(atomic::read(path)?).map_err(|what| {
        Error::Invalid(format!(
            "`{}` is no saved PCA of this version: {what}; fit again",
            path.display()
        ))
    })
}

/// The analysis in the bytes of a file, or what is wrong with it. Whoever wrote them is not trusted.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Pca, String> {
    let (frame, header) = parquet::read(bytes, METADATA)?;
    let header = header.ok_or("it has no `fruits.pca` metadata")?;
    if header.len() > MOST_HEADER_BYTES {
        return Err(format!(
            "its header has more than {MOST_HEADER_BYTES} bytes"
        ));
    }
    let header: Header = serde_json::from_str(&header).map_err(|e| e.to_string())?;
    if header.schema != SCHEMA {
        let layout: String = header.schema.chars().take(MAX_SHOWN).collect();
        let layout = layout.escape_debug();
        return Err(format!("its layout is `{layout}`, not `{SCHEMA}`"));
    }
    from_parts(header, &frame).ok_or_else(|| "its columns do not fit its header".to_owned())
}

fn header(pca: &Pca) -> Header {
    let texts = |values: &[f64]| values.iter().map(f64::to_string).collect();
    let found = pca.found();
    let (kept, further) = found.values.split_at(pca.n_components());
    let (keep_components, keep_variance) = match pca.params().keep {
        Keep::Components(k) => (Some(k), None),
        Keep::Variance(share) => (None, Some(share.to_string())),
    };
    Header {
        schema: SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        solver: pca.solver().to_string(),
        keep_components,
        keep_variance,
        seed: pca.seed(),
        max_passes: pca.params().max_passes,
        n_samples: pca.n_samples(),
        n_features: pca.n_features(),
        n_components: pca.n_components(),
        explained_variance: texts(kept),
        further_variance: texts(further),
        total_variance: pca.total_variance().to_string(),
        residual: pca.residual().map(|r| r.to_string()),
        n_passes: pca.n_passes(),
        converged: pca.converged(),
        fingerprint: pca.fingerprint().to_owned(),
    }
}

/// None if the parts contradict each other.
fn from_parts(header: Header, frame: &DataFrame) -> Option<Pca> {
    let number = |text: &String| text.parse::<f64>().ok().filter(|x| x.is_finite());
    let variance = |text: &String| number(text).filter(|x| *x >= 0.0);
    let keep = match (header.keep_components, &header.keep_variance) {
        (Some(k), None) => Keep::Components(k),
        (None, Some(share)) => Keep::Variance(number(share)?),
        _ => return None,
    };
    let (k, d) = (header.n_components, header.n_features);
    if header.n_samples < 2
        || d == 0
        || k == 0
        || header.explained_variance.len() != k
        || frame.shape() != (d, k + 1)
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
    let are_finite = mean.iter().all(|x| x.is_finite()) && components.iter().all(|x| x.is_finite());
    are_finite.then_some(())?;
    let values = header
        .explained_variance
        .iter()
        .chain(&header.further_variance);
    let residual = match &header.residual {
        Some(residual) => Some(number(residual)?),
        None => None,
    };
    let params = PcaParams {
        keep,
        solver: header.solver.parse().ok()?,
        seed: header.seed,
        max_passes: header.max_passes,
    };
    let found = Solution {
        n_samples: header.n_samples,
        mean,
        total_variance: variance(&header.total_variance)?,
        values: values.map(variance).collect::<Option<Vec<_>>>()?,
        components,
        residual,
        n_passes: header.n_passes,
        converged: header.converged,
    };
    let pca = Pca::new(params, found).ok()?;
    Some(pca.with_fingerprint(header.fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_no_longer_than_that_of_a_pca() {
        let with_header = |n: usize| {
            let header = format!("[{}", "\"\",".repeat(n));
            let metadata = KeyValueMetadata::from_static(vec![(METADATA.into(), header)]);
            let mut bytes = Vec::new();
            let mut frame = df!(MEAN => [0.0]).unwrap();
            let writer = ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(metadata));
            writer.finish(&mut frame).unwrap();
            parse(bytes).unwrap_err()
        };
        assert!(!with_header(3).contains("header has more than"));
        let said = with_header(MOST_HEADER_BYTES / 3 + 1);
        assert!(said.contains("header has more than"), "{said}");
    }
}
