//! A fluent way to start `report` and look at what it leaves.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use polars::prelude::*;
use serde_json::Value;

/// The binary, with a folder of its own for the cache, no `FRUITS_*` variable from outside but the runtime's, and no
/// credentials of whoever runs the tests.
pub struct Report {
    command: Command,
}

/// What a finished process said.
pub struct Said {
    pub code: Option<i32>,
    /// That ended it, if there is no code.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Report {
    pub fn new() -> Self {
        Self::through(&[env!("CARGO_BIN_EXE_report")])
    }

    /// Another program, or one that starts it.
    pub fn through(program: &[&str]) -> Self {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        for (name, _) in std::env::vars() {
            if name.starts_with("AWS_") || (name.starts_with("FRUITS_") && name != "FRUITS_RUNTIME")
            {
                command.env_remove(name);
            }
        }
        // cargo starts tests in the folder of their package.
        command
            .current_dir(project())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/nowhere")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command }
    }

    /// A run on `input` into `out` with the cache in `cache`, in 32-bit floats.
    pub fn on(input: &Path, out: &Path, cache: &Path) -> Self {
        Self::new()
            .arg("--input")
            .arg(input)
            .arg("--out")
            .arg(out)
            .arg("--cache")
            .arg(cache)
            .args(["--precision", "f32"])
    }

    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Does not inherit the variable.
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Works in `folder` instead of the checkout.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn start(mut self) -> Child {
        self.command.spawn().expect("the binary starts")
    }

    pub fn finish(self) -> Said {
        said(self.start())
    }

    /// Finishes and insists on the exit code.
    pub fn expect(self, code: i32) -> Said {
        let said = self.finish();
        assert_eq!(
            said.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            said.stdout,
            said.stderr
        );
        // A panic is told in the words of an internal error, whatever came of it.
        for words in ["please report it", "panicked"] {
            assert!(!said.stderr.contains(words), "{}", said.stderr);
        }
        said
    }
}

pub fn said(child: Child) -> Said {
    let output = child.wait_with_output().expect("the binary ends");
    Said {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The report without its section of timings, which may differ between equal runs.
pub fn html_without_timing(out: &Path) -> String {
    let html = std::fs::read_to_string(out.join("index.html"));
    without_timing(&html.expect("the report is there"))
}

/// [`html_without_timing`] of the text of a report.
pub fn without_timing(html: &str) -> String {
    let start = html
        .find("<section id=\"timing\"")
        .expect("the section is there");
    let end = start + html[start..].find("</section>").expect("the section ends");
    format!("{}{}", &html[..start], &html[end..])
}

/// Asserts that two runs left the same bytes wherever they must.
pub fn assert_same_results(a: &Path, b: &Path) {
    for name in [
        "run.json",
        "embeddings.parquet",
        "pca.parquet",
        "rejected.csv",
    ] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect(name);
        assert!(
            read(a) == read(b),
            "{name} differs between {} and {}",
            a.display(),
            b.display()
        );
    }
    assert!(
        html_without_timing(a) == html_without_timing(b),
        "the reports differ"
    );
}

/// The checkout.
pub fn project() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2);
    root.expect("crates/fruits-report lies in it").to_owned()
}

/// The reference data beside the checkout, if this machine has it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let found = project().join("../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    let reason = format!("{path} of the reference data is not on this machine");
    skipped("reference-data", &reason);
    None
}

/// Says why a test did nothing, and leaves a line of it for `tests/skips.py`, which lets the whole check fail unless
/// `tests/may_skip.txt` lists what is `missing`.
pub fn skipped(missing: &str, reason: &str) {
    tell(&format!("skipped: {reason}"));
    if let Some(file) = std::env::var_os("FRUITS_SKIPS") {
        let test = std::thread::current().name().unwrap_or("main").to_owned();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .expect("the file of FRUITS_SKIPS");
        let line = format!("{missing}\t{test}\t{reason}\n");
        file.write_all(line.as_bytes()).expect("a line in it");
    }
}

/// Straight to the stream: the test runner keeps what `eprintln!` writes to itself.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub fn read_frame(parquet: &Path) -> DataFrame {
    let file = File::open(parquet).expect("a file");
    ParquetReader::new(file).finish().expect("Parquet")
}

pub fn write_frame(parquet: &Path, frame: &mut DataFrame) {
    let file = File::create(parquet).expect("a file");
    ParquetWriter::new(file).finish(frame).expect("written");
}
