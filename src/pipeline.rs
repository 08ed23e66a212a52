//! The steps in order: load -> resize -> features -> PCA -> findings -> t-SNE -> quality.
//!
//! This is the only module that knows the order. Descriptors stream through shards with receipts, so memory does not
//! grow with the number of images before PCA, and a run that was killed continues.

#[cfg(not(feature = "cluster"))]
#[path = "pipeline/alone.rs"]
mod spread;

mod control;
mod described;
mod engine;
mod gather;
mod network;
mod pace;
mod plan;
mod record;
#[cfg(feature = "cluster")]
mod remote;
mod shards;
#[cfg(feature = "cluster")]
mod spread;
#[cfg(feature = "cluster")]
mod task;
#[cfg(feature = "cluster")]
mod worker;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::features::Precision;
use crate::findings::findings;
use crate::load::{LoadParams, Loaded};
use crate::matrix::{Matrix, strings};
use crate::pca::{Pca, PcaParams, RowBlocks};
use crate::place::Place;
use crate::quality::{DEFAULT_NEIGHBORS, quality};
use crate::record::{Example, Reconstruction, Run, Status, Timings, TsneRecord};
use crate::rejection::{self, Reason};
use crate::resize::Filter;
use crate::s3::Connection;
use crate::schema::{KEY, SHA256, TSNE_X, TSNE_Y, pc};
use crate::source::Source;
use crate::store::{self, Receipt};
use crate::tsne::{Tsne, TsneParams, tsne_with};

pub use self::control::Event;
use self::control::{Control, Done, Watch};
pub use self::described::{Described, describe};
pub use self::engine::{DEFAULT_TIMEOUT_S, Engine};
use self::gather::{Blocks, FeatureStats};
pub use self::pace::{Pace, Rate};
use self::plan::Planned;
pub use self::plan::{Plan, dry_run};
pub(crate) use self::record::{MAX_DUPLICATE_GROUPS, near_duplicates, pca_record};
use self::record::{begin_record, examples, flattered, pca_warnings};
#[cfg(feature = "cluster")]
use self::remote::Remote;
#[cfg(not(feature = "cluster"))]
use self::spread::Remote;
use self::spread::Spread;
#[cfg(feature = "cluster")]
pub use self::worker::Worker;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Params {
    /// Where the images are.
    pub input: Source,
    /// Which images.
    pub load: LoadParams,
    /// How they are resized.
    pub filter: Filter,
    /// Arithmetic of the network.
    pub precision: Precision,
    /// A model of the user's own instead of VGG16.
    pub model: Option<PathBuf>,
    /// Where computed shards are kept; a temporary folder if absent.
    pub cache: Option<Place>,
    /// Principal components.
    pub pca: PcaParams,
    /// Embedding.
    pub tsne: TsneParams,
    /// Worker threads; no number depends on it.
    pub threads: usize,
    /// Where descriptors and PCA are computed; no number depends on it.
    pub engine: Engine,
    /// Longest time in seconds without a task finished by an engine's workers.
    pub engine_timeout_s: f64,
}

impl Params {
    /// What `report` does with `input` when it is told nothing else, without a cache: bicubic, f32 or bf16 as the
    /// processor has it, 64 components, perplexity 30, seed 42, all cores.
    #[must_use]
    pub fn new(input: Source) -> Self {
        Self {
            input,
            load: LoadParams::default(),
            filter: Filter::default(),
            precision: Precision::Auto,
            model: None,
            cache: None,
            pca: PcaParams::default(),
            tsne: TsneParams::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            engine: Engine::default(),
            engine_timeout_s: DEFAULT_TIMEOUT_S,
        }
    }

    /// The connection to S3, if the run has one.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        match (&self.input, &self.cache) {
            (Source::Bucket(prefix), _) | (_, Some(Place::Bucket(prefix))) => {
                Some(prefix.connection())
            }
            _ => None,
        }
    }
}

/// What came out of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The content of `run.json`, but for the digests of files that are not written yet.
    pub run: Run,
    /// The content of `timings.json`.
    pub timings: Timings,
    /// One row an accepted image, sorted by key: `key`, `label`, `size_bytes`, `etag`, `sha256`, `version_id`, `width`,
    /// `height`, `mode`, `orientation`, `thumbnail`, then `pc1` ... `pcK`, `outlier_score`, `label_agreement`, `tsne_x`,
    /// `tsne_y` and `trust` as far as the run came.
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
/// [`Error::Invalid`] for a parameter out of range, [`Error::NoImage`] if the folder holds no file of a class,
/// [`Error::Runtime`] if the network cannot run, [`Error::Storage`] for files and folders, [`Error::Bucket`] for buckets
/// and credentials, [`Error::Interrupted`].
pub fn run(
    params: &Params,
    observe: &mut (dyn FnMut(&Event) + Send),
    stop: &AtomicBool,
) -> Result<Outcome> {
    params.pca.check_params()?;
    params.tsne.check()?;
    if !(1.0..=86_400.0).contains(&params.engine_timeout_s) {
        return Err(Error::Invalid(format!(
            "the timeout of an engine must be between 1 and 86400 seconds, not {}",
            params.engine_timeout_s
        )));
    }
    if let Some(cache) = &params.cache {
        cache.check_writable()?;
    }
    let mut control = Control::new(observe, stop);
    control.install(params, |control| steps(params, control))
}

/// A receipt for each shard; `loaded` takes what was rejected while it was read.
fn committed(
    params: &Params,
    planned: &Planned,
    loaded: &mut Loaded,
    spread: Option<&mut Spread>,
    control: &mut Control,
) -> Result<Vec<Receipt>> {
    let receipts = shards::describe(params, planned, spread, control)?;
    some_may_be_read(params, &receipts)?;
    let rejected = receipts.iter().flat_map(|receipt| &receipt.rejected);
    loaded.rejected.extend(rejected.cloned());
    Ok(receipts)
}

/// Descriptors as PCA reads them: by this process, or by workers.
enum Rows<'a, 's, 'b> {
    Here(Blocks<'a>),
    There(Remote<'s, 'b>),
}

impl Rows<'_, '_, '_> {
    fn n_rows(&self) -> usize {
        match self {
            Self::Here(blocks) => blocks.n_rows(),
            Self::There(remote) => remote.n_rows(),
        }
    }

    fn n_cols(&self) -> usize {
        match self {
            Self::Here(blocks) => blocks.n_cols(),
            Self::There(remote) => remote.n_cols(),
        }
    }

    fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        match self {
            Self::Here(blocks) => params.fit_blocks(blocks, progress),
            Self::There(remote) => remote.fit(params, progress),
        }
    }

    fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)> {
        match self {
            Self::Here(blocks) => pca.transform_blocks(blocks),
            Self::There(remote) => remote.scores(pca),
        }
    }
}

/// All columns but the descriptors, what these are like, and a way to read them again.
type Gathered<'a, 's, 'b> = (DataFrame, FeatureStats, Rows<'a, 's, 'b>);

fn gathered<'a, 's, 'b>(
    planned: &'a Planned,
    receipts: &'a [Receipt],
    spread: Option<&'b mut Spread<'s>>,
    control: &mut Control,
) -> Result<Gathered<'a, 's, 'b>> {
    control.stage("gather", blocks_total(receipts), |control| {
        let (images, stats, rows) = match spread {
            None => {
                let gather::Gathered {
                    images,
                    stats,
                    blocks,
                } = gather::gather(&planned.store, &planned.shards, receipts, control)?;
                (images, stats, Rows::Here(blocks))
            }
            Some(spread) => {
                let mut remote = Remote::new(spread, &planned.shards, receipts)?;
                let (images, stats) = remote.survey()?;
                (images, stats, Rows::There(remote))
            }
        };
        let n = images.height() as u64;
        Ok(Done {
            value: (images, stats, rows),
            items: n,
            cache_hits: 0,
            note: format!("{n} descriptors"),
            parts: Vec::new(),
        })
    })
}

fn steps(params: &Params, control: &mut Control) -> Result<Outcome> {
    let began = Instant::now();
    let (planned, mut loaded) = Planned::new(params, control)?;
    let Planned {
        network, recipe, ..
    } = &planned;
    let mut spread = Spread::open(params, &planned.store, network, recipe, control.stop)?;
    let receipts = committed(params, &planned, &mut loaded, spread.as_mut(), control)?;
    let (mut images, stats, mut rows) = gathered(&planned, &receipts, spread.as_mut(), control)?;

    let mut run = begin_record(params, &loaded, &images)?;
    run.provenance = network.provenance(store::manifest_text(&images, SHA256)?.as_bytes());
    run.provenance.command = self::record::command(&run.parameters);
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
        run.features = Some(network.record(
            &stats,
            &loaded.rejected,
            params.filter,
            rows.n_cols(),
            recipe,
        ));
        pca = reduce(params, &mut rows, &mut images, &mut run, control)?;
    }
    if let Rows::There(remote) = &rows {
        remote.clear();
    }
    drop(rows);
    if pca.is_some() {
        find(&mut images, &mut run, control)?;
        if embed(params, &mut images, &mut run, control)? {
            measure(params, &mut images, &mut run, control)?;
        }
    }
    let (examples, missing) = examples(&params.input, &images, params.filter, control.stop)?;
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
        cluster: spread.map(Spread::record),
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

/// Worst-reconstructed images that the report shows.
const MAX_WORST: usize = 12;

/// Refuses to report on a bucket none of whose images may be read: a permission is missing, not an image.
fn some_may_be_read(params: &Params, receipts: &[Receipt]) -> Result<()> {
    let mut rejected = receipts.iter().flat_map(|r| &r.rejected).peekable();
    let Some(first) = rejected.peek().map(|r| r.message.clone()) else {
        return Ok(());
    };
    let is_denied = rejected.all(|r| r.reason == Reason::AccessDenied);
    match &params.input {
        Source::Bucket(prefix) if is_denied && blocks_total(receipts) == 0 => Err(Error::Bucket {
            message: format!("cannot read one object of `{prefix}`"),
            source: first.into(),
        }),
        _ => Ok(()),
    }
}

fn blocks_total(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|r| r.n_images as u64).sum()
}

/// PCA; adds the scores to `images`.
fn reduce(
    params: &Params,
    rows: &mut Rows,
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
            Err(Error::Invalid(reason)) => Err(reason),
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
            run.status = Status::Partial {
                stage: "pca".to_owned(),
                reason,
            };
            return Ok(None);
        }
    };
    run.warnings.extend(pca_warnings(params, &pca));
    run.pca = Some(pca_record(&pca, worst));
    run.dataset.near_duplicates = near_duplicates(images, pca.n_components())?;
    Ok(Some(pca))
}

/// Adds `pc1` ... `pcK` to `images`; returns the images that the components describe worst.
fn project(pca: &Pca, rows: &mut Rows, images: &mut DataFrame) -> Result<Vec<Reconstruction>> {
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
    for j in 0..pca.n_components() {
        let column: Vec<f32> = (0..scores.n_rows()).map(|i| scores.row(i)[j]).collect();
        images.with_column(Column::new(pc(j).into(), column))?;
    }
    Ok(worst)
}

/// What stands out; adds `outlier_score` and `label_agreement` to `images`.
fn find(images: &mut DataFrame, run: &mut Run, control: &mut Control) -> Result<()> {
    let n = images.height() as u64;
    let found = control.stage("findings", 0, |_| {
        let found = findings(images)?;
        let note = format!(
            "{} labels that neighbours do not share",
            found.record.n_disagreements
        );
        Ok(Done {
            value: found,
            items: n,
            cache_hits: 0,
            note,
            parts: Vec::new(),
        })
    })?;
    images.hstack_mut(found.scores.columns())?;
    run.findings = Some(found.record);
    Ok(())
}

/// How good the embedding is; adds `trust` to `images`.
fn measure(
    params: &Params,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<()> {
    let n = images.height() as u64;
    let measured = control.stage("quality", 0, |_| {
        let measured = quality(images, DEFAULT_NEIGHBORS, params.tsne.seed)?;
        let note = format!(
            "trustworthiness@{} {:.4}",
            measured.record.k, measured.record.trustworthiness
        );
        Ok(Done {
            value: measured,
            items: n,
            cache_hits: 0,
            note,
            parts: Vec::new(),
        })
    })?;
    images.hstack_mut(measured.scores.columns())?;
    run.warnings.extend(flattered(&measured.record));
    run.quality = Some(measured.record);
    Ok(())
}

/// t-SNE; adds `tsne_x` and `tsne_y` to `images`. `false` if it cannot be computed on these images.
fn embed(
    params: &Params,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<bool> {
    let n = images.height() as u64;
    let embedded = control.stage("tsne", params.tsne.n_iter as u64, |control| {
        let mut watch = Watch::start();
        let early = params.tsne.early_exaggeration_iter;
        let mut progress = |i: usize, cap: usize| {
            if i == 1 {
                watch.split("neighbours, affinities, first step");
            }
            if i == early {
                watch.split("early exaggeration");
            }
            if i == cap {
                watch.split("descent");
            }
            control.advance("tsne", i as u64, cap as u64)
        };
        let embedded = match tsne_with(images, &params.tsne, &mut progress) {
            Ok(tsne) => {
                watch.split("divergence");
                Ok(tsne)
            }
            Err(Error::Invalid(reason)) => Err(reason),
            Err(e) => return Err(e),
        };
        let note = match &embedded {
            Ok(tsne) => format!("KL divergence {:.4}", tsne.kl_divergence),
            Err(reason) => reason.clone(),
        };
        Ok(Done {
            value: embedded,
            items: n,
            cache_hits: 0,
            note,
            parts: watch.parts,
        })
    })?;
    let Tsne {
        frame,
        kl_divergence,
        perplexity,
        n_iter,
        init,
        ..
    } = match embedded {
        Ok(tsne) => tsne,
        Err(reason) => {
            run.status = Status::Partial {
                stage: "tsne".to_owned(),
                reason,
            };
            return Ok(false);
        }
    };
    for name in [TSNE_X, TSNE_Y] {
        images.with_column(frame.column(name)?.clone())?;
    }
    if perplexity < params.tsne.perplexity {
        run.warnings.push(format!(
            "perplexity {} was asked for, but {n} images allow at most (n - 1) / 3: {perplexity:.2} is used",
            params.tsne.perplexity
        ));
    }
    run.tsne = Some(TsneRecord {
        perplexity,
        perplexity_requested: params.tsne.perplexity,
        seed: params.tsne.seed,
        n_iter,
        kl_divergence,
        init: init.to_string(),
    });
    Ok(true)
}

/// Largest resident memory of this process so far, 0 where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
