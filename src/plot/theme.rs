//! Colours, marker shapes, and what makes a plotters drawing fit a page.

use plotters::style::RGBColor;

use super::about::About;
use super::axis::grouped;
use crate::steps::load::is_unseen;

/// Text of axes and labels.
pub(super) const INK: RGBColor = RGBColor(0x1C, 0x24, 0x2B);
/// Text of ticks and remarks.
pub(super) const MUTED: RGBColor = RGBColor(0x55, 0x60, 0x6B);
/// Axis lines.
pub(super) const AXIS: RGBColor = RGBColor(0x8A, 0x94, 0x9E);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xE9);
/// The one curve that matters.
pub(super) const ACCENT: RGBColor = RGBColor(0x12, 0x66, 0x4B);
/// Bars beneath it.
pub(super) const BAR: RGBColor = RGBColor(0x7F, 0xB5, 0x9E);
/// Bars outside of what was kept.
pub(super) const BAR_PALE: RGBColor = RGBColor(0xCF, 0xD8, 0xD3);
/// Lines that mark a threshold.
pub(super) const MARK: RGBColor = RGBColor(0xA8, 0x4B, 0x00);

/// Black, told apart from plotters' own by one step.
pub(super) const BLACK: RGBColor = RGBColor(0x01, 0x01, 0x01);

/// The eight colours of Okabe & Ito (2008), told apart by colour-blind readers; those with the
/// best contrast against white come first.
///
/// # References
/// Okabe & Ito, Color Universal Design, <https://jfly.uni-koeln.de/color/>.
pub const PALETTE: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    BLACK,
    RGBColor(0xF0, 0xE4, 0x42),
];

/// Names of the colours in the style sheet of a page.
const CLASSES: [(RGBColor, &str); 16] = [
    (INK, "p-ink"),
    (MUTED, "p-muted"),
    (AXIS, "p-axis"),
    (GRID, "p-grid"),
    (ACCENT, "p-accent"),
    (BAR, "p-bar"),
    (BAR_PALE, "p-pale"),
    (MARK, "p-mark"),
    (PALETTE[0], "k0"),
    (PALETTE[1], "k1"),
    (PALETTE[2], "k2"),
    (PALETTE[3], "k3"),
    (PALETTE[4], "k4"),
    (PALETTE[5], "k5"),
    (PALETTE[6], "k6"),
    (PALETTE[7], "k7"),
];

/// Shape of a marker.
///
/// There are seven, and seven and eight have no common divisor: class `i` with colour `i mod 8` and
/// shape `i mod 7` looks like no other class up to 56 classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Plus,
    Cross,
}

impl Shape {
    const ALL: [Shape; 7] = [
        Shape::Circle,
        Shape::Square,
        Shape::Triangle,
        Shape::Diamond,
        Shape::TriangleDown,
        Shape::Plus,
        Shape::Cross,
    ];

    /// The shape of class `i`.
    pub(super) fn of(class: usize) -> Self {
        Self::ALL[class % Self::ALL.len()]
    }

    /// Corners around the origin for a marker as large as a circle of radius 1, `None` for the
    /// circle itself. The factors give each shape about the area of that circle.
    pub(super) fn corners(self) -> Option<Vec<(f64, f64)>> {
        let plus = [
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ];
        let turned = |(x, y): (f64, f64)| {
            let s = std::f64::consts::FRAC_1_SQRT_2;
            ((x - y) * s, (x + y) * s)
        };
        match self {
            Shape::Circle => None,
            Shape::Square => Some(vec![
                (-0.89, -0.89),
                (0.89, -0.89),
                (0.89, 0.89),
                (-0.89, 0.89),
            ]),
            Shape::Triangle => Some(vec![(0.0, -1.35), (1.22, 0.8), (-1.22, 0.8)]),
            Shape::Diamond => Some(vec![(0.0, -1.28), (1.28, 0.0), (0.0, 1.28), (-1.28, 0.0)]),
            Shape::TriangleDown => Some(vec![(0.0, 1.35), (1.22, -0.8), (-1.22, -0.8)]),
            Shape::Plus => Some(plus.to_vec()),
            Shape::Cross => Some(plus.into_iter().map(turned).collect()),
        }
    }
}

/// Looks that a class can have: each colour with each shape. From there on looks come again.
pub const N_LOOKS: usize = PALETTE.len() * Shape::ALL.len();

/// That several classes look the same, where there are more of them than looks.
#[must_use]
pub fn shared_looks(n_classes: usize) -> Option<String> {
    (n_classes > N_LOOKS).then(|| {
        format!(
            "{} classes share {N_LOOKS} looks ({} colours, {} shapes): up to {} of them look the same.",
            grouped(&n_classes.to_string()),
            PALETTE.len(),
            Shape::ALL.len(),
            n_classes.div_ceil(N_LOOKS)
        )
    })
}

/// The corners of every marker shape around the origin, for a marker as large as a circle of
/// radius 1; `None` is the circle. Class `i` has shape `i` modulo their number.
#[must_use]
pub fn marker_shapes() -> Vec<Option<Vec<(f64, f64)>>> {
    Shape::ALL.iter().map(|shape| shape.corners()).collect()
}

/// The marker of class `i` as a small SVG for a legend, 14 x 14.
#[must_use]
pub fn marker_svg(class: usize) -> String {
    let color = hex(PALETTE[class % PALETTE.len()]);
    let name = class % PALETTE.len();
    let body = match Shape::of(class).corners() {
        None => format!("<circle cx=\"7\" cy=\"7\" r=\"4.5\" fill=\"{color}\" class=\"k{name}\"/>"),
        Some(corners) => {
            let points: Vec<_> = corners
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", 7.0 + 4.5 * x, 7.0 + 4.5 * y))
                .collect();
            let points = points.join(" ");
            format!("<polygon points=\"{points}\" fill=\"{color}\" class=\"k{name}\"/>")
        }
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"marker\" width=\"14\" height=\"14\" \
         viewBox=\"0 0 14 14\" aria-hidden=\"true\">{body}</svg>"
    )
}

/// `text` as it may be shown: control characters become their pictures (U+2400 ...), what nobody sees, such as
/// characters that reorder text, and what XML forbids become U+FFFD.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{0}'..='\u{1F}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}'),
            '\u{7F}' => '\u{2421}',
            '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
            c if is_unseen(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// `text` as it may be shown in a place of `n_chars`: what is too much goes out of the middle.
#[must_use]
pub fn shortened(text: &str, n_chars: usize) -> String {
    let text: Vec<char> = shown(text).chars().collect();
    if text.len() <= n_chars {
        return text.into_iter().collect();
    }
    let tail = n_chars.saturating_sub(1) / 2;
    let head = n_chars.saturating_sub(1) - tail;
    let (head, tail) = (&text[..head], &text[text.len() - tail..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// `text` inside XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The colour as plotters writes it.
fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// The elements of a drawing by plotters without the `<svg>` around them, without attributes that
/// say nothing, and with a class for each colour.
pub(super) fn fragment(svg: &str) -> String {
    let body = svg.split_once(">\n").map_or("", |(_, body)| body);
    let mut body = body
        .trim_end()
        .trim_end_matches("</svg>")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\" stroke-width=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(">\n", ">")
        .replace("\n</text>", "</text>");
    for (color, class) in CLASSES {
        let color = hex(color);
        for attribute in ["fill", "stroke"] {
            let class = class.to_owned() + if attribute == "stroke" { "-line" } else { "" };
            body = body.replace(
                &format!(" {attribute}=\"{color}\""),
                &format!(" {attribute}=\"{color}\" class=\"{class}\""),
            );
        }
    }
    body
}

/// One SVG document of `width` x `height` pixels, drawn on a grid `scale` times finer.
pub(super) fn document(
    about: &About,
    (width, height): (f64, f64),
    scale: f64,
    body: &str,
) -> String {
    let About {
        id,
        title,
        description,
    } = about;
    let (title, description) = (escaped(title), escaped(description));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" font-family=\"system-ui, sans-serif\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{description}</desc>\
         {body}</svg>",
        width * scale,
        height * scale,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_could_harm() {
        assert_eq!(shown("a\u{0}\u{202E}b\n"), "a\u{2400}\u{FFFD}b\u{240A}");
        assert_eq!(
            shown("a\u{61C}b\u{200D}\u{E0041}"),
            "a\u{FFFD}b\u{FFFD}\u{FFFD}"
        );
        assert_eq!(escaped("</svg>\"'&"), "&lt;/svg&gt;&quot;&#39;&amp;");
        assert_eq!(shortened("Melon Piel de Sapo", 9), "Melo…Sapo");
    }

    #[test]
    fn every_colour_has_its_own_class() {
        let mut names: Vec<_> = CLASSES.iter().map(|(color, _)| hex(*color)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), CLASSES.len());
    }

    #[test]
    fn classes_look_different_as_long_as_there_are_looks() {
        let mut looks: Vec<_> = (0..N_LOOKS).map(marker_svg).collect();
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), N_LOOKS);
        assert_eq!(shared_looks(N_LOOKS), None);
        assert_eq!(marker_svg(0), marker_svg(N_LOOKS));
        let said = shared_looks(2000).unwrap();
        assert!(
            said.starts_with("2,000 classes share 56 looks") && said.contains("up to 36"),
            "{said}"
        );
    }
}
