//! What a class is, and what an image is, by the path of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::storage::source::Object;

/// Names of folders that part a set for training and testing, in lower case.
const SPLITS: [&str; 7] = [
    "train",
    "training",
    "test",
    "testing",
    "val",
    "valid",
    "validation",
];

/// Which folder of an image's path is its class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LabelRule {
    /// The first below the input; where all first ones part the set (`train`, `test`, `val` ...), the second.
    #[default]
    First,
    /// The one that holds the image.
    Parent,
}

impl LabelRule {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Parent => "parent",
        }
    }
}

impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabelRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "first" => Ok(Self::First),
            "parent" => Ok(Self::Parent),
            _ => Err(Error::Invalid(format!(
                "no rule `{text}` for labels; there are first and parent"
            ))),
        }
    }
}

/// How the folders of a set are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    rule: LabelRule,
    /// The first folders, as they are written, where they part the set; else empty.
    splits: BTreeSet<String>,
    /// First folders that would part the set if no other lay beside them, and one of those; else empty.
    taken_for_classes: Vec<String>,
    beside: String,
}

impl Labels {
    /// Looks at the keys of all images. The first folders part a set where each of them has such a name and one of them
    /// holds a folder.
    #[must_use]
    pub fn new(rule: LabelRule, objects: &[Object]) -> Self {
        let folders = objects.iter().map(|object| folders(&object.key));
        let (mut firsts, mut deep) = (BTreeSet::new(), BTreeSet::new());
        for mut folders in folders {
            let first = folders.next();
            firsts.extend(first);
            deep.extend(first.filter(|_| folders.next().is_some()));
        }
        let other = firsts.iter().find(|name| !is_split(name));
        let mut labels = Self {
            rule,
            ..Self::default()
        };
        match other {
            None if !deep.is_empty() => {
                labels.splits = firsts.into_iter().map(str::to_owned).collect()
            }
            Some(other) if rule == LabelRule::First => {
                deep.retain(|name| is_split(name));
                labels.beside = (*other).to_owned();
                labels.taken_for_classes = deep.into_iter().map(str::to_owned).collect();
            }
            _ => {}
        }
        labels
    }

    /// The class of the file with this key; none where it lies above the classes.
    #[must_use]
    pub fn label<'a>(&self, key: &'a str) -> Option<&'a str> {
        let mut folders = folders(key);
        match self.rule {
            LabelRule::First => folders.nth(usize::from(!self.splits.is_empty())),
            LabelRule::Parent => folders.last(),
        }
    }

    /// The part of the set that the file with this key is in, as its folder is written; none where the set has no parts.
    #[must_use]
    pub fn split<'a>(&self, key: &'a str) -> Option<&'a str> {
        folders(key)
            .next()
            .filter(|first| self.splits.contains(*first))
    }

    /// Whether images have a split of their own beside the label.
    #[must_use]
    pub fn has_splits(&self) -> bool {
        self.rule == LabelRule::First && !self.splits.is_empty()
    }

    /// The rule in words, as the report states it.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.rule, self.has_splits()) {
            (LabelRule::Parent, _) => "name of the folder that holds the image".to_owned(),
            (LabelRule::First, false) => "name of the first folder below the source".to_owned(),
            (LabelRule::First, true) => {
                let splits: Vec<_> = self.splits.iter().map(String::as_str).collect();
                format!(
                    "name of the first folder below the split ({})",
                    splits.join(", ")
                )
            }
        }
    }

    /// What to say where folders with the names of splits are classes, since another folder lies beside them.
    #[must_use]
    pub fn taken_for_classes(&self) -> Option<String> {
        let names = &self.taken_for_classes;
        (names.len() > 1).then(|| {
            format!(
                "{} are taken for classes, since there is `{}` beside them; if they are splits, keep them in a folder of their own \
                 and name that with --input",
                names.join(" and "),
                self.beside
            )
        })
    }

    /// What to say where a label gathers images of several splits, above the folder of the class or in it.
    #[must_use]
    pub fn gathers<'a>(&self, rows: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
        let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, label) in rows {
            let split = folders(key).find(|name| is_split(name));
            of.entry(label).or_default().extend(split);
        }
        let several = of.values().filter(|splits| splits.len() > 1);
        let n = several.clone().count();
        let names: BTreeSet<_> = several.flatten().copied().collect();
        let way_out = match self.splits.is_empty() {
            true => {
                "to look at one alone, give --input a folder that holds no other split, or put the splits above the classes"
            }
            false => "give --input the folder of one split to look at it alone",
        };
        (n > 0).then(|| {
            format!(
                "{n} of {} classes have images in several splits ({}): descriptors, PCA and every number below take \
                 them together; {way_out}",
                of.len(),
                Vec::from_iter(names).join(", ")
            )
        })
    }
}

fn is_split(name: &str) -> bool {
    SPLITS.contains(&name.to_lowercase().as_str())
}

/// The folders of a path that have a name, from the first to the one that holds the file.
fn folders(key: &str) -> impl Iterator<Item = &str> {
    let (folders, _) = key.rsplit_once('/').unwrap_or_default();
    folders.split('/').filter(|folder| !folder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::source::State;

    fn labels(rule: LabelRule, keys: &[&str]) -> Labels {
        let object = |key: &&str| Object {
            key: (*key).to_owned(),
            size_bytes: 1,
            state: State::Etag(String::new()),
        };
        Labels::new(rule, &keys.iter().map(object).collect::<Vec<_>>())
    }

    #[test]
    fn a_class_is_the_first_folder_and_what_is_deeper_belongs_to_it() {
        let keys = [
            "Apple/2024-05-01/a.jpg",
            "Pear/2024-05-01/a.jpg",
            "Pear/b.jpg",
        ];
        let first = labels(LabelRule::First, &keys);
        assert_eq!(
            keys.map(|key| first.label(key)),
            [Some("Apple"), Some("Pear"), Some("Pear")]
        );
        assert!(!first.has_splits() && first.split(keys[0]).is_none());
        let parent = labels(LabelRule::Parent, &keys);
        assert_eq!(parent.label(keys[0]), Some("2024-05-01"));
        assert_eq!([first.label("a.jpg"), first.label("/a.jpg")], [None, None]);
    }

    #[test]
    fn first_folders_are_splits_where_all_of_them_have_such_names() {
        let keys = [
            "Training/Apple/a.jpg",
            "TEST/Apple/x/a.jpg",
            "val/Pear/b.jpg",
        ];
        let first = labels(LabelRule::First, &keys);
        assert_eq!(
            keys.map(|key| first.label(key)),
            [Some("Apple"), Some("Apple"), Some("Pear")]
        );
        assert_eq!(
            keys.map(|key| first.split(key)),
            [Some("Training"), Some("TEST"), Some("val")]
        );
        assert!(first.in_words().contains("(TEST, Training, val)"));
        let message = first.gathers(keys.map(|key| (key, first.label(key).unwrap())).into_iter());
        assert!(message.unwrap().starts_with("1 of 2 classes"));
        assert_eq!(first.label("test/a.jpg"), None);
        // Splits may lie below the classes, too, and above them with the folder of the image as its class.
        for (rule, keys) in [
            (
                LabelRule::First,
                ["Apple/train/a.jpg", "Apple/test/b.jpg", "Pear/train/c.jpg"],
            ),
            (
                LabelRule::Parent,
                [
                    "set/train/Apple/a.jpg",
                    "set/test/Apple/b.jpg",
                    "set/train/Pear/c.jpg",
                ],
            ),
            (
                LabelRule::Parent,
                ["train/Apple/a.jpg", "test/Apple/b.jpg", "train/Pear/c.jpg"],
            ),
        ] {
            let labels = labels(rule, &keys);
            let message = labels.gathers(
                keys.map(|key| (key, labels.label(key).unwrap()))
                    .into_iter(),
            );
            let message = message.unwrap();
            assert!(
                message.starts_with("1 of 2 classes have images in several splits (test, train)"),
                "{message}"
            );
        }
        // Another folder beside splits makes classes of them, which is told.
        let keys = ["train/Apple/a.jpg", "test/Apple/b.jpg", "docs/figure.png"];
        let mixed = labels(LabelRule::First, &keys);
        assert_eq!(
            keys.map(|key| mixed.label(key)),
            [Some("train"), Some("test"), Some("docs")]
        );
        let said = mixed.taken_for_classes().unwrap();
        assert!(
            said.starts_with("test and train are taken for classes, since there is `docs`"),
            "{said}"
        );
        assert!(first.taken_for_classes().is_none());
        // A class may be called so.
        for keys in [
            ["test/a.jpg", "train/b.jpg"],
            ["test/x/a.jpg", "Pear/b.jpg"],
        ] {
            let first = labels(LabelRule::First, &keys);
            assert!(!first.has_splits() && first.taken_for_classes().is_none());
            assert_eq!(first.label(keys[0]), Some("test"));
        }
    }
}
