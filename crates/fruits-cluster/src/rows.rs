//! Descriptors that workers have, seen as the rows that PCA reads.

use std::time::Instant;

use fruits::features::{DescriptorStats, Running};
use fruits::matrix::Matrix;
use fruits::pca::{FAN_IN, Factor, Panel, Passes, Pca, PcaExt, PcaParams, Sums, WINDOW};
use fruits::pipeline::Rows;
use fruits::pipeline::gather::{Blocks, stack, whole};
use fruits::polars::prelude::DataFrame;
use fruits::storage::digest;
use fruits::storage::temporary;
use fruits::store::{Receipt, SHARD_LEN, Shard, Work};
use fruits::{Error, Result, atomic};

use crate::driver::Driver;
use crate::keys::Key;
use crate::piece::Piece;
use crate::survey::read_survey;
use crate::task::{PIECES, ShardName, Task, What};

/// Descriptors on workers, seen as rows.
pub struct Remote<'a, 'b> {
    driver: &'b mut Driver<'a>,
    /// Windows of shards that hold images.
    windows: Vec<Vec<ShardName>>,
    n_rows: usize,
    n_cols: usize,
    /// Folder of the pieces, of this run alone: another run on the same cache removes none of them.
    folder: Key,
    shift: Vec<f32>,
    n_passes: usize,
}

impl<'a, 'b> Remote<'a, 'b> {
    /// Shards with images, in order.
    pub fn new(
        driver: &'b mut Driver<'a>,
        run: &str,
        shards: &[Shard],
        receipts: &[Receipt],
    ) -> Result<Self> {
        let with_images = || shards.iter().zip(receipts).filter(|(_, r)| r.n_images > 0);
        let names: Vec<_> = with_images()
            .map(|(shard, _)| ShardName::of(shard))
            .collect::<Result<_>>()?;
        let first: Vec<_> = with_images().take(1).collect();
        let shift = match first.is_empty() {
            true => Vec::new(),
            false => PcaParams::shift(&Blocks::stored(driver.cache.store, first))?,
        };
        Ok(Self {
            windows: names.chunks(WINDOW).map(<[_]>::to_vec).collect(),
            n_rows: receipts.iter().map(|r| r.n_images).sum(),
            n_cols: with_images().next().map_or(0, |(_, r)| r.n_features),
            folder: Key::new(format!("{PIECES}/{run}"))?,
            shift,
            n_passes: 0,
            driver,
        })
    }

    /// All columns of the shards but the descriptors, and what these are like. `progress` hears how many images were read and
    /// says whether to go on.
    pub fn survey(
        &mut self,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(DataFrame, DescriptorStats)> {
        let n_rows = self.n_rows;
        let keys = self.each(
            "survey",
            |window, to| What::Survey { window, to },
            &mut |n_windows| progress((n_windows * WINDOW * SHARD_LEN).min(n_rows) as u64),
        )?;
        if !progress(n_rows as u64) {
            return Err(Error::Cancelled);
        }
        let mut running = Running::new(self.n_cols);
        let mut images = None;
        for bytes in self.read(&keys) {
            let (frame, survey) = read_survey(&bytes?)?;
            running.add(&survey);
            stack(&mut images, frame)?;
        }
        Ok((whole(images)?, running.finish()))
    }

    /// A task a window; gives the keys of the pieces.
    fn each(
        &mut self,
        name: &str,
        what: impl Fn(Vec<ShardName>, Key) -> What,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Key>> {
        let windows = self.windows.iter().enumerate();
        let tasks = windows.map(|(i, window)| {
            let name = format!("{name}-{i:05}");
            let to = self.folder.below(format!("{name}.bin"))?;
            Ok(Task {
                name,
                what: what(window.clone(), to),
            })
        });
        let tasks = tasks.collect::<Result<Vec<_>>>()?;
        self.run(&tasks, progress)
    }

    fn run(&mut self, tasks: &[Task], progress: &mut dyn FnMut(usize) -> bool) -> Result<Vec<Key>> {
        self.driver.pieces(tasks, progress)?;
        Ok(tasks.iter().filter_map(Task::piece).cloned().collect())
    }

    /// Pieces in order.
    fn read(&self, keys: &[Key]) -> impl Iterator<Item = Result<Vec<u8>>> {
        keys.iter().map(|key| Piece::read(self.driver.cache, key))
    }

    /// Writes what tasks are to read, under a name that tells its content.
    fn hand_over(&self, name: &str, bytes: Vec<u8>) -> Result<Key> {
        let digest = digest::of(&bytes);
        let key = self.folder.below(format!("{name}-{}.bin", &digest[..16]))?;
        let work = Work::since("driver", Instant::now());
        Piece::commit(self.driver.cache, &key, bytes, work)?;
        Ok(key)
    }
}

impl Rows for Remote<'_, '_> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_cols(&self) -> usize {
        self.n_cols
    }

    fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        Ok(params.fit_passes(self, progress)?)
    }

    fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)> {
        let folder = temporary::folder("pca")?;
        let path = folder.path().join("pca.parquet");
        pca.save(&path)?;
        let pca_key = self.hand_over("pca", atomic::read(&path)?)?;
        let name = format!("scores-{}", short(&pca_key));
        let project = |window, to| {
            let pca = pca_key.clone();
            What::Project { window, pca, to }
        };
        let keys = self.each(&name, project, &mut |_| true)?;
        let (mut scores, mut lost) = (Vec::new(), Vec::new());
        for bytes in self.read(&keys) {
            let (more, losses) = pca.read_scored(&bytes?)?;
            scores.extend(more);
            lost.extend(losses);
        }
        Ok((Matrix::new(lost.len(), pca.n_components(), scores)?, lost))
    }
}

/// Nothing of a run outlives it here but its shards; what cannot be removed harms nothing.
impl Drop for Remote<'_, '_> {
    fn drop(&mut self) {
        let _ = self.driver.cache.remove_all(&self.folder);
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

    fn pass(
        &mut self,
        q: &Panel,
        centre: Option<&[f32]>,
        with_moments: bool,
    ) -> fruits::maths::Result<Sums> {
        self.n_passes += 1;
        let factor = Factor::bytes(q, centre, &self.shift, with_moments);
        let factor = self.hand_over(&format!("pass-{:02}", self.n_passes), factor)?;
        let name = format!("pass-{:02}-{}", self.n_passes, short(&factor));
        let multiply = |window, to| {
            let factor = factor.clone();
            What::Multiply { window, factor, to }
        };
        let mut parts = self.each(&name, multiply, &mut |_| true)?;
        // A sum of one part, too, since leaves hold other bytes than sums.
        for level in 1.. {
            let nodes = parts.chunks(FAN_IN).enumerate().map(|(i, parts)| {
                let name = format!("{name}-sum-{level}-{i:05}");
                let to = self.folder.below(format!("{name}.bin"))?;
                Ok(Task {
                    name,
                    what: What::Add {
                        parts: parts.to_vec(),
                        are_leaves: level == 1,
                        to,
                    },
                })
            });
            let nodes = nodes.collect::<Result<Vec<_>>>()?;
            let above = self.run(&nodes, &mut |_| true)?;
            self.driver.cache.discard_all(&parts)?;
            parts = above;
            if parts.len() <= 1 {
                break;
            }
        }
        let root = parts
            .first()
            .ok_or_else(|| Error::Internal("a sum of nothing".to_owned()))?;
        Sums::read(&Piece::read(self.driver.cache, root)?)
    }
}

/// The end of a key that tells content.
fn short(key: &Key) -> &str {
    let name = key.as_str();
    let name = name.strip_suffix(".bin").unwrap_or(name);
    name.rsplit('-').next().unwrap_or(name)
}
