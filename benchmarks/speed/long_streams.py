"""What an experience takes after ten, fifty and a hundred, and what changes of structure take.

The stream has a hundred tasks of two classes of small images, learnt by Avalanche's plain
strategy with the plugin. Changes are counted in training steps of the column: sprouting,
growth, pruning and merging, on the networks of the protocols. All by processor time in one
process.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/long_streams.py`. With `--output results` the
figures are kept.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from avalanche.benchmarks import tensors_benchmark
from avalanche.training import Naive
from keeping import keep, parser
from torch import Tensor, nn

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_cl import CGaPConfig, CGaPPlugin, PlasticNetwork
from cgap_cl.train.growth import GrowthLoop

N, AROUND = 100, 3  # experiences; a figure is the median of so many on either side and its own
ROWS, EPOCHS, BATCH = 128, 12, 32
NETWORKS = {
    "mlp": ("mlp", (1, 28, 28)),
    "alexnet": ("alexnet-gpm", (3, 32, 32)),
    "resnet18": ("resnet18-reduced", (3, 32, 32)),
}
STEPS = 80  # of a column, for the phases to have all their events


def _rows(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two classes that differ in one half of a map."""
    y = torch.arange(ROWS) % 2
    x = torch.randn(ROWS, 1, 8, 8, generator=generator)
    x[:, :, :4] += y.view(-1, 1, 1, 1)
    return x, y


def _cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 2))


def _spent(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def hundred() -> dict[str, float]:
    """Training and evaluation at the 50th and 100th experience, against the 10th."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    parts = [_rows(generator) for _ in range(N)]
    labels = list(range(N))
    stream = tensors_benchmark(train_tensors=parts, test_tensors=parts, task_labels=labels)
    network = PlasticNetwork(_cnn(), parts[0][0][:2])
    strategy = Naive(
        model=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9),
        plugins=[CGaPPlugin(CGaPConfig(target_price=0.2))],
        evaluator=None,
        train_epochs=EPOCHS,
        train_mb_size=BATCH,
    )
    trained, evaluated = [], []
    for experience, tested in zip(stream.train_stream, stream.test_stream, strict=True):
        trained.append(_spent(lambda e=experience: strategy.train(e)))
        evaluated.append(_spent(lambda e=tested: strategy.eval([e])))

    def at(times: list[float], n: int) -> float:
        return statistics.median(times[max(0, n - 1 - AROUND) : n + AROUND])

    return {
        f"{what}_{n}": at(times, n) / at(times, 10)
        for what, times in {"train": trained, "eval": evaluated}.items()
        for n in (50, 100)
    }


def changes(name: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Median time of each change of structure of a second column, in its training steps."""
    torch.manual_seed(0)
    x, y = torch.randn(64, *shape), torch.arange(64) % 10
    network = PlasticNetwork(build_network(NetworkSettings(name=name), shape, 10), x[:2])
    loop = GrowthLoop(network, CGaPConfig(target_price=0.2))
    spent: dict[str, list[float]] = defaultdict(list)
    for label in (0, 1):
        spent.clear()  # the first column has nothing to inherit
        spent["sprout"].append(_spent(lambda n=label: loop.sprout(n, classes=10)))
        optimizer = torch.optim.SGD(network.live_parameters(), lr=0.01, momentum=0.9)
        loop.start(STEPS)
        for _ in range(STEPS):
            start = time.process_time()
            loss = loop.taught(nn.functional.cross_entropy(network(x, label), y), len(x))
            optimizer.zero_grad()
            loss.backward()
            loop.observe()
            optimizer.step()
            trained = time.process_time()
            plan = loop.advance(optimizer)
            kind = "step" if not plan else "grow" if plan.grow else "prune"
            spent["step"].append(trained - start)
            if kind != "step":
                spent[kind].append(time.process_time() - trained)
        start = time.process_time()
        loop.finish(optimizer)
        spent["merge"].append(time.process_time() - start)
    step = statistics.median(spent.pop("step"))
    return {kind: statistics.median(times) / step for kind, times in spent.items()}


def main() -> dict[str, float]:
    """Print and give all figures."""
    found = hundred()
    for name, (network, shape) in NETWORKS.items():
        found |= {f"{name}_{kind}": value for kind, value in changes(network, shape).items()}
    for key, value in found.items():
        print(f"{key}: {value:.3g}")
    return found


if __name__ == "__main__":
    output = parser(__doc__).parse_args().output
    torch.set_num_threads(1)
    keep("long_streams", main(), output)
