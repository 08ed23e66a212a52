//! What a run is told.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::steps::describe::{DescriptorName, OwnDescriptor, Precision};
use crate::steps::load::LoadParams;
use crate::steps::pca::PcaParams;
use crate::steps::projection::{self, Project};
use crate::steps::resize::Filter;
use crate::steps::tsne::TsneParams;
use crate::storage::place::Place;
use crate::storage::s3::Connection;
use crate::storage::source::Source;

use super::here::ThisProcess;
use super::machine;
use super::workers::Engine;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Params {
    /// Where the images are.
    pub input: Source,
    /// Which images.
    pub load: LoadParams,
    /// How they are resized.
    pub filter: Filter,
    /// By what they are described.
    pub descriptor: DescriptorName,
    /// The caller's own descriptor. It takes the place of `descriptor`, runs in this process alone, and takes neither
    /// `precision` nor `model`.
    pub own_descriptor: Option<OwnDescriptor>,
    /// Arithmetic of VGG16; [`Precision::Auto`] for another descriptor.
    pub precision: Precision,
    /// A model of the user's own instead of VGG16.
    pub model: Option<PathBuf>,
    /// Where computed shards are kept; a temporary folder if absent.
    pub cache: Option<Place>,
    /// Principal components.
    pub pca: PcaParams,
    /// The first of the projections.
    pub tsne: TsneParams,
    /// Projections beyond t-SNE, in the order they are computed and shown; none by default.
    pub further_projections: Vec<Arc<dyn Project>>,
    /// Worker threads; no number depends on it.
    pub threads: usize,
    /// Where descriptors and PCA are computed; no number depends on it.
    pub engine: Arc<dyn Engine>,
}

impl Params {
    /// What `report` does with `input` when it is told nothing else, without a cache: bicubic, VGG16 in f32 or bf16 as
    /// the processor has it, 64 components, perplexity 30, seed 42, in this process on all cores.
    #[must_use]
    pub fn new(input: Source) -> Self {
        Self {
            input,
            load: LoadParams::default(),
            filter: Filter::default(),
            descriptor: DescriptorName::default(),
            own_descriptor: None,
            precision: Precision::Auto,
            model: None,
            cache: None,
            pca: PcaParams::default(),
            tsne: TsneParams::default(),
            further_projections: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            engine: Arc::new(ThisProcess),
        }
    }

    /// The name of the descriptor, the caller's own or not.
    #[must_use]
    pub fn descriptor_name(&self) -> &'static str {
        let own = self.own_descriptor.as_ref();
        own.map_or(self.descriptor.name(), OwnDescriptor::name)
    }

    /// What can be said of the parameters before anything is read or written.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] or [`crate::Error::Invalid`] that names the one that cannot work.
    pub fn check(&self) -> Result<()> {
        machine::check_threads(self.threads)?;
        let own = self.own_descriptor.as_ref();
        own.map_or(Ok(()), OwnDescriptor::check)?;
        if own.is_some() && (self.precision != Precision::Auto || self.model.is_some()) {
            return Err(Error::Invalid(
                "a precision or a model is for the descriptor vgg16; leave it out beside a descriptor of your own".to_owned(),
            ));
        }
        self.pca.check_params()?;
        projection::check(&self.projections())
    }

    /// The pictures of the components that the run makes, in order.
    #[must_use]
    pub fn projections(&self) -> Vec<&dyn Project> {
        let further = self.further_projections.iter().map(AsRef::as_ref);
        std::iter::once(&self.tsne as &dyn Project)
            .chain(further)
            .collect()
    }

    /// The connection to S3, if the run has one.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        match (&self.input, &self.cache) {
            (Source::Bucket(prefix), _) | (_, Some(Place::Bucket(prefix))) => {
                Some(prefix.connection())
            }
            _ => None,
        }
    }
}
