//! A whole run, or its first half, and the program that does the same.

use std::path::PathBuf;
use std::process::Command;

use polars::prelude::*;

use super::interrupt::Working;
use super::lines::{Lines, ended_cached};
use super::sentence::Sentence;
use crate::error::Error;
use crate::outputs;
use crate::page;
use crate::run::{self, Described, Outcome, Params};
use crate::steps::load::LoadParams;
use crate::storage::place::{Address, Place, user_cache};
use crate::storage::s3::{Connection, Prefix, S3Params};
use crate::storage::source::Source;

/// What `report --input SOURCE` runs when it is told nothing else: its default cache, too. Its `FRUITS_*` variables are
/// not looked at.
#[must_use]
pub fn params(source: &Source) -> Params {
    Params {
        cache: user_cache().map(Place::Folder),
        ..Params::new(source.clone())
    }
}

/// Lists, reads, resizes and describes images: [`crate::run::describe`] with the cache that `report` has, so that nothing
/// is computed twice, here or there. The descriptors must fit in memory: 100 kB an image, twice for a moment.
///
/// # Errors
/// As there.
pub fn describe(source: &Source, load: &LoadParams) -> Result<Described, Sentence> {
    let params = Params {
        load: load.clone(),
        ..params(source)
    };
    let working = Working::begin();
    let mut lines = Lines::new("list", 0);
    run::describe(&params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("describe", e))
}

/// [`crate::run::run`].
///
/// # Errors
/// As there.
pub fn run(params: &Params) -> Result<Outcome, Sentence> {
    let working = Working::begin();
    let mut lines = Lines::new("list", 0);
    run::run(params, &mut |event| lines.hear(event), working.stop())
        .map_err(|e| ended_cached("run", e))
}

/// Writes what `report` writes, into a folder or `s3://bucket/prefix`: the data, `run.json`, `index.html`. Returns
/// `file`, `size_bytes` and `sha256` of the data.
///
/// # Errors
/// A place that cannot be written.
pub fn write(outcome: &mut Outcome, address: &str) -> Result<DataFrame, Sentence> {
    let working = Working::begin();
    let place = match address.parse()? {
        Address::Folder(folder) => Place::Folder(folder),
        Address::Bucket { name, prefix } => {
            let connection = Connection::open_until(&S3Params::default(), working.stop())?;
            Place::Bucket(Prefix::new(&connection, &name, &prefix)?)
        }
    };
    outputs::publish(outcome, &place.claim()?, page::render_outcome)?;
    let files = &outcome.run.provenance.outputs;
    let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
    let sizes: Vec<u64> = files.iter().map(|f| f.size_bytes).collect();
    let digests: Vec<&str> = files.iter().map(|f| f.sha256.as_str()).collect();
    let columns = vec![
        Column::new("file".into(), names),
        Column::new("size_bytes".into(), sizes),
        Column::new("sha256".into(), digests),
    ];
    Ok(DataFrame::new(files.len(), columns)?)
}

/// The program `report` of the same build as this library, to be given arguments: the file of `FRUITS_REPORT`, which the
/// kernel of `make notebook` sets. Other `FRUITS_*` variables, which would be options to it, are not passed on, but for
/// `FRUITS_RUNTIME`.
///
/// # Errors
/// The variable is not set, or the file is not there.
pub fn report_command() -> Result<Command, Sentence> {
    let program = std::env::var_os("FRUITS_REPORT").map(PathBuf::from);
    let Some(program) = program.filter(|p| p.is_file()) else {
        let message = "FRUITS_REPORT names no program; start Jupyter with `make notebook`";
        return Err(Error::Invalid(message.to_owned()).into());
    };
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"FRUITS_") && name != "FRUITS_RUNTIME" {
            command.env_remove(name);
        }
    }
    Ok(command)
}
