//! `report verify`: is a report still what it says, are its inputs there, and does the same command give it again?

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use fruits::features::Cpu;
use fruits::pipeline::{self, Event};
use fruits::place::Address;
use fruits::record::Run;
use fruits::verify::{self, Finding, Recorded, State};
use fruits::{Error, Result, outputs};
use serde_json::json;

use crate::cli::{self, RUN_ONLY};
use crate::options::{LogFormat, Options};
use crate::places::{self, Places};
use crate::progress::{self, Progress};
use crate::{code, params, say, signals};

/// Something is not as the record says: the code of a gate that failed.
const DIFFERS: u8 = 4;

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
/// where requests with the user's credentials go.
const RECORDED: [&str; 4] = ["model", "region", "no-sign-request", "request-payer"];

/// Where the AWS tools find the server.
const SERVER_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// What the user typed: arguments of its own, and options of a run.
#[derive(Debug, Clone)]
pub struct Verify {
    asked: Asked,
    /// By name without dashes; a flag has no value.
    said: BTreeMap<String, Option<OsString>>,
}

#[derive(Debug, Clone, Args)]
struct Asked {
    /// Folder of the report, here or s3://bucket/prefix, or the run.json in it
    #[arg(value_name = "REPORT")]
    report: Address,
    /// Compute the run again with its recorded parameters, without the cache, and compare
    #[arg(long)]
    rerun: bool,
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
    fn knows_server(&self, run: &Run) -> Result<()> {
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

    pub fn log(&self) -> LogFormat {
        self.options(&[])
            .map_or(LogFormat::Text, |options| options.log)
    }

    /// What was said, and of a recorded run the values that nothing was said about.
    fn options(&self, recorded: &[(&str, String)]) -> Result<Options> {
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

/// Where the images and the model of a run are.
fn of_source(run: &Run) -> Vec<(&'static str, String)> {
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
    values
}

/// Everything that decides the numbers of a run, as options of one.
fn of_run(run: &Run) -> Result<Vec<(&str, String)>> {
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
        let is_source = matches!(name, "input" | "bucket" | "prefix" | "endpoint-url")
            || RECORDED.contains(&name);
        if !is_source && name != "precision" {
            values.push((name, parameter.value.clone()));
        }
    }
    // `auto` would take what this processor has.
    if let Some(features) = &run.features {
        values.push(("precision", features.precision.clone()));
    }
    Ok(values)
}

/// The findings so far, each told as it is made.
struct Findings {
    log: LogFormat,
    is_quiet: bool,
    /// Of each state how many.
    counts: BTreeMap<&'static str, usize>,
}

impl Findings {
    fn tell(&mut self, finding: &Finding) {
        *self.counts.entry(finding.state.word()).or_default() += 1;
        if self.is_quiet && finding.state != State::Differs {
            return;
        }
        let line = match self.log {
            LogFormat::Text => finding.to_string(),
            LogFormat::Json => json!({
                "event": "finding", "what": finding.what, "state": finding.state.word(), "detail": finding.detail,
            })
            .to_string(),
        };
        say(&mut std::io::stdout(), &line);
    }

    fn of(&self, state: State) -> usize {
        self.counts.get(state.word()).copied().unwrap_or(0)
    }

    /// What was found until now.
    fn summary(&self) -> String {
        let skipped = match self.of(State::Skipped) {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        let (ok, differ) = (self.of(State::Ok), self.of(State::Differs));
        format!("{ok} ok, {differ} differ{skipped}")
    }

    /// The last line, and the exit code.
    fn verdict(&self, report: &Address, rerun: bool) -> u8 {
        let (code, word) = match self.of(State::Differs) {
            0 => (code::COMPLETE, "verified"),
            _ => (DIFFERS, "not verified"),
        };
        let rerun = if rerun {
            ""
        } else {
            "; nothing was computed again (--rerun)"
        };
        let text = format!("{word}: {}: {report}{rerun}", self.summary());
        say(
            &mut std::io::stdout(),
            &progress::last_line(self.log, code, &text),
        );
        code
    }

    /// The last line after a signal.
    fn interrupted(&self) -> u8 {
        let code = signals::exit_code();
        let text = format!(
            "stopped by a signal before the end; until then {}",
            self.summary()
        );
        say(
            &mut std::io::stdout(),
            &progress::last_line(self.log, code, &text),
        );
        code
    }
}

/// Tells a line a check; the exit code is 0 if nothing differs.
pub fn run(task: &Verify) -> Result<u8> {
    let said = task.options(&[])?;
    let mut findings = Findings {
        log: said.log,
        is_quiet: said.quiet,
        counts: BTreeMap::new(),
    };
    match checks(task, &said, &mut findings) {
        Ok(()) => Ok(findings.verdict(&task.asked.report, task.asked.rerun)),
        Err(Error::Interrupted) => Ok(findings.interrupted()),
        Err(error) => Err(error),
    }
}

fn checks(task: &Verify, said: &Options, findings: &mut Findings) -> Result<()> {
    let stop = signals::listen()?;
    let mut progress = Progress::new(said.quiet, said.log);
    let (path, _copy) = local(&task.asked.report, said, stop)?;
    let (recorded, finding) = verify::open(&path)?;
    findings.tell(&finding);
    let Some(recorded) = recorded else {
        return Ok(());
    };
    recorded.files(&mut |finding| findings.tell(&finding));
    let options = task.options(&of_source(&recorded.run));
    let model = model(task, &recorded.run, &options, stop)?;
    findings.tell(&model);
    findings.tell(&inputs(task, &recorded, &options, &mut progress, stop)?);
    if task.asked.rerun {
        for finding in rerun(task, &recorded, &model, &mut progress, stop)? {
            findings.tell(&finding);
        }
    }
    Ok(())
}

/// The report as a folder here; one of a bucket is copied into a temporary folder first.
fn local(
    report: &Address,
    options: &Options,
    stop: &'static AtomicBool,
) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    match report {
        Address::Folder(path) => Ok((path.clone(), None)),
        Address::Bucket { name, prefix } => {
            let folder = temporary()?;
            let prefix = prefix.strip_suffix(outputs::RUN).unwrap_or(prefix);
            let prefix = places::prefix(options, name, prefix, stop)?;
            outputs::download(&prefix, folder.path())?;
            if !folder.path().join(outputs::RUN).exists() {
                return Err(Error::Invalid(format!(
                    "there is no run in `{report}`: name the folder of a report, which holds `{}`",
                    outputs::RUN
                )));
            }
            Ok((folder.path().to_path_buf(), Some(folder)))
        }
    }
}

fn temporary() -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("fruits-verify-").tempdir();
    folder.map_err(Error::storage("create a folder in", std::env::temp_dir()))
}

fn model(
    task: &Verify,
    run: &Run,
    options: &Result<Options>,
    stop: &'static AtomicBool,
) -> Result<Finding> {
    let opened = match options {
        Ok(options) => match options.model {
            Some(Address::Bucket { .. }) => task
                .knows_server(run)
                .and_then(|()| places::model(options, stop)),
            _ => places::model(options, stop),
        },
        Err(error) => return Ok(Finding::skipped("model", error.sentence())),
    };
    match opened {
        Ok((path, _copy)) => Ok(verify::model(run, path.as_deref())),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(error) => Ok(Finding::skipped("model", error.sentence())),
    }
}

/// The images, where they can be reached. Where the user says that they are there and they are not, that is an error.
fn inputs(
    task: &Verify,
    recorded: &Recorded,
    options: &Result<Options>,
    progress: &mut Progress,
    stop: &'static AtomicBool,
) -> Result<Finding> {
    let mut look = || -> Result<Finding> {
        let options = match options {
            Ok(options) => options,
            Err(error) => return Ok(Finding::skipped("inputs", error.sentence())),
        };
        if !task.said.contains_key("input") {
            task.knows_server(&recorded.run)?;
        }
        let source = places::source(options, stop)?;
        let stage = "inputs";
        progress.show(&Event::Started {
            stage,
            n_total: recorded.run.images.accepted,
        });
        let mut keep_going = |n_done, n_total| {
            progress.show(&Event::Advanced {
                stage,
                n_done,
                n_total,
            });
            !stop.load(Ordering::Relaxed)
        };
        verify::inputs(recorded, &source, &mut keep_going)
    };
    let found = look();
    progress.clear();
    match found {
        Err(error @ (Error::Storage { .. } | Error::Bucket { .. } | Error::Invalid(_)))
            if !task.said.contains_key("input") =>
        {
            let hint = "or say with --input where the images are now";
            let detail = format!("{}, {hint}", error.sentence());
            Ok(Finding::skipped("inputs", detail))
        }
        found => found,
    }
}

fn not_here(why: &str) -> Error {
    Error::Runtime {
        message: format!("this run cannot be computed again here, for {why}"),
        source: None,
    }
}

/// Computes the run again into a temporary folder and compares.
fn rerun(
    task: &Verify,
    recorded: &Recorded,
    model: &Finding,
    progress: &mut Progress,
    stop: &'static AtomicBool,
) -> Result<Vec<Finding>> {
    if !task.said.contains_key("input") {
        task.knows_server(&recorded.run)?;
    }
    let mut options = task.options(&of_run(&recorded.run)?)?;
    if recorded.run.features.is_some() {
        if model.state != State::Ok {
            return Err(not_here(&format!("its model: {}", model.detail)));
        }
        let resolved = options.precision.resolve(&Cpu::detect());
        resolved.map_err(|e| not_here(&format!("its precision: {}", e.sentence())))?;
    }
    let out = temporary()?;
    options.out = Address::Folder(out.path().to_path_buf());
    options.no_cache = true;
    let places = Places::open(&options, stop)?;
    let params = params(&options, &places);
    progress.show(&Event::Noted(format!(
        "{} images are computed again, without the cache",
        recorded.run.images.accepted
    )));
    let mut outcome = pipeline::run(&params, &mut |event| progress.show(event), stop)?;
    outputs::write(&mut outcome, out.path())?;
    let (again, finding) = verify::open(out.path())?;
    match again {
        Some(again) => Ok(verify::compare(recorded, &again)),
        None => Ok(vec![finding]),
    }
}
