//! Step 3: VGG16 without its top: 25,088 values an image.

mod model;
mod network;
mod runtime;

use polars::prelude::*;

pub use self::model::{KNOWN_MODEL_SHA256, Model};
pub use self::network::{BATCH, Vgg16};
pub use self::runtime::{Arithmetic, Cpu, Precision, RuntimeFolder, onnxruntime_version};
use crate::error::{Error, Result};
use crate::matrix::{Matrix, binaries, strings};
use crate::rejection::{Reason, Rejection};
use crate::schema::{FEATURES, KEY, PIXELS, PIXELS_LEN, SIZE_BYTES};

/// Grows when the code changes what a shard holds for the same file, model, filter and precision: decoding, resizing,
/// thumbnails, features.
pub const CODE_VERSION: u32 = 2;

/// Descriptors, and the images the network gave no finite values for.
#[derive(Debug, Clone)]
pub struct Features {
    /// The input's columns, with `features` `Array(Float32, n_features)` in place of `pixels`; rows keep their order.
    pub images: DataFrame,
    /// One entry for each image whose descriptor holds a NaN or an infinity.
    pub rejected: Vec<Rejection>,
}

/// Computes the descriptor of each row's `pixels` (224 x 224 x 3 bytes of RGB, as [`crate::resize`] gives).
///
/// A descriptor is VGG16's last pooling layer, 7 x 7 x 512 `f32`, flattened with channels last as Keras does.
/// `keep_going` is asked before each call of the network with the number of images done.
///
/// # Errors
/// [`Error::Invalid`] for a wrong `pixels` column, [`Error::Runtime`] if the network fails,
/// [`Error::Interrupted`] if `keep_going` says no.
///
/// # References
/// K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.
pub fn features(
    frame: &DataFrame,
    network: &mut Vgg16,
    keep_going: &mut dyn FnMut(usize) -> bool,
) -> Result<Features> {
    let pixels = binaries(frame, PIXELS)?;
    if let Some((i, wrong)) = pixels
        .iter()
        .enumerate()
        .find(|(_, p)| p.len() != PIXELS_LEN)
    {
        return Err(Error::Invalid(format!(
            "column `{PIXELS}`, row {i}: {} bytes, not the {PIXELS_LEN} of 224 x 224 x 3; resize the images first",
            wrong.len()
        )));
    }
    let mut values = Vec::with_capacity(pixels.len() * network.n_features());
    let capacity = network.capacity();
    for (i, images) in pixels.chunks(capacity).enumerate() {
        if !keep_going(i * capacity) {
            return Err(Error::Interrupted);
        }
        values.extend(network.run(images)?);
    }
    let matrix = Matrix::new(pixels.len(), network.n_features(), values)?;
    let finite: Vec<bool> = (0..matrix.n_rows())
        .map(|i| matrix.row(i).iter().all(|v| v.is_finite()))
        .collect();
    let rejected = non_finite(frame, &finite)?;
    let mut images = frame.drop(PIXELS)?;
    images.with_column(matrix.into_arrays(FEATURES)?)?;
    if !rejected.is_empty() {
        images = images.filter(&BooleanChunked::from_slice("finite".into(), &finite))?;
    }
    Ok(Features { images, rejected })
}

fn non_finite(frame: &DataFrame, finite: &[bool]) -> Result<Vec<Rejection>> {
    let keys = strings(frame, KEY)?;
    let sizes = frame.column(SIZE_BYTES).ok().map(|c| c.u64()).transpose()?;
    let rows = finite.iter().enumerate().filter(|(_, finite)| !**finite);
    Ok(rows
        .map(|(i, _)| Rejection {
            key: keys[i].to_owned(),
            size_bytes: sizes.and_then(|s| s.get(i)).unwrap_or_default(),
            reason: Reason::NonFinite,
            message: "the network gave a value that is no finite number".to_owned(),
        })
        .collect())
}
