//! What the machine can do, as far as it bounds the steps.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rayon::prelude::*;
use rustix::fs::{Advice, fadvise};
use serde_json::json;

use crate::{Measured, Outcome, files};

/// Side of the matrices of a product: 64 MiB each, far beyond any cache.
const SIDE: usize = 4_096;
/// Bytes that are copied in memory, and written to and read from disk: beyond the caches.
const MEMORY_BYTES: usize = 512 << 20;
const DISK_BYTES: usize = 1 << 30;
/// The best of so many counts: a limit is what can be reached.
const TRIES: usize = 5;
/// Products of one image in the 13 convolutions of VGG16, 15.35 * 10^9 (Simonyan & Zisserman 2014), each with a sum.
const VGG16_GFLOP: f64 = 30.69;

pub fn measure(threads: usize, folder: &Path) -> Outcome {
    let began = Instant::now();
    let pool = files::pool(threads)?;
    let gemm_f32_gflops = pool.install(product);
    let memory_gb_s = pool.install(copy);
    let (disk_write_mb_s, disk_read_mb_s) = disk(folder)?;
    Ok(Measured {
        elapsed_s: began.elapsed().as_secs_f64(),
        n_items: 1,
        values: json!({
            "gemm_f32_gflops": gemm_f32_gflops,
            "memory_gb_s": memory_gb_s,
            "disk_write_mb_s": disk_write_mb_s,
            "disk_read_mb_s": disk_read_mb_s,
            "vgg16_gflop_per_image": VGG16_GFLOP,
        }),
    })
}

/// The shortest of a few runs in seconds.
fn shortest(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    (0..TRIES).map(time).fold(f64::INFINITY, f64::min)
}

fn product() -> f64 {
    let a = Mat::<f32>::from_fn(SIDE, SIDE, |i, j| ((i + j) % 7) as f32);
    let mut c = Mat::<f32>::zeros(SIDE, SIDE);
    let elapsed_s = shortest(|| {
        let threads = Par::rayon(0);
        matmul(
            c.as_mut(),
            Accum::Replace,
            a.as_ref(),
            a.as_ref(),
            1.0,
            threads,
        );
    });
    2.0 * (SIDE as f64).powi(3) / elapsed_s / 1e9
}

/// Bytes read and written while one array is copied into another.
fn copy() -> f64 {
    const PART: usize = 1 << 20;
    let from = vec![1_u8; MEMORY_BYTES];
    let mut to = vec![0_u8; MEMORY_BYTES];
    let elapsed_s = shortest(|| {
        to.par_chunks_mut(PART)
            .zip(from.par_chunks(PART))
            .for_each(|(to, from)| to.copy_from_slice(from));
    });
    std::hint::black_box(&to);
    2.0 * MEMORY_BYTES as f64 / elapsed_s / 1e9
}

/// Write and read rates of one file, the cache of the system emptied of it in between.
fn disk(folder: &Path) -> std::io::Result<(f64, f64)> {
    let megabytes = DISK_BYTES as f64 / 1e6;
    let part: Vec<u8> = (0..1_u32 << 22)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let began = Instant::now();
    let mut writer = file.reopen()?;
    for _ in 0..DISK_BYTES / part.len() {
        writer.write_all(&part)?;
    }
    writer.sync_all()?;
    let write = megabytes / began.elapsed().as_secs_f64();
    fadvise(&writer, 0, None, Advice::DontNeed)?;
    let began = Instant::now();
    let mut reader = File::open(file.path())?;
    let mut buffer = vec![0; part.len()];
    while reader.read(&mut buffer)? > 0 {}
    Ok((write, megabytes / began.elapsed().as_secs_f64()))
}
