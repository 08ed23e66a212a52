//! Section on images that stand out.

use super::context::{Finding, FindingsSection};
use super::format::{count, counted};
use super::pieces::thumb;
use super::rows::Rows;
use crate::plot::shown;
use crate::record::Run;

/// Classes of which the representative is shown; more make the section longer than it is read.
const MAX_REPRESENTATIVES: usize = 60;

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
                true => format!(" The {listed} with the fewest neighbours of their own class:"),
                false => String::new(),
            }
        ),
    };
    Some(FindingsSection {
        outliers_sentence: format!(
            "The images that lie most apart from where their {} nearest are dense (local outlier factor; 1 is as dense as \
             they are), each with its nearest images.",
            findings.outlier_neighbors
        ),
        outliers: findings
            .outliers
            .iter()
            .map(|o| finding(&o.key, format!("factor {:.2}", o.score), &o.neighbors))
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
