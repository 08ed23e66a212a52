//! Descriptors that workers have, seen as the rows that PCA reads.

use std::time::Instant;

use polars::prelude::DataFrame;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::pca::{FAN_IN, Factor, Panel, Passes, Pca, PcaParams, Sums, WINDOW};
use crate::source::local::hex;
use crate::store::{Receipt, Shard, Work};

use super::gather::{Blocks, FeatureStats, Running, stack, whole};
use super::spread::Spread;
use super::task::{PIECES, Piece, ShardName, Task, What, build};
use super::worker::read_survey;

/// Descriptors on workers, seen as rows.
pub(super) struct Remote<'a, 'b> {
    pub spread: &'b mut Spread<'a>,
    /// Windows of shards that hold images.
    windows: Vec<Vec<ShardName>>,
    n_rows: usize,
    n_cols: usize,
    /// Folder of the pieces.
    folder: String,
    shift: Vec<f32>,
    n_passes: usize,
}

impl<'a, 'b> Remote<'a, 'b> {
    /// Shards with images, in order.
    pub fn new(spread: &'b mut Spread<'a>, shards: &[Shard], receipts: &[Receipt]) -> Result<Self> {
        let with_images = || shards.iter().zip(receipts).filter(|(_, r)| r.n_images > 0);
        let names: Vec<_> = with_images()
            .map(|(shard, _)| ShardName::of(shard))
            .collect();
        let mut hasher = Sha256::new();
        hasher.update(build());
        with_images().for_each(|(_, receipt)| hasher.update(&receipt.sha256));
        let first: Vec<_> = with_images().take(1).collect();
        let shift = match first.is_empty() {
            true => Vec::new(),
            false => PcaParams::shift(&Blocks::stored(spread.store, first))?,
        };
        Ok(Self {
            windows: names.chunks(WINDOW).map(<[_]>::to_vec).collect(),
            n_rows: receipts.iter().map(|r| r.n_images).sum(),
            n_cols: with_images().next().map_or(0, |(_, r)| r.n_features),
            folder: format!("{PIECES}/{}", &hex(&hasher.finalize())[..16]),
            shift,
            n_passes: 0,
            spread,
        })
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    pub fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        params.fit_passes(self, progress)
    }

    /// All columns of the shards but the descriptors, and what these are like.
    pub fn survey(&mut self) -> Result<(DataFrame, FeatureStats)> {
        let keys = self.each("survey", |window, to| What::Survey { window, to })?;
        let mut running = Running::new(self.n_cols);
        let mut images = None;
        for bytes in self.read(&keys) {
            let (frame, survey) = read_survey(&bytes?)?;
            running.add(&survey);
            stack(&mut images, frame)?;
        }
        Ok((whole(images)?, running.finish()))
    }

    /// Scores of all rows, and what each loses.
    pub fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)> {
        let folder = tempfile::tempdir();
        let folder = folder.map_err(Error::storage("create a folder in", std::env::temp_dir()))?;
        let path = folder.path().join("pca.parquet");
        pca.save(&path)?;
        let pca_key = self.hand_over("pca", crate::atomic::read(&path)?)?;
        let keys = self.each(&format!("scores-{}", short(&pca_key)), |window, to| {
            let pca = pca_key.clone();
            What::Project { window, pca, to }
        })?;
        let (mut scores, mut lost) = (Vec::new(), Vec::new());
        for bytes in self.read(&keys) {
            let (more, losses) = pca.read_scored(&bytes?)?;
            scores.extend(more);
            lost.extend(losses);
        }
        Ok((Matrix::new(lost.len(), pca.n_components(), scores)?, lost))
    }

    /// Removes what only this analysis needed.
    pub fn clear(&self) {
        let _ = self.spread.store.remove_all(&self.folder);
    }

    /// A task a window; gives the keys of the pieces.
    fn each(
        &mut self,
        name: &str,
        what: impl Fn(Vec<ShardName>, String) -> What,
    ) -> Result<Vec<String>> {
        let windows = self.windows.iter().enumerate();
        let tasks: Vec<_> = windows
            .map(|(i, window)| {
                let name = format!("{name}-{i:05}");
                let to = format!("{}/{name}.bin", self.folder);
                Task {
                    name,
                    what: what(window.clone(), to),
                }
            })
            .collect();
        self.run(tasks)
    }

    fn run(&mut self, tasks: Vec<Task>) -> Result<Vec<String>> {
        let keys = tasks
            .iter()
            .filter_map(Task::piece)
            .map(str::to_owned)
            .collect();
        self.spread.pieces(&tasks)?;
        Ok(keys)
    }

    /// Pieces in order.
    fn read(&self, keys: &[String]) -> impl Iterator<Item = Result<Vec<u8>>> {
        keys.iter().map(|key| Piece::read(self.spread.store, key))
    }

    /// Writes what tasks are to read, under a name that tells its content.
    fn hand_over(&self, name: &str, bytes: Vec<u8>) -> Result<String> {
        let digest = hex(&Sha256::digest(&bytes));
        let key = format!("{}/{name}-{}.bin", self.folder, &digest[..16]);
        let work = Work::since("driver", Instant::now());
        Piece::commit(self.spread.store, &key, bytes, work)?;
        Ok(key)
    }
}

impl Passes for Remote<'_, '_> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_cols(&self) -> usize {
        self.n_cols
    }

    fn shift(&self, column: usize) -> f64 {
        self.shift.get(column).map_or(0.0, |&c| f64::from(c))
    }

    fn pass(&mut self, q: &Panel, centre: Option<&[f32]>, with_moments: bool) -> Result<Sums> {
        self.n_passes += 1;
        let factor = Factor::bytes(q, centre, &self.shift, with_moments);
        let factor = self.hand_over(&format!("pass-{:02}", self.n_passes), factor)?;
        // The name tells what was multiplied with: a run that goes on takes what another one left, and nothing else.
        let name = format!("pass-{:02}-{}", self.n_passes, short(&factor));
        let node = |level: usize, i: usize| format!("{name}-sum-{level}-{i:05}");
        let (mut n_levels, mut n_nodes) = (1, self.windows.len().div_ceil(FAN_IN));
        while n_nodes > 1 {
            (n_levels, n_nodes) = (n_levels + 1, n_nodes.div_ceil(FAN_IN));
        }
        let root = format!("{}/{}.bin", self.folder, node(n_levels, 0));
        if Piece::find(self.spread.store, &root)?.is_none() {
            let mut parts = self.each(&name, |window, to| {
                let factor = factor.clone();
                What::Multiply { window, factor, to }
            })?;
            for level in 1..=n_levels {
                let tasks = parts.chunks(FAN_IN).enumerate().map(|(i, parts)| Task {
                    name: node(level, i),
                    what: What::Add {
                        parts: parts.to_vec(),
                        are_leaves: level == 1,
                        to: format!("{}/{}.bin", self.folder, node(level, i)),
                    },
                });
                let above = self.run(tasks.collect())?;
                self.spread.store.discard_all(&parts)?;
                parts = above;
            }
        }
        Sums::read(&Piece::read(self.spread.store, &root)?)
    }
}

/// The end of a key that tells content.
fn short(key: &str) -> &str {
    let name = key.strip_suffix(".bin").unwrap_or(key);
    name.rsplit('-').next().unwrap_or(name)
}
