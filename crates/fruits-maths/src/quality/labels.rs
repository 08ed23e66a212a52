//! Votes of neighbours on labels.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};
use rayon::prelude::*;

use super::measures::{ClassQuality, Confusion, Confusions, LabelQuality, PermutationNull};
use super::rows::InSpace;
use crate::error::{Error, Result};
use crate::neighbors::Neighbors;
use crate::votes::{Classes, vote};

/// Permutations of the labels: the smallest possible p-value is then 0.01.
const N_PERMUTATIONS: usize = 99;
/// Permutations of a thread between two looks whether to go on: 0.2 s at 67,692 rows. Only speed depends on it.
const PERMUTATIONS_PER_THREAD: usize = 8;
/// Pairs of class and vote in the record: 131 classes and a wrong pair for each of them seven times, 100 kB.
const MAX_PAIRS: usize = 1_000;

/// Share of the rows whose class their neighbours vote for.
pub(super) fn accuracy(near: &Neighbors, classes: &[usize]) -> f64 {
    let right = |&i: &usize| vote(near.indices(i), classes) == classes[i];
    (0..classes.len()).filter(right).count() as f64 / classes.len() as f64
}

/// The labels in one space; `measured` are `rows` in it.
pub(super) fn label_quality(
    near: &Neighbors,
    classes: &Classes,
    rows: &[usize],
    measured: &[InSpace],
    seed: u64,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<LabelQuality> {
    let n_classes = classes.names.len();
    let votes: Vec<usize> = (0..classes.numbers.len())
        .map(|i| vote(near.indices(i), &classes.numbers))
        .collect();
    let mut pairs = BTreeMap::new();
    for (&class, &vote) in classes.numbers.iter().zip(&votes) {
        *pairs.entry((class, vote)).or_default() += 1;
    }
    let right = |class: usize| pairs.get(&(class, class)).copied().unwrap_or(0u64);
    let accuracy = (0..n_classes).map(right).sum::<u64>() as f64 / classes.numbers.len() as f64;

    let mut pairs_of_others = BTreeMap::new();
    let mut by_class = vec![Sums::default(); n_classes];
    for (&i, row) in rows.iter().zip(measured) {
        let class = classes.numbers[i];
        let sums = &mut by_class[class];
        sums.n += 1;
        sums.silhouette += row.silhouette;
        if let Some(vote) = row.vote_of_others {
            *pairs_of_others.entry((class, vote)).or_default() += 1;
            sums.n_judged += 1;
            sums.n_right += usize::from(votes[i] == class);
            sums.n_right_of_others += usize::from(vote == class);
        }
    }
    let total = by_class.iter().fold(Sums::default(), |a, b| Sums {
        n: a.n + b.n,
        silhouette: a.silhouette + b.silhouette,
        n_judged: a.n_judged + b.n_judged,
        n_right: a.n_right + b.n_right,
        n_right_of_others: a.n_right_of_others + b.n_right_of_others,
    });
    let class = |(c, sums): (usize, &Sums)| ClassQuality {
        label: classes.names[c].to_owned(),
        n: classes.counts[c] as u64,
        n_measured: sums.n as u64,
        accuracy: right(c) as f64 / classes.counts[c] as f64,
        accuracy_other_sequences: sums.share_of_judged(sums.n_right_of_others),
        silhouette: (sums.n > 0).then(|| sums.silhouette / sums.n as f64),
    };
    Ok(LabelQuality {
        accuracy,
        null: null(near, &classes.numbers, accuracy, seed, keep_going)?,
        accuracy_judged: total.share_of_judged(total.n_right),
        accuracy_other_sequences: total.share_of_judged(total.n_right_of_others),
        silhouette: total.silhouette / total.n as f64,
        classes: by_class.iter().enumerate().map(class).collect(),
        confusion: confusion(&pairs, classes),
        confusion_other_sequences: confusion(&pairs_of_others, classes),
    })
}

/// The pairs of class and vote with the most images, in the order of their names.
fn confusion(pairs: &BTreeMap<(usize, usize), u64>, classes: &Classes) -> Confusions {
    let mut listed: Vec<_> = pairs.iter().map(|(&pair, &n)| (n, pair)).collect();
    listed.sort_by_key(|&(n, pair)| (Reverse(n), pair));
    let n_unlisted = listed.iter().skip(MAX_PAIRS).map(|(n, _)| n).sum();
    listed.truncate(MAX_PAIRS);
    listed.sort_by_key(|&(_, pair)| pair);
    let name = |(n, (class, vote)): (u64, (usize, usize))| Confusion {
        label: classes.names[class].to_owned(),
        predicted: classes.names[vote].to_owned(),
        n,
    };
    Confusions {
        pairs: listed.into_iter().map(name).collect(),
        n_unlisted,
    }
}

/// What is summed over the measured rows of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: usize,
    silhouette: f64,
    n_judged: usize,
    /// Of the judged ones, by all votes and by those of other sequences.
    n_right: usize,
    n_right_of_others: usize,
}

impl Sums {
    fn share_of_judged(&self, n: usize) -> Option<f64> {
        (self.n_judged > 0).then(|| n as f64 / self.n_judged as f64)
    }
}

/// The accuracy when labels are shuffled: neighbours stay, and no label has to do with them any more.
fn null(
    near: &Neighbors,
    classes: &[usize],
    observed: f64,
    seed: u64,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<PermutationNull> {
    let permuted = |number: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let mut keyed: Vec<(u64, usize)> = classes
            .iter()
            .map(|&class| (StandardUniform.sample(&mut random), class))
            .collect();
        keyed.sort_unstable();
        let shuffled: Vec<usize> = keyed.into_iter().map(|(_, class)| class).collect();
        accuracy(near, &shuffled)
    };
    let numbers: Vec<u64> = (0..N_PERMUTATIONS as u64).collect();
    let mut accuracies = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(PERMUTATIONS_PER_THREAD * rayon::current_num_threads()) {
        let found: Vec<f64> = part.par_iter().map(|&number| permuted(number)).collect();
        accuracies.extend(found);
        if !keep_going() {
            return Err(Error::Cancelled);
        }
    }
    let at_least = accuracies.iter().filter(|&&a| a >= observed).count();
    Ok(PermutationNull {
        n_permutations: N_PERMUTATIONS,
        mean: accuracies.iter().sum::<f64>() / N_PERMUTATIONS as f64,
        max: accuracies.iter().copied().fold(0.0, f64::max),
        p_value: (1 + at_least) as f64 / (1 + N_PERMUTATIONS) as f64,
    })
}
