//! Labels as numbers, and what neighbours vote for.

/// Neighbours that vote on a label in a report.
pub const DEFAULT_NEIGHBORS: usize = 10;

/// Votes that are counted without an allocation.
const FEW: usize = 32;

/// Labels as numbers, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes<'a> {
    /// Each name once, sorted.
    pub names: Vec<&'a str>,
    /// A number a row.
    pub numbers: Vec<usize>,
    /// Rows of each class.
    pub counts: Vec<usize>,
}

impl<'a> Classes<'a> {
    /// Of the labels of rows.
    #[must_use]
    pub fn of(labels: &[&'a str]) -> Self {
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

/// The class that most of `neighbors` have; of several, the one that sorts first, as in scikit-learn.
#[must_use]
pub fn vote(neighbors: &[u32], classes: &[usize]) -> usize {
    // Shuffled labels are voted on a hundred times, so few votes allocate nothing.
    let (mut few, mut many);
    let votes: &mut [usize] = match neighbors.len() {
        k if k <= FEW => {
            few = [0; FEW];
            &mut few[..k]
        }
        k => {
            many = vec![0; k];
            &mut many
        }
    };
    for (vote, &j) in votes.iter_mut().zip(neighbors) {
        *vote = classes[j as usize];
    }
    votes.sort_unstable();
    let runs = votes.chunk_by(|a, b| a == b);
    // Of equal ones the last is taken, so the order is turned round.
    let most = runs.rev().max_by_key(|run| run.len());
    most.map_or(usize::MAX, |run| run[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_votes_win_and_then_the_first_name() {
        let vote = |classes: &[usize]| vote(&[0, 1, 2, 3, 4][..classes.len()], classes);
        assert_eq!(vote(&[3, 1, 1, 3, 2]), 1);
        assert_eq!(vote(&[2, 1, 3, 3]), 3);
        assert_eq!(vote(&[2, 1]), 1);
        let classes = Classes::of(&["b", "a", "b"]);
        assert_eq!(classes.numbers, [1, 0, 1]);
        assert_eq!(classes.counts, [1, 2]);
    }
}
