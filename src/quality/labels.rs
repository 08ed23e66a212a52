//! Votes of neighbours on labels.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};
use rayon::prelude::*;

use super::Space;
use super::rows::Measured;
use crate::record::{ClassQuality, Confusion, LabelQuality, PermutationNull};

/// Permutations of the labels: the smallest possible p-value is then 0.01.
const N_PERMUTATIONS: usize = 99;

/// Labels as numbers, in the order of their names.
pub(super) struct Classes<'a> {
    pub names: Vec<&'a str>,
    /// A number a row.
    pub numbers: Vec<usize>,
    /// Rows of each class.
    pub counts: Vec<usize>,
}

impl<'a> Classes<'a> {
    pub(super) fn of(labels: &[&'a str]) -> Self {
        let mut names = labels.to_vec();
        names.sort_unstable();
        names.dedup();
        let number = |label: &&str| names.partition_point(|name| name < label);
        let numbers: Vec<usize> = labels.iter().map(number).collect();
        let mut counts = vec![0; names.len()];
        for &number in &numbers {
            counts[number] += 1;
        }
        Self {
            names,
            numbers,
            counts,
        }
    }
}

/// The class that most of `neighbors` have; of several, the one that sorts first.
pub(super) fn vote(neighbors: &[u32], classes: &[usize]) -> usize {
    let votes = || neighbors.iter().map(|&j| classes[j as usize]);
    let count = |class: usize| votes().filter(|&other| other == class).count();
    let best = votes().max_by_key(|&class| (count(class), std::cmp::Reverse(class)));
    best.unwrap_or(usize::MAX)
}

/// Share of the rows whose class their `k` nearest vote for.
pub(super) fn accuracy(space: &Space, k: usize, classes: &[usize]) -> f64 {
    let right = |&i: &usize| vote(space.nearest(i, k), classes) == classes[i];
    (0..classes.len()).filter(right).count() as f64 / classes.len() as f64
}

/// The labels in the space that is `at` in `measured`.
pub(super) fn label_quality(
    at: usize,
    space: &Space,
    k: usize,
    classes: &Classes,
    rows: &[usize],
    measured: &Measured,
    seed: u64,
) -> LabelQuality {
    let n_classes = classes.names.len();
    let mut votes = vec![vec![0u64; n_classes]; n_classes];
    for (i, &class) in classes.numbers.iter().enumerate() {
        votes[class][vote(space.nearest(i, k), &classes.numbers)] += 1;
    }
    let right: u64 = (0..n_classes).map(|c| votes[c][c]).sum();
    let accuracy = right as f64 / classes.numbers.len() as f64;

    let mut votes_of_others = vec![vec![0u64; n_classes]; n_classes];
    let mut by_class = vec![Sums::default(); n_classes];
    for (&i, row) in rows.iter().zip(&measured.rows) {
        let sums = &mut by_class[classes.numbers[i]];
        sums.n += 1;
        sums.silhouette += row.silhouette[at];
        if let Some(vote) = row.vote_of_others[at] {
            votes_of_others[classes.numbers[i]][vote] += 1;
            sums.n_judged += 1;
            sums.n_right += usize::from(vote == classes.numbers[i]);
        }
    }
    let total = by_class.iter().fold(Sums::default(), |a, b| Sums {
        n: a.n + b.n,
        silhouette: a.silhouette + b.silhouette,
        n_judged: a.n_judged + b.n_judged,
        n_right: a.n_right + b.n_right,
    });
    let class = |(c, sums): (usize, &Sums)| ClassQuality {
        label: classes.names[c].to_owned(),
        n: classes.counts[c] as u64,
        accuracy: votes[c][c] as f64 / classes.counts[c] as f64,
        accuracy_other_sequences: sums.accuracy_of_others(),
        silhouette: (sums.n > 0).then(|| sums.silhouette / sums.n as f64),
    };
    LabelQuality {
        accuracy,
        null: null(space, k, &classes.numbers, accuracy, seed),
        accuracy_other_sequences: total.accuracy_of_others(),
        silhouette: total.silhouette / total.n as f64,
        classes: by_class.iter().enumerate().map(class).collect(),
        confusion: confusions(&votes, classes),
        confusion_other_sequences: confusions(&votes_of_others, classes),
    }
}

/// The pairs of class and vote that occur, in the order of their names.
fn confusions(votes: &[Vec<u64>], classes: &Classes) -> Vec<Confusion> {
    let pairs = (0..votes.len()).flat_map(|c| (0..votes.len()).map(move |vote| (c, vote)));
    pairs
        .filter(|&(c, vote)| votes[c][vote] > 0)
        .map(|(c, vote)| Confusion {
            label: classes.names[c].to_owned(),
            predicted: classes.names[vote].to_owned(),
            n: votes[c][vote],
        })
        .collect()
}

/// What is summed over the measured rows of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: usize,
    silhouette: f64,
    n_judged: usize,
    n_right: usize,
}

impl Sums {
    fn accuracy_of_others(&self) -> Option<f64> {
        (self.n_judged > 0).then(|| self.n_right as f64 / self.n_judged as f64)
    }
}

/// The accuracy when labels are shuffled: neighbours stay, and no label has to do with them any more.
fn null(space: &Space, k: usize, classes: &[usize], observed: f64, seed: u64) -> PermutationNull {
    let permuted = |number: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let mut keyed: Vec<(u64, usize)> = classes
            .iter()
            .map(|&class| (StandardUniform.sample(&mut random), class))
            .collect();
        keyed.sort_unstable();
        let shuffled: Vec<usize> = keyed.into_iter().map(|(_, class)| class).collect();
        accuracy(space, k, &shuffled)
    };
    let accuracies: Vec<f64> = (0..N_PERMUTATIONS as u64)
        .into_par_iter()
        .map(permuted)
        .collect();
    let at_least = accuracies.iter().filter(|&&a| a >= observed).count();
    PermutationNull {
        n_permutations: N_PERMUTATIONS,
        mean: accuracies.iter().sum::<f64>() / N_PERMUTATIONS as f64,
        max: accuracies.iter().copied().fold(0.0, f64::max),
        p_value: (1 + at_least) as f64 / (1 + N_PERMUTATIONS) as f64,
    }
}
