//! What a run will do, before it does it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::frame::{sizes, strings};
use crate::schema::{LABEL, SIZE_BYTES};
use crate::steps::load::{Loaded, load_with};
use crate::storage::store::{self, Receipt, Shard, Store};

use super::control::{Control, Done, Event};
use super::descriptor::Chosen;
use super::limits;
use super::params::Params;
use super::workers::Job;

/// A run whose images are listed and cut into shards.
pub(super) struct Planned {
    pub descriptor: Chosen,
    /// Everything but the files that decides the descriptors.
    pub recipe: String,
    pub shards: Vec<Shard>,
    pub store: Store,
}

impl Planned {
    pub fn new(params: &Params, control: &mut Control) -> Result<(Self, Loaded)> {
        let loaded = control.stage("list", 0, |control| {
            let mut keep_going = |n: u64| control.advance("list", n, 0);
            let loaded = load_with(&params.input, &params.load, &mut keep_going)?;
            let n = loaded.manifest.height() as u64;
            let note = format!("{} files, {n} images to use", loaded.n_listed);
            Ok(Done {
                value: loaded,
                items: n,
                cache_hits: 0,
                note,
                parts: Vec::new(),
            })
        })?;
        let model = params.model.as_deref();
        let descriptor = match &params.own_descriptor {
            Some(own) => Chosen::own(own, params.threads)?,
            None => Chosen::open(params.descriptor, params.precision, model, params.threads)?,
        };
        let recipe = descriptor.recipe(params.filter);
        let shards = store::plan(&loaded.manifest, &recipe)?;
        let planned = Self {
            descriptor,
            recipe,
            shards,
            store: Store::open(params.cache.as_ref())?,
        };
        Ok((planned, loaded))
    }

    /// What is to be done, for the engine.
    pub fn job<'a>(&'a self, params: &'a Params, stop: &'a AtomicBool) -> Job<'a> {
        Job {
            input: &params.input,
            filter: params.filter,
            descriptor: &self.descriptor,
            recipe: &self.recipe,
            shards: &self.shards,
            store: &self.store,
            pca: &params.pca,
            threads: params.threads,
            stop,
        }
    }
}

/// The shards without a receipt.
pub(super) fn missing(plan: &[Shard], found: &[Option<Receipt>]) -> Vec<Shard> {
    let pairs = plan.iter().zip(found);
    let missing = pairs.filter(|(_, receipt)| receipt.is_none());
    missing.map(|(shard, _)| shard.clone()).collect()
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Files below the source.
    pub n_listed: u64,
    /// Their size in bytes.
    pub listed_bytes: u64,
    /// Files that the parameters leave out, or that lie in no class folder.
    pub n_skipped: u64,
    /// Files that are known to be unusable before they are read.
    pub n_rejected: u64,
    /// Images a class, by name.
    pub classes: Vec<(String, u64)>,
    /// Shards.
    pub n_shards: usize,
    /// Shards that are not in the cache.
    pub n_missing_shards: usize,
    /// Images of the missing shards: those that would be read.
    pub n_to_read: u64,
    /// Their size in bytes.
    pub to_read_bytes: u64,
    /// Size of the shards in the cache in bytes: those that would be read instead.
    pub cached_bytes: u64,
    /// The name of the descriptor.
    pub descriptor: String,
    /// Arithmetic of its network: `f32` or `bf16`; absent if it has none.
    pub precision: Option<String>,
}

/// Lists the images and looks for computed shards, and stops there. Reads no image of a bucket and writes nothing.
///
/// # Errors
/// As [`super::run`] before its first image.
pub fn dry_run(
    params: &Params,
    observe: &mut (dyn FnMut(&Event) + Send),
    stop: &AtomicBool,
) -> Result<Plan> {
    params.check()?;
    Control::new(observe, stop).install(params.threads, |control| {
        let (planned, loaded) = Planned::new(params, control)?;
        limits::check(params, loaded.manifest.height(), &planned.descriptor)?;
        let found = planned
            .store
            .receipts(&planned.shards, &mut || control.keeps_going())?;
        let missing = missing(&planned.shards, &found);
        let mut to_read_bytes = 0;
        for shard in &missing {
            to_read_bytes += sizes(&shard.manifest, SIZE_BYTES)?.into_iter().sum::<u64>();
        }
        let mut classes = BTreeMap::<String, u64>::new();
        for label in strings(&loaded.manifest, LABEL)? {
            *classes.entry(label.to_owned()).or_default() += 1;
        }
        Ok::<_, Error>(Plan {
            n_listed: loaded.n_listed,
            listed_bytes: loaded.size_bytes,
            n_skipped: loaded.n_skipped,
            n_rejected: loaded.rejected.len() as u64,
            classes: classes.into_iter().collect(),
            n_shards: planned.shards.len(),
            n_missing_shards: missing.len(),
            n_to_read: missing.iter().map(|s| s.manifest.height() as u64).sum(),
            to_read_bytes,
            cached_bytes: found.iter().flatten().map(|r| r.size_bytes).sum(),
            descriptor: planned.descriptor.name().to_owned(),
            precision: planned.descriptor.precision(),
        })
    })
}
