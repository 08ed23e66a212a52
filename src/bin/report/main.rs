//! `report`: the steps of `fruits` without a notebook, and the HTML that shows what they gave.

mod cli;
mod doctor;
mod progress;
mod signals;

use std::error::Error as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use fruits::load::LoadParams;
use fruits::pca::{Keep, PcaParams};
use fruits::pipeline::{self, Event, Outcome, Params};
use fruits::record::{Origin, Parameter, Stage, Status};
use fruits::report::{ReportInput, render};
use fruits::tsne::TsneParams;
use fruits::{Error, Result, atomic, outputs};

use crate::cli::{Options, RUN_ONLY, Said, Task};
use crate::progress::Progress;

/// Exit codes, as the README lists them.
mod code {
    pub const COMPLETE: u8 = 0;
    pub const INTERNAL: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NO_IMAGE: u8 = 3;
    pub const PARTIAL: u8 = 5;
    pub const STORAGE: u8 = 6;
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(
                &mut std::io::stderr(),
                &format!("report: {}", chain(&error)),
            );
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run() -> Result<u8> {
    let said = cli::parse(std::env::args_os().collect())?;
    if matches!(said.cli.command, Some(Task::Doctor)) {
        return Ok(doctor::examine(&cache_folder(&said.cli.options)));
    }
    if said.cli.options.print_config {
        say(
            &mut std::io::stdout(),
            cli::to_toml(&said.parameters).trim_end(),
        );
        return Ok(code::COMPLETE);
    }
    let params = params(&said.cli.options)?;
    let out = said.cli.options.out.clone();
    atomic::writable_folder(&out)?;
    keep_apart(&params.input, &out)?;
    let stop = signals::listen()?;
    let mut progress = Progress::new(said.cli.options.quiet);
    let mut outcome = pipeline::run(&params, &mut |event| progress.show(event), stop)?;
    name_origins(&mut outcome, &said);
    let report = write(&mut outcome, &out, &mut progress)?;
    say(&mut std::io::stdout(), &verdict(&outcome, &report));
    Ok(match &outcome.run.status {
        Status::Complete => code::COMPLETE,
        Status::Partial { .. } if outcome.run.images.accepted == 0 => code::NO_IMAGE,
        Status::Partial { .. } => code::PARTIAL,
    })
}

/// Writes a line. Nobody may be reading any more (`report ... | head`), and that is no fault.
fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

/// Refuses to write among the images: the next run would take the report for one of them.
fn keep_apart(input: &Path, out: &Path) -> Result<()> {
    match (input.canonicalize(), out.canonicalize()) {
        (Ok(images), Ok(report)) if report.starts_with(&images) => Err(Error::Invalid(format!(
            "--out `{}` lies in --input `{}`; name a folder elsewhere",
            out.display(),
            input.display()
        ))),
        _ => Ok(()),
    }
}

/// From what the user typed to what the library takes.
fn params(options: &Options) -> Result<Params> {
    let Some(input) = options.input.clone() else {
        let message = "no input: name a folder of images with --input DIR (one folder a class)";
        return Err(Error::Invalid(message.to_owned()));
    };
    let keep = options
        .variance
        .map_or(Keep::Components(options.components), Keep::Variance);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Params {
        input,
        load: LoadParams {
            classes: options.classes.clone(),
            top_classes: options.top_classes,
            limit: options.limit,
        },
        filter: options.filter,
        precision: options.precision,
        model: options.model.clone(),
        cache: (!options.no_cache).then(|| cache_folder(options)),
        pca: PcaParams {
            keep,
            solver: options.pca_solver,
            seed: options.seed,
            ..PcaParams::default()
        },
        tsne: TsneParams {
            perplexity: options.perplexity,
            n_iter: options.iterations,
            seed: options.seed,
            ..TsneParams::default()
        },
        threads: options.threads.unwrap_or(cores),
    })
}

/// `--cache`, else `fruits` in the user's cache folder, else in the folder for temporary files.
fn cache_folder(options: &Options) -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let user = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    options
        .cache
        .clone()
        .unwrap_or_else(|| user().unwrap_or_else(std::env::temp_dir).join("fruits"))
}

/// Tells the record who set what. Options that change no number go to the timings, which may differ between runs.
fn name_origins(outcome: &mut Outcome, said: &Said) {
    let run_only = |p: &Parameter| RUN_ONLY.contains(&p.name.as_str());
    let (options, parameters): (Vec<_>, Vec<_>) =
        said.parameters.iter().cloned().partition(run_only);
    outcome.run.provenance.command = command(&parameters);
    outcome.run.parameters = parameters;
    outcome.timings.options = options;
}

/// The shortest command that gives the same numbers.
fn command(parameters: &[Parameter]) -> String {
    let set = parameters
        .iter()
        .filter(|p| p.origin != Origin::Default && !p.value.is_empty());
    let words = set.map(|p| format!(" --{}={}", p.name, quoted(&p.value)));
    format!("report{}", words.collect::<String>())
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/,=+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes the data, then the report; returns where it is.
fn write(outcome: &mut Outcome, out: &Path, progress: &mut Progress) -> Result<PathBuf> {
    let began = Instant::now();
    progress.show(&Event::Started {
        stage: "report",
        n_total: 0,
    });
    outputs::write(outcome, out)?;
    let html = render(&ReportInput {
        run: &outcome.run,
        timings: &outcome.timings,
        images: &outcome.images,
        rejected: &outcome.rejected,
        examples: &outcome.examples,
    })?;
    let path = out.join(outputs::REPORT);
    atomic::write(&path, html.as_bytes())?;
    let wall_s = began.elapsed().as_secs_f64();
    let note = format!("{:.1} MB", html.len() as f64 / 1e6);
    progress.show(&Event::Finished {
        stage: "report",
        wall_s,
        note,
    });
    outcome.timings.total_s += wall_s;
    outcome.timings.peak_rss_bytes = pipeline::peak_rss_bytes();
    let items = outcome.run.images.accepted;
    outcome.timings.stages.push(Stage {
        name: "report".to_owned(),
        wall_s,
        items,
        cache_hits: 0,
    });
    outputs::write_timings(&outcome.timings, out)?;
    Ok(path)
}

/// The last line: what came out and where it is.
fn verdict(outcome: &Outcome, report: &Path) -> String {
    let images = outcome.run.images;
    let counts = format!("{} images, {} rejected", images.accepted, images.rejected);
    match &outcome.run.status {
        Status::Complete => format!("complete: {counts}: {}", report.display()),
        Status::Partial { stage, reason } => {
            format!(
                "partial, without {stage}: {reason}: {counts}: {}",
                report.display()
            )
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Invalid(_) => code::USAGE,
        Error::NoImage(_) => code::NO_IMAGE,
        Error::Storage { .. } => code::STORAGE,
        Error::Interrupted => signals::exit_code(),
        _ => code::INTERNAL,
    }
}
