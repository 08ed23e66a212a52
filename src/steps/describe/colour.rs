//! How much of an image has which colour: a baseline that knows neither shape nor place, and has learned nothing.

use super::descriptor::{Descriptor, Input};
use super::words::{About, Fact};
use crate::error::{Error, Result};
use crate::schema::{PIXELS_LEN, SIDE};

/// On the command line and in records.
pub(super) const NAME: &str = "colour";

/// Bins along red - green and along 2 blue - red - green. One more than in Swain and Ballard, so that grey lies in the
/// middle of a bin: with 16 the noise of a JPEG throws the pixels of a white background on both sides of a border.
const N_HUES: i32 = 17;
/// Bins along red + green + blue: fewer, since that axis follows the light more than the object (Swain and Ballard).
const N_BRIGHTNESSES: i32 = 8;
const N_BINS: usize = (N_HUES * N_HUES * N_BRIGHTNESSES) as usize;
/// Bins that hold a colour: the axes are not independent, and nothing is both bright and far from grey.
const N_REACHED: usize = 868;

/// Width of a bin on each axis: so the bins cover the 511, 1,021 and 766 values that there are.
const WIDTHS: [i32; 3] = [32, 64, 96];

/// Images of a call: a hundredth of a second.
const N_IMAGES: usize = 64;

/// A joint histogram of colours on the opponent axes red - green, 2 blue - red - green and red + green + blue: 17 x 17 x 8
/// bins, each pixel counted once in one of them, the background like any colour. A value is the square root of the share
/// of the pixels in a bin, so a descriptor has norm 1, and the Euclidean distance of two is Hellinger's of the histograms,
/// which a large patch of one colour does not decide alone.
///
/// Counts are whole numbers and the square root is rounded as IEEE 754 says, so values are the same on every processor.
///
/// # References
/// M. J. Swain, D. H. Ballard, "Color indexing", International Journal of Computer Vision 7(1), 1991.
/// R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
#[derive(Debug, Clone, Copy, Default)]
pub struct Colour;

impl Descriptor for Colour {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self) -> String {
        format!("bins {N_HUES} {N_HUES} {N_BRIGHTNESSES} widths {WIDTHS:?} roots of shares")
    }

    fn input(&self) -> Input {
        Input {
            n_images: N_IMAGES,
            side: SIDE,
            channels: 3,
            preprocessing: "RGB as it is",
        }
    }

    fn about(&self) -> About {
        About {
            engine: "histogram".to_owned(),
            values: "colour-histogram values".to_owned(),
            n_values: Some(N_BINS),
            meaning: format!(
                "the square root of the share of its pixels in each bin of a colour histogram, {N_HUES} × {N_HUES} × \
                 {N_BRIGHTNESSES}"
            ),
            short: "the square root of the share of its pixels in each bin of a colour histogram"
                .to_owned(),
            learned: "nothing learned".to_owned(),
            decided_by: "decoders, preprocessing, bins, code".to_owned(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let fact = |name: &str, value: &str| Fact {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        vec![
            fact(
                "Descriptor",
                "colour histogram: a baseline that knows neither shape nor place and has learned nothing",
            ),
            fact(
                "Axes",
                "red − green, 2 blue − red − green, red + green + blue (Swain and Ballard 1991)",
            ),
            fact(
                "Bins",
                &format!(
                    "{N_HUES} × {N_HUES} × {N_BRIGHTNESSES}, of which {N_REACHED} can hold a pixel; grey in the middle of one"
                ),
            ),
            fact(
                "Counted",
                "every pixel once, the background like any colour",
            ),
            fact(
                "Values",
                "square roots of shares, so distances are Hellinger's (Arandjelović and Zisserman 2012)",
            ),
        ]
    }

    fn n_features(&self) -> usize {
        N_BINS
    }

    fn describe(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        if images.len() > N_IMAGES || images.iter().any(|image| image.len() != PIXELS_LEN) {
            return Err(Error::Invalid(format!(
                "a colour histogram takes at most {N_IMAGES} images of {PIXELS_LEN} bytes (224 x 224 x 3) each at once"
            )));
        }
        Ok(images.iter().flat_map(|image| histogram(image)).collect())
    }
}

/// The square roots of the shares of the pixels in each bin.
fn histogram(rgb: &[u8]) -> impl Iterator<Item = f32> {
    let mut counts = vec![0_u32; N_BINS];
    for pixel in rgb.chunks_exact(3) {
        counts[bin(pixel[0], pixel[1], pixel[2])] += 1;
    }
    let n_pixels = (rgb.len() / 3) as f64;
    counts
        .into_iter()
        .map(move |n| (f64::from(n) / n_pixels).sqrt() as f32)
}

/// The bin of a colour; brightness varies fastest.
fn bin(red: u8, green: u8, blue: u8) -> usize {
    let [red, green, blue] = [red, green, blue].map(i32::from);
    let [red_green, blue_yellow, brightness] = WIDTHS;
    // 0 in the middle of the middle bin.
    let centred = |value: i32, width: i32| (value + N_HUES * width / 2) / width;
    let i = centred(red - green, red_green);
    let j = centred(2 * blue - red - green, blue_yellow);
    let k = (red + green + blue) / brightness;
    ((i * N_HUES + j) * N_BRIGHTNESSES + k) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_a_bin() {
        let mut is_reached = vec![false; N_BINS];
        for colour in 0..1_u32 << 24 {
            let [_, red, green, blue] = colour.to_be_bytes();
            is_reached[bin(red, green, blue)] = true;
        }
        assert_eq!(is_reached.iter().filter(|is| **is).count(), N_REACHED);
    }

    #[test]
    fn greys_differ_in_brightness_alone() {
        let middle = N_HUES / 2 * (N_HUES + 1) * N_BRIGHTNESSES;
        for grey in 0..=255 {
            let brightness = 3 * i32::from(grey) / WIDTHS[2];
            for [red, green, blue] in [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]] {
                let near = |more: u8| u8::saturating_sub(grey, more);
                let found = bin(near(red), near(green), near(blue)) as i32;
                assert!((middle..=middle + brightness).contains(&found));
            }
            assert_eq!(bin(grey, grey, grey) as i32, middle + brightness);
        }
    }

    #[test]
    fn a_descriptor_has_norm_one_and_forgets_where_a_colour_lies() {
        let mut image: Vec<u8> = [[200, 30, 30], [255, 255, 255]]
            .concat()
            .into_iter()
            .cycle()
            .take(PIXELS_LEN)
            .collect();
        let values: Vec<f32> = histogram(&image).collect();
        assert_eq!(values.len(), N_BINS);
        let half = 0.5_f64.sqrt() as f32;
        let filled: Vec<f32> = values.iter().copied().filter(|v| *v > 0.0).collect();
        assert_eq!(filled, [half, half]);
        // Red above, white below.
        let (above, below) = image.split_at_mut(PIXELS_LEN / 2);
        above
            .chunks_exact_mut(3)
            .for_each(|p| p.copy_from_slice(&[200, 30, 30]));
        below.fill(255);
        assert_eq!(histogram(&image).collect::<Vec<_>>(), values);
    }

    #[test]
    fn other_sizes_are_refused() {
        let small: &[u8] = &[0; 3];
        assert!(Colour.describe(&[small]).is_err());
    }
}
