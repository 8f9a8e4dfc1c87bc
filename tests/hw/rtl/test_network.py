"""The demo's CGaP subnetwork, in 8 bits, runs through the array that `cgap-cl cost` prices."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cgap_bench.cli import main
from cgap_bench.learn.batches import BatchSource, TensorLoader
from cgap_bench.learn.dataset import data_root
from cgap_bench.run.experiences import Run
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.shapes.tracing import layer_shapes
from cgap_hw import LayerShape, load_board, network_cost, write_shapes
from cgap_hw.boards.catalogue import load_array
from rtl.comparison import TOLERANCE, design_of, shape_of, tiles_of
from rtl.layers import Conv, Tensors, reference
from rtl.simulator import HOW, Job, available, run_layers

pytestmark = pytest.mark.skipif(not available(), reason=HOW)

BOARD, ARRAY = "pynq-z2", "rtl-4x4x4"
TASK = 1
N_DIGITS = 20


@pytest.fixture(scope="module")
def learnt():
    """The subnetwork of the demo's second experience, and its test images."""
    config = resolve(*load_recipe("split-digits"), None).config("cgap", 0)
    run = Run(config, data_root())
    while run.next_experience <= TASK:
        run.step()
    assert run.results.accuracy[TASK][TASK] > 0.9
    stream = run.context.stream
    source = BatchSource(stream.test, config.training.augment, torch.Generator())
    dataset = stream.benchmark.test_stream[TASK].dataset
    x, y, _ = next(iter(TensorLoader(dataset, source, 64, train=False)))
    return run.learner.network_for(TASK).eval(), x, y


class Stage:
    """Dense operations side by side on one input, batch norm folded, to 8-bit integers."""

    def __init__(self, module, norm, relu, x, y):
        ops = list(module.ops) if hasattr(module, "ops") else [module]
        self.reads = (
            [
                list(range(*(s[0], s[0] + s[1])))
                if s
                else getattr(module, f"index{i}").tolist()
                for i, s in enumerate(module.spans)
            ]
            if hasattr(module, "ops")
            else [list(range(x.shape[1]))]
        )
        order = getattr(module, "order", None)
        n = sum(op.weight.shape[0] for op in ops)
        self.order = list(range(n)) if order is None else order.tolist()
        gain, offset = torch.ones(n), torch.zeros(n)
        if norm is not None:
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            offset = norm.bias - norm.running_mean * gain
        place = np.argsort(self.order)  # position of each computed channel after ordering
        self.x_digits, self.y_digits, self.relu = digits(x), digits(y), relu
        self.ops, start = [], 0
        for op in ops:
            where = place[start : start + op.weight.shape[0]]
            start += op.weight.shape[0]
            bias = torch.zeros(len(where)) if op.bias is None else op.bias
            self.ops.append(self.quantise(op, gain[where], offset[where], bias))

    def quantise(self, op, gain, offset, bias):
        """Weights to 8 bits with a power of two per channel; biases in units of the sum."""
        weight = (op.weight * gain.view(-1, *[1] * (op.weight.dim() - 1))).flatten(1).numpy()
        peak = np.maximum(np.abs(weight).max(1), 1e-6)
        spare = np.floor(np.log2(127 / peak)).astype(int)
        spare = np.clip(spare, self.y_digits - self.x_digits, 20)
        integers = np.clip(np.rint(weight * 2.0 ** spare[:, None]), -128, 127).astype(np.int64)
        scale = 2.0 ** (spare + self.x_digits)
        biases = np.rint((bias * gain + offset).numpy() * scale).astype(np.int64)
        return op, integers, biases, (spare + self.x_digits - self.y_digits).astype(np.int64)

    def layers(self, pixels):
        """Sizes and operands of each operation, for one image: (channels, rows, columns)."""
        for (op, weights, bias, shift), reads in zip(self.ops, self.reads, strict=True):
            part = pixels[reads]
            if isinstance(op, nn.Linear):
                layer = Conv.linear(part.size, len(weights))
                part = part.reshape(1, 1, -1)
            else:
                sizes = (*op.kernel_size, *op.stride, *op.padding)
                layer = Conv(part.shape[0], len(weights), *part.shape[1:], *sizes)
            shape = (layer.n_out, layer.if_g, layer.k_h, layer.k_w)
            yield layer, Tensors(part, weights.reshape(shape), bias, shift, self.relu)


def digits(values):
    """Binary digits behind the point that keep the largest value within 8 bits."""
    return int(np.floor(np.log2(127 / float(values.abs().max()))))


def stages(network, x):
    """Stages and pools of a chain; calibrated on a batch."""
    modules, found = list(network.children()), []
    for number, module in enumerate(modules):
        if hasattr(module, "ops") or isinstance(module, (nn.Conv2d, nn.Linear)):
            y, rest = module(x), modules[number + 1 : number + 3]
            norm = next((m for m in rest[:1] if isinstance(m, nn.BatchNorm2d)), None)
            y = y if norm is None else norm(y)
            relu = any(isinstance(m, nn.ReLU) for m in (rest[1:] if norm else rest[:1]))
            found.append(Stage(module, norm, relu, x, y.relu() if relu else y))
        elif isinstance(module, nn.MaxPool2d):
            found.append(module)
        x = module(x)
    for before, after in pairwise(found):
        assert (
            not isinstance(after, Stage)
            or not isinstance(before, Stage)
            or (before.y_digits == after.x_digits)
        )
    return found


def forward(chain, images, execute):
    """Results of every image; ``execute`` runs the layers of a stage, a list an image."""
    pixels = [np.rint(image.numpy() * 2.0 ** chain[0].x_digits) for image in images]
    pixels = [np.clip(image, -128, 127).astype(np.int64) for image in pixels]
    for stage in chain:
        if isinstance(stage, Stage):
            if isinstance(stage.ops[0][0], nn.Linear):
                pixels = [image.reshape(-1, 1, 1) for image in pixels]
            results = execute([list(stage.layers(image)) for image in pixels])
            pixels = [joined(stage, parts) for parts in results]
        else:
            pooled = stage(torch.tensor(np.stack(pixels)).float())
            pixels = list(pooled.long().numpy())
    return np.stack([image.ravel() for image in pixels])


def joined(stage, parts):
    """Channels of the operations of a stage, in the order in which they are read."""
    flat = [r.reshape(-1, 1, 1) if r.shape[1:] == (1, 1) else r for r in parts]
    return np.concatenate(flat)[stage.order]


def in_integers(stage):
    return [[reference(layer, operands) for layer, operands in image] for image in stage]


class Simulated:
    """Runs the stages on the simulated array, with the tiles and the memory of the price."""

    def __init__(self, cost, folder):
        self.design = design_of(cost.array, cost.bits)
        self.rate = load_board(BOARD).dram.bytes_per_ns * 1e3 / cost.array.clock_mhz
        self.latency = cost.array.controller.latency_cycles
        self.tiles, self.folder = iter(tiles_of(cost)), folder
        self.layers, self.outcomes = [], []

    def __call__(self, stage):
        tiles = [next(self.tiles) for _ in stage[0]]
        jobs = [
            Job(layer, operands, one, self.latency, self.rate)
            for image in stage
            for (layer, operands), one in zip(image, tiles, strict=True)
        ]
        outcomes = run_layers(jobs, self.design, self.folder / "run", self.folder)
        n = len(tiles)
        by_image = [outcomes[i : i + n] for i in range(0, len(outcomes), n)]
        self.layers += [layer for layer, _ in stage[0]]
        self.outcomes += [list(one) for one in zip(*by_image, strict=True)]
        return [[outcome.output for outcome in image] for image in by_image]


def priced(shapes, folder):
    """What `cgap-cl cost` prints for the layers that the array runs."""
    write_shapes(shapes, folder / "subnetwork.json")
    command = ["cost", str(folder / "subnetwork.json"), "--board", BOARD, "--array", ARRAY]
    result = CliRunner().invoke(main, [*command, "--json"])
    assert result.exit_code == 0, result.output
    layers = json.loads(result.output)["networks"]["subnetwork"]["layers"]
    return [layer for layer in layers if layer["kind"] in ("conv", "linear", "depthwise")]


def test_twenty_digits_run_through_the_array_that_is_priced(learnt, tmp_path):
    network, x, _ = learnt
    chain, images = stages(network, x), x[:N_DIGITS]
    shapes = [LayerShape(**layer) for layer in layer_shapes(network, x[:1])]
    cost = network_cost(shapes, load_board(BOARD), load_array(ARRAY))
    simulated = Simulated(cost, tmp_path)
    results = forward(chain, images, simulated)
    np.testing.assert_array_equal(results, forward(chain, images, in_integers))
    printed = priced(shapes, tmp_path)
    same_layers([shape for shape in shapes if shape.computes], simulated.layers)
    for layer, outcomes in zip(printed, simulated.outcomes, strict=True):
        assert len(outcomes) == N_DIGITS
        for outcome in outcomes:
            assert outcome.compute == layer["cycles"]
            cycles = layer["latency_ns"] * cost.array.clock_mhz / 1e3
            assert abs(cycles / outcome.total - 1) < TOLERANCE
    for image in zip(*simulated.outcomes, strict=True):
        assert sum(o.compute for o in image) == sum(layer["cycles"] for layer in printed)


def same_layers(shapes, layers):
    """The layers that ran are those that were priced, in the same order."""
    plain = {"name": "", "bias": False, "inputs": None}
    ran = [shape_of(layer).model_copy(update=plain) for layer in layers]
    assert ran == [shape.model_copy(update=plain) for shape in shapes]


def test_the_quantised_network_still_recognises_digits(learnt):
    network, x, y = learnt
    results = forward(stages(network, x), x, in_integers)
    assert np.mean(results.argmax(1) == y.numpy()) >= 0.9
