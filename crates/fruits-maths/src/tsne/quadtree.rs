//! Repulsion between the points of an embedding, by Barnes and Hut.
//!
//! Points are sorted along a Morton curve, so that a cell of the quadtree is a range of the sorted
//! points and the tree is the same for the same positions. Neighbouring points share one list of
//! what acts on them: far cells as their centre of mass, near points one by one. The
//! lists are dense, and so is the arithmetic.

use rayon::prelude::*;

use super::bounds::Bounds;
use super::curve::{index, sort};
use super::sources::{Repulsion, Sources};
use crate::simd::clear_upper_halves;

/// Points a cell may have without being divided. The fastest of 8, 16, 24 and 32 with `GROUP`, on
/// 4,098 images; larger leaves are also more accurate (divergence 0.244, 0.239, 0.235, 0.234).
const LEAF: usize = 16;

/// Largest cell whose points share a list. Larger groups walk the tree less often but open more
/// cells, which costs time and buys accuracy: the fastest of 16, 32 and 64 there.
const GROUP: usize = 32;

/// Groups a worker takes at a time; only speed depends on it.
const GROUPS_PER_TASK: usize = 4;

/// A cell, in depth-first order: what lies below it follows it, up to `next`.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Centre of mass.
    x: f32,
    y: f32,
    /// Number of points.
    mass: f32,
    /// (Longer side of the smallest box around the points)^2; 0 for points at one place.
    size_squared: f32,
    /// The first cell that is not below this one.
    next: u32,
    /// The cell's points in the sorted order, if it is not divided; empty otherwise.
    start: u32,
    end: u32,
}

/// Points that share a list: a range of the sorted points.
#[derive(Clone, Copy)]
struct Group {
    start: u32,
    end: u32,
    bounds: Bounds,
}

/// A tree over one embedding; its memory is used again for the next.
#[derive(Default)]
pub(super) struct Quadtree {
    /// Place on the curve in the upper half, index of the point in the lower.
    keys: Vec<u64>,
    x: Vec<f32>,
    y: Vec<f32>,
    cells: Vec<Cell>,
    groups: Vec<Group>,
}

/// What a cell tells the one above it.
struct Summary {
    sum: [f64; 2],
    bounds: Bounds,
}

impl Quadtree {
    /// The tree over `positions`, at least one.
    pub fn build(&mut self, positions: &[[f32; 2]]) {
        sort(&mut self.keys, positions);
        self.x.clear();
        self.y.clear();
        for &key in &self.keys {
            let [x, y] = positions[index(key)];
            self.x.push(x);
            self.y.push(y);
        }
        self.cells.clear();
        self.groups.clear();
        self.divide(0, positions.len(), false);
    }

    /// The repulsion on every point of the sorted order; [`order`](Self::order) says which it is.
    pub fn repulsion(&self, theta: f32, forces: &mut [Repulsion]) {
        let mut rest = forces;
        let mut tasks = Vec::with_capacity(self.groups.len().div_ceil(GROUPS_PER_TASK));
        for groups in self.groups.chunks(GROUPS_PER_TASK) {
            let n: u32 = groups.iter().map(|group| group.end - group.start).sum();
            let (forces, others) = rest.split_at_mut(n as usize);
            rest = others;
            tasks.push((groups, forces));
        }
        tasks
            .into_par_iter()
            .for_each_init(Sources::default, |list, (groups, forces)| {
                clear_upper_halves();
                let mut forces = forces;
                for group in groups {
                    let (own, others) = forces.split_at_mut((group.end - group.start) as usize);
                    forces = others;
                    self.list(group, theta * theta, list);
                    let points = group.start as usize..group.end as usize;
                    list.act(&self.x[points.clone()], &self.y[points], own);
                }
            });
    }

    /// The points in sorted order.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|&key| index(key))
    }

    /// Adds the cell of the sorted points `start..end` and all below it.
    fn divide(&mut self, start: usize, end: usize, in_group: bool) -> Summary {
        let n = end - start;
        let new_group = !in_group && n <= GROUP;
        let group = self.groups.len();
        if new_group {
            self.groups.push(Group {
                start: start as u32,
                end: end as u32,
                bounds: Bounds::NOTHING,
            });
        }
        let cell = self.cells.len();
        self.cells.push(Cell::default());
        let mut summary = Summary {
            sum: [0.0; 2],
            bounds: Bounds::NOTHING,
        };
        // The highest digit in which the places differ: levels with one child are skipped.
        let differing = (self.keys[start] ^ self.keys[end - 1]) >> 32;
        let one_place = differing == 0;
        let is_leaf = n <= LEAF || one_place;
        if is_leaf {
            for (&x, &y) in self.x[start..end].iter().zip(&self.y[start..end]) {
                summary.bounds.include([x, y], [x, y]);
                summary.sum[0] += f64::from(x);
                summary.sum[1] += f64::from(y);
            }
            if !in_group && !new_group {
                self.divide_place(start, end, summary.bounds);
            }
        } else {
            let shift = 32 + (63 - differing.leading_zeros()) / 2 * 2;
            let prefix = self.keys[start] >> shift & !3;
            let mut from = start;
            for digit in 1..=4 {
                let to = from
                    + self.keys[from..end].partition_point(|key| key >> shift < prefix + digit);
                if to > from {
                    let below = self.divide(from, to, in_group || new_group);
                    summary.bounds.include(below.bounds.low, below.bounds.high);
                    summary.sum[0] += below.sum[0];
                    summary.sum[1] += below.sum[1];
                    from = to;
                }
            }
        }
        if new_group {
            self.groups[group].bounds = summary.bounds;
        }
        let side = if one_place {
            0.0
        } else {
            summary.bounds.side()
        };
        self.cells[cell] = Cell {
            x: (summary.sum[0] / n as f64) as f32,
            y: (summary.sum[1] / n as f64) as f32,
            mass: n as f32,
            size_squared: side * side,
            next: self.cells.len() as u32,
            start: start as u32,
            end: if is_leaf { end } else { start } as u32,
        };
        summary
    }

    /// Groups for points at one place, too many for one group.
    fn divide_place(&mut self, start: usize, end: usize, bounds: Bounds) {
        for start in (start..end).step_by(GROUP) {
            let end = end.min(start + GROUP);
            self.groups.push(Group {
                start: start as u32,
                end: end as u32,
                bounds,
            });
        }
    }

    /// Everything that acts on the points of `group`, themselves included.
    fn list(&self, group: &Group, theta_squared: f32, list: &mut Sources) {
        list.clear();
        let Bounds { low, high } = group.bounds;
        let mut at = 0;
        while let Some(cell) = self.cells.get(at) {
            // From the nearest point of the box around the group.
            let dx = (low[0] - cell.x).max(cell.x - high[0]).max(0.0);
            let dy = (low[1] - cell.y).max(cell.y - high[1]).max(0.0);
            if cell.size_squared <= theta_squared * (dx * dx + dy * dy) {
                list.push(cell.x, cell.y, cell.mass);
                at = cell.next as usize;
            } else if cell.end > cell.start {
                for i in cell.start as usize..cell.end as usize {
                    list.push(self.x[i], self.y[i], 1.0);
                }
                at = cell.next as usize;
            } else {
                at += 1;
            }
        }
        list.pad();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    fn places(n: usize, scale: f32) -> Vec<[f32; 2]> {
        let places = normal(n, 2, 2);
        let (places, _) = places.values().as_chunks::<2>();
        places.iter().map(|at| at.map(|v| scale * v)).collect()
    }

    fn by_tree(positions: &[[f32; 2]], theta: f32) -> Vec<Repulsion> {
        let mut tree = Quadtree::default();
        tree.build(positions);
        let mut sorted = vec![Repulsion::default(); positions.len()];
        tree.repulsion(theta, &mut sorted);
        let mut repulsions = sorted.clone();
        tree.order()
            .zip(sorted)
            .for_each(|(i, repulsion)| repulsions[i] = repulsion);
        repulsions
    }

    fn directly(positions: &[[f32; 2]], i: usize) -> [f64; 3] {
        let mut sums = [0.0; 3];
        for (j, other) in positions.iter().enumerate() {
            if j == i {
                continue;
            }
            let [dx, dy] = [0, 1].map(|a| f64::from(positions[i][a]) - f64::from(other[a]));
            let q = 1.0 / (1.0 + dx * dx + dy * dy);
            sums[0] += q * q * dx;
            sums[1] += q * q * dy;
            sums[2] += q;
        }
        sums
    }

    /// Largest error of a force and of a share of Z, relative to the root mean square of either.
    fn errors(positions: &[[f32; 2]], theta: f32) -> [f64; 2] {
        let n = positions.len() as f64;
        let (mut worst, mut squares) = ([0.0f64; 2], [0.0; 2]);
        for (i, found) in by_tree(positions, theta).iter().enumerate() {
            let [x, y, z] = directly(positions, i);
            let off = (f64::from(found.force[0]) - x).hypot(f64::from(found.force[1]) - y);
            worst = [
                worst[0].max(off),
                worst[1].max((f64::from(found.z) - z).abs()),
            ];
            squares = [squares[0] + x * x + y * y, squares[1] + z * z];
        }
        [0, 1].map(|which| worst[which] / (squares[which] / n).sqrt())
    }

    #[test]
    fn theta_zero_is_the_sum_over_all_pairs() {
        for (n, scale) in [
            (1, 1.0),
            (2, 1.0),
            (9, 1.0),
            (700, 1e-4),
            (700, 1.0),
            (700, 30.0),
        ] {
            let positions = places(n, scale);
            let [force, z] = errors(&positions, 0.0);
            assert!(
                n == 1 || (force < 1e-4 && z < 1e-5),
                "{n} {scale}: {force} {z}"
            );
        }
    }

    #[test]
    fn theta_a_half_is_close_to_it() {
        for scale in [1e-4, 1.0, 30.0] {
            let [force, z] = errors(&places(700, scale), 0.5);
            assert!(force < 0.1 && z < 0.03, "{scale}: {force} {z}");
        }
    }

    #[test]
    fn many_points_at_one_place_are_one_source() {
        let mut positions = places(300, 5.0);
        positions[50..250].fill([0.25, -3.0]);
        for theta in [0.0, 0.5] {
            let [force, z] = errors(&positions, theta);
            assert!(force < 0.05 && z < 0.01, "{theta}: {force} {z}");
        }
        let alike = by_tree(&[[2.0, 1.0]; 100], 0.5);
        assert!(
            alike
                .iter()
                .all(|r| r.force == [0.0, 0.0] && (r.z - 99.0).abs() < 1e-4)
        );
    }

    #[test]
    fn an_outlier_far_away_changes_nothing_near() {
        let mut positions = places(400, 1e-3);
        positions.push([1e6, -1e6]);
        let repulsions = by_tree(&positions, 0.5);
        assert!(repulsions[..400].iter().all(|r| (r.z - 399.0).abs() < 0.01));
    }
}
