"""A network in QONNX: ONNX whose weights and maps pass through `Quant`, as FINN reads it."""

from __future__ import annotations

import copy
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
from cgap_bench.export.formats import onnx_of
from cgap_bench.export.plain import plain

HOW = "QONNX needs the extra `qonnx`: pip install 'cgap-cl[qonnx]'"
DOMAIN = "qonnx.custom_op.general"
WITH_WEIGHTS = {"Conv", "Gemm", "MatMul", "BatchNormalization"}


def write_qonnx(network: nn.Module, images: Tensor, path: Path, bits: int = 16) -> Emulation:
    """Write a network as QONNX, run it in qonnx and compare the answers.

    Args:
        network: A task's subnetwork, or any module of torch's layers.
        images: ``(N, ...)``, that the words must hold and the file is tried on, one by one.
        path: Of the file.
        bits: Of a word of weights and maps.

    Raises:
        UsageError: The package is missing, an operation is not supported, or the file does
            not compute the network.
    """
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.util.cleanup import cleanup_model
    except ImportError as error:
        raise UsageError(f"{HOW} ({error})") from error
    graph = plain(network, images)
    words = words_for(graph, images, bits)
    model = _in_quants(rounded(graph, words).float(), words, images[:1])
    cleaned = cleanup_model(ModelWrapper(model))
    name = cleaned.graph.input[0].name
    answers = [
        next(iter(execute_onnx(cleaned, {name: image.numpy()}).values()))
        for image in images.cpu().split(1)
    ]
    found = compared(graph, words, images, torch.from_numpy(np.concatenate(answers)), path)
    path.parent.mkdir(parents=True, exist_ok=True)
    cleaned.save(str(path))
    return found


def _in_quants(graph: fx.GraphModule, words: FixedPoint, image: Tensor) -> Any:
    """The graph as ONNX with a `Quant` behind its input, every map and every weight."""
    from onnx import TensorProto, helper, shape_inference

    model = shape_inference.infer_shapes(onnx_of(graph, image.cpu()))
    body = model.graph
    settings = {"step": words.step, "zero": 0.0, "bits": float(words.bits)}
    constants = {tensor.name for tensor in body.initializer}
    body.initializer.extend(
        helper.make_tensor(f"words.{name}", TensorProto.FLOAT, (), [value])
        for name, value in settings.items()
    )

    read = {n for node in body.node if node.op_type in WITH_WEIGHTS for n in node.input[1:]}
    given = sorted(read & constants) + [value.name for value in body.input]
    nodes = [_quant(name, f"{name}.word") for name in given]
    known = (*body.value_info, *body.output)
    maps = {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    for node in body.node:
        names = [f"{name}.word" if name in given else name for name in node.input]
        written = [f"{name}.exact" if name in maps else name for name in node.output]
        nodes += [_renamed(node, names, written)]
        nodes += [_quant(f"{name}.exact", name) for name in node.output if name in maps]

    del body.node[:], body.value_info[:]
    body.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return model


def _quant(read: str, written: str) -> Any:
    """Rounds down to words, as `FixedPoint.floor`."""
    from onnx import helper

    return helper.make_node(
        "Quant",
        [read, "words.step", "words.zero", "words.bits"],
        [written],
        domain=DOMAIN,
        name=f"quant {read}",
        signed=1,
        narrow=0,
        rounding_mode="FLOOR",
    )


def _renamed(node: Any, inputs: list[str], outputs: list[str]) -> Any:
    other = copy.deepcopy(node)
    del other.input[:], other.output[:]
    other.input.extend(inputs)
    other.output.extend(outputs)
    return other
