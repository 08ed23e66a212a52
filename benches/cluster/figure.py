"""Curves over logarithmic axes as SVG, in the manner of src/plot/scaling.rs, which draws over the number of images only."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 424
LEFT, TOP, RIGHT, BOTTOM = 76, 40, 36, 62
LEGEND_LINE = 18
INK, MUTED, AXIS, GRID = "#1C242B", "#55606B", "#8A949E", "#E3E6E9"
# Okabe & Ito (2008), as in src/plot/theme.rs.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STEPS = (1, 2, 5)


def decades(values):
    """Round numbers around all values."""
    low, high = min(values), max(values)
    below = [s * 10 ** math.floor(math.log10(low)) for s in STEPS]
    above = [s * 10 ** math.floor(math.log10(high)) for s in (*STEPS, 10)]
    return max(v for v in below if v <= low * 1.001), min(v for v in above if v >= high * 0.999)


def ticks(low, high):
    """Round numbers, and whether they have room for a label."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    is_long = high / low > 1e4
    every = [(s * 10.0**d, s == 1 or not is_long) for d in range(first, last + 1) for s in STEPS]
    return [(v, is_labelled) for v, is_labelled in every if low * 0.999 <= v <= high * 1.001]


def marker(curve, x, y):
    """Circle, square, triangle, diamond: curves can be told apart without their colours."""
    color = PALETTE[curve % len(PALETTE)]
    shapes = (
        None,
        [(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)],
        [(0, -1.35), (1.22, 0.8), (-1.22, 0.8)],
        [(0, -1.28), (1.28, 0), (0, 1.28), (-1.28, 0)],
    )
    corners = shapes[curve % len(shapes)]
    if corners is None:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
    points = " ".join(f"{x + 4 * a:.1f},{y + 4 * b:.1f}" for a, b in corners)
    return f'<polygon fill="{color}" points="{points}"/>'


def scaling(name, title, x_label, y_label, curves):
    """`curves` are (legend, [(x, y), ...]), all above 0. On a white ground: the document stands alone."""
    x_low, x_high = decades([x for _, points in curves for x, _ in points])
    y_low, y_high = decades([y for _, points in curves for _, y in points])
    height = HEIGHT + LEGEND_LINE * len(curves)
    top, right, bottom = TOP + LEGEND_LINE * len(curves), WIDTH - RIGHT, height - BOTTOM

    def at(x, y):
        across = math.log(x / x_low) / math.log(x_high / x_low)
        up = math.log(y / y_low) / math.log(y_high / y_low)
        return LEFT + across * (right - LEFT), bottom - up * (bottom - top)

    def line(points, color, width):
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return f'<polyline fill="none" stroke="{color}" stroke-width="{width}" points="{placed}"/>'

    def text(words, x, y, anchor, color, pixels):
        place = f'x="{x:.1f}" y="{y:.1f}" dy="0.5ex" text-anchor="{anchor}"'
        return f'<text {place} font-size="{pixels}" fill="{color}">{escape(words)}</text>'

    body = [f'<rect x="0" y="0" width="{WIDTH}" height="{height}" fill="#FFFFFF"/>']
    for value, is_labelled in ticks(y_low, y_high):
        _, y = at(x_low, value)
        body.append(line([(LEFT, y), (right, y)], GRID, 1))
        if is_labelled:
            body.append(text(f"{value:,.9g}", LEFT - 8, y, "end", MUTED, 12))
    for value, is_labelled in ticks(x_low, x_high):
        x, _ = at(value, y_low)
        body.append(line([(x, top), (x, bottom)], GRID, 1))
        if is_labelled:
            body.append(text(f"{value:,.9g}", x, bottom + 16, "middle", MUTED, 12))
    body.append(line([(LEFT, bottom), (right, bottom)], AXIS, 1))
    for i, (legend, points) in enumerate(curves):
        placed = [at(x, y) for x, y in points]
        body.append(line(placed, PALETTE[i % len(PALETTE)], 1.5))
        body += [marker(i, x, y) for x, y in placed]
        y = TOP - 6 + LEGEND_LINE * i
        body += [marker(i, LEFT + 8, y), text(legend, LEFT + 20, y, "start", INK, 12.5)]
    body.append(text(x_label, (LEFT + right) / 2, bottom + 45, "middle", INK, 13))
    body.append(text(y_label, 2, 14, "start", INK, 13))
    about = "Both axes are logarithmic: a power is a straight line."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{about}</desc>{"".join(body)}</svg>\n'
    )
