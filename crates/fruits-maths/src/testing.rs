//! Seeded data for the tests.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::matrix::Matrix;

/// Standard normal values, the same for the same seed.
pub fn normals<T>(seed: u64) -> impl Iterator<Item = T>
where
    StandardNormal: Distribution<T>,
{
    StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(seed))
}

/// `n` x `d` of them.
pub fn normal(n: usize, d: usize, seed: u64) -> Matrix {
    Matrix::new(n, d, normals(seed).take(n * d).collect()).unwrap()
}

/// The result of `work` on one, two and five threads, which must be the same.
pub fn on_any_number_of_threads<T: PartialEq + std::fmt::Debug + Send>(
    work: impl Fn() -> T + Sync,
) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(&work)
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
}
