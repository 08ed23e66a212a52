//! How often neighbours vote for which class, as a grid.

use super::about::About;
use super::axis;
use super::sketch::{Align, SCALE, vector};
use super::theme::{ACCENT, AXIS, INK, MARK, MUTED, document, shortened};
use crate::error::{Error, Result};

/// Width of the plot in pixels.
const WIDTH: f64 = 520.0;
/// Left margin for the names, and top margin for the numbers of the classes, in pixels.
const MARGIN: (f64, f64) = (206.0, 52.0);
/// Largest edge of a cell in pixels: the grid of two classes is no poster.
const MAX_CELL: f64 = 64.0;
/// Cells of at least this edge hold their count.
const MIN_CELL_WITH_TEXT: f64 = 26.0;
/// Size of the text in pixels: two grids stand side by side and are drawn at three quarters of their size.
const TEXT: f64 = 15.0;
/// Opacity of a cell that holds all images of its row: text on it keeps a contrast above 4.5 : 1.
const MAX_OPACITY: f64 = 0.42;

/// The votes of some classes for each other.
#[derive(Debug, Clone, Copy)]
pub struct ConfusionGrid<'a> {
    /// What the plot says about itself.
    pub about: About<'a>,
    /// Names of the classes.
    pub labels: &'a [&'a str],
    /// Images of each class, a row, by the class that is voted for, a column.
    pub counts: &'a [Vec<u64>],
    /// Images of each class, those whose vote has no column included.
    pub totals: &'a [u64],
}

/// Draws one row a class: the darker a cell, the larger its share of the row; the diagonal is right.
///
/// # Errors
/// [`Error::Invalid`] if there is no class, or not a row and a column for each.
pub fn confusion(grid: &ConfusionGrid) -> Result<String> {
    let n = grid.labels.len();
    if n == 0 || grid.counts.len() != n || grid.counts.iter().any(|row| row.len() != n) {
        return Err(Error::Invalid(format!(
            "a grid of {n} classes takes {n} rows of {n} counts, and at least one"
        )));
    }
    let (left, top) = MARGIN;
    let cell = ((WIDTH - left - 2.0) / n as f64).min(MAX_CELL);
    let size = (WIDTH, top + cell * n as f64 + 8.0);
    let text_size = TEXT.min(cell * 0.72);
    let right = left + cell * n as f64;
    let body = vector(size, |sketch| {
        sketch.text("voted for", (left, 12.0), TEXT, MUTED, Align::Start)?;
        sketch.text("class", (left - 12.0, 12.0), TEXT, MUTED, Align::End)?;
        for (i, label) in grid.labels.iter().enumerate() {
            let along = |j: usize| left + cell * (j as f64 + 0.5);
            let middle = top + cell * (i as f64 + 0.5);
            let number = (i + 1).to_string();
            sketch.text(
                &number,
                (along(i), top - 12.0),
                text_size,
                INK,
                Align::Middle,
            )?;
            let name = format!("{number} · {}", shortened(label, 20));
            sketch.text(&name, (left - 12.0, middle), text_size, INK, Align::End)?;
            for (j, &count) in grid.counts[i].iter().enumerate().filter(|(_, c)| **c > 0) {
                let share = count as f64 / grid.totals[i].max(1) as f64;
                // What is rare is what a reader looks for: never fainter than a sixth.
                let opacity = MAX_OPACITY * (share.sqrt()).max(1.0 / 6.0);
                let color = if i == j { ACCENT } else { MARK };
                let corner = (left + cell * j as f64 + 1.0, top + cell * i as f64 + 1.0);
                let end = (corner.0 + cell - 2.0, corner.1 + cell - 2.0);
                sketch.tint(corner, end, color, opacity)?;
                if cell >= MIN_CELL_WITH_TEXT {
                    let count = axis::number(count as f64, 0);
                    let size = TEXT.min(cell * 1.5 / count.len().max(3) as f64);
                    sketch.text(&count, (along(j), middle), size, INK, Align::Middle)?;
                }
            }
        }
        let bottom = top + cell * n as f64;
        let frame = [
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ];
        sketch.line(&frame, AXIS, 1.0)
    })?;
    Ok(document(&grid.about, size, SCALE, &body))
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
        for n in [1, 5, 24] {
            let counts: Vec<Vec<u64>> = (0..n).map(|i| (0..n).map(|j| i * j).collect()).collect();
            let drawn = confusion(&ConfusionGrid {
                about,
                labels: &vec!["</text><i>"; n as usize],
                counts: &counts,
                totals: &vec![n * n; n as usize],
            });
            roxmltree::Document::parse(&drawn.unwrap()).unwrap();
        }
        let none = confusion(&ConfusionGrid {
            about,
            labels: &[],
            counts: &[],
            totals: &[],
        });
        assert!(none.is_err());
    }
}
