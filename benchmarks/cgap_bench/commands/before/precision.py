"""Which number format and order in memory? `auto`: what a probe of the very network says here.

Numbers depend on both, so what was decided becomes part of the configuration, and so of the
identity of the runs. It is kept beside the records: the same command finds its runs again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cgap_bench.commands.before.probe import Work, on_one_thread, training_step
from cgap_bench.errors import UsageError
from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import MemoryFormat, Precision, RunConfig
from cgap_bench.record.environment import describe_environment
from cgap_bench.record.files import read_json, write_file

FILE = "precision.json"  # in the output folder
KEYS = ("training.precision", "training.memory_format")
GAIN = 1.1  # what another format than the plain one must be faster by: numbers change with it
HOPELESS = 3.0  # times the best: not tried again; without the instructions it may be twenty
ROUNDS = 5

Way = tuple[Precision, MemoryFormat]
PLAIN: Way = (Precision.FLOAT32, MemoryFormat.CONTIGUOUS)
OTHERS = [(p, order) for p in Precision for order in MemoryFormat if (p, order) != PLAIN]
WAYS: tuple[Way, ...] = (PLAIN, *OTHERS)


@dataclass(frozen=True)
class Choice:
    """How networks are to be trained.

    Attributes:
        way: Number format and order in memory.
        step_ms: Name of a way -> time of a training step; what was hopeless has its first.
    """

    way: Way
    step_ms: Mapping[str, float]

    @property
    def overrides(self) -> list[str]:
        """As `--set` takes them."""
        return [f"{key}={value}" for key, value in zip(KEYS, self.way)]

    @property
    def text(self) -> str:
        """A line for people."""
        times = ", ".join(f"{name} {ms:.3g} ms" for name, ms in self.step_ms.items())
        return f"precision: {name_of(self.way)} by a probe of a training step here ({times})"


def name_of(way: Way) -> str:
    """As the two settings have them."""
    return " ".join(way)


def choose(config: RunConfig, work: Work, output: Path, keep: bool) -> Choice:
    """What was decided before for such runs on such a machine, or is by a probe now.

    Args:
        config: A run; its own format and order do not matter.
        work: Shape of an image, classes.
        output: Folder that records go to.
        keep: Whether a decision is written there.

    Raises:
        UsageError: The file of decisions is damaged, or cannot be written.
    """
    path, key = output / FILE, _key(config, work)
    decisions = read_json(path) if path.exists() else {}
    try:
        if key in decisions:
            return _read(decisions[key])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds no decisions on precision: {error}") from error

    choice = fastest(_steps(config, work))
    if keep:
        content = {"precision": choice.way[0], "memory_format": choice.way[1]}
        decisions |= {key: content | {"step_ms": dict(choice.step_ms)}}
        write_file(path, json.dumps(decisions, indent=1) + "\n", output)
    return choice


def fastest(steps: Mapping[Way, Callable[[], float]]) -> Choice:
    """The best of several rounds in turn; the plain way unless another is clearly faster.

    Args:
        steps: Way -> does a training step and gives its seconds; the plain way is the first.
    """
    times: dict[Way, float] = {}
    for _ in range(1 + ROUNDS):  # the first one warms up
        for way, step in steps.items():
            if way not in times or times[way] < HOPELESS * min(times.values()):
                times[way] = min(times.get(way, float("inf")), step())

    best = min(times, key=lambda way: times[way])
    way = best if times[best] * GAIN < times[PLAIN] else PLAIN
    return Choice(way, {name_of(way): 1e3 * seconds for way, seconds in times.items()})


def _steps(config: RunConfig, work: Work) -> dict[Way, Callable[[], float]]:
    """A timed training step of each way, on one thread as in a worker process."""
    steps = {}
    for precision, order in WAYS:
        update = {"precision": precision, "memory_format": order}
        training = config.training.model_copy(update=update)
        one = config.model_copy(update={"training": training})
        with torch.random.fork_rng(devices=[]):
            network = build_network(config.network, work.input_shape, work.n_outputs)
            steps[precision, order] = on_one_thread(training_step(network, one, work))
    return steps


def _key(config: RunConfig, work: Work) -> str:
    """Of all that the time of a step depends on."""
    here = describe_environment(torch.device(config.device))
    about = {
        "network": config.network.model_dump(mode="json"),
        "batch_size": config.training.batch_size,
        "shape": [*work.input_shape, work.n_outputs],
        "torch": here["packages"]["torch"],
        "on": [config.device, here["device"], here["capability"]],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]


def _read(kept: Any) -> Choice:
    way = Precision(kept["precision"]), MemoryFormat(kept["memory_format"])
    return Choice(way, {str(name): float(ms) for name, ms in kept["step_ms"].items()})
