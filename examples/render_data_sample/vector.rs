//! Three-component vectors and turns in steps of 30 degrees, on IEEE basic operations only.

use std::ops::{Add, Mul, Sub};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vec3 {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

pub const fn vec3(x: f64, y: f64, z: f64) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    pub fn dot(self, o: Self) -> f64 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub fn cross(self, o: Self) -> Self {
        vec3(
            self.y * o.z - self.z * o.y,
            self.z * o.x - self.x * o.z,
            self.x * o.y - self.y * o.x,
        )
    }

    /// Component-wise product: light times reflectance.
    pub fn tint(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    pub fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    pub fn unit(self) -> Self {
        self * (1.0 / self.length().max(1e-12))
    }

    pub fn mix(self, o: Self, t: f64) -> Self {
        self + (o - self) * t
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f64> for Vec3 {
    type Output = Self;
    fn mul(self, k: f64) -> Self {
        vec3(self.x * k, self.y * k, self.z * k)
    }
}

/// Hermite step from 0 at `from` to 1 at `to`; `from > to` gives a falling step.
pub fn smoothstep(from: f64, to: f64, x: f64) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A rotation; columns are where the fruit's own axes point in the room.
#[derive(Clone, Copy, Debug)]
pub struct Turn([Vec3; 3]);

#[derive(Clone, Copy, Debug)]
pub enum Axis {
    X,
    Y,
    Z,
}

impl Turn {
    /// `steps` of 30 degrees: cosine and sine are exact constants, so no libm.
    pub fn about(axis: Axis, steps: usize) -> Self {
        let (s, c) = (sine_of_30_degrees(steps), sine_of_30_degrees(steps + 3));
        Self(match axis {
            Axis::X => [vec3(1.0, 0.0, 0.0), vec3(0.0, c, s), vec3(0.0, -s, c)],
            Axis::Y => [vec3(c, 0.0, -s), vec3(0.0, 1.0, 0.0), vec3(s, 0.0, c)],
            Axis::Z => [vec3(c, s, 0.0), vec3(-s, c, 0.0), vec3(0.0, 0.0, 1.0)],
        })
    }

    /// The turn that applies `self` first, `next` second.
    pub fn then(self, next: Self) -> Self {
        Self(self.0.map(|column| next.to_room(column)))
    }

    pub fn to_room(self, v: Vec3) -> Vec3 {
        self.0[0] * v.x + self.0[1] * v.y + self.0[2] * v.z
    }

    pub fn to_fruit(self, v: Vec3) -> Vec3 {
        vec3(self.0[0].dot(v), self.0[1].dot(v), self.0[2].dot(v))
    }
}

fn sine_of_30_degrees(steps: usize) -> f64 {
    const SINE: [f64; 4] = [0.0, 0.5, 0.866_025_403_784_438_6, 1.0];
    let step = steps % 12;
    let quarter = SINE[if step % 6 <= 3 {
        step % 6
    } else {
        6 - step % 6
    }];
    if step < 6 { quarter } else { -quarter }
}
