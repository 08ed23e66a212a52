//! Records what the binary is built from, for the report's provenance.

use std::process::Command;

/// What decides numbers and pages: what else is edited compiles nothing anew.
const SOURCES: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "crates/fruits-cluster",
    "crates/fruits-maths",
    "crates/fruits-report",
    "src",
    "templates",
];

fn main() {
    for path in SOURCES {
        println!("cargo:rerun-if-changed={path}");
    }
    let commit = commit().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=FRUITS_GIT_COMMIT={commit}");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=FRUITS_RUSTC={version}");
    let lock = std::fs::read("Cargo.lock").unwrap_or_default();
    println!("cargo:rustc-env=FRUITS_LOCK_SHA256={}", sha256(&lock));
    let decoders = lines_of(&String::from_utf8_lossy(&lock), DECODERS);
    println!(
        "cargo:rustc-env=FRUITS_DECODERS_SHA256={}",
        sha256(decoders.as_bytes())
    );
    for name in [
        "faer",
        "image",
        "linfa-reduction",
        "mozjpeg",
        "ort",
        "plotters",
        "polars",
    ] {
        let name_in_rust = name.replace('-', "_").to_uppercase();
        let version = version_in(&String::from_utf8_lossy(&lock), name);
        println!("cargo:rustc-env=FRUITS_VERSION_{name_in_rust}={version}");
    }
}

/// The commit that holds the sources as they are compiled; `-dirty` behind it if none did yet. A later commit compiles nothing
/// anew, so what was built before it keeps saying so.
fn commit() -> Option<String> {
    let commit = output("git", &["rev-parse", "HEAD"])?;
    let status = ["--no-optional-locks", "status", "--porcelain", "--"];
    let changes = output("git", &[&status[..], &SOURCES].concat())?;
    match changes.is_empty() {
        true => Some(commit),
        false => Some(format!("{commit}-dirty")),
    }
}

/// The packages whose code decides a pixel, one a line.
const DECODERS: &str = include_str!("src/steps/resize/decoders.txt");

/// Name, version and checksum of these packages, as the lock file has them.
fn lines_of(lock: &str, names: &str) -> String {
    let mut lines = String::new();
    for name in names.lines().filter(|line| !line.starts_with('#')) {
        let of_it = |package: &&str| package.starts_with(&format!("name = \"{name}\"\n"));
        let packages = lock.split("[[package]]\n").filter(of_it);
        let before = lines.len();
        for package in packages {
            let wanted = ["name = ", "version = ", "checksum = "];
            let told = |line: &&str| wanted.iter().any(|key| line.starts_with(key));
            lines.extend(package.lines().filter(told).flat_map(|line| [line, "\n"]));
        }
        assert!(
            lines.len() > before,
            "no package `{name}` of src/steps/resize/decoders.txt is in Cargo.lock: correct that list, or the fingerprint \
             of cached descriptors does not cover it"
        );
    }
    lines
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn version_in(lock: &str, name: &str) -> String {
    let after = lock
        .split(&format!("name = \"{name}\"\nversion = \""))
        .nth(1);
    after
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("unknown")
        .to_owned()
}
