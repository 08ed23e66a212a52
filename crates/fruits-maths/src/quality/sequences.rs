//! Sequences: frames of one object, taken one after the other while it turns.

use std::collections::BTreeMap;

use super::measures::Sequences;
use crate::votes::Classes;

/// Which rows are frames of one sequence.
pub(super) struct Grouping {
    /// A number a row.
    numbers: Vec<usize>,
    n_sequences: usize,
    /// Whether the class of a row has another sequence than the row's own.
    can_judge: Vec<bool>,
}

impl Grouping {
    /// `names` says of each row what it is a frame of; one name in two classes is two sequences. `None` if no class has two.
    pub(super) fn of(names: &[&str], classes: &Classes) -> Option<Self> {
        let mut known = BTreeMap::new();
        let mut of_class = vec![0; classes.names.len()];
        let mut numbers = Vec::with_capacity(names.len());
        for (&name, &class) in names.iter().zip(&classes.numbers) {
            let next = known.len();
            let number = *known.entry((class, name)).or_insert_with(|| {
                of_class[class] += 1;
                next
            });
            numbers.push(number);
        }
        let can_judge: Vec<bool> = classes.numbers.iter().map(|&c| of_class[c] > 1).collect();
        can_judge.contains(&true).then_some(Self {
            numbers,
            n_sequences: known.len(),
            can_judge,
        })
    }

    pub(super) fn can_judge(&self, i: usize) -> bool {
        self.can_judge[i]
    }

    pub(super) fn are_one(&self, i: usize, j: usize) -> bool {
        self.numbers[i] == self.numbers[j]
    }

    pub(super) fn counted(&self, rows: &[usize]) -> Sequences {
        Sequences {
            n_sequences: self.n_sequences,
            n_judged: rows.iter().filter(|&&i| self.can_judge[i]).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_classes_with_another_sequence_can_be_judged() {
        let classes = Classes::of(&["a", "a", "b", "b"]);
        let names = ["x", "y", "x", "x"];
        let found = Grouping::of(&names, &classes).unwrap();
        assert_eq!(found.n_sequences, 3);
        assert_eq!(found.can_judge, [true, true, false, false]);
        assert!(found.are_one(2, 3) && !found.are_one(0, 2));
        assert!(Grouping::of(&names[2..], &Classes::of(&["b", "b"])).is_none());
    }
}
