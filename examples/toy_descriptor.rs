//! A descriptor of one's own: the brightness of an image on a grid of 8 x 8 cells, 64 values.
//!
//! `cargo run --release --example toy_descriptor -- DIR` describes the images in `DIR`, one folder a class, and says how
//! many have the label that most of their ten nearest have. This file is all that it takes. With
//! `OwnDescriptor::new("brightness", |_| Ok(Box::new(Brightness)))` as `own_descriptor` of its parameters, `pipeline::run` goes
//! through a whole run by it, up to the report. ARCHITECTURE.md says how a descriptor comes into the program.

#![allow(clippy::print_stdout, reason = "an example prints")]

use fruits::features::{Descriptor, Input, features};
use fruits::load::{LoadParams, load, read};
use fruits::pca::{Keep, Pca, PcaExt, PcaParams, PcaParamsExt};
use fruits::polars::prelude::DataFrame;
use fruits::quality::{DEFAULT_NEIGHBORS, Measures, quality};
use fruits::record::{About, Fact};
use fruits::resize::{Filter, resize};
use fruits::source::Source;
use fruits::tsne::{TsneParams, tsne};
use fruits::{Error, Result};

/// Cells along a side, and pixels along a side of a cell.
const GRID: usize = 8;
const CELL: usize = 224 / GRID;

/// Mean brightness of each cell, 0 to 1, row by row.
pub struct Brightness;

impl Descriptor for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn recipe(&self) -> String {
        format!("means of {GRID} x {GRID} cells")
    }

    fn input(&self) -> Input {
        Input {
            n_images: 64,
            side: GRID * CELL,
            channels: 3,
            preprocessing: "mean of red, green and blue",
        }
    }

    fn about(&self) -> About {
        About {
            engine: "grid".to_owned(),
            values: "brightness values".to_owned(),
            n_values: Some(GRID * GRID),
            meaning: format!("its mean brightness in each cell of a grid, {GRID} × {GRID}"),
            short: "its mean brightness in each cell of a grid".to_owned(),
            learned: "nothing learned".to_owned(),
            decided_by: "decoders, preprocessing, grid, code".to_owned(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact {
            name: "Grid".to_owned(),
            value: format!("{GRID} × {GRID} cells of {CELL} × {CELL} pixels"),
        }]
    }

    fn n_features(&self) -> usize {
        GRID * GRID
    }

    fn describe(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        if images.iter().any(|i| i.len() != self.input().n_bytes()) {
            let message = "an image is not 224 x 224 x 3 bytes".to_owned();
            return Err(Error::Invalid(message));
        }
        Ok(images.iter().flat_map(|image| means(image)).collect())
    }
}

/// Whole numbers until the division, so that the means are the same on every processor.
fn means(rgb: &[u8]) -> impl Iterator<Item = f32> {
    let mut sums = [0_u32; GRID * GRID];
    for (i, pixel) in rgb.chunks_exact(3).enumerate() {
        let (x, y) = (i % (GRID * CELL), i / (GRID * CELL));
        sums[y / CELL * GRID + x / CELL] += pixel.iter().map(|v| u32::from(*v)).sum::<u32>();
    }
    let largest = (CELL * CELL * 3 * 255) as f64;
    sums.into_iter()
        .map(move |sum| (f64::from(sum) / largest) as f32)
}

/// The chain up to the figures, as a notebook would go: images, analysis, quality.
pub fn explore(folder: &str) -> Result<(DataFrame, Pca, Measures)> {
    let source = Source::folder(folder)?;
    let manifest = load(&source, &LoadParams::default())?.manifest;
    let pixels = resize(&read(&source, &manifest)?, Filter::Bicubic)?.images;
    let described = features(&pixels, &mut Brightness, &mut |_| true)?.images;
    let params = PcaParams {
        keep: Keep::Components(16),
        ..PcaParams::default()
    };
    let pca = params.fit(&described)?;
    let embedded = tsne(&pca.transform(&described)?, &TsneParams::default())?;
    let quality = quality(&embedded.frame, DEFAULT_NEIGHBORS, embedded.seed)?.record;
    Ok((embedded.frame, pca, quality))
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1);
    let (images, pca, quality) = explore(folder.as_deref().unwrap_or("data-sample"))?;
    let share: f64 = pca.explained_variance_ratio().iter().sum();
    println!("{} images, {} values each", images.height(), GRID * GRID);
    println!("16 components: {:.1} % of the variance", 100.0 * share);
    if let Some(accuracy) = quality.knn_accuracy_pca {
        println!("label kNN accuracy: {:.1} %", 100.0 * accuracy);
    }
    Ok(())
}
