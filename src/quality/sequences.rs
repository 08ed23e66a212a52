//! Sequences: frames of one object, taken one after the other while it turns.

use std::collections::BTreeMap;

use crate::record;
use crate::votes::Classes;

/// Digits of the number of a frame; the longest of Fruits-360 have three, and a date has eight.
const MAX_DIGITS: usize = 4;

/// Which images are frames of one sequence.
pub(super) struct Sequences {
    /// A number a row.
    numbers: Vec<usize>,
    n_sequences: usize,
    /// Whether the class of a row has another sequence than the row's own.
    can_judge: Vec<bool>,
}

impl Sequences {
    /// `None` if no class has two sequences.
    pub(super) fn of(keys: &[&str], classes: &Classes) -> Option<Self> {
        let mut known = BTreeMap::new();
        let mut of_class = vec![0; classes.names.len()];
        let mut numbers = Vec::with_capacity(keys.len());
        for (key, &class) in keys.iter().zip(&classes.numbers) {
            let next = known.len();
            let number = *known.entry((class, sequence(key))).or_insert_with(|| {
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

    pub(super) fn record(&self, rows: &[usize]) -> record::Sequences {
        record::Sequences {
            n_sequences: self.n_sequences,
            n_judged: rows.iter().filter(|&&i| self.can_judge[i]).count(),
        }
    }
}

/// What the frames of a sequence have in common: the folder, and the file's name before the number of the frame, if it
/// ends in two numbers of at most four digits as those of Fruits-360 do (`r2_17_100.jpg`: frame 17 of `r2_`, 100 pixels).
/// Another name, such as a camera's of date and time, is a sequence of its own.
fn sequence(key: &str) -> &str {
    let stem = key.rsplit_once('.').map_or(key, |(stem, _)| stem);
    let without_number = |text: &'_ str| {
        let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
        (1..=MAX_DIGITS)
            .contains(&(text.len() - rest.len()))
            .then_some(rest.len())
    };
    let frame = without_number(stem)
        .filter(|&end| stem[..end].ends_with('_'))
        .and_then(|end| without_number(&stem[..end - 1]))
        .filter(|&end| end == 0 || stem[..end].ends_with(['_', '/']));
    frame.map_or(key, |end| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_frames() {
        for (key, expected) in [
            ("Plum 3/0_100.jpg", "Plum 3/"),
            ("Plum 3/r_10_100.jpg", "Plum 3/r_"),
            ("Plum 3/r2_10_100.jpg", "Plum 3/r2_"),
            ("7_100.jpg", ""),
            ("a/IMG_2034.jpg", "a/IMG_2034.jpg"),
            ("a/2034.jpg", "a/2034.jpg"),
            ("a/photo", "a/photo"),
            ("a/x1_2.png", "a/x1_2.png"),
            ("a/IMG_20240101_123456.jpg", "a/IMG_20240101_123456.jpg"),
        ] {
            assert_eq!(sequence(key), expected, "{key}");
        }
    }

    #[test]
    fn only_classes_with_another_sequence_can_be_judged() {
        let classes = Classes::of(&["a", "a", "b", "b"]);
        let keys = ["a/0_9.jpg", "a/r_0_9.jpg", "b/0_9.jpg", "b/1_9.jpg"];
        let found = Sequences::of(&keys, &classes).unwrap();
        assert_eq!(found.n_sequences, 3);
        assert_eq!(found.can_judge, [true, true, false, false]);
        assert!(found.are_one(2, 3) && !found.are_one(0, 1));
        assert!(Sequences::of(&keys[2..], &Classes::of(&["b", "b"])).is_none());
    }
}
