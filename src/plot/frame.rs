//! Where the points of a scatter plot lie, and its axes.

use plotters::prelude::DrawingBackend;
use serde::Serialize;

use super::about::About;
use super::axis;
use super::sketch::{Align, At, Sketch};
use super::theme::{AXIS, GRID, INK, MUTED};
use crate::error::Result;

/// Width of the whole plot in pixels.
const WIDTH: f64 = 720.0;
/// Left, top, right and bottom margin in pixels: room for labels of 22 px, which a phone needs.
const MARGIN: (f64, f64, f64, f64) = (76.0, 36.0, 14.0, 62.0);
/// Height of the plotting area relative to its width, at least and at most: flatter hides the
/// second axis, higher leaves the screen.
const ASPECT: (f64, f64) = (0.5, 0.95);
/// Empty room around the points relative to their range, so that no marker touches an axis.
const ROOM: f64 = 0.04;

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
