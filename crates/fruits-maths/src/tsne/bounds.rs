//! The smallest box around points of the plane.

/// Bounds of a set of points.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub low: [f32; 2],
    pub high: [f32; 2],
}

impl Bounds {
    pub const NOTHING: Self = Self {
        low: [f32::INFINITY; 2],
        high: [f32::NEG_INFINITY; 2],
    };

    pub fn include(&mut self, low: [f32; 2], high: [f32; 2]) {
        for axis in 0..2 {
            self.low[axis] = self.low[axis].min(low[axis]);
            self.high[axis] = self.high[axis].max(high[axis]);
        }
    }

    /// The longer side.
    pub fn side(&self) -> f32 {
        (self.high[0] - self.low[0]).max(self.high[1] - self.low[1])
    }
}
