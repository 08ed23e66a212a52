//! What an embedding is worth: how well it keeps neighbours and labels.

use serde::{Deserialize, Serialize};

/// How well the embedding keeps neighbours and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Neighbours of the measures that stand alone; of the others see their own `k`.
    pub k: usize,
    /// Trustworthiness of the embedding against the kept components, 0 to 1.
    pub trustworthiness: f64,
    /// Continuity: the same with the two spaces exchanged, 0 to 1.
    pub continuity: f64,
    /// Mean share of the `k` nearest images in PCA space that are among the `k` nearest in the embedding.
    pub neighbor_recall: f64,
    /// Trustworthiness and continuity at several numbers of neighbours, ascending.
    pub by_neighbors: Vec<Faithfulness>,
    /// Share of images whose label their `k` nearest others vote for, in PCA space; absent with one class.
    pub knn_accuracy_pca: Option<f64>,
    /// The same in the embedding.
    pub knn_accuracy_tsne: Option<f64>,
    /// More on labels; absent with one class.
    pub labels: Option<LabelMeasures>,
    /// Images whose ranks, silhouettes and sequences were measured, each against all others.
    pub n_sampled: usize,
}

/// Trustworthiness and continuity at one number of neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Faithfulness {
    /// Neighbours.
    pub k: usize,
    /// 0 to 1.
    pub trustworthiness: f64,
    /// 0 to 1.
    pub continuity: f64,
}

/// How well the labels of neighbours tell an image's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelMeasures {
    /// Runs of frames of one object that the file names tell apart; absent where no class has two of them.
    pub sequences: Option<Sequences>,
    /// In PCA space.
    pub pca: LabelQuality,
    /// In the embedding.
    pub tsne: LabelQuality,
}

/// Frames of one object, one after the other, are near duplicates; a vote without them says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequences {
    /// Sequences in all classes.
    pub n_sequences: usize,
    /// Measured images whose class has another sequence than their own: only they can be judged.
    pub n_judged: usize,
}

/// The labels in one space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelQuality {
    /// Share of all images whose label their `k` nearest others vote for.
    pub accuracy: f64,
    /// What that share is when labels are shuffled.
    pub null: PermutationNull,
    /// The same share of the images that can be judged without their own sequence; absent if there are none.
    pub accuracy_judged: Option<f64>,
    /// Of them, the share when no image of the own sequence votes.
    pub accuracy_other_sequences: Option<f64>,
    /// Mean silhouette, -1 to 1.
    pub silhouette: f64,
    /// Per class, in the order of the run's classes.
    pub classes: Vec<ClassQuality>,
    /// How often the neighbours of images of one class vote for which.
    pub confusion: Confusions,
    /// The same without votes of the own sequence, of the images that can be judged.
    pub confusion_other_sequences: Confusions,
}

/// Which classes are voted for which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusions {
    /// Pairs that occur, by label and vote; of more than a thousand those with the most images.
    pub pairs: Vec<Confusion>,
    /// Images in pairs that are not listed.
    pub n_unlisted: u64,
}

/// Accuracies under shuffled labels (Ojala & Garriga 2010).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationNull {
    /// Permutations.
    pub n_permutations: usize,
    /// Mean accuracy.
    pub mean: f64,
    /// Largest accuracy.
    pub max: f64,
    /// (1 + permutations at least as accurate) / (1 + permutations).
    pub p_value: f64,
}

/// A class in one space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassQuality {
    /// Its name.
    pub label: String,
    /// Its images.
    pub n: u64,
    /// Those that were measured, see [`Measures::n_sampled`].
    pub n_measured: u64,
    /// Share of all of them whose neighbours vote for it.
    pub accuracy: f64,
    /// The same without the own sequence; absent where none can be judged.
    pub accuracy_other_sequences: Option<f64>,
    /// Mean silhouette of its measured images; absent if none was measured.
    pub silhouette: Option<f64>,
}

/// Images of one class whose neighbours vote for one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Their class.
    pub label: String,
    /// The class that is voted for.
    pub predicted: String,
    /// How many they are.
    pub n: u64,
}
