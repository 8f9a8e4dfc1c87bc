"""What `cgap-cl export` does: a kept network out, in the forms that other tools read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.export import formats
from cgap_bench.export.fixed_point import Emulation
from cgap_bench.export.hls4ml_project import write_hls4ml
from cgap_bench.export.kept import Inputs, load_images, load_network
from cgap_bench.export.qonnx_file import write_qonnx
from cgap_bench.record.files import write_file
from cgap_bench.record.store import read_record

BITS = 16  # of a fixed-point word, where the user does not say
IN_WORDS: Mapping[str, Callable[..., Emulation]] = {
    "hls4ml": write_hls4ml,
    "qonnx": write_qonnx,
}


def export_text(record: Path, task: int, to: str, out: Path, bits: int | None = None) -> str:
    """Write a task's network in each format asked for; a line each.

    Args:
        record: Of the run that it is from.
        task: Counted from 1.
        to: Names of `formats.FORMATS`, with commas.
        out: Folder for the files.
        bits: Of a fixed-point word, for the formats of `IN_WORDS`; None: `BITS`.

    Raises:
        UsageError: A format is unknown, the network was not kept, or a package is missing.
    """
    names = [name.strip() for name in to.split(",") if name.strip()]
    for name in names:
        if name not in formats.FORMATS:
            raise UnknownNameError("format", name, formats.FORMATS)
    if bits is not None and not set(names) & set(IN_WORDS):
        raise UsageError(f"--bits is for {' and '.join(IN_WORDS)}; {to} is in float32")
    if not names:
        raise UsageError(f"--to names no format; there are: {', '.join(formats.FORMATS)}")
    found = read_record(record)
    stem = f"{found.run_id}-task-{task}"
    lines = []
    for name in names:
        if name == "shapes":
            path = out / f"{stem}.json"
            formats.write_shapes(found, task, path)
            lines.append(f"{path}")
        elif name in IN_WORDS:
            lines.append(_in_words(name, record, task, out / f"{stem}", bits or BITS))
        else:
            lines.append(_in_floats(name, record, task, out / f"{stem}.{name}"))
    return "\n".join(lines)


def _in_floats(name: str, record: Path, task: int, path: Path) -> str:
    program, inputs = load_network(record, task)
    write = formats.write_onnx if name == "onnx" else formats.write_program
    worst = write(program, inputs, path)
    beside = _beside(path.with_suffix(""), inputs)
    return f"{path}  (largest difference of a logit {worst:.2g}; it reads what {beside} says)"


def _in_words(name: str, record: Path, task: int, stem: Path, bits: int) -> str:
    from cgap_bench.export.operations import layers_of

    program, inputs = load_network(record, task)
    images, layers = load_images(record, task), layers_of(program)
    found = IN_WORDS[name](layers, images, Path(f"{stem}.{name}"), bits)
    words, beside = found.words, _beside(stem, inputs)
    return (
        f"{found.path}  (ap_fixed<{words.bits},{words.integer}>; on {found.n_images} images"
        f" of the task within {found.conversion_error:.2g} of the network in these words,"
        f" {found.rounding_error:.2g} of the network; it reads what {beside} says)"
    )


def _beside(stem: Path, inputs: Inputs) -> Path:
    """Writes what a network reads."""
    path = Path(f"{stem}.inputs.json")
    write_file(path, json.dumps(asdict(inputs), indent=1) + "\n")
    return path
