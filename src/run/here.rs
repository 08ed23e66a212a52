//! This process as the engine of a run.

use std::time::Instant;

use fruits_maths::Matrix;

use crate::error::Result;
use crate::record::{ClusterRecord, Part};
use crate::steps::pca::{Pca, PcaParams, RowBlocks};
use crate::storage::store::{Receipt, Shard};

use super::control::part;
use super::gather::{Blocks, gather};
use super::shards::map_shards;
use super::workers::{Engine, Gathered, Job, Rows, Workers};

/// Computes in this process, with the threads of the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisProcess;

impl Engine for ThisProcess {
    fn open<'a>(&self, job: Job<'a>) -> Result<Box<dyn Workers + 'a>> {
        Ok(Box::new(Here(job)))
    }
}

struct Here<'a>(Job<'a>);

impl Workers for Here<'_> {
    fn describe(
        &mut self,
        missing: &[Shard],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Vec<Receipt>, Vec<Part>)> {
        let job = &self.0;
        let began = Instant::now();
        let mut held = job.descriptor.hold();
        let descriptor = &mut **held;
        descriptor.load()?;
        let engine = descriptor.about().engine;
        let loading = descriptor.network().is_some();
        let loading = loading.then(|| part(&format!("loading the {engine}"), began.elapsed()));
        let (receipts, busy) = map_shards(
            job.input, job.store, missing, job.filter, descriptor, progress, job.stop,
        )?;
        descriptor.unload();
        let work = [
            part("reading, decoding, resizing", busy.preparing),
            part(&engine, busy.computing),
            part("writing", busy.writing),
        ];
        Ok((receipts, loading.into_iter().chain(work).collect()))
    }

    fn gather<'a>(
        &'a mut self,
        receipts: &'a [Receipt],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Gathered<'a>> {
        let job = &self.0;
        let (images, stats, blocks) = gather(job.store, job.shards, receipts, progress)?;
        Ok(Gathered {
            images,
            stats,
            rows: Box::new(blocks),
        })
    }

    fn record(self: Box<Self>) -> Option<ClusterRecord> {
        None
    }
}

impl Rows for Blocks<'_> {
    fn n_rows(&self) -> usize {
        RowBlocks::n_rows(self)
    }

    fn n_cols(&self) -> usize {
        RowBlocks::n_cols(self)
    }

    fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        Ok(params.fit_blocks(self, progress)?)
    }

    fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)> {
        Ok(pca.transform_blocks(self)?)
    }
}
