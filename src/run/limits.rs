//! What a run is asked for and cannot have, told before the work.

use crate::error::{Error, Result};
use crate::steps::pca::{Keep, PcaParams, Solver};
use crate::steps::tsne::TsneParams;

use super::descriptor::Chosen;
use super::machine::{available_bytes, gigabytes};
use super::params::Params;

/// A fit takes more than it counts, since the allocator keeps what was let go: 3,000 rows of 2,500 values and 900 components took
/// 588 MB where 410 are counted, 2,500 of 1,500 and 400 took 181 where 144 are. What is small may be out by 60 MB. A whole run of
/// 4,098 rows of 25,088 values with linfa took 2.24 GB, where 1.65 are counted.
const KEPT: f64 = 1.5;

/// Refuses what `n` images at most cannot have. Of a default there are as many components and neighbours as these images allow, with
/// a warning in the report; what was asked for is had or refused. What does not fit in memory is refused in either case.
pub(super) fn check(params: &Params, n: usize, descriptor: &Chosen) -> Result<()> {
    let free = available_bytes();
    // Nobody waits for a model to be loaded for the sake of a default.
    let d = match params.pca == defaults(&params.pca) {
        true => descriptor.known_n_features(),
        false => Some(descriptor.n_features()?),
    };
    if let Some(d) = d {
        check_pca(&params.pca, n, d, free)?;
    }
    check_tsne(&params.tsne, n, free)
}

/// What nobody asked for.
fn defaults(params: &PcaParams) -> PcaParams {
    PcaParams {
        seed: params.seed,
        max_passes: params.max_passes,
        ..PcaParams::default()
    }
}

fn check_pca(params: &PcaParams, n: usize, d: usize, free: Option<u64>) -> Result<()> {
    params.check_shape(n, d)?;
    let Keep::Components(k) = params.keep else {
        return Ok(());
    };
    let most = n.saturating_sub(1).min(d);
    // Too few images are told by the steps that cannot work on them.
    if most == 0 {
        return Ok(());
    }
    if k > most && params.keep != PcaParams::default().keep {
        return Err(Error::Invalid(format!(
            "there are no {k} components in {n} images of {d} values each: one fewer than images and no more than values, so at \
             most {most}; take --components {most} or fewer"
        )));
    }
    let k = k.min(most);
    let (Some(needed), Some(free)) = (memory(params, n, d, k), free) else {
        return Ok(());
    };
    if needed <= free {
        return Ok(());
    }
    if params.solver == Solver::Linfa {
        return Err(Error::Invalid(format!(
            "the linfa solver takes {} of memory for {n} images of {d} values each, and {} are free: take --pca-solver krylov, \
             which streams them, or fewer images with --limit",
            gigabytes(needed),
            gigabytes(free)
        )));
    }
    let fits = |k| memory(params, n, d, k).is_none_or(|needed| needed <= free);
    let advice = match largest(k, fits) {
        0 => {
            "not one fits; take fewer images with --limit, or a machine with more memory".to_owned()
        }
        k => format!("take --components {k} or fewer, or a machine with more memory"),
    };
    Err(Error::Invalid(format!(
        "{k} components of {n} images of {d} values each take up to {} of memory, and {} are free: {advice}",
        gigabytes(needed),
        gigabytes(free)
    )))
}

/// The most bytes at one time of a fit, and of its components and scores afterwards: as they come, as columns, and as the points of
/// the steps behind.
fn memory(params: &PcaParams, n: usize, d: usize, k: usize) -> Option<u64> {
    let params = PcaParams {
        keep: Keep::Components(k),
        ..params.clone()
    };
    let fit = KEPT * params.memory_bytes(n, d)? as f64;
    let after = k * size_of::<f32>() * (2 * d + 3 * n);
    Some((fit as u64).max(after as u64))
}

fn check_tsne(params: &TsneParams, n: usize, free: Option<u64>) -> Result<()> {
    let asked = params.perplexity;
    let most = TsneParams::most_perplexity(n);
    if most < 1.0 || asked == TsneParams::default().perplexity {
        return Ok(());
    }
    if asked > most {
        return Err(Error::Invalid(format!(
            "perplexity {asked} takes more neighbours than {n} images have: at most (n - 1) / 3; take --perplexity {} or less",
            most.floor()
        )));
    }
    let with = |perplexity: usize| TsneParams {
        perplexity: perplexity as f64,
        ..params.clone()
    };
    let needed = params.memory_bytes(n);
    match free {
        Some(free) if needed > free => {
            let fits = largest(asked as usize, |p| with(p).memory_bytes(n) <= free);
            Err(Error::Invalid(format!(
                "perplexity {asked} of {n} images takes {} of memory, and {} are free; take --perplexity {} or less",
                gigabytes(needed),
                gigabytes(free),
                fits.max(1)
            )))
        }
        _ => Ok(()),
    }
}

/// The largest number below `limit` that fits; 0 if there is none.
fn largest(mut limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let mut found = 0;
    while limit - found > 1 {
        let middle = usize::midpoint(found, limit);
        match fits(middle) {
            true => found = middle,
            false => limit = middle,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(k: usize) -> PcaParams {
        PcaParams {
            keep: Keep::Components(k),
            ..PcaParams::default()
        }
    }

    fn refused(outcome: Result<()>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn components_that_do_not_fit_are_refused_with_the_most_that_do() {
        let (n, d) = (70_000, 25_088);
        let free = Some(16_000_000_000);
        let text = refused(check_pca(&asked(20_000), n, d, free));
        assert!(text.contains("16.0 GB are free"), "{text}");
        let words = text.split("take --components ").nth(1).unwrap();
        let most: usize = words.split(' ').next().unwrap().parse().unwrap();
        assert!(check_pca(&asked(most), n, d, free).is_ok(), "{text}");
        assert!(check_pca(&asked(most + 1), n, d, free).is_err(), "{text}");
        assert!(check_pca(&asked(20_000), n, d, None).is_ok());
        assert!(refused(check_pca(&asked(100), n, d, Some(1000))).contains("not one fits"));
    }

    #[test]
    fn a_default_and_the_other_solver_are_held_to_the_memory_too() {
        let (n, d) = (10_000, 25_088);
        let default = PcaParams::default();
        assert!(check_pca(&default, n, d, Some(1_000_000_000)).is_ok());
        assert!(refused(check_pca(&default, n, d, Some(10_000_000))).contains("64 components"));
        let linfa = PcaParams {
            solver: Solver::Linfa,
            ..PcaParams::default()
        };
        assert!(check_pca(&linfa, n, d, Some(8_000_000_000)).is_ok());
        // The rows are there twice, in double precision.
        let text = refused(check_pca(&linfa, n, d, Some(4_000_000_000)));
        assert!(text.contains("--pca-solver krylov"), "{text}");
    }

    #[test]
    fn more_components_than_images_or_values_are_refused_but_for_the_default() {
        assert!(refused(check_pca(&asked(180), 180, 25_088, None)).contains("at most 179"));
        assert!(refused(check_pca(&asked(600), 1000, 512, None)).contains("at most 512"));
        assert!(check_pca(&asked(179), 180, 25_088, None).is_ok());
        assert!(check_pca(&PcaParams::default(), 6, 25_088, None).is_ok());
        let linfa = PcaParams {
            solver: Solver::Linfa,
            ..PcaParams::default()
        };
        assert!(refused(check_pca(&linfa, 20_000, 25_088, None)).contains("2 GiB"));
    }

    #[test]
    fn a_perplexity_that_cannot_be_is_refused_but_for_the_default() {
        let with = |perplexity| TsneParams {
            perplexity,
            ..TsneParams::default()
        };
        assert!(refused(check_tsne(&with(40.0), 100, None)).contains("--perplexity 33 or less"));
        assert!(check_tsne(&with(30.0), 20, None).is_ok());
        let text = refused(check_tsne(&with(20_000.0), 70_000, Some(16_000_000_000)));
        assert!(
            text.contains("252.0 GB of memory") && text.contains("--perplexity 1269 or less"),
            "{text}"
        );
    }
}
