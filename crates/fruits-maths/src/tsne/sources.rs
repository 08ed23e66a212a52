//! What pushes a point away, laid out for vectors.

/// Width of the vectors the inner loop is written for: 8 float32 are one AVX register, or two of SSE.
const LANES: usize = 8;

/// What the other points do to one point.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(super) struct Repulsion {
    /// Sum over j of q^2 (y_i - y_j), q = 1 / (1 + |y_i - y_j|^2): not yet divided by Z.
    pub force: [f32; 2],
    /// Sum over j of q: the point's share of Z.
    pub z: f32,
}

/// Sources of a force: places and the number of points there.
#[derive(Default)]
pub(super) struct Sources {
    x: Vec<f32>,
    y: Vec<f32>,
    mass: Vec<f32>,
}

impl Sources {
    pub fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.mass.clear();
    }

    pub fn push(&mut self, x: f32, y: f32, mass: f32) {
        self.x.push(x);
        self.y.push(y);
        self.mass.push(mass);
    }

    /// Fills the last vector with places where nothing is.
    pub fn pad(&mut self) {
        let n = self.x.len().next_multiple_of(LANES);
        self.x.resize(n, 0.0);
        self.y.resize(n, 0.0);
        self.mass.resize(n, 0.0);
    }

    /// The forces on points that are themselves in the list, or part of a cell in it at their place.
    pub fn act(&self, x: &[f32], y: &[f32], forces: &mut [Repulsion]) {
        pulp::Arch::new().dispatch(Act {
            sources: self,
            x,
            y,
            forces,
        });
    }
}

/// [`Sources::act`], compiled for the widest registers there are. No product is fused with a sum, so that all of them give
/// the same bytes.
struct Act<'a> {
    sources: &'a Sources,
    x: &'a [f32],
    y: &'a [f32],
    forces: &'a mut [Repulsion],
}

impl pulp::NullaryFnOnce for Act<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (xs, _) = self.sources.x.as_chunks::<LANES>();
        let (ys, _) = self.sources.y.as_chunks::<LANES>();
        let (masses, _) = self.sources.mass.as_chunks::<LANES>();
        for ((&x, &y), force) in self.x.iter().zip(self.y).zip(self.forces) {
            let (mut fx, mut fy, mut z) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
            for ((xs, ys), masses) in xs.iter().zip(ys).zip(masses) {
                for lane in 0..LANES {
                    let (dx, dy) = (x - xs[lane], y - ys[lane]);
                    let q = 1.0 / (1.0 + (dx * dx + dy * dy));
                    let weighted = masses[lane] * q;
                    z[lane] += weighted;
                    fx[lane] += weighted * q * dx;
                    fy[lane] += weighted * q * dy;
                }
            }
            // The point itself: q = 1, no force.
            *force = Repulsion {
                force: [sum(fx), sum(fy)],
                z: sum(z) - 1.0,
            };
        }
    }
}

/// The lanes, added pairwise.
#[inline(always)]
fn sum(v: [f32; LANES]) -> f32 {
    ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normals;

    #[test]
    fn every_width_of_registers_gives_the_same_bytes() {
        let mut values = normals(4).map(|value: f32| 10.0 * value);
        let mut draw = |n: usize| -> Vec<f32> { values.by_ref().take(n).collect() };
        // Whole vectors, a tail, a single source.
        for n in [64, 37, 1] {
            let mut sources = Sources::default();
            for (x, y) in draw(n).into_iter().zip(draw(n)) {
                sources.push(x, y, 1.0 + x.abs());
            }
            sources.pad();
            let (x, y) = (draw(5), draw(5));
            let (mut widest, mut plain) = ([Repulsion::default(); 5], [Repulsion::default(); 5]);
            sources.act(&x, &y, &mut widest);
            let act = Act {
                sources: &sources,
                x: &x,
                y: &y,
                forces: &mut plain,
            };
            pulp::NullaryFnOnce::call(act);
            assert_eq!(widest, plain);
        }
    }
}
