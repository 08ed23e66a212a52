//! A saved PCA: what is loaded has the shapes it says, and is saved and loaded again as the same.
#![no_main]

use fruits::Error;
use fruits::pca::{Pca, PcaExt};
use fruits::polars::prelude::*;
use fruits_fuzz::{assert_is_sentence, folder, write};
use libfuzzer_sys::fuzz_target;

/// Names of columns as a file of its own has them.
const MEAN: &str = "mean";
const METADATA: &str = "fruits.pca";
/// The most rows and components that a file made here has.
const MOST: usize = 12;

fuzz_target!(init: fruits_fuzz::tell_panics_apart(), |data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let path = match kind % 2 {
        0 => write("pca.parquet", rest),
        _ => match made(rest) {
            Some(bytes) => write("pca.parquet", &bytes),
            None => return,
        },
    };
    let pca = match Pca::load(&path) {
        Ok(pca) => pca,
        Err(Error::Invalid(said)) => return assert_is_sentence(&said),
        Err(error) => panic!("{error}"),
    };
    let (k, d) = (pca.n_components(), pca.n_features());
    assert!(k >= 1 && d >= 1 && pca.n_samples() >= 2);
    assert_eq!((pca.mean().len(), pca.components().len()), (d, k * d));
    assert_eq!(pca.explained_variance().len(), k);
    assert_eq!(pca.explained_variance_ratio().len(), k);
    assert!(pca.mean().iter().all(|x| x.is_finite()));
    assert!(pca.components().iter().all(|x| x.is_finite()));
    assert!(pca.explained_variance().iter().all(|x| x.is_finite() && *x >= 0.0));
    for share in [0.0, 0.5, 0.95, 1.0] {
        let most = pca.rank_limit().max(pca.found().values.len());
        assert!(pca.needed(share).n_components <= most);
    }
    let rows = fruits::matrix::Matrix::new(2, d, vec![1.0; 2 * d]).expect("a matrix");
    let scores = pca.transform_block(&rows).expect("rows of that width");
    assert_eq!((scores.n_rows(), scores.n_cols()), (2, k));

    let again = folder().path().join("again.parquet");
    pca.save(&again).expect("what was loaded can be saved");
    assert_eq!(Pca::load(&again).expect("what was saved can be loaded"), pca);
});

/// A file of a header, up to a zero, and of columns by what follows.
fn made(data: &[u8]) -> Option<Vec<u8>> {
    let zero = data.iter().position(|byte| *byte == 0)?;
    let header = std::str::from_utf8(&data[..zero]).ok()?;
    let (sizes, values) = data[zero + 1..].split_first_chunk::<2>()?;
    let [d, k] = sizes.map(|n| usize::from(n) % MOST);
    let mut values = values
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes));
    let mut next = || values.next().unwrap_or(0.5);
    let mean: Vec<f64> = (0..d).map(|_| f64::from(next())).collect();
    let mut columns = vec![Column::new(MEAN.into(), mean)];
    for i in 0..k {
        let component: Vec<f32> = (0..d).map(|_| next()).collect();
        columns.push(Column::new(fruits::schema::pc(i).into(), component));
    }
    let mut frame = DataFrame::new(d, columns).ok()?;
    let metadata = KeyValueMetadata::from_static(vec![(METADATA.into(), header.into())]);
    let mut bytes = Vec::new();
    let writer = ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(metadata));
    writer.set_parallel(false).finish(&mut frame).ok()?;
    Some(bytes)
}
