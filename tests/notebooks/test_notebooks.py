#!/usr/bin/env python3
"""The notebooks, run as a user runs them. `make test-notebooks`; with --write it also saves their outputs.

    PYTHON tests/notebooks/test_notebooks.py [--write] [TEST...]
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import nbformat  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from nbformat.v4 import new_code_cell, new_notebook  # noqa: E402

from kernel import DEPENDENCY, NOTEBOOKS, ROOT, Kernel  # noqa: E402
from notebook import execute, faults, outline, read, sentinel  # noqa: E402

WRITE = "--write" in sys.argv
STEMS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


class Server:
    """The S3 server of the tests, with data-sample in a bucket."""

    def __init__(self, work):
        keys = ["--access-key", "test", "--secret-key", "test-only"]
        command = [target() / "s3-server", "--data", work, *keys, "--exit-with-stdin"]
        command += ["--seed", f"photos/sample/={ROOT / 'data-sample'}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.env = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-only", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Notebooks(unittest.TestCase):
    """Each notebook on data-sample, one after the other, with an empty cache that the later ones find filled."""

    @classmethod
    def setUpClass(cls):
        work = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="fruits-notebooks-"))
        server = cls.enterClassContext(Server(f"{work}/objects"))
        cls.out = Path(work) / "reports"
        cls.env = {
            **{k: v for k, v in os.environ.items() if not (k.startswith("AWS_") or k in ("FRUITS_INPUT", "FRUITS_OUT", "FRUITS_COPY"))},
            **server.env, "XDG_CACHE_HOME": f"{work}/cache", "FRUITS_OUT": str(cls.out / "notebook"),
            "FRUITS_COPY": "s3://photos/sample", "TMPDIR": work,
        }

    def test_notebooks(self):
        self.assertEqual(len(STEMS), 4)
        for stem in STEMS:
            with self.subTest(notebook=stem):
                path = NOTEBOOKS / f"{stem}.ipynb"
                committed = read(path)
                executed = execute(copy.deepcopy(committed), self.env)
                self.assertEqual(faults(executed, stem), [])
                if WRITE:
                    nbformat.write(executed, path)
                else:
                    self.assertEqual(outline(executed), outline(committed), "its outputs are stale: make notebooks")
                print(f"{stem}: {len(executed.cells)} cells as committed", file=sys.stderr)
        self.digests_are_those_of_report()

    def digests_are_those_of_report(self):
        """04 in a folder and from a bucket, against `report`, which computes all descriptors again."""
        out, program = self.out / "report", KernelSpecManager().get_kernel_spec("rust").env["FRUITS_REPORT"]
        command = [program, "--input", ROOT / "data-sample", "--components", "32", "--out", out, "--quiet"]
        subprocess.run([*command, "--no-cache"], check=True, env=self.env, stdout=subprocess.DEVNULL)
        for name in ("notebook", "notebook-from-bucket"):
            for file in ("embeddings.parquet", "pca.parquet", "rejected.csv"):
                with self.subTest(folder=name, file=file):
                    self.assertEqual((self.out / name / file).read_bytes(), (out / file).read_bytes())
        # The record, too, but for who set a parameter and how the run was called, and for outputs' names of it.
        mine, theirs = (json.loads((self.out / name / "run.json").read_text()) for name in ("notebook", "report"))
        self.assertEqual(mine["images"]["accepted"], 180)
        self.assertEqual(mine["provenance"]["command"], "report --input=../data-sample --components=32")
        values = {p["name"]: p["value"] for p in theirs["parameters"]}
        for parameter in mine["parameters"]:
            if parameter["name"] != "input":
                self.assertEqual(parameter["value"], values[parameter["name"]], parameter)
        for record in (mine, theirs):
            del record["parameters"], record["provenance"]["command"], record["source"]["name"]
        self.assertEqual(mine, theirs)


class BrokenNotebooks(unittest.TestCase):
    """That the check above can fail: one notebook for each way to break."""

    def broken(self, *cells):
        notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
        return "\n".join(faults(execute(notebook, dict(os.environ), timeout_s=60), "broken"))

    def test_every_way_to_break_is_noticed(self):
        end = f'println!("{sentinel("broken")}");'
        ways = {
            "": [end],
            "panicked: ": ['panic!("on purpose");', end],
            "printed an error: invalid digit": ['let n: u32 = "x".parse::<u32>()?;', end],
            "cell 1 failed: cannot find value": ["nothing", end],
            "the last cell did not print": ["let n = 1;"],
        }
        for expected, cells in ways.items():
            with self.subTest(way=expected):
                found = self.broken(*cells)
                self.assertIn(expected, found)
                self.assertEqual(expected == "", found == "", found)


class OneKernel(unittest.TestCase):
    """A sentence that says what to do, and the next cell works: all in one kernel, since a new one takes 15 s."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = cls.enterClassContext(Kernel())
        cls.kernel.run(DEPENDENCY)

    def setUp(self):
        first = self.kernel.run("let source: Source = input()?;")
        self.assertEqual((first.status, first.said), ("ok", ""))

    def assert_goes_on(self, kernel):
        cell = kernel.run('println!("goes on");')
        self.assertEqual((cell.status, cell.stdout), ("ok", "goes on\n"))

    def test_wrong_rust_and_wrong_folders(self):
        kernel = self.kernel
        kernel.run('unsafe { std::env::set_var("FRUITS_RUNTIME", "/nowhere") };')
        wrong = kernel.run("let found: Loaded = laod(&source);")
        self.assertEqual(wrong.status, "error")
        self.assertIn("cannot find function `laod`", wrong.said)
        self.assert_goes_on(kernel)
        sentences = {
            'open("no/such/folder")?': "there is no folder `no/such/folder`; name one",
            'open("s3:bucket")?': "a bucket is written s3://bucket/prefix",
            "vgg16()?": "cannot read the model `/nowhere/vgg16-notop.onnx`; run `make setup`",
            "load(&source, &LoadParams { limit: Some(0), ..LoadParams::default() })?": "limit must be at least 1, not 0",
            "class_bars(&DataFrame::empty())?": "column `label`: expected strings",
            "fit_pca(&DataFrame::empty(), &PcaParams::default())?": "column `features`: expected descriptors, found none: run `describe`",
        }
        for code, sentence in sentences.items():
            with self.subTest(code=code):
                cell = kernel.run(code)
                self.assertIn(sentence, cell.stderr)
                self.assertEqual(len(cell.stderr.splitlines()), 1, cell.stderr)
                self.assert_goes_on(kernel)
        # Nothing that was there before is lost.
        self.assertIn("data-sample", kernel.run("source").data["text/plain"])
        kernel.run('unsafe { std::env::remove_var("FRUITS_RUNTIME") };')

    def test_hostile_text_stays_text(self):
        code = 'DataFrame::new(1, vec![Column::new("<script>".into(), ["a\\nEVCXR_END_CONTENT\\n</table>"])])?'
        cell = self.kernel.run(code)
        self.assertEqual(set(cell.data), {"text/plain", "text/html"}, cell.said)
        self.assertNotIn("<script>", cell.data["text/html"])
        self.assertIn("&lt;/table&gt;", cell.data["text/html"])
        self.assertEqual(cell.stdout, "")

    def test_an_interrupt_ends_the_step_and_keeps_the_variables(self):
        kernel = self.kernel
        with tempfile.TemporaryDirectory() as cache:
            kernel.run(f'unsafe {{ std::env::set_var("XDG_CACHE_HOME", "{cache}") }};')
            cell = kernel.run("let all: Described = describe(&source, &LoadParams::default())?;", interrupt_after=["features: "])
            self.assertIn("describe was interrupted: the shards of 128 images that were complete are kept", cell.stderr)
            self.assertIn("run the cell again", cell.stderr)
            self.assertIn("data-sample", kernel.run("source").data["text/plain"])
            few = kernel.run("let few: Described = describe(&source, &LoadParams { limit: Some(8), ..LoadParams::default() })?;")
            self.assertIn("gather: 8 descriptors", few.stdout)

    def test_an_interrupt_of_other_work_asks_once_and_of_none_does_nothing(self):
        kernel = self.kernel
        kernel.manager.interrupt_kernel()  # No cell runs.
        self.assertIn("data-sample", kernel.run("source").data["text/plain"])
        waits = 'println!("waits"); std::thread::sleep(std::time::Duration::from_secs(3));'
        cell = kernel.run(waits, timeout_s=60, interrupt_after=["waits"])
        self.assertIn("interrupt again within 5 s to end the process behind this notebook", cell.stderr)
        self.assertIn("data-sample", kernel.run("source").data["text/plain"])
        time.sleep(6)  # That interrupt is forgotten.
        endless = 'println!("waits"); loop { std::thread::sleep(std::time::Duration::from_millis(50)); }'
        cell = kernel.run(endless, timeout_s=60, interrupt_after=["waits", "interrupt again"])
        self.assertIn("interrupted: the process behind this notebook was ended", cell.stderr)
        self.assertEqual(kernel.run("let source: Source = input()?;\nsource").status, "ok")

    def test_an_interrupt_of_pca_keeps_the_variables(self):
        kernel = self.kernel
        # 400 images of noise take many passes.
        noise = """let values: Vec<f32> = (0..400u32 * 25_088).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32).collect();
            let noise: DataFrame = DataFrame::new(400, vec![
                fruits::matrix::Matrix::new(400, 25_088, values)?.into_arrays("features")?])?;"""
        self.assertEqual(kernel.run(noise).said, "")
        fit = 'println!("fits"); for _ in 0..1000 { fit_pca(&noise, &PcaParams::default())?; }'
        cell = kernel.run(fit, timeout_s=120, interrupt_after=["fits"])
        self.assertIn("fit_pca was interrupted: this cell made nothing", cell.stderr)
        self.assertIn("400 rows", kernel.run("noise").data["text/html"])

    def test_without_the_shared_library(self):
        kernel = self.kernel
        with tempfile.TemporaryDirectory() as runtime:
            data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
            real = Path(os.environ.get("FRUITS_RUNTIME") or data / "fruits/runtime")
            (Path(runtime) / "vgg16-notop.onnx").symlink_to(real.absolute() / "vgg16-notop.onnx")
            kernel.run(f'unsafe {{ std::env::set_var("FRUITS_RUNTIME", "{runtime}") }};')
            cell = kernel.run("vgg16()?")
            self.assertIn(f"ONNX Runtime is not at `{runtime}/lib/libonnxruntime.so`; run `make setup`", cell.stderr)
            self.assert_goes_on(kernel)
        kernel.run('unsafe { std::env::remove_var("FRUITS_RUNTIME") };')


class WithoutParts(unittest.TestCase):
    """What a kernel says that lacks a part."""

    def test_without_the_library(self):
        with Kernel() as kernel:
            cell = kernel.run(f":build_env FRUITS_LIBRARY=/nowhere\n{DEPENDENCY}")
            self.assertIn("the library `fruits` is not in `/nowhere`; run `make notebook` again and restart the kernel", cell.said)
            goes_on = kernel.run('println!("goes on");')
            self.assertEqual((goes_on.status, goes_on.stdout), ("ok", "goes on\n"))

    def test_without_the_kernel(self):
        start = KernelSpecManager().get_kernel_spec("rust").argv[0]
        for library, kernel, sentence in [
            ("/nowhere", "/bin/true", "there is no library at `/nowhere`: run `make notebook` again"),
            ("/nowhere", "/nowhere/evcxr", "there is no evcxr at `/nowhere/evcxr`: run `make notebook` again"),
        ]:
            with self.subTest(kernel=kernel):
                done = subprocess.run([start, kernel, "connection.json"], env={**os.environ, "FRUITS_LIBRARY": library},
                                      capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (1, f"kernel: {sentence}\n"))


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--write"], verbosity=2, warnings="ignore")
