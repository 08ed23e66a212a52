//! Results of the steps, as a cell shows them.

use polars::prelude::*;

use super::picture::Picture;
use super::show::Show;
use super::table::table;
use crate::page::format::{bytes, counted, percent};
use crate::plot::{escaped, shown};
use crate::record::{ClassQuality, LabelsRecord, Needed, Status};
use crate::run::{Described, Outcome};
use crate::steps::describe::{Descriptor, Features, Vgg16};
use crate::steps::findings::Findings;
use crate::steps::load::Loaded;
use crate::steps::pca::Pca;
use crate::steps::quality::Quality;
use crate::steps::resize::Resized;
use crate::steps::tsne::Tsne;
use crate::storage::rejection::{self, Rejection};
use crate::storage::source::Source;

/// A sentence, a table, and the files that could not be used.
fn with_rejected(sentence: &str, frame: &DataFrame, rejected: &[Rejection]) -> String {
    let mut html = format!("<p>{}</p>{}", escaped(sentence), table(frame));
    if let (false, Ok(rows)) = (rejected.is_empty(), rejection::to_frame(rejected)) {
        html += &format!("<p>Rejected:</p>{}", table(&rows));
    }
    html
}

fn images(n: usize, n_rejected: usize) -> String {
    format!(
        "{}, {n_rejected} rejected",
        counted(n as u64, "image", "images")
    )
}

impl Show for Source {
    fn text(&self) -> String {
        shown(&self.to_string())
    }
}

impl Show for Loaded {
    fn text(&self) -> String {
        format!(
            "{} ({}) listed: {}, {} skipped{}",
            counted(self.n_listed, "file", "files"),
            bytes(self.size_bytes),
            images(self.manifest.height(), self.rejected.len()),
            self.n_skipped,
            self.warnings
                .iter()
                .map(|w| format!("\n{w}"))
                .collect::<String>()
        )
    }

    fn html(&self) -> String {
        with_rejected(&self.text(), &self.manifest, &self.rejected)
    }
}

impl Show for Resized {
    fn text(&self) -> String {
        images(self.images.height(), self.rejected.len())
    }

    fn html(&self) -> String {
        with_rejected(&self.text(), &self.images, &self.rejected)
    }
}

impl Show for Rejection {
    fn text(&self) -> String {
        shown(&format!("{}: {}: {}", self.key, self.reason, self.message))
    }
}

impl Show for Features {
    fn text(&self) -> String {
        images(self.images.height(), self.rejected.len())
    }

    fn html(&self) -> String {
        with_rejected(&self.text(), &self.images, &self.rejected)
    }
}

impl Show for Described {
    fn text(&self) -> String {
        images(self.images.height(), self.rejected.height())
    }

    fn html(&self) -> String {
        let mut html = format!("<p>{}</p>{}", self.text(), table(&self.images));
        if self.rejected.height() > 0 {
            html += &format!("<p>Rejected:</p>{}", table(&self.rejected));
        }
        html
    }
}

impl Show for Vgg16 {
    fn text(&self) -> String {
        format!("a network of {} features an image", self.n_features())
    }
}

impl Show for Pca {
    fn text(&self) -> String {
        let ratios = self.explained_variance_ratio();
        let found = if self.converged() {
            "converged"
        } else {
            "stopped at the cap of passes"
        };
        format!(
            "PCA of {} rows x {} features ({}, {found}): {} {} of the total variance",
            self.n_samples(),
            self.n_features(),
            self.solver(),
            counted(ratios.len() as u64, "component keeps", "components keep"),
            percent(ratios.iter().sum())
        )
    }
}

impl Show for Needed {
    fn text(&self) -> String {
        format!(
            "{} of the variance takes {}{}",
            percent(self.variance),
            if self.exact { "" } else { "at least " },
            counted(self.n_components as u64, "component", "components")
        )
    }
}

impl Show for Tsne {
    fn text(&self) -> String {
        format!(
            "t-SNE of {} points: perplexity {:.4}, {} iterations, Kullback-Leibler divergence {:.4}",
            self.frame.height(),
            self.perplexity,
            self.n_iter,
            self.kl_divergence
        )
    }

    fn html(&self) -> String {
        format!("<p>{}</p>{}", self.text(), table(&self.frame))
    }
}

impl Show for Quality {
    fn text(&self) -> String {
        let record = &self.record;
        let accuracy =
            |share: Option<f64>| share.map_or("no labels to tell apart".to_owned(), percent);
        format!(
            "at {} neighbours: trustworthiness {:.4}, continuity {:.4}, neighbours kept {}; kNN label accuracy {} in PCA, {} in t-SNE",
            record.k,
            record.trustworthiness,
            record.continuity,
            percent(record.neighbor_recall),
            accuracy(record.knn_accuracy_pca),
            accuracy(record.knn_accuracy_tsne)
        )
    }

    fn html(&self) -> String {
        let classes = self.record.labels.as_ref().map(class_frame);
        let classes = classes.and_then(Result::ok);
        let classes = classes.map_or_else(String::new, |frame| table(&frame));
        format!("<p>{}</p>{classes}", self.text())
    }
}

/// A row a class.
fn class_frame(labels: &LabelsRecord) -> PolarsResult<DataFrame> {
    let (pca, tsne) = (&labels.pca.classes, &labels.tsne.classes);
    let column = |name: &str, of: &[ClassQuality], value: fn(&ClassQuality) -> Option<f64>| {
        Column::new(name.into(), of.iter().map(value).collect::<Vec<_>>())
    };
    let names: Vec<_> = pca.iter().map(|class| class.label.as_str()).collect();
    let accuracy = |class: &ClassQuality| Some(class.accuracy);
    let columns = vec![
        Column::new("label".into(), names),
        Column::new("n".into(), pca.iter().map(|c| c.n).collect::<Vec<_>>()),
        column("kNN accuracy, PCA", pca, accuracy),
        column("kNN accuracy, t-SNE", tsne, accuracy),
        column("silhouette, PCA", pca, |class| class.silhouette),
        column("silhouette, t-SNE", tsne, |class| class.silhouette),
    ];
    DataFrame::new(pca.len(), columns)
}

impl Show for Findings {
    fn text(&self) -> String {
        let record = &self.record;
        let outlier = record.outliers.first();
        let outlier = outlier.map_or_else(String::new, |o| {
            format!(
                "; {} lies most apart, local outlier factor {:.2}",
                o.key, o.score
            )
        });
        let conflicts = match record.n_conflicts {
            0 => String::new(),
            n => format!("{} under several labels; ", counted(n, "image", "images")),
        };
        let n = record.n_disagreements;
        shown(&format!(
            "{conflicts}{n} images whose {} nearest are of another class{outlier}",
            record.label_neighbors
        ))
    }

    fn html(&self) -> String {
        format!("<p>{}</p>{}", escaped(&self.text()), table(&self.scores))
    }
}

impl Show for Outcome {
    fn text(&self) -> String {
        let n = self.run.images;
        let mut text = match &self.run.status {
            Status::Complete => "complete".to_owned(),
            Status::Partial { stage, reason } => format!("partial, without {stage}: {reason}"),
        };
        text += &format!(": {}", images(n.accepted as usize, n.rejected as usize));
        if let Some(pca) = &self.pca {
            text += &format!("; {}", pca.text());
        }
        if let Some(tsne) = &self.run.tsne {
            text += &format!("; t-SNE divergence {:.4}", tsne.kl_divergence);
        }
        if let Some(quality) = &self.run.quality {
            text += &format!(
                "; trustworthiness {:.4} at {} neighbours",
                quality.trustworthiness, quality.k
            );
        }
        shown(&text)
    }

    fn html(&self) -> String {
        let warnings: String = self
            .run
            .warnings
            .iter()
            .map(|w| format!("<li>{}</li>", escaped(w)))
            .collect();
        let warnings = if warnings.is_empty() {
            warnings
        } else {
            format!("<ul>{warnings}</ul>")
        };
        format!(
            "<p>{}</p>{warnings}{}",
            escaped(&self.text()),
            table(&self.images)
        )
    }
}

impl Show for Picture {
    fn text(&self) -> String {
        self.description.clone()
    }

    fn html(&self) -> String {
        self.html.clone()
    }
}
