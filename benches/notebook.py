#!/usr/bin/env python3
"""How long a cell takes: the kernel of `make notebook` against evcxr with polars as its own dependency, in one run.

    "$(python3 setup/notebook.py --python)" benches/notebook.py

For each notebook, alternately: a kernel of ours runs it to its end and then the probes below, with all its variables
alive; a plain kernel makes one frame and runs the same probes. Medians over all. The plain kernel compiles polars once
(7 to 12 minutes on two cores) and keeps it in evcxr's own cache, so a first run takes longer; it is told so apart.
"""

import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/notebooks"))

from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402

from kernel import NOTEBOOKS, ROOT, Kernel  # noqa: E402
from notebook import read  # noqa: E402

REPEATS = 5
FRAME = 'let probe: DataFrame = DataFrame::new(3, vec![Column::new("a".into(), vec![1i32, 2, 3])])?;'
# What a cell's own work took, in the cell's own words; it is taken off.
CLOCK = 'let began = std::time::Instant::now(); {} println!("own work {{:.6}} s", began.elapsed().as_secs_f64());'
PROBES = {
    "a cell that shows a frame": "probe",
    "a cell that makes a frame of another, without its own work": "let NAME: DataFrame = probe.head(Some(2));",
    "a cell that calls a step of this library, without its own work": None,
    "a bare `println!`": 'println!("hi");',
}


def timed(kernel, code):
    cell = kernel.run(code, timeout_s=3600)
    if cell.status != "ok" or cell.stderr.strip():
        sys.exit(f"benches/notebook.py: error: this cell failed:\n{code}\n{cell.said}")
    own = re.search(r"own work ([\d.]+) s", cell.stdout)
    return cell.elapsed_s - (float(own[1]) if own else 0.0)


def probes(kernel, step, seconds):
    """`step` is for the library's own; a plain kernel has none."""
    for name, code in PROBES.items():
        code = code or step
        for i in range(REPEATS if code else 0):
            text = CLOCK.format(code.replace("NAME", f"made{i}")) if "NAME" in code else code
            seconds.setdefault(name, []).append(timed(kernel, text))


def ours(path, seconds):
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    with Kernel() as kernel:
        seconds.setdefault("kernel ready", []).append(kernel.ready_s)
        # A frame is shown by the same cell or the next: what comes first in the notebook, with a frame of our own.
        first = timed(kernel, cells[0].split("\n\n")[0] + "\n" + FRAME) + timed(kernel, "probe")
        seconds.setdefault("first cell with the dependency, to the first frame", []).append(first)
        for code in cells:
            timed(kernel, code)
        probes(kernel, "let NAME: Loaded = load(&source, &LoadParams { limit: Some(5), ..LoadParams::default() })?;", seconds)


def plain(polars, seconds):
    with Kernel(cwd=tempfile.gettempdir(), name="plain-rust") as kernel:
        seconds.setdefault("kernel ready", []).append(kernel.ready_s)
        timed(kernel, ":cache 8000")
        first = timed(kernel, f":dep polars = {polars}\nuse polars::prelude::*;\n{FRAME}") + timed(kernel, "probe")
        seconds.setdefault("first cell with the dependency, to the first frame", []).append(first)
        probes(kernel, None, seconds)


def polars_as_here():
    """The version and features that this project has."""
    version = re.search(r'name = "polars"\nversion = "([^"]+)"', (ROOT / "Cargo.lock").read_text())[1]
    line = re.search(r"^polars = (.*)$", (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    return re.sub(r'version = "[^"]+"', f'version = "={version}"', line)


def main():
    kernel = KernelSpecManager().get_kernel_spec("rust").argv[1]
    with tempfile.TemporaryDirectory() as work:
        spec = Path(work) / "kernels/plain-rust"
        spec.mkdir(parents=True)
        argv = [kernel, "--control_file", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "plain", "language": "rust"}))
        os.environ["JUPYTER_PATH"] = work
        warm = {}
        plain(polars_as_here(), warm)
        print(f"plain evcxr, before anything was measured: {warm['first cell with the dependency, to the first frame'][0]:.1f} s "
              "to the first frame (with an empty cache, this compiled polars)\n")
        mine, theirs = {}, {}
        for path in sorted(NOTEBOOKS.glob("*.ipynb")):
            ours(path, mine)
            plain(polars_as_here(), theirs)
    print("| median (fastest to slowest), in seconds | plain evcxr with polars | this project |\n| --- | --- | --- |")
    for name in mine:
        told = lambda s: f"{statistics.median(s):.2f} ({min(s):.2f} to {max(s):.2f})" if s else ""  # noqa: E731
        cells = [told(seconds.get(name)) for seconds in (theirs, mine)]
        print(f"| {name} | {cells[0]} | {cells[1]} |")


main()
