//! Matrices as `.npy` files, which every peer reads.
//!
//! Only what NumPy writes for a plain matrix of float32 is understood; the crate that reads all of the format would have the
//! dependencies of the project compiled again, with other features.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use fruits::matrix::Matrix;

use crate::Failure;

/// Begins every file: the name of the format and its version, 1.0.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// What begins and header together are a multiple of.
const ALIGNMENT: usize = 64;

/// The first `n_rows` rows of a file, or all.
pub fn read(path: &Path, n_rows: Option<usize>) -> Result<Matrix, Failure> {
    let failed = |what: &str| format!("{}: {what}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(|e| failed(&e.to_string()))?);
    let mut begin = [0; 10];
    file.read_exact(&mut begin)?;
    let mut header = vec![0; usize::from(u16::from_le_bytes([begin[8], begin[9]]))];
    file.read_exact(&mut header)?;
    let header = String::from_utf8_lossy(&header);
    if begin[..8] != *MAGIC
        || !header.contains("'<f4'")
        || !header.contains("'fortran_order': False")
    {
        return Err(failed("no .npy file of float32 in C order").into());
    }
    let shape = header
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let sides: Vec<usize> = shape
        .map(|(shape, _)| {
            shape
                .split(',')
                .flat_map(|side| side.trim().parse())
                .collect()
        })
        .unwrap_or_default();
    let [all, n_cols] = sides[..] else {
        return Err(failed("no matrix").into());
    };
    let n_rows = n_rows.unwrap_or(all);
    if n_rows > all {
        return Err(failed(&format!("{all} rows, not {n_rows}")).into());
    }
    let mut bytes = vec![0; n_cols * size_of::<f32>()];
    let mut values = Vec::with_capacity(n_rows * n_cols);
    for _ in 0..n_rows {
        file.read_exact(&mut bytes)?;
        let (words, _) = bytes.as_chunks::<4>();
        values.extend(words.iter().map(|&word| f32::from_le_bytes(word)));
    }
    Ok(Matrix::new(n_rows, n_cols, values)?)
}

pub fn write(path: &Path, matrix: &Matrix) -> Result<(), Failure> {
    let (n_rows, n_cols) = (matrix.n_rows(), matrix.n_cols());
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {n_cols}), }}");
    let length = (MAGIC.len() + 2 + header.len() + 1).next_multiple_of(ALIGNMENT);
    header += &" ".repeat(length - (MAGIC.len() + 2 + header.len() + 1));
    header.push('\n');
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(MAGIC)?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in matrix.values() {
        file.write_all(&value.to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// Threads for everything of this process.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    Ok(rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?)
}

/// Says what went wrong.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "fruits-bench: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_come_back_whole_or_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.npy");
        let matrix = Matrix::new(3, 2, vec![0.0, -1.5, f32::MIN_POSITIVE, 4.0, 5.0, 6.0]).unwrap();
        write(&path, &matrix).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len() % 8, 0);
        assert_eq!(read(&path, None).unwrap(), matrix);
        assert_eq!(
            read(&path, Some(2)).unwrap().values(),
            &matrix.values()[..4]
        );
        let failed = read(&path, Some(4)).unwrap_err().to_string();
        assert!(failed.ends_with("3 rows, not 4"), "{failed}");
        std::fs::write(&path, b"\x93NUMPY\x01\x00\x02\x00{}").unwrap();
        assert!(read(&path, None).is_err());
    }
}
