//! The objects that are there from the start. They are read once for their checksums and never copied.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Md5};
use s3s::path::check_bucket_name;
use serde::Deserialize;

use crate::Error;
use crate::index::{Entry, Index, hex};
use crate::options::Seed;

/// The limit of S3 for a key, in bytes of UTF-8
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const MAX_KEY_BYTES: usize = 1024;

/// Read at once: small enough for a stack of its own, large enough that system calls do not count.
const CHUNK_BYTES: usize = 64 * 1024;

/// What S3 says of an object that was put without a type.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// An object with the content of this file, which must stay as it is.
pub fn entry(file: &Path) -> Result<Entry, Error> {
    let in_file = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut reader = File::open(file).map_err(in_file)?;
    let modified = reader
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map_err(in_file)?;
    let mut md5 = Md5::new();
    // CRC-32, so that a GET with x-amz-checksum-mode has something to check: clients know it best.
    let mut checksum = ChecksumHasher {
        crc32: Some(Crc32::new()),
        ..Default::default()
    };
    let mut size_bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n_bytes = reader.read(&mut chunk).map_err(in_file)?;
        if n_bytes == 0 {
            break;
        }
        size_bytes += n_bytes as u64;
        md5.update(&chunk[..n_bytes]);
        checksum.update(&chunk[..n_bytes]);
    }
    Ok(Entry {
        file: std::path::absolute(file)?,
        size_bytes,
        etag: hex(&md5.finalize()),
        checksum: checksum.finalize(),
        version_id: None,
        content_type: DEFAULT_CONTENT_TYPE.into(),
        user_metadata: None,
        server_side_encryption: None,
        sse_kms_key_id: None,
        last_modified: modified.into(),
    })
}

/// A bucket with a name that requests can have. `s3s` refuses the others, so that a test would look for them in vain.
pub fn add_bucket(index: &Index, name: &str) -> Result<(), Error> {
    if !check_bucket_name(name) {
        return Err(
            format!("{name:?}: a bucket's name has 3 to 63 of a-z, 0-9, '.' and '-'").into(),
        );
    }
    index.add_bucket(name);
    Ok(())
}

/// Every regular file below the folder.
pub fn add_folder(index: &Index, seed: &Seed) -> Result<(), Error> {
    add_bucket(index, &seed.bucket)?;
    add_below(index, seed, &seed.dir, &seed.prefix)
}

fn add_below(index: &Index, seed: &Seed, dir: &Path, prefix: &str) -> Result<(), Error> {
    for child in fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let child = child?;
        let path = child.path();
        let name = child
            .file_name()
            .into_string()
            .map_err(|name| format!("{name:?}: a key is UTF-8"))?;
        // Links to files are followed, links to folders are not: they may lead round in a circle.
        if child.file_type()?.is_dir() {
            add_below(index, seed, &path, &format!("{prefix}{name}/"))?;
        } else if path.is_file() {
            add(index, &seed.bucket, &format!("{prefix}{name}"), &path)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    bucket: String,
    key: String,
    file: PathBuf,
}

/// One object a line, with keys that no file could have.
pub fn add_lines(index: &Index, list: &Path) -> Result<(), Error> {
    let in_list = |error: std::io::Error| format!("{}: {error}", list.display());
    for (number, text) in BufReader::new(File::open(list).map_err(in_list)?)
        .lines()
        .enumerate()
    {
        let text = text.map_err(in_list)?;
        let line: Line = serde_json::from_str(&text)
            .map_err(|error| format!("{}: line {}: {error}", list.display(), number + 1))?;
        add_bucket(index, &line.bucket)?;
        add(index, &line.bucket, &line.key, &line.file)?;
    }
    Ok(())
}

fn add(index: &Index, bucket: &str, key: &str, file: &Path) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(format!(
            "{key:?}: a key has 1 to {MAX_KEY_BYTES} bytes, not {}",
            key.len()
        )
        .into());
    }
    index.put(bucket, key, entry(file)?);
    Ok(())
}
