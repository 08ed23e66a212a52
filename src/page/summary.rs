//! The first screen: status, figures, checklist, warnings.

use super::context::{Card, Check, CheckState, Summary};
use super::format::{count, counted, percent};
use super::input::ReportInput;
use crate::plot::shown;
use crate::record::{
    FigureValue, Gate, GateName, ProjectionLabels, ProjectionRecord, Run, Status, Unit,
};
use crate::schema::{SIDE, TSNE};
use crate::steps::tsne;

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
    let measured = run.projections.iter();
    let measured = measured.filter_map(|p| Some((shown(&p.title), p.quality.as_ref()?)));
    cards.extend(measured.clone().map(|(title, quality)| Card {
        name: "Trustworthiness",
        value: format!("{:.4}", quality.trustworthiness),
        note: format!("{title} against PCA, {} neighbours", quality.k),
        section: "quality",
    }));
    let labels = measured.filter_map(|(title, q)| Some((title, q.k, q.labels.as_ref()?)));
    let labels: Vec<(String, usize, &ProjectionLabels)> = labels.collect();
    if let Some((_, k, ProjectionLabels { pca, .. })) = labels.first() {
        let without_own = pca.accuracy_other_sequences;
        let planes = labels.iter();
        let planes =
            planes.map(|(title, _, l)| format!(", {} in {title}", percent(l.plane.accuracy)));
        cards.push(Card {
            name: "Label kNN accuracy",
            // Frames of one turning object find each other and tell nothing of another object.
            value: percent(without_own.unwrap_or(pca.accuracy)),
            note: match without_own {
                Some(_) => format!(
                    "{k} neighbours in PCA, own sequence left out; {} with it",
                    percent(pca.accuracy)
                ),
                None => format!(
                    "{k} neighbours in PCA{}; views of one object are neighbours too",
                    planes.collect::<String>()
                ),
            },
            section: "quality",
        });
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

/// What a row says where its part is missing.
const NOT_DONE: &str = "not done in this run";

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
    let about = features.and_then(|f| f.about.as_ref());
    let n_values = about.and_then(|a| a.n_values);
    let no = || NOT_DONE.to_owned();
    let mut checks = vec![
        Check {
            state: met(features.is_some()),
            name: "Images resized to 224 × 224 × 3".into(),
            finding: features.map_or_else(no, |f| {
                format!(
                    "{n_images} to {SIDE} × {SIDE} × 3, {} filter",
                    shown(&f.filter)
                )
            }),
            section: "dataset".into(),
        },
        Check {
            state: met(features.is_some_and(|f| n_values.is_none_or(|n| n == f.n_features))),
            name: n_values.map_or("Descriptors of every image".into(), |n| {
                let values = about.map_or(String::new(), |a| shown(&a.values));
                format!("{} {values} an image", count(n as u64)).into()
            }),
            finding: features.map_or_else(no, |f| {
                let learned = about.map_or(String::new(), |a| format!(", {}", shown(&a.learned)));
                format!(
                    "{} values for {n_images}{learned}",
                    count(f.n_features as u64)
                )
            }),
            section: "features".into(),
        },
        Check {
            state: met(run.pca.is_some()),
            name: "Principal components".into(),
            finding: run.pca.as_ref().map_or_else(no, |p| {
                let n = counted(p.n_components as u64, "component", "components");
                format!(
                    "{n}, {} of the variance",
                    percent(p.explained_variance_ratio_sum)
                )
            }),
            section: "variance".into(),
        },
        Check {
            state: met(run.pca.is_some()),
            name: "Explained variance, plotted".into(),
            finding: run.pca.as_ref().map_or_else(no, |p| {
                let n = p.explained_variance_ratio.len() + p.further_ratios.len();
                format!(
                    "{} and their sum",
                    counted(n as u64, "component", "components")
                )
            }),
            section: "variance".into(),
        },
    ];
    checks.extend(projection_checks(run));
    checks.extend([source_check(run), reproducible_check(run)]);
    checks
}

/// A row a projection; t-SNE, which every run is to have, has one in any case.
fn projection_checks(run: &Run) -> Vec<Check> {
    let row = |name: &str, title: &str, finding: Option<String>| Check {
        state: match finding {
            Some(_) => CheckState::Met,
            None => CheckState::Missed,
        },
        name: format!("{title} in two dimensions").into(),
        finding: finding.unwrap_or_else(|| NOT_DONE.to_owned()),
        section: name.to_owned().into(),
    };
    let projections = run.projections.iter();
    let mut rows: Vec<_> = projections
        .map(|p| row(&p.name, &shown(&p.title), Some(brief(p))))
        .collect();
    if run.projections.iter().all(|p| p.name != TSNE) {
        rows.insert(0, row(TSNE, tsne::TITLE, None));
    }
    rows
}

/// The figures of a projection that have a place here: `1,000 iterations, divergence 0.170`.
fn brief(projection: &ProjectionRecord) -> String {
    let figures = projection.figures.iter().filter_map(|figure| {
        let brief = shown(figure.brief.as_ref()?);
        Some(match &figure.value {
            FigureValue::Count(n) => format!("{} {brief}", count(*n)),
            FigureValue::Number(number) => format!("{brief} {number:.3}"),
            FigureValue::Text(text) => format!("{brief} {}", shown(text)),
        })
    });
    figures.collect::<Vec<_>>().join(", ")
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
        name: name.into(),
        finding: format!(
            "{}; {bound} {} was asked for (--{})",
            gate.value.map_or_else(|| "not measured".to_owned(), number),
            number(gate.limit),
            gate.name.option()
        ),
        section: section.into(),
    }
}

fn source_check(run: &Run) -> Check {
    let (kind, found) = match run.source.kind.as_str() {
        "s3" => ("bucket", "objects"),
        kind => (kind, "files"),
    };
    let (state, finding) = match run.images.accepted {
        0 => (CheckState::Missed, "no image could be read".to_owned()),
        n => {
            let images = counted(n, "image", "images");
            let n_objects = count(run.source.n_objects);
            let text = format!("{images} of {n_objects} {found} in a {}", shown(kind));
            (CheckState::Met, text)
        }
    };
    Check {
        state,
        name: "Where the images are from".into(),
        finding,
        section: "dataset".into(),
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
            "the program was built from sources with changes that were not committed; commit them, `touch build.rs`, build again"
                .to_owned(),
        )
    } else {
        let text = "seeds, versions and digests of inputs and outputs are recorded".to_owned();
        (CheckState::Met, text)
    };
    Check {
        state,
        name: "Reproducible".into(),
        finding,
        section: "provenance".into(),
    }
}
