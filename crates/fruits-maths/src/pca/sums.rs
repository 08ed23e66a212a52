//! What a pass over the rows brings home, and the order in which its parts are added.

use rayon::prelude::*;

use super::panel::{CHUNK, Panel};
use crate::error::{Error, Result};

/// Sums that are added at once: a node of the tree. 16 windows of 1,024 rows are one node, so that sets of up to 16,384
/// rows have no second level, and a machine that adds a node reads 103 MB of 64 columns of 25,088 values.
pub const FAN_IN: usize = 16;

/// First and second moments of rows about a shift `c`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Moments {
    /// Sum of x - c, per column.
    pub sum: Vec<f64>,
    /// Sum of ||x - c||^2.
    pub squares: f64,
}

/// What rows add to a pass: of a window in `f32`, a [`Leaf`], or of windows added up, in `f64`.
#[derive(Debug, PartialEq)]
pub struct Sums<T = f64> {
    /// `sum (x - c) s^T`, n_cols x stride, where s is the row of scores.
    pub z: Vec<T>,
    /// Sum of the scores.
    pub t: Vec<f64>,
    /// In the first pass.
    pub moments: Option<Moments>,
}

/// What one window of rows adds.
pub type Leaf = Sums<f32>;

/// Rows that can be multiplied with, wherever they are.
pub trait Passes {
    /// Rows in all.
    fn n_rows(&self) -> usize;
    /// Values of a row.
    fn n_cols(&self) -> usize;
    /// The shift `c` of a column.
    fn shift(&self, column: usize) -> f64;
    /// One pass: `sum (x - c) s^T` with `s = (x - c) Q - centre`. The centre is `(mu - c)^T Q`, or nothing in the first
    /// pass, which also brings the moments.
    ///
    /// # Errors
    /// Whatever keeps the rows from being multiplied with.
    fn pass(&mut self, q: &Panel, centre: Option<&[f32]>, with_moments: bool) -> Result<Sums>;
}

impl Sums {
    fn zeros_like<T>(part: &Sums<T>) -> Self {
        Self {
            z: vec![0.0; part.z.len()],
            t: vec![0.0; part.t.len()],
            moments: part.moments.as_ref().map(|m| Moments {
                sum: vec![0.0; m.sum.len()],
                squares: 0.0,
            }),
        }
    }

    /// Adds the next part of a node: a leaf, or a node of the level below.
    pub fn push<T: Copy + Into<f64> + Sync>(node: &mut Option<Self>, part: &Sums<T>) {
        node.get_or_insert_with(|| Self::zeros_like(part)).add(part);
    }

    fn add<T: Copy + Into<f64> + Sync>(&mut self, part: &Sums<T>) {
        let chunks = self.z.par_chunks_mut(CHUNK).zip(part.z.par_chunks(CHUNK));
        chunks.for_each(|(z, more)| add(z, more));
        add(&mut self.t, &part.t);
        if let (Some(all), Some(more)) = (&mut self.moments, &part.moments) {
            add(&mut all.sum, &more.sum);
            all.squares += more.squares;
        }
    }
}

fn add<T: Copy + Into<f64>>(sum: &mut [f64], more: &[T]) {
    sum.iter_mut()
        .zip(more)
        .for_each(|(sum, &x)| *sum += x.into());
}

/// Adds leaves as they come, [`FAN_IN`] to a node and as many nodes to one of the next level: the sum that many machines
/// form, each of them a node.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The node that grows on each level, with how many it holds.
    levels: Vec<(usize, Option<Sums>)>,
}

impl Tree {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: &Leaf) {
        let (n, node) = self.level(0);
        Sums::push(node, leaf);
        *n += 1;
        let mut at = 0;
        while self.levels[at].0 == FAN_IN {
            let full = std::mem::take(&mut self.levels[at]).1;
            at += 1;
            self.push_node(at, full);
        }
    }

    fn push_node(&mut self, at: usize, node: Option<Sums>) {
        let Some(node) = node else { return };
        let (n, sums) = self.level(at);
        *n += 1;
        Sums::push(sums, &node);
    }

    fn level(&mut self, at: usize) -> &mut (usize, Option<Sums>) {
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Default::default);
        }
        &mut self.levels[at]
    }

    /// The sum of all leaves.
    pub fn finish(mut self) -> Result<Sums> {
        for at in 0..self.levels.len().saturating_sub(1) {
            let node = self.levels[at].1.take();
            self.push_node(at + 1, node);
        }
        let root = self.levels.pop().and_then(|(_, root)| root);
        root.ok_or_else(|| Error::Internal("a pass over no rows".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(i: usize) -> Leaf {
        // Values whose sums depend on the order of addition.
        let value = |j: usize| {
            (1.0 + (i * 37 + j * 11) as f32).powi(7) * if i.is_multiple_of(3) { -1e-3 } else { 1e4 }
        };
        Leaf {
            z: (0..64).map(value).collect(),
            t: (0..32).map(|j| f64::from(value(j)) * 0.1).collect(),
            moments: Some(Moments {
                sum: (0..2).map(|j| f64::from(value(j)) / 3.0).collect(),
                squares: f64::from(value(5)) / 7.0,
            }),
        }
    }

    fn node<T: Copy + Into<f64> + Sync>(parts: &[Sums<T>]) -> Option<Sums> {
        let mut node = None;
        parts.iter().for_each(|part| Sums::push(&mut node, part));
        node
    }

    #[test]
    fn machines_that_add_a_node_each_give_the_bits_of_the_tree() {
        for n in [
            1,
            2,
            FAN_IN,
            FAN_IN + 1,
            40,
            FAN_IN * FAN_IN,
            FAN_IN * FAN_IN + 17,
        ] {
            let leaves: Vec<_> = (0..n).map(leaf).collect();
            let mut tree = Tree::default();
            leaves.iter().for_each(|leaf| tree.push(leaf));
            let mut nodes: Vec<_> = leaves.chunks(FAN_IN).filter_map(node).collect();
            while nodes.len() > 1 {
                nodes = nodes.chunks(FAN_IN).filter_map(node).collect();
            }
            assert_eq!(tree.finish().unwrap(), nodes.pop().unwrap(), "{n} leaves");
        }
        let linear = node(&(0..40).map(leaf).collect::<Vec<_>>()).unwrap();
        let mut tree = Tree::default();
        (0..40).for_each(|i| tree.push(&leaf(i)));
        assert_ne!(
            tree.finish().unwrap(),
            linear,
            "the order makes no difference here"
        );
    }

    #[test]
    fn no_leaf_is_no_sum() {
        assert!(Tree::default().finish().is_err());
    }
}
