//! `report doctor`: is this machine ready for a run?

use std::path::Path;

use clap::Args;
use fruits::features::{
    Arithmetic, Cpu, Descriptor, Model, Precision, RuntimeFolder, Vgg16, onnxruntime_version,
};
use fruits::pipeline::machine::gigabytes;
use fruits::{atomic, pipeline};

use crate::code;
use crate::progress::say;

/// Memory a run of 4,098 images takes at most.
const NEEDED_MEMORY_BYTES: u64 = 1_500_000_000;
/// Descriptors of 4,098 images and room for the report.
const NEEDED_DISK_BYTES: u64 = 1_000_000_000;

/// What a check says.
enum Finding {
    Good(String),
    /// Works, but not as it could.
    Weak(String),
    Bad(String),
}

use Finding::{Bad, Good, Weak};

/// How thorough.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Compute a batch in each precision, too: seconds instead of a moment
    #[arg(long)]
    compute: bool,
}

/// Prints a line a check; the exit code is 0 if a run can work.
pub fn examine(task: &Doctor, cache: &Path) -> u8 {
    let runtime = RuntimeFolder::find();
    let cpu = Cpu::detect();
    let (files, library, model) = std::thread::scope(|scope| {
        let model = scope.spawn(|| model(&runtime));
        let files = files(&runtime);
        let library = match files {
            Bad(_) if runtime.library().is_file() => {
                Bad("not loaded, since its files are not known for those of set-up".to_owned())
            }
            // Where there is none, it says what to do.
            _ => library(&runtime),
        };
        let died = || Bad("the check of the model died; this is a defect".to_owned());
        (files, library, model.join().unwrap_or_else(|_| died()))
    });
    let provider = |precision| match (&library, task.compute) {
        (Bad(_), _) => Weak("not tried without the library".to_owned()),
        (_, true) => computes(&runtime, precision, &cpu),
        (_, false) => loads(&runtime, precision, &cpu),
    };
    let (f32, bf16) = (provider(Precision::F32), provider(Precision::Bf16));
    let findings = [
        ("files", files),
        ("library", library),
        ("model", model),
        ("f32", f32),
        ("bf16", bf16),
        ("processor", processor(&cpu)),
        ("memory", memory()),
        ("cache", disk(cache)),
    ];
    let mut is_ready = true;
    for (name, finding) in findings {
        let (mark, text) = match finding {
            Good(text) => ("ok  ", text),
            Weak(text) => ("note", text),
            Bad(text) => {
                is_ready = false;
                ("BAD ", text)
            }
        };
        say(&mut std::io::stdout(), &format!("{mark} {name:<10} {text}"));
    }
    let verdict = if is_ready {
        "ready"
    } else {
        "not ready: mend what is marked BAD"
    };
    say(&mut std::io::stdout(), verdict);
    if is_ready {
        code::COMPLETE
    } else {
        code::INTERNAL
    }
}

/// The libraries by their digests, before the first of them is loaded.
fn files(runtime: &RuntimeFolder) -> Finding {
    match runtime.changes() {
        Ok(changes) if changes.is_empty() => Good(format!(
            "the libraries in {} are as set-up left them",
            runtime.path().display()
        )),
        Ok(changes) => Bad(format!(
            "{} in {}; run `python3 setup/runtime.py --verify`, which sets up again, or unpack the archive again",
            changes.join(", "),
            runtime.path().display()
        )),
        Err(e) => Bad(format!(
            "{}, so nobody knows what the libraries are; run `make setup`, which sets up again, or unpack the archive again",
            e
        )),
    }
}

fn library(runtime: &RuntimeFolder) -> Finding {
    match runtime.environment() {
        Ok(_) => Good(format!(
            "ONNX Runtime {} at {}",
            onnxruntime_version(),
            runtime.library().display()
        )),
        Err(e) => Bad(e.to_string()),
    }
}

fn model(runtime: &RuntimeFolder) -> Finding {
    match Model::read(None, runtime) {
        Ok(model) => Good(format!("{} ({})", model.describe(), &model.sha256[..12])),
        Err(e) => Bad(e.to_string()),
    }
}

/// Only loads the provider, which is all that most faults take to show.
fn loads(runtime: &RuntimeFolder, precision: Precision, cpu: &Cpu) -> Finding {
    let attempt = || {
        let (arithmetic, _) = precision.resolve(cpu)?;
        arithmetic.check(runtime)?;
        Ok(format!(
            "{} loads; `report doctor --compute` computes with it",
            arithmetic.provider()
        ))
    };
    judge(attempt(), precision, cpu)
}

/// Computes one batch for real: a provider that is there may still refuse the network.
fn computes(runtime: &RuntimeFolder, precision: Precision, cpu: &Cpu) -> Finding {
    let attempt = || {
        let (arithmetic, _) = precision.resolve(cpu)?;
        let model = Model::read(None, runtime)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let network = Vgg16::new(runtime, &model, arithmetic, threads)?;
        Ok(format!(
            "{} computes {} features",
            arithmetic.provider(),
            network.n_features()
        ))
    };
    judge(attempt(), precision, cpu)
}

fn judge(attempt: fruits::Result<String>, precision: Precision, cpu: &Cpu) -> Finding {
    match attempt {
        Ok(text) => Good(text),
        // `auto` would take this path and fail.
        Err(e) if precision == Precision::Bf16 && cpu.amx_bf16 => Bad(format!(
            "{}; run `make setup` again, or use --precision f32",
            e
        )),
        Err(e) if precision == Precision::Bf16 => Weak(format!("{e}; auto uses f32")),
        Err(e) => Bad(e.to_string()),
    }
}

fn processor(cpu: &Cpu) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let about = format!("{cores} cores, {}, {}", cpu.name, cpu.features().join(" "));
    match Precision::Auto.resolve(cpu) {
        Ok((Arithmetic::Bf16, _)) => Good(format!(
            "{about}: auto computes bf16, about 7 times as fast as f32"
        )),
        // Measured on AMD EPYC; an Intel Xeon of the kind took 1.8 times as long as with f32.
        _ if cpu.avx512_bf16 && cpu.name.contains("AMD") => Weak(format!(
            "{about}: no AMX-BF16, so auto computes f32; --precision bf16 is about twice as fast here, a processor with AMX \
             7 times"
        )),
        _ => Weak(format!(
            "{about}: no AMX-BF16, so auto computes f32; a processor with AMX is about 7 times as fast"
        )),
    }
}

fn memory() -> Finding {
    match pipeline::available_bytes() {
        None => Weak("the system does not tell".to_owned()),
        Some(free) if free < NEEDED_MEMORY_BYTES => Weak(format!(
            "{} available; a run of 4,098 images takes up to {}: free some, or use --limit",
            gigabytes(free),
            gigabytes(NEEDED_MEMORY_BYTES)
        )),
        Some(free) => Good(format!("{} available", gigabytes(free))),
    }
}

fn disk(cache: &Path) -> Finding {
    if let Err(e) = atomic::writable_folder(cache) {
        return Bad(format!("{e}; name another folder with --cache"));
    }
    match rustix::fs::statvfs(cache) {
        Err(e) => Weak(format!("{}: free space is not known: {e}", cache.display())),
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let about = format!("{} free in {}", gigabytes(free), cache.display());
            if free < NEEDED_DISK_BYTES {
                Weak(format!(
                    "{about}; descriptors take 100 kB an image at most: name another folder with --cache"
                ))
            } else {
                Good(about)
            }
        }
    }
}
