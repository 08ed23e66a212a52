//! The first screen: status, figures, checklist, warnings.

use super::ReportInput;
use super::context::{Card, Check, CheckState, Summary};
use super::format::{count, counted, percent};
use crate::plot::shown;
use crate::record::{Gate, GateName, Run, Status, Unit};
use crate::schema::{N_FEATURES, SIDE};

pub(super) fn summary(input: &ReportInput, notes: Vec<String>) -> Summary {
    let run = input.run;
    let (state, sentence) = match &run.status {
        Status::Complete if run.gates.iter().any(|gate| !gate.passed) => {
            let n = run.gates.iter().filter(|gate| !gate.passed).count() as u64;
            let gates = format!(
                "{n} of {}",
                counted(run.gates.len() as u64, "limit", "limits")
            );
            ("failed", format!("{gates} not kept. {}", headline(run)))
        }
        Status::Complete => ("complete", headline(run)),
        Status::Partial { stage, reason } => (
            "partial",
            format!("The run stopped at {}: {}", shown(stage), shown(reason)),
        ),
    };
    let warnings = run
        .warnings
        .iter()
        .map(|warning| shown(warning))
        .chain(notes)
        .collect();
    Summary {
        state,
        sentence,
        cards: cards(run),
        checks: checks(run),
        gates: run.gates.iter().map(gate).collect(),
        warnings,
    }
}

fn headline(run: &Run) -> String {
    let images = counted(run.images.accepted, "image", "images");
    let classes = counted(run.classes.len() as u64, "class", "classes");
    let mut text = format!("{images} of {classes}");
    if let Some(pca) = &run.pca {
        let components = counted(pca.n_components as u64, "component", "components");
        let sum = percent(pca.explained_variance_ratio_sum);
        text += &format!(", described by {components} that keep {sum} of the variance");
    }
    text + "."
}

fn cards(run: &Run) -> Vec<Card> {
    let n = run.images;
    let skipped = if n.skipped > 0 {
        format!(", {} skipped", count(n.skipped))
    } else {
        String::new()
    };
    let mut cards = vec![
        Card {
            name: "Images accepted",
            value: count(n.accepted),
            note: format!("of {} listed{skipped}", count(n.listed)),
            section: "dataset",
        },
        Card {
            name: "Files rejected",
            value: count(n.rejected),
            note: counted(
                run.dataset.n_duplicate_groups,
                "group of exact duplicates",
                "groups of exact duplicates",
            ),
            section: "files",
        },
        Card {
            name: "Classes",
            value: count(run.classes.len() as u64),
            note: class_range(run),
            section: "dataset",
        },
    ];
    if let Some(pca) = &run.pca {
        cards.push(Card {
            name: "Variance explained",
            value: percent(pca.explained_variance_ratio_sum),
            note: format!(
                "by {}",
                counted(pca.n_components as u64, "component", "components")
            ),
            section: "variance",
        });
    }
    if let Some(quality) = &run.quality {
        cards.push(Card {
            name: "Trustworthiness",
            value: format!("{:.4}", quality.trustworthiness),
            note: format!("t-SNE against PCA, {} neighbours", quality.k),
            section: "quality",
        });
        if let Some(accuracy) = quality.knn_accuracy_pca {
            let labels = quality.labels.as_ref();
            let without_own = labels.and_then(|l| l.pca.accuracy_other_sequences);
            let tsne = quality
                .knn_accuracy_tsne
                .map(|a| format!(", {} in t-SNE", percent(a)));
            cards.push(Card {
                name: "Label kNN accuracy",
                // Frames of one turning object find each other and tell nothing of another object.
                value: percent(without_own.unwrap_or(accuracy)),
                note: match without_own {
                    Some(_) => format!(
                        "{} neighbours in PCA, own sequence left out; {} with it",
                        quality.k,
                        percent(accuracy)
                    ),
                    None => format!(
                        "{} neighbours in PCA{}; views of one object are neighbours too",
                        quality.k,
                        tsne.unwrap_or_default()
                    ),
                },
                section: "quality",
            });
        }
    }
    cards
}

fn class_range(run: &Run) -> String {
    let sizes = run.classes.iter().map(|class| class.n);
    match (sizes.clone().min(), sizes.max()) {
        (Some(min), Some(max)) if min == max => {
            format!("{} each", counted(min, "image", "images"))
        }
        (Some(min), Some(max)) => format!("{} to {} images each", count(min), count(max)),
        _ => String::new(),
    }
}

fn checks(run: &Run) -> Vec<Check> {
    let met = |met: bool| {
        if met {
            CheckState::Met
        } else {
            CheckState::Missed
        }
    };
    let n_images = counted(run.images.accepted, "image", "images");
    let features = run.features.as_ref();
    let no = || "not done in this run".to_owned();
    vec![
        Check {
            state: met(features.is_some()),
            name: "Images resized to 224 × 224 × 3",
            finding: features.map_or_else(no, |f| {
                format!(
                    "{n_images} to {SIDE} × {SIDE} × 3, {} filter",
                    shown(&f.filter)
                )
            }),
            section: "dataset",
        },
        Check {
            state: met(features.is_some_and(|f| f.n_features == N_FEATURES)),
            name: "25,088 VGG16 descriptors an image",
            finding: features.map_or_else(no, |f| {
                let model = if f.model_known {
                    "known ImageNet weights"
                } else {
                    "foreign weights"
                };
                format!(
                    "{} values for {n_images}, {model}",
                    count(f.n_features as u64)
                )
            }),
            section: "features",
        },
        Check {
            state: met(run.pca.is_some()),
            name: "Dimensions reduced by PCA",
            finding: run.pca.as_ref().map_or_else(no, |p| {
                let n = counted(p.n_components as u64, "component", "components");
                format!(
                    "{n}, {} of the variance",
                    percent(p.explained_variance_ratio_sum)
                )
            }),
            section: "variance",
        },
        Check {
            state: met(run.pca.is_some()),
            name: "Variance plotted",
            finding: run.pca.as_ref().map_or_else(no, |p| {
                let n = p.explained_variance_ratio.len() + p.further_ratios.len();
                format!(
                    "{} and their sum",
                    counted(n as u64, "component", "components")
                )
            }),
            section: "variance",
        },
        Check {
            state: met(run.tsne.is_some()),
            name: "t-SNE in two dimensions",
            finding: run.tsne.as_ref().map_or_else(no, |t| {
                let n = counted(t.n_iter as u64, "iteration", "iterations");
                format!("{n}, divergence {:.3}", t.kl_divergence)
            }),
            section: "tsne",
        },
        storage_check(run),
        reproducible_check(run),
    ]
}

/// A limit that the run was held to.
fn gate(gate: &Gate) -> Check {
    let number = |value: f64| match gate.unit {
        Unit::Files => counted(value as u64, "file", "files"),
        Unit::Share => percent(value),
        Unit::Score => format!("{value:.4}"),
    };
    let (name, section, bound) = match gate.name {
        GateName::MaxRejected => ("Rejected files", "files", "at most"),
        GateName::MinVariance => ("Variance explained", "variance", "at least"),
        GateName::MinTrust => ("Trustworthiness", "quality", "at least"),
        GateName::MinKnnAccuracy => ("Label kNN accuracy in PCA space", "quality", "at least"),
    };
    Check {
        state: match gate.passed {
            true => CheckState::Met,
            false => CheckState::Missed,
        },
        name,
        finding: format!(
            "{}; {bound} {} was asked for (--{})",
            gate.value.map_or_else(|| "not measured".to_owned(), number),
            number(gate.limit),
            gate.name.option()
        ),
        section,
    }
}

fn storage_check(run: &Run) -> Check {
    let (state, finding) = match (run.source.kind.as_str(), run.images.accepted) {
        ("s3", 0) => (CheckState::Missed, "no image could be read".to_owned()),
        ("s3", n) => {
            let text = format!(
                "{} of {} objects listed",
                counted(n, "image", "images"),
                count(run.source.n_objects)
            );
            (CheckState::Met, text)
        }
        (kind, _) => {
            let text = format!("not used: this run read a {}", shown(kind));
            (CheckState::Unused, text)
        }
    };
    Check {
        state,
        name: "Images read from S3",
        finding,
        section: "dataset",
    }
}

fn reproducible_check(run: &Run) -> Check {
    let commit = &run.provenance.git_commit;
    let (state, finding) = if commit == "unknown" {
        (
            CheckState::Missed,
            "the commit of the program is unknown".to_owned(),
        )
    } else if commit.ends_with("-dirty") {
        (
            CheckState::Missed,
            "the program was built from a tree with changes".to_owned(),
        )
    } else {
        let text = "seeds, versions and digests of inputs and outputs are recorded".to_owned();
        (CheckState::Met, text)
    };
    Check {
        state,
        name: "Reproducible",
        finding,
        section: "provenance",
    }
}
