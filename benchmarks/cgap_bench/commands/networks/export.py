"""What `cgap-cl export` does: a kept network out, in the forms that other tools read."""

import json
from dataclasses import asdict
from pathlib import Path

from cgap_bench.errors import UnknownNameError
from cgap_bench.export import formats
from cgap_bench.export.kept import load_network
from cgap_bench.record.files import write_file
from cgap_bench.record.record import Record
from cgap_bench.record.store import read_record


def export_text(record: Path, task: int, to: str, out: Path) -> str:
    """Write a task's network in each format asked for; a line each.

    Args:
        record: Of the run that it is from.
        task: Counted from 1.
        to: Names of `formats.FORMATS`, with commas.
        out: Folder for the files.

    Raises:
        UsageError: A format is unknown, the network was not kept, or a package is missing.
    """
    names = [name.strip() for name in to.split(",") if name.strip()]
    for name in names:
        if name not in formats.FORMATS:
            raise UnknownNameError("format", name, formats.FORMATS)
    found = read_record(record)
    out.mkdir(parents=True, exist_ok=True)
    return "\n".join(_write(name, record, found, task, out) for name in names)


def _write(name: str, record: Path, found: Record, task: int, out: Path) -> str:
    stem = f"{found.run_id}-task-{task}"
    if name == "shapes":
        path = out / f"{stem}.json"
        formats.write_shapes(found, task, path)
        return f"{path}"

    program, inputs = load_network(record, task)
    path = out / f"{stem}.{name}"
    write = formats.write_onnx if name == "onnx" else formats.write_program
    worst = write(program, inputs, path)
    beside = out / f"{stem}.inputs.json"
    write_file(beside, json.dumps(asdict(inputs), indent=1) + "\n")
    return f"{path}  (largest difference of a logit {worst:.2g}; it reads what {beside} says)"
