//! A drawing surface in pixels with fractions, on top of the integer grid of plotters.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::theme::{Shape, fragment, shown};
use crate::error::{Error, Result};

/// Grid steps to a pixel: plotters places everything on whole steps, and a quarter of a pixel is
/// finer than the eye and than most screens.
pub(super) const SCALE: f64 = 4.0;

/// A position in pixels from the top left corner.
pub(super) type At = (f64, f64);

/// Where a text stands relative to its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Begins there.
    Start,
    /// Centred on it.
    Middle,
    /// Ends there.
    End,
}

/// A surface to draw on.
pub(super) struct Sketch<DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    scale: f64,
}

/// The SVG elements that `draw` leaves on a surface of `size` pixels.
pub(super) fn vector(
    (width, height): At,
    draw: impl FnOnce(&Sketch<SVGBackend>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let size = ((width * SCALE) as u32, (height * SCALE) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let sketch = Sketch { area, scale: SCALE };
        draw(&sketch)?;
        sketch.area.present().map_err(|error| fault(&error))?;
    }
    Ok(fragment(&svg))
}

/// The pixels, RGB, that `draw` leaves on a surface of `size` pixels filled with `background`.
pub(super) fn bitmap(
    (width, height): (u32, u32),
    scale: f64,
    background: RGBColor,
    draw: impl FnOnce(&Sketch<BitMapBackend>) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut pixels = vec![0; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        let sketch = Sketch {
            area: backend.into_drawing_area(),
            scale,
        };
        sketch
            .area
            .fill(&background)
            .map_err(|error| fault(&error))?;
        draw(&sketch)?;
        sketch.area.present().map_err(|error| fault(&error))?;
    }
    Ok(pixels)
}

fn fault(error: &dyn std::error::Error) -> Error {
    Error::Internal(format!("a plot could not be drawn: {error}"))
}

impl<DB: DrawingBackend> Sketch<DB> {
    fn step(&self, (x, y): At) -> (i32, i32) {
        (
            (x * self.scale).round() as i32,
            (y * self.scale).round() as i32,
        )
    }

    fn stroke(&self, color: RGBColor, width: f64) -> ShapeStyle {
        color.stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    /// A line through `points`.
    pub(super) fn line(&self, points: &[At], color: RGBColor, width: f64) -> Result<()> {
        let points: Vec<_> = points.iter().map(|&at| self.step(at)).collect();
        let path = PathElement::new(points, self.stroke(color, width));
        self.area.draw(&path).map_err(|error| fault(&error))
    }

    /// A dashed line from `a` to `b`.
    pub(super) fn dashed(&self, a: At, b: At, color: RGBColor, width: f64) -> Result<()> {
        const DASH: f64 = 5.0;
        const GAP: f64 = 4.0;
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let at = |d: f64| {
            let t = (d / length).min(1.0);
            (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1))
        };
        let mut start = 0.0;
        while start < length {
            self.line(&[at(start), at(start + DASH)], color, width)?;
            start += DASH + GAP;
        }
        Ok(())
    }

    /// A filled rectangle.
    pub(super) fn bar(&self, a: At, b: At, color: RGBColor) -> Result<()> {
        let corners = [self.step(a), self.step(b)];
        let rectangle = Rectangle::new(corners, color.filled());
        self.area.draw(&rectangle).map_err(|error| fault(&error))
    }

    /// A filled rectangle that what lies below shines through.
    pub(super) fn tint(&self, a: At, b: At, color: RGBColor, opacity: f64) -> Result<()> {
        let corners = [self.step(a), self.step(b)];
        let rectangle = Rectangle::new(corners, color.mix(opacity).filled());
        self.area.draw(&rectangle).map_err(|error| fault(&error))
    }

    /// A marker of about the area of a circle of `radius`.
    pub(super) fn marker(&self, shape: Shape, at: At, radius: f64, color: RGBColor) -> Result<()> {
        let done = match shape.corners() {
            None => {
                let radius = (radius * self.scale).round().max(1.0) as u32;
                self.area
                    .draw(&Circle::new(self.step(at), radius, color.filled()))
            }
            Some(corners) => {
                let corner = |(x, y): At| self.step((at.0 + radius * x, at.1 + radius * y));
                let corners: Vec<_> = corners.into_iter().map(corner).collect();
                self.area.draw(&Polygon::new(corners, color.filled()))
            }
        };
        done.map_err(|error| fault(&error))
    }

    /// A hollow circle.
    pub(super) fn ring(&self, at: At, radius: f64, color: RGBColor, width: f64) -> Result<()> {
        let radius = (radius * self.scale).round().max(1.0) as u32;
        let ring = Circle::new(self.step(at), radius, self.stroke(color, width));
        self.area.draw(&ring).map_err(|error| fault(&error))
    }

    /// A line of text whose middle is as high as `at`.
    pub(super) fn text(
        &self,
        text: &str,
        at: At,
        size: f64,
        color: RGBColor,
        align: Align,
    ) -> Result<()> {
        // plotters divides by 1.24 what it writes as font size into an SVG.
        let font = ("sans-serif", size * self.scale * 1.24).into_font();
        let h_pos = match align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        let style = TextStyle::from(font)
            .color(&color)
            .pos(Pos::new(h_pos, VPos::Center));
        let text = Text::new(shown(text), self.step(at), style);
        self.area.draw(&text).map_err(|error| fault(&error))
    }
}
