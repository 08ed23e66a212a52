//! Strawberry: rounded cone, seeds in pits, a rosette of sepals.

use std::sync::LazyLock;

use super::{Skin, matt, srgb};
use crate::noise::{fbm, value};
use crate::solids::{round_cone, stem_through};
use crate::vector::{Vec3, smoothstep, vec3};

fn flesh(p: Vec3) -> f64 {
    let q = vec3(p.x, p.y, p.z / 0.90);
    let cone = round_cone(q, (-0.78, 0.24), (0.28, 0.80));
    if cone > 0.3 {
        return (cone - 0.1) * 0.82;
    }
    (cone + 0.07 * value(p * 1.5, 17)) * 0.82
}

fn sepals(p: Vec3) -> f64 {
    // Cosine and sine of 40 degrees: nine sepals.
    const STEP: (f64, f64) = (0.766_044_443_118_978, 0.642_787_609_686_539_3);
    // A far point need not know each sepal.
    let far = (p - vec3(0.0, 1.0, 0.0)).length() - 1.15;
    if far > 0.2 {
        return far;
    }
    let (mut c, mut s) = (1.0, 0.0);
    let mut nearest = f64::INFINITY;
    for number in 0..9 {
        let length = [0.98, 0.80, 0.90][number % 3];
        let curl = [0.42, 0.20, 0.62, 0.34][number % 4];
        let along = p.x * c + p.z * s;
        let across = (p.z * c - p.x * s).abs();
        let share = (along / length).clamp(0.0, 1.0);
        let half_width = 0.20 * (1.0 - share * share) * (0.75 + 0.6 * share);
        let middle = 1.15 - 0.80 * along * along + curl * along * along * along + 0.25 * across;
        let blade = (p.y - middle).abs() - 0.016;
        let outline = (across - half_width).max(along - length).max(-along);
        nearest = nearest.min(blade.max(outline) * 0.5);
        (c, s) = (c * STEP.0 - s * STEP.1, s * STEP.0 + c * STEP.1);
    }
    nearest
}

fn stem(p: Vec3) -> f64 {
    let points = [
        vec3(0.0, 1.0, 0.0),
        vec3(0.03, 1.3, 0.0),
        vec3(0.16, 1.56, 0.04),
    ];
    stem_through(p, points, [0.06, 0.042, 0.045])
}

pub fn distance(p: Vec3) -> f64 {
    flesh(p).min(sepals(p)).min(stem(p))
}

/// Directions of the seeds from the middle: a Fibonacci spiral.
static SEEDS: LazyLock<Vec<Vec3>> = LazyLock::new(|| {
    const COUNT: u32 = 200;
    // Cosine and sine of the golden angle.
    const STEP: (f64, f64) = (-0.737_368_878_078_319_7, 0.675_490_294_261_523_8);
    let (mut c, mut s) = (1.0, 0.0);
    (0..COUNT)
        .map(|number| {
            let y = 1.0 - 2.0 * (f64::from(number) + 0.5) / f64::from(COUNT);
            let ring = (1.0 - y * y).sqrt();
            let seed = vec3(c * ring, y, s * ring);
            (c, s) = (c * STEP.0 - s * STEP.1, s * STEP.0 + c * STEP.1);
            seed
        })
        .collect()
});

/// Distance from the nearest seed's middle, in seed lengths; seeds point down the fruit.
fn seed_distance(p: Vec3) -> f64 {
    let d = (p - vec3(0.0, 0.15, 0.0)).unit();
    let nearest = SEEDS
        .iter()
        .map(|&seed| {
            let away = d - seed;
            2.0 * away.dot(away) - 1.1 * away.y * away.y
        })
        .fold(f64::INFINITY, f64::min);
    nearest.max(0.0).sqrt() / 0.066
}

pub fn relief(p: Vec3) -> f64 {
    let grain = 0.004 * fbm(p * 9.0, 2, 27);
    if flesh(p) > 0.015 {
        return 2.0 * grain;
    }
    let pit = seed_distance(p);
    0.022 * smoothstep(0.5, 2.0, pit) + 0.018 * smoothstep(0.9, 0.2, pit) + grain
}

pub fn skin(p: Vec3, normal: Vec3) -> Skin {
    let flesh = flesh(p);
    if sepals(p).min(stem(p)) < flesh {
        let vein = fbm(p * 7.0, 3, 38);
        let colour = srgb(84, 126, 42).mix(srgb(136, 166, 74), 0.45 + 0.6 * vein - 0.2 * normal.y);
        return Skin {
            sheen: 0.08,
            ..matt(colour)
        };
    }
    let pit = seed_distance(p);
    let ripe = fbm(p * 2.0, 3, 37);
    let mut colour = srgb(206, 26, 24).mix(srgb(160, 10, 20), 0.5 + 0.8 * ripe);
    // Pale shoulders under the sepals.
    colour = colour.mix(
        srgb(236, 150, 110),
        0.8 * smoothstep(0.72, 1.0, p.y + 0.10 * ripe),
    );
    colour = colour * (1.0 - 0.25 * smoothstep(1.7, 0.9, pit));
    let seed = smoothstep(0.95, 0.65, pit);
    colour = colour.mix(srgb(226, 182, 78), seed);
    Skin {
        colour,
        gloss: 0.60 * (1.0 - 0.5 * seed),
        roughness: 0.12,
        sheen: 0.16,
        sheen_doublings: 4,
        haze: 0.0,
        haze_colour: colour,
    }
}
