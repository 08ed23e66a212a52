//! Where the images of a notebook come from.

use std::path::Path;

use super::interrupt::{Working, listen};
use super::sentence::Sentence;
use crate::error::Error;
use crate::storage::place::Address;
use crate::storage::s3::{Connection, Prefix, S3Params};
use crate::storage::source::Source;

/// The images of this notebook: the folder or `s3://bucket/prefix` of the variable `FRUITS_INPUT`, else `data-sample`
/// of this project, which is looked for here and in the folders above.
///
/// # Errors
/// As [`open`], and if there is no `data-sample`.
pub fn input() -> Result<Source, Sentence> {
    listen();
    if let Some(address) = std::env::var_os("FRUITS_INPUT").filter(|v| !v.is_empty()) {
        return open(&address.to_string_lossy());
    }
    let here = std::env::current_dir().map_err(Error::storage("find", "."))?;
    // Relative, so that a notebook that is saved names no folder of this machine.
    let above = (0..here.ancestors().count()).map(|n| "../".repeat(n) + "data-sample");
    let sample = above.into_iter().find(|sample| Path::new(sample).is_dir());
    let Some(sample) = sample else {
        let message = format!(
            "there is no `data-sample` in `{}` or above it; set FRUITS_INPUT to a folder of images or to s3://bucket/prefix, \
             and start Jupyter again",
            here.display()
        );
        return Err(Error::Invalid(message).into());
    };
    Ok(Source::folder(sample)?)
}

/// A folder of images, or `s3://bucket/prefix`; region, credentials and endpoint as the AWS tools take them.
///
/// # Errors
/// A folder that does not exist, a bucket that cannot be reached.
pub fn open(address: &str) -> Result<Source, Sentence> {
    let working = Working::begin();
    Ok(match address.parse()? {
        Address::Folder(root) if !root.is_dir() => {
            let here = std::env::current_dir().unwrap_or_default();
            let message = format!(
                "there is no folder `{}`; name one that holds a folder of images a class (a relative name starts at `{}`), \
                 or s3://bucket/prefix",
                root.display(),
                here.display()
            );
            return Err(Error::Invalid(message).into());
        }
        Address::Folder(root) => Source::folder(root)?,
        Address::Bucket { name, prefix } => {
            let connection = Connection::open_until(&S3Params::default(), working.stop())?;
            Source::Bucket(Prefix::new(&connection, &name, &prefix)?)
        }
    })
}
