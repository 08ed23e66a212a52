//! The command line: what the user may say, and where each value came from.

use std::cmp::Ordering;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use fruits::record::{Origin, Parameter};
use fruits::{Error, Result};

use crate::diff::DiffOptions;
use crate::doctor::Doctor;
#[cfg(feature = "cluster")]
use crate::members::{SchedulerOptions, WorkerOptions};
use crate::options::{LogFormat, Options};
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
    pub command: Option<Task>,
    #[command(flatten)]
    pub options: Options,
}

/// What else the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Check the shared library, providers, model, processor, memory and disk, and say what to do about each fault
    Doctor(Doctor),
    /// Hold a report against its record, its files, its inputs and, with --rerun, against a fresh computation
    Verify(Verify),
    /// Compare two runs: images, parameters, numbers and embeddings; exit code 0 whether they differ or not
    Diff(DiffOptions),
    /// Hand out the tasks of runs with --engine to workers
    #[cfg(feature = "cluster")]
    Scheduler(SchedulerOptions),
    /// Do the tasks that a scheduler hands out
    #[cfg(feature = "cluster")]
    Worker(WorkerOptions),
}

/// Options that change neither a number nor where it comes from: they are told apart in the outputs, so that these stay the same bytes.
pub const RUN_ONLY: [&str; 14] = [
    "out",
    "cache",
    "no-cache",
    "profile",
    "sse",
    "sse-kms-key-id",
    "s3-timeout",
    "threads",
    "engine",
    "engine-timeout",
    "config",
    "log",
    "quiet",
    // What it adds to the record is told there by content, not by path.
    "baseline",
];

/// What the user said, with the origin of each value in the order of the help.
#[derive(Debug, Clone)]
pub struct Said {
    pub cli: Cli,
    pub parameters: Vec<Parameter>,
}

impl Said {
    /// How errors are told.
    pub fn log(&self) -> LogFormat {
        match &self.cli.command {
            Some(Task::Verify(task)) => task.log(),
            _ => self.cli.options.log,
        }
    }
}

/// Reads the command line, the variables and the file they name.
///
/// clap answers `--help`, `--version` and wrong usage itself, with exit code 0 and 2.
pub fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Said> {
    let first = Cli::command().get_matches_from(&arguments);
    let config = first.get_one::<PathBuf>("config").cloned();
    let (command, from_file) = match &config {
        None => (Cli::command(), Vec::new()),
        Some(path) => with_file(path)?,
    };
    let matches = command.get_matches_from(&arguments);
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let mut parameters = parameters(&matches, &from_file);
    one_rule_for_components(&mut cli, &mut parameters)?;
    one_input(&mut cli, &mut parameters)?;
    Ok(Said { cli, parameters })
}

/// The options that `words` give, whatever the environment says.
pub fn options_of(words: impl Iterator<Item = std::ffi::OsString>) -> Result<Options> {
    let command = Cli::command().mut_args(|arg| arg.env(None));
    let words = std::iter::once("report".into()).chain(words);
    let matches = command.try_get_matches_from(words);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    Ok(cli.map_err(|e| Error::Invalid(first_line(&e)))?.options)
}

/// Whether `report` has an option of this name, without dashes.
pub fn is_option(name: &str) -> bool {
    option_names(&Cli::command()).any(|option| option == name)
}

/// Whether that option takes no value.
pub fn is_flag(name: &str) -> bool {
    let is_this = |arg: &&Arg| arg.get_long() == Some(name);
    let command = Cli::command();
    let found = command.get_arguments().find(is_this);
    found.is_some_and(|arg| !arg.get_action().takes_values())
}

fn first_line(error: &clap::Error) -> String {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

/// The command with the file's values as its defaults: variables and flags then win over them without more ado.
fn with_file(path: &std::path::Path) -> Result<(Command, Vec<String>)> {
    let text = std::fs::read_to_string(path).map_err(Error::storage("read", path))?;
    let invalid =
        |what: String| Error::Invalid(format!("configuration `{}`: {what}", path.display()));
    let table: toml::Table = toml::from_str(&text).map_err(|e| invalid(e.to_string()))?;
    let mut command = Cli::command();
    let mut names = Vec::new();
    for (name, value) in table {
        let known = |arg: &Arg| {
            arg.get_long() == Some(&name)
                && !matches!(
                    name.as_str(),
                    "config" | "print-config" | "dry-run" | "help" | "version"
                )
        };
        let Some(arg) = command.get_arguments().find(|arg| known(arg)) else {
            let all: Vec<_> = option_names(&command).collect();
            return Err(invalid(format!(
                "no option `{name}`; there are: {}",
                all.join(", ")
            )));
        };
        let text = match &value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(parts) => {
                let parts = parts.iter().map(|p| p.as_str().map(str::to_owned));
                let parts: Option<Vec<_>> = parts.collect();
                parts
                    .ok_or_else(|| invalid(format!("`{name}` takes a list of strings")))?
                    .join(",")
            }
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            _ => {
                return Err(invalid(format!(
                    "`{name}` takes one value, not a {}",
                    value.type_str()
                )));
            }
        };
        check_value(arg, &text).map_err(|e| invalid(format!("`{name}`: {e}")))?;
        let id = arg.get_id().clone();
        command = command.mut_arg(id, |arg| arg.default_value(text));
        names.push(name);
    }
    Ok((command, names))
}

/// Tries one value on the parser of its option, so that a wrong one is reported with the file it stands in.
fn check_value(arg: &Arg, text: &str) -> Result<(), String> {
    let alone = Command::new("file")
        .no_binary_name(true)
        .arg(arg.clone().env(None).required(false));
    let flag = !arg.get_action().takes_values();
    if flag {
        return match text {
            "true" | "false" => Ok(()),
            _ => Err(format!("`{text}` is neither true nor false")),
        };
    }
    let said = format!("--{}={text}", arg.get_long().unwrap_or_default());
    let matches = alone.try_get_matches_from([said]);
    matches.map(drop).map_err(|e| first_line(&e))
}

fn option_names(command: &Command) -> impl Iterator<Item = &str> {
    let names = command.get_arguments().filter_map(Arg::get_long);
    names.filter(|name| {
        !matches!(
            *name,
            "config" | "print-config" | "dry-run" | "help" | "version"
        )
    })
}

fn parameters(matches: &ArgMatches, from_file: &[String]) -> Vec<Parameter> {
    let command = Cli::command();
    let parameter = |name: &str| {
        let id = name.replace('-', "_");
        let origin = match matches.value_source(&id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Environment,
            _ if from_file.iter().any(|n| n == name) => Origin::File,
            _ => Origin::Default,
        };
        let raw = matches.get_raw(&id).map(|values| {
            let values: Vec<_> = values.map(|v| v.to_string_lossy().into_owned()).collect();
            values.join(",")
        });
        let flag = matches
            .try_get_one::<bool>(&id)
            .ok()
            .flatten()
            .map(ToString::to_string);
        Parameter {
            name: name.to_owned(),
            value: flag.or(raw).unwrap_or_default(),
            origin,
        }
    };
    option_names(&command).map(parameter).collect()
}

/// `--components` and `--variance` exclude each other: the one of the stronger origin is taken, the other is cleared.
fn one_rule_for_components(cli: &mut Cli, parameters: &mut [Parameter]) -> Result<()> {
    if cli.options.variance.is_none() {
        return Ok(());
    }
    if weaker(parameters, "components", "variance")? == "variance" {
        cli.options.variance = None;
    }
    Ok(())
}

/// So do `--input` and `--bucket`, which takes a `--prefix` of no stronger origin with it.
fn one_input(cli: &mut Cli, parameters: &mut [Parameter]) -> Result<()> {
    let options = &mut cli.options;
    if options.input.is_none() || options.bucket.is_none() {
        return Ok(());
    }
    let bucket = origin(parameters, "bucket");
    if weaker(parameters, "input", "bucket")? == "input" {
        options.input = None;
        return Ok(());
    }
    options.bucket = None;
    if origin(parameters, "prefix") <= bucket {
        options.prefix = None;
        clear(parameters, "prefix");
    }
    Ok(())
}

/// Clears the one of weaker origin, and says which that is.
fn weaker<'a>(parameters: &mut [Parameter], a: &'a str, b: &'a str) -> Result<&'a str> {
    let weaker = match origin(parameters, a).cmp(&origin(parameters, b)) {
        Ordering::Equal => {
            let message = format!("{a} and {b} are both given; name one of them");
            return Err(Error::Invalid(message));
        }
        Ordering::Less => a,
        Ordering::Greater => b,
    };
    clear(parameters, weaker);
    Ok(weaker)
}

fn origin(parameters: &[Parameter], name: &str) -> Option<Origin> {
    let parameter = parameters.iter().find(|p| p.name == name);
    parameter.map(|p| p.origin)
}

fn clear(parameters: &mut [Parameter], name: &str) {
    for parameter in parameters.iter_mut().filter(|p| p.name == name) {
        parameter.value.clear();
        parameter.origin = Origin::Default;
    }
}

/// The options in force as a TOML file.
pub fn to_toml(parameters: &[Parameter]) -> String {
    let line = |p: &Parameter| {
        let origin = format!("{:?}", p.origin).to_lowercase();
        if p.value.is_empty() {
            return format!("# {} is not set\n", p.name);
        }
        let is_toml = toml::from_str::<toml::Table>(&format!("x = {}", p.value)).is_ok();
        let value = if is_toml {
            p.value.clone()
        } else {
            toml::Value::String(p.value.clone()).to_string()
        };
        format!("{} = {value} # {origin}\n", p.name)
    };
    parameters
        .iter()
        .filter(|p| p.name != "config")
        .map(line)
        .collect()
}
