//! VGG16 without its top, or a model of the same input: 25,088 values an image.

mod model;
mod network;
mod receipt;
mod runtime;

use std::path::Path;

pub use self::model::{KNOWN_MODEL_SHA256, Model};
pub use self::network::BATCH;
use self::network::Network;
pub use self::runtime::{Arithmetic, Cpu, Precision, RuntimeFolder, onnxruntime_version};
use super::descriptor::{Descriptor, Input};
use super::words::{About, Fact, NetworkRecord};
use crate::error::{Error, Result};
use crate::schema::{N_FEATURES, SIDE};

/// On the command line and in records.
pub(super) const NAME: &str = "vgg16";

/// VGG16's last pooling layer, 7 x 7 x 512 `f32`, flattened with channels last as Keras does; or the output of a model of
/// the user's own that takes the same input.
///
/// # References
/// K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.
#[derive(Debug)]
pub struct Vgg16 {
    runtime: RuntimeFolder,
    /// Its bytes are let go once the network is loaded.
    model: Model,
    arithmetic: Arithmetic,
    /// Why that arithmetic.
    reason: &'static str,
    onnxruntime: String,
    cpu: Cpu,
    threads: usize,
    network: Option<Network>,
}

impl Vgg16 {
    /// Knows the user's own model, or the one that set-up made, and what it is to be computed with; loads nothing but the
    /// library.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the processor does not have the precision, the model cannot be read, or the library does not
    /// load.
    pub fn open(precision: Precision, own: Option<&Path>, threads: usize) -> Result<Self> {
        let runtime = RuntimeFolder::find();
        let cpu = Cpu::detect();
        let (arithmetic, reason) = precision.resolve(&cpu)?;
        let model = Model::read(own, &runtime)?;
        runtime.environment()?;
        Ok(Self {
            runtime,
            model,
            arithmetic,
            reason,
            onnxruntime: onnxruntime_version(),
            cpu,
            threads,
            network: None,
        })
    }

    /// Loads `model` with `threads` threads.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library or the provider does not load, if the provider leaves any part of the
    /// network to another one, or if the model does not take `[N, 3, 224, 224]` and give one `f32` row an image.
    pub fn new(
        runtime: &RuntimeFolder,
        model: &Model,
        arithmetic: Arithmetic,
        threads: usize,
    ) -> Result<Self> {
        let network = Network::new(runtime, model, arithmetic, threads)?;
        Ok(Self {
            runtime: runtime.clone(),
            model: Model {
                path: model.path.clone(),
                bytes: Vec::new(),
                sha256: model.sha256.clone(),
            },
            arithmetic,
            reason: "asked for",
            onnxruntime: onnxruntime_version(),
            cpu: Cpu::detect(),
            threads,
            network: Some(network),
        })
    }
}

impl Vgg16 {
    /// Reads the model that was let go.
    fn read_again(&mut self) -> Result<()> {
        let model = Model::read(Some(&self.model.path), &self.runtime)?;
        if model.sha256 != self.model.sha256 {
            return Err(Error::Runtime {
                message: format!(
                    "`{}` changed while it was in use; run the same command again",
                    model.path.display()
                ),
                source: None,
            });
        }
        self.model = model;
        Ok(())
    }
}

impl Descriptor for Vgg16 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self) -> String {
        format!(
            "model {} precision {} provider {} onnxruntime {} batch {BATCH} cpu {}",
            self.model.sha256,
            self.arithmetic,
            self.arithmetic.provider(),
            self.onnxruntime,
            self.cpu.features().join("+")
        )
    }

    fn input(&self) -> Input {
        Input {
            n_images: network::capacity(self.arithmetic, self.threads),
            side: SIDE,
            channels: 3,
            preprocessing: "RGB to BGR, minus (103.939, 116.779, 123.68)",
        }
    }

    fn about(&self) -> About {
        let model = self.model.describe();
        let (values, n_values, meaning, short, learned) = match self.model.is_known() {
            true => (
                "VGG16 descriptors",
                Some(N_FEATURES),
                format!("the last pooling layer of {model}, 7 × 7 × 512"),
                "the output of VGG16's last pooling layer",
                "known ImageNet weights",
            ),
            // Layers and shape of such a model are its own affair; how many values come out is counted.
            false => (
                "values of a model of the user's own",
                None,
                format!("the output of {model}"),
                "the output of a model of the user's own",
                "foreign weights",
            ),
        };
        About {
            engine: "network".to_owned(),
            values: values.to_owned(),
            n_values,
            meaning,
            short: short.to_owned(),
            learned: learned.to_owned(),
            decided_by: "model, preprocessing, precision, code".to_owned(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let fact = |name: &str, value: String| Fact {
            name: name.to_owned(),
            value,
        };
        let known = match self.model.is_known() {
            true => "weights known by content: the ImageNet VGG16",
            false => "weights are not the known ImageNet ones",
        };
        let (arithmetic, provider) = (self.arithmetic, self.arithmetic.provider());
        vec![
            fact("Model", format!("{}; {known}", self.model.describe())),
            fact("Model SHA-256", self.model.sha256.clone()),
            fact("Precision", format!("{arithmetic} ({})", self.reason)),
            fact(
                "Runs on",
                format!("ONNX Runtime {}, {provider}", self.onnxruntime),
            ),
        ]
    }

    fn network(&self) -> Option<NetworkRecord> {
        Some(NetworkRecord {
            model_sha256: self.model.sha256.clone(),
            model: self.model.describe(),
            model_known: self.model.is_known(),
            precision: self.arithmetic.to_string(),
            precision_reason: self.reason.to_owned(),
            provider: self.arithmetic.provider().to_owned(),
            onnxruntime: self.onnxruntime.clone(),
        })
    }

    fn load(&mut self) -> Result<()> {
        if self.network.is_none() {
            if self.model.bytes.is_empty() {
                self.read_again()?;
            }
            let network = Network::new(&self.runtime, &self.model, self.arithmetic, self.threads)?;
            self.network = Some(network);
            self.model.bytes = Vec::new();
        }
        Ok(())
    }

    fn unload(&mut self) {
        self.network = None;
    }

    fn n_features(&self) -> usize {
        self.network.as_ref().map_or(0, Network::n_features)
    }

    fn describe(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        self.load()?;
        let network = self.network.as_mut();
        let network = network.ok_or_else(|| Error::Internal("no network is loaded".to_owned()))?;
        network.run(images)
    }
}
