//! Plum: oval with a suture down one side, under a bloom that fingers rubbed off in places.

use super::{Skin, bark, srgb};
use crate::noise::{fbm, value, worley};
use crate::solids::{ellipsoid, pole, star_shaped, stem_through};
use crate::vector::{Vec3, smoothstep, vec3};

fn suture(d: Vec3) -> f64 {
    let across = d.x / 0.07;
    smoothstep(-0.15, 0.25, d.z) / (1.0 + across * across)
}

fn flesh(p: Vec3) -> f64 {
    star_shaped(p, 0.72, |d| {
        ellipsoid(d, vec3(0.93, 1.14, 0.98))
            - 0.055 * suture(d)
            - 0.15 * pole(d, 1.0, 0.018)
            - 0.02 * pole(d, -1.0, 0.01)
            + 0.04 * value(d * 1.4, 16)
    })
}

fn stem(p: Vec3) -> f64 {
    let points = [
        vec3(0.0, 0.90, 0.0),
        vec3(0.01, 1.12, 0.01),
        vec3(0.05, 1.30, 0.03),
    ];
    stem_through(p, points, [0.035, 0.028, 0.036])
}

pub fn distance(p: Vec3) -> f64 {
    flesh(p).min(stem(p))
}

pub fn relief(p: Vec3) -> f64 {
    0.003 * fbm(p * 7.0, 3, 25)
}

pub fn skin(p: Vec3, _normal: Vec3) -> Skin {
    if stem(p) < flesh(p) {
        return bark(p);
    }
    let d = p.unit();
    let ripe = fbm(d * 1.5, 3, 34);
    let mut colour =
        srgb(40, 22, 58).mix(srgb(88, 26, 58), smoothstep(-0.1, 0.9, ripe - 0.4 * d.z));
    let (spot, size) = worley(d * 9.0, 64);
    colour = colour.mix(
        srgb(150, 110, 110),
        0.35 * smoothstep(0.14, 0.05, spot + 0.05 * size),
    );
    // Large wiped patches, fine mottling, and streaks where a finger slid.
    let wiped = smoothstep(-0.10, 0.48, fbm(d * 1.9 + vec3(3.0, 1.0, 7.0), 3, 44));
    let slid = fbm(vec3(d.x * 3.0, d.y * 14.0, d.z * 9.0 + d.x * 6.0), 3, 54);
    let mottle = fbm(d * 9.0, 4, 74);
    let bloom = (0.34 + 0.16 * mottle + 0.14 * slid) * (1.0 - 0.9 * wiped) + 0.15 * suture(d);
    Skin {
        colour,
        gloss: 0.16 + 0.50 * wiped,
        roughness: 0.14,
        sheen: 0.10,
        sheen_doublings: 3,
        haze: bloom.clamp(0.0, 1.0),
        haze_colour: srgb(122, 132, 168),
    }
}
