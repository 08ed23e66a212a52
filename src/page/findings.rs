//! Section on images that stand out.

use super::context::{Finding, FindingsSection, Thumb};
use super::format::{count, counted};
use super::pieces::thumb;
use super::rows::Rows;
use crate::plot::shown;
use crate::record::{Conflict, FindingsRecord, Likeness, Run};

/// Classes of which the representative is shown; more make the section longer than it is read.
const MAX_REPRESENTATIVES: usize = 60;
/// Copies shown of an image under several labels.
const MAX_COPIES: usize = 6;

pub(super) fn findings_section(run: &Run, rows: &Rows) -> Option<FindingsSection> {
    let findings = run.findings.as_ref()?;
    let finding = |key: &str, note: String, neighbors: &[String]| Finding {
        image: thumb(rows, key, note),
        near: neighbors
            .iter()
            .map(|key| thumb(rows, key, String::new()))
            .collect(),
    };
    let n = findings.n_disagreements;
    let k = findings.label_neighbors;
    let listed = findings.disagreements.len() as u64;
    let disagreements_sentence = match n {
        0 => format!(
            "None: of the {k} nearest images of each of the {} most have its label.",
            counted(run.images.accepted, "image", "images")
        ),
        n => format!(
            "{} of {} lie among images of another class: their {k} nearest vote for it. A wrong label looks like this, and \
             so do classes that look alike.{}",
            count(n),
            counted(run.images.accepted, "image", "images"),
            match n > listed {
                true => format!(
                    " The {listed} with the fewest neighbours of their own class, copies once:"
                ),
                false => String::new(),
            }
        ),
    };
    Some(FindingsSection {
        outliers_sentence: format!(
            "The images that lie most apart from where their {} nearest are dense (local outlier factor; 1 is as dense as \
             they are), each with its nearest images. Copies of one image count once.",
            findings.outlier_neighbors
        ),
        outliers: findings
            .outliers
            .iter()
            .map(|o| {
                let note = match o.n_alike {
                    0 => format!("factor {:.2}", o.score),
                    n => format!("factor {:.2}; {} more like it", o.score, count(n)),
                };
                finding(&o.key, note, &o.neighbors)
            })
            .collect(),
        representatives: findings
            .representatives
            .iter()
            .take(MAX_REPRESENTATIVES)
            .map(|r| thumb(rows, &r.key, String::new()))
            .collect(),
        n_more_representatives: findings
            .representatives
            .len()
            .saturating_sub(MAX_REPRESENTATIVES),
        conflicts_sentence: conflicts_sentence(findings),
        conflicts: findings
            .conflicts
            .iter()
            .map(|found| conflict(rows, found))
            .collect(),
        disagreements_sentence,
        disagreements: findings
            .disagreements
            .iter()
            .map(|d| {
                let note = format!(
                    "voted {}; {:.0} of {k} agree",
                    shown(&d.predicted),
                    d.agreement * k as f64
                );
                finding(&d.key, note, &d.neighbors)
            })
            .collect(),
    })
}

fn conflicts_sentence(findings: &FindingsRecord) -> String {
    let n = findings.n_conflicts;
    let listed = findings.conflicts.len() as u64;
    let which = match n > listed {
        true => format!(" The first {listed}:"),
        false => String::new(),
    };
    match n {
        0 => "None: no two files that are equal, or nearly the same, have different labels."
            .to_owned(),
        1 => "1 image is in the set under several labels: at most one of them is right.".to_owned(),
        n => format!(
            "{} images are in the set under several labels: of the labels of each at most one is right. Look at these \
             first.{which}",
            count(n)
        ),
    }
}

fn conflict(rows: &Rows, found: &Conflict) -> Vec<Thumb> {
    let mut copies: Vec<Thumb> = found
        .copies
        .iter()
        .take(MAX_COPIES)
        .map(|copy| thumb(rows, &copy.key, String::new()))
        .collect();
    let labels = counted(found.n_labels, "label", "labels");
    let n_hidden = found.n_copies.saturating_sub(copies.len() as u64);
    if let Some(first) = copies.first_mut() {
        first.note = match found.likeness {
            Likeness::SameFile => format!("the same file under {labels}"),
            Likeness::NearlySame => format!("nearly the same, under {labels}"),
        };
    }
    if let (Some(last), true) = (copies.last_mut(), n_hidden > 0) {
        last.note = format!("and {} more", count(n_hidden));
    }
    copies
}
