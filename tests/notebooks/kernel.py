"""The Rust kernel that `make notebook` installs, cell by cell, through Jupyter's own client."""

import os
import queue
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
DEPENDENCY = ':dep fruits-notebook = { path = "fruits" }\nuse fruits::notebook::*;'

# This environment's kernel, not one of the same name that the user has.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"

# How long nothing must come after a cell's end.
LATE_S = 0.5


@dataclass
class Cell:
    """What a cell did."""

    code: str
    status: str = ""  # "ok" or "error", as the kernel says
    stdout: str = ""
    stderr: str = ""
    error: str = ""
    data: dict = field(default_factory=dict)  # MIME type: content
    elapsed_s: float = 0.0

    @property
    def said(self):
        """Everything a person reads when something went wrong."""
        return self.stderr + self.error


class Kernel:
    """A kernel of its own, with folders of its own unless `env` says otherwise."""

    def __init__(self, env=None, cwd=NOTEBOOKS, name="rust"):
        self.work = tempfile.mkdtemp(prefix="fruits-test-")
        os.environ["JUPYTER_RUNTIME_DIR"] = self.work
        began = time.monotonic()
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(cwd=str(cwd), env={**os.environ, "TMPDIR": self.work, **(env or {})})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.ready_s = time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        self.manager.cleanup_resources()
        shutil.rmtree(self.work, ignore_errors=True)

    def run(self, code, timeout_s=300, interrupt_after=()):
        """Runs a cell; interrupts it as Jupyter does each time the next text of `interrupt_after` was printed."""
        cell = Cell(code)
        waiting = list(interrupt_after)
        began = time.monotonic()
        message = self.client.execute(code)
        ended = False
        while True:
            # Standard error goes its own way through evcxr and may come after the cell's end.
            left = timeout_s - (time.monotonic() - began) if not ended else LATE_S
            try:
                answer = self.client.get_iopub_msg(timeout=max(left, 0))
            except queue.Empty:
                if ended:
                    return cell
                raise AssertionError(f"no end after {timeout_s} s of:\n{code}\n{cell.stdout}{cell.said}") from None
            if answer["parent_header"].get("msg_id") != message:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream":
                setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
            elif kind in ("execute_result", "display_data"):
                cell.data.update(content["data"])
            elif kind == "error":
                cell.error += content["evalue"] + "\n" + "\n".join(content["traceback"]) + "\n"
            elif kind == "status" and content["execution_state"] == "idle":
                ended, cell.elapsed_s, cell.status = True, time.monotonic() - began, self._status(message)
            if waiting and waiting[0] in cell.stdout + cell.stderr:
                waiting.pop(0)
                threading.Thread(target=self.manager.interrupt_kernel).start()

    def _status(self, message):
        while True:
            reply = self.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"]["status"]
