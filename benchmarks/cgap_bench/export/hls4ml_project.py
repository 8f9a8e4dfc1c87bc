"""A network as an hls4ml project: C++ for high-level synthesis, checked by emulating it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from cgap_bench.errors import UsageError
from cgap_bench.export.fixed_point import (
    Emulation,
    FixedPoint,
    compared,
    rounded,
    words_for,
)
from cgap_bench.export.plain import plain

HOW = "hls4ml is missing: pip install 'cgap-cl[hls4ml]'"
BACKENDS = ("Vitis", "Vivado", "Catapult", "oneAPI")


def write_hls4ml(
    network: nn.Module, images: Tensor, folder: Path, bits: int = 16, backend: str = "Vitis"
) -> Emulation:
    """Write a network as an hls4ml project, compile its C++ and compare the answers.

    Needs hls4ml and a C++ compiler, no vendor's tool; synthesis is up to the vendor's.

    Args:
        network: A task's subnetwork, or any module of torch's layers.
        images: ``(N, ...)``, that the words must hold and the emulation is tried on.
        folder: Of the project; must be empty or new.
        bits: Of a word of weights and maps.
        backend: hls4ml's name of the tool that is to synthesise it.

    Raises:
        UsageError: Something is missing, not supported, or the emulation does not compute
            the network.
    """
    _check(folder, backend)
    graph = plain(network, images)
    words = words_for(graph, images, bits)
    with _quiet() as said:
        try:
            emulated = _emulated(rounded(graph, words).float(), words, images, folder, backend)
        except Exception as error:  # hls4ml raises nothing more special
            tail = said.getvalue().strip()[-400:] if "compile" in str(error) else ""
            shutil.rmtree(folder, ignore_errors=True)
            raise UsageError(f"hls4ml: {error}{tail and ': '}{tail}") from error

    return compared(graph, words, images, emulated, folder)


def _check(folder: Path, backend: str) -> None:
    if importlib.util.find_spec("hls4ml") is None:
        raise UsageError(HOW)
    if shutil.which("g++") is None:
        raise UsageError("the emulation needs g++, which is not on the path")
    if backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; there are: {', '.join(BACKENDS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder")


@contextlib.contextmanager
def _quiet() -> Any:
    """hls4ml prints every layer and leans on deprecated names; what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield said


def _emulated(
    graph: fx.GraphModule, words: FixedPoint, images: Tensor, folder: Path, backend: str
) -> Tensor:
    """Writes and compiles the project; its answers, ``(N, classes)``."""
    import hls4ml

    precision = f"fixed<{words.bits},{words.integer}>"
    size = tuple(images.shape[1:])
    settings = hls4ml.utils.config_from_pytorch_model(
        graph, size, granularity="name", backend=backend, default_precision=precision
    )
    # Left to itself hls4ml gives maps every bit that a product can have.
    for layer in settings["LayerName"].values():
        layer["Precision"]["result"] = precision

    model = hls4ml.converters.convert_from_pytorch_model(
        graph,
        hls_config=settings,
        output_dir=str(folder),
        backend=backend,
        io_type="io_stream" if len(size) == 3 else "io_parallel",
    )
    model.compile()
    rows = images.cpu().permute(0, 2, 3, 1) if len(size) == 3 else images.cpu()
    answers = model.predict(np.ascontiguousarray(rows.numpy()))
    return torch.from_numpy(np.asarray(answers)).reshape(len(images), -1)
