//! `report diff`: what differs between two runs; and what `--baseline` reads.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use fruits::compare::{self, compare};
use fruits::outputs::Finished;
use fruits::place::Address;
use fruits::report::{comparison_text, render_comparison};
use fruits::{Error, Result, atomic};

use crate::options::LogFormat;
use crate::progress::say;
use crate::{code, signals};

/// The two runs.
#[derive(Debug, Clone, Args)]
pub struct DiffOptions {
    /// The earlier run: the folder of its report, or the run.json in it
    #[arg(value_name = "A")]
    pub baseline: PathBuf,
    /// The run that is held against it
    #[arg(value_name = "B")]
    pub now: PathBuf,
    /// Write the comparison as a self-contained page, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Prints the comparison, the verdict first.
pub fn compare_runs(options: &DiffOptions) -> Result<u8> {
    // A signal ends this at once: nothing is written before the page is whole.
    let stop = AtomicBool::new(false);
    let baseline = compare::open(&options.baseline, &stop)?;
    let now = compare::open(&options.now, &stop)?;
    let compared = compare(&(&baseline).into(), &(&now).into(), &stop)?;
    if let Some(file) = &options.html {
        let html = render_comparison(&baseline, &now, &compared)?;
        // What a killed comparison left; where it cannot be removed, the page cannot be written either, and that is told.
        let _ = atomic::remove_partial_beside(file);
        atomic::write(file, html.as_bytes())?;
    }
    let mut text = comparison_text(&compared.comparison, &baseline.folder, &now.folder);
    if let Some(file) = &options.html {
        text += &format!("\n\npage: {}", file.display());
    }
    say(&mut std::io::stdout(), &text);
    Ok(code::COMPLETE)
}

/// Reads the run of `--baseline` whole.
pub fn baseline(address: &Address, log: LogFormat, stop: &AtomicBool) -> Result<Finished> {
    let _impatient = signals::Impatient::start(log);
    match address {
        Address::Folder(path) => compare::open(path, stop),
        Address::Bucket { name, prefix } => Err(Error::Invalid(format!(
            "--baseline takes a run on this machine; copy `s3://{name}/{prefix}` into a folder and name that"
        ))),
    }
}
