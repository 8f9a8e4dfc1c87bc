"""A CGaP subnetwork for two digits, quantised to 8 bits, runs through the simulated array."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import cgap_bench.train as loop
from cgap_bench.config import NetworkSettings, RunConfig, StreamSettings, TrainingSettings
from cgap_bench.datasets import data_root
from cgap_bench.method import METHODS
from cgap_bench.streams import build_stream
from cgap_bench.workload import layer_shapes
from cgap_hw import LayerShape
from cgap_hw.arrays import OutputStationary
from cgap_hw.table import LayerTable
from rtl.driver import Design, Tiling, fits
from rtl.layers import Conv, Tensors, reference
from rtl.simulator import HOW, Job, available, run_layers

pytestmark = pytest.mark.skipif(not available(), reason=HOW)

DESIGN = Design(4, 4, 4)
TASK = 1


@pytest.fixture(scope="module")
def learnt():
    """The subnetwork of the second experience of split-digits, and its test images."""
    settings = METHODS["cgap"].settings().model_dump(mode="json")
    config = RunConfig(
        benchmark="split-digits", preset="quick", method="cgap", seed=0,
        network=NetworkSettings(name="digits-cnn"),
        stream=StreamSettings(dataset="digits", n_experiences=5),
        training=TrainingSettings(epochs=6, lr=0.05, batch_size=32),
        method_settings=settings,
    )  # fmt: skip
    torch.manual_seed(0)
    stream = build_stream(config.stream, config.training.holdout_share, 0, data_root())
    context = loop._context(config, stream, None, lambda _n: None)
    learner = METHODS["cgap"].build(context, METHODS["cgap"].settings.model_validate(settings))
    for experience in stream.benchmark.train_stream[: TASK + 1]:
        learner.learn(experience)
    dataset = stream.benchmark.test_stream[TASK].dataset
    source = loop.BatchSource(stream.test, config.training.augment, torch.Generator())
    x, y, _ = next(iter(loop.TensorLoader(dataset, source, 64, train=False)))
    return learner.network_for(TASK).eval(), x, y


class Stage:
    """Dense operations side by side on one input, batch norm folded, to 8-bit integers."""

    def __init__(self, module, norm, relu, x, y):
        ops = list(module.ops) if hasattr(module, "ops") else [module]
        self.reads = [
            list(range(*(s[0], s[0] + s[1]))) if s else getattr(module, f"index{i}").tolist()
            for i, s in enumerate(module.spans)
        ] if hasattr(module, "ops") else [list(range(x.shape[1]))]  # fmt: skip
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

    def jobs(self, pixels):
        """What the array runs for one image: (channels, rows, columns)."""
        for (op, weights, bias, shift), reads in zip(self.ops, self.reads, strict=True):
            part = pixels[reads]
            if isinstance(op, nn.Linear):
                layer = Conv.linear(part.size, len(weights))
                part = part.reshape(1, 1, -1)
            else:
                sizes = (*op.kernel_size, *op.stride, *op.padding)
                layer = Conv(part.shape[0], len(weights), *part.shape[1:], *sizes)
            shape = (layer.n_out, layer.if_g, layer.k_h, layer.k_w)
            operands = Tensors(part, weights.reshape(shape), bias, shift, self.relu)
            yield Job(layer, operands, tiling(layer), bytes_per_cycle=8)


def digits(values):
    """Binary digits behind the point that keep the largest value within 8 bits."""
    return int(np.floor(np.log2(127 / float(values.abs().max()))))


def tiling(layer):
    """Whole maps; as many output channels as the buffers hold."""
    for units in range(-(-layer.n_out // 4) * 4, 0, -4):
        candidate = Tiling(layer.out_h, min(units, layer.n_out))
        if fits(layer, candidate, DESIGN):
            return candidate
    raise AssertionError(f"{layer} does not fit")


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
        assert not isinstance(after, Stage) or not isinstance(before, Stage) or (
            before.y_digits == after.x_digits
        )  # fmt: skip
    return found


def forward(chain, image, execute):
    """Run one image; ``execute`` turns a stage's jobs into (results, cycles)."""
    pixels = np.clip(np.rint(image.numpy() * 2.0 ** chain[0].x_digits), -128, 127)
    pixels, cycles = pixels.astype(np.int64), 0
    for stage in chain:
        if isinstance(stage, Stage):
            if isinstance(stage.ops[0][0], nn.Linear):
                pixels = pixels.reshape(-1, 1, 1)
            results, spent = execute(list(stage.jobs(pixels)))
            flat = [r.reshape(-1, 1, 1) if r.shape[1:] == (1, 1) else r for r in results]
            pixels = np.concatenate(flat)[stage.order]
            cycles += spent
        else:
            pixels = stage(torch.tensor(pixels)[None].float())[0].long().numpy()
    return pixels.ravel(), cycles


def in_integers(jobs):
    return [reference(job.layer, job.operands) for job in jobs], 0


def check(learnt, n_images, folder, build):
    network, x, y = learnt
    chain = stages(network, x)

    def on_the_array(jobs):
        outcomes = run_layers(jobs, DESIGN, folder, build)
        return [outcome.output for outcome in outcomes], sum(o.compute for o in outcomes)

    shapes = [LayerShape(**layer) for layer in layer_shapes(network, x[:1])]
    array = OutputStationary(clock_mhz=100, source="test", pox=4, poy=4, pof=4)
    table = LayerTable.of([shape for shape in shapes if shape.computes])
    price = int(array.mac_cycles(table).sum())
    for image in x[:n_images]:
        results, cycles = forward(chain, image, on_the_array)
        expected, _ = forward(chain, image, in_integers)
        np.testing.assert_array_equal(results, expected)
        assert cycles == price
    right = sum(int(forward(chain, a, in_integers)[0].argmax() == b) for a, b in zip(x, y))
    assert right >= 0.9 * len(y)


def test_twenty_digits_run_through_the_array(learnt, tmp_path):
    check(learnt, 20, tmp_path / "run", tmp_path / "build")
