//! Bytes of what the machines of a cluster hand to each other in a pass: little-endian numbers behind their counts (the
//! project builds for x86-64).

use bytemuck::{AnyBitPattern, NoUninit};

use super::blocks::RowBlocks;
use super::fitted::Pca;
use super::panel::{LANES, Panel};
use super::sums::{Leaf, Moments, Sums};
use super::sweep::Sweep;
use crate::error::{Error, Result};

/// What is multiplied with in a pass: Q, what is taken from every row of scores, and the shift of the rows.
#[derive(Debug, PartialEq)]
pub struct Factor {
    q: Panel,
    centre: Option<Vec<f32>>,
    shift: Vec<f32>,
    with_moments: bool,
}

impl Factor {
    /// The bytes of a factor.
    #[must_use]
    pub fn bytes(q: &Panel, centre: Option<&[f32]>, shift: &[f32], with_moments: bool) -> Vec<u8> {
        let centre = centre.unwrap_or_default();
        let mut bytes = Vec::new();
        let counts = [
            q.n_rows,
            q.width,
            centre.len(),
            shift.len(),
            usize::from(with_moments),
        ];
        counts.into_iter().for_each(|n| put_count(&mut bytes, n));
        [&q.values[..], centre, shift]
            .into_iter()
            .for_each(|values| put(&mut bytes, values));
        bytes
    }

    /// What [`Factor::bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes are not whole.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader(bytes);
        let counts = [(); 5].map(|()| from.count());
        let [
            Some(n_rows),
            Some(width),
            Some(n_centre),
            Some(n_shift),
            Some(with_moments),
        ] = counts
        else {
            return Err(damaged());
        };
        let stride = width.checked_next_multiple_of(LANES).unwrap_or(0);
        let fits = [(n_centre, stride), (n_shift, n_rows)];
        if stride == 0 || !fits.iter().all(|(n, all)| *n == 0 || n == all) {
            return Err(damaged());
        }
        let values = from.take(n_rows.saturating_mul(stride))?;
        let (centre, shift) = (from.take(n_centre)?, from.take(n_shift)?);
        from.end()?;
        Ok(Self {
            q: Panel {
                n_rows,
                width,
                stride,
                values,
            },
            centre: (n_centre > 0).then_some(centre),
            shift,
            with_moments: with_moments > 0,
        })
    }

    /// What the rows of one window add to the pass.
    ///
    /// # Errors
    /// [`Error::Internal`] for rows of another length, [`Error::NotFinite`], and what
    /// [`RowBlocks::block`] returns.
    pub fn multiply(&self, rows: &dyn RowBlocks) -> Result<Leaf> {
        if rows.n_cols() != self.q.n_rows {
            return Err(damaged());
        }
        let mut sweep = Sweep::about(rows, self.shift.clone());
        sweep.window(0, &self.q, self.centre.as_deref(), self.with_moments)
    }
}

impl<T: NoUninit + AnyBitPattern> Sums<T> {
    /// The bytes of a piece.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let n_sum = self.moments.as_ref().map_or(0, |m| m.sum.len());
        let (n_z, n_t) = (self.z.len(), self.t.len());
        let mut bytes = Vec::with_capacity(size_of_val(&self.z[..]) + 8 * (n_t + n_sum) + 64);
        [n_z, n_t, n_sum]
            .into_iter()
            .for_each(|n| put_count(&mut bytes, n));
        put(&mut bytes, &self.z);
        put(&mut bytes, &self.t);
        if let Some(moments) = &self.moments {
            put(&mut bytes, &moments.sum);
            put(&mut bytes, &[moments.squares]);
        }
        bytes
    }

    /// What [`Sums::bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes are not whole.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader(bytes);
        let (Some(n_z), Some(n_t), Some(n_sum)) = (from.count(), from.count(), from.count()) else {
            return Err(damaged());
        };
        let (z, t) = (from.take(n_z)?, from.take(n_t)?);
        let mut moments = None;
        if n_sum > 0 {
            let sum = from.take(n_sum)?;
            let squares = from.take(1)?.first().copied().unwrap_or_default();
            moments = Some(Moments { sum, squares });
        }
        from.end()?;
        Ok(Self { z, t, moments })
    }

    /// How many numbers it has of each kind.
    fn shape(&self) -> [usize; 3] {
        let n_sum = self.moments.as_ref().map_or(0, |m| m.sum.len());
        [self.z.len(), self.t.len(), n_sum]
    }
}

impl Sums {
    /// Adds to a node what [`Sums::bytes`] wrote of a leaf, or of a node of the level below. Not generic, so that it is compiled
    /// here, with optimisation, whatever the caller is compiled with.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes are not whole, or of another shape than the parts before.
    pub fn push_bytes(node: &mut Option<Self>, bytes: &[u8], is_leaf: bool) -> Result<()> {
        if is_leaf {
            Self::push_alike(node, &Leaf::read(bytes)?)
        } else {
            Self::push_alike(node, &Self::read(bytes)?)
        }
    }

    fn push_alike<T>(node: &mut Option<Self>, part: &Sums<T>) -> Result<()>
    where
        T: NoUninit + AnyBitPattern + Into<f64> + Sync,
    {
        if node
            .as_ref()
            .is_some_and(|node| node.shape() != part.shape())
        {
            return Err(damaged());
        }
        Self::push(node, part);
        Ok(())
    }
}

impl Pca {
    /// Bytes of the scores and losses of the rows of one window: n and k, n x k, n.
    ///
    /// # Errors
    /// As [`Pca::transform_blocks`].
    pub fn scored(&self, rows: &dyn RowBlocks) -> Result<Vec<u8>> {
        let (scores, lost) = self.transform_blocks(rows)?;
        let mut bytes = Vec::new();
        put_count(&mut bytes, lost.len());
        put_count(&mut bytes, scores.n_cols());
        put(&mut bytes, scores.values());
        put(&mut bytes, &lost);
        Ok(bytes)
    }

    /// What [`Pca::scored`] wrote: n x k scores and n losses.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes are not whole, or are of another number of components.
    pub fn read_scored(&self, bytes: &[u8]) -> Result<(Vec<f32>, Vec<f64>)> {
        let mut from = Reader(bytes);
        let (Some(n), Some(k)) = (from.count(), from.count()) else {
            return Err(damaged());
        };
        if k != self.n_components() {
            return Err(damaged());
        }
        let scored = (from.take(n.saturating_mul(k))?, from.take(n)?);
        from.end()?;
        Ok(scored)
    }
}

/// Appends numbers.
pub fn put<T: NoUninit>(bytes: &mut Vec<u8>, values: &[T]) {
    bytes.extend(bytemuck::cast_slice::<T, u8>(values));
}

/// Appends a count.
pub fn put_count(bytes: &mut Vec<u8>, n: usize) {
    bytes.extend((n as u64).to_le_bytes());
}

/// Reads from the front.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// A count; none if there are not enough bytes for one.
    pub fn count(&mut self) -> Option<usize> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        usize::try_from(u64::from_le_bytes(*head)).ok()
    }

    /// That many numbers.
    ///
    /// # Errors
    /// [`Error::Internal`] if there are not as many.
    pub fn take<T: NoUninit + AnyBitPattern>(&mut self, n: usize) -> Result<Vec<T>> {
        let size = n.checked_mul(size_of::<T>());
        let taken = size.and_then(|size| self.0.split_at_checked(size));
        let (head, rest) = taken.ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytemuck::pod_collect_to_vec(head))
    }

    /// Nothing else follows.
    fn end(&self) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(damaged()),
        }
    }
}

fn damaged() -> Error {
    Error::Internal("an object of a pass is not whole".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::pca::params::PcaParams;
    use crate::pca::sums::{Passes, Tree};
    use crate::pca::sweep::WINDOW;

    /// 20 blocks and a bit, three windows; 40 columns.
    fn rows() -> Matrix {
        let (n, d) = (128 * 20 + 37, 40);
        let value = |i: usize| ((i * 7919 % 1013) as f32 / 100.0).sin() * (1 + i % d) as f32;
        Matrix::new(n, d, (0..n * d).map(value).collect()).unwrap()
    }

    /// The rows of a window, as a worker has them.
    fn window(rows: &Matrix, start: usize) -> Matrix {
        let d = rows.n_cols();
        let (from, to) = (start * 128, rows.n_rows().min((start + WINDOW) * 128));
        Matrix::new(to - from, d, rows.values()[from * d..to * d].to_vec()).unwrap()
    }

    #[test]
    fn a_pass_by_windows_through_bytes_has_the_bits_of_one_in_memory() {
        let rows = rows();
        let mut q = Panel::zeros(40, 5);
        for (i, row) in q.values.chunks_exact_mut(q.stride).enumerate() {
            (0..5).for_each(|j| row[j] = ((i * 5 + j) as f32).cos());
        }
        let mut here = Sweep::new(&rows).unwrap();
        let centre: Vec<f32> = (0..q.stride)
            .map(|j| if j < 5 { 0.5 } else { 0.0 })
            .collect();
        for (centre, with_moments) in [(None, true), (Some(&centre[..]), false)] {
            let shift = Sweep::new(&rows).unwrap().into_shift();
            assert_eq!(shift.len(), 40, "these rows are dense and need a shift");
            let factor = Factor::bytes(&q, centre, &shift, with_moments);
            let mut tree = Tree::default();
            for start in [0, WINDOW, 2 * WINDOW] {
                let leaf = Factor::read(&factor)
                    .unwrap()
                    .multiply(&window(&rows, start));
                tree.push(&Leaf::read(&leaf.unwrap().bytes()).unwrap());
            }
            let sums = tree.finish().unwrap();
            let sums = Sums::read(&sums.bytes()).unwrap();
            assert_eq!(sums, here.pass(&q, centre, with_moments).unwrap());
        }
    }

    #[test]
    fn scores_come_back_as_they_were() {
        let rows = rows();
        let pca = PcaParams::default()
            .fit_blocks(&rows, &mut |_, _| true)
            .unwrap();
        let (scores, lost) = pca.transform_blocks(&rows).unwrap();
        let bytes = pca.scored(&rows).unwrap();
        assert_eq!(
            pca.read_scored(&bytes).unwrap(),
            (scores.into_values(), lost)
        );
        assert!(pca.read_scored(&bytes[..bytes.len() - 1]).is_err());
        assert!(Factor::read(&bytes[..20]).is_err());
        assert!(Leaf::read(&[0xff; 24]).is_err());
    }

    #[test]
    fn what_is_of_another_shape_is_refused() {
        let counts = |counts: &[usize], n_floats: usize| {
            let mut bytes = Vec::new();
            counts.iter().for_each(|n| put_count(&mut bytes, *n));
            put(&mut bytes, &vec![0.5_f32; n_floats]);
            bytes
        };
        // Rows, width, values of centre and shift, moments; a row of 2 has 32 with its padding.
        let whole = counts(&[3, 2, 32, 3, 1], 96 + 32 + 3);
        let window = Matrix::new(4, 3, vec![1.0; 12]).unwrap();
        assert!(Factor::read(&whole).unwrap().multiply(&window).is_ok());
        for (bad, n_floats) in [
            ([3, 2, 31, 3, 1], 96 + 31 + 3),
            ([3, 2, 32, 2, 1], 96 + 32 + 2),
            ([3, 0, 0, 0, 1], 96),
            ([3, usize::MAX, 0, 0, 1], 0),
            ([3, 2, 32, 3, 1], 96 + 32 + 4),
        ] {
            assert!(Factor::read(&counts(&bad, n_floats)).is_err(), "{bad:?}");
        }
        let sums = |n_z: usize, moments: Option<usize>| Sums {
            z: vec![1.0_f32; n_z],
            t: vec![1.0; 2],
            moments: moments.map(|n| Moments {
                sum: vec![1.0; n],
                squares: 1.0,
            }),
        };
        let mut node = None;
        Sums::push_bytes(&mut node, &sums(4, Some(3)).bytes(), true).unwrap();
        for other in [
            sums(3, Some(3)),
            sums(5, Some(3)),
            sums(4, Some(2)),
            sums(4, None),
        ] {
            assert!(Sums::push_bytes(&mut node, &other.bytes(), true).is_err());
        }
        Sums::push_bytes(&mut node, &sums(4, Some(3)).bytes(), true).unwrap();
        assert_eq!(node.unwrap().z, [2.0; 4]);
    }
}
