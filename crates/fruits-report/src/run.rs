//! A run, its plan or its configuration: what `report` does where no other command is named.

use fruits::load::LoadParams;
use fruits::options::{Role, command};
use fruits::pca::PcaParams;
use fruits::pipeline::{self, Event, Outcome, Params, Plan, machine};
use fruits::place::{Claim, Place};
use fruits::record::{Gate, Status, Unit};
use fruits::s3::Connection;
use fruits::tsne::TsneParams;
use fruits::{Result, compare, outputs, report};

use crate::options::Options;
use crate::places::Places;
use crate::progress::{self, Progress, megabytes, say};
use crate::settings::Settings;
use crate::{code, config, diff, engine, signals};

/// Runs, or says what a run would do, and gives the exit code; `settings` tell who set which of the options.
pub fn run(options: &Options, settings: &Settings) -> Result<u8> {
    if options.print_config {
        let text = config::to_toml(settings);
        say(&mut std::io::stdout(), text.trim_end());
        return Ok(code::COMPLETE);
    }
    let stop = signals::listen()?;
    let places = Places::open(options, stop)?;
    let params = params(options, &places)?;
    // Read now, since it may lie where this run's outputs will.
    let baseline = options.baseline.as_ref();
    let baseline = baseline.map(|at| diff::baseline(at, options.log, stop));
    let baseline = baseline.transpose()?;
    let mut progress = Progress::new(options.quiet, options.log);
    if options.dry_run {
        let plan = pipeline::dry_run(&params, &mut |event| progress.show(event), stop)?;
        say(&mut std::io::stdout(), &plan_text(&plan, &places, options));
        return Ok(code::COMPLETE);
    }
    params.check()?;
    let claim = places.out.claim()?;
    if let Some(note) = places.check_cache(options)? {
        progress.show(&Event::Noted(note));
    }
    let mut outcome = pipeline::run(&params, &mut |event| progress.show(event), stop)?;
    name_origins(&mut outcome, settings);
    outcome.run.gates = options.gates.check(&outcome.run);
    if let Some(baseline) = &baseline {
        // What it holds is anybody's, and nothing is written yet.
        let _impatient = signals::Impatient::start(options.log);
        let compare = || compare::with_baseline(&mut outcome, baseline, stop);
        machine::pool(params.threads)?.install(compare)?;
    }
    write(&mut outcome, &claim, &places, &mut progress)?;
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

/// From what the user typed to what the library takes.
pub fn params(options: &Options, places: &Places) -> Result<Params> {
    let defaults = Params::new(places.input.clone());
    Ok(Params {
        load: LoadParams {
            label: options.label,
            classes: options.classes.clone(),
            top_classes: options.top_classes,
            limit: options.limit,
        },
        filter: options.filter,
        descriptor: options.descriptor,
        precision: options.precision,
        model: places.model.clone(),
        cache: places.cache.clone(),
        pca: PcaParams {
            keep: options.keep,
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
        engine: engine::open(
            &options.engine,
            options.engine_timeout,
            options.secret.as_deref(),
        )?,
        ..defaults
    })
}

/// Tells the record who set what. Options that change no number go to the timings, which may differ between runs.
fn name_origins(outcome: &mut Outcome, settings: &Settings) {
    let parameters = settings.parameters(Role::Result);
    outcome.run.provenance.command = command(&parameters);
    outcome.run.parameters = parameters;
    outcome.timings.options = settings.parameters(Role::Work);
}

/// Writes the data and the report to where they are to lie.
fn write(
    outcome: &mut Outcome,
    claim: &Claim,
    places: &Places,
    progress: &mut Progress,
) -> Result<()> {
    progress.show(&Event::Started {
        stage: "report",
        n_total: 0,
    });
    outcome.timings.s3 = places.connection.as_ref().map(Connection::record);
    let written = outputs::publish(outcome, claim, report::render_outcome)?;
    let note = megabytes(written.html_bytes as u64);
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
        "to do     {} shards: {} images to read ({}) and compute {}",
        plan.n_missing_shards,
        plan.n_to_read,
        megabytes(plan.to_read_bytes),
        match &plan.precision {
            Some(precision) => format!("in {precision}"),
            None => format!("by {}", plan.descriptor),
        }
    ));
    lines.push(format!("output    {}", options.out));
    lines.push(
        "nothing was computed or written (--dry-run), nor was it tried whether the output can be"
            .to_owned(),
    );
    lines.join("\n")
}
