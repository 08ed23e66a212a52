//! Resampling with the arithmetic of Pillow: fixed-point coefficients, horizontal pass first, rounded to bytes
//! between the passes. It is our own because no Rust library gives the same bytes, and the descriptors of the first
//! version were computed from these.

use super::Filter;

/// Fractional bits of a coefficient: 32 minus 8 of a pixel and 2 of headroom for overshoot, as Pillow's.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Reach of cubic convolution in source pixels at scale 1.
const BICUBIC_SUPPORT: f64 = 2.0;
/// Keys' parameter; Pillow's choice.
const BICUBIC_A: f64 = -0.5;

/// Resizes `width` x `height` RGB bytes to `to_width` x `to_height`, stretching.
///
/// # References
/// R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.
#[must_use]
pub fn resample(
    rgb: &[u8],
    width: usize,
    height: usize,
    to_width: usize,
    to_height: usize,
    filter: Filter,
) -> Vec<u8> {
    match filter {
        Filter::Nearest => nearest(rgb, width, height, to_width, to_height),
        Filter::Bicubic => {
            let wide = if width == to_width {
                rgb.to_vec()
            } else {
                horizontal(rgb, width, height, &weights(width, to_width))
            };
            if height == to_height {
                wide
            } else {
                vertical(&wide, to_width, &weights(height, to_height))
            }
        }
    }
}

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

fn horizontal(rgb: &[u8], width: usize, height: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(windows.len() * height * 3);
    for row in rgb.chunks_exact(width * 3) {
        for window in windows {
            let mut sums = [HALF; 3];
            let pixels = row[window.start * 3..].chunks_exact(3);
            for (pixel, weight) in pixels.zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            out.extend(sums.map(round));
        }
    }
    out
}

fn vertical(rgb: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let stride = width * 3;
    let mut out = Vec::with_capacity(windows.len() * stride);
    let mut sums = vec![0; stride];
    for window in windows {
        sums.fill(HALF);
        for (row, weight) in rgb[window.start * stride..]
            .chunks_exact(stride)
            .zip(&window.weights)
        {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| round(sum)));
    }
    out
}

fn nearest(rgb: &[u8], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<u8> {
    let covering = |from: usize, to: usize| -> Vec<usize> {
        let scale = from as f64 / to as f64;
        (0..to)
            .map(|i| (((i as f64 + 0.5) * scale) as usize).min(from - 1))
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
    fn a_flat_image_stays_flat() {
        for filter in [Filter::Bicubic, Filter::Nearest] {
            for (w, h) in [(1, 1), (7, 300), (100, 100), (224, 224), (500, 3)] {
                let rgb = [200, 3, 77].repeat(w * h);
                assert_eq!(
                    resample(&rgb, w, h, 224, 224, filter),
                    [200, 3, 77].repeat(224 * 224)
                );
            }
        }
    }

    #[test]
    fn the_same_size_keeps_every_byte() {
        let rgb: Vec<u8> = (0..224 * 224 * 3).map(|i| (i * 31 % 251) as u8).collect();
        assert_eq!(resample(&rgb, 224, 224, 224, 224, Filter::Bicubic), rgb);
        assert_eq!(resample(&rgb, 224, 224, 224, 224, Filter::Nearest), rgb);
    }
}
