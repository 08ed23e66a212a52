//! The command line: what the user may say.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use fruits::Result;
use fruits::options::{OPTIONS, Value};
use fruits::record::Origin;

use crate::cache::CacheTask;
use crate::config;
use crate::diff::DiffOptions;
use crate::doctor::Doctor;
use crate::options::{LogFormat, Options};
use crate::settings::{Settings, Values, Variable, environment};
use crate::typed::{Typed, with_variables};
use crate::verify::Verify;

/// From a folder or a bucket of labelled photographs to descriptors and a report.
///
/// The images of each class lie in a folder of the class's name. The report goes to --out: index.html, and the data
/// behind it. A run that was stopped continues where it was when the same command is given again.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "report",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub task: Option<Task>,
    #[command(flatten)]
    pub typed: Typed,
}

/// What else the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Check the shared libraries and their digests, providers, model, processor, memory and disk, and say what to do about each fault
    Doctor(Doctor),
    /// Hold a report against its record, its files, its inputs and, with --rerun, against a fresh computation
    Verify(Verify),
    /// Compare two runs: images, parameters, numbers and embeddings; exit code 0 whether they differ or not
    Diff(DiffOptions),
    /// Check what a cache of computed descriptors holds, or remove what no run can use any more
    #[command(subcommand)]
    Cache(CacheTask),
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    Member(crate::members::Member),
}

/// What the user said.
#[derive(Debug, Clone)]
pub struct Said {
    pub task: Option<Task>,
    pub options: Options,
    /// The same with where each came from.
    pub settings: Settings,
}

impl Said {
    /// How errors are told.
    pub fn log(&self) -> LogFormat {
        match &self.task {
            Some(Task::Verify(task)) => task.log(),
            Some(Task::Cache(task)) => task.log(),
            _ => self.options.log,
        }
    }
}

/// Reads the command line, the variables and the file they name. Flags win over variables, these over the file, and that
/// over the defaults.
///
/// clap answers `--help`, `--version` and wrong usage itself, with exit code 0 and 2.
pub fn parse(arguments: &[OsString], variable: Variable) -> Result<Said> {
    let Cli { mut task, typed } = typed(arguments).unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp => with_variables(Cli::command())
            .try_get_matches_from(arguments)
            .map_or_else(|help| help.exit(), |_| error.exit()),
        _ => error.exit(),
    });
    match &mut task {
        Some(Task::Verify(task)) => task.heed(variable)?,
        Some(Task::Cache(task)) => task.heed(variable)?,
        #[cfg(feature = "cluster")]
        Some(Task::Member(task)) => task.heed(variable)?,
        _ => {}
    }
    let settings = settings(typed.0, variable)?;
    Ok(Said {
        task,
        options: Options::of(&settings)?,
        settings,
    })
}

/// What clap makes of the words of a command.
pub fn typed(words: &[OsString]) -> Result<Cli, clap::Error> {
    let is_empty = |arg: &Arg| {
        let name = arg.get_env().and_then(std::env::var_os);
        name.is_some_and(|value| value.is_empty())
    };
    let heeded = |arg: Arg| match is_empty(&arg) {
        true => arg.env(None::<&str>),
        false => arg,
    };
    let command = Cli::command().mut_subcommands(|task: Command| task.mut_args(heeded));
    Cli::from_arg_matches(&command.try_get_matches_from(words)?)
}

/// What flags, variables and the file of a run come to.
fn settings(flags: Values, variable: Variable) -> Result<Settings> {
    let variables = environment(OPTIONS.iter(), variable)?;
    let file = match flags.get("config").or_else(|| variables.get("config")) {
        Some(Some(Value::Text(path))) => config::read(Path::new(path))?,
        _ => Values::new(),
    };
    Settings::layered(&[
        (Origin::Flag, flags),
        (Origin::Environment, variables),
        (Origin::File, file),
    ])
}
