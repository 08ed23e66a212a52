//! Points before and after: where each was, where it is, and a line between.

use super::about::About;
use super::frame::{Legend, Scatter, axes, frame};
use super::scatter::{bitmap_image, draw_order};
use super::sketch::{At, SCALE, vector};
use super::theme::{AXIS, PALETTE, Shape, document};
use crate::error::{Error, Result};

/// Points drawn with ring and line; of more only [`N_MOST_MOVED`] are. At about 300 bytes each this is 1.5 MB.
pub const MAX_LINES: usize = 5_000;
/// Points drawn with ring and line where not all are.
pub const N_MOST_MOVED: usize = 500;
/// Smallest radius of ring and marker in pixels, that of a scatter plot of about 10,000 points.
const MIN_RADIUS: f64 = 1.5;

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Moves<'a> {
    /// Title and description.
    pub about: About<'a>,
    /// Where each point was, x and y.
    pub before: &'a [[f64; 2]],
    /// Where it is, x and y.
    pub after: &'a [[f64; 2]],
    /// Its class: the number decides colour and marker.
    pub class: &'a [u16],
    /// What the horizontal axis shows, with its unit.
    pub x_label: &'a str,
    /// What the vertical axis shows, with its unit.
    pub y_label: &'a str,
}

/// A drawn plot.
#[derive(Debug, Clone, PartialEq)]
pub struct MovesPlot {
    /// The SVG document.
    pub svg: String,
    /// Points drawn with ring and line: all, or the ones that moved most.
    pub n_paths: usize,
}

/// Draws a ring where each point was, a marker of its class where it is, and a line between, with the same scale on
/// both axes. Of more than [`MAX_LINES`] points those that moved least are part of one pale bitmap, where they are.
///
/// # Errors
/// [`Error::Invalid`] if the slices differ in length or a coordinate is not finite.
pub fn moves(plot: &Moves) -> Result<MovesPlot> {
    let n = plot.before.len();
    if plot.after.len() != n || plot.class.len() != n {
        return Err(Error::Invalid(format!(
            "a plot of moves takes as many positions before ({n}) as after ({}) and classes ({})",
            plot.after.len(),
            plot.class.len()
        )));
    }
    let all = || plot.before.iter().chain(plot.after);
    if all().flatten().any(|value| !value.is_finite()) {
        return Err(Error::Invalid(
            "a plot of moves takes finite positions".into(),
        ));
    }
    // Both positions of every point, as one cloud: those after are the first half.
    let cloud = |axis: usize| -> Vec<f32> {
        let points = plot.after.iter().chain(plot.before);
        points.map(|point| point[axis] as f32).collect()
    };
    let (x, y) = (cloud(0), cloud(1));
    let scatter = Scatter {
        about: plot.about,
        x: &x,
        y: &y,
        class: plot.class,
        labels: &[],
        x_label: plot.x_label,
        y_label: plot.y_label,
        legend: Legend::None,
    };
    let frame = frame(&scatter, &(0..x.len()).collect::<Vec<_>>());
    let size = (frame.width, frame.height);
    let at = |[x, y]: [f64; 2]| frame.at(x, y);
    let chosen = chosen(plot);
    let radius = frame.radius.max(MIN_RADIUS);

    let mut body = vector(size, |sketch| axes(sketch, &scatter, &frame))?;
    if chosen.len() < n {
        body.push_str("<g class=\"others\" opacity=\"0.5\">");
        body.push_str(&bitmap_image(&scatter, &draw_order(n), &frame)?);
        body.push_str("</g>");
    }
    let (lines, rings) = (opacity(chosen.len(), 30.0), opacity(chosen.len(), 300.0));
    body.push_str(&format!(
        "<g class=\"paths\" stroke-opacity=\"{lines:.2}\">"
    ));
    body.push_str(&vector(size, |sketch| {
        for &i in &chosen {
            let ends = [at(plot.before[i]), at(plot.after[i])];
            if is_visible(ends, radius) {
                sketch.line(&ends, AXIS, 0.75)?;
            }
        }
        Ok(())
    })?);
    body.push_str(&format!(
        "</g><g class=\"before\" stroke-opacity=\"{rings:.2}\">"
    ));
    body.push_str(&vector(size, |sketch| {
        for &i in &chosen {
            sketch.ring(at(plot.before[i]), radius, AXIS, 0.75)?;
        }
        Ok(())
    })?);
    body.push_str("</g><g class=\"points\">");
    body.push_str(&vector(size, |sketch| {
        for &i in &chosen {
            let class = usize::from(plot.class[i]);
            let color = PALETTE[class % PALETTE.len()];
            sketch.marker(Shape::of(class), at(plot.after[i]), radius, color)?;
        }
        Ok(())
    })?);
    body.push_str("</g>");
    Ok(MovesPlot {
        svg: document(&plot.about, size, SCALE, &body),
        n_paths: chosen.len(),
    })
}

/// Opacity of `n` strokes that are fully drawn up to about `few` of them: the more there are, the paler each, so that
/// where many lie over each other can be told from where one does.
fn opacity(n: usize, few: f64) -> f64 {
    (few / n.max(1) as f64).powf(0.4).clamp(0.1, 0.8)
}

/// The points to draw, in an order that mixes classes.
fn chosen(plot: &Moves) -> Vec<usize> {
    let order = draw_order(plot.before.len());
    if order.len() <= MAX_LINES {
        return order;
    }
    let distance = |i: usize| {
        let ([ax, ay], [bx, by]) = (plot.before[i], plot.after[i]);
        (ax - bx).hypot(ay - by)
    };
    let mut farthest: Vec<usize> = (0..order.len()).collect();
    farthest.sort_by(|&a, &b| distance(b).total_cmp(&distance(a)).then(a.cmp(&b)));
    farthest.truncate(N_MOST_MOVED);
    farthest.sort_unstable();
    let drawn = |i: &usize| farthest.binary_search(i).is_ok();
    order.into_iter().filter(drawn).collect()
}

/// Whether a line would be seen between ring and marker.
fn is_visible([a, b]: [At; 2], radius: f64) -> bool {
    (a.0 - b.0).hypot(a.1 - b.1) > radius
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(before: &[[f64; 2]], after: &[[f64; 2]]) -> Result<MovesPlot> {
        moves(&Moves {
            about: About {
                id: "m",
                title: "a <b>",
                description: "\u{1}",
            },
            before,
            after,
            class: &vec![9; before.len()],
            x_label: "</text><script>",
            y_label: "\u{0}",
        })
    }

    fn elements(svg: &str, group: &str) -> usize {
        let xml = roxmltree::Document::parse(svg).unwrap();
        let group = xml
            .descendants()
            .find(|node| node.attribute("class") == Some(group))
            .unwrap();
        group.children().filter(|n| n.is_element()).count()
    }

    #[test]
    fn every_move_is_a_ring_a_line_and_a_marker() {
        let before = [[0.0, 0.0], [1.0, 5.0], [2.0, 2.0]];
        let after = [[0.0, 0.0], [4.0, 1.0], [2.0, 3.0]];
        let plot = drawn(&before, &after).unwrap();
        let svg = &plot.svg;
        assert_eq!(plot.n_paths, 3);
        assert_eq!(elements(svg, "before"), 3);
        assert_eq!(elements(svg, "points"), 3);
        // The one that stayed has none.
        assert_eq!(elements(svg, "paths"), 2);
        assert!(!svg.contains("<script") && !svg.contains("style="));
    }

    #[test]
    fn of_many_points_the_most_moved_are_drawn() {
        let before: Vec<_> = (0..=MAX_LINES).map(|i| [i as f64, 0.0]).collect();
        let after: Vec<_> = before.iter().map(|[x, _]| [*x, x / 10.0]).collect();
        let plot = drawn(&before, &after).unwrap();
        assert_eq!(plot.n_paths, N_MOST_MOVED);
        assert_eq!(elements(&plot.svg, "points"), N_MOST_MOVED);
        assert_eq!(elements(&plot.svg, "others"), 1);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        assert!(drawn(&[[0.0, f64::NAN]], &[[0.0, 0.0]]).is_err());
        assert!(drawn(&[[0.0, 0.0]], &[]).is_err());
        drawn(&[], &[]).unwrap();
    }
}
