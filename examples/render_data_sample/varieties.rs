//! The five invented varieties: shape, fine relief and skin of each.

mod apple;
mod lemon;
mod pear;
mod plum;
mod strawberry;

use crate::noise::fbm;
use crate::vector::{Vec3, vec3};

/// What the light meets at one point.
pub struct Skin {
    /// Reflectance in linear light.
    pub colour: Vec3,
    /// Strength of the mirrored lamp, and how far its edges blur.
    pub gloss: f64,
    pub roughness: f64,
    /// A wider highlight around it: strength, and narrowness as doublings of the cosine's power.
    pub sheen: f64,
    pub sheen_doublings: u32,
    /// Waxy bloom: cover in [0, 1] and its reflectance.
    pub haze: f64,
    pub haze_colour: Vec3,
}

pub struct Variety {
    pub name: &'static str,
    /// Signed distance, never more than the true one; the fruit lies within radius 2.2.
    pub distance: fn(Vec3) -> f64,
    /// Height of detail too fine for the silhouette; it only tilts the normal.
    pub relief: fn(Vec3) -> f64,
    pub skin: fn(Vec3, Vec3) -> Skin,
}

pub const VARIETIES: [Variety; 5] = [
    Variety {
        name: "Apple Streaked",
        distance: apple::distance,
        relief: apple::relief,
        skin: apple::skin,
    },
    Variety {
        name: "Lemon Dimpled",
        distance: lemon::distance,
        relief: lemon::relief,
        skin: lemon::skin,
    },
    Variety {
        name: "Pear Russet",
        distance: pear::distance,
        relief: pear::relief,
        skin: pear::skin,
    },
    Variety {
        name: "Plum Blue",
        distance: plum::distance,
        relief: plum::relief,
        skin: plum::skin,
    },
    Variety {
        name: "Strawberry Conical",
        distance: strawberry::distance,
        relief: strawberry::relief,
        skin: strawberry::skin,
    },
];

/// Linear light of an sRGB colour (Chilliant's cubic fit, no libm).
fn srgb(r: u8, g: u8, b: u8) -> Vec3 {
    let decode = |v: u8| {
        let v = f64::from(v) / 255.0;
        v * (v * (v * 0.305_306_011 + 0.682_171_111) + 0.012_522_878)
    };
    vec3(decode(r), decode(g), decode(b))
}

fn matt(colour: Vec3) -> Skin {
    Skin {
        colour,
        gloss: 0.0,
        roughness: 0.3,
        sheen: 0.04,
        sheen_doublings: 3,
        haze: 0.0,
        haze_colour: colour,
    }
}

fn bark(p: Vec3) -> Skin {
    let grain = fbm(vec3(p.x * 18.0, p.y * 6.0, p.z * 18.0), 3, 90);
    matt(srgb(92, 66, 38).mix(srgb(150, 118, 70), 0.5 + 0.7 * grain))
}
