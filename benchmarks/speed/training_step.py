"""Cost of a training step and of growth, as ratios measured in one run on one machine.

Run: `python benchmarks/speed/training_step.py` (one thread is steadiest: OMP_NUM_THREADS=1).
With `--output results` the ratios are kept, and `cgap-cl report` writes them into the pages.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torchvision import models

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.record.environment import describe_environment
from cgap_bench.show.measurements import write_measurements
from cgap_cl import Birth, Plan, PlasticNetwork
from cgap_cl.blocks.block import connect_all
from cgap_cl.change import surgery

BATCH, N_CLASSES, FIRST, OWN = 64, 10, 0.45, 0.35


def median_ms(step: Callable[[], object], n: int = 9) -> float:
    """Median time of ``n`` calls after two to warm up, ms."""
    times = []
    for _ in range(n + 2):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times[2:])[n // 2]


def training(
    model: Callable[[torch.Tensor], torch.Tensor],
    parameters: list[nn.Parameter],
    x: torch.Tensor,
) -> Callable[[], None]:
    """One step: forward, backward, SGD with momentum."""
    y = torch.arange(len(x)) % N_CLASSES
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def reference() -> nn.Sequential:
    """The network of the protocols."""
    return build_network(NetworkSettings(name="alexnet-gpm"), (3, 32, 32), N_CLASSES)


def plain_twin(network: PlasticNetwork) -> nn.Sequential:
    """A plain chain with the column's weights, and so MACs, in every layer but the head."""
    column, twin = network.column, reference()
    assert column is not None
    counts = {
        layer.name: layer.own.weight.numel()
        + sum(part.op.weight.numel() for _, part in layer.sources())
        for layer in column.plastic()
    }

    n_in, n = 3, 3
    for name, module in list(twin.named_children()):
        if isinstance(module, nn.Conv2d):
            n = max(1, round(counts[name] / n_in / module.weight[0, 0].numel()))
            kernel = module.kernel_size[0]
            fresh: nn.Module = nn.Conv2d(n_in, n, kernel, padding=module.padding, bias=False)
        elif isinstance(module, nn.Linear):
            previous = network.layout[name].inputs.segments[0]
            n_in = n * previous.repeat
            last = name == network.layout.head
            n = N_CLASSES if last else max(1, round(counts[name] / n_in))
            fresh = nn.Linear(n_in, n, bias=module.bias is not None)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            fresh = type(module)(n)
        else:
            continue

        setattr(twin, name, fresh)
        n_in = n
    return twin


def step_ratio(t: int) -> float:
    """A training step at experience ``t`` against the work that it cannot avoid."""
    x = torch.randn(BATCH, 3, 32, 32)
    network = PlasticNetwork(reference(), x[:2])
    for k in range(t):
        width = network.layout.scaled(OWN if k else FIRST)
        column = network.sprout(k, N_CLASSES, Birth(width))
        if k:
            connect_all(column, network.block(0))
        if k < t - 1:
            network.merge()
    network.train()
    label = t - 1
    ours = median_ms(training(lambda x: network(x, label), network.live_parameters(), x))
    first = network.subnetwork(0)

    def forward_first() -> torch.Tensor:
        with torch.no_grad():
            return first(x)  # type: ignore[no-any-return]

    twin = plain_twin(network).train()
    floor = median_ms(forward_first) + median_ms(training(twin, list(twin.parameters()), x))
    times = f"{ours:.1f} ms; first block + plain network: {floor:.1f} ms"
    print(f"step at t={t}: {times}; ratio {ours / floor:.2f}")
    return ours / floor


def growth_ratio() -> float:
    """Growing every group of ResNet-18 against one of its training steps."""
    x = torch.randn(BATCH, 3, 32, 32)
    network = PlasticNetwork(models.resnet18(num_classes=N_CLASSES), x[:2])
    column = network.sprout(0, N_CLASSES, Birth(network.layout.widths))
    network.train()
    step = median_ms(training(lambda x: network(x, 0), network.live_parameters(), x), 3)
    parents = {g: range(0, n, 4) for g, n in column.widths.items()}
    start = time.perf_counter()
    surgery.apply(column, Plan(grow=parents))
    grow = 1e3 * (time.perf_counter() - start)
    times = f"{grow:.0f} ms; training step: {step:.0f} ms"
    print(f"growing all groups of ResNet-18 by a quarter: {times}; ratio {grow / step:.2f}")
    return grow / step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="results folder to keep the ratios in")
    output = parser.parse_args().output
    torch.manual_seed(0)
    ratios = {"step_at_5": step_ratio(5), "growing_resnet18": growth_ratio()}
    if output:
        here = describe_environment(torch.device("cpu"))
        print(write_measurements("training_step", ratios, here, output))
