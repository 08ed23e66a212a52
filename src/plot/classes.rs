//! Images of each class as horizontal bars.

use super::about::About;
use super::axis;
use super::sketch::{Align, SCALE, vector};
use super::theme::{AXIS, GRID, INK, MUTED, PALETTE, Shape, document, shortened};
use crate::error::{Error, Result};

/// Width of the plot in pixels.
const WIDTH: f64 = 720.0;
/// Left, top, right and bottom margin in pixels; at the left there is room for the longest label
/// and a marker, at the right for a count, both also at the 18 px that a phone needs.
const MARGIN: (f64, f64, f64, f64) = (226.0, 8.0, 76.0, 58.0);
/// Characters of a label; at 18 px they take about 200 pixels.
const LABEL_CHARS: usize = 20;
/// Height of a bar with the gap after it in pixels.
const LINE: f64 = 24.0;

/// A class to draw.
#[derive(Debug, Clone, Copy)]
pub struct ClassBar<'a> {
    /// Name of the class.
    pub label: &'a str,
    /// Its number in the colours and markers of the other plots.
    pub class: usize,
    /// Images.
    pub n: u64,
}

/// Draws one bar a class, in the order given.
///
/// # Errors
/// [`Error::Invalid`] if there is no class.
pub fn class_counts(about: &About, bars: &[ClassBar]) -> Result<String> {
    let Some(most) = bars.iter().map(|bar| bar.n).max() else {
        return Err(Error::Invalid(
            "a chart of class counts takes at least one class".into(),
        ));
    };
    let size = (WIDTH, MARGIN.1 + LINE * bars.len() as f64 + MARGIN.3);
    let (left, top, right) = (MARGIN.0, MARGIN.1, WIDTH - MARGIN.2);
    let bottom = size.1 - MARGIN.3;
    let x = |n: f64| left + n / most.max(1) as f64 * (right - left);
    let body = vector(size, |sketch| {
        let ticks = axis::ticks(0.0, most.max(1) as f64, 5);
        let whole = |tick: &&f64| tick.fract() == 0.0;
        for tick in ticks.iter().filter(whole) {
            sketch.line(&[(x(*tick), top), (x(*tick), bottom)], GRID, 1.0)?;
            let label = axis::number(*tick, 0);
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
            let color = PALETTE[bar.class % PALETTE.len()];
            let label = shortened(bar.label, LABEL_CHARS);
            sketch.text(&label, (left - 24.0, middle), 12.0, INK, Align::End)?;
            sketch.marker(Shape::of(bar.class), (left - 12.0, middle), 4.25, color)?;
            sketch.bar((left, middle - 8.0), (x(bar.n as f64), middle + 8.0), color)?;
            let count = axis::number(bar.n as f64, 0);
            sketch.text(
                &count,
                (x(bar.n as f64) + 7.0, middle),
                12.0,
                INK,
                Align::Start,
            )?;
        }
        sketch.line(&[(left, top), (left, bottom)], AXIS, 1.0)?;
        let centre = (f64::midpoint(left, right), bottom + 42.0);
        sketch.text("accepted images", centre, 13.0, INK, Align::Middle)
    })?;
    Ok(document(about, size, SCALE, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_any_number_of_classes() {
        let about = About {
            id: "c",
            title: "t",
            description: "d",
        };
        for n in [1, 5, 131] {
            let bars: Vec<_> = (0..n)
                .map(|class| ClassBar {
                    label: "<i>",
                    class,
                    n: class as u64,
                })
                .collect();
            roxmltree::Document::parse(&class_counts(&about, &bars).unwrap()).unwrap();
        }
        assert!(class_counts(&about, &[]).is_err());
    }
}
