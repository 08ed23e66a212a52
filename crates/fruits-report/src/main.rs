//! `report`: the steps of `fruits` without a notebook, and the HTML that shows what they gave.

mod cache;
mod cli;
mod code;
mod config;
mod diff;
mod doctor;
mod ending;
mod engine;
#[cfg(feature = "cluster")]
mod members;
mod options;
mod places;
mod progress;
#[cfg(test)]
mod round_trip;
mod run;
mod settings;
mod signals;
mod typed;
mod verify;

use std::process::ExitCode;

use fruits::Result;
use fruits::storage::temporary;

use crate::cli::{Said, Task};
use crate::options::LogFormat;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let said = match cli::parse(&arguments, &|name| std::env::var_os(name)) {
        Ok(said) => said,
        Err(error) => return ending::failed(&error, LogFormat::Text),
    };
    match ending::guarded(said.log(), || done(&said)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ending::failed(&error, said.log()),
    }
}

/// Does what was said and gives the exit code.
fn done(said: &Said) -> Result<u8> {
    // A copy of a report, the shards of a worker: whatever processes that died had under way.
    temporary::remove_stale();
    match &said.task {
        Some(Task::Doctor(task)) => Ok(doctor::examine(task, &places::local_cache(&said.options))),
        Some(Task::Diff(runs)) => diff::compare_runs(runs),
        Some(Task::Verify(task)) => verify::run(task),
        Some(Task::Cache(task)) => cache::run(task),
        #[cfg(feature = "cluster")]
        Some(Task::Member(member)) => members::serve(member),
        None => run::run(&said.options, &said.settings),
    }
}
