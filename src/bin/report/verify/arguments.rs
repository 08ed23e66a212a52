//! What the user typed of `report verify`, and what is taken from the record of a run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use fruits::features::KNOWN_MODEL_SHA256;
use fruits::place::Address;
use fruits::record::Run;
use fruits::{Error, Result};

use crate::cli::{self, RUN_ONLY};
use crate::options::{LogFormat, Options};

/// Options of a run that say how to reach what it was made of, and how to work; they are heeded here as there.
const SHARED: [&str; 11] = [
    "input",
    "model",
    "region",
    "endpoint-url",
    "profile",
    "no-sign-request",
    "request-payer",
    "s3-timeout",
    "threads",
    "log",
    "quiet",
];

/// Of these, what is taken from a record where nothing is said. A server is not: whoever made the record would choose
/// where requests with the user's credentials go; nor is the consent to pay for them.
const RECORDED: [&str; 2] = ["region", "no-sign-request"];

/// Where the AWS tools find the server.
const SERVER_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// What the user typed: arguments of its own, and options of a run.
#[derive(Debug, Clone)]
pub struct Verify {
    pub asked: Asked,
    /// By name without dashes; a flag has no value.
    said: BTreeMap<String, Option<OsString>>,
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
        Asked::augment_args(command).args(shared())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Verify {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let word = |arg: Arg| {
            let (name, id) = (arg.get_long()?.to_owned(), arg.get_id().as_str());
            match arg.get_action() {
                ArgAction::SetTrue => matches.get_flag(id).then_some((name, None)),
                _ => Some((name, Some(matches.get_raw(id)?.next()?.to_owned()))),
            }
        };
        Ok(Self {
            asked: Asked::from_arg_matches(matches)?,
            said: shared().filter_map(word).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The options of a run that are options here, too.
fn shared() -> impl Iterator<Item = Arg> {
    let run = Options::augment_args(Command::new("run"));
    let args: Vec<_> = run.get_arguments().cloned().collect();
    let shared = args
        .into_iter()
        .filter(|arg| arg.get_long().is_some_and(|name| SHARED.contains(&name)));
    shared.map(|arg| match arg.get_long() {
        // What the next run is to use says nothing of this one.
        Some("input") => arg.env(None).help(
            "Where the images are now, if not where they were; s3://bucket/prefix is a folder, too",
        ),
        Some("model") => arg
            .env(None)
            .help("Where the model is now, if not where it was"),
        Some("log") => {
            arg.help("How progress and findings are told: text, or json, an object a line")
        }
        Some("quiet") => arg.help("Show what differs, errors and the final line only"),
        _ => arg,
    })
}

impl Verify {
    /// Refuses to ask Amazon for what another server had, unless the user says which one.
    pub fn knows_server(&self, run: &Run) -> Result<()> {
        let is_set = |name: &&str| std::env::var_os(name).is_some();
        match &run.source.endpoint {
            Some(server)
                if !self.said.contains_key("endpoint-url")
                    && !SERVER_VARIABLES.iter().any(is_set) =>
            {
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
        let is_unknown = match &run.features {
            Some(features) => features.model_sha256 != KNOWN_MODEL_SHA256,
            // It came to no descriptors, and says of no model what it is.
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
        self.said.contains_key(name)
    }

    pub fn log(&self) -> LogFormat {
        self.options(&[])
            .map_or(LogFormat::Text, |options| options.log)
    }

    /// What was said, and of a recorded run the values that nothing was said about.
    pub fn options(&self, recorded: &[(&str, String)]) -> Result<Options> {
        let mut words = self.said.clone();
        for (name, value) in recorded {
            // A flag is recorded as true or false.
            let value = match value.as_str() {
                "" => continue,
                "false" if cli::is_flag(name) => continue,
                "true" if cli::is_flag(name) => None,
                value => Some(value.into()),
            };
            words.entry((*name).to_owned()).or_insert(value);
        }
        let word = |(name, value): (String, Option<OsString>)| {
            let mut word = OsString::from(format!("--{name}"));
            if let Some(value) = value {
                word.push("=");
                word.push(value);
            }
            word
        };
        cli::options_of(words.into_iter().map(word))
    }
}

/// Where the images of a run are, and its model if it is a file here: a record does not make anybody fetch one.
pub fn of_source(run: &Run) -> Vec<(&'static str, String)> {
    let source = &run.source;
    let mut values = vec![("input", source.name.clone())];
    for name in RECORDED {
        let parameter = run.parameters.iter().find(|p| p.name == name);
        let value = parameter.map(|p| p.value.clone()).unwrap_or_default();
        let value = match &source.region {
            // Found by the run, though nobody named it.
            Some(region) if name == "region" && value.is_empty() => region.clone(),
            _ => value,
        };
        values.push((name, value));
    }
    if let Some(model) = recorded_model(run).filter(|model| Path::new(model).is_file()) {
        values.push(("model", model.to_owned()));
    }
    values
}

/// The model that the record names.
fn recorded_model(run: &Run) -> Option<&str> {
    let model = run.parameters.iter().find(|p| p.name == "model")?;
    Some(model.value.as_str()).filter(|value| !value.is_empty())
}

/// The model that the record names, where it is not the one of set-up.
pub fn unknown_model(run: &Run) -> Option<&str> {
    let features = run.features.as_ref()?;
    recorded_model(run).filter(|_| features.model_sha256 != KNOWN_MODEL_SHA256)
}

/// Everything that decides the numbers of a run, as options of one.
pub fn of_run(run: &Run) -> Result<Vec<(&str, String)>> {
    let set = || run.parameters.iter().filter(|p| !p.value.is_empty());
    if run.provenance.command.is_empty() || set().any(|p| p.name.contains(' ')) {
        return Err(Error::Invalid(
            "this run cannot be computed again here: it was made by code, in a notebook or elsewhere, that set what \
             `report` has no option for"
                .to_owned(),
        ));
    }
    let mut values = of_source(run);
    for parameter in set() {
        let name = parameter.name.as_str();
        // A record may say anything; it must not say where to write.
        if RUN_ONLY.contains(&name) || !cli::is_option(name) {
            return Err(Error::Invalid(format!(
                "this run cannot be computed again here: its parameter `{}` is none of this program",
                name.escape_debug()
            )));
        }
        // Said above, or by the user alone.
        let is_taken =
            !SHARED.contains(&name) && !matches!(name, "bucket" | "prefix" | "precision");
        if is_taken {
            values.push((name, parameter.value.clone()));
        }
    }
    // `auto` would take what this processor has.
    if let Some(features) = &run.features {
        values.push(("precision", features.precision.clone()));
    }
    Ok(values)
}
