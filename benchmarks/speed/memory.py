"""What one training step keeps in memory, by experience.

Counted, not sampled: tensors that autograd saves for the backward pass (each storage once, and
parameters not again), parameters and buffers of the whole network, and the optimizer's state.

Run: `python benchmarks/speed/memory.py`. With `--output results` the ratio is kept, and
`cgap-cl report` writes it into the pages.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.record.environment import describe_environment
from cgap_bench.show.measurements import write_measurements
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect_all

BATCH, N_CLASSES, FIRST, OWN = 64, 10, 0.45, 0.35


@dataclass(frozen=True)
class StepMemory:
    """Bytes of one training step.

    Attributes:
        saved: tensors kept for the backward pass.
        learning: parameters that learn, and the optimizer's state.
        base: parameters and buffers of everything that is frozen.
    """

    saved: int
    learning: int
    base: int

    @property
    def total(self) -> int:
        """Everything."""
        return self.saved + self.learning + self.base


def _bytes(tensors: list[Tensor]) -> int:
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def step_memory(network: PlasticNetwork, x: Tensor, label: int) -> StepMemory:
    """Memory of one step of SGD with momentum on the column of a task.

    Args:
        network: with a column that learns.
        x: ``(N, ...)``.
        label: the column's task label.
    """
    network.train()
    live = network.live_parameters()
    optimizer = torch.optim.SGD(live, lr=1e-3, momentum=0.9)
    saved: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = nn.functional.cross_entropy(network(x, label), torch.arange(len(x)) % N_CLASSES)
    stored = [*network.parameters(), *network.buffers()]
    known = {t.untyped_storage().data_ptr() for t in [x, *stored]}
    kept = [t for t in saved if t.untyped_storage().data_ptr() not in known]
    n_saved = _bytes(kept)
    loss.backward()
    optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]
    return StepMemory(n_saved, _bytes([*live, *state]), _bytes(stored) - _bytes([*live]))


def memory_by_experience(
    reference: Callable[[], nn.Module], x: Tensor, experiences: int
) -> list[StepMemory]:
    """A wide first block, then columns of one width of which every layer reads it."""
    network = PlasticNetwork(reference(), x[:2])
    found = []
    for k in range(experiences):
        widths = network.layout.scaled(OWN if k else FIRST)
        column = network.sprout(k, N_CLASSES, Birth(widths))
        if k:
            connect_all(column, network.block(0))
        found.append(step_memory(network, x, k))
        network.merge()
    return found


def ratio(found: list[StepMemory]) -> float:
    """The last step against the second plus what the base has grown by."""
    first, last = found[1], found[-1]
    return last.total / (first.total + last.base - first.base)


def main() -> float:
    """Print the table for the protocols' AlexNet; its ratio."""
    settings = NetworkSettings(name="alexnet-gpm")
    x = torch.randn(BATCH, 3, 32, 32)
    found = memory_by_experience(lambda: build_network(settings, (3, 32, 32), N_CLASSES), x, 10)
    for t, memory in enumerate(found, 1):
        sizes = {
            "saved for backward": memory.saved,
            "learning parameters and optimizer": memory.learning,
            "base": memory.base,
        }
        text = ", ".join(f"{name} {n / 2**20:.1f} MiB" for name, n in sizes.items())
        print(f"t={t}: {text}")
    print(f"memory of a step at t=10 against t=2 plus the base's growth: {ratio(found):.3f}")
    return ratio(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="results folder to keep the ratio in")
    output = parser.parse_args().output
    torch.manual_seed(0)
    at_10 = main()
    if output:
        here = describe_environment(torch.device("cpu"))
        print(write_measurements("memory", {"step_at_10": at_10}, here, output))
