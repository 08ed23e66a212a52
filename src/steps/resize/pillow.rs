//! Resampling with the arithmetic of Pillow: fixed-point coefficients, horizontal pass first, rounded to bytes
//! between the passes. It is our own because no Rust library gives the same bytes, and the descriptors of the first
//! version were computed from these.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// Fractional bits of a coefficient: 32 minus 8 of a pixel and 2 of headroom for overshoot, as Pillow's.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Reach of cubic convolution in source pixels at scale 1.
const BICUBIC_SUPPORT: f64 = 2.0;
/// Keys' parameter; Pillow's choice.
const BICUBIC_A: f64 = -0.5;

/// The source pixels of one target pixel and their fixed-point weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

fn weights(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = BICUBIC_SUPPORT * stretch;
    let window = |target: usize| {
        let centre = (target as f64 + 0.5) * scale;
        // Truncation towards zero after + 0.5, as a C cast does.
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        // Multiplied by the inverse, not divided: the last bit decides some roundings.
        let raw: Vec<f64> = (start..end)
            .map(|x| cubic((x as f64 - centre + 0.5) * (1.0 / stretch)))
            .collect();
        let sum: f64 = raw.iter().sum();
        let one = f64::from(1u32 << PRECISION_BITS);
        Window {
            start,
            weights: raw.iter().map(|w| (w / sum * one).round() as i32).collect(),
        }
    };
    (0..to).map(window).collect()
}

fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((BICUBIC_A + 2.0) * x - (BICUBIC_A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * BICUBIC_A
    } else {
        0.0
    }
}

fn round(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Rows go through the horizontal pass one at a time. All of them first, as Pillow has it, would take 224 x 3 bytes for each.
pub(super) fn bicubic(
    rgb: &[u8],
    (width, height): (usize, usize),
    (to_width, to_height): (usize, usize),
) -> Vec<u8> {
    let columns = (width != to_width).then(|| weights(width, to_width));
    let rows = rgb.chunks_exact(width * 3).map(|row| match &columns {
        None => Cow::Borrowed(row),
        Some(windows) => Cow::Owned(horizontal(row, windows)),
    });
    let mut out = Vec::with_capacity(to_width * to_height * 3);
    let mut push = |row: &[u8]| out.extend_from_slice(row);
    match height.cmp(&to_height) {
        Ordering::Less => more_rows(rows, &weights(height, to_height), &mut push),
        Ordering::Equal => rows.for_each(|row| push(&row)),
        Ordering::Greater => fewer_rows(rows, weights(height, to_height), &mut push),
    }
    out
}

/// Each row goes into the sums of the target rows that it is part of, at most five. The sums are whole numbers, so their order
/// changes no byte.
fn fewer_rows<'a>(
    rows: impl Iterator<Item = Cow<'a, [u8]>>,
    windows: Vec<Window>,
    push: &mut dyn FnMut(&[u8]),
) {
    let mut waiting = windows.into_iter().peekable();
    // Windows begin and end in the order of the target rows.
    let mut open: VecDeque<(Window, Vec<i32>)> = VecDeque::new();
    let mut spare: Vec<Vec<i32>> = Vec::new();
    for (y, row) in rows.enumerate() {
        while let Some(window) = waiting.next_if(|window| window.start <= y) {
            let mut sums = spare.pop().unwrap_or_else(|| vec![0; row.len()]);
            sums.fill(HALF);
            open.push_back((window, sums));
        }
        for (window, sums) in &mut open {
            if let Some(weight) = window.weights.get(y - window.start) {
                add(sums, &row, *weight);
            }
        }
        while open
            .front()
            .is_some_and(|(window, _)| window.start + window.weights.len() == y + 1)
        {
            if let Some((_, sums)) = open.pop_front() {
                push(&rounded(&sums));
                spare.push(sums);
            }
        }
    }
}

/// Each target row is the sum of at most five rows, which many of them share: here the rows wait, not the sums.
fn more_rows<'a>(
    mut rows: impl Iterator<Item = Cow<'a, [u8]>>,
    windows: &[Window],
    push: &mut dyn FnMut(&[u8]),
) {
    let mut kept: VecDeque<Cow<'a, [u8]>> = VecDeque::new();
    let mut first = 0;
    let mut sums = Vec::new();
    for Window { start, weights } in windows {
        let n_new = (start + weights.len()).saturating_sub(first + kept.len());
        kept.extend(rows.by_ref().take(n_new));
        kept.drain(..start - first);
        first = *start;
        sums.clear();
        sums.resize(kept.front().map_or(0, |row| row.len()), HALF);
        for (row, weight) in kept.iter().zip(weights) {
            add(&mut sums, row, *weight);
        }
        push(&rounded(&sums));
    }
}

fn add(sums: &mut [i32], row: &[u8], weight: i32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += i32::from(*value) * weight;
    }
}

fn rounded(sums: &[i32]) -> Vec<u8> {
    sums.iter().map(|&sum| round(sum)).collect()
}

fn horizontal(row: &[u8], windows: &[Window]) -> Vec<u8> {
    let (pixels, _) = row.as_chunks::<3>();
    let mut line = vec![0; windows.len() * 3];
    let (to, _) = line.as_chunks_mut::<3>();
    for (to, window) in to.iter_mut().zip(windows) {
        let mut sums = [HALF; 3];
        for (pixel, weight) in pixels[window.start..].iter().zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(*value) * weight;
            }
        }
        *to = sums.map(round);
    }
    line
}

/// The pixels that cover the centres. Pillow finds these by adding the step: where a centre falls between two pixels, as many
/// do from 256 to 224, its rounding decides.
pub(super) fn nearest(
    rgb: &[u8],
    (width, height): (usize, usize),
    (to_width, to_height): (usize, usize),
) -> Vec<u8> {
    let covering = |from: usize, to: usize| -> Vec<usize> {
        let step = from as f64 / to as f64;
        let next = |centre: &f64| Some(centre + step);
        let centres = std::iter::successors(Some(step * 0.5), next).take(to);
        centres
            .map(|centre| (centre as usize).min(from - 1))
            .collect()
    };
    let columns = covering(width, to_width);
    let mut out = Vec::with_capacity(to_width * to_height * 3);
    for y in covering(height, to_height) {
        let row = &rgb[y * width * 3..][..width * 3];
        for &x in &columns {
            out.extend_from_slice(&row[x * 3..][..3]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_wait_and_sums_that_wait_give_the_same_bytes() {
        for (width, height, to_height) in
            [(5, 8, 9), (3, 8, 700), (4, 1, 30), (3, 50, 51), (2, 33, 64)]
        {
            let n = width * height * 3;
            let rgb: Vec<u8> = (0..n).map(|i| (i * i * 31 % 251) as u8).collect();
            let rows = || rgb.chunks_exact(width * 3).map(Cow::Borrowed);
            let windows = || weights(height, to_height);
            let (mut with_rows, mut with_sums) = (Vec::new(), Vec::new());
            more_rows(rows(), &windows(), &mut |row| {
                with_rows.extend_from_slice(row)
            });
            fewer_rows(rows(), windows(), &mut |row| {
                with_sums.extend_from_slice(row)
            });
            assert_eq!(with_rows.len(), width * to_height * 3);
            assert!(with_rows == with_sums, "{height} to {to_height}");
        }
    }

    #[test]
    fn few_rows_wait_whatever_the_size() {
        for (height, to_height) in [(8, 9_000), (1, 500), (100, 101), (3_000, 9_000)] {
            for window in weights(height, to_height) {
                assert!(window.weights.len() <= 5, "{height} to {to_height}");
            }
        }
    }
}
