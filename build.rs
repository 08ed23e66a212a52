//! Records what the binary is built from, for the report's provenance.

use std::process::Command;

fn main() {
    for path in [
        "src",
        "templates",
        "Cargo.lock",
        "build.rs",
        ".git/HEAD",
        ".git/index",
    ] {
        // Naming a file that is not there would rebuild every time.
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = output("git", &["rev-parse", "HEAD"]).map_or_else(
        || "unknown".to_owned(),
        |commit| {
            let changes = output(
                "git",
                &[
                    "--no-optional-locks",
                    "status",
                    "--porcelain",
                    "--untracked-files=no",
                ],
            );
            let dirty = changes.is_none_or(|c| !c.is_empty());
            if dirty {
                format!("{commit}-dirty")
            } else {
                commit
            }
        },
    );
    println!("cargo:rustc-env=FRUITS_GIT_COMMIT={commit}");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=FRUITS_RUSTC={version}");
    let lock = std::fs::read("Cargo.lock").unwrap_or_default();
    println!("cargo:rustc-env=FRUITS_LOCK_SHA256={}", sha256(&lock));
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
