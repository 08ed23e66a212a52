"""What the figures were measured on and with."""

import json
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Those that decide which kernels run.
SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
PEERS = ("tensorflow-cpu", "keras", "onnxruntime", "openvino", "openTSNE", "scikit-learn", "numpy", "pillow", "matplotlib")
CRATES = ("linfa-reduction", "linfa-tsne")


def cpu_flags():
    found = re.search(r"^flags\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def machine(cores):
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    flags = cpu_flags()
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": cores,
        "n_cores_of_machine": os.cpu_count(),
        "simd": [flag for flag in SIMD if flag in flags],
        "is_virtual": "hypervisor" in flags,
        "memory_bytes": int(memory[1]) * 1024,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def versions(peers_python):
    """package -> version; a peer that is not there is left out, and its contestants will fail and say so."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "def version(name):\n"
        "    try: return m.version(name)\n"
        "    except m.PackageNotFoundError: return None\n"
        "print(json.dumps({'Python': platform.python_version(), **{n: version(n) for n in sys.argv[1:]}}))"
    )
    found = json.loads(said([peers_python, "-c", code, *PEERS]) or "{}")
    lock = (ROOT / "Cargo.lock").read_text()
    crates = {name: re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock) for name in CRATES}
    found.update({name: match[1] if match else None for name, match in crates.items()})
    found["rustc"] = said(["rustc", "--version"]).removeprefix("rustc ") or None
    return {name: version for name, version in found.items() if version}


def project():
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    commit = said(["git", "-C", str(ROOT), "rev-parse", "HEAD"]) or "unknown"
    # What the benchmark itself writes is no change of what is measured.
    written = [f":!benches/{name}" for name in ("RESULTS.md", "results.json", "remarks.md", "plots")]
    changes = said(["git", "-C", str(ROOT), "status", "--porcelain", "--", ".", *written])
    return {"version": version, "commit": commit, "is_changed": bool(changes)}


def said(command):
    """What a program prints, or nothing."""
    try:
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
