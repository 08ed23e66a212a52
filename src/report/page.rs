//! The document: sections in order, security policy, budget. The only file that knows the
//! templates.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::comparison::{self, DiffPage};
use super::context::{Heading, Missing, Page};
use super::points::Points;
use super::rows::Rows;
use super::sprites::{Sprites, sprites};
use super::{MAX_BYTES, ReportInput, dataset, findings, numbers, quality, science, summary};
use crate::error::{Error, Result};
use crate::plot::shown;
use crate::record::{Run, Status};

const HTML: &str = include_str!("../../templates/report.html");
const MACROS: &str = include_str!("../../templates/macros.html");
const COMPARISON: &str = include_str!("../../templates/comparison.html");
const CLUSTER: &str = include_str!("../../templates/cluster.html");
const DIFF: &str = include_str!("../../templates/diff.html");
const STYLE: &str = include_str!("../../templates/report.css");
/// One script in one scope, its files in the order of use.
const SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("../../templates/script/page.js"),
    include_str!("../../templates/script/store.js"),
    include_str!("../../templates/script/model.js"),
    include_str!("../../templates/script/axes.js"),
    include_str!("../../templates/script/painter.js"),
    include_str!("../../templates/script/view.js"),
    include_str!("../../templates/script/hand.js"),
    include_str!("../../templates/script/controls.js"),
    include_str!("../../templates/script/panel.js"),
    include_str!("../../templates/script/start.js"),
    "}\n"
);

/// Id and title of every section, in order; numbers follow from the position.
const SECTIONS: [(&str, &str); 14] = [
    ("summary", "Summary"),
    ("parameters", "Parameters"),
    ("dataset", "Dataset"),
    ("files", "Rejected and suspicious files"),
    ("features", "Features"),
    ("variance", "Explained variance"),
    ("pca", "PCA scatter"),
    ("tsne", "t-SNE scatter"),
    ("quality", "Quality"),
    ("findings", "Outliers, representatives, label disagreements"),
    (COMPARED, "Compared with an earlier run"),
    ("timing", "Time and resources"),
    ("provenance", "Provenance and how to reproduce"),
    ("glossary", "Glossary"),
];

/// The section that only a run with a baseline has.
const COMPARED: &str = "comparison";

/// Bytes for thumbnails at most, as base64 (the budget of the report's specification leaves three
/// of its eight megabytes for plots, keys and text).
const MAX_SPRITE_BYTES: usize = 5_000_000;
/// Bytes kept free below the budget: for timings, the sheets' own tags and a note on reduced
/// thumbnails, which are not counted.
const RESERVE: usize = 100_000;

/// Everything but the thumbnails under the pointer.
pub(super) fn assemble(input: &ReportInput, rows: &Rows) -> Result<Page> {
    let run = input.run;
    let headings: Vec<Heading> = SECTIONS
        .iter()
        .filter(|(id, _)| *id != COMPARED || run.comparison.is_some())
        .zip(1..)
        .map(|(&(id, title), number)| Heading { id, number, title })
        .collect();
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
            .map(|heading| (heading.id, heading.clone()))
            .collect::<BTreeMap<_, _>>(),
        headings,
        summary: summary::summary(input, Vec::new()),
        parameters: numbers::parameters(&run.parameters),
        dataset: dataset::dataset(input, rows)?,
        files: dataset::files(run, rows),
        features: numbers::features(run),
        variance: science::variance_section(run, rows)?,
        pca: science::pca_section(run, rows)?,
        tsne: science::tsne_section(run, rows)?,
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

/// Adds the thumbnails that fit, and writes the document.
pub(super) fn render(mut page: Page, input: &ReportInput, rows: &Rows) -> Result<String> {
    let environment = environment()?;
    let template = environment
        .get_template("report.html")
        .map_err(|error| fault(&error))?;
    let write = |page: &Page| {
        template
            .render(Value::from(Serde(page)))
            .map_err(|error| fault(&error))
    };
    if rows.pca.is_none() && rows.tsne.is_none() {
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

/// Writes the page of a comparison.
pub(super) fn render_diff(mut page: DiffPage) -> Result<String> {
    page.policy = policy(&[]);
    page.style = STYLE;
    environment()?
        .get_template("diff.html")
        .and_then(|template| template.render(Value::from(Serde(&page))))
        .map_err(|error| fault(&error))
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in [
        ("report.html", HTML),
        ("macros.html", MACROS),
        ("comparison.html", COMPARISON),
        ("cluster.html", CLUSTER),
        ("diff.html", DIFF),
    ] {
        environment
            .add_template(name, text)
            .map_err(|error| fault(&error))?;
    }
    Ok(environment)
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
        outliers
            .chain(odd)
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

/// What the page may do: show pictures that it holds itself, use its one style sheet and its
/// scripts, and nothing else.
fn policy(scripts: &[&str]) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let scripts: String = scripts
        .iter()
        .map(|script| format!(" script-src 'sha256-{}';", hash(script)))
        .collect();
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}';{scripts} base-uri 'none'; \
         form-action 'none'",
        hash(STYLE)
    )
}

/// `value` as JSON that may stand in a script element: no `<`, `>` or `&`, no line separator of
/// JavaScript, and nothing that reorders text in an editor.
fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::Internal(format!("the report's data as JSON: {error}")))?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<'
            | '>'
            | '&'
            | '\u{7F}'..='\u{9F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' => {
                out += &format!("\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn missing(run: &Run) -> Missing {
    let reason = |name: &str| match &run.status {
        Status::Partial { stage, reason } => {
            format!(
                "There is no {name}: the run stopped at {}: {}",
                shown(stage),
                shown(reason)
            )
        }
        Status::Complete => format!("There is no {name} in this run."),
    };
    Missing {
        features: reason("descriptor"),
        pca: reason("principal component"),
        tsne: reason("t-SNE embedding"),
        quality: reason("measure of an embedding"),
    }
}

fn fault(error: &minijinja::Error) -> Error {
    Error::Internal(format!("the report's template: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_end_its_script() {
        let text = json(&["</script><!--", "a & b", "\u{2028}"]).unwrap();
        assert!(!text.contains(['<', '>', '&', '\u{2028}']));
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back[0], "</script><!--");
    }

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
    }
}
