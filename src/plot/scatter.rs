//! Points in the plane, one colour and one marker shape a class.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use super::frame::{Frame, Legend, Scatter, axes, frame};
use super::sketch::{Align, At, SCALE, Sketch, bitmap, vector};
use super::theme::{BLACK, INK, MUTED, N_LOOKS, PALETTE, Shape, document, escaped, shortened};
use crate::error::{Error, Result};

/// Points drawn as SVG elements; more become one bitmap inside the axes: at about 90 bytes an element
/// this is half a megabyte.
pub const MAX_VECTOR_POINTS: usize = 5_000;

/// Pixels of the bitmap to one of the plot: sharp on a screen of twice the density.
const BITMAP_SCALE: f64 = 2.0;
/// Width of a legend at the right in pixels.
const LEGEND_WIDTH: f64 = 190.0;

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
            let mut more = format!("and {} more", plot.labels.len() - listed);
            if plot.labels.len() > N_LOOKS {
                more += &format!(", {N_LOOKS} looks");
            }
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
    use crate::plot::about::About;

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
