//! Explained variance: each component as a bar, the running sum as a curve, on one axis.

use super::about::About;
use super::axis;
use super::sketch::{Align, SCALE, vector};
use super::theme::{ACCENT, AXIS, BAR, BAR_PALE, GRID, INK, MARK, MUTED, Shape, document};
use crate::error::{Error, Result};

/// Size of the plot in pixels.
const SIZE: (f64, f64) = (720.0, 424.0);
/// Left, top, right and bottom margin in pixels.
const MARGIN: (f64, f64, f64, f64) = (76.0, 40.0, 22.0, 62.0);
/// Share of the variance at the line across: the largest whose number of components the report names.
const TARGET: f64 = 0.99;
/// Most components drawn; past it the bars are thinner than a quarter of a pixel.
const MAX_COMPONENTS: usize = 1_000;

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Variance<'a> {
    /// Title and description.
    pub about: About<'a>,
    /// Share of the total variance each kept component explains, 0 to 1.
    pub kept: &'a [f64],
    /// The same for components beyond, as far as they are known.
    pub further: &'a [f64],
}

/// Draws the scree bars, the cumulative curve, a line at 99 % and one at the last kept component.
///
/// # Errors
/// [`Error::Invalid`] if no component is kept or a ratio is not between 0 and 1.
pub fn variance(plot: &Variance) -> Result<String> {
    let ratios: Vec<f64> = plot
        .kept
        .iter()
        .chain(plot.further)
        .copied()
        .take(MAX_COMPONENTS)
        .collect();
    if plot.kept.is_empty() {
        return Err(Error::Invalid(
            "a variance plot takes at least one component".into(),
        ));
    }
    if let Some(bad) = ratios.iter().find(|r| !(-1e-6..=1.0 + 1e-6).contains(*r)) {
        return Err(Error::Invalid(format!(
            "a share of the variance lies between 0 and 1, not at {bad}"
        )));
    }
    let n = ratios.len();
    let n_kept = plot.kept.len().min(n);
    let sums: Vec<f64> = ratios
        .iter()
        .scan(0.0, |sum, ratio| {
            *sum += ratio;
            Some(f64::min(*sum, 1.0))
        })
        .collect();

    let (left, top) = (MARGIN.0, MARGIN.1);
    let (right, bottom) = (SIZE.0 - MARGIN.2, SIZE.1 - MARGIN.3);
    let step = (right - left) / n as f64;
    let x = |component: f64| left + (component - 0.5) * step;
    let y = |share: f64| bottom - share * (bottom - top - 8.0);

    let body = vector(SIZE, |sketch| {
        for percent in [0, 20, 40, 60, 80, 100] {
            let at = y(f64::from(percent) / 100.0);
            sketch.line(&[(left, at), (right, at)], GRID, 1.0)?;
            sketch.text(
                &format!("{percent} %"),
                (left - 8.0, at),
                12.0,
                MUTED,
                Align::End,
            )?;
        }
        let half = (step * 0.4).min(16.0);
        for (i, ratio) in ratios.iter().enumerate() {
            let color = if i < n_kept { BAR } else { BAR_PALE };
            let centre = x(i as f64 + 1.0);
            sketch.bar((centre - half, y(*ratio)), (centre + half, bottom), color)?;
        }
        sketch.line(&[(left, bottom), (right, bottom)], AXIS, 1.0)?;
        for tick in component_ticks(n) {
            let at = x(tick as f64);
            sketch.line(&[(at, bottom), (at, bottom + 4.0)], AXIS, 1.0)?;
            let label = axis::number(tick as f64, 0);
            sketch.text(&label, (at, bottom + 16.0), 12.0, MUTED, Align::Middle)?;
        }

        sketch.dashed((left, y(TARGET)), (right, y(TARGET)), MARK, 1.25)?;
        let label_99 = format!("{:.0} %", TARGET * 100.0);
        sketch.text(
            &label_99,
            (left + 6.0, y(TARGET) + 11.0),
            12.0,
            MARK,
            Align::Start,
        )?;

        let curve: Vec<_> = sums
            .iter()
            .enumerate()
            .map(|(i, s)| (x(i as f64 + 1.0), y(*s)))
            .collect();
        if n_kept < n {
            sketch.line(&curve[n_kept - 1..], BAR, 2.0)?;
        }
        sketch.line(&curve[..n_kept], ACCENT, 2.25)?;
        let (end_x, end_y) = curve[n_kept - 1];
        sketch.dashed((end_x, bottom), (end_x, end_y), ACCENT, 1.0)?;
        sketch.marker(Shape::Circle, (end_x, end_y), 4.0, ACCENT)?;
        // Half-way up and left of the line there is neither curve nor bar; with few components
        // there is no room, so the label stands right of the line.
        let text = format!("{n_kept} kept: {:.1} %", sums[n_kept - 1] * 100.0);
        let (at, align) = match end_x - left {
            room if room > 220.0 => (end_x - 9.0, Align::End),
            _ => (end_x + 9.0, Align::Start),
        };
        let height = match sums[n_kept - 1] {
            sum if sum > 0.3 => y(sum * 0.55),
            _ => end_y - 22.0,
        };
        sketch.text(&text, (at, height), 13.0, ACCENT, align)?;

        let centre = f64::midpoint(left, right);
        sketch.text(
            "component",
            (centre, bottom + 45.0),
            13.0,
            INK,
            Align::Middle,
        )?;
        sketch.text(
            "share of the total variance",
            (2.0, 14.0),
            13.0,
            INK,
            Align::Start,
        )
    })?;
    Ok(document(&plot.about, SIZE, SCALE, &body))
}

/// Component numbers to label: all of up to ten, else the first and round ones.
fn component_ticks(n: usize) -> Vec<usize> {
    if n <= 10 {
        return (1..=n).collect();
    }
    let round = axis::ticks(0.0, n as f64, 8);
    let mut ticks: Vec<usize> = round
        .iter()
        .map(|t| t.round() as usize)
        .filter(|t| *t > 0)
        .collect();
    ticks.insert(0, 1);
    ticks.dedup();
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_and_is_xml() {
        let about = About {
            id: "v",
            title: "t",
            description: "d",
        };
        let kept: Vec<f64> = (1..=64).map(|i| 0.2 / f64::from(i)).collect();
        for kept in [&kept[..1], &kept[..3], &kept[..]] {
            for further in [&[][..], &[0.001, 0.0005]] {
                let svg = variance(&Variance {
                    about,
                    kept,
                    further,
                })
                .unwrap();
                roxmltree::Document::parse(&svg).unwrap();
            }
        }
    }

    #[test]
    fn refuses_what_is_no_share() {
        let about = About {
            id: "v",
            title: "t",
            description: "d",
        };
        assert!(
            variance(&Variance {
                about,
                kept: &[],
                further: &[]
            })
            .is_err()
        );
        assert!(
            variance(&Variance {
                about,
                kept: &[f64::NAN],
                further: &[]
            })
            .is_err()
        );
    }
}
