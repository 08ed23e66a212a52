//! Block Krylov iteration with Rayleigh-Ritz: the leading eigenpairs of a covariance that is never
//! formed, to a stated residual.
//!
//! # References
//! Musco & Musco, Randomized block Krylov methods for stronger and faster approximate singular value
//! decomposition, 2015 (arXiv:1504.05477). Halko, Martinsson & Tropp, Finding structure with
//! randomness, 2011 (arXiv:0909.4061). Wu & Simon, Thick-restart Lanczos method for large symmetric
//! eigenvalue problems, SIAM J. Matrix Anal. Appl. 22 (2000).

use faer::Mat;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::dense::{combine, eigen, gram, normalise, project, subtract};
use super::panel::{Panel, Tall};
use super::params::Keep;
use super::solution::{Solution, fix_signs, identical, reaches};
use super::sums::Passes;
use crate::error::{Error, Result};

/// Fewest columns of the block. There are none beyond the components: a Krylov block finds more pairs than it has
/// columns, and for 64 components of 4,098 VGG16 features 7 passes of 64 columns took 1.3 to 1.6 s where 6 passes of
/// 96 took 2.2 to 3.2 s (2 busy cores, same hour, ratios equal to 3e-9).
const LEAST_WIDTH: usize = 64;
/// Ritz vectors beyond the components that survive a restart.
const RESERVE: usize = 32;
/// Up to this rank the block takes the whole space and the whole spectrum is found, for the cost of a few passes of 64
/// columns. It is also the block where the number of components is not known beforehand.
const WHOLE_RANK: usize = 256;
/// `||C v - theta v|| / theta` at which a pair is found: its eigenvalue is then off by the square over the gap.
const RESIDUAL: f64 = 1e-4;
/// What `f32` products resolve, relative to the largest eigenvalue: 16 units in the last place.
const RESOLUTION: f64 = 1e-6;
/// Change of the explained share from pass to pass at which it stands.
const CHANGE: f64 = 1e-7;
/// Relative residual below which a value past the kept ones counts as found.
const FURTHER: f64 = 1e-2;
/// Blocks of the basis before it shrinks to its best vectors: 8 x 64 columns of 25,088 values take 51 MB.
pub(super) const MAX_BLOCKS: usize = 8;

/// Columns of the first block, for rows of at most so many components.
pub(super) fn block_width(keep: Keep, rank_limit: usize) -> usize {
    match keep {
        Keep::Components(k) if rank_limit > WHOLE_RANK => k.max(LEAST_WIDTH).min(rank_limit),
        _ => rank_limit.min(WHOLE_RANK),
    }
}

/// Runs passes over the rows until `keep` is met or `max_passes` were made.
pub(super) fn solve(
    rows: &mut dyn Passes,
    keep: Keep,
    seed: u64,
    max_passes: usize,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Solution> {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let rank_limit = (n - 1).min(d);
    let width = block_width(keep, rank_limit);
    let mut covariance = Covariance::new(rows);
    let mut q = start(d, width, seed)?;
    let mut space = Space {
        basis: Vec::new(),
        t: Mat::zeros(0, 0),
    };
    let mut explained = 0.0;
    for pass in 0..max_passes {
        if !progress(pass, max_passes) {
            return Err(Error::Cancelled);
        }
        let mut w = covariance.times(&q)?;
        let width = q.width;
        space.basis.push(q);
        // C Q meets no block before the last but one; what rounding leaves there is taken out below.
        let near = &space.basis[space.basis.len().saturating_sub(2)..];
        let h = project(near, &w);
        subtract(near, &h, &mut w);
        space.extend(&h, width);

        let total = covariance.total_variance;
        let last = pass + 1 == max_passes;
        let mut ritz = None;
        // A space that holds less variance than asked for needs no look at its eigenvalues.
        if last || space.holds(keep, total) {
            let found = Ritz::new(&space, &gram(&w), keep, total, rank_limit)?;
            let met = found.met() && (found.explained - explained).abs() < CHANGE;
            explained = found.explained;
            if met || last {
                return found.finish(&space, covariance, keep, pass + 1, met);
            }
            if space.dim() + width > (MAX_BLOCKS * width).max(2 * (found.k + RESERVE)) {
                space.restart(&found, found.k + RESERVE);
            }
            ritz = Some(found);
        }
        // What is shorter than the products resolve is rounding; it would come back as directions the basis has.
        w = normalise(&w, RESOLUTION * space.largest())?;
        let again = project(&space.basis, &w);
        subtract(&space.basis, &again, &mut w);
        q = normalise(&w, 0.5)?.round();
        if q.width == 0 {
            // The space holds all rows: its values are exact.
            let found = match ritz {
                Some(found) => found,
                None => Ritz::new(&space, &Mat::zeros(0, 0), keep, total, rank_limit)?,
            };
            return found.finish(&space, covariance, keep, pass + 1, true);
        }
    }
    Err(Error::Internal("PCA made no pass".into()))
}

/// The covariance C of the rows, as something to multiply with.
struct Covariance<'a> {
    rows: &'a mut dyn Passes,
    n: usize,
    /// `mu - c`; empty before the first pass.
    delta: Vec<f64>,
    total_variance: f64,
}

impl<'a> Covariance<'a> {
    fn new(rows: &'a mut dyn Passes) -> Self {
        Self {
            n: rows.n_rows(),
            rows,
            delta: Vec::new(),
            total_variance: 0.0,
        }
    }

    /// `C Q` in one pass; the first also gives the mean and the total variance.
    fn times(&mut self, q: &Panel) -> Result<Tall> {
        let n = self.n as f64;
        let mut z = if self.delta.is_empty() {
            let sums = self.rows.pass(q, None, true)?;
            let moments = sums.moments.unwrap_or_default();
            let shifted: f64 = moments.sum.iter().map(|s| s * s).sum::<f64>() / n;
            self.delta = moments.sum.iter().map(|s| s / n).collect();
            self.total_variance = (moments.squares - shifted).max(0.0) / (n - 1.0);
            if self.total_variance == 0.0 {
                return Err(identical(self.n));
            }
            let mut z = q.like(sums.z);
            // sum (x - mu)(x - mu)^T Q = sum (x - c)(x - c)^T Q - n delta delta^T Q.
            rank_one(&mut z, &self.delta, &inner(&self.delta, q), -n);
            z
        } else {
            let centre: Vec<f32> = inner(&self.delta, q).iter().map(|&c| c as f32).collect();
            let sums = self.rows.pass(q, Some(&centre), false)?;
            let mut z = q.like(sums.z);
            // The scores sum to zero up to rounding; what is left is taken out.
            rank_one(&mut z, &self.delta, &sums.t, -1.0);
            z
        };
        z.values.iter_mut().for_each(|z| *z /= n - 1.0);
        Ok(z)
    }

    fn mean(&self) -> Vec<f64> {
        self.delta
            .iter()
            .enumerate()
            .map(|(j, x)| self.rows.shift(j) + x)
            .collect()
    }
}

/// Rayleigh-Ritz pairs of a space.
struct Ritz {
    /// Values, largest first.
    theta: Vec<f64>,
    /// Vectors in the basis, as columns.
    y: Mat<f64>,
    /// `||C v - theta v||` of each.
    residuals: Vec<f64>,
    /// How many are to be kept.
    k: usize,
    /// Whether these satisfy the rule.
    reached: bool,
    /// Share of the total variance they explain.
    explained: f64,
    total: f64,
}

impl Ritz {
    /// `g` is `W^T W` of what the covariance leads out of the space.
    fn new(space: &Space, g: &Mat<f64>, keep: Keep, total: f64, rank_limit: usize) -> Result<Self> {
        let (theta, y) = eigen(space.t.as_ref())?;
        let residuals = space.residuals(&y, g);
        let most = theta.len().min(rank_limit);
        let enough = match keep {
            Keep::Components(k) => (k <= theta.len() || most == rank_limit).then_some(k),
            Keep::Variance(share) => reaches(&theta, share * total),
        };
        let k = enough.unwrap_or(most).min(most);
        let explained = theta[..k].iter().sum::<f64>() / total;
        Ok(Self {
            theta,
            y,
            residuals,
            k,
            reached: enough.is_some(),
            explained,
            total,
        })
    }

    fn floor(&self) -> f64 {
        RESOLUTION * self.theta.first().copied().unwrap_or_default()
    }

    fn met(&self) -> bool {
        let found = |i: usize| self.residuals[i] <= (RESIDUAL * self.theta[i]).max(self.floor());
        self.reached && (0..self.k).all(found)
    }

    fn finish(
        self,
        space: &Space,
        covariance: Covariance<'_>,
        keep: Keep,
        n_passes: usize,
        converged: bool,
    ) -> Result<Solution> {
        if let Keep::Variance(share) = keep
            && !self.reached
            && !converged
        {
            return Err(Error::Invalid(format!(
                "{n_passes} passes found components for {:.4} of the variance, not for {share}; allow more passes",
                self.explained
            )));
        }
        let (k, theta, residuals) = (self.k, &self.theta, &self.residuals);
        let most = (covariance.n - 1)
            .min(covariance.delta.len())
            .min(theta.len());
        let further = (k..most)
            .take_while(|&i| theta[i] > self.floor() && residuals[i] <= FURTHER * theta[i])
            .count();
        let with_variance = (0..k).filter(|&i| theta[i] > self.floor());
        let residual = with_variance
            .map(|i| residuals[i] / theta[i])
            .fold(0.0, f64::max);
        let v = combine(&space.basis, self.y.as_ref().subcols(0, k));
        let mut components = Vec::with_capacity(k * v.n_rows);
        for j in 0..k {
            components.extend(v.values.chunks_exact(v.stride).map(|row| row[j]));
        }
        fix_signs(&mut components, v.n_rows);
        Ok(Solution {
            n_samples: covariance.n,
            mean: covariance.mean(),
            total_variance: self.total,
            values: theta[..k + further].iter().map(|t| t.max(0.0)).collect(),
            components,
            residual: Some(residual),
            n_passes,
            converged,
        })
    }
}

/// Orthonormal basis K of the Krylov space and T = K^T C K.
struct Space {
    basis: Vec<Panel>,
    t: Mat<f64>,
}

impl Space {
    fn dim(&self) -> usize {
        self.t.nrows()
    }

    /// Whether the space can hold what is asked for: the trace of T is the variance in it.
    fn holds(&self, keep: Keep, total: f64) -> bool {
        match keep {
            Keep::Components(_) => true,
            Keep::Variance(share) => {
                (0..self.dim()).map(|i| self.t[(i, i)]).sum::<f64>() >= share * total
            }
        }
    }

    /// Largest variance along a vector of the basis.
    fn largest(&self) -> f64 {
        (0..self.dim()).map(|i| self.t[(i, i)]).fold(0.0, f64::max)
    }

    /// Borders T with `h = K^T C Q`, Q being the last `width` columns of K; `h` holds its last rows, the others are
    /// zero.
    fn extend(&mut self, h: &Mat<f64>, width: usize) {
        let (old, dim) = (self.dim(), self.dim() + width);
        let zeros = dim - h.nrows();
        let h = |i: usize, j: usize| if i < zeros { 0.0 } else { h[(i - zeros, j)] };
        let t = &self.t;
        self.t = Mat::from_fn(dim, dim, |i, j| match (i < old, j < old) {
            (true, true) => t[(i, j)],
            (true, false) => h(i, j - old),
            (false, true) => h(j, i - old),
            (false, false) => 0.5 * (h(i, j - old) + h(j, i - old)),
        });
    }

    /// `||C v - theta v||` of each Ritz vector `v = K y`: since C K = K T + W E^T with E the last
    /// block, it is `||W y_last||`; `g` is `W^T W`.
    fn residuals(&self, y: &Mat<f64>, g: &Mat<f64>) -> Vec<f64> {
        let width = g.nrows();
        let last = y.as_ref().subrows(self.dim() - width, width);
        let product = g * last;
        (0..self.dim())
            .map(|j| {
                (0..width)
                    .map(|i| last[(i, j)] * product[(i, j)])
                    .sum::<f64>()
            })
            .map(|square| square.max(0.0).sqrt())
            .collect()
    }

    /// Keeps the `n` best Ritz vectors only.
    fn restart(&mut self, ritz: &Ritz, n: usize) {
        let n = n.min(ritz.theta.len());
        self.basis = vec![combine(&self.basis, ritz.y.as_ref().subcols(0, n))];
        self.t = Mat::from_fn(n, n, |i, j| if i == j { ritz.theta[i] } else { 0.0 });
    }
}

/// Seeded Gaussian block, orthonormal.
fn start(d: usize, width: usize, seed: u64) -> Result<Panel> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut w = Tall::zeros(d, width);
    for row in w.values.chunks_exact_mut(w.stride) {
        for x in &mut row[..width] {
            *x = StandardNormal.sample(&mut rng);
        }
    }
    // Gaussian columns this long are nearly orthogonal: one round is enough, unless there are few rows.
    let once = normalise(&w, 0.0)?;
    Ok(if d > 4 * width {
        once
    } else {
        normalise(&once, 0.0)?
    }
    .round())
}

/// `Q^T x` in `f64`, padded like a row of Q.
fn inner(x: &[f64], q: &Panel) -> Vec<f64> {
    let mut out = vec![0.0; q.stride];
    for (&x, q) in x.iter().zip(q.values.chunks_exact(q.stride)) {
        out.iter_mut()
            .zip(q)
            .for_each(|(out, &q)| *out += x * f64::from(q));
    }
    out
}

/// `Z += factor x y^T`.
fn rank_one(z: &mut Tall, x: &[f64], y: &[f64], factor: f64) {
    for (z, x) in z.values.chunks_exact_mut(y.len()).zip(x) {
        z.iter_mut().zip(y).for_each(|(z, y)| *z += factor * x * y);
    }
}
