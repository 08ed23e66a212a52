//! What machines hand to each other in a pass: bytes are whole or refused, and parts of another shape are not added.
#![no_main]

use fruits::matrix::Matrix;
use fruits::pca::{Factor, Leaf, Sums};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => factor(rest),
        1 => sums(rest),
        _ => node(rest),
    }
});

/// A factor that was read multiplies rows of its width, or says why not.
fn factor(bytes: &[u8]) {
    let Ok(factor) = Factor::read(bytes) else {
        return;
    };
    for width in 1..5 {
        let rows = Matrix::new(3, width, vec![0.5; 3 * width]).expect("rows");
        if let Ok(leaf) = factor.multiply(&rows) {
            assert_eq!(
                Leaf::read(&leaf.bytes()).expect("what was written").bytes(),
                leaf.bytes()
            );
        }
    }
}

/// Sums that were read are written as they were.
fn sums(bytes: &[u8]) {
    if let Ok(sums) = Sums::<f64>::read(bytes) {
        let written = sums.bytes();
        assert_eq!(written, bytes);
    }
    if let Ok(leaf) = Leaf::read(bytes) {
        assert_eq!(leaf.bytes(), bytes);
    }
}

/// A node has the shape of its parts, all of which have one.
fn node(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first() else {
        return;
    };
    let at = usize::from(*at).min(bytes.len());
    let mut node = None;
    let mut first = None;
    for (i, part) in [&bytes[..at], &bytes[at..]].into_iter().enumerate() {
        let Ok(()) = Sums::push_bytes(&mut node, part, i == 0) else {
            return;
        };
        let shape = shape_of(part, i == 0);
        assert_eq!(
            *first.get_or_insert(shape),
            shape,
            "parts of two shapes were added"
        );
    }
    let node = node.expect("two parts");
    let n_sum = node.moments.map(|moments| moments.sum.len());
    assert_eq!(Some((node.z.len(), node.t.len(), n_sum)), first);
}

fn shape_of(bytes: &[u8], is_leaf: bool) -> (usize, usize, Option<usize>) {
    fn of<T>(sums: Sums<T>) -> (usize, usize, Option<usize>) {
        (
            sums.z.len(),
            sums.t.len(),
            sums.moments.map(|moments| moments.sum.len()),
        )
    }
    match is_leaf {
        true => of(Leaf::read(bytes).expect("it was pushed")),
        false => of(Sums::<f64>::read(bytes).expect("it was pushed")),
    }
}
