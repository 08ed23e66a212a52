//! The comparison for a terminal.

use std::path::Path;

use super::super::format::counted;
use super::words::{DifferenceRow, EmbeddingPart, worded};
use crate::plot::shown;
use crate::record::{Baseline, Comparison};

/// The comparison of the run in `now` with the one in `baseline` as lines of text, the verdict first; columns are
/// aligned, and control characters in names are replaced.
#[must_use]
pub fn comparison_text(comparison: &Comparison, baseline: &Path, now: &Path) -> String {
    let section = worded(comparison);
    let base: &Baseline = &comparison.baseline;
    let n_now = comparison.inputs.n_common + comparison.inputs.added.n;
    let path = |path: &Path| shown(&path.display().to_string());
    let mut lines = vec![shown(&comparison.sentence).clone(), String::new()];
    lines.extend(table(&[
        vec![
            "baseline".into(),
            path(baseline),
            counted(base.accepted, "image", "images"),
        ],
        vec![
            "this run".into(),
            path(now),
            counted(n_now, "image", "images"),
        ],
    ]));

    lines.push("\nimages".to_owned());
    lines.push(format!("  {}", section.inputs));
    for group in &section.keys {
        lines.push(format!("  {} {}", group.name.to_lowercase(), group.n));
        lines.extend(group.first.iter().map(|key| format!("    {key}")));
        if !group.n_more.is_empty() {
            lines.push(format!("    and {} more", group.n_more));
        }
    }
    differences(&mut lines, "parameters", &section.parameters);
    differences(&mut lines, "environment", &section.environment);

    lines.push("\nnumbers".to_owned());
    let header = ["", "baseline", "this run", "difference"].map(str::to_owned);
    let rows = section
        .metrics
        .into_iter()
        .map(|row| [row.name, row.before, row.after, row.difference]);
    lines.extend(figures(
        &std::iter::once(header).chain(rows).collect::<Vec<_>>(),
    ));

    for (i, part) in section.embeddings.into_iter().enumerate() {
        embedding(&mut lines, i == 0, part);
    }
    lines.join("\n")
}

/// The first is that of t-SNE, which had these headings before there were others.
fn embedding(lines: &mut Vec<String>, is_first: bool, part: EmbeddingPart) {
    let of = match is_first {
        true => String::new(),
        false => format!(", {}", part.title),
    };
    lines.push(format!("\nembedding{of}"));
    lines.extend(part.not_aligned.map(|reason| format!("  {reason}")));
    let facts = part.facts.into_iter();
    let facts = facts.map(|fact| vec![fact.name.to_lowercase(), fact.value]);
    lines.extend(table(&facts.collect::<Vec<_>>()));
    if !part.moved.is_empty() {
        lines.push(format!(
            "\nmoved most{of}, in radii of the baseline (root mean square)"
        ));
        let rows = part.moved.into_iter().map(|image| {
            let distance = image.note.trim_end_matches(" radii").to_owned();
            vec![distance, image.label, image.key]
        });
        lines.extend(table(&rows.collect::<Vec<_>>()));
    }
}

fn differences(lines: &mut Vec<String>, name: &str, rows: &[DifferenceRow]) {
    if rows.is_empty() {
        lines.push(format!("\n{name}: the same"));
        return;
    }
    lines.push(format!("\n{name}"));
    let cell = |text: &str| match text {
        "" => "not set".to_owned(),
        text => text.to_owned(),
    };
    let header = vec![String::new(), "baseline".into(), "this run".into()];
    let rows = rows
        .iter()
        .map(|row| vec![row.name.clone(), cell(&row.before), cell(&row.after)]);
    lines.extend(table(
        &std::iter::once(header).chain(rows).collect::<Vec<_>>(),
    ));
}

fn n_chars(text: &str) -> usize {
    text.chars().count()
}

/// Columns of text, all but the last filled up.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let width = |j: usize| rows.iter().map(|row| n_chars(&row[j])).max().unwrap_or(0);
    let n_columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A name, then figures under each other.
fn figures(rows: &[[String; 4]]) -> Vec<String> {
    let width = |j: usize| rows.iter().map(|row| n_chars(&row[j])).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let line = |[name, a, b, c]: &[String; 4]| {
        format!(
            "  {name:w0$}  {a:>w1$}  {b:>w2$}  {c:>w3$}",
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2],
            w3 = widths[3]
        )
    };
    rows.iter().map(line).collect()
}
