#!/usr/bin/env python3
"""Install what the notebooks run on: JupyterLab, the Rust kernel evcxr, and this library compiled for it.

    python3 setup/notebook.py            install what is missing or older than the sources
    python3 setup/notebook.py --python   print the Python of the environment, for the tests

The result, in $FRUITS_JUPYTER, else fruits/jupyter in the user's data folder ($XDG_DATA_HOME, ~/.local/share):

    DIR/venv/            JupyterLab, pinned by version and SHA-256 in requirements-jupyter.txt, and the kernel's name
    DIR/evcxr/           the kernel, evcxr_jupyter, from the Rust registry with its own lock file
    DIR/library/ID/      the library as libfruits_library.so, the crates it is made of as metadata, and `report`

A library folder never changes once it is there: a kernel that runs keeps its own while a newer one is installed. The two
newest stay.
Needs Python 3.10 with venv, cargo and a C compiler.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PINS = HERE / "requirements-jupyter.txt"
EVCXR = "0.22.0"
# Folders of libraries that stay, besides those that a kernel runs on.
KEPT_LIBRARIES = 2
# In a library: which compiler made it. Kernels hold a lock on it, and a folder without it is no library.
MARK = "rustc.txt"


class SetupError(Exception):
    """One sentence for the user: what, where, what to do."""


def say(text):
    print(f"notebook: {text}", file=sys.stderr, flush=True)


def folder():
    named = os.environ.get("FRUITS_JUPYTER")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return (Path(named) if named else Path(data) / "fruits/jupyter").absolute()


def run(command, failed, **options):
    """Runs a program that tells its own progress; `failed` says what to do if it fails."""
    try:
        return subprocess.run(command, check=True, **options)
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} is not there; {failed}") from error
    except subprocess.CalledProcessError as error:
        raise SetupError(f"`{' '.join(map(str, command[:3]))} ...` failed; {failed}") from error


def jupyter(dest):
    venv, mark = dest / "venv", dest / "venv/requirements.txt"
    # A newer Python, after an upgrade of the system, does not find the packages of the old one.
    wanted = PINS.read_text() + f"# by {sys.version}\n"
    if mark.is_file() and mark.read_text() == wanted:
        return venv
    if sys.version_info < (3, 10):
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(f"python3 is {version} and JupyterLab needs 3.10 or later: install a newer one (Debian 12, Ubuntu 22.04 have it)")
    say(f"installing JupyterLab into {venv}")
    run([sys.executable, "-m", "venv", "--clear", venv], "run `apt-get install python3-venv` (Debian, Ubuntu)")
    pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    pins = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", PINS]
    run(pip + pins, "look at pip's message above; a package index must be reached, once")
    settings = venv / "share/jupyter/lab/settings"
    settings.mkdir(parents=True, exist_ok=True)
    # Nothing is asked of the network that the user did not ask for.
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet) + "\n")
    mark.write_text(wanted)  # last: the mark that all of it is there
    return venv


def rustc_version():
    out = run(["rustc", "--version"], "install Rust (setup/prerequisites.sh)", stdout=subprocess.PIPE, text=True)
    return out.stdout.strip()


def evcxr(dest, rustc):
    root = dest / "evcxr"
    mark, wanted = root / "built.txt", f"evcxr_jupyter {EVCXR} by {rustc}\n"
    if mark.is_file() and mark.read_text() == wanted:
        return root / "bin/evcxr_jupyter"
    say(f"compiling the Rust kernel evcxr_jupyter {EVCXR} (about 6 minutes on two cores, once)")
    root.mkdir(parents=True, exist_ok=True)
    # Beside the result, so that a build that was stopped goes on where it was.
    build = root / "build"
    command = ["cargo", "install", "evcxr_jupyter", "--version", EVCXR, "--locked", "--force", "--quiet", "--root", root]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(build)}
    run(command, "look at cargo's message above; the Rust registry must be reached, once", env=environment)
    shutil.rmtree(build, ignore_errors=True)
    mark.write_text(wanted)
    return root / "bin/evcxr_jupyter"


def rust_sources():
    """The kernel finds the types of variables in the sources of the standard library."""
    sysroot = run(["rustc", "--print", "sysroot"], "install Rust", stdout=subprocess.PIPE, text=True).stdout.strip()
    if (Path(sysroot) / "lib/rustlib/src/rust/library").is_dir() or os.environ.get("RUST_SRC_PATH"):
        return
    with contextlib.suppress(OSError):
        if subprocess.run(["rustup", "component", "add", "rust-src"], stdout=sys.stderr).returncode == 0:
            return
    say("the sources of Rust's standard library are missing (`rustup component add rust-src` failed): variables of its "
        "types need a type in notebooks, `let names: Vec<String> = ...`")


def library(dest, rustc):
    say("compiling the library (about 15 minutes on two cores, once; less where `make report` was run)")
    # Frames at full speed: the program only passes a few rows through polars, and is compiled without.
    cargo = ["cargo", "rustc", "--release", "--locked", "--config", HERE / "notebook.toml", "--package", "fruits-library"]
    # FEATURES=cluster: runs on several machines. The program has them, too, so that both compute the same.
    features = ["--features", os.environ["FEATURES"]] if os.environ.get("FEATURES") else []
    cargo += [*features, "--message-format=json-render-diagnostics", "--", "-C", "prefer-dynamic"]
    built = run(cargo, "look at cargo's message above", cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    program = ["cargo", "build", "--release", "--locked", "--config", HERE / "notebook.toml", "--bin", "report", *features]
    program += ["--message-format=json-render-diagnostics"]
    built += run(program, "look at cargo's message above", cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    files = []
    for message in map(json.loads, built.splitlines()):
        if message["reason"] == "compiler-artifact":
            files += needed(message)
    return install(dest / "library", sorted(set(files)), rustc)


def needed(artifact):
    """Of a compiled crate, what the compiler of a cell reads: no object code but the library's own."""
    kinds, files = artifact["target"]["kind"], artifact["filenames"]
    if "bin" in kinds:
        return [artifact["executable"]]
    if "dylib" in kinds or "proc-macro" in kinds:
        return [f for f in files if f.endswith(".so")]
    # A crate that is made in several forms has no metadata of its own.
    return [f for f in files if f.endswith(".rmeta")] or [f for f in files if f.endswith(".rlib")]


def install(libraries, files, rustc):
    digest = hashlib.sha256(rustc.encode())
    for path in map(Path, files):
        digest.update(path.name.encode())
        if path.name in ("libfruits_library.so", "report"):
            digest.update(path.read_bytes())
    target = libraries / digest.hexdigest()[:16]
    libraries.mkdir(parents=True, exist_ok=True)
    # Of a set-up that was killed while it made or removed one: we hold the lock of all, and no kernel runs on such a folder.
    for left in libraries.iterdir():
        if not (left / MARK).is_file():
            shutil.rmtree(left, ignore_errors=True)
    if target.is_dir():
        os.utime(target)
        return target
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=libraries) as work:
        whole = Path(work) / "library"
        whole.mkdir()
        for path in files:
            link_or_copy(path, whole / Path(path).name)
        (whole / MARK).write_text(rustc + "\n")
        whole.rename(target)
    old = sorted((p for p in libraries.iterdir() if (p / MARK).is_file()), key=lambda p: p.stat().st_mtime, reverse=True)
    for library in old[KEPT_LIBRARIES:]:
        with open(library / MARK) as held:
            # Kernels hold a lock on it (kernel.sh).
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (library / MARK).unlink()  # first: what is left without it is removed by the next set-up
                shutil.rmtree(library)
    return target


def link_or_copy(source, target):
    # cargo replaces its files and never writes into them, so a second name costs no space.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def sources():
    """Brings what the kernel's code analysis reads, so that no cell asks the network: in this project's versions."""
    with tempfile.TemporaryDirectory(prefix="fruits-fetch-") as work:
        cell = Path(work)
        (cell / "src").mkdir()
        (cell / "src/lib.rs").touch()
        facade = json.dumps(str(ROOT / "notebooks/fruits"))
        package = '[package]\nname = "ctx"\nversion = "1.0.0"\nedition = "2024"\n'
        (cell / "Cargo.toml").write_text(f"{package}[dependencies]\nfruits-notebook = {{ path = {facade} }}\n")
        shutil.copyfile(ROOT / "Cargo.lock", cell / "Cargo.lock")
        # For all platforms: evcxr asks cargo for metadata without naming one.
        fetch = ["cargo", "fetch", "--quiet", "--manifest-path", cell / "Cargo.toml"]
        if subprocess.run([*fetch, "--offline"], stderr=subprocess.DEVNULL).returncode != 0:
            run(fetch, "look at cargo's message above; the Rust registry must be reached, once")


def kernel(venv, evcxr_jupyter, library):
    spec = venv / "share/jupyter/kernels/rust"
    spec.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "kernel.sh", spec / "start.sh")
    (spec / "start.sh").chmod(0o755)
    content = {
        "argv": [str(spec / "start.sh"), str(evcxr_jupyter), "{connection_file}"],
        "display_name": "Rust",
        "language": "rust",
        "interrupt_mode": "signal",
        "env": {"FRUITS_LIBRARY": str(library), "FRUITS_REPORT": str(library / "report")},
    }
    partial = spec / "kernel.json.partial"
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.rename(spec / "kernel.json")


def main():
    dest = folder()
    if sys.argv[1:] == ["--python"]:
        print(dest / "venv/bin/python")
        return
    if sys.argv[1:]:
        raise SetupError("the only argument there is, is --python")
    dest.mkdir(parents=True, exist_ok=True)
    with open(dest / "lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two at a time would build the same things twice
        venv = jupyter(dest)
        rustc = rustc_version()
        rust_sources()
        sources()
        kernel(venv, evcxr(dest, rustc), library(dest, rustc))
    say(f"ready in {dest}")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"notebook: error: {error}")
    except OSError as error:
        sys.exit(f"notebook: error: {error}; free space or name another folder with FRUITS_JUPYTER")
    except KeyboardInterrupt:
        sys.exit("notebook: stopped; the same command goes on")
