//! Apple: wide shoulders, deep stem cavity, five crowns around the calyx.

use super::{Skin, bark, matt, srgb};
use crate::noise::{fbm, value, worley};
use crate::solids::{five_lobes, pole, star_shaped, stem_through};
use crate::vector::{Vec3, smoothstep, vec3};

fn flesh(p: Vec3) -> f64 {
    star_shaped(p, 0.62, |d| {
        let crown = smoothstep(0.3, -0.9, d.y);
        1.0 + 0.05 * d.y
            - 0.10 * crown * crown
            - 0.55 * pole(d, 1.0, 0.055)
            - 0.30 * pole(d, -1.0, 0.03)
            + 0.022 * five_lobes(d) * crown * (1.0 - pole(d, -1.0, 0.02))
            + 0.035 * value(d * 1.3, 11)
    })
}

fn stem(p: Vec3) -> f64 {
    let points = [
        vec3(0.0, 0.40, 0.0),
        vec3(0.02, 0.85, 0.0),
        vec3(0.14, 1.16, 0.05),
    ];
    stem_through(p, points, [0.05, 0.036, 0.055])
}

pub fn distance(p: Vec3) -> f64 {
    flesh(p).min(stem(p)).min(calyx(p))
}

/// Five dried sepals in the basin.
fn calyx(p: Vec3) -> f64 {
    let lobe = 0.5 + 0.5 * five_lobes(p);
    let reach = 0.03 + 0.10 * lobe;
    let radius = (p.x * p.x + p.z * p.z).sqrt();
    ((radius - reach).max((p.y + 0.66).abs() - 0.06 - 0.3 * radius)) * 0.4
}

pub fn relief(p: Vec3) -> f64 {
    0.0035 * fbm(p * 9.0, 3, 21)
}

pub fn skin(p: Vec3, _normal: Vec3) -> Skin {
    let flesh = flesh(p);
    if stem(p) < flesh {
        return bark(p);
    }
    if calyx(p) < flesh {
        return matt(srgb(70, 52, 32));
    }
    let d = p.unit();
    let around = vec3(d.x, 0.0, d.z).unit();
    // Streaks run pole to pole: fine across the longitude, slow along it.
    let wander = around * 5.0 + vec3(0.0, d.y * 0.9, 0.0);
    let coarse = fbm(wander * 1.7, 3, 31);
    let fine = fbm(vec3(around.x * 21.0, d.y * 2.2, around.z * 21.0), 3, 41);
    let sunny = 0.45 * d.x + 0.25 * d.z + 0.25 * d.y + 0.35 * value(d * 1.7, 51);
    let red = smoothstep(-0.55, 0.35, sunny + 0.75 * coarse + 0.55 * fine + 0.05);
    let yellow = srgb(228, 186, 92).mix(srgb(198, 184, 92), smoothstep(0.1, -0.7, sunny));
    let blush = srgb(196, 44, 34).mix(
        srgb(122, 12, 22),
        smoothstep(0.0, 0.9, sunny + 0.4 * coarse),
    );
    let mut colour = yellow.mix(blush, red);
    let (spot, size) = worley(d * 11.0, 61);
    let lenticel = smoothstep(0.17, 0.06, spot + 0.06 * size);
    colour = colour.mix(srgb(232, 196, 140), 0.65 * lenticel);
    // Russet fans out of the stem cavity.
    let russet = smoothstep(0.30, 0.75, pole(d, 1.0, 0.09) + 0.18 * fine);
    colour = colour.mix(srgb(150, 128, 62), 0.85 * russet);
    let basin = smoothstep(0.35, 0.8, pole(d, -1.0, 0.05));
    colour = colour.mix(srgb(176, 142, 70), 0.7 * basin);
    Skin {
        colour,
        gloss: 0.62,
        roughness: 0.09,
        sheen: 0.16,
        sheen_doublings: 4,
        haze: 0.03,
        haze_colour: srgb(225, 205, 200),
    }
}
