//! What a run says of its descriptor: in the fingerprint of its shards, in its record, in its notes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::record::{Fact, FeaturesRecord, Provenance, Version};
use crate::steps::describe::{
    Cpu, Descriptor, DescriptorName, DescriptorStats, Model, OwnDescriptor, Precision,
    RuntimeFolder,
};
use crate::steps::resize::Filter;
use crate::storage::digest;
use crate::storage::rejection::{self, Rejection};
use crate::storage::store;

/// The descriptor of a run, not loaded as long as nobody computes with it: a run whose shards are all there never loads a
/// network.
pub struct Chosen {
    name: &'static str,
    is_own: bool,
    own_model: Option<PathBuf>,
    descriptor: Mutex<Box<dyn Descriptor>>,
}

impl Chosen {
    /// As [`DescriptorName::open`].
    pub fn open(
        name: DescriptorName,
        precision: Precision,
        own_model: Option<&Path>,
        threads: usize,
    ) -> Result<Self> {
        Ok(Self {
            name: name.name(),
            is_own: false,
            own_model: own_model.map(Path::to_path_buf),
            descriptor: Mutex::new(name.open(precision, own_model, threads)?),
        })
    }

    /// As [`OwnDescriptor::open`].
    pub fn own(own: &OwnDescriptor, threads: usize) -> Result<Self> {
        let descriptor = own.open(threads)?;
        Ok(Self {
            name: descriptor.name(),
            is_own: true,
            own_model: None,
            descriptor: Mutex::new(descriptor),
        })
    }

    /// The descriptor, for one who computes with it or asks it at a time.
    pub fn hold(&self) -> MutexGuard<'_, Box<dyn Descriptor>> {
        // What a panic left behind is only buffers, which are filled anew.
        let held = self.descriptor.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    /// Which one that is: of [`DescriptorName::ALL`], if it is none of the caller's own.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it is the caller's own, which no other process has.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Arithmetic of its network, if it has one: `f32` or `bf16`.
    pub fn precision(&self) -> Option<String> {
        Some(self.hold().network()?.precision)
    }

    /// The model, if it is one of the user's own.
    pub fn own_model(&self) -> Result<Option<Model>> {
        let is_own = self.hold().network().is_some_and(|n| !n.model_known);
        let path = self.own_model.as_deref().filter(|_| is_own);
        path.map(|path| Model::read(Some(path), &RuntimeFolder::find()))
            .transpose()
    }

    /// Values of one descriptor; absent for a model of the user's own, which has to be loaded to know it.
    pub fn known_n_features(&self) -> Option<usize> {
        self.hold().about().n_values
    }

    /// Values of one descriptor. A model of the user's own is loaded for a moment to know it.
    pub fn n_features(&self) -> Result<usize> {
        let mut descriptor = self.hold();
        if let Some(known) = descriptor.about().n_values {
            return Ok(known);
        }
        descriptor.load()?;
        let n = descriptor.n_features();
        descriptor.unload();
        Ok(n)
    }

    /// Everything but the files that decides the descriptors.
    pub fn recipe(&self, filter: Filter) -> String {
        format!(
            "{} filter {filter} descriptor {} {}",
            store::code(),
            self.name,
            self.hold().recipe()
        )
    }

    /// Which program this is: version, commit, and the exact versions of all that it is built of.
    pub fn build() -> String {
        format!(
            "{} {} {}",
            env!("CARGO_PKG_VERSION"),
            env!("FRUITS_GIT_COMMIT"),
            env!("FRUITS_LOCK_SHA256")
        )
    }

    /// What the record of a run says of it.
    pub fn record(
        &self,
        stats: DescriptorStats,
        rejected: &[Rejection],
        filter: Filter,
        n_features: usize,
        recipe: &str,
    ) -> FeaturesRecord {
        let descriptor = self.hold();
        let non_finite = rejected
            .iter()
            .filter(|r| r.reason == rejection::Reason::NonFinite);
        let input = descriptor.input();
        let mut facts = descriptor.facts();
        facts.push(Fact {
            name: "Preprocessing".to_owned(),
            value: format!(
                "{side} × {side}, {filter} filter; {}",
                input.preprocessing,
                side = input.side
            ),
        });
        FeaturesRecord {
            network: descriptor.network(),
            filter: filter.to_string(),
            n_features,
            stats,
            n_non_finite: non_finite.count() as u64,
            fingerprint: digest::of(recipe.as_bytes()),
            descriptor: descriptor.name().to_owned(),
            about: Some(descriptor.about()),
            facts,
        }
    }

    /// What produced the run, as far as this program knows by itself.
    pub fn provenance(&self, manifest: &[u8]) -> Provenance {
        let version = |name: &str, version: &str| Version {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        let mut libraries = vec![
            version("faer", env!("FRUITS_VERSION_FAER")),
            version("image", env!("FRUITS_VERSION_IMAGE")),
            version("linfa-reduction", env!("FRUITS_VERSION_LINFA_REDUCTION")),
            version("mozjpeg", env!("FRUITS_VERSION_MOZJPEG")),
            version("plotters", env!("FRUITS_VERSION_PLOTTERS")),
            version("polars", env!("FRUITS_VERSION_POLARS")),
        ];
        if let Some(network) = self.hold().network() {
            libraries.insert(0, version("onnxruntime", &network.onnxruntime));
            libraries.insert(5, version("ort", env!("FRUITS_VERSION_ORT")));
        }
        let cpu = Cpu::detect();
        Provenance {
            command: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: env!("FRUITS_GIT_COMMIT").to_owned(),
            rustc: env!("FRUITS_RUSTC").to_owned(),
            lock_sha256: env!("FRUITS_LOCK_SHA256").to_owned(),
            libraries,
            cpu_features: cpu.features(),
            cpu: cpu.name,
            manifest_sha256: digest::of(manifest),
            outputs: Vec::new(),
        }
    }
}
