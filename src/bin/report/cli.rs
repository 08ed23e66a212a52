//! The command line: what the user may say, and where each value came from.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use fruits::features::Precision;
use fruits::pca::Solver;
use fruits::record::{Origin, Parameter};
use fruits::resize::Filter;
use fruits::{Error, Result};

/// From a folder of labelled photographs to descriptors and a report.
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
    /// Check the shared library, provider, model, processor, memory and disk, and say what to do about each fault
    Doctor,
}

/// What a run can be told. Flags win over `FRUITS_*` variables, these over --config, and that over the defaults.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Folder of images, one folder a class
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_INPUT",
        help_heading = "Input and output"
    )]
    pub input: Option<PathBuf>,
    /// Folder for the report and its data
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_OUT",
        default_value = "reports/latest",
        help_heading = "Input and output"
    )]
    pub out: PathBuf,
    /// Take the N classes with the most files
    #[arg(long, value_name = "N", env = "FRUITS_TOP_CLASSES", help_heading = "Input and output", value_parser = positive)]
    pub top_classes: Option<usize>,
    /// Take only these classes, separated by commas
    #[arg(
        long,
        value_name = "A,B",
        env = "FRUITS_CLASSES",
        value_delimiter = ',',
        help_heading = "Input and output"
    )]
    pub classes: Option<Vec<String>>,
    /// Take at most N images, spread evenly over the sorted list
    #[arg(long, value_name = "N", env = "FRUITS_LIMIT", help_heading = "Input and output", value_parser = positive)]
    pub limit: Option<usize>,

    /// How images are resized to 224 x 224: bicubic or nearest
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_FILTER",
        default_value = "bicubic",
        help_heading = "Descriptors"
    )]
    pub filter: Filter,
    /// Arithmetic of the network: auto, f32 or bf16 (auto takes bf16 where the processor has AMX for it)
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_PRECISION",
        default_value = "auto",
        help_heading = "Descriptors"
    )]
    pub precision: Precision,
    /// An ONNX model of your own instead of VGG16
    #[arg(
        long,
        value_name = "FILE",
        env = "FRUITS_MODEL",
        help_heading = "Descriptors"
    )]
    pub model: Option<PathBuf>,
    /// Folder that keeps computed descriptors [default: fruits in the user's cache folder]
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_CACHE",
        help_heading = "Descriptors"
    )]
    pub cache: Option<PathBuf>,
    /// Keep no descriptors
    #[arg(long, env = "FRUITS_NO_CACHE", help_heading = "Descriptors", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_cache: bool,

    /// Principal components to keep
    #[arg(long, value_name = "K", env = "FRUITS_COMPONENTS", default_value = "64", help_heading = "PCA and t-SNE", value_parser = positive)]
    pub components: usize,
    /// Keep as many components as explain this share of the variance, such as 0.9, instead of a fixed number
    #[arg(long, value_name = "R", env = "FRUITS_VARIANCE", help_heading = "PCA and t-SNE", value_parser = share)]
    pub variance: Option<f64>,
    /// krylov (streaming, against the total variance) or linfa
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_PCA_SOLVER",
        default_value = "krylov",
        help_heading = "PCA and t-SNE"
    )]
    pub pca_solver: Solver,
    /// Effective number of neighbours of a point; reduced to (n - 1) / 3 on small sets
    #[arg(long, value_name = "P", env = "FRUITS_PERPLEXITY", default_value = "30", help_heading = "PCA and t-SNE", value_parser = perplexity)]
    pub perplexity: f64,
    /// Iterations of t-SNE, of which 250 with early exaggeration
    #[arg(long, value_name = "N", env = "FRUITS_ITERATIONS", default_value = "1000", help_heading = "PCA and t-SNE", value_parser = positive)]
    pub iterations: usize,
    /// Seed of everything that is drawn at random
    #[arg(
        long,
        value_name = "N",
        env = "FRUITS_SEED",
        default_value = "42",
        help_heading = "PCA and t-SNE"
    )]
    pub seed: u64,

    /// Worker threads; no number depends on it [default: all cores]
    #[arg(long, value_name = "N", env = "FRUITS_THREADS", help_heading = "Running", value_parser = positive)]
    pub threads: Option<usize>,
    /// TOML file of these options, named as here without dashes in front
    #[arg(
        long,
        value_name = "FILE.toml",
        env = "FRUITS_CONFIG",
        help_heading = "Running"
    )]
    pub config: Option<PathBuf>,
    /// Print the options in force as such a file, with where each came from, and stop
    #[arg(long, help_heading = "Running")]
    pub print_config: bool,
    /// Show errors and the final line only
    #[arg(long, env = "FRUITS_QUIET", help_heading = "Running", value_parser = clap::builder::BoolishValueParser::new())]
    pub quiet: bool,
}

/// Options that change no number: they are told apart in the outputs, so that these stay the same bytes.
pub const RUN_ONLY: [&str; 6] = ["out", "cache", "no-cache", "threads", "config", "quiet"];

/// What the user said, with the origin of each value in the order of the help.
#[derive(Debug, Clone)]
pub struct Said {
    pub cli: Cli,
    pub parameters: Vec<Parameter>,
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
    Ok(Said { cli, parameters })
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
                    "config" | "print-config" | "help" | "version"
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
    alone.try_get_matches_from([said]).map(drop).map_err(|e| {
        let message = e.to_string();
        let first = message.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    })
}

fn option_names(command: &Command) -> impl Iterator<Item = &str> {
    let names = command.get_arguments().filter_map(Arg::get_long);
    names.filter(|name| !matches!(*name, "config" | "print-config" | "help" | "version"))
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
    let origin = |name: &str| parameters.iter().find(|p| p.name == name).map(|p| p.origin);
    if cli.options.variance.is_none() {
        return Ok(());
    }
    let (components, variance) = (origin("components"), origin("variance"));
    if components == variance {
        let message = "components and variance are both given; name one of them";
        return Err(Error::Invalid(message.to_owned()));
    }
    let loser = if components > variance {
        "variance"
    } else {
        "components"
    };
    if loser == "variance" {
        cli.options.variance = None;
    }
    for parameter in parameters.iter_mut().filter(|p| p.name == loser) {
        parameter.value.clear();
        parameter.origin = Origin::Default;
    }
    Ok(())
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

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("is no whole number".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(r) if r > 0.0 && r < 1.0 => Ok(r),
        _ => Err("must be above 0 and below 1, such as 0.9".to_owned()),
    }
}

fn perplexity(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (1.0..=10_000.0).contains(&p) => Ok(p),
        _ => Err("must be between 1 and 10000".to_owned()),
    }
}
