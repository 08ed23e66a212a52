//! Which network a run computes with, known before it is loaded.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::features::{self, Arithmetic, BATCH, Cpu, Model, Precision, RuntimeFolder, Vgg16};
use crate::record::{FeaturesRecord, Provenance, Version};
use crate::rejection::{self, Rejection};
use crate::resize::Filter;
use crate::source::local::hex;

use super::Params;
use super::gather::FeatureStats;

/// The model and how it is computed, not loaded yet: a run whose shards are all there never loads it.
pub(super) struct Network {
    runtime: RuntimeFolder,
    model: Model,
    cpu: Cpu,
    pub arithmetic: Arithmetic,
    reason: &'static str,
    onnxruntime: String,
}

impl Network {
    pub fn new(params: &Params) -> Result<Self> {
        Self::of(params.precision, params.model.as_deref())
    }

    pub fn of(precision: Precision, model: Option<&Path>) -> Result<Self> {
        let runtime = RuntimeFolder::find();
        let cpu = Cpu::detect();
        let (arithmetic, reason) = precision.resolve(&cpu)?;
        let model = Model::read(model, &runtime)?;
        runtime.environment()?;
        let onnxruntime = features::onnxruntime_version();
        Ok(Self {
            runtime,
            model,
            cpu,
            arithmetic,
            reason,
            onnxruntime,
        })
    }

    /// Everything but the files that decides the descriptors.
    pub fn recipe(&self, filter: Filter) -> String {
        format!(
            "code {} model {} filter {filter} precision {} provider {} onnxruntime {} batch {BATCH} image {} mozjpeg {} cpu {}",
            features::CODE_VERSION,
            self.model.sha256,
            self.arithmetic,
            self.arithmetic.provider(),
            self.onnxruntime,
            env!("FRUITS_VERSION_IMAGE"),
            env!("FRUITS_VERSION_MOZJPEG"),
            self.cpu.features().join("+")
        )
    }

    /// The model's bytes, if it is one of the user's own.
    #[cfg(feature = "cluster")]
    pub fn own_model(&self) -> Option<&Model> {
        (!self.model.is_known()).then_some(&self.model)
    }

    pub fn load(&self, threads: usize) -> Result<Vgg16> {
        Vgg16::new(&self.runtime, &self.model, self.arithmetic, threads)
    }

    pub fn record(
        &self,
        stats: &FeatureStats,
        rejected: &[Rejection],
        filter: Filter,
        n_features: usize,
        recipe: &str,
    ) -> FeaturesRecord {
        let non_finite = rejected
            .iter()
            .filter(|r| r.reason == rejection::Reason::NonFinite);
        FeaturesRecord {
            model_sha256: self.model.sha256.clone(),
            model: self.model.describe(),
            model_known: self.model.is_known(),
            precision: self.arithmetic.to_string(),
            precision_reason: self.reason.to_owned(),
            provider: self.arithmetic.provider().to_owned(),
            onnxruntime: self.onnxruntime.clone(),
            filter: filter.to_string(),
            n_features,
            zero_ratio: stats.zero_ratio,
            min: stats.min,
            max: stats.max,
            mean: stats.mean,
            norm_min: stats.norm_min,
            norm_mean: stats.norm_mean,
            norm_max: stats.norm_max,
            n_non_finite: non_finite.count() as u64,
            n_constant: stats.n_constant,
            fingerprint: hex(&Sha256::digest(recipe)),
        }
    }

    pub fn provenance(&self, manifest: &[u8]) -> Provenance {
        let version = |name: &str, version: &str| Version {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        Provenance {
            command: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: env!("FRUITS_GIT_COMMIT").to_owned(),
            rustc: env!("FRUITS_RUSTC").to_owned(),
            lock_sha256: env!("FRUITS_LOCK_SHA256").to_owned(),
            libraries: vec![
                version("onnxruntime", &self.onnxruntime),
                version("faer", env!("FRUITS_VERSION_FAER")),
                version("image", env!("FRUITS_VERSION_IMAGE")),
                version("linfa-reduction", env!("FRUITS_VERSION_LINFA_REDUCTION")),
                version("mozjpeg", env!("FRUITS_VERSION_MOZJPEG")),
                version("ort", env!("FRUITS_VERSION_ORT")),
                version("plotters", env!("FRUITS_VERSION_PLOTTERS")),
                version("polars", env!("FRUITS_VERSION_POLARS")),
            ],
            cpu: self.cpu.name.clone(),
            cpu_features: self.cpu.features(),
            manifest_sha256: hex(&Sha256::digest(manifest)),
            outputs: Vec::new(),
        }
    }
}
