//! The document: sections in order, and its budget.

use std::collections::BTreeMap;

use super::context::{Heading, Missing, Page};
use super::input::{MAX_BYTES, ReportInput};
use super::points::Points;
use super::rows::Rows;
use super::sprites::{Sprites, sprites};
use super::template::{self, SCRIPT, STYLE, json, policy};
use super::{comparison, dataset, findings, numbers, quality, science, summary};
use crate::error::Result;
use crate::plot::shown;
use crate::record::{Run, Status};
use crate::schema::TSNE;
use crate::steps::tsne;

/// Id and title of the sections before the projections, in order.
const BEFORE: &[(&str, &str)] = &[
    ("summary", "Summary"),
    ("parameters", "Parameters"),
    ("dataset", "Dataset"),
    ("files", "Rejected and suspicious files"),
    ("features", "Features"),
    ("variance", "Explained variance"),
    ("pca", "PCA scatter"),
];

/// Those behind them.
const BEHIND: &[(&str, &str)] = &[
    ("quality", "Quality"),
    ("findings", "Outliers, representatives, label disagreements"),
    (COMPARED, "Compared with an earlier run"),
    ("timing", "Time and resources"),
    ("provenance", "Provenance and how to reproduce"),
    ("glossary", "Glossary"),
];

/// The section that only a run with a baseline has.
const COMPARED: &str = "comparison";

/// Bytes for thumbnails at most, as base64; three of the eight megabytes of a report are left for plots,
/// keys and text.
const MAX_SPRITE_BYTES: usize = 5_000_000;
/// Bytes kept free below the budget: for timings, the sheets' own tags and a note on reduced
/// thumbnails, which are not counted.
const RESERVE: usize = 100_000;

/// Everything but the thumbnails under the pointer.
pub(super) fn assemble(input: &ReportInput, rows: &Rows) -> Result<Page> {
    let run = input.run;
    let projections = projections(run);
    let headings = headings(run, &projections);
    let none = Sprites {
        edge: 0,
        sheets: Vec::new(),
        cells: None,
        smaller: None,
        left_out: None,
    };
    let compared = run.comparison.as_ref();
    let compared = compared.map(|c| comparison::section(run, c, input.moves, Some(rows)));
    let page = Page {
        policy: policy(&[SCRIPT]),
        style: STYLE,
        script: SCRIPT,
        source: shown(&run.source.name),
        h: headings
            .iter()
            .map(|heading| (heading.id.clone(), heading.clone()))
            .collect::<BTreeMap<_, _>>(),
        headings,
        summary: summary::summary(input, Vec::new()),
        parameters: numbers::parameters(&run.parameters),
        dataset: dataset::dataset(input, rows)?,
        files: dataset::files(run, rows),
        features: numbers::features(run),
        glossary: numbers::glossary(run),
        variance: science::variance_section(run, rows)?,
        pca: science::pca_section(run, rows)?,
        projections: projections
            .iter()
            .map(|(name, title)| {
                let missing = missing_part(run, &format!("{title} embedding"));
                science::projection_section(run, rows, (name, title), missing)
            })
            .collect::<Result<_>>()?,
        quality: quality::quality_section(run)?,
        findings: findings::findings_section(run, rows),
        missing: missing(run),
        timing: numbers::timing(input.timings)?,
        provenance: numbers::provenance(run),
        points_json: json(&Points::new(rows, &run.classes, &none)?)?,
        run_json: json(run)?,
        thumbnails_note: None,
        sheets: Vec::new(),
        comparison: compared.transpose()?,
    };
    Ok(page)
}

/// Name and title of each projection that has a section: those of the run, and t-SNE, which every run is to have.
fn projections(run: &Run) -> Vec<(String, String)> {
    let of_run = run.projections.iter();
    let mut all: Vec<_> = of_run.map(|p| (p.name.clone(), shown(&p.title))).collect();
    if all.iter().all(|(name, _)| name != TSNE) {
        all.insert(0, (TSNE.to_owned(), tsne::TITLE.to_owned()));
    }
    all
}

/// Every section, in order; numbers follow from the position.
fn headings(run: &Run, projections: &[(String, String)]) -> Vec<Heading> {
    let owned = |(id, title): &(&str, &str)| ((*id).to_owned(), (*title).to_owned());
    let projections = projections.iter();
    let projections = projections.map(|(name, title)| (name.clone(), format!("{title} scatter")));
    let all = BEFORE.iter().map(owned).chain(projections);
    all.chain(BEHIND.iter().map(owned))
        .filter(|(id, _)| id != COMPARED || run.comparison.is_some())
        .zip(1..)
        .map(|((id, title), number)| Heading { id, number, title })
        .collect()
}

/// Adds the thumbnails that fit, and writes the document.
pub(super) fn render(mut page: Page, input: &ReportInput, rows: &Rows) -> Result<String> {
    let write = |page: &Page| template::render("report.html", page);
    if rows.pca.is_none() && rows.projections.is_empty() {
        return write(&page);
    }

    // Without the timings: their length must not decide how thumbnails look.
    let timing = std::mem::take(&mut page.timing);
    let rest = write(&page)?.len();
    page.timing = timing;
    // The cell of each image, where not all have one: four bytes as base64.
    let cells = (rows.images.len() * 4).div_ceil(3) * 4;
    let budget = MAX_BYTES
        .saturating_sub(rest + cells + RESERVE)
        .min(MAX_SPRITE_BYTES);
    let thumbnails: Vec<&[u8]> = rows.images.iter().map(|row| row.thumbnail).collect();
    let sprites = sprites(&thumbnails, &wanted(input.run, rows), budget)?;
    page.points_json = json(&Points::new(rows, &input.run.classes, &sprites)?)?;
    page.summary.warnings.extend(sprites.left_out);
    page.thumbnails_note = sprites.smaller;
    page.sheets = sprites.sheets;
    write(&page)
}

/// Images that keep a thumbnail under the pointer when not all can, sorted.
fn wanted(run: &Run, rows: &Rows) -> Vec<usize> {
    let worst = run
        .pca
        .iter()
        .flat_map(|pca| &pca.worst_reconstructed)
        .map(|image| &image.key);
    let twins = run.dataset.duplicates.iter().flatten();
    let near = run
        .dataset
        .near_duplicates
        .iter()
        .flat_map(|pair| [&pair.first, &pair.second]);
    let found = run.findings.iter().flat_map(|found| {
        let outliers = found
            .outliers
            .iter()
            .flat_map(|o| std::iter::once(&o.key).chain(&o.neighbors));
        let odd = found
            .disagreements
            .iter()
            .flat_map(|d| std::iter::once(&d.key).chain(&d.neighbors));
        let copies = found.conflicts.iter().flat_map(|c| &c.copies);
        outliers
            .chain(odd)
            .chain(copies.map(|copy| &copy.key))
            .chain(found.representatives.iter().map(|r| &r.key))
    });
    let mut wanted: Vec<usize> = worst
        .chain(twins)
        .chain(near)
        .chain(found)
        .filter_map(|key| rows.find(key))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn missing(run: &Run) -> Missing {
    Missing {
        features: missing_part(run, "descriptor"),
        pca: missing_part(run, "principal component"),
        quality: missing_part(run, "measure of an embedding"),
    }
}

/// Why there is no such part.
fn missing_part(run: &Run, name: &str) -> String {
    match &run.status {
        Status::Partial { stage, reason } => {
            format!(
                "There is no {name}: the run stopped at {}: {}",
                shown(stage),
                shown(reason)
            )
        }
        Status::Complete => format!("There is no {name} in this run."),
    }
}
