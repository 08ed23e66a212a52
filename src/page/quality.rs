//! Section on how well neighbours and labels are kept.

use std::collections::BTreeMap;

use super::context::{
    ClassQualityRow, ConfusionView, Fact, PairRow, PlaneQuality, QualitySection, SpaceRow,
};
use super::format::{count, counted, percent};
use crate::error::Result;
use crate::plot::{About, ConfusionGrid, confusion, marker_svg, shown};
use crate::record::{
    ClassQuality, Confusions, LabelQuality, ProjectionLabels, ProjectionQuality, ProjectionRecord,
    Run,
};

/// Classes in a confusion plot; more would be too small to read, and the most confused are shown.
const MAX_CLASSES: usize = 24;
/// Confusions in the table.
const MAX_PAIRS: usize = 20;

/// A space that labels were looked at in: that of the components, or the plane of a projection.
struct Space<'a> {
    /// For identifiers.
    id: &'a str,
    title: String,
    labels: &'a LabelQuality,
}

pub(super) fn quality_section(run: &Run) -> Result<Option<QualitySection>> {
    let measured = run.projections.iter();
    let measured: Vec<(&ProjectionRecord, &ProjectionQuality)> = measured
        .filter_map(|projection| Some((projection, projection.quality.as_ref()?)))
        .collect();
    let Some((_, first)) = measured.first() else {
        return Ok(None);
    };
    let labels = first.labels.as_ref();
    let spaces = spaces(&measured);
    let mut confusions = Vec::new();
    let has_sequences = labels.is_some_and(|labels| labels.sequences.is_some());
    for space in &spaces {
        confusions.push(confusion_view(run, space, None, &space.labels.confusion)?);
    }
    for space in spaces.iter().filter(|_| has_sequences) {
        let left_out = Some("own sequence left out");
        confusions.push(confusion_view(
            run,
            space,
            left_out,
            &space.labels.confusion_other_sequences,
        )?);
    }
    Ok(Some(QualitySection {
        planes: measured
            .iter()
            .map(|(projection, quality)| plane(run, projection, quality))
            .collect(),
        spaces: labels.map_or_else(Vec::new, |labels| space_rows(first.k, labels, &spaces)),
        labels_sentences: labels.map_or_else(Vec::new, |l| label_sentences(first.k, l, &spaces)),
        classes: class_rows(run, &spaces),
        has_sequences,
        confusions,
        k: first.k,
    }))
}

/// PCA space, then the planes; none where there is one class only.
fn spaces<'a>(measured: &[(&'a ProjectionRecord, &'a ProjectionQuality)]) -> Vec<Space<'a>> {
    let labels = measured
        .iter()
        .filter_map(|(projection, quality)| Some((projection, quality.labels.as_ref()?)));
    let pca = labels.clone().take(1).map(|(_, labels)| Space {
        id: "pca",
        title: "PCA".to_owned(),
        labels: &labels.pca,
    });
    let planes = labels.map(|(projection, labels)| Space {
        id: &projection.name,
        title: shown(&projection.title),
        labels: &labels.plane,
    });
    pca.chain(planes).collect()
}

fn plane(run: &Run, projection: &ProjectionRecord, quality: &ProjectionQuality) -> PlaneQuality {
    let sampled = (quality.n_sampled as u64) < run.images.accepted;
    PlaneQuality {
        title: shown(&projection.title),
        rearranges: projection.rearranges,
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
    }
}

fn sentences(quality: &ProjectionQuality) -> Vec<String> {
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

fn label_sentences(k: usize, labels: &ProjectionLabels, spaces: &[Space]) -> Vec<String> {
    let null = &labels.pca.null;
    let mut sentences = vec![format!(
        "The {k} nearest images vote for the label of {} of the images in PCA space and {}. With labels \
         shuffled {} times it is {} on average and {} at most, so labels are {} (p = {}).",
        percent(labels.pca.accuracy),
        in_planes("of ", spaces, |l| percent(l.accuracy)),
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
             sequence it is {} in PCA space and {}, judged on {} whose class has another of the {} sequences.",
            percent(accuracy),
            in_planes("", spaces, |l| l
                .accuracy_other_sequences
                .map_or_else(|| "not known".to_owned(), percent)),
            counted(sequences.n_judged as u64, "image", "images"),
            count(sequences.n_sequences as u64)
        ),
        _ => "Views of one object are neighbours too and flatter that figure. How it is without them cannot be said: no \
              class has file names of two sequences of frames."
            .to_owned(),
    });
    sentences
}

/// What a measure is in the plane, or in each of the planes: `of 97 % in the plane`.
fn in_planes(of: &str, spaces: &[Space], value: impl Fn(&LabelQuality) -> String) -> String {
    match &spaces[1..] {
        [plane] => format!("{of}{} in the plane", value(plane.labels)),
        planes => {
            let each = planes.iter();
            let each = each.map(|p| format!("{of}{} in the {} plane", value(p.labels), p.title));
            each.collect::<Vec<_>>().join(" and ")
        }
    }
}

fn space_rows(k: usize, labels: &ProjectionLabels, spaces: &[Space]) -> Vec<SpaceRow> {
    let row = |name: String, value: &dyn Fn(&LabelQuality) -> String| SpaceRow {
        name,
        values: spaces.iter().map(|space| value(space.labels)).collect(),
    };
    let mut rows = vec![
        row(format!("Label accuracy of {k} neighbours"), &|l| {
            percent(l.accuracy)
        }),
        row("With shuffled labels, mean".to_owned(), &|l| {
            percent(l.null.mean)
        }),
        row("With shuffled labels, largest".to_owned(), &|l| {
            percent(l.null.max)
        }),
        row("p-value".to_owned(), &|l| l.null.p_value.to_string()),
    ];
    if labels.sequences.is_some() {
        rows.push(row(
            "Images with another sequence in their class".to_owned(),
            &|l| share(l.accuracy_judged),
        ));
        rows.push(row("The same, own sequence left out".to_owned(), &|l| {
            share(l.accuracy_other_sequences)
        }));
    }
    rows.push(row("Mean silhouette".to_owned(), &|l| score(l.silhouette)));
    rows
}

fn class_rows(run: &Run, spaces: &[Space]) -> Vec<ClassQualityRow> {
    let Some(first) = spaces.first() else {
        return Vec::new();
    };
    let row = |(i, class): (usize, &ClassQuality)| {
        let each = |value: &dyn Fn(&ClassQuality) -> String| -> Vec<String> {
            let classes = spaces
                .iter()
                .filter_map(|space| space.labels.classes.get(i));
            classes.map(value).collect()
        };
        ClassQualityRow {
            marker: marker_svg(i),
            label: shown(&class.label),
            n: count(class.n),
            accuracy: each(&|class| percent(class.accuracy)),
            other_sequences: each(&|class| share(class.accuracy_other_sequences)),
            silhouette: each(&|class| class.silhouette.map_or_else(|| "–".to_owned(), score)),
        }
    };
    // Classes of a run are sorted by name, as these are, so they share numbers and markers.
    debug_assert_eq!(run.classes.len(), first.labels.classes.len());
    first.labels.classes.iter().enumerate().map(row).collect()
}

fn confusion_view(
    run: &Run,
    space: &Space,
    left_out: Option<&str>,
    confusions: &Confusions,
) -> Result<ConfusionView> {
    let (name, id) = match left_out {
        Some(left_out) => (
            format!("{}, {left_out}", space.title),
            format!("plot-confusion-{}-others", space.id),
        ),
        None => (space.title.clone(), format!("plot-confusion-{}", space.id)),
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
            id: &id,
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
