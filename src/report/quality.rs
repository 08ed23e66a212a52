//! Section on how well neighbours and labels are kept.

use std::collections::BTreeMap;

use super::context::{ClassQualityRow, ConfusionView, Fact, PairRow, QualitySection, SpaceRow};
use super::format::{count, counted, percent};
use crate::error::Result;
use crate::plot::{About, ConfusionGrid, confusion, marker_svg, shown};
use crate::record::{Confusions, LabelQuality, LabelsRecord, QualityRecord, Run};

/// Classes in a confusion plot; more would be too small to read, and the most confused are shown.
const MAX_CLASSES: usize = 24;
/// Confusions in the table.
const MAX_PAIRS: usize = 20;

pub(super) fn quality_section(run: &Run) -> Result<Option<QualitySection>> {
    let Some(quality) = &run.quality else {
        return Ok(None);
    };
    let labels = quality.labels.as_ref();
    let spaces = labels.map(|labels| [("PCA", &labels.pca), ("t-SNE", &labels.tsne)]);
    let mut confusions = Vec::new();
    let has_sequences = labels.is_some_and(|labels| labels.sequences.is_some());
    for (name, space) in spaces.into_iter().flatten() {
        confusions.push(confusion_view(run, name, None, &space.confusion)?);
    }
    for (name, space) in spaces.into_iter().flatten().filter(|_| has_sequences) {
        let left_out = Some("own sequence left out");
        confusions.push(confusion_view(
            run,
            name,
            left_out,
            &space.confusion_other_sequences,
        )?);
    }
    let sampled = (quality.n_sampled as u64) < run.images.accepted;
    Ok(Some(QualitySection {
        sentences: sentences(quality),
        neighborhoods: quality
            .by_neighbors
            .iter()
            .map(|at| SpaceRow {
                name: at.k.to_string(),
                values: vec![
                    format!("{:.4}", at.trustworthiness),
                    format!("{:.4}", at.continuity),
                ],
            })
            .collect(),
        facts: vec![
            Fact::new(
                "Neighbour recall",
                format!(
                    "{} at {} neighbours",
                    percent(quality.neighbor_recall),
                    quality.k
                ),
            ),
            Fact::new(
                "Measured on",
                match sampled {
                    false => format!("all {}", counted(run.images.accepted, "image", "images")),
                    true => format!(
                        "nearest neighbours: all {}; ranks, silhouettes and sequences: {} of them, drawn at random, \
                         each against all",
                        counted(run.images.accepted, "image", "images"),
                        count(quality.n_sampled as u64)
                    ),
                },
            ),
        ],
        spaces: labels.map_or_else(Vec::new, |labels| space_rows(quality, labels)),
        labels_sentences: labels.map_or_else(Vec::new, |l| label_sentences(quality, l)),
        classes: labels.map_or_else(Vec::new, |labels| class_rows(run, labels)),
        has_sequences,
        confusions,
        k: quality.k,
    }))
}

fn sentences(quality: &QualityRecord) -> Vec<String> {
    let k = quality.k;
    vec![
        format!(
            "Of the {k} nearest images in PCA space, {} are among the {k} nearest in the plane.",
            percent(quality.neighbor_recall)
        ),
        format!(
            "Trustworthiness {:.4}: how near in PCA space those are that the plane shows as neighbours. Continuity {:.4}: how \
             near in the plane those still are that are neighbours in PCA space. 1 is perfect, about 0.5 is chance.",
            quality.trustworthiness, quality.continuity
        ),
    ]
}

fn label_sentences(quality: &QualityRecord, labels: &LabelsRecord) -> Vec<String> {
    let (k, null) = (quality.k, &labels.pca.null);
    let mut sentences = vec![format!(
        "The {k} nearest images vote for the label of {} of the images in PCA space and of {} in the plane. With labels \
         shuffled {} times it is {} on average and {} at most, so labels are {} (p = {}).",
        percent(labels.pca.accuracy),
        percent(labels.tsne.accuracy),
        null.n_permutations,
        percent(null.mean),
        percent(null.max),
        match labels.pca.accuracy > null.max {
            true => "told apart better than by chance",
            false => "not told apart better than by chance",
        },
        null.p_value
    )];
    sentences.push(match (&labels.sequences, labels.pca.accuracy_other_sequences) {
        (Some(sequences), Some(accuracy)) => format!(
            "Frames of one turning object are near duplicates and flatter that figure. Without votes from the image's own \
             sequence it is {} in PCA space and {} in the plane, judged on {} whose class has another of the {} sequences.",
            percent(accuracy),
            labels
                .tsne
                .accuracy_other_sequences
                .map_or_else(|| "not known".to_owned(), percent),
            counted(sequences.n_judged as u64, "image", "images"),
            count(sequences.n_sequences as u64)
        ),
        _ => "Views of one object are neighbours too and flatter that figure. How it is without them cannot be said: no \
              class has file names of two sequences of frames."
            .to_owned(),
    });
    sentences
}

fn space_rows(quality: &QualityRecord, labels: &LabelsRecord) -> Vec<SpaceRow> {
    let both = |name: String, value: &dyn Fn(&LabelQuality) -> String| SpaceRow {
        name,
        values: vec![value(&labels.pca), value(&labels.tsne)],
    };
    let k = quality.k;
    let mut rows = vec![
        both(format!("Label accuracy of {k} neighbours"), &|l| {
            percent(l.accuracy)
        }),
        both("With shuffled labels, mean".to_owned(), &|l| {
            percent(l.null.mean)
        }),
        both("With shuffled labels, largest".to_owned(), &|l| {
            percent(l.null.max)
        }),
        both("p-value".to_owned(), &|l| l.null.p_value.to_string()),
    ];
    if labels.sequences.is_some() {
        rows.push(both(
            "Images with another sequence in their class".to_owned(),
            &|l| share(l.accuracy_judged),
        ));
        rows.push(both("The same, own sequence left out".to_owned(), &|l| {
            share(l.accuracy_other_sequences)
        }));
    }
    rows.push(both("Mean silhouette".to_owned(), &|l| score(l.silhouette)));
    rows
}

fn class_rows(run: &Run, labels: &LabelsRecord) -> Vec<ClassQualityRow> {
    let pairs = labels.pca.classes.iter().zip(&labels.tsne.classes);
    let row = |(i, (pca, tsne)): (usize, (&crate::record::ClassQuality, _))| {
        let tsne: &crate::record::ClassQuality = tsne;
        let silhouette = |s: Option<f64>| s.map_or_else(|| "–".to_owned(), score);
        ClassQualityRow {
            marker: marker_svg(i),
            label: shown(&pca.label),
            n: count(pca.n),
            accuracy: [percent(pca.accuracy), percent(tsne.accuracy)],
            other_sequences: [
                share(pca.accuracy_other_sequences),
                share(tsne.accuracy_other_sequences),
            ],
            silhouette: [silhouette(pca.silhouette), silhouette(tsne.silhouette)],
        }
    };
    // Classes of a run are sorted by name, as these are, so they share numbers and markers.
    debug_assert_eq!(run.classes.len(), labels.pca.classes.len());
    pairs.enumerate().map(row).collect()
}

fn confusion_view(
    run: &Run,
    space: &'static str,
    left_out: Option<&'static str>,
    confusions: &Confusions,
) -> Result<ConfusionView> {
    let name = match left_out {
        Some(left_out) => format!("{space}, {left_out}"),
        None => space.to_owned(),
    };
    let (confusions, n_unlisted) = (&confusions.pairs, confusions.n_unlisted);
    let names: Vec<&str> = run.classes.iter().map(|c| c.label.as_str()).collect();
    let numbers: BTreeMap<&str, usize> = names.iter().zip(0..).map(|(n, i)| (*n, i)).collect();
    let number = |label: &str| numbers.get(label).copied().unwrap_or(0);
    let mut wrong: Vec<_> = confusions
        .iter()
        .filter(|c| c.label != c.predicted)
        .collect();
    wrong.sort_by(|a, b| {
        b.n.cmp(&a.n)
            .then_with(|| (&a.label, &a.predicted).cmp(&(&b.label, &b.predicted)))
    });

    let mut errors = vec![0; names.len()];
    for pair in &wrong {
        errors[number(&pair.label)] += pair.n;
        errors[number(&pair.predicted)] += pair.n;
    }
    let mut shown_classes: Vec<usize> = (0..names.len()).collect();
    shown_classes.sort_by_key(|&i| (std::cmp::Reverse(errors[i]), i));
    shown_classes.truncate(MAX_CLASSES);
    shown_classes.sort_unstable();
    let place: BTreeMap<usize, usize> = shown_classes
        .iter()
        .zip(0..)
        .map(|(&i, at)| (i, at))
        .collect();
    let n = shown_classes.len();
    let mut counts = vec![vec![0; n]; n];
    for pair in confusions {
        let at = |label: &str| place.get(&number(label));
        if let (Some(&row), Some(&column)) = (at(&pair.label), at(&pair.predicted)) {
            counts[row][column] = pair.n;
        }
    }
    let n_wrong: u64 = wrong.iter().map(|pair| pair.n).sum::<u64>() + n_unlisted;
    let worst = wrong.first().map_or_else(String::new, |pair| {
        format!(
            " Most often {} is voted {}: {}.",
            pair.label,
            pair.predicted,
            counted(pair.n, "image", "images")
        )
    });
    let description = format!(
        "A grid of classes by the class that the nearest images vote for; {name}. {} of {} are voted for another \
         class than their own.{worst}",
        count(n_wrong),
        counted(
            confusions.iter().map(|pair| pair.n).sum(),
            "image",
            "images"
        )
    );
    let labels: Vec<&str> = shown_classes.iter().map(|&i| names[i]).collect();
    let mut totals = vec![0; names.len()];
    for pair in confusions {
        totals[number(&pair.label)] += pair.n;
    }
    let n_judged: u64 = totals.iter().sum::<u64>() + n_unlisted;
    let totals: Vec<u64> = shown_classes.iter().map(|&i| totals[i]).collect();
    let plot = confusion(&ConfusionGrid {
        about: About {
            id: match (space, left_out) {
                ("PCA", None) => "plot-confusion-pca",
                (_, None) => "plot-confusion-tsne",
                ("PCA", _) => "plot-confusion-pca-others",
                _ => "plot-confusion-tsne-others",
            },
            title: &format!("Votes of neighbours: {name}"),
            description: &description,
        },
        labels: &labels,
        counts: &counts,
        totals: &totals,
    })?;
    let note = (names.len() > n)
        .then(|| format!("The {n} classes of {} that are confused most.", names.len()));
    Ok(ConfusionView {
        name,
        plot,
        note,
        n_wrong: format!("{} of {}", count(n_wrong), count(n_judged)),
        n_more: count(wrong.len().saturating_sub(MAX_PAIRS) as u64),
        has_more: wrong.len() > MAX_PAIRS,
        pairs: wrong
            .iter()
            .take(MAX_PAIRS)
            .map(|pair| PairRow {
                label: shown(&pair.label),
                predicted: shown(&pair.predicted),
                n: count(pair.n),
            })
            .collect(),
    })
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), percent)
}

/// A silhouette: three decimals and a true minus sign.
fn score(value: f64) -> String {
    format!("{value:.3}").replace('-', "\u{2212}")
}
