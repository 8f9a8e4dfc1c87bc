"""What `torch.compile` gives on a processor: a training step, and the seconds before the first.

Of the networks of `bare_loop.py`: forward, loss and backward of the compiled network against
the same of the plain one, in turn, the median of the ratios. Compiling is all that the first
step takes, what it starts (a C++ compiler) included. Of a column of CGaP, on the MLP, the whole
life: its widths change at each event, and each change is compiled anew. All is processor time,
compilers included, on one thread; nothing is taken from a cache.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/compiled.py`; `--parts mlp column` for some of
it. With `--output benchmarks/speed` the figures are kept, beside those of other parts.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable

# read when inductor is imported; in processes of its own nobody could count what it takes
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

import torch
from keeping import keep, parser
from torch import Tensor, nn

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_cl import CGaPConfig, PlasticNetwork
from cgap_cl.train.growth import GrowthLoop

NETWORKS = {  # part -> network, shape of an image, batch
    "mlp": ("mlp", (1, 28, 28), 128),
    "alexnet": ("alexnet-gpm", (3, 32, 32), 64),
    "resnet18": ("resnet18-reduced", (3, 32, 32), 64),
}
COLUMN = "column"
STEPS = 80  # of a column, for the phases to have all their events
CLASSES, ROUND_S, TURNS = 10, 0.3, 7

Model = Callable[..., Tensor]


def spent_s() -> float:
    """Processor time of this process, and, to hundredths, of those that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _spent(work: Callable[[], object], n: int = 1) -> float:
    start = spent_s()
    for _ in range(n):
        work()
    return (spent_s() - start) / n


def learner(model: Model, network: nn.Module, x: Tensor) -> Callable[[], None]:
    """Forward, loss, backward and step of SGD."""
    y = torch.arange(len(x)) % CLASSES
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def of_network(part: str) -> dict[str, float]:
    """Seconds of compiling, and a compiled step of a plain one."""
    name, shape, batch = NETWORKS[part]
    torch.manual_seed(0)
    x = torch.randn(batch, *shape)
    network = build_network(NetworkSettings(name=name), shape, CLASSES).train()
    plain, ours = learner(network, network, x), learner(torch.compile(network), network, x)
    plain()
    step_s = _spent(plain, 3)
    compile_s = _spent(ours) - step_s

    n = max(1, round(ROUND_S / step_s))
    ratios = [_spent(ours, n) / _spent(plain, n) for _ in range(TURNS)]
    print(f"{part}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}", flush=True)
    ratio, saved_s = statistics.median(ratios), step_s * (1 - statistics.median(ratios))
    found = {f"{part}_step": ratio, f"{part}_compile_s": compile_s}
    if saved_s > 0:
        found[f"{part}_steps_to_earn_it"] = compile_s / saved_s
    return found


def life(compiled: bool) -> tuple[float, int]:
    """Processor time of a first column, and how many graphs were compiled for it."""
    name, shape, batch = NETWORKS["mlp"]
    torch.manual_seed(0)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    x, y = torch.randn(batch, *shape), torch.arange(batch) % CLASSES
    network = PlasticNetwork(build_network(NetworkSettings(name=name), shape, CLASSES), x[:2])
    loop = GrowthLoop(network, CGaPConfig(target_price=0.2))
    loop.sprout(0, classes=CLASSES)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.01, momentum=0.9)
    loop.start(STEPS)
    model: Model = torch.compile(network) if compiled else network

    def train() -> None:
        for _ in range(STEPS):
            loss = loop.taught(nn.functional.cross_entropy(model(x, 0), y), len(x))
            optimizer.zero_grad()
            loss.backward()
            loop.observe()
            optimizer.step()
            loop.advance(optimizer)

    seconds = _spent(train)
    return seconds, int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def of_column() -> dict[str, float]:
    """Seconds that compiling adds to a column's life, and how often it is done."""
    torch._dynamo.config.recompile_limit = STEPS  # else it would give up, and run as it is
    plain_s, _ = life(compiled=False)
    compiled_s, n_graphs = life(compiled=True)
    step_s = plain_s / STEPS
    print(f"column: {plain_s:.2f} s, compiled {compiled_s:.1f} s, {n_graphs} graphs")
    return {
        "column_graphs": float(n_graphs),
        "column_compile_s": compiled_s - plain_s,
        "column_compile_steps": (compiled_s - plain_s) / step_s,
    }


def main(parts: list[str]) -> dict[str, float]:
    """Print and give the figures."""
    found: dict[str, float] = {}
    for part in parts:
        found |= of_column() if part == COLUMN else of_network(part)
    for key, value in found.items():
        print(f"{key}: {value:.3g}")
    return found


if __name__ == "__main__":
    command = parser(__doc__)
    every = [*NETWORKS, COLUMN]
    command.add_argument("--parts", nargs="+", choices=every, default=every)
    options = command.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        keep("compiled", main(options.parts), options.output, beside=True)
