//! What the user typed of `report verify`, and what is taken from the record of a run.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use fruits::features::KNOWN_MODEL_SHA256;
use fruits::options::{InVerify, OPTIONS, Role, RunOption, find};
use fruits::place::Address;
use fruits::record::{NetworkRecord, Origin, Run};
use fruits::{Error, Result};

use crate::options::{LogFormat, Options};
use crate::settings::{Settings, Values, Variable, environment};
use crate::typed;

/// Where the AWS tools find the server.
const SERVER_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// What the user typed: arguments of its own, and options of a run.
#[derive(Debug, Clone)]
pub struct Verify {
    pub asked: Asked,
    typed: Values,
    variables: Values,
}

#[derive(Debug, Clone, Args)]
pub struct Asked {
    /// Folder of the report, here or s3://bucket/prefix, or the run.json in it
    #[arg(value_name = "REPORT")]
    pub report: Address,
    /// Compute the run again with its recorded parameters, without the cache, and compare
    #[arg(long)]
    pub rerun: bool,
}

impl Args for Verify {
    fn augment_args(command: Command) -> Command {
        Asked::augment_args(command).args(shared().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Verify {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            asked: Asked::from_arg_matches(matches)?,
            typed: typed::values(matches, shared()),
            variables: Values::new(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The options of a run that are options here, too: how to reach what it was made of, and how to work.
fn shared() -> impl Iterator<Item = &'static RunOption> {
    OPTIONS
        .iter()
        .filter(|option| option.in_verify != InVerify::Absent)
}

fn arg(option: &'static RunOption) -> Arg {
    let arg = typed::arg(option);
    match option.in_verify {
        InVerify::As(help) | InVerify::Now(help) => arg.help(help),
        InVerify::Same | InVerify::Absent => arg,
    }
}

impl Verify {
    /// Reads the variables of the options that are heeded here.
    pub fn heed(&mut self, variable: Variable) -> Result<()> {
        let heeded = shared().filter(|option| !matches!(option.in_verify, InVerify::Now(_)));
        self.variables = environment(heeded, variable)?;
        Ok(())
    }

    /// Refuses to send anything to a bucket that the record alone names: whoever wrote it would hear from whom that came.
    pub fn knows_bucket(&self, run: &Run) -> Result<()> {
        let source = &run.source;
        let is_bucket = source.kind != "folder" || is_in_bucket(&source.name);
        if self.says("input") || !is_bucket {
            return Ok(());
        }
        let server = match &source.endpoint {
            None => String::new(),
            Some(server) => format!(
                " and, if you trust that server with your credentials, --endpoint-url {}",
                server.escape_debug()
            ),
        };
        Err(Error::Invalid(format!(
            "the images were in a bucket that the record alone names, and it is not asked; say --input {}{server} to have \
             it compared",
            source.name.escape_debug()
        )))
    }

    /// Refuses to ask Amazon for what another server had, unless the user says which one.
    pub fn knows_server(&self, run: &Run) -> Result<()> {
        let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match &run.source.endpoint {
            Some(server) if !self.says("endpoint-url") && !SERVER_VARIABLES.iter().any(is_set) => {
                Err(Error::Invalid(format!(
                    "the bucket was at `{}`; if you trust that server with your credentials, name it with --endpoint-url",
                    server.escape_debug()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to run a model that the record alone names, unless it is the known one.
    pub fn knows_model(&self, run: &Run) -> Result<()> {
        let is_unknown = match network(run) {
            Some(network) => network.model_sha256 != KNOWN_MODEL_SHA256,
            // It says of no model what it is: it came to no descriptors, or they take none.
            None => recorded_model(run).is_some(),
        };
        if !is_unknown || self.says("model") {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "the model of this run is not the ImageNet VGG16 that set-up makes; if you trust the one that the record \
             names, `{}`, name it with --model",
            recorded_model(run).unwrap_or("no file").escape_debug()
        )))
    }

    /// Whether the user named it.
    pub fn says(&self, name: &str) -> bool {
        let said = self.typed.get(name).or_else(|| self.variables.get(name));
        said.is_some_and(Option::is_some)
    }

    pub fn log(&self) -> LogFormat {
        self.options(Values::new())
            .map_or(LogFormat::Text, |options| options.log)
    }

    /// What was said, and of a recorded run the values that nothing was said about.
    pub fn options(&self, recorded: Values) -> Result<Options> {
        Options::of(&Settings::layered(&[
            (Origin::Flag, self.typed.clone()),
            (Origin::Environment, self.variables.clone()),
            (Origin::Code, recorded),
        ])?)
    }
}

/// Where the images of a run are, if that is a folder, and how they are read. A record sends nobody to a bucket, to a region
/// or to a model.
pub fn of_source(run: &Run) -> Result<Values> {
    let mut values = Values::new();
    if !is_in_bucket(&run.source.name) {
        known(&mut values, "input", &run.source.name)?;
    }
    take(&mut values, run, |option| {
        option.in_verify != InVerify::Absent
    })?;
    Ok(values)
}

/// Whether an address is not that of a folder.
fn is_in_bucket(address: &str) -> bool {
    !matches!(address.parse(), Ok(Address::Folder(_)))
}

/// What the record says elsewhere than in its parameters.
fn known(values: &mut Values, name: &str, text: &str) -> Result<()> {
    if let Some(option) = find(name).filter(|_| !text.is_empty()) {
        values.insert(option.name, option.read(text)?);
    }
    Ok(())
}

/// What the parameters say of options that may be taken from a record; of several by one name the first.
fn take(values: &mut Values, run: &Run, is_meant: fn(&RunOption) -> bool) -> Result<()> {
    for parameter in &run.parameters {
        let Some(option) = find(&parameter.name) else {
            continue;
        };
        if option.from_record && is_meant(option) && !values.contains_key(option.name) {
            values.insert(option.name, option.recorded(parameter)?);
        }
    }
    Ok(())
}

/// The network of the run's descriptor.
fn network(run: &Run) -> Option<&NetworkRecord> {
    run.features.as_ref()?.network.as_ref()
}

/// The model that the record names.
fn recorded_model(run: &Run) -> Option<&str> {
    let model = run.parameters.iter().find(|p| p.name == "model")?;
    Some(model.value.as_str()).filter(|value| !value.is_empty())
}

/// The model that the record names, where it is not the one of set-up.
pub fn unknown_model(run: &Run) -> Option<&str> {
    let network = network(run)?;
    recorded_model(run).filter(|_| network.model_sha256 != KNOWN_MODEL_SHA256)
}

/// Everything that decides the numbers of a run, as options of one.
pub fn of_run(run: &Run) -> Result<Values> {
    let set = || run.parameters.iter().filter(|p| !p.value.is_empty());
    if run.provenance.command.is_empty() || set().any(|p| p.name.contains(' ')) {
        return Err(Error::Invalid(
            "this run cannot be computed again here: it was made by code, in a notebook or elsewhere, that set what \
             `report` has no option for"
                .to_owned(),
        ));
    }
    // A record may say anything; it must not say where to write.
    let is_known = |name: &str| find(name).is_some_and(|option| option.role == Role::Result);
    if let Some(unknown) = set().find(|p| !is_known(&p.name)) {
        return Err(Error::Invalid(format!(
            "this run cannot be computed again here: its parameter `{}` is none of this program",
            unknown.name.escape_debug()
        )));
    }
    let mut values = of_source(run)?;
    take(&mut values, run, |option| {
        option.in_verify == InVerify::Absent
    })?;
    // A run without this parameter was made when there was no other rule.
    if !values.contains_key("label") {
        known(&mut values, "label", "parent")?;
    }
    // `auto` would take what this processor has.
    if let Some(network) = network(run) {
        known(&mut values, "precision", &network.precision)?;
    }
    Ok(values)
}
