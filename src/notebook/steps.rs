//! The steps, with a line now and then while they work.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polars::prelude::*;

use super::interrupt::Working;
use super::show::Sentence;
use crate::error::Error;
use crate::features::{self, Features, Model, Precision, RuntimeFolder, Vgg16};
use crate::load::{self, LoadParams, Loaded};
use crate::pca::{Pca, PcaParams};
use crate::pipeline::{self, Described, Event, Outcome, Pace, Params};
use crate::place::{Address, Place, user_cache};
use crate::quality;
use crate::record::QualityRecord;
use crate::report::{ReportInput, render};
use crate::resize::{self, Filter, Resized};
use crate::s3::{Connection, Prefix, S3Params};
use crate::schema::{TSNE_X, TSNE_Y};
use crate::source::Source;
use crate::tsne::{self, Tsne, TsneParams};
use crate::{atomic, outputs};

/// Seconds between two lines of progress: the first soon, for who watches; then rarer, since they stay in the notebook.
const FIRST_LINE_S: f64 = 2.0;
const LONGEST_WAIT_S: f64 = 30.0;
/// Factor between two waits; 600 s of work make 25 lines.
const WAIT_GROWTH: f64 = 1.25;
/// Neighbours of the quality measures, as in `report`.
const QUALITY_NEIGHBORS: usize = 10;

/// The images of this notebook: the folder or `s3://bucket/prefix` of the variable `FRUITS_INPUT`, else `data-sample`
/// of this project, which is looked for here and in the folders above.
///
/// # Errors
/// As [`open`], and if there is no `data-sample`.
pub fn input() -> Result<Source, Sentence> {
    if let Some(address) = std::env::var_os("FRUITS_INPUT").filter(|v| !v.is_empty()) {
        return open(&address.to_string_lossy());
    }
    let here = std::env::current_dir().map_err(Error::storage("find", "."))?;
    // Relative, so that a notebook that is saved names no folder of this machine.
    let above = (0..here.ancestors().count()).map(|n| "../".repeat(n) + "data-sample");
    let sample = above.into_iter().find(|sample| Path::new(sample).is_dir());
    let Some(sample) = sample else {
        let message = format!(
            "there is no `data-sample` in `{}` or above it; set FRUITS_INPUT to a folder of images or to s3://bucket/prefix, \
             and start Jupyter again",
            here.display()
        );
        return Err(Error::Invalid(message).into());
    };
    Ok(Source::folder(sample)?)
}

/// A folder of images, or `s3://bucket/prefix`; region, credentials and endpoint as the AWS tools take them.
///
/// # Errors
/// A folder that does not exist, a bucket that cannot be reached.
pub fn open(address: &str) -> Result<Source, Sentence> {
    Ok(match address.parse()? {
        Address::Folder(root) if !root.is_dir() => {
            let here = std::env::current_dir().unwrap_or_default();
            let message = format!(
                "there is no folder `{}`; name one that holds a folder of images a class (a relative name starts at `{}`), \
                 or s3://bucket/prefix",
                root.display(),
                here.display()
            );
            return Err(Error::Invalid(message).into());
        }
        Address::Folder(root) => Source::folder(root)?,
        Address::Bucket { name, prefix } => {
            let connection = Connection::open(&S3Params::default())?;
            Source::Bucket(Prefix::new(&connection, &name, &prefix)?)
        }
    })
}

/// [`load::load`].
///
/// # Errors
/// As there.
pub fn load(source: &Source, params: &LoadParams) -> Result<Loaded, Sentence> {
    let working = Working::begin();
    let mut keep_going = |_| working.keeps_going();
    load::load_with(source, params, &mut keep_going).map_err(|e| ended("load", e))
}

/// [`load::read`].
///
/// # Errors
/// As there.
pub fn read(source: &Source, manifest: &DataFrame) -> Result<DataFrame, Sentence> {
    Ok(load::read(source, manifest)?)
}

/// [`resize::resize`].
///
/// # Errors
/// As there.
pub fn resize(frame: &DataFrame, filter: Filter) -> Result<Resized, Sentence> {
    Ok(resize::resize(frame, filter)?)
}

/// VGG16 without its top, in bf16 where the processor has AMX for it and else in f32, on all cores.
///
/// # Errors
/// Set-up has not been run.
pub fn vgg16() -> Result<Vgg16, Sentence> {
    let runtime = RuntimeFolder::find();
    let (arithmetic, _) = Precision::Auto.resolve(&features::Cpu::detect())?;
    let model = Model::read(None, &runtime)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Vgg16::new(&runtime, &model, arithmetic, threads)?)
}

/// [`features::features`].
///
/// # Errors
/// As there, and if it is interrupted.
pub fn features(images: &DataFrame, vgg16: &mut Vgg16) -> Result<Features, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new();
    let n = images.height() as u64;
    lines.hear(&Event::Started {
        stage: "features",
        n_total: n,
    });
    let mut keep_going = |n_done: usize| {
        lines.hear(&Event::Advanced {
            stage: "features",
            n_done: n_done as u64,
            n_total: n,
        });
        working.keeps_going()
    };
    let described = features::features(images, vgg16, &mut keep_going);
    let described = described.map_err(|e| ended("features", e))?;
    lines.finish("features", &format!("{n} images"));
    Ok(described)
}

/// Lists, reads, resizes and describes images: [`pipeline::describe`] with the cache that `report` has, so that nothing
/// is computed twice, here or there.
///
/// # Errors
/// As there.
pub fn describe(source: &Source, load: &LoadParams) -> Result<Described, Sentence> {
    let params = Params {
        load: load.clone(),
        ..params(source)
    };
    let working = Working::begin();
    let mut lines = Lines::new();
    pipeline::describe(&params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("describe", e))
}

/// Fits the column `features`: [`PcaParams::fit`].
///
/// # Errors
/// As there.
pub fn fit_pca(images: &DataFrame, params: &PcaParams) -> Result<Pca, Sentence> {
    Ok(params.fit(images)?)
}

/// [`tsne::tsne`].
///
/// # Errors
/// As there, and if it is interrupted.
pub fn tsne(scores: &DataFrame, params: &TsneParams) -> Result<Tsne, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new();
    lines.hear(&Event::Started {
        stage: "tsne",
        n_total: params.n_iter as u64,
    });
    let mut progress = |n_done: usize, n_total: usize| {
        lines.hear(&Event::Advanced {
            stage: "tsne",
            n_done: n_done as u64,
            n_total: n_total as u64,
        });
        working.keeps_going()
    };
    let embedded = tsne::tsne_with(scores, params, &mut progress);
    let embedded = embedded.map_err(|e| ended("tsne", e))?;
    let divergence = format!("KL divergence {:.4}", embedded.kl_divergence);
    lines.finish("tsne", &divergence);
    Ok(embedded)
}

/// [`quality::quality`] of an embedding of `scores` at 10 neighbours, as in `report`.
///
/// # Errors
/// As there, and if the embedding has other rows.
pub fn quality(scores: &DataFrame, embedded: &Tsne) -> Result<QualityRecord, Sentence> {
    let mut both = scores.clone();
    for name in [TSNE_X, TSNE_Y] {
        both.with_column(embedded.frame.column(name)?.clone())?;
    }
    Ok(quality::quality(&both, QUALITY_NEIGHBORS, embedded.seed)?)
}

/// What `report --input SOURCE` runs, its cache included.
#[must_use]
pub fn params(source: &Source) -> Params {
    Params {
        cache: Some(Place::Folder(user_cache())),
        ..Params::new(source.clone())
    }
}

/// [`pipeline::run`].
///
/// # Errors
/// As there.
pub fn run(params: &Params) -> Result<Outcome, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new();
    pipeline::run(params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("run", e))
}

/// Writes what `report` writes, into `folder`: the data, `run.json`, `index.html`. Returns `file`, `size_bytes` and
/// `sha256` of the data.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(outcome: &mut Outcome, folder: impl AsRef<Path>) -> Result<DataFrame, Sentence> {
    let folder = folder.as_ref();
    fs::create_dir_all(folder).map_err(Error::storage("create", folder))?;
    outputs::write(outcome, folder)?;
    let html = render(&ReportInput {
        run: &outcome.run,
        timings: &outcome.timings,
        images: &outcome.images,
        rejected: &outcome.rejected,
        examples: &outcome.examples,
    })?;
    atomic::write(&folder.join(outputs::REPORT), html.as_bytes())?;
    let files = &outcome.run.provenance.outputs;
    let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
    let sizes: Vec<u64> = files.iter().map(|f| f.size_bytes).collect();
    let digests: Vec<&str> = files.iter().map(|f| f.sha256.as_str()).collect();
    let columns = vec![
        Column::new("file".into(), names),
        Column::new("size_bytes".into(), sizes),
        Column::new("sha256".into(), digests),
    ];
    Ok(DataFrame::new(files.len(), columns)?)
}

/// The program `report` of the same build as this library: `FRUITS_REPORT`, which the kernel of `make notebook` sets.
///
/// # Errors
/// The variable is not set, or the file is not there.
pub fn report_program() -> Result<PathBuf, Sentence> {
    let program = std::env::var_os("FRUITS_REPORT").map(PathBuf::from);
    program.filter(|p| p.is_file()).ok_or_else(|| {
        let message = "FRUITS_REPORT names no program; start Jupyter with `make notebook`";
        Error::Invalid(message.to_owned()).into()
    })
}

fn ended(step: &str, error: Error) -> Sentence {
    match error {
        Error::Interrupted => Sentence::new(format!(
            "{step} was interrupted: this cell made nothing, and the variables of the cells before are as they were; run \
             the cell again"
        )),
        error => error.into(),
    }
}

fn ended_cached(step: &str, error: Error) -> Sentence {
    match error {
        Error::Interrupted => Sentence::new(format!(
            "{step} was interrupted: the shards of 128 images that were complete are kept, and the variables of the cells \
             before are as they were; run the cell again and it goes on from there"
        )),
        error => error.into(),
    }
}

/// Events as lines of a cell's output.
struct Lines {
    pace: Pace,
    wait_s: f64,
    began: Instant,
}

impl Lines {
    fn new() -> Self {
        Self {
            pace: Pace::new(Duration::from_secs_f64(FIRST_LINE_S)),
            wait_s: FIRST_LINE_S,
            began: Instant::now(),
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { .. } => *self = Self::new(),
            Event::Advanced {
                stage,
                n_done,
                n_total,
            } => {
                if let Some(rate) = self.pace.due(*n_done, *n_total) {
                    println!("{}", rate.line(stage, *n_done, *n_total));
                    self.wait_s = (self.wait_s * WAIT_GROWTH).min(LONGEST_WAIT_S);
                    self.pace.wait(Duration::from_secs_f64(self.wait_s));
                }
            }
            Event::Finished { stage, note, .. } => self.finish(stage, note),
            Event::Noted(text) => println!("note: {text}"),
        }
    }

    fn finish(&self, stage: &str, note: &str) {
        let wall_s = self.began.elapsed().as_secs_f64();
        println!("{stage}: {note} ({wall_s:.1} s)");
    }
}
