//! What `run.json` says of a picture of the components in two dimensions.

use fruits_maths::quality::{Faithfulness, LabelQuality, Measures, Sequences};
use serde::{Deserialize, Serialize};

/// A projection of the principal components to two dimensions. Its positions are the columns `NAME_x` and `NAME_y` of
/// `embeddings.parquet`.
///
/// t-SNE is one of them. What `run.json` said of it before there was this list stands where it did, in `tsne` and
/// `quality`, and says the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionRecord {
    /// Lower-case letters and digits: `tsne`.
    pub name: String,
    /// As people write it: `t-SNE`.
    pub title: String,
    /// What one must know to read the picture, in sentences.
    pub hint: String,
    /// Whether it may rearrange the picture at the smallest cause, so that distances between clusters mean little.
    pub rearranges: bool,
    /// What it was computed with and what came out, in the order a reader looks for it.
    pub figures: Vec<Figure>,
    /// How well it keeps neighbours and labels; absent if it was not measured.
    pub quality: Option<ProjectionQuality>,
}

/// Something that a projection says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is: `Perplexity`.
    pub name: String,
    /// A number or a text.
    pub value: FigureValue,
    /// What it is called in the summary; absent if it has no place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// How to hold it against another run's; absent if it was set and did not come out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// The value of a [`Figure`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FigureValue {
    /// How many.
    Count(u64),
    /// Any other number.
    Number(f64),
    /// Words, or a number that is no quantity, such as a seed.
    Text(String),
}

/// A number that came out of a computation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How far two of these may be apart that other last digits of the components make.
    pub tolerance: f64,
    /// What it was measured at, such as a perplexity: two of these are compared where that is the same. Absent if they
    /// can always be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
}

/// How well a projection keeps neighbours and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionQuality {
    /// Neighbours of the measures that stand alone; of the others see their own `k`.
    pub k: usize,
    /// Trustworthiness of the plane against the kept components, 0 to 1.
    pub trustworthiness: f64,
    /// Continuity: the same with the two spaces exchanged, 0 to 1.
    pub continuity: f64,
    /// Mean share of the `k` nearest images in PCA space that are among the `k` nearest in the plane.
    pub neighbor_recall: f64,
    /// Trustworthiness and continuity at several numbers of neighbours, ascending.
    pub by_neighbors: Vec<Faithfulness>,
    /// How well neighbours tell labels; absent with one class.
    pub labels: Option<ProjectionLabels>,
    /// Images whose ranks, silhouettes and sequences were measured, each against all others.
    pub n_sampled: usize,
}

/// How well the labels of neighbours tell an image's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionLabels {
    /// Runs of frames of one object that the file names tell apart; absent where no class has two of them.
    pub sequences: Option<Sequences>,
    /// In PCA space: the same for every projection of a run.
    pub pca: LabelQuality,
    /// In the plane.
    pub plane: LabelQuality,
}

/// What `run.json` says of t-SNE in a place of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TsneRecord {
    /// As used.
    pub perplexity: f64,
    /// As asked for.
    pub perplexity_requested: f64,
    /// Seed of the run.
    pub seed: u64,
    /// Iterations, early exaggeration included.
    pub n_iter: usize,
    /// Kullback-Leibler divergence of the un-exaggerated P from Q, natural logarithm.
    pub kl_divergence: f64,
    /// How the points started.
    pub init: String,
}

impl Figure {
    /// What was set.
    #[must_use]
    pub fn set(name: &str, value: FigureValue) -> Self {
        Self {
            name: name.to_owned(),
            value,
            brief: None,
            measured: None,
        }
    }

    /// What came out; see [`Measured::tolerance`].
    #[must_use]
    pub fn measured(name: &str, value: f64, tolerance: f64) -> Self {
        let measured = Measured {
            tolerance,
            at: None,
        };
        Self {
            measured: Some(measured),
            ..Self::set(name, FigureValue::Number(value))
        }
    }

    /// The same; see [`Measured::at`].
    #[must_use]
    pub fn at(mut self, at: f64) -> Self {
        if let Some(measured) = &mut self.measured {
            measured.at = Some(at);
        }
        self
    }

    /// The same, in the summary under the name `brief`.
    #[must_use]
    pub fn brief(mut self, brief: &str) -> Self {
        self.brief = Some(brief.to_owned());
        self
    }

    /// The number that came out.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match (&self.measured, &self.value) {
            (Some(_), FigureValue::Number(number)) => Some(*number),
            (Some(_), FigureValue::Count(n)) => Some(*n as f64),
            _ => None,
        }
    }
}

impl ProjectionRecord {
    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

impl From<&Measures> for ProjectionQuality {
    /// The quality of t-SNE, as of any projection.
    fn from(record: &Measures) -> Self {
        let labels = record.labels.as_ref().map(|labels| ProjectionLabels {
            sequences: labels.sequences.clone(),
            pca: labels.pca.clone(),
            plane: labels.tsne.clone(),
        });
        Self {
            k: record.k,
            trustworthiness: record.trustworthiness,
            continuity: record.continuity,
            neighbor_recall: record.neighbor_recall,
            by_neighbors: record.by_neighbors.clone(),
            labels,
            n_sampled: record.n_sampled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_as_they_were() {
        let figures = [
            Figure::set("Seed", FigureValue::Text("42".to_owned())),
            Figure::set("Iterations", FigureValue::Count(1000)).brief("iterations"),
            Figure::measured("Stress", 2.0, 0.1).at(7.5),
        ];
        let text = serde_json::to_string(&figures).unwrap();
        let back: Vec<Figure> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, figures, "{text}");
        assert_eq!(
            back.iter().filter_map(Figure::number).collect::<Vec<_>>(),
            [2.0]
        );
    }
}
