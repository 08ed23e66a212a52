//! What grows with what: curves over the number of images, both axes logarithmic, so that a power is a straight line.

use plotters::style::WHITE;

use super::about::About;
use super::axis;
use super::sketch::{Align, At, SCALE, Sketch, vector};
use super::theme::{AXIS, GRID, INK, MUTED, PALETTE, Shape, document};
use crate::error::{Error, Result};

/// Size of the plot in pixels.
const SIZE: At = (720.0, 424.0);
/// Left, top, right and bottom margin in pixels, without the legend.
const MARGIN: (f64, f64, f64, f64) = (76.0, 40.0, 36.0, 62.0);
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 18.0;

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Scaling<'a> {
    /// Title and description.
    pub about: About<'a>,
    /// What the horizontal axis counts.
    pub x_label: &'a str,
    /// What the vertical axis shows, with its unit.
    pub y_label: &'a str,
    /// One or more.
    pub curves: &'a [Curve<'a>],
}

/// Measured points of one thing.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// As the legend says it.
    pub name: &'a str,
    /// x and y, both above 0, in the order of x.
    pub points: &'a [(f64, f64)],
}

/// Draws every curve as markers joined by lines, on a white ground: the document stands alone.
///
/// # Errors
/// [`Error::Invalid`] if there is no point, or a value that has no logarithm.
pub fn scaling(plot: &Scaling) -> Result<String> {
    let all = || plot.curves.iter().flat_map(|curve| curve.points);
    if let Some(bad) = all().find(|(x, y)| ![x, y].iter().all(|v| v.is_finite() && **v > 0.0)) {
        return Err(Error::Invalid(format!(
            "logarithmic axes take values above 0, not {bad:?}"
        )));
    }
    let (Some(x), Some(y)) = (
        Decades::around(all().map(|p| p.0)),
        Decades::around(all().map(|p| p.1)),
    ) else {
        return Err(Error::Invalid(
            "a plot of scaling takes at least one point".into(),
        ));
    };
    let legend = LEGEND_LINE * plot.curves.len() as f64;
    let (left, top) = (MARGIN.0, MARGIN.1 + legend);
    let size = (SIZE.0, SIZE.1 + legend);
    let (right, bottom) = (size.0 - MARGIN.2, size.1 - MARGIN.3);
    let at = |(a, b): (f64, f64)| {
        (
            left + x.share(a) * (right - left),
            bottom - y.share(b) * (bottom - top),
        )
    };

    let body = vector(size, |sketch| {
        sketch.bar((0.0, 0.0), size, WHITE)?;
        for (value, is_labelled) in y.ticks() {
            let (_, height) = at((x.low, value));
            sketch.line(&[(left, height), (right, height)], GRID, 1.0)?;
            if is_labelled {
                sketch.text(&label(value), (left - 8.0, height), 12.0, MUTED, Align::End)?;
            }
        }
        for (value, is_labelled) in x.ticks() {
            let (across, _) = at((value, y.low));
            sketch.line(&[(across, top), (across, bottom)], GRID, 1.0)?;
            if is_labelled {
                let below = (across, bottom + 16.0);
                sketch.text(&label(value), below, 12.0, MUTED, Align::Middle)?;
            }
        }
        sketch.line(&[(left, bottom), (right, bottom)], AXIS, 1.0)?;
        for (i, curve) in plot.curves.iter().enumerate() {
            let points: Vec<At> = curve.points.iter().map(|&point| at(point)).collect();
            draw(sketch, i, &points)?;
            let line = (left + 8.0, MARGIN.1 - 6.0 + LEGEND_LINE * i as f64);
            draw(sketch, i, &[line])?;
            let text = (line.0 + 12.0, line.1);
            sketch.text(curve.name, text, 12.5, INK, Align::Start)?;
        }
        let centre = f64::midpoint(left, right);
        sketch.text(
            plot.x_label,
            (centre, bottom + 45.0),
            13.0,
            INK,
            Align::Middle,
        )?;
        sketch.text(plot.y_label, (2.0, 14.0), 13.0, INK, Align::Start)
    })?;
    Ok(document(&plot.about, size, SCALE, &body))
}

fn draw<DB: plotters::prelude::DrawingBackend>(
    sketch: &Sketch<DB>,
    curve: usize,
    points: &[At],
) -> Result<()> {
    let color = PALETTE[curve % PALETTE.len()];
    if points.len() > 1 {
        sketch.line(points, color, 1.5)?;
    }
    points
        .iter()
        .try_for_each(|&point| sketch.marker(Shape::of(curve), point, 4.0, color))
}

/// The range of a logarithmic axis: from a round number to a round number.
struct Decades {
    low: f64,
    high: f64,
}

impl Decades {
    /// The steps of a decade.
    const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        (low <= high).then(|| Self {
            low: steps_around(low).0,
            high: steps_around(high).1,
        })
    }

    fn share(&self, value: f64) -> f64 {
        (value / self.low).ln() / (self.high / self.low).ln()
    }

    /// Round numbers, and whether they have room for a label: on long axes only powers of ten.
    fn ticks(&self) -> Vec<(f64, bool)> {
        let is_long = self.high / self.low > 1e4;
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let all = (first..=last).flat_map(|decade| Self::STEPS.map(|step| (decade, step)));
        all.map(|(decade, step)| (step * 10f64.powi(decade), step == 1.0 || !is_long))
            .filter(|(value, _)| {
                (0.999..1.001 * self.high / self.low).contains(&(value / self.low))
            })
            .collect()
    }
}

/// The nearest round numbers below (or at) and above `value`.
fn steps_around(value: f64) -> (f64, f64) {
    let decade = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    let below = steps.iter().rev().find(|&&step| step <= value);
    let above = steps.iter().find(|&&step| step > value);
    (
        below.copied().unwrap_or(decade),
        above.copied().unwrap_or(10.0 * decade),
    )
}

fn label(value: f64) -> String {
    let decimals = (-value.log10().floor()).max(0.0) as usize;
    axis::number(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, f64)]) -> Result<String> {
        scaling(&Scaling {
            about: About {
                id: "s",
                title: "time <b>",
                description: "n",
            },
            x_label: "images",
            y_label: "seconds",
            curves: &[
                Curve {
                    name: "t-SNE & more",
                    points,
                },
                Curve {
                    name: "PCA",
                    points: &[(1_000.0, 0.02)],
                },
            ],
        })
    }

    #[test]
    fn a_power_is_a_straight_line_between_round_numbers() {
        let svg = drawn(&[(100.0, 0.1), (1_000.0, 1.0), (10_000.0, 10.0)]).unwrap();
        let xml = roxmltree::Document::parse(&svg).unwrap();
        let numbers = |node: &roxmltree::Node, name: &str| -> f64 {
            node.attribute(name).unwrap().parse().unwrap()
        };
        let circles: Vec<(f64, f64)> = xml
            .descendants()
            .filter(|n| n.has_tag_name("circle"))
            .map(|n| (numbers(&n, "cx"), numbers(&n, "cy")))
            .collect();
        // Three points and the legend's.
        assert_eq!(circles.len(), 4);
        let [a, b, c] = [circles[0], circles[1], circles[2]];
        assert!(((b.0 - a.0) - (c.0 - b.0)).abs() <= 1.0 && b.0 > a.0);
        assert!(((a.1 - b.1) - (b.1 - c.1)).abs() <= 1.0 && b.1 < a.1);
        let texts: Vec<_> = xml.descendants().filter_map(|n| n.text()).collect();
        for wanted in [
            "100",
            "10,000",
            "0.1",
            "10",
            "0.02",
            "t-SNE & more",
            "time <b>",
        ] {
            assert!(texts.contains(&wanted), "{wanted}: {texts:?}");
        }
    }

    #[test]
    fn what_has_no_logarithm_is_refused() {
        assert!(drawn(&[(0.0, 1.0)]).is_err());
        assert!(drawn(&[(1.0, f64::NAN)]).is_err());
        let nothing = Scaling {
            curves: &[],
            about: About {
                id: "s",
                title: "",
                description: "",
            },
            x_label: "",
            y_label: "",
        };
        assert!(scaling(&nothing).is_err());
    }
}
