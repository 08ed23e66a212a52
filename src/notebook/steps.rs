//! The steps, with a line now and then while they work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use polars::prelude::*;

use super::interrupt::{Working, listen};
use super::show::Sentence;
use crate::error::Error;
use crate::features::{self, Features, Model, Precision, RuntimeFolder, Vgg16};
use crate::findings::{self, Findings};
use crate::load::{self, LoadParams, Loaded};
use crate::matrix::Matrix;
use crate::pca::{Keep, Pca, PcaParams};
use crate::pipeline::{self, Described, Event, Outcome, Pace, Params};
use crate::place::{Address, Place, user_cache};
use crate::quality::{self, DEFAULT_NEIGHBORS, Quality};
use crate::report;
use crate::resize::{self, Filter, Resized};
use crate::s3::{Connection, Prefix, S3Params};
use crate::schema::{FEATURES, KEY, TSNE_X, TSNE_Y};
use crate::source::Source;
use crate::tsne::{self, Tsne, TsneParams};

/// Seconds between two lines of progress: the first soon, for who watches; then rarer, since they stay in the notebook.
const FIRST_LINE_S: f64 = 2.0;
const LONGEST_WAIT_S: f64 = 30.0;
/// Factor between two waits; 600 s of work make 28 lines.
const WAIT_GROWTH: f64 = 1.25;

/// The images of this notebook: the folder or `s3://bucket/prefix` of the variable `FRUITS_INPUT`, else `data-sample`
/// of this project, which is looked for here and in the folders above.
///
/// # Errors
/// As [`open`], and if there is no `data-sample`.
pub fn input() -> Result<Source, Sentence> {
    listen();
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
    let working = Working::begin();
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
            let connection = Connection::open_until(&S3Params::default(), working.stop())?;
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
    let mut lines = Lines::new("load", 0);
    let mut keep_going = |n: u64| {
        lines.at(n);
        working.keeps_going()
    };
    load::load_with(source, params, &mut keep_going).map_err(|e| ended("load", e))
}

/// [`load::read`].
///
/// # Errors
/// As there.
pub fn read(source: &Source, manifest: &DataFrame) -> Result<DataFrame, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("read", manifest.height());
    let mut progress = |n: usize| lines.at(n as u64);
    load::read_with(source, manifest, working.stop(), &mut progress).map_err(|e| ended("read", e))
}

/// [`resize::resize`].
///
/// # Errors
/// As there, and if it is interrupted.
pub fn resize(frame: &DataFrame, filter: Filter) -> Result<Resized, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("resize", frame.height());
    let mut keep_going = |n: usize| {
        lines.at(n as u64);
        working.keeps_going()
    };
    resize::resize_with(frame, filter, &mut keep_going).map_err(|e| ended("resize", e))
}

/// VGG16 without its top, in bf16 where the processor has AMX for it and else in f32, on all cores.
///
/// # Errors
/// Set-up has not been run.
pub fn vgg16() -> Result<Vgg16, Sentence> {
    let _working = Working::begin();
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
    let mut lines = Lines::new("features", images.height());
    let mut keep_going = |n: usize| {
        lines.at(n as u64);
        working.keeps_going()
    };
    let described = features::features(images, vgg16, &mut keep_going);
    let described = described.map_err(|e| ended("features", e))?;
    lines.finish(&format!("{} images", images.height()));
    Ok(described)
}

/// Lists, reads, resizes and describes images: [`pipeline::describe`] with the cache that `report` has, so that nothing
/// is computed twice, here or there. The descriptors must fit in memory: 100 kB an image, twice for a moment.
///
/// # Errors
/// As there.
pub fn describe(source: &Source, load: &LoadParams) -> Result<Described, Sentence> {
    let params = Params {
        load: load.clone(),
        ..params(source)
    };
    let working = Working::begin();
    let mut lines = Lines::new("list", 0);
    pipeline::describe(&params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("describe", e))
}

/// Fits the column `features`: [`PcaParams::fit`].
///
/// # Errors
/// As there.
pub fn fit_pca(images: &DataFrame, params: &PcaParams) -> Result<Pca, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("pca", 0);
    let mut progress = |n_done: usize, cap: usize| {
        lines.n_total = cap as u64;
        lines.at(n_done as u64);
        working.keeps_going()
    };
    if images.column(FEATURES).is_err() {
        let message = "no column `features`: run `describe` or `features` first";
        return Err(Error::Invalid(message.to_owned()).into());
    }
    let matrix = Matrix::from_arrays(images, FEATURES)?;
    let pca = params.fit_blocks(&matrix, &mut progress);
    let pca = pca.map_err(|e| ended("fit_pca", e))?;
    if let Keep::Components(asked) = params.keep
        && pca.n_components() < asked
    {
        println!(
            "note: {asked} components were asked for, but {} images have at most {}",
            pca.n_samples(),
            pca.rank_limit()
        );
    }
    Ok(pca)
}

/// [`tsne::tsne`].
///
/// # Errors
/// As there, and if it is interrupted.
pub fn tsne(scores: &DataFrame, params: &TsneParams) -> Result<Tsne, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("tsne", params.n_iter);
    let mut progress = |n_done: usize, _: usize| {
        lines.at(n_done as u64);
        working.keeps_going()
    };
    let embedded = tsne::tsne_with(scores, params, &mut progress);
    let embedded = embedded.map_err(|e| ended("tsne", e))?;
    lines.finish(&format!("KL divergence {:.4}", embedded.kl_divergence));
    if embedded.perplexity < params.perplexity {
        println!(
            "note: perplexity {} was asked for, but {} images allow at most (n - 1) / 3: {:.2} is used",
            params.perplexity,
            scores.height(),
            embedded.perplexity
        );
    }
    Ok(embedded)
}

/// [`findings::findings`]: outliers, representatives and labels that neighbours do not share.
///
/// # Errors
/// As there.
pub fn findings(scores: &DataFrame) -> Result<Findings, Sentence> {
    let _working = Working::begin();
    Ok(findings::findings(scores)?)
}

/// [`quality::quality`] of an embedding of `scores` at 10 neighbours, as in `report`.
///
/// # Errors
/// As there, and if the embedding has other rows.
pub fn quality(scores: &DataFrame, embedded: &Tsne) -> Result<Quality, Sentence> {
    let _working = Working::begin();
    let keys = |frame: &DataFrame| frame.column(KEY).ok().cloned();
    if keys(scores) != keys(&embedded.frame) || scores.height() != embedded.frame.height() {
        let message = "the embedding is of other images than the scores, or in another order; run `tsne` on these scores";
        return Err(Error::Invalid(message.to_owned()).into());
    }
    let mut both = scores.clone();
    for name in [TSNE_X, TSNE_Y] {
        both.with_column(embedded.frame.column(name)?.clone())?;
    }
    Ok(quality::quality(&both, DEFAULT_NEIGHBORS, embedded.seed)?)
}

/// What `report --input SOURCE` runs when it is told nothing else: its default cache, too. Its `FRUITS_*` variables are
/// not looked at.
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
    let mut lines = Lines::new("list", 0);
    pipeline::run(params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("run", e))
}

/// Writes what `report` writes, into a folder or `s3://bucket/prefix`: the data, `run.json`, `index.html`. Returns
/// `file`, `size_bytes` and `sha256` of the data.
///
/// # Errors
/// A place that cannot be written.
pub fn write(outcome: &mut Outcome, address: &str) -> Result<DataFrame, Sentence> {
    let working = Working::begin();
    let place = match address.parse()? {
        Address::Folder(folder) => Place::Folder(folder),
        Address::Bucket { name, prefix } => {
            let connection = Connection::open_until(&S3Params::default(), working.stop())?;
            Place::Bucket(Prefix::new(&connection, &name, &prefix)?)
        }
    };
    report::write(outcome, &place)?;
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

/// The program `report` of the same build as this library, to be given arguments: the file of `FRUITS_REPORT`, which the
/// kernel of `make notebook` sets. Other `FRUITS_*` variables, which would be options to it, are not passed on, but for
/// `FRUITS_RUNTIME`.
///
/// # Errors
/// The variable is not set, or the file is not there.
pub fn report_command() -> Result<Command, Sentence> {
    let program = std::env::var_os("FRUITS_REPORT").map(PathBuf::from);
    let Some(program) = program.filter(|p| p.is_file()) else {
        let message = "FRUITS_REPORT names no program; start Jupyter with `make notebook`";
        return Err(Error::Invalid(message.to_owned()).into());
    };
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"FRUITS_") && name != "FRUITS_RUNTIME" {
            command.env_remove(name);
        }
    }
    Ok(command)
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

/// How far a step is, as lines of a cell's output.
struct Lines {
    stage: String,
    n_total: u64,
    pace: Pace,
    wait_s: f64,
    began: Instant,
}

impl Lines {
    /// `n_total` is 0 where nobody knows.
    fn new(stage: &str, n_total: usize) -> Self {
        Self {
            stage: stage.to_owned(),
            n_total: n_total as u64,
            pace: Pace::new(Duration::from_secs_f64(FIRST_LINE_S)),
            wait_s: FIRST_LINE_S,
            began: Instant::now(),
        }
    }

    fn at(&mut self, n_done: u64) {
        if let Some(rate) = self.pace.due(n_done, self.n_total) {
            println!("{}", rate.line(&self.stage, n_done, self.n_total));
            self.wait_s = (self.wait_s * WAIT_GROWTH).min(LONGEST_WAIT_S);
            self.pace.wait(Duration::from_secs_f64(self.wait_s));
        }
    }

    fn finish(&self, note: &str) {
        let wall_s = self.began.elapsed().as_secs_f64();
        println!("{}: {note} ({wall_s:.1} s)", self.stage);
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { stage, n_total } => *self = Self::new(stage, *n_total as usize),
            Event::Advanced {
                n_done, n_total, ..
            } => {
                self.n_total = *n_total;
                self.at(*n_done);
            }
            Event::Finished { note, .. } => self.finish(note),
            Event::Noted(text) => println!("note: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_refuses_an_embedding_of_other_rows() {
        let keys: Vec<String> = (0..12).map(|i| format!("a/{i:02}.jpg")).collect();
        let score = |factor: f32| {
            (0..12)
                .map(|i| (i as f32 * factor).sin())
                .collect::<Vec<f32>>()
        };
        let columns = vec![
            Column::new(KEY.into(), keys),
            Column::new("pc1".into(), score(1.0)),
            Column::new("pc2".into(), score(2.5)),
        ];
        let scores = DataFrame::new(12, columns).unwrap();
        let embedded = tsne(&scores, &TsneParams::default()).unwrap();
        assert!(quality(&scores, &embedded).is_ok());
        for other in [scores.reverse(), scores.head(Some(6))] {
            let sentence = quality(&other, &embedded).unwrap_err().to_string();
            assert!(
                sentence.contains("run `tsne` on these scores"),
                "{sentence}"
            );
        }
    }
}
