//! Finds the compiled library that `make notebook` installed.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fruits_library_missing)");
    println!("cargo::rerun-if-env-changed=FRUITS_LIBRARY");
    match find() {
        Ok(folder) => {
            for kind in ["crate", "dependency"] {
                println!("cargo::rustc-link-search={kind}={}", folder.display());
            }
        }
        Err(sentence) => {
            println!("cargo::rustc-cfg=fruits_library_missing");
            println!("cargo::rustc-env=FRUITS_LIBRARY_MISSING={sentence}");
        }
    }
}

fn find() -> Result<PathBuf, String> {
    let Some(folder) = env::var_os("FRUITS_LIBRARY").map(PathBuf::from) else {
        return Err(
            "this kernel does not know the library `fruits`; start Jupyter with `make notebook`"
                .to_owned(),
        );
    };
    let Ok(built_by) = std::fs::read_to_string(folder.join("rustc.txt")) else {
        return Err(format!(
            "the library `fruits` is not in `{}`; run `make notebook` again and restart the kernel",
            folder.display()
        ));
    };
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        .unwrap_or_default();
    if version != built_by.trim() {
        return Err(format!(
            "the library `fruits` was compiled by {}, this kernel compiles with {version}; run `make notebook` again and restart the kernel",
            built_by.trim()
        ));
    }
    Ok(folder)
}
