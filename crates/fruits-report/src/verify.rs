//! `report verify`: is a report still what it says, are its inputs there, and does the same command give it again?

mod arguments;
mod findings;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fruits::features::Cpu;
use fruits::pipeline::{self, Event, machine};
use fruits::place::Address;
use fruits::record::Run;
use fruits::storage::temporary::{self, TempDir};
use fruits::verify::{self, Finding, NamedBy, Recorded, State};
use fruits::{Error, Result, outputs};

pub use self::arguments::Verify;
use self::arguments::{of_run, of_source, unknown_model};
use self::findings::{Findings, Rerun};
use crate::options::Options;
use crate::places::{self, Places};
use crate::progress::Progress;
use crate::run::params;
use crate::settings::Values;
use crate::signals::{self, Impatient};

/// Tells a line a check; the exit code is 0 if nothing differs.
pub fn run(task: &Verify) -> Result<u8> {
    let said = task.options(Values::new())?;
    let mut findings = Findings::new(said.log, said.quiet);
    let stop = signals::listen()?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let pool = machine::pool(said.threads.unwrap_or_else(cores))?;
    match pool.install(|| checks(task, &said, &mut findings, stop)) {
        Ok(rerun) => Ok(findings.verdict(&task.asked.report, rerun)),
        Err(Error::Cancelled) => Ok(findings.interrupted()),
        Err(error) => Err(error),
    }
}

fn checks(
    task: &Verify,
    said: &Options,
    findings: &mut Findings,
    stop: &'static AtomicBool,
) -> Result<Rerun> {
    let impatient = Impatient::start(said.log);
    let mut progress = Progress::new(said.quiet, said.log);
    let (path, _copy) = local(&task.asked.report, said, stop)?;
    let (recorded, finding) = verify::open(&path, stop)?;
    findings.tell(&finding);
    let Some(recorded) = recorded else {
        return Ok(match task.asked.rerun {
            true => Rerun::Failed,
            false => Rerun::NotAsked,
        });
    };
    recorded.files(stop, &mut |finding| findings.tell(&finding))?;
    let options = of_source(&recorded.run).and_then(|values| task.options(values));
    let model = model(task, &recorded.run, &options, stop)?;
    findings.tell(&model);
    let inputs = inputs(task, &recorded, &options, &mut progress, stop)?;
    findings.tell(&inputs);
    if !task.asked.rerun {
        return Ok(Rerun::NotAsked);
    }
    // It ends as a run does: what was begun is put away.
    drop(impatient);
    let again = rerun(task, &recorded, &[model, inputs], &mut progress, stop);
    let _impatient = Impatient::start(said.log);
    let compared = again.and_then(|again| match again {
        (Some(again), _) => verify::compare(&recorded, &again, stop),
        (None, finding) => Ok(vec![finding]),
    });
    match compared {
        Ok(found) => {
            for finding in found {
                findings.tell(&finding);
            }
            Ok(Rerun::Done)
        }
        Err(Error::Cancelled) => Err(Error::Cancelled),
        // What was found is not lost to what could not be.
        Err(error) if findings.of(State::Differs) > 0 => {
            progress.clear();
            findings.insist(&Finding::skipped("computed again", error.to_string()));
            Ok(Rerun::Failed)
        }
        Err(error) => Err(error),
    }
}

/// The report as a folder here; one of a bucket is copied into a temporary folder first.
fn local(
    report: &Address,
    options: &Options,
    stop: &'static AtomicBool,
) -> Result<(PathBuf, Option<TempDir>)> {
    match report {
        Address::Folder(path) => Ok((path.clone(), None)),
        Address::Bucket { name, prefix } => {
            let folder = temporary::folder("verify")?;
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

fn model(
    task: &Verify,
    run: &Run,
    options: &Result<Options>,
    stop: &'static AtomicBool,
) -> Result<Finding> {
    let opened = match options {
        Ok(options) => match options.model {
            None if let Some(model) = unknown_model(run) => {
                let detail = format!(
                    "`{model}` is what the record alone names; say with --model where it is, to have it looked at"
                );
                return Ok(Finding::skipped("model", detail));
            }
            Some(Address::Bucket { .. }) => task
                .knows_server(run)
                .and_then(|()| places::model(options, stop)),
            _ => places::model(options, stop),
        },
        Err(error) => return Ok(Finding::skipped("model", error.to_string())),
    };
    match opened {
        Ok((path, _copy)) => verify::model(run, path.as_deref(), stop),
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Err(error) => Ok(Finding::skipped("model", error.to_string())),
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
            Err(error) => return Ok(Finding::skipped("inputs", error.to_string())),
        };
        let named_by = match task.says("input") {
            true => NamedBy::User,
            false => NamedBy::Record,
        };
        task.knows_bucket(&recorded.run)?;
        if let (NamedBy::Record, Some(Address::Folder(root))) = (named_by, &options.input) {
            verify::check_root(root)?;
        }
        let source = places::source(options, stop)?;
        let stage = "inputs";
        progress.show(&Event::Started {
            stage,
            n_total: recorded.run.images.accepted,
        });
        let mut show = |n_done, n_total| {
            progress.show(&Event::Advanced {
                stage,
                n_done,
                n_total,
            });
        };
        verify::inputs(recorded, &source, named_by, stop, &mut show)
    };
    let found = look();
    progress.clear();
    match found {
        Err(error) if error.is_of_input() && !task.says("input") => {
            Ok(Finding::skipped("inputs", error.to_string()))
        }
        Err(error @ Error::Storage { .. }) if !task.says("input") => {
            let hint = "say with --input where the images are now";
            let detail = format!("{error}; {hint}");
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

/// Computes the run again into a temporary folder, and reads what is there then, as [`verify::open`] does. Where the record alone
/// says where the images are, nothing is looked at but its files.
fn rerun(
    task: &Verify,
    recorded: &Recorded,
    [model, inputs]: &[Finding; 2],
    progress: &mut Progress,
    stop: &'static AtomicBool,
) -> Result<(Option<Recorded>, Finding)> {
    task.knows_bucket(&recorded.run)?;
    task.knows_model(&recorded.run)?;
    let mut options = task.options(of_run(&recorded.run)?)?;
    if recorded.run.features.is_some() {
        if model.state != State::Ok {
            return Err(not_here(&format!("its model: {}", model.detail)));
        }
        let resolved = options.precision.resolve(&Cpu::detect());
        resolved.map_err(|e| not_here(&format!("its precision: {e}")))?;
    }
    let is_named = task.says("input");
    if !is_named && inputs.state != State::Ok {
        let hint = match inputs.detail.contains("--input") {
            true => "",
            false => "; say with --input where they are",
        };
        let why = format!("its images: {}{hint}", inputs.detail);
        return Err(not_here(&why));
    }
    let out = temporary::folder("verify")?;
    options.out = Address::Folder(out.path().to_path_buf());
    options.no_cache = true;
    let mut places = Places::open(&options, stop)?;
    if !is_named {
        places.input = recorded.alone(&places.input)?;
    }
    let params = params(&options, &places)?;
    progress.show(&Event::Noted(format!(
        "{} images are computed again, without the cache",
        recorded.run.images.accepted
    )));
    let mut outcome = pipeline::run(&params, &mut |event| progress.show(event), stop)?;
    if !is_named {
        recorded.enter_skipped(&mut outcome.run);
    }
    outcome.run.gates = options.gates.check(&outcome.run);
    outputs::write(&mut outcome, out.path())?;
    verify::open(out.path(), stop)
}
