//! From files to descriptors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use fruits::features::Precision;
use fruits::load::LoadParams;
use fruits::matrix::{Matrix, MatrixExt, strings};
use fruits::pca::PcaParams;
use fruits::pipeline::{self, Params};
use fruits::place::Place;
use fruits::resize::{self, Filter, resample};
use fruits::schema::{FEATURES, KEY, SIDE};
use fruits::source::Source;
use fruits::tsne::TsneParams;
use serde_json::json;

use crate::{Failure, Measured, Outcome, files};

/// The part of the stage that is not timed.
const LOADING: &str = "loading the network";

/// Times the stage of a run, all of it but loading the network: reading, decoding, resizing, network and shards.
pub fn features(list: &Path, precision: Precision, threads: usize, save: Option<&Path>) -> Outcome {
    let paths = listed(list)?;
    // Beside the list, where the driver works: a folder for temporary files may be no disk.
    let beside = list
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let work = tempfile::tempdir_in(beside.unwrap_or(Path::new(".")))?;
    let keys = copy(&paths, work.path())?;
    let params = Params {
        precision,
        cache: Some(Place::Folder(work.path().join("cache"))),
        threads,
        // The run goes on after the stage; the rest is to be short.
        tsne: TsneParams {
            n_iter: 251,
            ..TsneParams::default()
        },
        ..Params::new(Source::folder(work.path().join("images"))?)
    };
    let outcome = pipeline::run(&params, &mut |_| {}, &AtomicBool::new(false))?;
    let stage = outcome.timings.stages.iter().find(|s| s.name == "features");
    let stage = stage.ok_or("the run has no stage `features`")?;
    let loading = stage.parts.iter().find(|part| part.name == LOADING);
    let loading_s = loading.map_or(0.0, |part| part.busy_s);
    let network = outcome.run.features.and_then(|features| features.network);
    let network = network.ok_or("the run has no features of a network")?;
    if let Some(path) = save {
        let described = pipeline::describe(&params, &mut |_| {}, &AtomicBool::new(false))?;
        let matrix = Matrix::from_vectors(&described.images, FEATURES)?;
        let rows: BTreeMap<&str, usize> = strings(&described.images, KEY)?
            .into_iter()
            .zip(0..)
            .collect();
        let mut values = Vec::with_capacity(matrix.values().len());
        for key in &keys {
            let row = rows
                .get(key.as_str())
                .ok_or_else(|| format!("no descriptor of {key}"))?;
            values.extend_from_slice(matrix.row(*row));
        }
        files::write(path, &Matrix::new(keys.len(), matrix.n_cols(), values)?)?;
    }
    Ok(Measured {
        elapsed_s: stage.wall_s - loading_s,
        n_items: keys.len(),
        values: json!({
            "precision": network.precision,
            "provider": network.provider,
            "onnxruntime": network.onnxruntime,
            "loading_s": loading_s,
            "parts_s": stage.parts.iter().filter(|p| p.name != LOADING).map(|p| (p.name.clone(), p.busy_s)).collect::<BTreeMap<_, _>>(),
        }),
    })
}

/// Paths of a list.
fn listed(list: &Path) -> Result<Vec<PathBuf>, Failure> {
    let text = std::fs::read_to_string(list).map_err(|e| format!("{}: {e}", list.display()))?;
    Ok(text.lines().map(PathBuf::from).collect())
}

/// The files in a folder of their own, below their classes; the keys in the order of the list.
fn copy(paths: &[PathBuf], work: &Path) -> Result<Vec<String>, Failure> {
    let mut keys = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        let name = path.file_name().ok_or("a path without a name")?;
        // Two folders may hold classes and images of the same names.
        let name = format!("{i:06}-{}", name.to_string_lossy());
        let class = path
            .parent()
            .and_then(Path::file_name)
            .ok_or("a path without a folder")?;
        let folder = work.join("images").join(class);
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(path, folder.join(&name))?;
        keys.push(format!("{}/{name}", class.to_string_lossy()));
    }
    Ok(keys)
}

/// Decoding, resizing and the thumbnail of each image in turn; `elapsed_s` is of all three together.
pub fn decode(list: &Path) -> Outcome {
    let contents: Vec<Vec<u8>> = listed(list)?
        .iter()
        .map(std::fs::read)
        .collect::<Result<_, _>>()?;
    let began = Instant::now();
    let decoded: Vec<_> = contents
        .iter()
        .map(|bytes| resize::decode(bytes).map_err(|fault| fault.message))
        .collect::<Result<_, _>>()?;
    let decode_s = began.elapsed().as_secs_f64();
    let began = Instant::now();
    for image in &decoded {
        let (width, height) = (image.width as usize, image.height as usize);
        let resized = resample(&image.rgb, width, height, SIDE, SIDE, Filter::Bicubic);
        std::hint::black_box(resized.map_err(|e| e.to_string())?);
    }
    let resize_s = began.elapsed().as_secs_f64();
    let began = Instant::now();
    for bytes in &contents {
        let prepared = resize::prepare(bytes, Filter::Bicubic).map_err(|fault| fault.message)?;
        std::hint::black_box(prepared);
    }
    let elapsed_s = began.elapsed().as_secs_f64();
    Ok(Measured {
        elapsed_s,
        n_items: contents.len(),
        values: json!({
            "decode_s": decode_s,
            "resize_s": resize_s,
            "thumbnail_s": elapsed_s - decode_s - resize_s,
        }),
    })
}

/// Computes what the cache lacks; nothing here is a measurement.
pub fn export(
    input: &Path,
    cache: &Path,
    limit: Option<usize>,
    features: &Path,
    scores: &Path,
) -> Outcome {
    let began = Instant::now();
    let params = Params {
        cache: Some(Place::Folder(cache.to_path_buf())),
        load: LoadParams {
            limit,
            ..LoadParams::default()
        },
        ..Params::new(Source::folder(input)?)
    };
    let described = pipeline::describe(&params, &mut |_| {}, &AtomicBool::new(false))?;
    let matrix = Matrix::from_vectors(&described.images, FEATURES)?;
    files::write(features, &matrix)?;
    let pca = PcaParams::default().fit_blocks(&matrix, &mut |_, _| true)?;
    files::write(scores, &pca.transform_block(&matrix)?)?;
    let zeros = matrix.values().iter().filter(|v| **v == 0.0).count();
    Ok(Measured {
        elapsed_s: began.elapsed().as_secs_f64(),
        n_items: matrix.n_rows(),
        values: json!({ "share_of_zeros": zeros as f64 / matrix.values().len() as f64 }),
    })
}
