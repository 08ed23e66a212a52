#!/usr/bin/env python3
"""Pack everything that a run needs into one archive: dist/fruits-VERSION-x86_64-linux.tar.gz.

    python3 deploy/dist.py [--out DIR] [--features NAMES]

It takes `report` from the build and the runtime from set-up, and holds them to what a machine of deploy/ has: the C
library of Debian 12, and nothing else that has to be installed. With them go boot.sh and the licences of all that is
linked or packed. Archives of other versions in DIR are removed. The same build, runtime and Python give the same bytes.

Needs the build and the set-up (`make dist` does both), cargo, and strip and objdump of binutils. The features are those
of the build: they say which crates are linked, and so which licences go with it.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # packing leaves nothing in the checkout but the archive
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "setup"))
import runtime  # noqa: E402

TARGET = "x86_64-unknown-linux-gnu"
GLIBC = (2, 36)  # of Debian 12; Ubuntu 24.04, which template.yaml takes, has 2.39
MTIME = 315532800  # 1980-01-01, the earliest that every archive format can say
LEVEL = 6  # 9 takes twice the time, for 0.3 % less

# A file with terms, wherever in a crate it lies: some carry another project's source with its own.
TERMS = re.compile(r"(licen[cs]es?|copying|notice|unlicense|copyright|patents)([-._].*)?", re.IGNORECASE)
NOT_TERMS = {".rs", ".py", ".json", ".toml", ".c", ".h"}
NOT_PACKED = {"tests", "examples", "benches", "contrib"}

README = """\
fruits {version} for Linux on x86-64 with glibc {glibc} or later. Nothing has to be installed.

    ./report --input photos --out reports/photos     one folder a class below photos
    ./report --help                                  all options
    ./report doctor                                  checks this machine

`runtime/` must stay beside `report`. `boot.sh` is what an EC2 instance runs.

Licences: MIT or Apache-2.0 for fruits; NOTICE and runtime/licenses for ONNX Runtime, OpenVINO, oneTBB and the VGG16
weights; licenses/crates.csv for each Rust crate that is linked, its texts below licenses/. This software is based in
part on the work of the Independent JPEG Group.
"""


class DistError(Exception):
    """One sentence for the user: what, where, what to do."""


def output_of(*command):
    try:
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    except FileNotFoundError as error:
        remedy = "apt-get install binutils" if command[0] in ("strip", "objdump") else "see README.md"
        raise DistError(f"there is no `{command[0]}`: {remedy}") from error
    except subprocess.CalledProcessError as error:
        raise DistError(f"`{' '.join(map(str, command))}` failed with {error.returncode}") from error


# --- licences ------------------------------------------------------------------------------------------------------


def linked(metadata):
    """The crates whose code is in the program: normal dependencies, and not those of macros, which run
    while it is compiled."""
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    found, waiting = set(), [metadata["resolve"]["root"]]
    while waiting:
        for edge in edges[waiting.pop()]:
            package = packages[edge["pkg"]]
            is_normal = any(kind["kind"] is None for kind in edge["dep_kinds"])
            is_macro = any("proc-macro" in target["kind"] for target in package["targets"])
            if is_normal and not is_macro and edge["pkg"] not in found:
                found.add(edge["pkg"])
                waiting.append(edge["pkg"])
    foreign = [packages[id] for id in found if packages[id]["source"]]  # the rest is this project's own
    return sorted(foreign, key=lambda package: (package["name"], package["version"]))


def terms(package):
    """path -> text, of the files with terms in a crate's source."""
    folder = Path(package["manifest_path"]).parent
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    wanted = {
        path
        for path in paths
        if any(TERMS.fullmatch(part) for part in path.parts)
        and path.suffix.lower() not in NOT_TERMS
        and not NOT_PACKED & set(path.parts)
    }
    if package["license_file"]:
        wanted |= {Path(package["license_file"])} & set(paths)
    return {path.as_posix(): (folder / path).read_bytes() for path in wanted}


def repository(package):
    return re.sub(r"(\.git)?(/tree/.*)?/*$", "", package["repository"] or package["id"]).lower()


def standard_terms(package):
    """For a crate whose source has no text at all: that of the licence it names, with the names it gives."""
    names = set(re.split(r"\s+OR\s+|\s*/\s*", package["license"] or ""))
    if "Apache-2.0" in names:
        return {"LICENSE-APACHE": (ROOT / "LICENSE-APACHE").read_bytes()}
    if names == {"MIT"}:
        _, _, permission = (ROOT / "LICENSE-MIT").read_text(encoding="utf-8").partition("\n\nPermission")
        authors = ", ".join(package["authors"]) or f"the authors of {package['name']}"
        return {"LICENSE-MIT": f"MIT License\n\nCopyright (c) {authors}\n\nPermission{permission}".encode()}
    raise DistError(
        f"{package['name']} {package['version']} ({package['license']}) has no licence text in its source: "
        f"add one for it to {Path(__file__).name}, or do without the crate"
    )


def crate_licenses(packages):
    """path below licenses/ -> bytes, with the index crates.csv."""
    own = {package["id"]: terms(package) for package in packages}
    of_repository = {}
    for package in packages:
        if own[package["id"]]:
            of_repository.setdefault(repository(package), own[package["id"]])
    files, index = {}, io.StringIO()
    table = csv.writer(index, lineterminator="\n")
    table.writerow(["name", "version", "license", "text_from", "files"])
    for package in packages:
        texts, origin = own[package["id"]], "its source"
        if not texts:
            texts, origin = of_repository.get(repository(package)), "another crate of its repository"
        if not texts:
            texts, origin = standard_terms(package), "the licence it names"
        folder = f"{package['name']}-{package['version']}"
        files.update({f"{folder}/{path}": text for path, text in texts.items()})
        table.writerow([package["name"], package["version"], package["license"], origin, " ".join(sorted(texts))])
    files["crates.csv"] = index.getvalue().encode()
    return files


def standard_library_terms():
    """Rust's own library is linked as well; a distribution's toolchain may come without the file."""
    path = Path(output_of("rustc", "--print", "sysroot").decode().strip()) / "share/doc/rust/COPYRIGHT-library.html"
    return {"rust-standard-library/COPYRIGHT-library.html": path.read_bytes()} if path.exists() else {}


# --- program and runtime -------------------------------------------------------------------------------------------


def needed_glibc(path):
    """The newest version of the C library that a program or library asks for, as (2, 36)."""
    symbols = output_of("objdump", "-T", path).decode("utf-8", "replace")
    return max((tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_([0-9.]+)", symbols)), default=(0,))


def check_glibc(paths):
    newest = (0,)
    for path in paths:
        needs = needed_glibc(path)
        if needs > GLIBC:
            raise DistError(
                f"{path.name} needs glibc {'.'.join(map(str, needs))} and may need {'.'.join(map(str, GLIBC))} "
                "at most: build it on Debian 12"
            )
        newest = max(newest, needs)
    return ".".join(map(str, newest))


def stripped(program, work):
    if not program.is_file():
        raise DistError(f"there is no {program}: run `make build`, or `make dist`, which does")
    target = work / "report"
    output_of("strip", "--strip-all", "-o", target, program)
    return target


def runtime_files():
    """path below runtime/ -> file or link of the installed runtime."""
    folder = runtime.default_dest()
    reason = runtime.fault(folder, runtime.read_pins(), verify=True)
    if reason:
        raise DistError(f"the runtime in {folder} cannot be packed, {reason}: run `make setup`")
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_symlink() or p.is_file()}


# --- the archive ---------------------------------------------------------------------------------------------------


def entry(name, mode):
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = mode, MTIME  # owner and group stay 0, without names
    return info


def write(archive, top, content):
    """`content`: path -> bytes, or file or link, in any order; folders are made on the way."""
    folders = {str(parent) for path in content for parent in Path(top, path).parents} - {"."}
    for name in sorted(folders | {f"{top}/{path}" for path in content}):
        if name in folders:
            info = entry(name, 0o755)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
            continue
        source = content[name[len(top) + 1 :]]
        mode = 0o755 if name in (f"{top}/report", f"{top}/boot.sh") else 0o644
        info = entry(name, mode)
        if isinstance(source, Path) and source.is_symlink():
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(source)
            archive.addfile(info)
        else:
            data = source.read_bytes() if isinstance(source, Path) else source
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def pack(out, features):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    command += ["--manifest-path", "crates/fruits-report/Cargo.toml"]
    command += ["--features", features] if features else []
    metadata = json.loads(output_of(*command))
    root = next(p for p in metadata["packages"] if p["id"] == metadata["resolve"]["root"])
    packages = linked(metadata)
    installed = runtime_files()
    work = Path(tempfile.mkdtemp(prefix="fruits-dist-"))
    try:
        program = stripped(Path(metadata["target_directory"]) / "release" / "report", work)
        libraries = [path for path in installed.values() if ".so" in path.name and not path.is_symlink()]
        newest = check_glibc([program, *libraries])
        licenses = {**crate_licenses(packages), **standard_library_terms()}
        content = {
            "report": program,
            "boot.sh": ROOT / "deploy" / "boot.sh",
            "README": README.format(version=root["version"], glibc=newest).encode(),
            **{name: ROOT / name for name in ("LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "NOTICE")},
            **{f"runtime/{path}": source for path, source in installed.items()},
            **{f"licenses/{path}": text for path, text in licenses.items()},
        }
        top = f"fruits-{root['version']}-x86_64-linux"
        out.mkdir(parents=True, exist_ok=True)
        target, partial = out / f"{top}.tar.gz", out / f".{top}.partial"
        with open(partial, "wb") as file, gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as compressed:
            with tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive:
                write(archive, top, content)
        partial.replace(target)
        older = [path for path in out.glob("fruits-*-x86_64-linux.tar.gz") if path != target]
        for path in older:
            path.unlink()  # so that a pattern finds one archive
        sizes = {"report": program.stat().st_size, "runtime": sum(p.lstat().st_size for p in installed.values())}
    finally:
        shutil.rmtree(work)
    print(f"dist: {target} ({target.stat().st_size / 1e6:.1f} MB)")
    for path in older:
        print(f"dist: removed {path}, which is older")
    print(f"dist: report {sizes['report'] / 1e6:.1f} MB, runtime {sizes['runtime'] / 1e6:.1f} MB before compression")
    print(f"dist: needs glibc {newest}; {len(packages)} crates, {len(licenses) - 1} licence files")
    print(f"dist: SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


def main():
    parser = argparse.ArgumentParser(description="Pack `report` and all that it needs into one archive.")
    parser.add_argument("--out", type=Path, metavar="DIR", default=ROOT / "dist", help="default: dist/ of the checkout")
    parser.add_argument("--features", metavar="NAMES", help="cargo features of the build; default: none")
    arguments = parser.parse_args()
    try:
        pack(arguments.out, arguments.features)
    except (DistError, runtime.SetupError) as error:
        print(f"dist: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
