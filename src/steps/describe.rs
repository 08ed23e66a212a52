//! Step 3: from the pixels of an image to its descriptor, by VGG16 or by what stands in its place.

mod colour;
mod descriptor;
mod stats;
mod vgg16;
mod words;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use fruits_maths::Matrix;
use polars::prelude::*;

pub use self::colour::Colour;
pub use self::descriptor::{Descriptor, Input};
pub use self::stats::{DescriptorStats, Running, Survey};
pub use self::vgg16::{
    Arithmetic, BATCH, Cpu, KNOWN_MODEL_SHA256, Model, Precision, RuntimeFolder, Vgg16,
    onnxruntime_version,
};
pub use self::words::{About, Fact, NetworkRecord};
use crate::error::{Error, Result};
use crate::frame::{MatrixExt, binaries, check_free, keys, sizes};
use crate::schema::{FEATURES, PIXELS, PIXELS_LEN, SIZE_BYTES};
use crate::storage::rejection::{Reason, Rejection};
pub use crate::storage::store::CODE_VERSION;

/// The descriptors that a run can choose from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DescriptorName {
    /// [`Vgg16`].
    #[default]
    Vgg16,
    /// [`Colour`].
    Colour,
}

impl DescriptorName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Vgg16, Self::Colour];

    /// What the help of the option says.
    pub const HELP: &str = "What an image is described by: vgg16, or colour (a colour histogram: what VGG16 is to be \
                            better than)";

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => vgg16::NAME,
            Self::Colour => colour::NAME,
        }
    }

    /// The descriptor, which nothing is loaded for yet. It is to compute on `threads` threads; no value depends on them.
    /// `precision` and `model` are VGG16's.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a precision or a model that another descriptor has no use for, [`Error::Runtime`] as
    /// [`Vgg16::open`].
    pub fn open(
        self,
        precision: Precision,
        model: Option<&Path>,
        threads: usize,
    ) -> Result<Box<dyn Descriptor>> {
        if self != Self::Vgg16 && (precision != Precision::Auto || model.is_some()) {
            return Err(Error::Invalid(format!(
                "a precision or a model is for the descriptor vgg16; leave it out, or take vgg16 instead of {self}"
            )));
        }
        Ok(match self {
            Self::Vgg16 => Box::new(Vgg16::open(precision, model, threads)?),
            Self::Colour => Box::new(Colour),
        })
    }
}

impl fmt::Display for DescriptorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DescriptorName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|d| d.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(" and ");
            Error::Invalid(format!("no descriptor `{text}`; there are {names}"))
        })
    }
}

/// A descriptor of the caller's own for a run: its name, and a function that makes it.
#[derive(Clone)]
pub struct OwnDescriptor {
    name: &'static str,
    make: Arc<Make>,
}

type Make = dyn Fn(usize) -> Result<Box<dyn Descriptor>> + Send + Sync;

impl OwnDescriptor {
    /// `make` is called with the number of threads that the descriptor is to compute on, once a run and before anything is loaded.
    /// No value may depend on that number, and [`Descriptor::name`] must be `name`.
    pub fn new(
        name: &'static str,
        make: impl Fn(usize) -> Result<Box<dyn Descriptor>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            make: Arc::new(make),
        }
    }

    /// The name, which stands in the record.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What can be said of it before it is made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name of [`DescriptorName::ALL`].
    pub fn check(&self) -> Result<()> {
        match DescriptorName::from_str(self.name) {
            Ok(name) => Err(Error::Invalid(format!(
                "there is a descriptor `{name}` already; give yours another name"
            ))),
            Err(_) => Ok(()),
        }
    }

    /// The descriptor.
    ///
    /// # Errors
    /// Those of its function and of [`OwnDescriptor::check`], and [`Error::Invalid`] for another name than was given or an input
    /// that no run prepares.
    pub fn open(&self, threads: usize) -> Result<Box<dyn Descriptor>> {
        self.check()?;
        let name = self.name;
        let descriptor = (self.make)(threads)?;
        if descriptor.name() != name {
            return Err(Error::Invalid(format!(
                "the descriptor `{name}` calls itself `{}`; give it one name",
                descriptor.name()
            )));
        }
        let input = descriptor.input();
        if input.n_bytes() != PIXELS_LEN || input.n_images == 0 {
            return Err(Error::Invalid(format!(
                "the descriptor `{name}` takes {} images of {} x {} x {} at once; images are prepared as 224 x 224 x 3, and it \
                 must take one at least",
                input.n_images, input.side, input.side, input.channels
            )));
        }
        Ok(descriptor)
    }
}

impl fmt::Debug for OwnDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnDescriptor").field(&self.name).finish()
    }
}

/// Descriptors, and the images that no finite values came out for.
#[derive(Debug, Clone)]
pub struct Features {
    /// The input's columns, with `features` `Array(Float32, n_features)` in place of `pixels`; rows keep their order.
    pub images: DataFrame,
    /// One entry for each image whose descriptor holds a NaN or an infinity.
    pub rejected: Vec<Rejection>,
}

/// Computes the descriptor of each row's `pixels` (224 x 224 x 3 bytes of RGB, as [`crate::steps::resize`] gives).
///
/// `keep_going` is asked before each call of the descriptor with the number of images done.
///
/// # Errors
/// [`Error::Column`] if `key` or `pixels` is missing, or these or `size_bytes` are of another type or size, a key is there twice, or
/// `features` is there;
/// [`Error::Runtime`] if the descriptor fails,
/// [`Error::Cancelled`] if `keep_going` says no.
pub fn features(
    frame: &DataFrame,
    descriptor: &mut dyn Descriptor,
    keep_going: &mut dyn FnMut(usize) -> bool,
) -> Result<Features> {
    let keys = keys(frame)?;
    let sizes = match frame.column(SIZE_BYTES) {
        Ok(_) => Some(sizes(frame, SIZE_BYTES)?),
        Err(_) => None,
    };
    let pixels = binaries(frame, PIXELS)?;
    check_free(frame, &[FEATURES])?;
    let input = descriptor.input();
    let n_bytes = input.n_bytes();
    if let Some((i, wrong)) = pixels.iter().enumerate().find(|(_, p)| p.len() != n_bytes) {
        return Err(Error::Column {
            name: PIXELS.to_owned(),
            expected: format!(
                "{n_bytes} bytes of {side} x {side} x {}, which the resize gives",
                input.channels,
                side = input.side
            ),
            found: format!("{} bytes in row {i}", wrong.len()),
        });
    }
    descriptor.load()?;
    let n_features = descriptor.n_features();
    let mut values = Vec::with_capacity(pixels.len() * n_features);
    for (i, images) in pixels.chunks(input.n_images).enumerate() {
        if !keep_going(i * input.n_images) {
            return Err(Error::Cancelled);
        }
        values.extend(descriptor.describe(images)?);
    }
    let matrix = Matrix::new(pixels.len(), n_features, values)?;
    let finite: Vec<bool> = (0..matrix.n_rows())
        .map(|i| matrix.row(i).iter().all(|v| v.is_finite()))
        .collect();
    let engine = descriptor.about().engine;
    let rows = finite.iter().zip(keys.no_null_iter()).enumerate();
    let rejected: Vec<_> = rows
        .filter(|(_, (is_finite, _))| !**is_finite)
        .map(|(i, (_, key))| Rejection {
            key: key.to_owned(),
            size_bytes: sizes.as_ref().map_or(0, |sizes| sizes[i]),
            reason: Reason::NonFinite,
            message: format!("the {engine} gave a value that is no finite number"),
        })
        .collect();
    let mut images = frame.drop(PIXELS)?;
    images.with_column(matrix.into_arrays(FEATURES)?)?;
    if !rejected.is_empty() {
        images = images.filter(&BooleanChunked::from_slice("finite".into(), &finite))?;
    }
    Ok(Features { images, rejected })
}
