//! Descriptors on disk: shards of fixed size, each committed by its receipt.
//!
//! A shard is `features/<fingerprint>/shard-00017.parquet`; `shard-00017.json` beside it is its receipt, written last.
//! A shard without a receipt does not exist. Two runs on the same kind of processor may write the same shard at once:
//! both write the same bytes.
//!
//! Shards in a bucket have the same names. They are copied to this machine when they are first needed, since PCA reads
//! them several times.

mod receipt;
mod shard;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use fruits_maths::Matrix;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{MatrixExt, column, strings};
use crate::schema::{ETAG, FEATURES, KEY, LABEL, SIZE_BYTES};
use crate::storage::atomic;
use crate::storage::digest;
use crate::storage::foreign::{Fault, Folder};
use crate::storage::guard::guarded;
use crate::storage::lock;
use crate::storage::place::{JSON, PARQUET, Place};
use crate::storage::rejection::Rejection;
use crate::storage::s3::Prefix;
use crate::storage::temporary::{self, TempDir};

pub(crate) use self::receipt::Seen;
pub use self::receipt::{Receipt, Work};
pub(crate) use self::shard::code;
pub use self::shard::{CODE_VERSION, SHARD_LEN, Shard, manifest_text, plan};
#[doc(hidden)]
pub use self::shard::{FOLDER, keys};

/// Bytes of a receipt at most: of 128 files that are rejected with long names it has half of it.
#[doc(hidden)]
pub const MOST_RECEIPT_BYTES: u64 = 4 << 20;

/// What is read here is small.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Shards on this machine, and in a bucket if they are to outlive it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Goes away with the store.
    _temporary: Option<TempDir>,
    /// Tells other processes that the folder is in use.
    _shared: Option<File>,
    bucket: Option<Prefix>,
}

impl Store {
    /// Takes a cache, or a folder that goes away with the store. A cache in a bucket has such a folder here as well, for
    /// what is read again and again.
    ///
    /// # Errors
    /// [`Error::Storage`] if no temporary folder can be made.
    pub fn open(cache: Option<&Place>) -> Result<Self> {
        match cache {
            None => Self::temporary(),
            Some(Place::Folder(root)) => Ok(Self {
                root: root.clone(),
                _temporary: None,
                _shared: lock::share(root, || {
                    // What cannot be removed harms nobody.
                    let _ = atomic::remove_partial(root);
                }),
                bucket: None,
            }),
            Some(Place::Bucket(prefix)) => Ok(Self {
                bucket: Some(prefix.clone()),
                ..Self::temporary()?
            }),
        }
    }

    fn temporary() -> Result<Self> {
        let folder = temporary::folder("cache")?;
        Ok(Self {
            root: folder.path().to_path_buf(),
            _temporary: Some(folder),
            _shared: None,
            bucket: None,
        })
    }

    /// The folder here: the cache itself, or that of the copies of one in a bucket.
    #[doc(hidden)]
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bucket's folder of a cache that lies in one.
    #[doc(hidden)]
    #[must_use]
    pub fn bucket(&self) -> Option<&Prefix> {
        self.bucket.as_ref()
    }

    /// The receipts of the shards that are committed, whose files are there in full length; `None` for each that is to be
    /// computed.
    ///
    /// # Errors
    /// [`Error::Bucket`] if the bucket cannot be listed or read, [`Error::Cancelled`] if `keep_going` says no.
    pub fn receipts(
        &self,
        plan: &[Shard],
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Option<Receipt>>> {
        self.receipts_and(plan, keep_going, &mut |_| {})
    }

    /// [`Store::receipts`], with each receipt that is there and does not commit its shard told to `unfit`.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn receipts_and(
        &self,
        plan: &[Shard],
        keep_going: &mut dyn FnMut() -> bool,
        unfit: &mut dyn FnMut(String),
    ) -> Result<Vec<Option<Receipt>>> {
        let Some(prefix) = &self.bucket else {
            let found = plan.iter().map(|shard| match self.receipt(shard) {
                Ok(receipt) => receipt,
                Err(Unfit) => {
                    unfit(self.paths(shard).1.display().to_string());
                    None
                }
            });
            return Ok(found.collect());
        };
        let listed = prefix.below(FOLDER).list(&mut |_| keep_going())?;
        let sizes: BTreeMap<_, _> = listed
            .into_iter()
            .map(|o| (format!("{FOLDER}/{}", o.key), o.size_bytes))
            .collect();
        let there = plan.iter().map(|shard| keys(shard).receipt);
        let readable = there.filter(|key| {
            sizes
                .get(key)
                .is_some_and(|&n_bytes| n_bytes <= MOST_RECEIPT_BYTES)
        });
        let read = prefix.read_all(readable.collect(), MOST_RECEIPT_BYTES)?;
        let receipt = |shard: &Shard| {
            let keys = keys(shard);
            if !sizes.contains_key(&keys.receipt) {
                return None;
            }
            let bytes = read.get(&keys.receipt).map(Vec::as_slice);
            let size = sizes.get(&keys.data).copied();
            fitting(bytes.unwrap_or_default(), size, shard).unwrap_or_else(|Unfit| {
                unfit(format!("{prefix}{}", keys.receipt));
                None
            })
        };
        Ok(plan.iter().map(receipt).collect())
    }

    /// The receipt of a shard that is committed here; none if there is none.
    fn receipt(&self, shard: &Shard) -> Result<Option<Receipt>, Unfit> {
        let (data, receipt) = self.paths(shard);
        let Some(bytes) = small_file(&receipt)? else {
            return Ok(None);
        };
        let file = fs::symlink_metadata(data)
            .ok()
            .filter(fs::Metadata::is_file);
        fitting(&bytes, file.map(|m| m.len()), shard)
    }

    /// Writes a shard, then its receipt; here first, then in the bucket. `images` has the column `features`
    /// `Array(Float32, n_features)`, which the file holds as bytes. A worker of a cluster says what it is called and when it
    /// `began`.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`]; [`Error::Invalid`] if there are no such features.
    pub fn commit(
        &self,
        shard: &Shard,
        mut images: DataFrame,
        n_features: usize,
        mut rejected: Vec<Rejection>,
        began: Option<(&str, Instant)>,
    ) -> Result<Receipt> {
        // Another run may have been faster; its file must stay the one its receipt names. What is here of a bucket is a copy.
        if self.bucket.is_none()
            && let Ok(Some(receipt)) = self.receipt(shard)
        {
            return Ok(receipt);
        }
        let (data, receipt_path) = self.paths(shard);
        create_parent(&data)?;
        let features = Matrix::from_vectors(&images, FEATURES)?;
        images.with_column(features.to_binaries(FEATURES))?;
        let mut bytes = Vec::new();
        // One row group: a shard is always read whole.
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_row_group_size(Some(SHARD_LEN))
            .set_parallel(false)
            .finish(&mut images)?;
        atomic::write_below(&self.root, &data, &bytes)?;
        rejected.sort();
        let receipt = Receipt::new(
            shard,
            &bytes,
            [images.height(), n_features],
            rejected,
            began.map(|(worker, began)| Work::since(worker, began)),
        );
        let text = serde_json::to_vec_pretty(&receipt)
            .map_err(|e| Error::Internal(format!("a receipt is no JSON: {e}")))?;
        atomic::write_below(&self.root, &receipt_path, &text)?;
        if let Some(prefix) = &self.bucket {
            let keys = keys(shard);
            prefix.write(&keys.data, bytes, PARQUET)?;
            prefix.write(&keys.receipt, text, JSON)?;
        }
        Ok(receipt)
    }

    /// Reads a committed shard: the columns that [`Store::commit`] was given but `features`, and these, n x n_features.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file is not the one its receipt names, or holds other images than the plan; the receipt is
    /// then taken back, so that the shard is computed again. [`Error::Storage`], [`Error::Bucket`].
    pub fn read(&self, shard: &Shard, receipt: &Receipt) -> Result<(DataFrame, Matrix)> {
        let (data, receipt_path) = self.paths(shard);
        let is_named = |bytes: &Vec<u8>| digest::of(bytes) == receipt.sha256;
        let mut bytes = readable(&data)?.filter(is_named);
        let is_here = bytes.is_some();
        if let (false, Some(prefix)) = (is_here, &self.bucket) {
            let found = prefix.read_cached(&keys(shard).data, receipt.size_bytes)?;
            bytes = found.filter(is_named);
        }
        // A decoder that gives up says no more of a file than that it cannot be read.
        let read = bytes
            .as_ref()
            .and_then(|bytes| guarded(|| contents(bytes, shard, receipt)).flatten());
        let (Some(bytes), Some(read)) = (bytes, read) else {
            remove(&receipt_path)?;
            let mut place = data.display().to_string();
            if let Some(prefix) = &self.bucket {
                remove(&data)?;
                prefix.remove(&keys(shard).receipt)?;
                place = format!("{prefix}{}", keys(shard).data);
            }
            return Err(Error::Damaged {
                shards: vec![place],
            });
        };
        if !is_here {
            create_parent(&data)?;
            atomic::write_below(&self.root, &data, &bytes)?;
        }
        Ok(read)
    }

    /// A file in the folder here, for who hands files to others there: one of more bytes is not read, and none behind a link.
    ///
    /// # Errors
    /// [`Error::Storage`].
    #[doc(hidden)]
    pub fn read_here(&self, key: &str, most_bytes: u64) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(key);
        let read = Folder::open(&self.root).map_err(Fault::from);
        let read = read.and_then(|folder| folder.file(key)?.read(most_bytes, &NEVER));
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(Fault::Io(error)) => Err(Error::storage("read", path)(error)),
            Err(fault) => {
                let why = std::io::Error::other(format!("it {fault}; remove it"));
                Err(Error::storage("read", path)(why))
            }
        }
    }

    fn paths(&self, shard: &Shard) -> (PathBuf, PathBuf) {
        let keys = keys(shard);
        (self.root.join(keys.data), self.root.join(keys.receipt))
    }
}

/// The images and the features in the bytes of a shard, if they are those of the plan.
fn contents(bytes: &[u8], shard: &Shard, receipt: &Receipt) -> Option<(DataFrame, Matrix)> {
    let images = ParquetReader::new(std::io::Cursor::new(bytes))
        .set_rechunk(true)
        .finish()
        .ok()?;
    let features = Matrix::from_binaries(&images, FEATURES, receipt.n_features).ok()?;
    let is_planned = if shard.is_only_named() {
        images.height() == receipt.n_images
    } else {
        let rejected = receipt.rejected_keys();
        let planned = identities(&shard.manifest)?.into_iter();
        let planned: Vec<_> = planned
            .filter(|image| !rejected.contains(image.0))
            .collect();
        identities(&images)? == planned
    };
    is_planned.then_some(())?;
    Some((images.drop(FEATURES).ok()?, features))
}

/// Key, label, ETag and size of each image.
fn identities(images: &DataFrame) -> Option<Vec<(&str, &str, &str, u64)>> {
    let [keys, labels, etags] = [KEY, LABEL, ETAG].map(|name| strings(images, name).ok());
    let sizes = column(images, SIZE_BYTES).ok()?.u64().ok()?;
    let rows = keys?
        .into_iter()
        .zip(labels?)
        .zip(etags?)
        .zip(sizes.no_null_iter());
    Some(
        rows.map(|(((key, label), etag), size)| (key, label, etag, size))
            .collect(),
    )
}

/// A receipt that does not commit the shard it lies beside.
struct Unfit;

/// The receipt in these bytes, which commits a shard whose file is so large; none if it commits it for now only: a file that
/// could not be read then may be readable now.
fn fitting(bytes: &[u8], size_bytes: Option<u64>, shard: &Shard) -> Result<Option<Receipt>, Unfit> {
    let receipt: Receipt = serde_json::from_slice(bytes).map_err(|_| Unfit)?;
    if size_bytes != Some(receipt.size_bytes) || !receipt.commits(shard) {
        return Err(Unfit);
    }
    Ok(receipt.is_lasting().then_some(receipt))
}

/// A file of the size that a receipt may have; none if there is none. What is no file is not waited for.
fn small_file(path: &Path) -> Result<Option<Vec<u8>>, Unfit> {
    let mut options = OpenOptions::new();
    options.read(true);
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = match options.open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|_| Unfit)?,
    };
    let is_small = |m: fs::Metadata| m.is_file() && m.len() <= MOST_RECEIPT_BYTES;
    if !file.metadata().is_ok_and(is_small) {
        return Err(Unfit);
    }
    let mut bytes = Vec::new();
    let read = file.take(MOST_RECEIPT_BYTES).read_to_end(&mut bytes);
    read.map(|_| Some(bytes)).map_err(|_| Unfit)
}

/// The bytes of a file of the cache; none if it is gone or cannot be read, as on a disk that breaks: then it is computed again.
fn readable(path: &Path) -> Result<Option<Vec<u8>>> {
    const EIO: i32 = 5;
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e)
            if e.raw_os_error() == Some(EIO)
                || matches!(
                    e.kind(),
                    ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory
                ) =>
        {
            Ok(None)
        }
        Err(e) => Err(Error::storage("read", path)(e)),
    }
}

fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), atomic::create_folder)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::storage("remove", path)(e)),
        _ => Ok(()),
    }
}
