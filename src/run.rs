//! The steps in order: load -> resize -> describe -> PCA -> findings -> projections (t-SNE) -> quality.
//!
//! This is the only module that knows the order. Descriptors stream through shards with receipts, so memory does not
//! grow with the number of images before PCA, and a run that was killed continues.

mod control;
mod described;
#[doc(hidden)]
pub mod descriptor;
#[doc(hidden)]
pub mod gather;
mod here;
mod limits;
#[doc(hidden)]
pub mod machine;
pub mod options;
mod pace;
mod params;
mod plan;
mod projections;
mod record;
mod reduction;
#[doc(hidden)]
pub mod shards;
mod stages;
mod workers;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
use polars::prelude::*;

use crate::error::Result;
use crate::frame::{MatrixExt, add_by_key};
use crate::record::{Example, Run, Status, Timings};
use crate::schema::{LABEL_AGREEMENT, OUTLIER_SCORE, SHA256};
use crate::steps::duplicates::near_duplicates_in;
use crate::steps::findings::{OUTLIER_NEIGHBORS, findings_in};
use crate::steps::load::add_split;
use crate::steps::pca::Pca;
use crate::steps::quality::{DEFAULT_NEIGHBORS, n_neighbors};
use crate::storage::rejection;
use crate::storage::s3::Connection;
use crate::storage::store;
use crate::storage::temporary;

pub use self::control::Event;
use self::control::{Control, Done, Watch};
pub use self::described::{Described, describe};
pub use self::here::ThisProcess;
pub use self::machine::{available_bytes, peak_rss_bytes};
pub use self::pace::{Pace, Rate};
pub use self::params::Params;
use self::plan::Planned;
pub use self::plan::{Plan, dry_run};
pub(crate) use self::record::MAX_DUPLICATE_GROUPS;
use self::record::{begin_record, conflict_warning, examples, findings_note};
use self::reduction::reduce;
use self::stages::{features, gathered, mending};
pub use self::workers::{DEFAULT_TIMEOUT_S, Engine, Gathered, Job, Rows, Workers};

/// What came out of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The content of `run.json`, but for the digests of files that are not written yet.
    pub run: Run,
    /// The content of `timings.json`.
    pub timings: Timings,
    /// One row an accepted image, sorted by key: `key`, `label`, `split` where the set has splits, `size_bytes`, `etag`, `sha256`, `version_id`, `width`,
    /// `height`, `mode`, `orientation`, `thumbnail`, then `pc1` ... `pcK`, `outlier_score`, `label_agreement`, and of
    /// each projection `NAME_x`, `NAME_y` and `NAME_trust` (`tsne_x`, `tsne_y` and `trust` of t-SNE), as far as the run
    /// came.
    pub images: DataFrame,
    /// One row a rejected file: `key`, `size_bytes`, `reason`, `message`.
    pub rejected: DataFrame,
    /// The fitted PCA.
    pub pca: Option<Pca>,
    /// Images before and after the resize, one of each of the first classes.
    pub examples: Vec<Example>,
    /// Where the images of an earlier run lie beside those of this one; [`crate::compare::with_baseline`] fills it in.
    pub moves: Option<DataFrame>,
}

/// Runs all steps. Committed shards in the cache are not computed again.
///
/// Data that a stage cannot work on (all images the same, too few of them) ends the run there with
/// [`Status::Partial`]; everything before is whole. `observe` hears of progress; `stop` is looked at between batches.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) or [`Error::Invalid`](crate::Error::Invalid) for what cannot work,
/// [`Error::NoImage`](crate::Error::NoImage) if the folder holds no file of a class, [`Error::Runtime`](crate::Error::Runtime) if the network cannot run,
/// [`Error::Storage`](crate::Error::Storage) for files and folders, [`Error::Bucket`](crate::Error::Bucket) for buckets
/// and credentials, [`Error::Cancelled`](crate::Error::Cancelled).
pub fn run(
    params: &Params,
    observe: &mut (dyn FnMut(&Event) + Send),
    stop: &AtomicBool,
) -> Result<Outcome> {
    params.check()?;
    temporary::remove_stale();
    if let Some(cache) = &params.cache {
        cache.check_writable()?;
    }
    let mut control = Control::new(observe, stop);
    control.install(params.threads, |control| {
        mending(control, |control| steps(params, control))
    })
}

fn steps(params: &Params, control: &mut Control) -> Result<Outcome> {
    let began = Instant::now();
    let (planned, mut loaded) = Planned::new(params, control)?;
    limits::check(params, loaded.manifest.height(), &planned.descriptor)?;
    let mut workers = params.engine.open(planned.job(params, control.stop))?;
    let input = &params.input;
    let receipts = features(input, &planned, &mut loaded, &mut *workers, control)?;
    let Gathered {
        mut images,
        stats,
        mut rows,
    } = gathered(&receipts, control, |progress| {
        workers.gather(&receipts, progress)
    })?;

    add_split(&mut images, &loaded.labels)?;
    let Planned {
        descriptor, recipe, ..
    } = &planned;
    let mut run = begin_record(params, &loaded, &images)?;
    run.provenance = descriptor.provenance(store::manifest_text(&images, SHA256)?.as_bytes());
    run.provenance.command = options::command(&run.parameters);
    let mut pca = None;
    if images.height() == 0 {
        let reason = format!(
            "none of the {} files can be used; see the rejected files",
            loaded.rejected.len()
        );
        run.status = Status::Partial {
            stage: "features".to_owned(),
            reason,
        };
    } else {
        run.features = Some(descriptor.record(
            stats,
            &loaded.rejected,
            params.filter,
            rows.n_cols(),
            recipe,
        ));
        pca = reduce(params, &mut *rows, &mut images, &mut run, control)?;
    }
    drop(rows);
    if pca.is_some() {
        let scores = Matrix::from_scores(&images)?;
        let space = find(params, &scores, &mut images, &mut run, control)?;
        projections::add(params, &space, &mut images, &mut run, control)?;
    }
    let (examples, missing) = examples(input, &images, params.filter, control.stop)?;
    run.warnings.extend(missing);
    for warning in &run.warnings {
        control.note(warning);
    }
    let timings = Timings {
        stages: std::mem::take(&mut control.stages),
        total_s: began.elapsed().as_secs_f64(),
        peak_rss_bytes: peak_rss_bytes(),
        threads: params.threads,
        s3: params.connection().map(Connection::record),
        cluster: workers.record(),
        options: Vec::new(),
    };
    let rejected = rejection::to_frame(&loaded.rejected)?;
    Ok(Outcome {
        run,
        timings,
        images,
        rejected,
        pca,
        examples,
        moves: None,
    })
}

/// What stands out; adds `outlier_score` and `label_agreement` to `images`. Gives the neighbours in the space of the scores, as
/// many as any step takes.
fn find<'a>(
    params: &Params,
    scores: &'a Matrix,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<Space<'a>> {
    let n = images.height() as u64;
    let of_projections = params.projections().into_iter();
    let of_projections = of_projections.map(|p| p.n_neighbors(images.height()));
    let most = [OUTLIER_NEIGHBORS, n_neighbors(DEFAULT_NEIGHBORS)];
    let most = most.into_iter().chain(of_projections).fold(1, usize::max);
    let (space, found, near_duplicates) = control.stage("findings", 0, |control| {
        let mut watch = Watch::start();
        let space = Space::new_with(scores, most, &mut |n_done, n_total| {
            control.advance("findings", n_done as u64, n_total as u64)
        })?;
        watch.split("neighbours");
        let found = findings_in(images, &space, &mut |n_done, n_total| {
            control.advance("findings", n_done as u64, n_total as u64)
        })?;
        let near_duplicates = near_duplicates_in(images, &space)?;
        watch.split("outliers, labels, near duplicates");
        let note = findings_note(&found.record);
        Ok(Done {
            value: (space, found, near_duplicates),
            items: n,
            cache_hits: 0,
            note,
            parts: watch.parts,
        })
    })?;
    add_by_key(images, &found.scores, &[OUTLIER_SCORE, LABEL_AGREEMENT])?;
    run.warnings.extend(conflict_warning(&found.record));
    run.findings = Some(found.record);
    run.dataset.near_duplicates = near_duplicates;
    Ok(space)
}
