"""A kept network in the forms that other tools read, each checked against the original."""

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from cgap_bench.errors import RunError, UsageError
from cgap_bench.export.kept import Inputs, example_of
from cgap_bench.record.files import write_file
from cgap_bench.record.record import Record

HOW = "ONNX needs the extra `onnx`: pip install 'cgap-cl[onnx]'"
TOLERANCE = 1e-4  # of logits, absolute: float32 in another order of additions
N_CHECKED = 3  # images; more than one, so that the size of the batch is seen to be free


def write_onnx(program: ExportedProgram, inputs: Inputs, path: Path) -> float:
    """ONNX, run in onnxruntime and compared.

    Returns:
        The largest difference of a logit.

    Raises:
        UsageError: The packages of the extra ``onnx`` are missing.
        RunError: The file computes something else.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch exports with it
    except ImportError as error:
        raise UsageError(f"{HOW} ({error})") from error
    with _quiet():
        made = torch.onnx.export(program, dynamo=True)
        assert made is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _compared(program, inputs, path, lambda x: session.run(None, {name: x})[0])


def onnx_of(network: nn.Module, image: Tensor) -> Any:
    """A network as ONNX for batches of one, in memory."""
    with _quiet():
        made = torch.onnx.export(network, (image,), dynamo=True)
    assert made is not None
    return made.model_proto


def write_program(program: ExportedProgram, inputs: Inputs, path: Path) -> float:
    """A file of `torch.export`, read again and compared; as `write_onnx`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)
    read = torch.export.load(path).module()
    return _compared(program, inputs, path, lambda x: read(torch.from_numpy(x)).numpy())


def write_shapes(record: Record, task: int, path: Path) -> None:
    """Its layers as the cost model reads them: ``cgap-cl cost FILE`` prices them."""
    layers = record.networks[record.subnetworks[-1][task - 1]]
    write_file(path, json.dumps(layers, indent=1) + "\n")


def _compared(
    program: ExportedProgram,
    inputs: Inputs,
    path: Path,
    run: Callable[[np.ndarray], np.ndarray],
) -> float:
    x = example_of(inputs, N_CHECKED)
    with torch.no_grad():
        wanted = program.module()(x).numpy()
        got = run(x.numpy())
    worst = float(np.abs(wanted - got).max())
    if not worst <= TOLERANCE:
        raise RunError(f"{path} differs from the network by {worst:.3g} in a logit")
    return worst


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Torch tells each step of its export, and warns of its own deprecations."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FORMATS: Mapping[str, str] = {
    "onnx": "ONNX, checked in onnxruntime",
    "pt2": "torch.export, checked after reading it again",
    "hls4ml": "project of C++ for synthesis, its emulation checked",
    "qonnx": "QONNX for FINN, checked in the package qonnx",
    "shapes": "JSON of the layers' shapes, for `cgap-cl cost`",
}
