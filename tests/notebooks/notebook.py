"""A notebook executed from top to bottom, and what is wrong with what came out."""

import queue
import re

import nbformat
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient

from kernel import LATE_S, NOTEBOOKS


def execute(notebook, env, timeout_s=600):
    """Executes `notebook` in place, with what the kernel needs in its environment."""

    async def take_late(cell, cell_index, execute_reply):
        # Standard error goes its own way through evcxr; the client drops what comes after a cell's end.
        while True:
            try:
                message = await ensure_async(client.kc.iopub_channel.get_msg(timeout=LATE_S))
            except queue.Empty:
                return
            if message["msg_type"] == "stream":
                client.process_message(message, cell, cell_index)

    client = NotebookClient(
        notebook, timeout=timeout_s, startup_timeout=120, kernel_name="rust", allow_errors=True, record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}}, on_cell_executed=take_late,
    )
    client.execute(env=env)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _merge(cell.outputs)
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = cell.execution_count  # evcxr counts one more
    return notebook


def _merge(outputs):
    """Lines of one stream as one output, as Jupyter saves them."""
    for output in outputs:
        if output.output_type == "stream":
            output.text = "".join(output.text)
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def sentinel(stem):
    """What the last cell must print: evcxr goes on after a cell that failed, so that reaching the end says nothing."""
    return f"complete: {stem}"


def faults(notebook, stem):
    """One sentence for each cell that failed in any of the ways that a Rust notebook can fail, most of them silent."""
    found = []
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, 1):
        for output in cell.outputs:
            text = output.get("text", "")
            if output.output_type == "error":
                found.append(f"cell {number} failed: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr" and "panicked at" in text:
                found.append(f"cell {number} panicked: {text}")
            elif output.output_type == "stream" and output.name == "stderr" and text.strip():
                found.append(f"cell {number} printed an error: {text}")
    last = "".join(o.get("text", "") for o in cells[-1].outputs if o.get("name") == "stdout") if cells else ""
    if sentinel(stem) not in last:
        found.append(f"the last cell did not print `{sentinel(stem)}`")
    return found


def outline(notebook):
    """What does not change between machines: the kind of each output, and its words without numbers."""
    lines = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        lines.append(cell.source)
        for output in cell.outputs:
            if output.output_type == "stream":
                lines.append(f"{output.name}: {_words(output.text)}")
            else:
                data = output.get("data", {})
                lines.append(f"{sorted(data)}: {_words(data.get('text/plain', ''))}")
    return lines


def _words(text):
    # Progress comes and goes with the speed of the machine; so do f32 and bf16, and what is in the cache.
    kept = [line for line in text.splitlines() if not re.match(r"\w+: \d+/\d+", line)]
    kept = [re.sub(r"\b(f32|bf16)\b", "precision", line) for line in kept]
    return "\n".join(re.sub(r"[-+]?\d[\d,.]*(e[-+]?\d+)?", "#", line) for line in kept if "─" not in line and "│" not in line)


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook
