//! Gradient descent of t-SNE.

use rayon::prelude::*;

use super::affinities::Affinities;
use super::quadtree::Quadtree;
use super::sources::Repulsion;
use crate::simd::clear_upper_halves;

/// Added to a gain that has just shrunk, so that it stays at 0.05 or above (openTSNE, `min_gain`).
const MIN_GAIN: f32 = 0.01;

/// A gain grows by the first while its coordinate keeps going down, and shrinks by the second once
/// the gradient turns (Jacobs 1988; both numbers from van der Maaten & Hinton 2008).
const GAIN_GROWTH: f32 = 0.2;
const GAIN_DECAY: f32 = 0.8;

/// Longest step of a point, in units of the embedding (openTSNE, `max_step_norm`).
const MAX_STEP: f32 = 5.0;

/// Keeps 1 / Z a float32 where rounding leaves nothing of Z; far below any embedding's.
const LEAST_Z: f64 = 1e-30;

/// Points a worker takes at a time; only speed depends on it.
const POINTS_PER_TASK: usize = 128;

/// Width of the vectors the inner loop is written for: 8 float32 are two SSE or one AVX register.
const LANES: usize = 8;

/// One step's parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub exaggeration: f32,
    pub learning_rate: f32,
    pub momentum: f32,
    pub theta: f32,
}

/// Points on their way down. The gradient is `exaggeration * sum p q (y_i - y_j) - sum q^2 (y_i -
/// y_j) / Z`, without the factor 4 of the derivative, as in openTSNE: learning rates refer to it.
pub(super) struct Descent {
    attraction: Attraction,
    positions: Vec<[f32; 2]>,
    velocities: Vec<[f32; 2]>,
    gains: Vec<[f32; 2]>,
    attractions: Vec<[f32; 2]>,
    repulsions: Vec<Repulsion>,
    tree: Quadtree,
}

impl Descent {
    pub fn new(p: &Affinities, positions: Vec<[f32; 2]>) -> Self {
        let n = positions.len();
        Self {
            attraction: Attraction::new(p),
            positions,
            velocities: vec![[0.0; 2]; n],
            gains: vec![[1.0; 2]; n],
            attractions: vec![[0.0; 2]; n],
            repulsions: vec![Repulsion::default(); n],
            tree: Quadtree::default(),
        }
    }

    pub fn positions(&self) -> &[[f32; 2]] {
        &self.positions
    }

    /// Moves every point once, then the mean to the origin.
    pub fn step(&mut self, step: Step) {
        let z = self.forces(step.theta);
        let inverse_z = (1.0 / z.max(LEAST_Z)) as f32;
        let mut sum = [0.0f64; 2];
        for (i, repulsion) in self.tree.order().zip(&self.repulsions) {
            let (position, velocity) = (&mut self.positions[i], &mut self.velocities[i]);
            for (axis, velocity) in velocity.iter_mut().enumerate() {
                let attraction = step.exaggeration * self.attractions[i][axis];
                let gradient = attraction - inverse_z * repulsion.force[axis];
                let gain = &mut self.gains[i][axis];
                // A velocity with the sign of the gradient goes up: the gradient has turned.
                *gain = if *velocity * gradient > 0.0 {
                    *gain * GAIN_DECAY + MIN_GAIN
                } else {
                    *gain + GAIN_GROWTH
                };
                *velocity = step.momentum * *velocity - step.learning_rate * *gain * gradient;
            }
            let length = (velocity[0] * velocity[0] + velocity[1] * velocity[1]).sqrt();
            let shortened = if length > MAX_STEP {
                MAX_STEP / length
            } else {
                1.0
            };
            *velocity = velocity.map(|value| value * shortened);
            *position = [position[0] + velocity[0], position[1] + velocity[1]];
            sum = [
                sum[0] + f64::from(position[0]),
                sum[1] + f64::from(position[1]),
            ];
        }
        let mean = sum.map(|sum| (sum / self.positions.len() as f64) as f32);
        for position in &mut self.positions {
            position[0] -= mean[0];
            position[1] -= mean[1];
        }
    }

    /// Fills `attractions` (by point) and `repulsions` (in the order of the tree); returns Z.
    fn forces(&mut self, theta: f32) -> f64 {
        let Self {
            attraction,
            positions,
            attractions,
            tree,
            repulsions,
            ..
        } = self;
        rayon::join(
            || tree.build(positions),
            || attraction.act(positions, attractions),
        );
        tree.repulsion(theta, repulsions);
        repulsions
            .iter()
            .map(|repulsion| f64::from(repulsion.z))
            .sum()
    }
}

/// P in float32, every row filled up to whole vectors with entries that do nothing.
struct Attraction {
    /// Row `i` is the vectors `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    columns: Vec<[u32; LANES]>,
    values: Vec<[f32; LANES]>,
}

impl Attraction {
    fn new(p: &Affinities) -> Self {
        let mut this = Self {
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
        };
        for i in 0..p.n() {
            let (columns, values) = p.row(i);
            for (columns, values) in columns.chunks(LANES).zip(values.chunks(LANES)) {
                let (mut column, mut value) = ([i as u32; LANES], [0.0; LANES]);
                column[..columns.len()].copy_from_slice(columns);
                value
                    .iter_mut()
                    .zip(values)
                    .for_each(|(value, &p)| *value = p as f32);
                this.columns.push(column);
                this.values.push(value);
            }
            this.starts.push(this.columns.len());
        }
        this
    }

    /// The sum over j of p q (y_i - y_j), q = 1 / (1 + |y_i - y_j|^2), of every point.
    fn act(&self, positions: &[[f32; 2]], forces: &mut [[f32; 2]]) {
        forces
            .par_chunks_mut(POINTS_PER_TASK)
            .enumerate()
            .for_each(|(task, forces)| {
                clear_upper_halves();
                for (i, force) in (task * POINTS_PER_TASK..).zip(forces) {
                    *force = self.act_on(i, positions);
                }
            });
    }

    fn act_on(&self, i: usize, positions: &[[f32; 2]]) -> [f32; 2] {
        let [x, y] = positions[i];
        let range = self.starts[i]..self.starts[i + 1];
        let (mut fx, mut fy) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (columns, values) in self.columns[range.clone()].iter().zip(&self.values[range]) {
            let (mut dx, mut dy) = ([0.0f32; LANES], [0.0f32; LANES]);
            for lane in 0..LANES {
                let [xj, yj] = positions[columns[lane] as usize];
                dx[lane] = x - xj;
                dy[lane] = y - yj;
            }
            for lane in 0..LANES {
                let squared = dx[lane] * dx[lane] + dy[lane] * dy[lane];
                let weight = values[lane] / (1.0 + squared);
                fx[lane] += weight * dx[lane];
                fy[lane] += weight * dy[lane];
            }
        }
        [fx.iter().sum(), fy.iter().sum()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::divergence::tests::{direct_divergence, problem};
    use crate::tsne::divergence::{kl_divergence, normaliser};

    #[test]
    fn the_gradient_is_a_quarter_of_the_derivative_of_the_divergence() {
        let (p, positions) = problem(60);
        let mut descent = Descent::new(&p, positions.clone());
        let z = descent.forces(0.0);
        let mut exact: Vec<_> = positions
            .iter()
            .map(|position| position.map(f64::from))
            .collect();
        for (i, repulsion) in descent.tree.order().zip(&descent.repulsions) {
            for axis in 0..2 {
                let gradient =
                    f64::from(descent.attractions[i][axis]) - f64::from(repulsion.force[axis]) / z;
                let at = exact[i][axis];
                let mut around = [0.0; 2];
                for (side, shift) in [(0, -1e-5), (1, 1e-5)] {
                    exact[i][axis] = at + shift;
                    around[side] = direct_divergence(&p, &exact);
                }
                exact[i][axis] = at;
                let derivative = (around[1] - around[0]) / 2e-5;
                assert!(
                    (4.0 * gradient - derivative).abs() < 1e-6,
                    "{gradient} {derivative}"
                );
            }
        }
    }

    #[test]
    fn steps_go_down() {
        let (p, positions) = problem(150);
        let divergence =
            |positions: &[[f32; 2]]| kl_divergence(&p, positions, normaliser(positions));
        let before = divergence(&positions);
        let mut descent = Descent::new(&p, positions);
        let step = Step {
            exaggeration: 1.0,
            learning_rate: 150.0,
            momentum: 0.8,
            theta: 0.5,
        };
        (0..100).for_each(|_| descent.step(step));
        assert!(divergence(descent.positions()) < 0.8 * before);
    }
}
