//! Renders the sample data set: five invented fruit varieties, 36 views each.
//!
//! `cargo run --release --example render_data_sample -- data-sample`
//!
//! The same bytes on every run, whatever the number of threads: noise comes from integer hashes,
//! and colours from additions, products, quotients and square roots only, never from libm.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on its streams"
)]

mod noise;
mod solids;
mod studio;
mod varieties;
mod vector;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

use studio::SIDE_PX;
use varieties::{VARIETIES, Variety};
use vector::{Axis, Turn};

/// Views about each axis, 30 degrees apart.
const VIEWS: usize = 12;
const JPEG_QUALITY: u8 = 90;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<()> {
    let [folder] = <[OsString; 1]>::try_from(arguments)
        .map_err(|_| "expected one argument, the output folder: render_data_sample data-sample")?;
    let folder = PathBuf::from(folder);
    for variety in &VARIETIES {
        let folder = folder.join(variety.name);
        // Before the rendering, so that a wrong argument fails at once.
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot create folder {}: {error}", folder.display()))?;
        let pictures = render(variety)?;
        let size_bytes = save(&folder, &pictures)?;
        println!(
            "{}: {} images, {size_bytes} bytes",
            variety.name,
            pictures.len()
        );
    }
    Ok(())
}

struct Picture {
    file_name: String,
    jpeg: Vec<u8>,
}

fn render(variety: &Variety) -> Result<Vec<Picture>> {
    let views: Vec<(String, Turn)> = (0..VIEWS).flat_map(poses).collect();
    views
        .into_par_iter()
        .map(|(file_name, pose)| {
            let jpeg = encode(&studio::photograph(variety, pose))?;
            Ok(Picture { file_name, jpeg })
        })
        .collect()
}

/// The three views numbered `view`, named as in Fruits-360: no prefix, `r_` and `r2_`.
fn poses(view: usize) -> [(String, Turn); 3] {
    // Each axis starts from another stance, so that no view comes twice.
    let tipped = Turn::about(Axis::X, 1);
    let aside = Turn::about(Axis::Y, 4).then(Turn::about(Axis::Z, 1));
    let upturned = Turn::about(Axis::Y, 8).then(Turn::about(Axis::X, 11));
    [
        (
            format!("{view}_100.jpg"),
            Turn::about(Axis::Y, view).then(tipped),
        ),
        (
            format!("r_{view}_100.jpg"),
            aside.then(Turn::about(Axis::X, view)),
        ),
        (
            format!("r2_{view}_100.jpg"),
            upturned.then(Turn::about(Axis::Z, view)),
        ),
    ]
}

fn encode(rgb: &[u8]) -> Result<Vec<u8>> {
    let side = u32::try_from(SIDE_PX)?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode(
        rgb,
        side,
        side,
        ExtendedColorType::Rgb8,
    )?;
    Ok(jpeg)
}

/// Writes every picture beside its place and renames it in; returns the bytes written.
fn save(folder: &Path, pictures: &[Picture]) -> Result<usize> {
    for picture in pictures {
        let path = folder.join(&picture.file_name);
        let partial = folder.join(format!(".{}.partial", picture.file_name));
        fs::write(&partial, &picture.jpeg)
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(pictures.iter().map(|picture| picture.jpeg.len()).sum())
}
