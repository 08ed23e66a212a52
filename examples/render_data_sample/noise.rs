//! Noise from an integer hash of the lattice: the same value on every machine.

use crate::vector::{Vec3, vec3};

/// Well-mixed bits of a lattice point; the mixer is the finaliser of `SplitMix64`.
fn bits(x: i64, y: i64, z: i64, salt: u64) -> u64 {
    let mut h = (x.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15))
        ^ (y.cast_unsigned().wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
        ^ (z.cast_unsigned().wrapping_mul(0x1656_67b1_9e37_79f9))
        ^ salt.wrapping_mul(0xd6e8_feb8_6659_fd93);
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// Uniform in [0, 1).
fn hash(x: i64, y: i64, z: i64, salt: u64) -> f64 {
    (bits(x, y, z, salt) >> 11) as f64 / (1_u64 << 53) as f64
}

fn cell(p: Vec3) -> ([i64; 3], Vec3) {
    // A cast and a correction: `floor` is a function call on the oldest x86-64.
    let floor = |v: f64| v as i64 - i64::from(v < 0.0);
    let [x, y, z] = [floor(p.x), floor(p.y), floor(p.z)];
    ([x, y, z], p - vec3(x as f64, y as f64, z as f64))
}

/// Value noise in [-1, 1], twice differentiable.
pub fn value(p: Vec3, salt: u64) -> f64 {
    let ([x, y, z], f) = cell(p);
    let ease = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v, w) = (ease(f.x), ease(f.y), ease(f.z));
    let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
    let edge = |j: i64, k: i64| mix(hash(x, j, k, salt), hash(x + 1, j, k, salt), u);
    let face = |k: i64| mix(edge(y, k), edge(y + 1, k), v);
    2.0 * mix(face(z), face(z + 1), w) - 1.0
}

/// Fractal Brownian motion: `octaves` of value noise, each half as strong and twice as fine.
pub fn fbm(p: Vec3, octaves: u64, salt: u64) -> f64 {
    let (mut sum, mut weight, mut total, mut q) = (0.0, 1.0, 0.0, p);
    for octave in 0..octaves {
        sum += weight * value(q, salt + octave);
        total += weight;
        weight *= 0.5;
        // The offset keeps the lattices of two octaves from lining up.
        q = q * 2.03 + vec3(17.1, 5.7, 11.3);
    }
    sum / total
}

/// Distance to the nearest of one random point per lattice cell (Worley), and that point's number.
pub fn worley(p: Vec3, salt: u64) -> (f64, f64) {
    let ([x, y, z], f) = cell(p);
    let (mut nearest, mut number) = (f64::INFINITY, 0.0);
    for k in -1..=1 {
        for j in -1..=1 {
            for i in -1..=1 {
                let bits = bits(x + i, y + j, z + k, salt);
                let share = |shift: u32| ((bits >> shift) & 0xffff) as f64 / 65_536.0;
                let corner = vec3(i as f64, j as f64, k as f64);
                let away = corner + vec3(share(0), share(16), share(32)) - f;
                if away.dot(away) < nearest {
                    (nearest, number) = (away.dot(away), share(48));
                }
            }
        }
    }
    (nearest.sqrt(), number)
}
