//! PCA on the rows of a run, wherever they are.

use polars::prelude::*;

use crate::error::Result;
use crate::frame::strings;
use crate::record::{PcaRecord, Reconstruction, Run, Status};
use crate::schema::KEY;
use crate::steps::pca::{Pca, score_columns};

use super::control::{Control, Done, Watch};
use super::params::Params;
use super::record::{pca_warnings, same_files_warning};
use super::workers::Rows;

/// Worst-reconstructed images that the report shows.
const MAX_WORST: usize = 12;

/// PCA; adds the scores to `images`.
pub(super) fn reduce(
    params: &Params,
    rows: &mut dyn Rows,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<Option<Pca>> {
    let n = rows.n_rows() as u64;
    let fitted = control.stage("pca", 0, |control| {
        let mut watch = Watch::start();
        let mut progress = |pass: usize, cap: usize| {
            if pass == 1 {
                watch.split("first pass");
            }
            control.advance("pca", pass as u64, cap as u64)
        };
        let fitted = match rows.fit(&params.pca, &mut progress) {
            Ok(pca) => Ok(pca.with_fingerprint(&run.provenance.manifest_sha256)),
            Err(error) if error.is_of_input() => Err(error.to_string()),
            Err(e) => return Err(e),
        };
        let (value, note) = match fitted {
            Ok(pca) => {
                watch.split(&match pca.n_passes() {
                    1 => "first pass".to_owned(),
                    n => format!("passes 2 to {n}"),
                });
                let worst = project(&pca, rows, images)?;
                watch.split("scores");
                let share = 100.0 * pca.explained_variance_ratio().iter().sum::<f64>();
                let k = pca.n_components();
                let note = format!("{k} components hold {share:.1} % of the variance");
                (Ok((pca, worst)), note)
            }
            Err(reason) => (Err(reason.clone()), reason),
        };
        Ok(Done {
            value,
            items: n,
            cache_hits: 0,
            note,
            parts: watch.parts,
        })
    })?;
    let (pca, worst) = match fitted {
        Ok(found) => found,
        Err(reason) => {
            run.warnings.extend(same_files_warning(images)?);
            run.status = Status::Partial {
                stage: "pca".to_owned(),
                reason,
            };
            return Ok(None);
        }
    };
    run.warnings.extend(pca_warnings(params, &pca));
    run.pca = Some(PcaRecord::of(&pca, worst));
    Ok(Some(pca))
}

/// Adds `pc1` ... `pcK` to `images`; returns the images that the components describe worst.
fn project(pca: &Pca, rows: &mut dyn Rows, images: &mut DataFrame) -> Result<Vec<Reconstruction>> {
    let (scores, lost) = rows.scores(pca)?;
    let mut worst: Vec<(usize, f64)> = lost.into_iter().enumerate().collect();
    worst.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let keys = strings(images, KEY)?;
    let worst = worst.into_iter().take(MAX_WORST);
    let worst = worst
        .map(|(i, lost)| Reconstruction {
            key: keys[i].to_owned(),
            lost,
        })
        .collect();
    for column in score_columns(&scores) {
        images.with_column(column)?;
    }
    Ok(worst)
}
