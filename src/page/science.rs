//! Sections with plots: explained variance, PCA and the projections.

use super::context::{
    AxisEnd, ComponentRow, Fact, ProjectionSection, ScatterSection, VarianceSection,
};
use super::format::{count, counted, number, percent};
use super::pieces::{class_rows, thumb};
use super::rows::{Plane, Rows};
use crate::error::{Error, Result};
use crate::plot::{About, Legend, Scatter, Variance, scatter, shared_looks, shown, variance};
use crate::record::{Figure, FigureValue, Needed, PcaRecord, Run};

/// Components in the table; `run.json` has all.
const TABLE_ROWS: usize = 10;
/// Images shown at each end of an axis.
const END_IMAGES: usize = 4;

pub(super) fn variance_section(run: &Run, rows: &Rows) -> Result<Option<VarianceSection>> {
    let Some(pca) = &run.pca else { return Ok(None) };
    let sentences = sentences(pca);
    let about = About {
        id: "plot-variance",
        title: "Explained variance by principal component",
        description: &sentences.join(" "),
    };
    let plot = variance(&Variance {
        about,
        kept: &pca.explained_variance_ratio,
        further: &pca.further_ratios,
    })?;
    let mut sum = 0.0;
    let pairs = pca
        .explained_variance
        .iter()
        .zip(&pca.explained_variance_ratio);
    let components = pairs
        .take(TABLE_ROWS)
        .enumerate()
        .map(|(i, (variance, ratio))| {
            sum += ratio;
            ComponentRow {
                name: format!("PC{}", i + 1),
                variance: number(*variance),
                ratio: percent(*ratio),
                sum: percent(sum),
            }
        });
    let components = components.collect();
    let worst = pca.worst_reconstructed.iter();
    Ok(Some(VarianceSection {
        plot,
        components,
        facts: facts(pca),
        worst: worst
            .map(|image| thumb(rows, &image.key, format!("{} lost", percent(image.lost))))
            .collect(),
        sentences,
    }))
}

fn sentences(pca: &PcaRecord) -> Vec<String> {
    let kept = counted(pca.n_components as u64, "component", "components");
    let verb = if pca.n_components == 1 {
        "explains"
    } else {
        "explain"
    };
    let mut sentences = vec![format!(
        "{kept} {verb} {} of the total variance of all features. Rule: {}.",
        percent(pca.explained_variance_ratio_sum),
        shown(pca.rule.trim_end_matches('.'))
    )];
    if !pca.needed.is_empty() {
        let part = |needed: &Needed| {
            let n = count(needed.n_components as u64);
            let share = format!("{:.0}\u{A0}%", needed.variance * 100.0);
            match needed.exact {
                true => format!("{share} takes {n}"),
                false => format!("{share} takes at least {n}"),
            }
        };
        let parts: Vec<_> = pca.needed.iter().map(part).collect();
        sentences.push(format!("Components needed: {}.", parts.join(", ")));
    }
    sentences
}

fn facts(pca: &PcaRecord) -> Vec<Fact> {
    let converged = if pca.converged {
        "converged"
    } else {
        "stopped at the cap"
    };
    vec![
        Fact::new("Solver", format!("{}, {converged}", shown(&pca.solver))),
        Fact::new(
            "Largest residual",
            pca.residual
                .map_or("not given by this solver".into(), number),
        ),
        Fact::new("Passes over the data", count(pca.n_passes as u64)),
        Fact::new("Seed", pca.seed.to_string()),
        Fact::new("Total variance", number(pca.total_variance)),
        Fact::new(
            "Rank limit",
            counted(pca.rank_limit as u64, "component", "components"),
        ),
    ]
}

pub(super) fn pca_section(run: &Run, rows: &Rows) -> Result<Option<ScatterSection>> {
    let (Some(pca), Some(plane)) = (&run.pca, &rows.pca) else {
        return Ok(None);
    };
    let axis = |i: usize| match pca.explained_variance_ratio.get(i) {
        Some(ratio) => format!("PC{} ({} of the variance)", i + 1, percent(*ratio)),
        None => format!("PC{} (not computed)", i + 1),
    };
    let title = "Images on the first two principal components";
    let mut section = scatter_section(run, rows, plane, ("plot-pca", title), (&axis(0), &axis(1)))?;
    for (name, values) in [("PC1", &plane.x), ("PC2", &plane.y)] {
        let mut order: Vec<usize> = (0..values.len())
            .filter(|&i| values[i].is_finite())
            .collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
        let picture = |image: &usize| {
            thumb(
                rows,
                rows.images[*image].key,
                format!("{name} = {}", number(f64::from(values[*image]))),
            )
        };
        let low = order.iter().take(END_IMAGES).map(picture).collect();
        let high = order.iter().rev().take(END_IMAGES).map(picture).collect();
        section.ends.push(AxisEnd {
            name: format!("Lowest {name}"),
            thumbs: low,
        });
        section.ends.push(AxisEnd {
            name: format!("Highest {name}"),
            thumbs: high,
        });
    }
    Ok(Some(section))
}

/// The section on the projection `name`, also where the run has none.
pub(super) fn projection_section(
    run: &Run,
    rows: &Rows,
    (name, title): (&str, &str),
    missing: String,
) -> Result<ProjectionSection> {
    let mut section = ProjectionSection {
        id: name.to_owned(),
        title: title.to_owned(),
        scatter: None,
        hint: String::new(),
        facts: Vec::new(),
        missing,
    };
    let found = rows.projections.iter().find(|(of, _)| of.name == name);
    if let Some((record, plane)) = found {
        let about = (
            &*format!("plot-{name}"),
            &*format!("Images in the {title} embedding"),
        );
        let axis = |i: usize| format!("{title} {i} (no unit)");
        section.scatter = Some(scatter_section(
            run,
            rows,
            plane,
            about,
            (&axis(1), &axis(2)),
        )?);
        section.hint = shown(&record.hint);
        section.facts = record.figures.iter().map(figure).collect();
    }
    Ok(section)
}

/// A figure of a projection.
fn figure(figure: &Figure) -> Fact {
    let value = match &figure.value {
        FigureValue::Count(n) => count(*n),
        FigureValue::Number(number) => format!("{number:.4}"),
        FigureValue::Text(text) => shown(text),
    };
    Fact::new(shown(&figure.name), value)
}

fn scatter_section(
    run: &Run,
    rows: &Rows,
    plane: &Plane,
    (id, title): (&str, &str),
    (x_label, y_label): (&str, &str),
) -> Result<ScatterSection> {
    let labels: Vec<&str> = run
        .classes
        .iter()
        .map(|class| class.label.as_str())
        .collect();
    let looks = shared_looks(labels.len());
    let description = format!(
        "A scatter plot of {} in {}, coloured and shaped by class.{}",
        counted(rows.images.len() as u64, "image", "images"),
        counted(labels.len() as u64, "class", "classes"),
        looks
            .as_ref()
            .map_or_else(String::new, |looks| format!(" {looks}"))
    );
    let drawn = scatter(&Scatter {
        about: About {
            id,
            title,
            description: &description,
        },
        x: &plane.x,
        y: &plane.y,
        class: &rows.class_numbers(&run.classes)?,
        labels: &labels,
        x_label,
        y_label,
        legend: Legend::None,
    })?;
    let mut shown = format!(
        "{} of {} shown",
        count(drawn.n_shown as u64),
        counted(rows.images.len() as u64, "image", "images")
    );
    if drawn.n_dropped > 0 {
        shown += &format!(
            "; {} without a finite position",
            count(drawn.n_dropped as u64)
        );
    }
    let frame = serde_json::to_string(&drawn.frame)
        .map_err(|error| Error::Internal(format!("the frame of a plot: {error}")))?;
    Ok(ScatterSection {
        plot: drawn.svg,
        frame,
        shown,
        looks,
        legend: class_rows(run),
        ends: Vec::new(),
    })
}
