//! The order of points along a Morton curve, on which a square of the plane is a range.

use super::bounds::Bounds;

/// Bits of a coordinate on the Morton curve. Two points that agree in all of them are taken as one
/// place: they are closer than 2^-16 of the width of the embedding, which changes 1 / (1 + d^2)
/// by less than float32 rounds for any embedding narrower than 100.
const BITS: u32 = 16;

/// Sorts the keys of all points: the place on the curve in the upper half, the index of the point in the lower. Keys of
/// other positions of the same points are taken up, others are made anew.
pub(super) fn sort(keys: &mut Vec<u64>, positions: &[[f32; 2]]) {
    let mut bounds = Bounds::NOTHING;
    positions
        .iter()
        .for_each(|&position| bounds.include(position, position));
    let cells = (1u32 << BITS) as f32;
    let side = bounds.side();
    let scale = if side > 0.0 { cells / side } else { 0.0 };
    let last = (1u32 << BITS) - 1;
    let place = |position: [f32; 2]| {
        let x = ((position[0] - bounds.low[0]) * scale) as u32;
        let y = ((position[1] - bounds.low[1]) * scale) as u32;
        spread(x.min(last)) | spread(y.min(last)) << 1
    };
    // From the order of the last tree: it has hardly changed, and a stable sort uses that.
    if keys.len() != positions.len() {
        *keys = (0..positions.len() as u64).collect();
    }
    for key in keys.iter_mut() {
        *key = place(positions[index(*key)]) << 32 | (*key & u64::from(u32::MAX));
    }
    keys.sort();
}

/// Index of the point behind a key.
pub(super) fn index(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// The lower 16 bits, a zero between any two.
fn spread(value: u32) -> u64 {
    let mut v = u64::from(value);
    v = (v | v << 8) & 0x00ff_00ff;
    v = (v | v << 4) & 0x0f0f_0f0f;
    v = (v | v << 2) & 0x3333_3333;
    (v | v << 1) & 0x5555_5555
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normals;

    #[test]
    fn the_order_does_not_depend_on_the_last_one() {
        let mut values = normals::<f32>(1);
        let mut draw = |scale: f32| -> Vec<[f32; 2]> {
            let place = |_| [(); 2].map(|()| scale * values.next().unwrap());
            (0..500).map(place).collect()
        };
        let (first, second) = (draw(1.0), draw(3.0));
        let (mut reused, mut fresh) = (Vec::new(), Vec::new());
        sort(&mut reused, &first);
        sort(&mut reused, &second);
        sort(&mut fresh, &second);
        assert_eq!(reused, fresh);
    }

    #[test]
    fn places_alternate_bits() {
        assert_eq!(spread(0xffff), 0x5555_5555);
        assert_eq!(spread(0b101), 0b1_0001);
    }
}
