//! `report`: the steps of `fruits` without a notebook, and the HTML that shows what they gave.

mod cli;
mod diff;
mod doctor;
#[cfg(feature = "cluster")]
mod members;
mod options;
mod places;
mod progress;
mod signals;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use fruits::gates::Gates;
use fruits::load::LoadParams;
use fruits::pca::{Keep, PcaParams};
use fruits::pipeline::{self, Event, Outcome, Params, Plan};
use fruits::place::Place;
use fruits::plot::shown;
use fruits::record::{self, Gate, Parameter, Status, Unit};
use fruits::s3::Connection;
use fruits::tsne::TsneParams;
use fruits::{Error, Result, compare, outputs, report};

use crate::cli::{RUN_ONLY, Said, Task};
use crate::options::{LogFormat, Options};
use crate::places::{Places, local_cache};
use crate::progress::Progress;

/// Exit codes, as the README lists them.
mod code {
    pub const COMPLETE: u8 = 0;
    pub const INTERNAL: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NO_IMAGE: u8 = 3;
    pub const GATE: u8 = 4;
    pub const PARTIAL: u8 = 5;
    pub const STORAGE: u8 = 6;
    pub const ENGINE: u8 = 7;
}

fn main() -> ExitCode {
    let said = match cli::parse(std::env::args_os().collect()) {
        Ok(said) => said,
        Err(error) => return failed(&error, LogFormat::Text),
    };
    match run(&said) {
        Ok(code) => ExitCode::from(code),
        Err(error) => failed(&error, said.log()),
    }
}

fn run(said: &Said) -> Result<u8> {
    let options = &said.cli.options;
    match &said.cli.command {
        Some(Task::Doctor(task)) => return Ok(doctor::examine(task, &local_cache(options))),
        Some(Task::Diff(runs)) => return diff::compare_runs(runs),
        Some(Task::Verify(task)) => return verify::run(task),
        #[cfg(feature = "cluster")]
        Some(Task::Scheduler(options)) => return members::schedule(options),
        #[cfg(feature = "cluster")]
        Some(Task::Worker(options)) => return members::work(options),
        None => {}
    }
    if options.print_config {
        let text = cli::to_toml(&said.parameters);
        say(&mut std::io::stdout(), text.trim_end());
        return Ok(code::COMPLETE);
    }
    let stop = signals::listen()?;
    let places = Places::open(options, stop)?;
    let params = params(options, &places);
    // Read now, since it may lie where this run's outputs will.
    let baseline = options.baseline.as_ref().map(diff::baseline).transpose()?;
    let mut progress = Progress::new(options.quiet, options.log);
    if options.dry_run {
        let plan = pipeline::dry_run(&params, &mut |event| progress.show(event), stop)?;
        say(&mut std::io::stdout(), &plan_text(&plan, &places, options));
        return Ok(code::COMPLETE);
    }
    places.out.check_writable()?;
    let mut outcome = pipeline::run(&params, &mut |event| progress.show(event), stop)?;
    name_origins(&mut outcome, said);
    outcome.run.gates = gates(options).check(&outcome.run);
    if let Some(baseline) = &baseline {
        compare::with_baseline(&mut outcome, baseline)?;
    }
    write(&mut outcome, &places, &mut progress)?;
    let code = match &outcome.run.status {
        Status::Complete if outcome.run.gates.iter().all(|gate| gate.passed) => code::COMPLETE,
        Status::Complete => code::GATE,
        Status::Partial { .. } if outcome.run.images.accepted == 0 => code::NO_IMAGE,
        Status::Partial { .. } => code::PARTIAL,
    };
    let verdict = verdict(&outcome, &places.out);
    say(
        &mut std::io::stdout(),
        &progress::last_line(options.log, code, &verdict),
    );
    Ok(code)
}

/// Says what went wrong; the exit code tells which kind of fault it was.
fn failed(error: &Error, log: LogFormat) -> ExitCode {
    let code = exit_code(error);
    // Names in it come from files and records; a line break may be the parser's of a configuration.
    let text = error.sentence();
    let text = text.lines().map(shown).collect::<Vec<_>>().join("\n");
    let line = match log {
        LogFormat::Text => format!("report: {text}"),
        LogFormat::Json => progress::last_line(log, code, &text),
    };
    say(&mut std::io::stderr(), &line);
    ExitCode::from(code)
}

/// Writes a line. Nobody may be reading any more (`report ... | head`), and that is no fault.
fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

/// From what the user typed to what the library takes.
fn params(options: &Options, places: &Places) -> Params {
    let keep = options
        .variance
        .map_or(Keep::Components(options.components), Keep::Variance);
    let defaults = Params::new(places.input.clone());
    Params {
        load: LoadParams {
            classes: options.classes.clone(),
            top_classes: options.top_classes,
            limit: options.limit,
        },
        filter: options.filter,
        precision: options.precision,
        model: places.model.clone(),
        cache: places.cache.clone(),
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
        threads: options.threads.unwrap_or(defaults.threads),
        engine: options.engine.clone(),
        engine_timeout_s: options.engine_timeout,
        ..defaults
    }
}

/// Tells the record who set what. Options that change no number go to the timings, which may differ between runs.
fn name_origins(outcome: &mut Outcome, said: &Said) {
    let run_only = |p: &Parameter| RUN_ONLY.contains(&p.name.as_str());
    let (options, parameters): (Vec<_>, Vec<_>) =
        said.parameters.iter().cloned().partition(run_only);
    outcome.run.provenance.command = record::command(&parameters);
    outcome.run.parameters = parameters;
    outcome.timings.options = options;
}

/// Writes the data and the report to where they are to lie.
fn write(outcome: &mut Outcome, places: &Places, progress: &mut Progress) -> Result<()> {
    progress.show(&Event::Started {
        stage: "report",
        n_total: 0,
    });
    outcome.timings.s3 = places.connection.as_ref().map(Connection::record);
    let written = report::write(outcome, &places.out)?;
    let note = format!("{:.1} MB", written.html_bytes as f64 / 1e6);
    progress.show(&Event::Finished {
        stage: "report",
        wall_s: written.wall_s,
        note,
    });
    Ok(())
}

/// The last line: what came out and where it is.
fn verdict(outcome: &Outcome, out: &Place) -> String {
    let images = outcome.run.images;
    let counts = format!("{} images, {} rejected", images.accepted, images.rejected);
    let report = match out {
        Place::Folder(folder) => folder.join(outputs::REPORT).display().to_string(),
        Place::Bucket(prefix) => format!("{prefix}{}", outputs::REPORT),
    };
    match &outcome.run.status {
        Status::Complete => format!(
            "complete{}: {counts}: {report}",
            failed_gates(&outcome.run.gates)
        ),
        Status::Partial { stage, reason } => {
            format!("partial, without {stage}: {reason}: {counts}: {report}")
        }
    }
}

/// The limits that were not kept, for the last line.
fn failed_gates(gates: &[Gate]) -> String {
    let failed = gates.iter().filter(|gate| !gate.passed);
    let words = failed.map(|gate| {
        let number = |value: f64| match gate.unit {
            Unit::Files => value.to_string(),
            Unit::Share => format!("{:.4} %", 100.0 * value),
            Unit::Score => format!("{value:.6}"),
        };
        let value = gate.value.map_or("nothing measured".to_owned(), number);
        let limit = number(gate.limit);
        format!(", but not within --{} {limit}: {value}", gate.name.option())
    });
    words.collect()
}

fn gates(options: &Options) -> Gates {
    Gates {
        max_rejected: options.max_rejected,
        min_variance: options.min_variance,
        min_trust: options.min_trust,
        min_knn_accuracy: options.min_knn_accuracy,
    }
}

/// What `--dry-run` says.
fn plan_text(plan: &Plan, places: &Places, options: &Options) -> String {
    let n_images: u64 = plan.classes.iter().map(|(_, n)| n).sum();
    let cache = places
        .cache
        .as_ref()
        .map_or("none".to_owned(), ToString::to_string);
    let mut lines = vec![
        format!("input     {}", places.input),
        format!(
            "files     {} ({}): {n_images} images in {} classes, {} skipped, {} known to be of no use",
            plan.n_listed,
            megabytes(plan.listed_bytes),
            plan.classes.len(),
            plan.n_skipped,
            plan.n_rejected
        ),
    ];
    for (label, n) in &plan.classes {
        // A label may hold a line break.
        lines.push(format!("          {n:>7} {}", label.escape_debug()));
    }
    lines.push(format!(
        "cache     {cache}: {} of {} shards are there ({})",
        plan.n_shards - plan.n_missing_shards,
        plan.n_shards,
        megabytes(plan.cached_bytes)
    ));
    lines.push(format!(
        "to do     {} shards: {} images to read ({}) and compute in {}",
        plan.n_missing_shards,
        plan.n_to_read,
        megabytes(plan.to_read_bytes),
        plan.precision
    ));
    lines.push(format!("output    {}", options.out));
    lines.push(
        "nothing was computed or written (--dry-run), nor was it tried whether the output can be"
            .to_owned(),
    );
    lines.join("\n")
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Invalid(_) => code::USAGE,
        Error::NoImage(_) => code::NO_IMAGE,
        Error::Storage { .. } | Error::Bucket { .. } => code::STORAGE,
        Error::Engine { .. } => code::ENGINE,
        Error::Interrupted => signals::exit_code(),
        _ => code::INTERNAL,
    }
}
