//! What the workers of a cluster did: a bar each, and the time that passed.

use super::about::About;
use super::axis;
use super::sketch::{Align, SCALE, vector};
use super::theme::{ACCENT, AXIS, BAR_PALE, GRID, INK, MARK, MUTED, document, shortened};
use crate::error::{Error, Result};

/// Width of the plot, and height of a worker's line, in pixels.
const WIDTH: f64 = 720.0;
const LINE: f64 = 24.0;
/// Left, top, right and bottom margin in pixels.
const MARGIN: (f64, f64, f64, f64) = (180.0, 40.0, 40.0, 58.0);
/// Longest name of a worker in characters.
const LABEL_CHARS: usize = 24;

/// A worker's bar.
#[derive(Debug, Clone, Copy)]
pub struct WorkerBar<'a> {
    /// Its name.
    pub name: &'a str,
    /// Seconds it worked on descriptors.
    pub features_s: f64,
    /// Seconds it worked on reductions.
    pub reductions_s: f64,
}

/// Draws what each worker did, and a line at the time that passed meanwhile: a bar that ends before it is a worker that
/// waited; one that goes beyond it did several tasks at once.
///
/// # Errors
/// [`Error::Invalid`] if there is no worker or a time is no number.
pub fn workers(about: &About, bars: &[WorkerBar], passed_s: f64) -> Result<String> {
    let sums = bars.iter().map(|bar| bar.features_s + bar.reductions_s);
    let most = sums.fold(passed_s, f64::max);
    if bars.is_empty() || !(most.is_finite() && most > 0.0) {
        return Err(Error::Invalid(
            "a chart of workers takes at least one, and times above 0".into(),
        ));
    }
    let size = (WIDTH, MARGIN.1 + LINE * bars.len() as f64 + MARGIN.3);
    let (left, top, right) = (MARGIN.0, MARGIN.1, WIDTH - MARGIN.2);
    let bottom = size.1 - MARGIN.3;
    let x = |s: f64| left + s / most * (right - left);
    let body = vector(size, |sketch| {
        let ticks = axis::ticks(0.0, most, 5);
        for (tick, label) in ticks.iter().zip(axis::labels(&ticks)) {
            sketch.line(&[(x(*tick), top), (x(*tick), bottom)], GRID, 1.0)?;
            sketch.text(
                &label,
                (x(*tick), bottom + 14.0),
                12.0,
                MUTED,
                Align::Middle,
            )?;
        }
        for (i, bar) in bars.iter().enumerate() {
            let middle = top + LINE * (i as f64 + 0.5);
            let label = shortened(bar.name, LABEL_CHARS);
            sketch.text(&label, (left - 10.0, middle), 12.0, INK, Align::End)?;
            let both = bar.features_s + bar.reductions_s;
            sketch.bar(
                (left, middle - 8.0),
                (x(bar.features_s), middle + 8.0),
                ACCENT,
            )?;
            sketch.bar(
                (x(bar.features_s), middle - 8.0),
                (x(both), middle + 8.0),
                BAR_PALE,
            )?;
        }
        sketch.line(&[(left, top), (left, bottom)], AXIS, 1.0)?;
        sketch.dashed((x(passed_s), top - 8.0), (x(passed_s), bottom), MARK, 1.25)?;
        let passed = format!("passed: {} s", axis::number(passed_s, 1));
        sketch.text(
            &passed,
            (x(passed_s) - 6.0, top - 14.0),
            12.0,
            MARK,
            Align::End,
        )?;
        let centre = (f64::midpoint(left, right), bottom + 40.0);
        sketch.text("seconds at work", centre, 13.0, INK, Align::Middle)
    })?;
    Ok(document(about, size, SCALE, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_any_number_of_workers() {
        let about = About {
            id: "w",
            title: "t",
            description: "d",
        };
        for n in [1, 2, 40] {
            let bar = |i: usize| WorkerBar {
                name: "<i>",
                features_s: i as f64 * 3.5,
                reductions_s: 0.25,
            };
            let bars: Vec<_> = (0..n).map(bar).collect();
            let svg = workers(&about, &bars, 12.5).unwrap();
            roxmltree::Document::parse(&svg).unwrap();
            assert!(svg.contains("passed: 12.5 s"));
        }
        assert!(workers(&about, &[], 1.0).is_err());
    }
}
