//! Pear: heavy base, bent neck, thick stem.

use super::{Skin, bark, matt, srgb};
use crate::noise::{fbm, value, worley};
use crate::solids::{five_lobes, pole, smooth_min, stem_through, tapered_capsule};
use crate::vector::{Vec3, smoothstep, vec3};

fn bend(p: Vec3) -> Vec3 {
    let up = (p.y + 0.2).max(0.0);
    vec3(p.x - 0.10 * up * up, p.y, p.z + 0.03 * up * up)
}

fn flesh(p: Vec3) -> f64 {
    let p = bend(p);
    let d = p.unit();
    let body = (p - vec3(0.0, -0.45, 0.0)).length() - 0.90;
    let neck = tapered_capsule(p, vec3(0.0, -0.3, 0.0), vec3(0.0, 0.98, 0.0), 0.62, 0.27);
    let smooth = smooth_min(body, neck, 0.55);
    if smooth > 0.3 {
        return (smooth - 0.1) * 0.78;
    }
    let lumps = 0.05 * value(p * 1.6, 14) + 0.012 * value(p * 4.0, 15);
    let basin = 0.16 * pole(d, -1.0, 0.03);
    (smooth + lumps + basin) * 0.78
}

fn stem(p: Vec3) -> f64 {
    let points = [
        vec3(0.11, 1.10, -0.03),
        vec3(0.16, 1.42, -0.04),
        vec3(0.30, 1.70, 0.02),
    ];
    stem_through(p, points, [0.075, 0.045, 0.060])
}

fn calyx(p: Vec3) -> f64 {
    let lobe = 0.5 + 0.5 * five_lobes(p);
    let radius = (p.x * p.x + p.z * p.z).sqrt();
    (radius - 0.05 - 0.08 * lobe).max((p.y + 1.22).abs() - 0.05) * 0.4
}

pub fn distance(p: Vec3) -> f64 {
    flesh(p).min(stem(p)).min(calyx(p))
}

pub fn relief(p: Vec3) -> f64 {
    0.010 * fbm(p * 8.0, 4, 24)
}

pub fn skin(p: Vec3, _normal: Vec3) -> Skin {
    let flesh = flesh(p);
    if stem(p) < flesh {
        return bark(p);
    }
    if calyx(p) < flesh {
        return matt(srgb(62, 46, 30));
    }
    let cover = fbm(p * 1.7, 5, 33)
        + 0.24 * smoothstep(0.0, 1.3, p.y)
        + 0.35 * smoothstep(-0.5, -1.35, p.y)
        + 0.22 * p.x;
    let speckle = fbm(p * 13.0, 3, 43);
    let green = srgb(164, 158, 66).mix(srgb(192, 166, 78), 0.5 + 0.8 * fbm(p * 1.1, 3, 53));
    let russet = srgb(158, 108, 48).mix(srgb(118, 76, 36), 0.5 + 0.7 * speckle);
    let mut colour = green.mix(russet, smoothstep(-0.32, 0.42, cover + 0.42 * speckle));
    let (spot, size) = worley(p * 10.0, 63);
    let lenticel = smoothstep(0.25, 0.10, spot + 0.08 * size);
    colour = colour.mix(srgb(96, 70, 34), 0.55 * lenticel);
    Skin {
        colour,
        gloss: 0.06,
        roughness: 0.30,
        sheen: 0.10,
        sheen_doublings: 3,
        haze: 0.0,
        haze_colour: colour,
    }
}
