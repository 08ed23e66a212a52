//! Points in the plane, one colour and one marker shape a class.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use serde::Serialize;

use super::sketch::{Align, At, SCALE, Sketch, bitmap, vector};
use super::theme::{AXIS, BLACK, GRID, INK, MUTED, PALETTE, Shape, document, escaped, shortened};
use super::{About, axis};
use crate::error::{Error, Result};

/// Points drawn as SVG elements; more become one bitmap inside the axes (the bound of the report's
/// specification: at about 90 bytes an element this is half a megabyte).
pub const MAX_VECTOR_POINTS: usize = 5_000;

/// Width of the whole plot in pixels.
const WIDTH: f64 = 720.0;
/// Left, top, right and bottom margin in pixels: room for labels of 22 px, which a phone needs.
const MARGIN: (f64, f64, f64, f64) = (76.0, 36.0, 14.0, 62.0);
/// Height of the plotting area relative to its width, at least and at most: flatter hides the
/// second axis, higher leaves the screen.
const ASPECT: (f64, f64) = (0.5, 0.95);
/// Empty room around the points relative to their range, so that no marker touches an axis.
const ROOM: f64 = 0.04;
/// Pixels of the bitmap to one of the plot: sharp on a screen of twice the density.
const BITMAP_SCALE: f64 = 2.0;
/// Width of a legend at the right in pixels.
const LEGEND_WIDTH: f64 = 190.0;

/// Whether the plot carries its own legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legend {
    /// Right of the plotting area.
    Right,
    /// None: the page has one.
    None,
}

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Scatter<'a> {
    /// Title and description.
    pub about: About<'a>,
    /// Horizontal positions.
    pub x: &'a [f32],
    /// Vertical positions.
    pub y: &'a [f32],
    /// Class of each point, an index into `labels`.
    pub class: &'a [u16],
    /// Names of the classes.
    pub labels: &'a [&'a str],
    /// What the horizontal axis shows, with its unit.
    pub x_label: &'a str,
    /// What the vertical axis shows, with its unit.
    pub y_label: &'a str,
    /// Whether to draw a legend.
    pub legend: Legend,
}

/// Where the plotting area lies in the plot, in pixels, and which values it spans.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Frame {
    /// Size of the whole plot.
    pub width: f64,
    /// Size of the whole plot.
    pub height: f64,
    /// Left edge of the plotting area.
    pub left: f64,
    /// Top edge of the plotting area.
    pub top: f64,
    /// Right edge of the plotting area.
    pub right: f64,
    /// Bottom edge of the plotting area.
    pub bottom: f64,
    /// Values at the left and the right edge.
    pub x: (f64, f64),
    /// Values at the bottom and the top edge.
    pub y: (f64, f64),
    /// Radius of a marker.
    pub radius: f64,
}

impl Frame {
    pub(super) fn at(&self, x: f64, y: f64) -> At {
        let u = (x - self.x.0) / (self.x.1 - self.x.0);
        let v = (y - self.y.0) / (self.y.1 - self.y.0);
        (
            self.left + u * (self.right - self.left),
            self.bottom - v * (self.bottom - self.top),
        )
    }
}

/// A drawn scatter plot.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPlot {
    /// The SVG document.
    pub svg: String,
    /// Its geometry, for a script that draws over it.
    pub frame: Frame,
    /// Points drawn.
    pub n_shown: usize,
    /// Points left out because a coordinate is not finite.
    pub n_dropped: usize,
}

/// Draws points with the same scale on both axes.
///
/// # Errors
/// [`Error::Invalid`] if the slices differ in length or a class has no label.
pub fn scatter(plot: &Scatter) -> Result<ScatterPlot> {
    let n = plot.x.len();
    if plot.y.len() != n || plot.class.len() != n {
        return Err(Error::Invalid(format!(
            "a scatter plot takes as many x ({n}) as y ({}) and classes ({})",
            plot.y.len(),
            plot.class.len()
        )));
    }
    if let Some(class) = plot
        .class
        .iter()
        .find(|c| usize::from(**c) >= plot.labels.len())
    {
        return Err(Error::Invalid(format!(
            "class {class} has no label among {}",
            plot.labels.len()
        )));
    }
    let finite = |&i: &usize| plot.x[i].is_finite() && plot.y[i].is_finite();
    let points: Vec<usize> = draw_order(n).into_iter().filter(finite).collect();
    let frame = frame(plot, &points);

    let mut body = vector((frame.width, frame.height), |sketch| {
        axes(sketch, plot, &frame)
    })?;
    body.push_str("<g class=\"points\">");
    if points.len() <= MAX_VECTOR_POINTS {
        body.push_str(&vector((frame.width, frame.height), |sketch| {
            markers(sketch, plot, &points, &frame, (0.0, 0.0), &PALETTE)
        })?);
    } else {
        body.push_str(&bitmap_image(plot, &points, &frame)?);
    }
    body.push_str("</g>");

    let mut width = frame.width;
    if plot.legend == Legend::Right {
        body.push_str(&legend(plot, &frame)?);
        width += LEGEND_WIDTH;
    }
    Ok(ScatterPlot {
        svg: document(&plot.about, (width, frame.height), SCALE, &body),
        frame,
        n_shown: points.len(),
        n_dropped: n - points.len(),
    })
}

/// An order of `0..n` that mixes neighbours, so that no class lies over all others because its
/// name comes last: by the low 32 bits of `i` times 2^32 over the golden ratio (Knuth, TAOCP 3,
/// section 6.4).
#[must_use]
pub fn draw_order(n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| ((i as u32).wrapping_mul(2_654_435_769), i));
    order
}

pub(super) fn frame(plot: &Scatter, points: &[usize]) -> Frame {
    let range = |values: &[f32]| {
        let (min, max) = points.iter().fold((f64::MAX, f64::MIN), |(min, max), &i| {
            let value = f64::from(values[i]);
            (min.min(value), max.max(value))
        });
        // No point at all: any range will do.
        if min > max { (-1.0, 1.0) } else { (min, max) }
    };
    let padded = |(min, max): (f64, f64), room: f64| (min - room, max + room);
    let (x, y) = (range(plot.x), range(plot.y));
    let span = (x.1 - x.0).max(y.1 - y.0);
    // One point, or all at one place: one unit around it.
    let room = if span > 0.0 { ROOM * span } else { 1.0 };
    let (x, y) = (padded(x, room), padded(y, room));

    let (left, top, right, bottom) = MARGIN;
    let inner = WIDTH - left - right;
    let ratio = (y.1 - y.0) / (x.1 - x.0);
    let aspect = ratio.clamp(ASPECT.0, ASPECT.1);
    // Equal scale on both axes: the one that is too short for the area is extended on both sides.
    let grow = |(min, max): (f64, f64), factor: f64| {
        let extra = (max - min) * (factor.max(1.0) - 1.0) / 2.0;
        (min - extra, max + extra)
    };
    Frame {
        width: WIDTH,
        height: top + (inner * aspect).round() + bottom,
        left,
        top,
        right: WIDTH - right,
        bottom: top + (inner * aspect).round(),
        x: grow(x, ratio / aspect),
        y: grow(y, aspect / ratio),
        radius: radius(points.len()),
    }
}

/// Radius of a marker in pixels: about a sixth of the plot is covered if points spread evenly,
/// between what the eye can still tell apart and what looks like a point.
fn radius(n: usize) -> f64 {
    let area = 0.16 * WIDTH * WIDTH * 0.7 / n.max(1) as f64;
    ((area / std::f64::consts::PI).sqrt() * 4.0)
        .round()
        .clamp(6.0, 18.0)
        / 4.0
}

pub(super) fn axes<DB: DrawingBackend>(
    sketch: &Sketch<DB>,
    plot: &Scatter,
    frame: &Frame,
) -> Result<()> {
    let Frame {
        left,
        top,
        right,
        bottom,
        ..
    } = *frame;
    let ticks = axis::ticks(frame.x.0, frame.x.1, 7);
    for (tick, label) in ticks.iter().zip(axis::labels(&ticks)) {
        let (x, _) = frame.at(*tick, frame.y.0);
        sketch.line(&[(x, top), (x, bottom)], GRID, 1.0)?;
        sketch.text(&label, (x, bottom + 15.0), 12.0, MUTED, Align::Middle)?;
    }
    let n = (7.0 * (bottom - top) / (right - left)).round().max(3.0) as usize;
    let ticks = axis::ticks(frame.y.0, frame.y.1, n);
    for (tick, label) in ticks.iter().zip(axis::labels(&ticks)) {
        let (_, y) = frame.at(frame.x.0, *tick);
        sketch.line(&[(left, y), (right, y)], GRID, 1.0)?;
        sketch.text(&label, (left - 8.0, y), 12.0, MUTED, Align::End)?;
    }
    sketch.line(&[(left, top), (left, bottom), (right, bottom)], AXIS, 1.0)?;
    let centre = f64::midpoint(left, right);
    sketch.text(
        plot.x_label,
        (centre, bottom + 45.0),
        13.0,
        INK,
        Align::Middle,
    )?;
    // Above its axis and level: easier to read than on its side, and never in the way of ticks.
    sketch.text(plot.y_label, (2.0, 14.0), 13.0, INK, Align::Start)
}

fn markers<DB: DrawingBackend>(
    sketch: &Sketch<DB>,
    plot: &Scatter,
    points: &[usize],
    frame: &Frame,
    origin: At,
    palette: &[RGBColor; 8],
) -> Result<()> {
    for &i in points {
        let class = usize::from(plot.class[i]);
        let (x, y) = frame.at(f64::from(plot.x[i]), f64::from(plot.y[i]));
        let color = palette[class % palette.len()];
        sketch.marker(
            Shape::of(class),
            (x - origin.0, y - origin.1),
            frame.radius,
            color,
        )?;
    }
    Ok(())
}

/// The markers as a PNG with transparency inside an SVG element.
///
/// plotters draws without transparency, so they are drawn twice: where the picture on black equals
/// the one on white nothing shines through, and the difference gives how much does.
pub(super) fn bitmap_image(plot: &Scatter, points: &[usize], frame: &Frame) -> Result<String> {
    let (width, height) = (frame.right - frame.left, frame.bottom - frame.top);
    let size = (
        (width * BITMAP_SCALE) as u32,
        (height * BITMAP_SCALE) as u32,
    );
    // A picture cannot follow the page into dark mode, where black would vanish: grey is seen in
    // both, at 4.5 : 1 on white.
    let palette = PALETTE.map(|color| {
        if color == BLACK {
            RGBColor(0x76, 0x76, 0x76)
        } else {
            color
        }
    });
    let draw = |background| {
        bitmap(size, BITMAP_SCALE, background, |sketch| {
            markers(
                sketch,
                plot,
                points,
                frame,
                (frame.left, frame.top),
                &palette,
            )
        })
    };
    let white = draw(RGBColor(255, 255, 255))?;
    let black = draw(RGBColor(0, 0, 0))?;
    let mut rgba = Vec::with_capacity(white.len() / 3 * 4);
    for (white, black) in white.chunks_exact(3).zip(black.chunks_exact(3)) {
        let alpha = 255 - white[0].saturating_sub(black[0]);
        let color = |value: u8| match alpha {
            0 => 0,
            _ => (u32::from(value) * 255 / u32::from(alpha)).min(255) as u8,
        };
        rgba.extend([color(black[0]), color(black[1]), color(black[2]), alpha]);
    }
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
        .write_image(&rgba, size.0, size.1, ExtendedColorType::Rgba8)
        .map_err(|error| Error::Internal(format!("a plot could not be encoded: {error}")))?;
    Ok(format!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" href=\"data:image/png;base64,{}\"/>",
        frame.left * SCALE,
        frame.top * SCALE,
        width * SCALE,
        height * SCALE,
        BASE64_STANDARD.encode(png)
    ))
}

fn legend(plot: &Scatter, frame: &Frame) -> Result<String> {
    const LINE: f64 = 20.0;
    let room = ((frame.bottom - frame.top) / LINE) as usize;
    let hidden = plot.labels.len().saturating_sub(room);
    let listed = if hidden == 0 {
        plot.labels.len()
    } else {
        room.saturating_sub(1)
    };
    vector((frame.width + LEGEND_WIDTH, frame.height), |sketch| {
        let at = |line: usize| frame.top + LINE * (line as f64 + 0.5);
        for (class, label) in plot.labels.iter().enumerate().take(listed) {
            let color = PALETTE[class % PALETTE.len()];
            sketch.marker(
                Shape::of(class),
                (frame.width + 10.0, at(class)),
                4.5,
                color,
            )?;
            let label = shortened(label, 22);
            sketch.text(
                &label,
                (frame.width + 22.0, at(class)),
                12.0,
                INK,
                Align::Start,
            )?;
        }
        if hidden > 0 {
            let more = format!("and {} more", plot.labels.len() - listed);
            sketch.text(
                &more,
                (frame.width + 22.0, at(listed)),
                12.0,
                MUTED,
                Align::Start,
            )?;
        }
        Ok(())
    })
    .map(|body| format!("<g aria-label=\"{}\">{body}</g>", escaped("Legend")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(x: &[f32], y: &[f32], class: &[u16], labels: &[&str]) -> ScatterPlot {
        scatter(&Scatter {
            about: About {
                id: "test",
                title: "a <b> & \u{1}",
                description: "\"quoted\"",
            },
            x,
            y,
            class,
            labels,
            x_label: "</text><script>",
            y_label: "\u{0}\u{FFFF}",
            legend: Legend::Right,
        })
        .unwrap()
    }

    #[test]
    fn hostile_labels_stay_text() {
        let labels = [
            "</svg><script>alert(1)</script>",
            "\u{202E}\u{7}'\"",
            &"x".repeat(300),
        ];
        let drawn = plot(&[0.0, 1.0, 2.0], &[0.0, 1.0, 5.0], &[0, 1, 2], &labels);
        let xml = roxmltree::Document::parse(&drawn.svg).unwrap();
        assert!(!xml.descendants().any(|node| node.has_tag_name("script")));
        assert!(!drawn.svg.contains("style="));
    }

    #[test]
    fn non_finite_points_are_dropped_and_counted() {
        let drawn = plot(
            &[0.0, f32::NAN, 1.0],
            &[0.0, 1.0, f32::INFINITY],
            &[0, 0, 0],
            &["a"],
        );
        assert_eq!((drawn.n_shown, drawn.n_dropped), (1, 2));
        assert!(!drawn.svg.contains("NaN"));
        assert_eq!(plot(&[], &[], &[], &[]).n_shown, 0);
    }

    #[test]
    fn both_axes_have_one_scale() {
        for y in [0.001, 1.0, 1000.0] {
            let f = plot(&[0.0, 1.0], &[0.0, y], &[0, 0], &["a"]).frame;
            let x = (f.right - f.left) / (f.x.1 - f.x.0);
            let y = (f.bottom - f.top) / (f.y.1 - f.y.0);
            assert!((x / y - 1.0).abs() < 0.01, "{x} {y}");
        }
    }

    #[test]
    fn many_points_become_a_bitmap() {
        let n = MAX_VECTOR_POINTS + 1;
        let x: Vec<f32> = (0..n).map(|i| (i as f32).sin()).collect();
        let drawn = plot(&x, &x, &vec![0; n], &["a"]);
        assert!(drawn.svg.contains("data:image/png;base64,"));
        roxmltree::Document::parse(&drawn.svg).unwrap();
    }
}
