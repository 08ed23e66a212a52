//! Lemon: spindle with a nipple at the blossom end and a button at the stem end.

use super::{Skin, matt, srgb};
use crate::noise::{fbm, value, worley};
use crate::solids::{ellipsoid, pole, star_shaped, tapered_capsule};
use crate::vector::{Vec3, smoothstep, vec3};

pub fn distance(p: Vec3) -> f64 {
    let flesh = star_shaped(p, 0.6, |d| {
        ellipsoid(d, vec3(0.89, 1.16, 0.92))
            + 0.27 * pole(d, -1.0, 0.045)
            + 0.15 * pole(d, 1.0, 0.09)
            - 0.10 * pole(d, 1.0, 0.004)
            + 0.04 * value(d * 1.3, 12)
            + 0.012 * value(d * 5.0, 13)
    });
    flesh.min(button(p))
}

fn button(p: Vec3) -> f64 {
    tapered_capsule(p, vec3(0.0, 1.15, 0.0), vec3(0.0, 1.23, 0.0), 0.075, 0.065)
}

pub fn relief(p: Vec3) -> f64 {
    let (pore, depth) = worley(p * 11.0, 22);
    -0.016 * smoothstep(0.42, 0.05, pore) * (0.4 + 0.6 * depth) + 0.014 * fbm(p * 4.0, 3, 23)
}

pub fn skin(p: Vec3, _normal: Vec3) -> Skin {
    if button(p) < 0.004 {
        return matt(srgb(96, 92, 48));
    }
    let d = p.unit();
    let ripe = fbm(d * 2.4, 4, 32);
    let (pore, _) = worley(p * 11.0, 22);
    let ends = pole(d, 1.0, 0.10) + 0.7 * pole(d, -1.0, 0.06);
    let mut colour = srgb(243, 204, 52).mix(srgb(228, 174, 34), 0.5 + 0.9 * ripe);
    colour = colour.mix(srgb(190, 186, 48), smoothstep(0.15, 1.0, ends + 0.5 * ripe));
    colour = colour * (1.0 - 0.22 * smoothstep(0.30, 0.04, pore));
    // Rubbed marks, as branches leave them.
    let scar = smoothstep(0.44, 0.58, fbm(p * 3.6, 4, 42));
    colour = colour.mix(srgb(176, 140, 74), 0.7 * scar);
    Skin {
        colour,
        gloss: 0.30,
        roughness: 0.22,
        sheen: 0.20,
        sheen_doublings: 4,
        haze: 0.0,
        haze_colour: colour,
    }
}
