//! Signed distances that the shapes are put together from; lengths in fruit radii, the stem at +y.

use crate::vector::{Vec3, smoothstep, vec3};

/// Capsule from `a` to `b` whose radius runs from `ra` to `rb`.
pub fn tapered_capsule(p: Vec3, a: Vec3, b: Vec3, ra: f64, rb: f64) -> f64 {
    let (pa, ba) = (p - a, b - a);
    let h = (pa.dot(ba) / ba.dot(ba)).clamp(0.0, 1.0);
    (pa - ba * h).length() - (ra + (rb - ra) * h)
}

/// A stem through three points: two tapered capsules share the middle one.
pub fn stem_through(p: Vec3, points: [Vec3; 3], radii: [f64; 3]) -> f64 {
    let lower = tapered_capsule(p, points[0], points[1], radii[0], radii[1]);
    let upper = tapered_capsule(p, points[1], points[2], radii[1], radii[2]);
    smooth_min(lower, upper, 0.03)
}

/// Sphere `ra` at height `ya` and sphere `rb` at `yb > ya` with the cone that touches both.
pub fn round_cone(p: Vec3, (ya, ra): (f64, f64), (yb, rb): (f64, f64)) -> f64 {
    let height = yb - ya;
    let b = (ra - rb) / height;
    let a = (1.0 - b * b).sqrt();
    let (qx, qy) = ((p.x * p.x + p.z * p.z).sqrt(), p.y - ya);
    let k = qy * a - qx * b;
    if k < 0.0 {
        (qx * qx + qy * qy).sqrt() - ra
    } else if k > a * height {
        (qx * qx + (qy - height) * (qy - height)).sqrt() - rb
    } else {
        qx * a + qy * b - ra
    }
}

/// Union with a fillet of width `k` (polynomial smooth minimum, after Quilez).
pub fn smooth_min(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

/// No star-shaped fruit reaches further from its middle.
const STAR_REACH: f64 = 1.5;

/// Distance to the surface `radius(direction)`; `slack` pays for its steepest slope.
pub fn star_shaped(p: Vec3, slack: f64, radius: impl Fn(Vec3) -> f64) -> f64 {
    let length = p.length();
    if length > STAR_REACH + 0.2 {
        return length - STAR_REACH;
    }
    (length - radius(p * (1.0 / length.max(1e-9)))) * slack
}

/// Radius of the ellipsoid with these semi-axes along `d`.
pub fn ellipsoid(d: Vec3, axes: Vec3) -> f64 {
    let q = vec3(d.x / axes.x, d.y / axes.y, d.z / axes.z);
    1.0 / q.length()
}

/// 1 on the pole at `side` (+1 or -1), falling to 0 with the square of the sine over `width2`.
pub fn pole(d: Vec3, side: f64, width2: f64) -> f64 {
    let sine2 = d.x * d.x + d.z * d.z;
    let fall = 1.0 / (1.0 + sine2 / width2);
    fall * fall * smoothstep(0.0, 0.4, d.y * side)
}

/// Cosine of five times the longitude, as the real part of a fifth power.
pub fn five_lobes(d: Vec3) -> f64 {
    let length = (d.x * d.x + d.z * d.z).sqrt().max(1e-9);
    let (c, s) = (d.x / length, d.z / length);
    let (c2, s2) = (c * c - s * s, 2.0 * c * s);
    let (c4, s4) = (c2 * c2 - s2 * s2, 2.0 * c2 * s2);
    c4 * c - s4 * s
}
