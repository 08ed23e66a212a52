//! The steps, with a line now and then while they work.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use fruits_maths::Matrix;
use polars::prelude::*;

use super::interrupt::Working;
use super::lines::{Lines, ended};
use super::sentence::Sentence;
use crate::error::Error;
use crate::frame::{MatrixExt, add_by_key, keys, of_vectors};
use crate::schema::{FEATURES, KEY, TSNE_X, TSNE_Y};
use crate::steps::describe::{
    self, Cpu, Descriptor, Features, Model, Precision, RuntimeFolder, Vgg16,
};
use crate::steps::findings::{self, Findings};
use crate::steps::load::{self, LoadParams, Loaded};
use crate::steps::pca::{Keep, Pca, PcaParams};
use crate::steps::quality::{self, DEFAULT_NEIGHBORS, Quality};
use crate::steps::resize::{self, Filter, Resized};
use crate::steps::tsne::{self, Tsne, TsneParams};
use crate::storage::source::Source;

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
    let lines = Mutex::new(Lines::new("resize", frame.height()));
    let keep_going = |n: usize| {
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .at(n as u64);
        working.keeps_going()
    };
    resize::resize_with(frame, filter, &keep_going).map_err(|e| ended("resize", e))
}

/// VGG16 without its top, in bf16 where the processor has AMX for it and else in f32, on all cores.
///
/// # Errors
/// Set-up has not been run.
pub fn vgg16() -> Result<Vgg16, Sentence> {
    let _working = Working::begin();
    let runtime = RuntimeFolder::find();
    let (arithmetic, _) = Precision::Auto.resolve(&Cpu::detect())?;
    let model = Model::read(None, &runtime)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Vgg16::new(&runtime, &model, arithmetic, threads)?)
}

/// [`describe::features`], by VGG16 or another descriptor.
///
/// # Errors
/// As there, and if it is interrupted.
pub fn features(images: &DataFrame, descriptor: &mut dyn Descriptor) -> Result<Features, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("features", images.height());
    let mut keep_going = |n: usize| {
        lines.at(n as u64);
        working.keeps_going()
    };
    let described = describe::features(images, descriptor, &mut keep_going);
    let described = described.map_err(|e| ended("features", e))?;
    lines.finish(&format!("{} images", images.height()));
    Ok(described)
}

/// Fits the column `features`: [`PcaParamsExt::fit`](crate::steps::pca::PcaParamsExt::fit).
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
        let fault = Error::Column {
            name: FEATURES.to_owned(),
            expected: "descriptors".to_owned(),
            found: "none: run `describe` or `features` first".to_owned(),
        };
        return Err(fault.into());
    }
    let matrix = Matrix::from_vectors(images, FEATURES)?;
    let pca = params.fit_blocks(&matrix, &mut progress);
    let pca = pca.map_err(|e| ended("fit_pca", of_vectors(e, FEATURES)))?;
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
/// As there, and if it is interrupted.
pub fn findings(scores: &DataFrame) -> Result<Findings, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("findings", scores.height());
    let mut progress = |n_done: usize, _: usize| {
        lines.at(n_done as u64);
        working.keeps_going()
    };
    findings::findings_with(scores, &mut progress).map_err(|e| ended("findings", e))
}

/// [`quality::quality`] of an embedding of `scores` at 10 neighbours, as in `report`.
///
/// # Errors
/// As there, if it is interrupted, and if the embedding is of other images: they are told by `key`, or by their place where
/// neither has keys.
pub fn quality(scores: &DataFrame, embedded: &Tsne) -> Result<Quality, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("quality", scores.height());
    let mut progress = |n_done: usize, n_total: usize| {
        lines.n_total = n_total as u64;
        lines.at(n_done as u64);
        working.keeps_going()
    };
    let others = || {
        let message =
            "the embedding is of other images than the scores; run `tsne` on these scores";
        Error::Invalid(message.to_owned())
    };
    let mut both = scores.clone();
    let have_keys = [scores, &embedded.frame].map(|frame| frame.column(KEY).is_ok());
    match (scores.height() == embedded.frame.height(), have_keys) {
        (true, [true, true]) => {
            let [own, placed] = [keys(scores)?, keys(&embedded.frame)?];
            let [own, placed] =
                [&own, &placed].map(|keys| BTreeSet::from_iter(keys.no_null_iter()));
            if own != placed {
                return Err(others().into());
            }
            add_by_key(&mut both, &embedded.frame, &[TSNE_X, TSNE_Y])?;
        }
        (true, [false, false]) => {
            for name in [TSNE_X, TSNE_Y] {
                both.with_column(embedded.frame.column(name)?.clone())?;
            }
        }
        _ => return Err(others().into()),
    }
    let measured = quality::quality_with(&both, DEFAULT_NEIGHBORS, embedded.seed, &mut progress);
    measured.map_err(|e| ended("quality", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_joins_an_embedding_by_key_and_refuses_one_of_other_images() {
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
        let trust = |scores: &DataFrame| {
            let measured = quality(scores, &embedded).unwrap();
            measured.record.trustworthiness
        };
        assert_eq!(trust(&scores), trust(&scores.reverse()));
        let mut renamed = scores.clone();
        let keys: Vec<String> = (1..13).map(|i| format!("a/{i:02}.jpg")).collect();
        renamed.with_column(Column::new(KEY.into(), keys)).unwrap();
        for other in [renamed, scores.head(Some(6)), scores.drop(KEY).unwrap()] {
            let sentence = quality(&other, &embedded).unwrap_err().to_string();
            assert!(
                sentence.contains("run `tsne` on these scores"),
                "{sentence}"
            );
        }
    }
}
